package automation_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/flags/targeting"
)

// A model is what a run does, said plainly: a list of what is left to do, and no program.
type model struct {
	d    automation.Definition
	n    int // the number in the event that conditions look at
	left []automation.Step

	status   automation.Status
	now      *automation.Step
	attempts int
	began    time.Time // of the step
	wait     automation.Wait
	class    string // of the failure, empty for none
	failing  bool
	deadline time.Time
	steps    []string // "name status" of what was reached
}

func (m *model) mark(status automation.Status) {
	if m.now != nil {
		m.steps[len(m.steps)-1] = m.now.Name + " " + string(status)
	}
}

func (m *model) holds(c targeting.Condition) bool {
	limit, _ := c.Value.Any().(int64)
	if f, ok := c.Value.Any().(float64); ok {
		limit = int64(f)
	}
	return int64(m.n) >= limit
}

// proceed goes on with what is left.
func (m *model) proceed(at time.Time) string {
	m.now = nil
	for len(m.left) > 0 {
		s := m.left[0]
		m.left = m.left[1:]
		if s.Action != "" {
			m.now, m.attempts, m.began, m.status = &s, 0, at, automation.Running
			m.steps = append(m.steps, s.Name+" running")
			return "call " + s.Name + " 1"
		}
		m.steps = append(m.steps, s.Name+" succeeded")
		path := s.Default
		switch {
		case s.If != nil && m.holds(*s.If):
			path = s.Then
		case s.If != nil:
			path = s.Else
		default:
			if i := slices.IndexFunc(s.Switch, func(c automation.Case) bool { return m.holds(c.When) }); i >= 0 {
				path = s.Switch[i].Steps
			}
		}
		m.left = append(slices.Clone(path), m.left...)
	}
	return m.end()
}

func (m *model) end() string {
	switch m.class {
	case "":
		m.status = automation.Succeeded
	case automation.ClassTimeout:
		m.status = automation.TimedOut
	default:
		m.status = automation.Failed
	}
	m.wait = automation.Wait{Gen: m.wait.Gen}
	return "finish"
}

func (m *model) fail(at time.Time, status automation.Status, class string) string {
	m.mark(status)
	m.left, m.wait = nil, automation.Wait{Gen: m.wait.Gen}
	if m.class != "" {
		return m.end()
	}
	m.class = class
	if len(m.d.OnFailure) > 0 {
		m.left, m.failing, m.status = slices.Clone(m.d.OnFailure), true, automation.Running
	}
	return m.proceed(at)
}

func (m *model) park(w automation.Wait) string {
	m.mark(automation.Waiting)
	w.Gen = m.wait.Gen + 1
	m.status, m.wait = automation.Waiting, w
	return "park"
}

func (m *model) decided(outcome string, at time.Time) string {
	m.wait, m.status = automation.Wait{Gen: m.wait.Gen}, automation.Running
	route := m.now.OnDecline
	switch outcome {
	case automation.Approved:
		m.mark(automation.Succeeded)
		return m.proceed(at)
	case automation.Expired:
		if route = m.now.OnTimeout; route == nil {
			return m.fail(at, automation.TimedOut, automation.ClassTimeout)
		}
	default:
		if route == nil {
			return m.fail(at, automation.Failed, automation.ClassDeclined)
		}
	}
	m.mark(automation.Succeeded)
	m.left = slices.Clone(route)
	return m.proceed(at)
}

func (m *model) stepDeadline() time.Time {
	if m.now.Timeout == nil || m.now.Timeout.Step == 0 {
		return time.Time{}
	}
	return m.began.Add(time.Duration(m.now.Timeout.Step))
}

// handle says what an event makes of the run.
func (m *model) handle(e automation.Event) string {
	running, waiting := m.status == automation.Running, m.status == automation.Waiting
	switch e.Kind {
	case automation.Begin:
		if m.status != "" {
			return "ignore"
		}
		m.status, m.left = automation.Running, slices.Clone(m.d.Steps)
		if m.d.Timeout > 0 {
			m.deadline = e.At.Add(time.Duration(m.d.Timeout))
		}
		if !m.d.Conditions.IsZero() && !m.holds(m.d.Conditions) {
			m.status = automation.Filtered
			return "finish"
		}
		return m.proceed(e.At)
	case automation.Done:
		if !running || m.now.Name != e.Step {
			return "ignore"
		}
		return m.done(e)
	case automation.Broke:
		if !running || m.now.Name != e.Step {
			return "ignore"
		}
		return m.broke(e)
	case automation.Signalled:
		if !waiting || m.wait.Kind != automation.ForSignal || m.wait.Gen != e.Gen || m.wait.Key != e.Signal.Key {
			return "ignore"
		}
		return m.decided(e.Signal.Outcome, e.At)
	case automation.Due:
		if !waiting || m.wait.Gen != e.Gen || m.wait.DueAt.IsZero() || e.At.Before(m.wait.DueAt) {
			return "ignore"
		}
		switch m.wait.Kind {
		case automation.ForSignal:
			return m.decided(automation.Expired, e.At)
		case automation.ForRetry:
			m.wait, m.status = automation.Wait{Gen: m.wait.Gen}, automation.Running
			m.mark(automation.Running)
			return fmt.Sprintf("call %s %d", m.now.Name, m.attempts+1)
		}
		m.wait = automation.Wait{Gen: m.wait.Gen}
		m.mark(automation.Succeeded)
		return m.proceed(e.At)
	case automation.Overdue:
		if !running && !waiting || m.deadline.IsZero() || e.At.Before(m.deadline) {
			return "ignore"
		}
		m.deadline = time.Time{}
		again := m.class != ""
		answer := m.fail(e.At, automation.TimedOut, automation.ClassTimeout)
		if !again && (m.status == automation.Running || m.status == automation.Waiting) {
			m.deadline = e.At.Add(time.Duration(m.d.Timeout))
		}
		return answer
	}
	if !running && !waiting {
		return "ignore"
	}
	if e.Kind == automation.Lost {
		if running {
			m.attempts++
		}
		return m.fail(e.At, automation.Failed, e.Failure.Class)
	}
	m.mark(automation.Cancelled)
	m.status, m.wait = automation.Cancelled, automation.Wait{Gen: m.wait.Gen}
	return "finish"
}

func (m *model) done(e automation.Event) string {
	m.attempts++
	switch {
	case e.Output.Stop != nil && e.Output.Stop.Status == automation.Failed:
		return m.fail(e.At, automation.Failed, automation.ClassPermanent)
	case e.Output.Stop != nil:
		m.mark(automation.Succeeded)
		m.left = nil
		if e.Output.Stop.Status == automation.Filtered && m.class == "" {
			m.status = automation.Filtered
			return "finish"
		}
		return m.end()
	case e.Output.Await != nil && e.Output.Await.Key != "":
		due := e.Output.Await.Until
		if limit := m.stepDeadline(); due.IsZero() || !limit.IsZero() && limit.Before(due) {
			due = limit
		}
		return m.park(automation.Wait{Kind: automation.ForSignal, Key: e.Output.Await.Key, DueAt: due})
	case e.Output.Await != nil:
		return m.park(automation.Wait{Kind: automation.ForTimer, DueAt: e.Output.Await.Until})
	}
	m.mark(automation.Succeeded)
	return m.proceed(e.At)
}

func (m *model) broke(e automation.Event) string {
	m.attempts++
	policy := automation.RetryPolicy{}
	if m.now.Retry != nil {
		policy = *m.now.Retry
	}
	most, class := policy.Attempts, e.Failure.Class
	if most == 0 {
		most = 3
	}
	if (class == automation.ClassTransient || class == automation.ClassTimeout) && m.attempts < most {
		due := e.At.Add(max(policy.Wait("run", m.now.Name, m.attempts), e.RetryAfter))
		if limit := m.stepDeadline(); limit.IsZero() || due.Before(limit) {
			return m.park(automation.Wait{Kind: automation.ForRetry, DueAt: due})
		}
		class = automation.ClassTimeout
	}
	if class == automation.ClassTimeout {
		return m.fail(e.At, automation.TimedOut, class)
	}
	return m.fail(e.At, automation.Failed, class)
}

// randomSteps draws steps of all forms.
func randomSteps(r *rand.Rand, names *int, depth int) []automation.Step {
	var all []automation.Step
	for range 1 + r.IntN(3) {
		*names++
		s := automation.Step{Name: "s" + strconv.Itoa(*names)}
		condition := targeting.Condition{Path: "/data/n", Op: targeting.GreaterEqual, Value: targeting.Int(int64(r.IntN(10)))}
		some := func() []automation.Step {
			if depth == 0 || r.IntN(3) == 0 {
				return nil
			}
			return randomSteps(r, names, depth-1)
		}
		switch form := r.IntN(6); {
		case form == 0 && depth > 0:
			s.If, s.Then, s.Else = &condition, some(), some()
		case form == 1 && depth > 0:
			s.Switch, s.Default = []automation.Case{{When: condition, Steps: some()}}, some()
		case form == 2:
			s.Action, s.With = "approval.request", json.RawMessage(`{"action":"a","resource":{"type":"t","id":"i"}}`)
			if r.IntN(2) == 0 {
				s.OnDecline = append([]automation.Step{}, some()...)
			}
			if r.IntN(2) == 0 {
				s.OnTimeout = append([]automation.Step{}, some()...)
			}
			if r.IntN(2) == 0 {
				s.Timeout = &automation.TimeoutPolicy{Step: automation.Duration(time.Duration(1+r.IntN(20)) * time.Second)}
			}
		default:
			s.Action = "test.probe"
			if r.IntN(2) == 0 {
				s.Retry = &automation.RetryPolicy{Attempts: 1 + r.IntN(4), Delay: automation.Duration(time.Second)}
			}
			if r.IntN(3) == 0 {
				s.Timeout = &automation.TimeoutPolicy{Step: automation.Duration(time.Duration(1+r.IntN(20)) * time.Second)}
			}
		}
		all = append(all, s)
	}
	return all
}

func randomDefinition(r *rand.Rand) automation.Definition {
	names := 0
	d := automation.Definition{Name: "n", Environment: "prod", Trigger: automation.TriggerUse{Type: "event", EventType: "a.b"}}
	d.Steps = randomSteps(r, &names, 2)
	if r.IntN(2) == 0 {
		d.OnFailure = randomSteps(r, &names, 1)
	}
	if r.IntN(3) == 0 {
		d.Timeout = automation.Duration(time.Duration(5+r.IntN(60)) * time.Second)
	}
	if r.IntN(4) == 0 {
		d.Conditions = targeting.Condition{Path: "/data/n", Op: targeting.GreaterEqual, Value: targeting.Int(int64(r.IntN(10)))}
	}
	return d
}

// randomEvent draws an event that is often, and not always, for the run as it stands.
func randomEvent(r *rand.Rand, s automation.State, at time.Time) automation.Event {
	e := automation.Event{Kind: automation.EventKinds()[r.IntN(len(automation.EventKinds()))], At: at, Step: s.Run.Cursor, Gen: s.Run.Wait.Gen, Level: slog.LevelInfo}
	if r.IntN(2) == 0 { // help the run on
		switch {
		case s.Run.Status == "":
			e.Kind = automation.Begin
		case s.Run.Status == automation.Running:
			e.Kind = []automation.EventKind{automation.Done, automation.Broke}[r.IntN(2)]
		case s.Run.Status == automation.Waiting:
			e.Kind = []automation.EventKind{automation.Signalled, automation.Due}[r.IntN(2)]
		}
	}
	if (e.Kind == automation.Cancel || e.Kind == automation.Lost) && r.IntN(4) > 0 {
		e.Kind = automation.Overdue
	}
	if r.IntN(10) == 0 {
		e.Step = "s" + strconv.Itoa(1+r.IntN(9))
	}
	if r.IntN(10) == 0 {
		e.Gen += int64(r.IntN(3)) - 1
	}
	e.Signal = automation.Signal{Key: s.Run.Wait.Key, Outcome: []string{automation.Approved, automation.Declined, automation.Expired}[r.IntN(3)]}
	if r.IntN(10) == 0 {
		e.Signal.Key = "another"
	}
	e.Failure = automation.Failure{Class: []string{automation.ClassTransient, automation.ClassPermanent, automation.ClassTimeout}[r.IntN(3)], Message: "m"}
	if r.IntN(8) == 0 {
		e.RetryAfter = time.Duration(r.IntN(30)) * time.Second
	}
	switch r.IntN(8) {
	case 0:
		e.Output.Await = &automation.Await{Key: "key-" + strconv.Itoa(r.IntN(3))}
	case 1:
		e.Output.Await = &automation.Await{Until: at.Add(time.Duration(r.IntN(20)) * time.Second)}
	case 2:
		e.Output.Stop = &automation.Stop{Status: []automation.Status{automation.Succeeded, automation.Failed, automation.Filtered}[r.IntN(3)]}
	case 3:
		e.Output.Value = json.RawMessage(`{"id":1}`)
	}
	return e
}

func word(c automation.Command) string {
	switch c.Kind {
	case automation.Call:
		return fmt.Sprintf("call %s %d", c.Step, c.Attempt)
	case automation.Park:
		return "park"
	case automation.Finish:
		return "finish"
	}
	return "ignore"
}

// compare says where a state and the model differ, empty for nowhere.
func compare(s automation.State, m *model) string {
	var steps []string
	for _, step := range s.Steps {
		steps = append(steps, step.Path+" "+string(step.Status))
	}
	class := ""
	if s.Run.Failure != nil {
		class = s.Run.Failure.Class
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"status", s.Run.Status, m.status}, {"wait", s.Run.Wait, m.wait}, {"class", class, m.class}, {"failing", s.Run.Failing, m.failing},
		{"deadline", s.Run.DeadlineAt, m.deadline}, {"steps", strings.Join(steps, ", "), strings.Join(m.steps, ", ")},
	} {
		if !reflect.DeepEqual(c.got, c.want) && !(c.what == "deadline" && s.Run.Status.Ended()) {
			return fmt.Sprintf("%s: got %v, want %v", c.what, c.got, c.want)
		}
	}
	if ended := s.Run.Status.Ended() && s.Run.Status != ""; ended != !s.Run.EndedAt.IsZero() || ended && s.Run.Cursor != "" {
		return fmt.Sprintf("status %s, ended at %v, cursor %q", s.Run.Status, s.Run.EndedAt, s.Run.Cursor)
	}
	return ""
}

// TestDecideAgreesWithAPlainModel holds random programs under random events to the model,
// and sees that every kind of event meets every status.
func TestDecideAgreesWithAPlainModel(t *testing.T) {
	t.Parallel()
	sequences := 2_000
	if long() {
		sequences = 1_000_000
	}
	seed := rand.Uint64()
	if text := os.Getenv("ADMINKIT_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	catalog := newCatalog(t, automation.CatalogConfig{})
	met := map[string]bool{}
	unmet := func() (missed []string) {
		for _, status := range append(automation.Statuses(), "") {
			for _, kind := range automation.EventKinds() {
				if !met[string(status)+" "+kind.String()] {
					missed = append(missed, fmt.Sprintf("%q met a run that is %q", kind, status))
				}
			}
		}
		return missed
	}
	// Chance may leave the rarest pair out of the first sequences: then more of them follow.
	for i := 0; i < sequences || i < 100*sequences && len(unmet()) > 0; i++ {
		if failure := sequence(rand.New(rand.NewPCG(seed, uint64(i))), catalog, met); failure != "" {
			t.Fatalf("sequence %d: %s\nADMINKIT_SEED=%d go test -run %s ./automation", i, failure, seed, t.Name())
		}
	}
	for _, pair := range unmet() {
		t.Errorf("no event %s", pair)
	}
}

// sequence runs one program under one sequence of events.
func sequence(r *rand.Rand, catalog *automation.Catalog, met map[string]bool) (failure string) {
	d := randomDefinition(r)
	p, err := catalog.Compile(d)
	if err != nil {
		return err.Error()
	}
	n := r.IntN(10)
	s, err := automation.NewState(automation.Run{ID: "run"}, nil, []byte(fmt.Sprintf(`{"data":{"n":%d}}`, n)))
	if err != nil {
		return err.Error()
	}
	m := &model{d: d, n: n}
	at := time.Unix(1e9, 0).UTC()
	for range 30 {
		at = at.Add(time.Duration(r.IntN(8000)) * time.Millisecond)
		e := randomEvent(r, s, at)
		met[string(s.Run.Status)+" "+e.Kind.String()] = true
		before := fmt.Sprintf("%+v", s.Run)
		again, c2 := automation.Decide(p, s, e)
		next, c := automation.Decide(p, s, e)
		if fmt.Sprintf("%+v", s.Run) != before {
			return "Decide changed what it was given"
		}
		if c != c2 || !reflect.DeepEqual(next.Run, again.Run) || !reflect.DeepEqual(next.Steps, again.Steps) {
			return "Decide answers the same question in two ways"
		}
		want := m.handle(e)
		if got := word(c); got != want {
			return fmt.Sprintf("%s of a run that is %s: got %q, want %q", e.Kind, s.Run.Status, got, want)
		}
		s = next
		if difference := compare(s, m); difference != "" {
			return fmt.Sprintf("after %s: %s", e.Kind, difference)
		}
	}
	return ""
}

// BenchmarkDecide takes a run of twenty steps from one step to the next.
func BenchmarkDecide(b *testing.B) {
	catalog := newCatalog(b, automation.CatalogConfig{})
	var steps []string
	for i := range 20 {
		steps = append(steps, fmt.Sprintf(`{"name":"s%d","action":"test.probe"}`, i))
	}
	p, err := catalog.Compile(definition(b, `"steps":[`+strings.Join(steps, ",")+`]`))
	must(b, err)
	at := time.Unix(1e9, 0)
	s, err := automation.NewState(automation.Run{ID: "run"}, nil, []byte(`{"data":{"n":1}}`))
	must(b, err)
	s, c := automation.Decide(p, s, automation.Event{Kind: automation.Begin, At: at})
	var states []automation.State
	var commands []automation.Command
	for c.Kind == automation.Call {
		states, commands = append(states, s), append(commands, c)
		s, c = automation.Decide(p, s, automation.Event{Kind: automation.Done, At: at, Step: c.Step, Output: automation.Output{Value: []byte(`{"id":1}`)}})
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		automation.Decide(p, states[i], automation.Event{Kind: automation.Done, At: at, Step: commands[i].Step, Output: automation.Output{Value: []byte(`{"id":1}`)}})
		i = (i + 1) % len(states)
	}
}
