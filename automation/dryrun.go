package automation

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
)

// ForcedFailure is the outcome with which a step of a test run fails for good. Waits come
// out as [Approved], [Declined] or [Expired].
const ForcedFailure = "failed"

// A TestInput says what a test run assumes. Its zero value takes the sample event of the
// rule's trigger, the sample outputs of all actions, and approval of everything.
type TestInput struct {
	// Event is a CloudEvent in JSON, nil for the sample of a trigger that the catalogue
	// has for the rule's event types.
	Event json.RawMessage
	// Outputs are the outputs of steps by their path, where they are not the samples.
	Outputs map[string]json.RawMessage
	// Outcomes say how steps come out, by their path: [Approved], [Declined] or
	// [Expired] for one that waits for a decision, or [ForcedFailure].
	Outcomes map[string]string
}

// Test runs the current version of a rule without any effect: no action is called, and
// nothing is stored. See [Service.TestDefinition].
func (s *Service) Test(ctx context.Context, tenant, id string, in TestInput) (RunDetail, error) {
	_, d, err := s.Get(ctx, tenant, id)
	if err != nil {
		return RunDetail{}, err
	}
	return s.TestDefinition(ctx, tenant, d, in)
}

// TestDefinition runs a definition that need not be stored, without any effect: the same
// interpreter goes the same way, every step shows the input that its action would get,
// and in place of actions their outputs are taken from in or from their samples. Only
// "wait" and "stop" do what they do, in no time.
//
// What is wrong with d or in is a *storage.InvalidError.
func (s *Service) TestDefinition(ctx context.Context, tenant string, d Definition, in TestInput) (RunDetail, error) {
	d, err := s.catalog.Resolve(d)
	if err != nil {
		return RunDetail{}, err
	}
	p, err := s.catalog.Compile(d)
	if err != nil {
		return RunDetail{}, err
	}
	if err := s.knowsAudiences(ctx, tenant, p); err != nil {
		return RunDetail{}, err
	}
	event, err := s.testEvent(p, tenant, in)
	if err != nil {
		return RunDetail{}, err
	}
	if err := p.checkTest(in); err != nil {
		return RunDetail{}, err
	}
	r := rehearsal{service: s, program: p, in: in}
	r.state, err = NewState(Run{
		ID: s.cfg.NewID(), Tenant: tenant, Environment: d.Environment, Trigger: ByEvent, EventKey: event.Key, EventType: event.Type, Trace: event.Trace,
	}, nil, event.Body)
	if err != nil {
		return RunDetail{}, err
	}
	if err := s.noteAudiences(ctx, p, &r.state); err != nil {
		return RunDetail{}, err
	}
	r.play()
	return s.detail(p, r.state.Run, event, r.state.Steps, r.attempts), nil
}

// testEvent returns the event of a test run.
func (s *Service) testEvent(p *Program, tenant string, in TestInput) (TriggerEvent, error) {
	e := TriggerEvent{Tenant: tenant, Environment: p.definition.Environment, Body: in.Event, Trace: correlation.New(), CreatedAt: s.now()}
	if len(e.Body) > MaxContext/2 {
		return e, storage.Invalid("/event", "is longer than 512 KiB")
	}
	if len(e.Body) == 0 {
		if e.Body = s.catalog.sample(p.definition.Trigger, p.eventTypes); e.Body == nil {
			return e, storage.Invalid("/event", "is needed: no trigger of the catalogue has a sample of this type")
		}
	}
	document, err := decodeEvent(e.Body)
	if err != nil {
		return e, storage.Invalid("/event", "must be a CloudEvent, a JSON object")
	}
	e.Type, _ = document["type"].(string)
	e.ID, _ = document["id"].(string)
	e.Source, _ = document["source"].(string)
	e.Key = eventKey(tenant, e.Source, e.ID)
	if !listens(p.eventTypes, e.Type) {
		return e, storage.Invalid("/event/type", "is not what the rule listens to")
	}
	if p.trigger != nil && !p.trigger.Fires(document) {
		return e, storage.Invalid("/event", "does not fire the trigger")
	}
	return e, nil
}

// checkTest reports what is wrong with the assumptions of a test run.
func (p *Program) checkTest(in TestInput) error {
	var bad *storage.InvalidError
	for _, path := range slices.Sorted(maps.Keys(in.Outputs)) {
		pointer := "/outputs/" + escapeToken(path)
		at, ok := p.index[path]
		if !ok || p.nodes[at].action == nil {
			bad = bad.Add(pointer, "is no step with an action")
		} else if err := p.nodes[at].action.checkOutput(in.Outputs[path]); err != nil {
			bad = bad.Add(pointer, "is no output of the action")
		}
	}
	for _, path := range slices.Sorted(maps.Keys(in.Outcomes)) {
		pointer := "/outcomes/" + escapeToken(path)
		at, ok := p.index[path]
		switch outcome := in.Outcomes[path]; {
		case !ok || p.nodes[at].action == nil:
			bad = bad.Add(pointer, "is no step with an action")
		case outcome == ForcedFailure:
		case outcome != Approved && outcome != Declined && outcome != Expired:
			bad = bad.Add(pointer, "must be approved, declined, expired or failed")
		case !p.nodes[at].action.descriptor.Waits:
			bad = bad.Add(pointer, "is the outcome of a decision, for which the step does not wait")
		}
	}
	return bad.Err()
}

// A rehearsal is a test run on its way.
type rehearsal struct {
	service  *Service
	program  *Program
	in       TestInput
	state    State
	attempts []Attempt
}

// play runs to the end. Each step is reached once, so there are not many turns.
func (r *rehearsal) play() {
	command := r.decide(Event{Kind: Begin})
	for command.Kind == Call || command.Kind == Park {
		if command.Kind == Call {
			command = r.call(command)
			continue
		}
		w := r.state.Run.Wait
		if w.Kind != ForSignal {
			command = r.decide(Event{Kind: Due, Gen: w.Gen})
			continue
		}
		outcome := orDefault(r.in.Outcomes[r.state.Run.Cursor], Approved)
		command = r.decide(Event{Kind: Signalled, Gen: w.Gen, Signal: Signal{Key: w.Key, Outcome: outcome}})
	}
}

// decide takes the run on. Time stands still but for waits, which are over at once.
func (r *rehearsal) decide(e Event) (c Command) {
	e.At = r.service.now()
	if w := r.state.Run.Wait; e.Kind == Due && e.At.Before(w.DueAt) {
		e.At = w.DueAt
	}
	if at := r.state.Run.UpdatedAt; e.At.Before(at) {
		e.At = at
	}
	r.state, c = Decide(r.program, r.state, e)
	return c
}

// call answers for the action of a step.
func (r *rehearsal) call(c Command) Command {
	n := &r.program.nodes[r.program.index[c.Step]]
	with, err := n.input(&r.state)
	e := Event{Kind: Broke, Step: c.Step, Input: r.service.redacted(with)}
	switch {
	case err != nil:
		e.Failure, _ = failureOf(err, false)
	case r.in.Outcomes[c.Step] == ForcedFailure:
		e.Failure = Failure{Class: ClassPermanent, Message: "the test has this step fail"}
	default:
		if e.Output, err = r.output(n, c.Step, with); err != nil {
			e.Failure, _ = failureOf(err, false)
			break
		}
		e.Kind = Done
	}
	at := r.service.now()
	r.attempts = append(r.attempts, Attempt{Step: c.Step, N: c.Attempt, At: at, Class: e.Failure.Class, Error: e.Failure.Message})
	return r.decide(e)
}

func (r *rehearsal) output(n *node, step string, with json.RawMessage) (Output, error) {
	switch n.action.Action.(type) {
	case waitAction, stopAction: // they change nothing and reach nowhere
		return n.action.Run(context.Background(), Input{With: with, Now: r.service.now()})
	}
	out := Output{Value: n.action.descriptor.Sample}
	if value, ok := r.in.Outputs[step]; ok {
		out.Value = value
	}
	if n.action.descriptor.Waits {
		out.Await = &Await{Key: "test/" + step}
	}
	return out, nil
}
