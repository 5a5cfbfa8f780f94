package automationadmin

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/automation"
)

// The documents of the surface, as openapi.json describes them.
type (
	// In a list a rule is told by its head, elsewhere its definition stands beside it.
	listedRule struct {
		Name        string `json:"name"`
		Environment string `json:"automation_environment"`
		ruleHead
	}

	rule struct {
		ruleHead
		Definition jsontext.Value `json:",embed"`
	}

	ruleHead struct {
		ID         string    `json:"id"`
		EventTypes []string  `json:"event_types"`
		Enabled    bool      `json:"enabled"`
		Owner      person    `json:"owner"`
		Version    int       `json:"version"`
		Revision   int64     `json:"revision"`
		CreatedAt  time.Time `json:"created_at"`
		UpdatedAt  time.Time `json:"updated_at"`
	}

	version struct {
		Version   int       `json:"version"`
		Hash      string    `json:"hash"`
		CreatedBy person    `json:"created_by"`
		CreatedAt time.Time `json:"created_at"`
	}

	writtenVersion struct {
		version
		Definition stdjson.RawMessage `json:"definition"`
	}

	// A person is an actor as others may see it: without their proof of identity.
	person struct {
		Type string `json:"type"`
		ID   string `json:"id"`
		Name string `json:"name"`
	}

	testInput struct {
		Event    stdjson.RawMessage            `json:"event"`
		Outputs  map[string]stdjson.RawMessage `json:"outputs"`
		Outcomes map[string]string             `json:"outcomes"`
	}

	definitionTest struct {
		testInput
		Definition jsontext.Value `json:"definition"`
	}

	run struct {
		ID          string            `json:"id"`
		RuleID      string            `json:"rule_id"`
		RuleVersion int               `json:"rule_version"`
		Environment string            `json:"automation_environment"`
		Status      automation.Status `json:"status"`
		Trigger     string            `json:"trigger"`
		EventType   string            `json:"event_type"`
		ParentID    string            `json:"parent_id"`
		Owner       person            `json:"owner"`
		Step        string            `json:"step"`
		Wait        *wait             `json:"wait"`
		Error       *failure          `json:"error"`
		Reason      string            `json:"reason"`
		Level       string            `json:"level"`
		TraceID     string            `json:"trace_id"`
		DeadlineAt  *time.Time        `json:"deadline_at"`
		StartedAt   time.Time         `json:"started_at"`
		UpdatedAt   time.Time         `json:"updated_at"`
		EndedAt     *time.Time        `json:"ended_at"`
	}

	wait struct {
		Kind  string     `json:"kind"`
		Key   string     `json:"key"`
		DueAt *time.Time `json:"due_at"`
	}

	failure struct {
		Step    string `json:"step"`
		Class   string `json:"class"`
		Message string `json:"message"`
		Attempt int    `json:"attempt"`
	}

	detailedRun struct {
		run
		Event stdjson.RawMessage `json:"event"`
		Steps []step             `json:"steps"`
	}

	step struct {
		Name      string             `json:"name"`
		Action    string             `json:"action"`
		Status    automation.Status  `json:"status"`
		Branch    string             `json:"branch"`
		Input     stdjson.RawMessage `json:"input"`
		Output    stdjson.RawMessage `json:"output"`
		Error     *failure           `json:"error"`
		WaitKey   string             `json:"wait_key"`
		LinkID    string             `json:"link_id"`
		StartedAt *time.Time         `json:"started_at"`
		EndedAt   *time.Time         `json:"ended_at"`
		Attempts  []attempt          `json:"attempts"`
	}

	attempt struct {
		N          int       `json:"n"`
		At         time.Time `json:"at"`
		DurationMS int64     `json:"duration_ms"`
		Class      string    `json:"class"`
		Error      string    `json:"error"`
		Detail     string    `json:"detail,omitzero"`
		Logs       []logLine `json:"logs"`
		TraceID    string    `json:"trace_id"`
		SpanID     string    `json:"span_id"`
	}

	logLine struct {
		At    time.Time `json:"at"`
		Level string    `json:"level"`
		Text  string    `json:"text"`
	}
)

func headOf(r automation.Rule) ruleHead {
	return ruleHead{
		ID: r.ID, EventTypes: r.EventTypes, Enabled: r.Enabled, Owner: personOf(r.Owner), Version: r.Version, Revision: r.Revision,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func listedRuleOf(r automation.Rule) listedRule { return listedRule{r.Name, r.Environment, headOf(r)} }

func ruleOf[D ~[]byte](r automation.Rule, document D) rule {
	return rule{headOf(r), jsontext.Value(document)}
}

func versionOf(v automation.Version) version {
	return version{Version: v.Number, Hash: v.Hash, CreatedBy: personOf(v.CreatedBy), CreatedAt: v.CreatedAt}
}

func personOf(a audit.Actor) person { return person{Type: a.Type, ID: a.ID, Name: a.Name} }

func (in testInput) input() automation.TestInput {
	return automation.TestInput{Event: in.Event, Outputs: in.Outputs, Outcomes: in.Outcomes}
}

func runOf(r automation.Run) run {
	out := run{
		ID: r.ID, RuleID: r.RuleID, RuleVersion: r.RuleVersion, Environment: r.Environment, Status: r.Status, Trigger: r.Trigger,
		EventType: r.EventType, ParentID: r.ParentID, Owner: personOf(r.Owner), Step: r.Cursor, Error: failureOf(r.Failure),
		Reason: r.Reason, Level: levelOf(r.Level), TraceID: r.Trace.TraceID, DeadlineAt: timeOf(r.DeadlineAt),
		StartedAt: r.StartedAt, UpdatedAt: r.UpdatedAt, EndedAt: timeOf(r.EndedAt),
	}
	if r.Wait.Kind != "" {
		out.Wait = &wait{r.Wait.Kind, r.Wait.Key, timeOf(r.Wait.DueAt)}
	}
	return out
}

func (a admin) detailOf(ctx context.Context, who httpapi.Identity, d automation.RunDetail) detailedRun {
	operator := a.operator != nil && a.operator(ctx, who)
	out := detailedRun{runOf(d.Run), strict(d.Event.Body), make([]step, len(d.Steps))}
	for i, s := range d.Steps {
		out.Steps[i] = step{
			Name: s.Path, Action: s.Action, Status: s.Status, Branch: s.Branch, Input: strict(s.Input), Output: strict(s.Output), Error: failureOf(s.Failure),
			WaitKey: s.WaitKey, LinkID: s.LinkID, StartedAt: timeOf(s.StartedAt), EndedAt: timeOf(s.EndedAt), Attempts: make([]attempt, len(s.Log)),
		}
		for j, t := range s.Log {
			out.Steps[i].Attempts[j] = attemptOf(t, operator)
		}
	}
	return out
}

func attemptOf(t automation.Attempt, operator bool) attempt {
	out := attempt{
		N: t.N, At: t.At, DurationMS: t.Duration.Milliseconds(), Class: t.Class, Error: t.Error, Logs: make([]logLine, len(t.Logs)),
		TraceID: t.TraceID, SpanID: t.SpanID,
	}
	if operator {
		out.Detail = strings.ToValidUTF8(t.Detail, "\uFFFD")
	}
	for i, l := range t.Logs {
		out.Logs[i] = logLine{l.At, levelOf(l.Level), l.Text}
	}
	return out
}

func failureOf(f *automation.Failure) *failure {
	if f == nil {
		return nil
	}
	return &failure{f.Step, f.Class, f.Message, f.Attempt}
}

// strict returns JSON that actions brought from elsewhere without what I-JSON refuses:
// of names that stand twice the last one stays, and text is UTF-8.
func strict(document stdjson.RawMessage) stdjson.RawMessage {
	if jsontext.Value(document).IsValid() {
		return document
	}
	var v any
	d := stdjson.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	out, err := stdjson.Marshal(v)
	if err != nil {
		return nil
	}
	return out
}

func levelOf(l slog.Level) string { return strings.ToLower(l.String()) }

// timeOf returns nil for a time that is not yet, or never.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// catalogOf returns what rules are made of, as JSON. It never changes.
func catalogOf(c *automation.Catalog) (stdjson.RawMessage, error) {
	return stdjson.Marshal(struct {
		Environments []string                            `json:"environments"`
		Triggers     []automation.TriggerDescriptor      `json:"triggers"`
		Actions      []automation.Descriptor             `json:"actions"`
		Retries      map[string]automation.RetryPolicy   `json:"retries"`
		Timeouts     map[string]automation.TimeoutPolicy `json:"timeouts"`
	}{c.Environments(), c.Triggers(), c.Actions(), orEmpty(c.Retries()), orEmpty(c.Timeouts())})
}

// orEmpty makes a map that is not there one without members, which is what its schema
// says.
func orEmpty[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}
