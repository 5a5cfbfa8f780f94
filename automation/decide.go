package automation

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/lumelle/adminkit/flags/targeting"
)

// An EventKind says what happened to a run.
type EventKind uint8

// What happens to runs.
const (
	// Begin: it was started.
	Begin EventKind = iota
	// Done: the action of its step answered.
	Done
	// Broke: an attempt of its step failed.
	Broke
	// Signalled: somebody decided what it waits for.
	Signalled
	// Due: the time of its wait has come.
	Due
	// Overdue: its deadline has passed.
	Overdue
	// Cancel: somebody ended it.
	Cancel
	// Lost: the processes that worked it ended, again and again.
	Lost
)

// EventKinds returns what happens to runs.
func EventKinds() []EventKind {
	return []EventKind{Begin, Done, Broke, Signalled, Due, Overdue, Cancel, Lost}
}

// String returns the word of the kind.
func (k EventKind) String() string {
	return [...]string{"begin", "done", "broke", "signalled", "due", "overdue", "cancel", "lost"}[k]
}

// An Event is something that happened to a run. [Decide] says what comes of it.
type Event struct {
	Kind EventKind
	// At is when it happened.
	At time.Time
	// Step is the path of the step whose action answered or failed.
	Step string
	// Input is what the action was given.
	Input json.RawMessage
	// Output is what it answered.
	Output Output
	// Failure is what an attempt failed with, or the run where it was lost. Its Step and
	// Attempt are filled in.
	Failure Failure
	// RetryAfter is how long the next attempt waits at least.
	RetryAfter time.Duration
	// Level is the highest level that the attempt logged.
	Level slog.Level
	// Gen is the generation of the wait that is over.
	Gen int64
	// Signal is what somebody decided.
	Signal Signal
	// Reason is that of a cancellation.
	Reason string
}

// A CommandKind says what is to be done for a run.
type CommandKind uint8

// What is to be done for runs.
const (
	// Ignore: nothing. The event is not for the run as it stands.
	Ignore CommandKind = iota
	// Call: call the action of a step.
	Call
	// Park: nothing, until what the run waits for happens.
	Park
	// Finish: nothing any more.
	Finish
)

// A Command is what is to be done for a run once its new state is stored.
type Command struct {
	Kind CommandKind
	// Step is the path of the step whose action is called, and Attempt the number of
	// the attempt, from 1.
	Step    string
	Attempt int
}

// Decide says what an event makes of a run: its state afterwards, and what is to be
// done. It is pure and total: it reads no clock, depends on nothing but its arguments,
// changes none of them, and answers every event in every state. An event that is not for
// the run as it stands is answered with [Ignore] and the state as it was; an ended run
// ignores everything.
//
//	from      event      to
//	(none)    begin      running, filtered, or ended where no step has an action
//	running   done       running at the next step, waiting, or ended
//	running   broke      waiting for the next attempt, running on on_failure, or ended
//	waiting   signalled  running at the next step, on on_decline or on_timeout, or ended
//	waiting   due        running at the same step (retry) or the next (timer), as expired
//	running, waiting  overdue  running on on_failure, or timed out
//	running, waiting  cancel   cancelled
//	running, waiting  lost     running on on_failure, or failed
func Decide(p *Program, s State, e Event) (State, Command) {
	d := decision{State: s, program: p, event: &e}
	if !d.concerns() {
		s.changed = nil
		return s, Command{}
	}
	d.Steps = append(make([]StepRun, 0, len(s.Steps)+2), s.Steps...)
	d.values = append(make([]*document, 0, len(s.values)+2), s.values...)
	d.changed = nil
	d.Run.UpdatedAt = e.At
	d.Run.Level = max(d.Run.Level, e.Level)
	command := d.decide()
	return d.State, command
}

// A decision is a state on its way to the next one.
type decision struct {
	State
	program *Program
	event   *Event
}

// concerns reports whether the event is for the run as it stands.
func (d *decision) concerns() bool {
	r, e := &d.Run, d.event
	switch e.Kind {
	case Begin:
		return r.Status == ""
	case Done, Broke:
		return r.Status == Running && r.Cursor == e.Step
	case Signalled:
		return r.Status == Waiting && r.Wait.Kind == ForSignal && r.Wait.Gen == e.Gen && r.Wait.Key == e.Signal.Key
	case Due:
		return r.Status == Waiting && r.Wait.Gen == e.Gen && !r.Wait.DueAt.IsZero() && !e.At.Before(r.Wait.DueAt)
	case Overdue:
		return r.alive() && !r.DeadlineAt.IsZero() && !e.At.Before(r.DeadlineAt)
	case Cancel, Lost:
		return r.alive()
	}
	return false
}

// alive reports whether the run has begun and not ended.
func (r *Run) alive() bool { return r.Status == Running || r.Status == Waiting }

func (d *decision) decide() Command {
	switch d.event.Kind {
	case Begin:
		return d.begin()
	case Done:
		return d.done()
	case Broke:
		return d.broke()
	case Signalled:
		s := &d.event.Signal
		return d.resolved(s.Outcome, s.Payload, s.TraceID)
	case Due:
		return d.due()
	case Overdue:
		return d.overdue()
	case Lost:
		return d.lost()
	}
	return d.cancel()
}

func (d *decision) begin() Command {
	r, p := &d.Run, d.program
	r.Status, r.StartedAt = Running, d.event.At
	if p.definition.Timeout > 0 {
		r.DeadlineAt = d.event.At.Add(time.Duration(p.definition.Timeout))
	}
	if p.filter != nil && !p.filter.Match(&d.State) {
		r.Reason = "the conditions do not hold"
		if step, ok := p.filter.Explain(&d.State).Settled(); ok {
			// The event is for [Config.Redact] to show; the reason stands in every list.
			step.Got = targeting.Value{}
			r.Reason = clip(step.String(), MaxMessage)
		}
		return d.end(Filtered)
	}
	return d.enter(p.first)
}

// current returns the index of the step that the run is at, and its node.
func (d *decision) current() (int, *node) {
	at := d.step(d.Run.Cursor)
	if at < 0 {
		return -1, nil
	}
	d.touch(at)
	return at, &d.program.nodes[d.program.index[d.Run.Cursor]]
}

// touch notes that a step is written.
func (d *decision) touch(at int) {
	for _, known := range d.changed {
		if known == at {
			return
		}
	}
	d.changed = append(d.changed, at)
}

// enter goes on at a node, through choices to the next action or the end.
func (d *decision) enter(at int) Command {
	for at != end {
		n := &d.program.nodes[at]
		i := len(d.Steps)
		d.Steps = append(d.Steps, StepRun{Path: n.path, Seq: i + 1, Action: n.what(), Status: Running, StartedAt: d.event.At})
		d.values = append(d.values, nil)
		d.touch(i)
		if n.action != nil {
			d.Run.Status, d.Run.Cursor = Running, n.path
			return Command{Kind: Call, Step: n.path, Attempt: 1}
		}
		b := d.choose(n)
		d.Steps[i].Branch = b.name
		d.settle(i, Succeeded)
		at = b.first
	}
	return d.finish()
}

// choose returns the first path of a choice that holds.
func (d *decision) choose(n *node) *branch {
	for i := range n.cases {
		if n.cases[i].when.Match(&d.State) {
			return &n.cases[i]
		}
	}
	return &n.fallback
}

// settle ends a step.
func (d *decision) settle(at int, status Status) {
	d.Steps[at].Status, d.Steps[at].EndedAt = status, d.event.At
}

// finish ends a run whose route is at its end.
func (d *decision) finish() Command {
	switch f := d.Run.Failure; {
	case f == nil:
		return d.end(Succeeded)
	case f.Class == ClassTimeout:
		return d.end(TimedOut)
	}
	return d.end(Failed)
}

func (d *decision) end(status Status) Command {
	r := &d.Run
	r.Status, r.EndedAt, r.Cursor, r.Job = status, d.event.At, "", 0
	r.Wait = Wait{Gen: r.Wait.Gen}
	return Command{Kind: Finish}
}

func (d *decision) done() Command {
	at, n := d.current()
	if at < 0 {
		return d.end(Failed)
	}
	step, out := &d.Steps[at], &d.event.Output
	step.Attempts++
	step.Input = d.event.Input
	if failure := d.keep(at, out.Value); failure != nil {
		return d.fail(at, Failed, *failure)
	}
	switch {
	case out.Stop != nil:
		return d.stop(at, out.Stop)
	case out.Await != nil:
		return d.await(at, n, out.Await)
	}
	d.settle(at, Succeeded)
	return d.enter(n.next)
}

// keep stores the output of a step, or says why it cannot be kept.
func (d *decision) keep(at int, output json.RawMessage) *Failure {
	step := &d.Steps[at]
	d.size += len(output) - len(step.Output)
	if d.size > MaxContext {
		d.size += len(step.Output) - len(output)
		return &Failure{Class: ClassPermanent, Message: "event and outputs of the run are longer than 1 MiB"}
	}
	step.Output, d.values[at] = output, nil
	if len(output) == 0 {
		return nil
	}
	if !json.Valid(output) {
		step.Output = nil
		return &Failure{Class: ClassPermanent, Message: "the output of the step is not JSON"}
	}
	d.values[at] = &document{raw: output}
	return nil
}

func (d *decision) stop(at int, s *Stop) Command {
	d.Run.Reason = clip(s.Reason, MaxMessage)
	if s.Status == Failed {
		message := d.Run.Reason
		if message == "" {
			message = "the rule stopped the run as failed"
		}
		return d.fail(at, Failed, Failure{Class: ClassPermanent, Message: message})
	}
	d.settle(at, Succeeded)
	if s.Status == Filtered && d.Run.Failure == nil {
		return d.end(Filtered)
	}
	return d.finish()
}

// await parks the run.
func (d *decision) await(at int, n *node, a *Await) Command {
	w := Wait{Kind: ForTimer, DueAt: a.Until}
	if a.Key != "" {
		w.Kind, w.Key = ForSignal, a.Key
		d.Steps[at].WaitKey = a.Key
		if deadline := n.deadline(d.Steps[at].StartedAt); w.DueAt.IsZero() || !deadline.IsZero() && deadline.Before(w.DueAt) {
			w.DueAt = deadline
		}
	}
	return d.park(at, w)
}

func (d *decision) park(at int, w Wait) Command {
	w.Gen = d.Run.Wait.Gen + 1
	d.Steps[at].Status = Waiting
	d.Run.Status, d.Run.Wait, d.Run.Job = Waiting, w, 0
	return Command{Kind: Park, Step: d.Run.Cursor}
}

// awake takes the run out of its wait.
func (d *decision) awake() {
	d.Run.Status, d.Run.Wait = Running, Wait{Gen: d.Run.Wait.Gen}
}

func (d *decision) broke() Command {
	at, n := d.current()
	if at < 0 {
		return d.end(Failed)
	}
	step, failure := &d.Steps[at], d.event.Failure
	step.Attempts++
	if d.event.Input != nil {
		step.Input = d.event.Input
	}
	failure.Attempt = step.Attempts
	if n.retry.repeats(failure.Class) && step.Attempts < n.retry.attempts() {
		due := d.event.At.Add(max(n.retry.Wait(d.Run.ID, step.Path, step.Attempts), d.event.RetryAfter))
		deadline := n.deadline(step.StartedAt)
		if deadline.IsZero() || due.Before(deadline) {
			failure.Step = step.Path
			step.Failure = &failure
			d.Run.Level = max(d.Run.Level, slog.LevelWarn)
			return d.park(at, Wait{Kind: ForRetry, DueAt: due})
		}
		failure.Message = clip("the step did not succeed within "+n.timeout.Step.String()+"; at last "+failure.Message, MaxMessage)
		failure.Class = ClassTimeout
	}
	status := Failed
	if failure.Class == ClassTimeout {
		status = TimedOut
	}
	return d.fail(at, status, failure)
}

// fail ends a step that failed for good, and takes the run where it goes then.
func (d *decision) fail(at int, status Status, f Failure) Command {
	step := &d.Steps[at]
	f.Step = step.Path
	if f.Attempt == 0 {
		f.Attempt = step.Attempts
	}
	step.Failure = &f
	d.settle(at, status)
	d.touch(at)
	d.Run.Level = max(d.Run.Level, slog.LevelError)
	if d.Run.Failure != nil {
		// The route for failures failed too. What began it is what the run is known by.
		d.Run.Reason = clip("on_failure failed: "+f.Message, MaxMessage)
		return d.finish()
	}
	d.Run.Failure = &f
	d.awake()
	if d.program.onFailure == end {
		return d.finish()
	}
	d.Run.Failing = true
	return d.enter(d.program.onFailure)
}

// resolved ends a wait for a signal.
func (d *decision) resolved(outcome string, payload json.RawMessage, traceID string) Command {
	at, n := d.current()
	if at < 0 {
		return d.end(Failed)
	}
	d.awake()
	d.Steps[at].LinkID = traceID
	if failure := d.keep(at, decided(d.Steps[at].Output, outcome, payload)); failure != nil {
		return d.fail(at, Failed, *failure)
	}
	switch outcome {
	case Approved:
		d.settle(at, Succeeded)
		return d.enter(n.next)
	case Expired:
		if n.expire == nil {
			return d.fail(at, TimedOut, Failure{Class: ClassTimeout, Message: "nobody decided in time"})
		}
		return d.take(at, n.expire)
	}
	if n.decline == nil {
		return d.fail(at, Failed, Failure{Class: ClassDeclined, Message: "it was declined"})
	}
	return d.take(at, n.decline)
}

// take leaves a step on one of its routes.
func (d *decision) take(at int, b *branch) Command {
	d.Steps[at].Branch = b.name
	d.settle(at, Succeeded)
	return d.enter(b.first)
}

// decided adds a decision to the output of the step that waited for it.
func decided(output json.RawMessage, outcome string, payload json.RawMessage) json.RawMessage {
	members := map[string]json.RawMessage{}
	if isJSONObject(output) {
		if json.Unmarshal(output, &members) != nil {
			members = map[string]json.RawMessage{}
		}
	}
	members["decision"] = encode(outcome)
	if len(payload) > 0 && json.Valid(payload) {
		members["payload"] = payload
	}
	return encode(members)
}

func (d *decision) due() Command {
	switch d.Run.Wait.Kind {
	case ForSignal:
		return d.resolved(Expired, nil, "")
	case ForRetry:
		at, _ := d.current()
		if at < 0 {
			return d.end(Failed)
		}
		d.awake()
		d.Steps[at].Status = Running
		return Command{Kind: Call, Step: d.Run.Cursor, Attempt: d.Steps[at].Attempts + 1}
	}
	at, n := d.current()
	if at < 0 {
		return d.end(Failed)
	}
	d.awake()
	d.settle(at, Succeeded)
	return d.enter(n.next)
}

func (d *decision) overdue() Command {
	f := Failure{Class: ClassTimeout, Message: "the run took longer than " + d.program.definition.Timeout.String()}
	again := d.Run.Failure != nil
	at, _ := d.current()
	if at < 0 {
		d.Run.Failure = &f
		return d.end(TimedOut)
	}
	d.Run.DeadlineAt = time.Time{}
	command := d.fail(at, TimedOut, f)
	if !again && d.Run.alive() {
		// What is left to do has as much time as the run had.
		d.Run.DeadlineAt = d.event.At.Add(time.Duration(d.program.definition.Timeout))
	}
	return command
}

// lost ends the step that the run was at whenever its process ended: it is not tried
// again, whatever its retry policy says.
func (d *decision) lost() Command {
	at, _ := d.current()
	if at < 0 {
		if d.Run.Failure == nil {
			d.Run.Failure = &d.event.Failure
		}
		return d.end(Failed)
	}
	if d.Steps[at].Status == Running {
		d.Steps[at].Attempts++
	}
	return d.fail(at, Failed, d.event.Failure)
}

func (d *decision) cancel() Command {
	if at := d.step(d.Run.Cursor); at >= 0 {
		d.touch(at)
		d.settle(at, Cancelled)
	}
	d.Run.Reason = clip(d.event.Reason, MaxMessage)
	d.Run.Level = max(d.Run.Level, slog.LevelWarn)
	return d.end(Cancelled)
}
