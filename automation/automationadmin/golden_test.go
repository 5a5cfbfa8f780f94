package automationadmin_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// runDetail is what an operator sees of a run whose second step fails, breaks down and is
// made up for, and its timeline: of the failure with all its causes, of the panic with its
// stack.
//
//go:embed testdata/run_detail.json
var runDetail string

func TestTheDetailOfAFailedRunIsGolden(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		h := newHost(t, b)
		h.probe.answers = []func() (automation.Output, error){
			func() (automation.Output, error) {
				return automation.Output{Value: json.RawMessage(`{"id":"order-7","card":"SECRET"}`)}, nil
			},
			func() (automation.Output, error) {
				return automation.Output{}, automation.Fail(automation.ClassTransient, "nobody answered",
					fmt.Errorf("pay order-7: %w", errors.New("dial tcp 10.0.0.7: refused")))
			},
			func() (automation.Output, error) { panic("broken gear") },
		}
		id := h.Want(h.Do("sam@acme", "POST", "/rules", `{"name":"Pay back","automation_environment":"prod","trigger":{"type":"order.refunded"},
			"steps":[
				{"name":"lookup","action":"test.probe","with":{"order":{"$ref":"/subject"}}},
				{"name":"large","if":{"path":"/data/amount","op":"gte","value":100},"then":[
					{"name":"pay","action":"test.probe","with":{"id":{"$ref":"/steps/lookup/output/id"},"key":"SECRET"},"retry":"twice"}]},
				{"name":"tell","action":"test.probe"}],
			"on_failure":[{"name":"sorry","action":"test.probe","with":{"text":"{{ /error/step }}: {{ /error/message }}"}}]}`), 201).Body["id"].(string)
		h.Want(h.Do("sam@acme", "POST", "/rules/"+id+"/enable", ""), 200)
		e := h.happens("orders.refund", "1001", `{"amount":150,"note":"SECRET"}`)
		run := h.until("status=failed")["id"].(string)
		detail := h.Want(h.Do("olivia@acme", "GET", "/runs/"+run, ""), 200)
		entries, err := correlation.Timeline(t.Context(), "acme", e.Trace.TraceID, h.service)
		must(t, err)
		timeline, err := json.Marshal(entries)
		must(t, err)
		var got bytes.Buffer
		must(t, json.Indent(&got, []byte(`{"run":`+detail.Text+`,"timeline":`+string(timeline)+`}`), "", "\t"))
		got.WriteByte('\n')
		if masked := masked(t, got.String(), run, id, e.ID, e.Trace.TraceID); masked != runDetail {
			t.Errorf("testdata/run_detail.json says otherwise of:\n%s", masked)
		}
	})
}

// changing is what differs from run to run besides ids: times, durations, spans, and the
// lines of a stack.
var changing = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`("duration_ms": )\d+`), "${1}0"},
	{regexp.MustCompile(`("span_id": )"[0-9a-f]{16}"`), `${1}"SPAN"`},
	{regexp.MustCompile(`-[0-9a-f]{16}-01"`), `-SPAN-01"`},
	{regexp.MustCompile(`goroutine \d+ \[running\]:[^"]*\.TestTheDetailOfAFailedRunIsGolden\.[^"]*golden_test\.go:\d+[^"]*`), "STACK"},
}

// masked returns text without what differs from run to run.
func masked(t *testing.T, text, run, rule, event, trace string) string {
	t.Helper()
	text = strings.NewReplacer(run, "RUN", rule, "RULE", event, "EVENT", trace, "TRACE").Replace(text)
	for _, c := range changing {
		if !c.what.MatchString(text) {
			t.Errorf("there is nothing like %s in %s", c.what, text)
		}
		text = c.what.ReplaceAllString(text, c.as)
	}
	return text
}
