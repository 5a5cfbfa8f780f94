package memory

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"
	"unique"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

type (
	// A runRow is a run as its table holds it. Runs wait for weeks, and there may be very
	// many: times are moments, and runs with the same owner share it.
	runRow struct {
		Tenant, ID, RuleID, Environment string
		RuleVersion                     int
		Status                          automation.Status
		Trigger, EventKey, EventType    string
		ParentID                        string
		owner                           unique.Handle[audit.Actor] // without authn
		authn                           *audit.Authn
		audiences                       []string
		cursor                          string
		failing                         bool
		waitKind, waitKey               string
		waitDue                         moment
		waitGen                         int64
		job                             int64
		failure                         *automation.Failure
		reason                          string
		Level                           slog.Level
		hops                            int
		Trace                           correlation.Trace
		deadline                        moment
		StartedAt, updatedAt, EndedAt   moment
		Version                         int64
	}
	// An automationStepRow is a step of a run, its times as moments.
	automationStepRow struct {
		tenant, run, Path string
		Seq               int
		action            string
		status            automation.Status
		attempts          int
		input, output     []byte
		branch            string
		WaitKey, LinkID   string
		failure           *automation.Failure
		started, ended    moment
	}
	// An automationAttemptRow is an attempt of a step. Most succeed and say nothing.
	automationAttemptRow struct {
		tenant, run, Step string
		N                 int
		at                moment
		duration          time.Duration
		traceID, spanID   string
		said              *attemptSaid
	}
	// attemptSaid is what an attempt that failed, or that wrote to its log, has to say.
	attemptSaid struct {
		class, err, detail string
		logs               []automation.LogLine
	}
)

var triggerEventTable = table[automation.TriggerEvent]{
	func(a, b *automation.TriggerEvent) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Key, b.Key))
	},
}

var runTable = table[runRow]{
	func(a, b *runRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.EventKey, b.EventKey), cmp.Compare(a.RuleID, b.RuleID),
			cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.ParentID, b.ParentID), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Trace.TraceID, b.Trace.TraceID), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.RuleID, b.RuleID),
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
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.run, b.run), cmp.Compare(a.Path, b.Path))
	},
	func(a, b *automationStepRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.WaitKey, b.WaitKey), cmp.Compare(a.run, b.run), cmp.Compare(a.Path, b.Path))
	},
	func(a, b *automationStepRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.LinkID, b.LinkID), cmp.Compare(a.run, b.run), cmp.Compare(a.Path, b.Path))
	},
}

const (
	stepsByWaitKey = 1
	runStepsByLink = 2
)

var automationAttemptTable = table[automationAttemptRow]{
	func(a, b *automationAttemptRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.run, b.run), cmp.Compare(a.Step, b.Step), cmp.Compare(a.N, b.N))
	},
}

func (s automationStore) InsertEvent(ctx context.Context, tenant string, e automation.TriggerEvent) (fresh bool, err error) {
	err = s.b.write(ctx, "automation.InsertEvent", func(v view) error {
		e.Tenant, e.Body, e.CreatedAt = tenant, bytes.Clone(e.Body), stored(e.CreatedAt)
		if triggerEventTable.has(v, e) {
			return nil
		}
		fresh = true
		return triggerEventTable.insert(v, e)
	})
	return fresh, err
}

func (s automationStore) GetEvent(ctx context.Context, tenant, key string) (e automation.TriggerEvent, err error) {
	err = s.b.read(ctx, "automation.GetEvent", func(v view) error {
		row, ok := triggerEventTable.get(v, automation.TriggerEvent{Tenant: tenant, Key: key})
		if !ok {
			return storage.ErrNotFound
		}
		e = row
		e.Body = bytes.Clone(row.Body)
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
	if row.ParentID != "" {
		return false
	}
	from := runRow{Tenant: row.Tenant, EventKey: row.EventKey, RuleID: row.RuleID, Environment: row.Environment}
	for other := range runTable.ascend(v, runsByEvent, from) {
		return other.Tenant == row.Tenant && other.EventKey == row.EventKey && other.RuleID == row.RuleID &&
			other.Environment == row.Environment && other.ParentID == ""
	}
	return false
}

func (s automationStore) GetRun(ctx context.Context, tenant, id string, lock bool) (r automation.Run, err error) {
	if err := s.mayLock(ctx, lock); err != nil {
		return r, err
	}
	err = s.b.read(ctx, "automation.GetRun", func(v view) error {
		row, ok := runTable.get(v, runRow{Tenant: tenant, ID: id})
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
		for row := range automationStepTable.ascend(v, 0, automationStepRow{tenant: tenant, run: runID}) {
			if row.tenant != tenant || row.run != runID {
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
		for row := range automationAttemptTable.ascend(v, 0, automationAttemptRow{tenant: tenant, run: runID}) {
			if row.tenant != tenant || row.run != runID {
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
	from, order := runRow{Tenant: tenant, RuleID: q.RuleID}, runsByStart
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
				if row.Tenant != tenant || q.RuleID != "" && row.RuleID != q.RuleID || plan.Sort.Descending && early || !plan.Sort.Descending && late {
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
	if q.Level != 0 && r.Level < q.Level {
		return false
	}
	return q.Step == "" || automationStepTable.has(v, automationStepRow{tenant: r.Tenant, run: r.ID, Path: q.Step})
}

func (s automationStore) TraceRuns(ctx context.Context, tenant, traceID string) (all []automation.Run, err error) {
	err = s.b.read(ctx, "automation.TraceRuns", func(v view) error {
		if traceID == "" {
			return nil
		}
		from := runRow{Tenant: tenant}
		from.Trace.TraceID = traceID
		for row := range runTable.ascend(v, runsByTrace, from) {
			if row.Tenant != tenant || row.Trace.TraceID != traceID {
				break
			}
			all = append(all, copyRun(row.run()))
		}
		for row := range automationStepTable.ascend(v, runStepsByLink, automationStepRow{tenant: tenant, LinkID: traceID}) {
			if row.tenant != tenant || row.LinkID != traceID {
				break
			}
			if slices.ContainsFunc(all, func(r automation.Run) bool { return r.ID == row.run }) {
				continue
			}
			if r, ok := runTable.get(v, runRow{Tenant: tenant, ID: row.run}); ok {
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

// rowOfRun returns a run as it is kept. It shares nothing with r that can be changed.
func rowOfRun(tenant string, r automation.Run) runRow {
	r = copyRun(r)
	authn := r.Owner.Authn
	r.Owner.Authn = nil
	return runRow{
		Tenant: tenant, ID: r.ID, RuleID: r.RuleID, Environment: r.Environment, RuleVersion: r.RuleVersion, Status: r.Status,
		Trigger: r.Trigger, EventKey: r.EventKey, EventType: r.EventType, ParentID: r.ParentID,
		owner: unique.Make(r.Owner), authn: authn, audiences: r.Audiences, cursor: r.Cursor, failing: r.Failing,
		waitKind: r.Wait.Kind, waitKey: r.Wait.Key, waitDue: momentOf(r.Wait.DueAt), waitGen: r.Wait.Gen,
		job: r.Job, failure: r.Failure, reason: r.Reason, Level: r.Level, hops: r.Hops, Trace: r.Trace,
		deadline: momentOf(r.DeadlineAt), StartedAt: momentOf(r.StartedAt), updatedAt: momentOf(r.UpdatedAt), EndedAt: momentOf(r.EndedAt),
		Version: r.Version,
	}
}

// run returns the run of a row. It shares with the row what copyRun copies.
func (r *runRow) run() automation.Run {
	owner := r.owner.Value()
	owner.Authn = r.authn
	return automation.Run{
		Tenant: r.Tenant, ID: r.ID, RuleID: r.RuleID, Environment: r.Environment, RuleVersion: r.RuleVersion, Status: r.Status,
		Trigger: r.Trigger, EventKey: r.EventKey, EventType: r.EventType, ParentID: r.ParentID,
		Owner: owner, Audiences: r.audiences, Cursor: r.cursor, Failing: r.failing,
		Wait: automation.Wait{Kind: r.waitKind, Key: r.waitKey, DueAt: r.waitDue.time(), Gen: r.waitGen},
		Job:  r.job, Failure: r.failure, Reason: r.reason, Level: r.Level, Hops: r.hops, Trace: r.Trace,
		DeadlineAt: r.deadline.time(), StartedAt: r.StartedAt.time(), UpdatedAt: r.updatedAt.time(), EndedAt: r.EndedAt.time(),
		Version: r.Version,
	}
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
	return automationStepRow{
		tenant: tenant, run: run, Path: s.Path, Seq: s.Seq, action: s.Action, status: s.Status, attempts: s.Attempts,
		input: bytes.Clone(s.Input), output: bytes.Clone(s.Output), branch: s.Branch, WaitKey: s.WaitKey, LinkID: s.LinkID,
		failure: copyFailure(s.Failure), started: momentOf(s.StartedAt), ended: momentOf(s.EndedAt),
	}
}

// step returns the step of a row, which shares nothing with it that can be changed.
func (r *automationStepRow) step() automation.StepRun {
	return automation.StepRun{
		Path: r.Path, Seq: r.Seq, Action: r.action, Status: r.status, Attempts: r.attempts,
		Input: bytes.Clone(r.input), Output: bytes.Clone(r.output), Branch: r.branch, WaitKey: r.WaitKey, LinkID: r.LinkID,
		Failure: copyFailure(r.failure), StartedAt: r.started.time(), EndedAt: r.ended.time(),
	}
}

func rowOfAttempt(tenant, run string, a automation.Attempt) automationAttemptRow {
	row := automationAttemptRow{
		tenant: tenant, run: run, Step: a.Step, N: a.N, at: momentOf(a.At), duration: a.Duration.Truncate(time.Microsecond),
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
	a := automation.Attempt{Step: r.Step, N: r.N, At: r.at.time(), Duration: r.duration, TraceID: r.traceID, SpanID: r.spanID}
	if said := r.said; said != nil {
		a.Class, a.Error, a.Detail, a.Logs = said.class, said.err, said.detail, said.logs
	}
	return a
}
