package automation

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
)

// A RunDetail is a run with all that is known of it.
type RunDetail struct {
	Run Run
	// Event is what the run was started by; its Body is the input of the run.
	Event TriggerEvent
	// Steps are the steps that were reached, in that order, and then those that were
	// not: [Pending] while the run goes on, [Skipped] after.
	Steps []StepDetail
}

// A StepDetail is a step with its attempts, in order.
type StepDetail struct {
	StepRun
	Log []Attempt
}

// Runs returns runs by their start, the newest first.
func (s *Service) Runs(ctx context.Context, tenant string, q RunQuery) (storage.Page[Run], error) {
	if q.Status != "" && !slices.Contains(Statuses(), q.Status) {
		return storage.Page[Run]{}, storage.Invalid("/status", "is no status of runs")
	}
	if q.Trigger != "" && !slices.Contains(Triggers(), q.Trigger) {
		return storage.Page[Run]{}, storage.Invalid("/trigger", "must be event or rerun")
	}
	return s.store.ListRuns(ctx, tenant, q)
}

// Run returns one run with its event, its steps and their attempts, or
// storage.ErrNotFound.
func (s *Service) Run(ctx context.Context, tenant, id string) (RunDetail, error) {
	r, err := s.store.GetRun(ctx, tenant, id, false)
	if err != nil {
		return RunDetail{}, err
	}
	event, err := s.store.GetEvent(ctx, tenant, r.EventKey)
	if err != nil {
		return RunDetail{}, err
	}
	steps, err := s.store.Steps(ctx, tenant, id)
	if err != nil {
		return RunDetail{}, err
	}
	attempts, err := s.store.Attempts(ctx, tenant, id)
	if err != nil {
		return RunDetail{}, err
	}
	v, err := s.store.GetVersion(ctx, tenant, r.RuleID, r.RuleVersion)
	if err != nil {
		return RunDetail{}, err
	}
	// Where this process cannot run the version, the steps that were not reached are
	// unknown to it, and the others are shown.
	program, err := s.program(v)
	if err != nil {
		program = &Program{}
	}
	return s.detail(program, r, event, steps, attempts), nil
}

// detail puts together what is shown of a run.
func (s *Service) detail(p *Program, r Run, event TriggerEvent, steps []StepRun, attempts []Attempt) RunDetail {
	event.Body = s.redacted(event.Body)
	d := RunDetail{Run: r, Event: event, Steps: make([]StepDetail, 0, max(len(steps), len(p.nodes)))}
	reached := make(map[string]int, len(steps))
	for _, step := range steps {
		step.Output = s.redacted(step.Output)
		reached[step.Path] = len(d.Steps)
		d.Steps = append(d.Steps, StepDetail{StepRun: step})
	}
	for _, a := range attempts {
		if at, ok := reached[a.Step]; ok {
			d.Steps[at].Log = append(d.Steps[at].Log, a)
		}
	}
	rest := Pending
	if r.Status.Ended() {
		rest = Skipped
	}
	for i := range p.nodes {
		if n := &p.nodes[i]; !slices.ContainsFunc(steps, func(step StepRun) bool { return step.Path == n.path }) {
			d.Steps = append(d.Steps, StepDetail{StepRun: StepRun{Path: n.path, Action: n.what(), Status: rest}})
		}
	}
	return d
}

// Rerun starts a run with the inputs of an earlier one, which stays as it is: of the
// same version of the rule, or with latest of the current one, which has to be for the
// same environment and event ([ErrMoved]). It is not asked whether the rule is enabled.
// The new run names the earlier one as its parent.
//
// Errors are those of audit.Governor.Change, and storage.ErrNotFound where the run is
// gone.
func (s *Service) Rerun(ctx context.Context, tenant, id string, latest bool, reason string) (Run, error) {
	parent, err := s.store.GetRun(ctx, tenant, id, false)
	if err != nil {
		return Run{}, err
	}
	number := parent.RuleVersion
	if latest {
		rule, err := s.store.GetRule(ctx, tenant, parent.RuleID, false)
		if err != nil {
			return Run{}, err
		}
		number = rule.Version
	}
	return s.rerun(ctx, audit.Event{Tenant: tenant, Action: ActionRerun, Reason: reason}, parent, number)
}

// rerun starts a run of a version through the governor, with the inputs of parent.
func (s *Service) rerun(ctx context.Context, e audit.Event, parent Run, number int) (Run, error) {
	event, err := s.store.GetEvent(ctx, parent.Tenant, parent.EventKey)
	if err != nil {
		return Run{}, err
	}
	a := &activation{service: s}
	fires, err := a.prepare(ctx, s.cfg.NewID(), parent.RuleID, number, event)
	if err != nil {
		return Run{}, err
	}
	// What a version is for is asked of the version: the rule may move on meanwhile.
	if p := a.program; !fires || p.definition.Environment != event.Environment || !listens(p.eventTypes, event.Type) {
		return Run{}, ErrMoved
	}
	e.Payload = encode(rerunPayload{RunID: parent.ID, RuleID: parent.RuleID, Version: number})
	_, err = s.governor.Change(ctx, runEvent(e, parent), func(ctx context.Context, _ *audit.Event) error {
		// While the parent is there, so are its event and its version.
		if _, err := s.store.GetRun(ctx, parent.Tenant, parent.ID, true); err != nil {
			return err
		}
		a.state.Run.Trigger, a.state.Run.ParentID = ByRerun, parent.ID
		a.decide(Event{Kind: Begin, At: s.now()})
		if err := a.save(ctx); err != nil {
			return err
		}
		if a.command.Kind != Call {
			return nil
		}
		return s.queue.Enqueue(ctx, startJob(parent.Tenant, startTask{Run: a.state.Run.ID, Rule: parent.RuleID, Event: event.Key}, event.Trace.Traceparent()))
	})
	if err != nil {
		return Run{}, err
	}
	return a.state.Run, nil
}

// Cancel ends a run that has not ended. An action that is being called gets its ctx
// ended where this process calls it; whatever it answers is dropped. A run that has ended
// is [ErrEnded].
func (s *Service) Cancel(ctx context.Context, tenant, id, reason string) (Run, error) {
	r, err := s.store.GetRun(ctx, tenant, id, false)
	if err != nil {
		return Run{}, err
	}
	return s.cancel(ctx, audit.Event{Tenant: tenant, Action: ActionCancel, Reason: reason}, r)
}

// cancel ends a run through the governor.
func (s *Service) cancel(ctx context.Context, e audit.Event, r Run) (Run, error) {
	if r.Status.Ended() {
		return Run{}, ErrEnded
	}
	_, err := s.governor.Change(ctx, runEvent(e, r), func(ctx context.Context, _ *audit.Event) error {
		locked, err := s.store.GetRun(ctx, r.Tenant, r.ID, true)
		if err != nil {
			return err
		}
		// A run is cancelled whether or not this process could go on with it.
		a := &activation{service: s, program: &Program{}}
		if err := a.loadState(ctx, locked); err != nil {
			return err
		}
		a.decide(Event{Kind: Cancel, At: s.now(), Reason: e.Reason})
		if a.command.Kind != Finish {
			return ErrEnded
		}
		s.interrupt(ctx, locked)
		err = a.save(ctx)
		r = a.state.Run
		return err
	})
	if err != nil {
		return Run{}, err
	}
	return r, nil
}

// runEvent completes the event of a change of r.
func runEvent(e audit.Event, r Run) audit.Event {
	e.Resource = audit.Resource{Type: ResourceRun, ID: r.ID}
	e.Metadata = encode(runRecord{RuleID: r.RuleID, Version: r.RuleVersion, Environment: r.Environment})
	return e
}

// The kinds of this package's entries in a timeline.
const (
	KindRun  = "run"
	KindStep = "step"
)

// Timeline implements correlation.Source: the runs that a trace led to or whose waits it
// ended, the newest thousand, with their steps.
func (s *Service) Timeline(ctx context.Context, tenant, traceID string) ([]correlation.Entry, error) {
	runs, err := s.store.TraceRuns(ctx, tenant, traceID)
	if err != nil {
		return nil, err
	}
	var entries []correlation.Entry
	for _, r := range runs {
		entries = append(entries, correlation.Entry{
			At: r.StartedAt, Kind: KindRun, ID: r.ID, Summary: "run of " + r.RuleID + " version " + strconv.Itoa(r.RuleVersion) + ": " + string(r.Status),
		})
		steps, err := s.store.Steps(ctx, tenant, r.ID)
		if err != nil {
			return nil, err
		}
		for _, step := range steps {
			entries = append(entries, correlation.Entry{At: step.StartedAt, Kind: KindStep, ID: r.ID + "/" + step.Path, Summary: step.summary()})
		}
	}
	return entries, nil
}

func (s StepRun) summary() string {
	text := fmt.Sprintf("step %s (%s): %s", s.Path, s.Action, s.Status)
	if s.Branch != "" {
		text += ", " + s.Branch
	}
	if s.Failure != nil {
		text += ", " + s.Failure.Class
	}
	return text
}
