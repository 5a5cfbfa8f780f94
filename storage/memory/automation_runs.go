package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"
	"unique"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// Runs wait for weeks, and there may be very many: their rows hold times as moments, share
// what many of them have in common, and keep what most of them lack behind a pointer.
type (
	// A triggerEventRow is an event as its table holds it.
	triggerEventRow struct {
		tenant, traceState name
		Key, id            string
		about              unique.Handle[triggerAbout]
		body               string
		traceID, spanID    string
		createdAt          moment
	}
	// triggerAbout is what an event has in common with many others.
	triggerAbout struct {
		source, eventType, environment string
		hops                           int
		traceFlags                     byte
	}
	// A runRow is a run as its table holds it.
	runRow struct {
		tenant, rule, environment     name
		ID, EventKey                  string
		about                         unique.Handle[runAbout]
		state                         unique.Handle[runState]
		waitKey                       string
		waitDue                       moment
		waitGen                       int64
		job                           int64
		traceID, spanID               string
		deadline                      moment
		StartedAt, updatedAt, EndedAt moment
		Version                       int64
		more                          *runMore
	}
	// runAbout is what a run has in common with the others of its version.
	runAbout struct {
		version            int
		trigger, eventType string
		owner              audit.Actor // without authn
		hops               int
		traceFlags         byte
	}
	// runState is how far a run is, which many others are as well.
	runState struct {
		Status           automation.Status
		cursor, waitKind string
		failing          bool
		level            slog.Level
	}
	// runMore is what few runs have.
	runMore struct {
		parentID   string
		authn      *audit.Authn
		audiences  []string
		failure    *automation.Failure
		reason     string
		traceState string
	}
	// An automationStepRow is a step of a run.
	automationStepRow struct {
		tenant, path   name
		run            string
		about          unique.Handle[stepAbout]
		seq, attempts  int
		input, output  string
		WaitKey        string
		started, ended moment
		more           *stepMore
	}
	// stepAbout is what a step has in common with the same one of other runs.
	stepAbout struct {
		action, branch string
		status         automation.Status
	}
	// stepMore is what few steps have.
	stepMore struct {
		linkID  string
		failure *automation.Failure
	}
	// An automationAttemptRow is an attempt of a step. Most succeed and say nothing.
	automationAttemptRow struct {
		tenant, step    name
		run             string
		n               int
		at              moment
		duration        time.Duration
		traceID, spanID string
		said            *attemptSaid
	}
	// attemptSaid is what an attempt that failed, or that wrote to its log, has to say.
	attemptSaid struct {
		class, err, detail string
		logs               []automation.LogLine
	}
)

var triggerEventTable = table[triggerEventRow]{
	func(a, b *triggerEventRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.Key, b.Key))
	},
}

var runTable = table[runRow]{
	func(a, b *runRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.EventKey, b.EventKey), compareNames(a.rule, b.rule),
			compareNames(a.environment, b.environment), cmp.Compare(a.parentID(), b.parentID()), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.traceID, b.traceID), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), compareNames(a.rule, b.rule),
			cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	},
}

const (
	runsByStart = 1
	runsByEvent = 2
	runsByTrace = 3
	runsByRule  = 4
)

var automationStepTable = table[automationStepRow]{
	func(a, b *automationStepRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.run, b.run), compareNames(a.path, b.path))
	},
	func(a, b *automationStepRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.WaitKey, b.WaitKey), cmp.Compare(a.run, b.run), compareNames(a.path, b.path))
	},
	func(a, b *automationStepRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.linkID(), b.linkID()), cmp.Compare(a.run, b.run), compareNames(a.path, b.path))
	},
}

const (
	stepsByWaitKey = 1
	runStepsByLink = 2
)

var automationAttemptTable = table[automationAttemptRow]{
	func(a, b *automationAttemptRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.run, b.run), compareNames(a.step, b.step), cmp.Compare(a.n, b.n))
	},
}

// noName stands in the place in front of all names.
var noName = unique.Make("")

func runKey(tenant, id string) runRow { return runRow{tenant: unique.Make(tenant), ID: id} }

// stepsOf and attemptsOf are the places in front of the steps and of the attempts of a run.
func stepsOf(tenant, run string) automationStepRow {
	return automationStepRow{tenant: unique.Make(tenant), run: run, path: noName}
}

func attemptsOf(tenant, run string) automationAttemptRow {
	return automationAttemptRow{tenant: unique.Make(tenant), run: run, step: noName}
}

func (s automationStore) InsertEvent(ctx context.Context, tenant string, e automation.TriggerEvent) (fresh bool, err error) {
	err = s.b.write(ctx, "automation.InsertEvent", func(v view) error {
		row := rowOfTrigger(tenant, e)
		if triggerEventTable.has(v, row) {
			return nil
		}
		fresh = true
		return triggerEventTable.insert(v, row)
	})
	return fresh, err
}

func (s automationStore) GetEvent(ctx context.Context, tenant, key string) (e automation.TriggerEvent, err error) {
	err = s.b.read(ctx, "automation.GetEvent", func(v view) error {
		row, ok := triggerEventTable.get(v, triggerEventRow{tenant: unique.Make(tenant), Key: key})
		if !ok {
			return storage.ErrNotFound
		}
		e = row.event()
		return nil
	})
	return e, err
}

func (s automationStore) Save(ctx context.Context, tenant string, w automation.Write) error {
	return s.b.write(ctx, "automation.Save", func(v view) error {
		row := rowOfRun(tenant, w.Run)
		old, exists := runTable.get(v, row)
		switch {
		case exists != (row.Version > 1), exists && old.Version != row.Version-1, !exists && startedBefore(v, row):
			return storage.ErrConflict
		}
		for _, a := range w.Attempts {
			if err := automationAttemptTable.insert(v, rowOfAttempt(tenant, row.ID, a)); err != nil {
				return err
			}
		}
		for _, step := range w.Steps {
			automationStepTable.put(v, rowOfStep(tenant, row.ID, step))
		}
		runTable.put(v, row)
		return nil
	})
}

// startedBefore reports whether the event of a run without a parent has started its rule
// already.
func startedBefore(v view, row runRow) bool {
	if row.parentID() != "" {
		return false
	}
	from := runRow{tenant: row.tenant, EventKey: row.EventKey, rule: row.rule, environment: row.environment}
	for other := range runTable.ascend(v, runsByEvent, from) {
		return other.tenant == row.tenant && other.EventKey == row.EventKey && other.rule == row.rule &&
			other.environment == row.environment && other.parentID() == ""
	}
	return false
}

func (s automationStore) GetRun(ctx context.Context, tenant, id string, lock bool) (r automation.Run, err error) {
	if err := s.mayLock(ctx, lock); err != nil {
		return r, err
	}
	err = s.b.read(ctx, "automation.GetRun", func(v view) error {
		row, ok := runTable.get(v, runKey(tenant, id))
		if !ok {
			return storage.ErrNotFound
		}
		r = copyRun(row.run())
		return nil
	})
	return r, err
}

func (s automationStore) Steps(ctx context.Context, tenant, runID string) (all []automation.StepRun, err error) {
	err = s.b.read(ctx, "automation.Steps", func(v view) error {
		from := stepsOf(tenant, runID)
		for row := range automationStepTable.ascend(v, 0, from) {
			if row.tenant != from.tenant || row.run != runID {
				break
			}
			all = append(all, row.step())
		}
		slices.SortFunc(all, func(a, b automation.StepRun) int {
			return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Path, b.Path))
		})
		return nil
	})
	return all, err
}

func (s automationStore) Attempts(ctx context.Context, tenant, runID string) (all []automation.Attempt, err error) {
	err = s.b.read(ctx, "automation.Attempts", func(v view) error {
		from := attemptsOf(tenant, runID)
		for row := range automationAttemptTable.ascend(v, 0, from) {
			if row.tenant != from.tenant || row.run != runID {
				break
			}
			all = append(all, row.attempt())
		}
		slices.SortFunc(all, func(a, b automation.Attempt) int {
			return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Step, b.Step), cmp.Compare(a.N, b.N))
		})
		all = all[:min(len(all), storage.MaxLimit)]
		for i := range all {
			all[i].Logs = slices.Clone(all[i].Logs)
		}
		return nil
	})
	return all, err
}

func (s automationStore) ListRuns(ctx context.Context, tenant string, q automation.RunQuery) (page storage.Page[automation.Run], err error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return page, err
	}
	from, order := runRow{tenant: unique.Make(tenant), rule: unique.Make(q.RuleID)}, runsByStart
	if q.RuleID != "" {
		order = runsByRule
	}
	since, until := firstMoment, lastMoment
	if !q.Since.IsZero() {
		since = momentOf(q.Since)
	}
	if !q.Until.IsZero() {
		until = momentOf(q.Until)
	}
	at, id := begin(plan)
	from.StartedAt, from.ID = momentOf(at), id
	if _, _, ok := plan.After(); !ok && plan.Sort.Descending {
		from.StartedAt = until
	} else if !ok {
		from.StartedAt = since
	}
	err = s.b.read(ctx, "automation.ListRuns", func(v view) error {
		rows := runTable.ascend(v, order, from)
		if plan.Sort.Descending {
			rows = runTable.descend(v, order, from)
		}
		page = plan.Take(func(yield func(automation.Run) bool) {
			for row := range rows {
				early, late := row.StartedAt < since, row.StartedAt >= until
				if row.tenant != from.tenant || q.RuleID != "" && row.rule != from.rule || plan.Sort.Descending && early || !plan.Sort.Descending && late {
					return
				}
				if !early && !late && reached(v, q, row) && !yield(row.run()) {
					return
				}
			}
		})
		for i, r := range page.Items {
			page.Items[i] = copyRun(r)
		}
		return nil
	})
	return page, err
}

// reached reports whether a run came to the level and the step that q names.
func reached(v view, q automation.RunQuery, r runRow) bool {
	if q.Level != 0 && r.state.Value().level < q.Level {
		return false
	}
	return q.Step == "" || automationStepTable.has(v, automationStepRow{tenant: r.tenant, run: r.ID, path: unique.Make(q.Step)})
}

func (s automationStore) TraceRuns(ctx context.Context, tenant, traceID string) (all []automation.Run, err error) {
	err = s.b.read(ctx, "automation.TraceRuns", func(v view) error {
		if traceID == "" {
			return nil
		}
		from := runRow{tenant: unique.Make(tenant), traceID: traceID}
		for row := range runTable.ascend(v, runsByTrace, from) {
			if row.tenant != from.tenant || row.traceID != traceID {
				break
			}
			all = append(all, copyRun(row.run()))
		}
		for row := range automationStepTable.ascend(v, runStepsByLink, automationStepRow{tenant: from.tenant, path: noName, more: &stepMore{linkID: traceID}}) {
			if row.tenant != from.tenant || row.linkID() != traceID {
				break
			}
			if slices.ContainsFunc(all, func(r automation.Run) bool { return r.ID == row.run }) {
				continue
			}
			if r, ok := runTable.get(v, runRow{tenant: row.tenant, ID: row.run}); ok {
				all = append(all, copyRun(r.run()))
			}
		}
		slices.SortFunc(all, func(a, b automation.Run) int {
			return cmp.Or(b.StartedAt.Compare(a.StartedAt), cmp.Compare(b.ID, a.ID))
		})
		all = all[:min(len(all), storage.MaxLimit)]
		return nil
	})
	return all, err
}

// document returns a JSON document that a row keeps, nil where it has none.
func document(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

func rowOfTrigger(tenant string, e automation.TriggerEvent) triggerEventRow {
	return triggerEventRow{
		tenant: unique.Make(tenant), Key: e.Key, id: e.ID, about: unique.Make(triggerAbout{e.Source, e.Type, e.Environment, e.Hops, e.Trace.Flags}),
		body: string(e.Body), traceID: e.Trace.TraceID, spanID: e.Trace.SpanID, traceState: unique.Make(e.Trace.State), createdAt: momentOf(e.CreatedAt),
	}
}

// event returns the event of a row.
func (r *triggerEventRow) event() automation.TriggerEvent {
	about := r.about.Value()
	return automation.TriggerEvent{
		Key: r.Key, Tenant: r.tenant.Value(), Source: about.source, ID: r.id, Type: about.eventType, Environment: about.environment, Body: document(r.body),
		Trace: correlation.Trace{TraceID: r.traceID, SpanID: r.spanID, Flags: about.traceFlags, State: r.traceState.Value()},
		Hops:  about.hops, CreatedAt: r.createdAt.time(),
	}
}

// rowOfRun returns a run as it is kept. It shares nothing with r that can be changed.
func rowOfRun(tenant string, r automation.Run) runRow {
	r = copyRun(r)
	authn := r.Owner.Authn
	r.Owner.Authn = nil
	row := runRow{
		tenant: unique.Make(tenant), rule: unique.Make(r.RuleID), environment: unique.Make(r.Environment), ID: r.ID, EventKey: r.EventKey,
		about:   unique.Make(runAbout{r.RuleVersion, r.Trigger, r.EventType, r.Owner, r.Hops, r.Trace.Flags}),
		state:   unique.Make(runState{r.Status, r.Cursor, r.Wait.Kind, r.Failing, r.Level}),
		waitKey: r.Wait.Key, waitDue: momentOf(r.Wait.DueAt), waitGen: r.Wait.Gen, job: r.Job,
		traceID: r.Trace.TraceID, spanID: r.Trace.SpanID,
		deadline: momentOf(r.DeadlineAt), StartedAt: momentOf(r.StartedAt), updatedAt: momentOf(r.UpdatedAt), EndedAt: momentOf(r.EndedAt),
		Version: r.Version,
	}
	if r.ParentID != "" || authn != nil || r.Audiences != nil || r.Failure != nil || r.Reason != "" || r.Trace.State != "" {
		row.more = &runMore{r.ParentID, authn, r.Audiences, r.Failure, r.Reason, r.Trace.State}
	}
	return row
}

// run returns the run of a row. It shares with the row what copyRun copies.
func (r *runRow) run() automation.Run {
	about, state := r.about.Value(), r.state.Value()
	run := automation.Run{
		Tenant: r.tenant.Value(), ID: r.ID, RuleID: r.rule.Value(), Environment: r.environment.Value(), RuleVersion: about.version, Status: state.Status,
		Trigger: about.trigger, EventKey: r.EventKey, EventType: about.eventType, Owner: about.owner, Cursor: state.cursor, Failing: state.failing,
		Wait: automation.Wait{Kind: state.waitKind, Key: r.waitKey, DueAt: r.waitDue.time(), Gen: r.waitGen},
		Job:  r.job, Level: state.level, Hops: about.hops,
		Trace:      correlation.Trace{TraceID: r.traceID, SpanID: r.spanID, Flags: about.traceFlags},
		DeadlineAt: r.deadline.time(), StartedAt: r.StartedAt.time(), UpdatedAt: r.updatedAt.time(), EndedAt: r.EndedAt.time(),
		Version: r.Version,
	}
	if more := r.more; more != nil {
		run.ParentID, run.Owner.Authn, run.Audiences = more.parentID, more.authn, more.audiences
		run.Failure, run.Reason, run.Trace.State = more.failure, more.reason, more.traceState
	}
	return run
}

func (r *runRow) parentID() string {
	if r.more == nil {
		return ""
	}
	return r.more.parentID
}

func copyRun(r automation.Run) automation.Run {
	r.Owner, r.Failure, r.Audiences = copyActor(r.Owner), copyFailure(r.Failure), slices.Clone(r.Audiences)
	return r
}

func copyFailure(f *automation.Failure) *automation.Failure {
	if f == nil {
		return nil
	}
	c := *f
	return &c
}

func rowOfStep(tenant, run string, s automation.StepRun) automationStepRow {
	row := automationStepRow{
		tenant: unique.Make(tenant), path: unique.Make(s.Path), run: run, about: unique.Make(stepAbout{s.Action, s.Branch, s.Status}),
		seq: s.Seq, attempts: s.Attempts, input: string(s.Input), output: string(s.Output), WaitKey: s.WaitKey,
		started: momentOf(s.StartedAt), ended: momentOf(s.EndedAt),
	}
	if s.LinkID != "" || s.Failure != nil {
		row.more = &stepMore{s.LinkID, copyFailure(s.Failure)}
	}
	return row
}

// step returns the step of a row, which shares nothing with it that can be changed.
func (r *automationStepRow) step() automation.StepRun {
	about := r.about.Value()
	s := automation.StepRun{
		Path: r.path.Value(), Seq: r.seq, Action: about.action, Status: about.status, Attempts: r.attempts,
		Input: document(r.input), Output: document(r.output), Branch: about.branch, WaitKey: r.WaitKey,
		StartedAt: r.started.time(), EndedAt: r.ended.time(),
	}
	if r.more != nil {
		s.LinkID, s.Failure = r.more.linkID, copyFailure(r.more.failure)
	}
	return s
}

func (r *automationStepRow) linkID() string {
	if r.more == nil {
		return ""
	}
	return r.more.linkID
}

func rowOfAttempt(tenant, run string, a automation.Attempt) automationAttemptRow {
	row := automationAttemptRow{
		tenant: unique.Make(tenant), step: unique.Make(a.Step), run: run, n: a.N, at: momentOf(a.At), duration: a.Duration.Truncate(time.Microsecond),
		traceID: a.TraceID, spanID: a.SpanID,
	}
	if a.Class != "" || a.Error != "" || a.Detail != "" || len(a.Logs) > 0 {
		row.said = &attemptSaid{a.Class, a.Error, a.Detail, slices.Clone(a.Logs)}
		for i := range row.said.logs {
			row.said.logs[i].At = stored(row.said.logs[i].At)
		}
	}
	return row
}

// attempt returns the attempt of a row. Its log lines are those of the row.
func (r *automationAttemptRow) attempt() automation.Attempt {
	a := automation.Attempt{Step: r.step.Value(), N: r.n, At: r.at.time(), Duration: r.duration, TraceID: r.traceID, SpanID: r.spanID}
	if said := r.said; said != nil {
		a.Class, a.Error, a.Detail, a.Logs = said.class, said.err, said.detail, said.logs
	}
	return a
}
