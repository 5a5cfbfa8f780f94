package automation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestOnlyNamedFactsArePublished(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), kitConfig{})
	for name, action := range map[string]automation.Action{
		"nothing":             automation.PublishEvent(k.governor),
		"what is not listed":  automation.PublishEvent(k.governor, "orders.moon"),
		"what is the kit's":   automation.PublishEvent(k.governor, "orders.flag", automation.ActionEnable),
		"a decision":          automation.PublishEvent(k.governor, "approvals.request.approved"),
		"without a governor":  automation.PublishEvent(nil, "orders.flag"),
		"a post to nowhere":   automation.HTTPPost(nil),
		"a log to nowhere":    automation.NotifyLog(nil),
		"a request of nobody": automation.RequestApproval(nil),
	} {
		if _, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{Actions: []automation.Action{action}}); err == nil {
			t.Errorf("a catalogue takes an action made with: %s", name)
		}
	}
	// A change that never happened is no fact to publish.
	forged := definition(t, `"steps":[{"name":"forge","action":"publish.event","with":{"action":"orders.refund","resource":{"type":"order","id":"1001"}}}]`)
	_, err := k.service.Create(k.ctx, acme, automation.RuleInput{Definition: forged})
	wantErr(t, err, storage.ErrInvalid)
	hidden := k.rule(t, `"retry":{"attempts":1},"steps":[{"name":"forge","action":"publish.event","with":{"action":"{{ /data/note }}","resource":{"type":"order","id":"1001"}}}]`)
	k.work(t)
	e := k.refund(t, "e1", 1)
	d := k.until(t, automation.Failed)
	same(t, "the rule", d.Run.RuleID, hidden.ID)
	same(t, "the class", d.Run.Failure.Class, automation.ClassInvalid)
	same(t, "refunds on record after "+e.ID, strings.Count(strings.Join(k.audited(t), " "), "orders.refund"), 1)
}

func TestHTTPPostSortsWhatComesBack(t *testing.T) {
	t.Parallel()
	type answer struct {
		code   int
		header string
		body   string
	}
	for name, c := range map[string]struct {
		answer     answer
		class      string
		retryAfter time.Duration
		output     string
	}{
		"JSON":              {answer{200, "", `{"id":7}`}, "", 0, `{"body":{"id":7},"status":200}`},
		"text":              {answer{202, "", "thanks\x00"}, "", 0, `{"body":"thanks","status":202}`},
		"nothing":           {answer{204, "", ""}, "", 0, `{"status":204}`},
		"too much":          {answer{200, "", strings.Repeat("x", 70_000)}, automation.ClassPermanent, 0, ""},
		"a redirect":        {answer{302, "", ""}, automation.ClassPermanent, 0, ""},
		"a bad request":     {answer{400, "", "no"}, automation.ClassPermanent, 0, ""},
		"unauthorized":      {answer{401, "", ""}, automation.ClassAuth, 0, ""},
		"too many":          {answer{429, "30", ""}, automation.ClassRateLimited, 30 * time.Second, ""},
		"too many for ever": {answer{429, "999999999", ""}, automation.ClassRateLimited, 24 * time.Hour, ""},
		"timeout":           {answer{408, "", ""}, automation.ClassTransient, 0, ""},
		"unavailable":       {answer{503, "Fri, 31 Dec 1999 23:59:59 GMT", ""}, automation.ClassTransient, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			var body bytes.Buffer
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r
				_, _ = body.ReadFrom(r.Body)
				if c.answer.header != "" {
					w.Header().Set("Retry-After", c.answer.header)
				}
				w.WriteHeader(c.answer.code)
				_, _ = w.Write([]byte(c.answer.body))
			}))
			defer server.Close()
			trace := correlation.New()
			with, err := json.Marshal(map[string]any{"url": server.URL, "headers": map[string]string{"X-Shop": "acme"}, "body": map[string]int{"a": 1}})
			must(t, err)
			out, err := automation.HTTPPost(server.Client()).Run(correlation.With(t.Context(), trace), automation.Input{Key: "run/step/0", With: with})
			same(t, "the key", got.Header.Get("Idempotency-Key"), "run/step/0")
			same(t, "the trace", got.Header.Get("Traceparent"), trace.Traceparent())
			same(t, "the header", got.Header.Get("X-Shop"), "acme")
			same(t, "the type", got.Header.Get("Content-Type"), "application/json")
			same(t, "the body", body.String(), `{"a":1}`)
			if c.class == "" {
				must(t, err)
				same(t, "the output", string(out.Value), c.output)
				return
			}
			failed, ok := errors.AsType[*automation.ActionError](err)
			if !ok || failed.Class != c.class || failed.RetryAfter != c.retryAfter {
				t.Errorf("got %+v, want class %s after %v", err, c.class, c.retryAfter)
			}
		})
	}
}

func TestHTTPPostRefusesWhatItShouldNotSend(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]string{
		"a file":            `{"url":"file:///etc/passwd"}`,
		"no host":           `{"url":"https:///x"}`,
		"no scheme":         `{"url":"example.test"}`,
		"a user":            `{"url":"https://a:b@example.test"}`,
		"a bad url":         `{"url":"https://[::1"}`,
		"its own key":       `{"url":"https://example.test","headers":{"idempotency-key":"x"}}`,
		"another host":      `{"url":"https://example.test","headers":{"Host":"x"}}`,
		"no object at all":  `7`,
		"a split of header": `{"url":"https://example.test","headers":{"A\r\nB":"x"}}`,
	} {
		_, err := automation.HTTPPost(refusing{}).Run(t.Context(), automation.Input{With: json.RawMessage(with)})
		failed, ok := errors.AsType[*automation.ActionError](err)
		if !ok || failed.Class != automation.ClassInvalid {
			t.Errorf("%s: got %v, want class %s", name, err, automation.ClassInvalid)
		}
	}
}

// refusing is a client that must not be reached.
type refusing struct{}

func (refusing) Do(*http.Request) (*http.Response, error) { return nil, errors.New("was asked") }

func TestHTTPPostWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	action := automation.HTTPPost(refusing{})
	in := automation.Input{With: json.RawMessage(`{"url":"https://10.0.0.1/secret"}`)}
	_, err := action.Run(t.Context(), in)
	failed, ok := errors.AsType[*automation.ActionError](err)
	if !ok || failed.Class != automation.ClassTransient || strings.Contains(failed.Message, "10.0.0.1") {
		t.Errorf("got %v, want class %s without the address", err, automation.ClassTransient)
	}
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, err = action.Run(late, in)
	if failed, ok := errors.AsType[*automation.ActionError](err); !ok || failed.Class != automation.ClassTimeout {
		t.Errorf("got %v, want class %s", err, automation.ClassTimeout)
	}
}

func TestNotifyLogWritesToBothLogs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var lines []string
	in := automation.Input{Tenant: acme, RuleID: "r", RunID: "run", Step: "tell", With: json.RawMessage(`{"message":"large\nrefund","level":"warn"}`)}
	in = in.WithLog(func(level slog.Level, text string) { lines = append(lines, level.String()+" "+text) })
	_, err := automation.NotifyLog(slog.New(slog.NewJSONHandler(&out, nil))).Run(t.Context(), in)
	must(t, err)
	same(t, "the run's log", lines, []string{"WARN large\nrefund"})
	var record map[string]any
	must(t, json.Unmarshal(out.Bytes(), &record))
	same(t, "the record", []any{record["msg"], record["level"], record["tenant"], record["rule"], record["run"], record["step"]},
		[]any{"large\nrefund", "WARN", acme, "r", "run", "tell"})
}

func TestTheEventThatARulePublishesIsLikeAnyOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		k.rule(t, `"steps":[{"name":"flag","action":"publish.event","with":{"action":"orders.flag","resource":{"type":"order","id":"{{ /subject }}"},"data":{"n":{"$ref":"/data/amount"}},"reason":"large"}}]`)
		k.refund(t, "e1", 150)
		d := k.until(t, automation.Succeeded)
		page, err := k.log.Query(k.ctx, acme, audit.Query{Action: "orders.flag"})
		must(t, err)
		e := page.Items[0]
		same(t, "the event", []string{e.Type, string(e.Payload), e.Reason, e.Resource.ID}, []string{"lumelle.orders.v1.flagged", `{"n":150}`, "large", "order/1001"})
		same(t, "the output", string(d.Steps[0].Output), `{"id":"`+e.ID+`","type":"lumelle.orders.v1.flagged"}`)
	})
}
