package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// Automation returns the store of package automation.
func (b *Backend) Automation() automation.Store { return automationStore{b} }

type automationStore struct{ b *Backend }

var _ automation.Store = automationStore{}

type (
	// A listenerRow stands for one event type that one enabled rule listens to.
	listenerRow struct{ tenant, environment, pattern, rule string }
	// A runRow is a run with the key that it is the only one without a parent under,
	// empty where it has a parent.
	runRow struct {
		automation.Run
		origin string
	}
	automationStepRow struct {
		tenant, run string
		automation.StepRun
	}
	automationAttemptRow struct {
		tenant, run string
		automation.Attempt
	}
	signalRow struct {
		tenant string
		automation.Signal
	}
)

var ruleTable = table[automation.Rule]{
	func(a, b *automation.Rule) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *automation.Rule) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *automation.Rule) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.UpdatedAt.Compare(b.UpdatedAt), cmp.Compare(a.ID, b.ID))
	},
}

const (
	rulesByCreation = 1
	rulesByUpdate   = 2
)

var ruleVersionTable = table[automation.Version]{
	func(a, b *automation.Version) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.RuleID, b.RuleID), cmp.Compare(a.Number, b.Number))
	},
}

var listenerTable = table[listenerRow]{
	func(a, b *listenerRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.environment, b.environment),
			cmp.Compare(a.pattern, b.pattern), cmp.Compare(a.rule, b.rule))
	},
}

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
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.origin, b.origin), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Trace.TraceID, b.Trace.TraceID), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *runRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.RuleID, b.RuleID),
			a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	},
}

const (
	runsByStart  = 1
	runsByOrigin = 2
	runsByTrace  = 3
	runsByRule   = 4
)

var automationStepTable = table[automationStepRow]{
	func(a, b *automationStepRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.run, b.run), cmp.Compare(a.Path, b.Path))
	},
	func(a, b *automationStepRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.run, b.run), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Path, b.Path))
	},
	func(a, b *automationStepRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.WaitKey, b.WaitKey), cmp.Compare(a.run, b.run), cmp.Compare(a.Path, b.Path))
	},
	func(a, b *automationStepRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.LinkID, b.LinkID), cmp.Compare(a.run, b.run), cmp.Compare(a.Path, b.Path))
	},
}

const (
	stepsBySeq     = 1
	stepsByWaitKey = 2
	runStepsByLink = 3
)

var automationAttemptTable = table[automationAttemptRow]{
	func(a, b *automationAttemptRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.run, b.run), cmp.Compare(a.Step, b.Step), cmp.Compare(a.N, b.N))
	},
	func(a, b *automationAttemptRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.run, b.run), a.At.Compare(b.At), cmp.Compare(a.Step, b.Step), cmp.Compare(a.N, b.N))
	},
}

const attemptsByTime = 1

var signalTable = table[signalRow]{
	func(a, b *signalRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *signalRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.Key, b.Key), a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	},
}

const signalsByTime = 1

func (s automationStore) SaveRule(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
	return s.b.write(ctx, "automation.SaveRule", func(w view) error {
		r = copyRule(r)
		r.Tenant, r.CreatedAt, r.UpdatedAt = tenant, stored(r.CreatedAt), stored(r.UpdatedAt)
		old, exists := ruleTable.get(w, r)
		switch {
		case !exists && r.Revision > 1:
			return storage.ErrNotFound
		case exists && old.Revision != r.Revision-1:
			return storage.ErrConflict
		case exists:
			r.CreatedAt = old.CreatedAt
		}
		if v != nil {
			n := copyVersion(*v)
			n.Tenant, n.RuleID, n.CreatedAt = tenant, r.ID, stored(n.CreatedAt)
			if err := ruleVersionTable.insert(w, n); err != nil {
				return err
			}
		}
		for _, p := range old.EventTypes {
			listenerTable.delete(w, listenerRow{tenant, old.Environment, p, r.ID})
		}
		if r.Enabled {
			for _, p := range r.EventTypes {
				listenerTable.put(w, listenerRow{tenant, r.Environment, p, r.ID})
			}
		}
		ruleTable.put(w, r)
		return nil
	})
}

func (s automationStore) GetRule(ctx context.Context, tenant, id string, lock bool) (r automation.Rule, err error) {
	if err := s.mayLock(ctx, lock); err != nil {
		return r, err
	}
	err = s.b.read(ctx, "automation.GetRule", func(v view) error {
		row, ok := ruleTable.get(v, automation.Rule{Tenant: tenant, ID: id})
		if !ok {
			return storage.ErrNotFound
		}
		r = copyRule(row)
		return nil
	})
	return r, err
}

// mayLock answers storage.ErrNoTx where a lock is asked for outside of a transaction.
// Inside there is nothing to do: it is the one writer.
func (s automationStore) mayLock(ctx context.Context, lock bool) error {
	if !lock {
		return nil
	}
	_, err := s.b.required(ctx)
	return err
}

func (s automationStore) ListRules(ctx context.Context, tenant string, q automation.RuleQuery) (page storage.Page[automation.Rule], err error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return page, err
	}
	from, order := automation.Rule{Tenant: tenant}, rulesByCreation
	from.CreatedAt, from.ID = begin(plan)
	if plan.Sort.Field == "updated_at" {
		from.UpdatedAt, order = from.CreatedAt, rulesByUpdate
	}
	err = s.b.read(ctx, "automation.ListRules", func(v view) error {
		page = pageOf(ruleTable, v, order, from, plan, func(r automation.Rule) (automation.Rule, bool) { return r, r.Tenant == tenant })
		for i, r := range page.Items {
			page.Items[i] = copyRule(r)
		}
		return nil
	})
	return page, err
}

func (s automationStore) CountRules(ctx context.Context, tenant string, lock bool) (n int64, err error) {
	if err := s.mayLock(ctx, lock); err != nil {
		return 0, err
	}
	err = s.b.read(ctx, "automation.CountRules", func(v view) error {
		for r := range ruleTable.ascend(v, 0, automation.Rule{Tenant: tenant}) {
			if r.Tenant != tenant {
				break
			}
			n++
		}
		return nil
	})
	return n, err
}

func (s automationStore) GetVersion(ctx context.Context, tenant, ruleID string, number int) (n automation.Version, err error) {
	err = s.b.read(ctx, "automation.GetVersion", func(v view) error {
		row, ok := ruleVersionTable.get(v, automation.Version{Tenant: tenant, RuleID: ruleID, Number: number})
		if !ok {
			return storage.ErrNotFound
		}
		n = copyVersion(row)
		return nil
	})
	return n, err
}

func (s automationStore) ListVersions(ctx context.Context, tenant, ruleID string, q automation.VersionQuery) (page storage.Page[automation.Version], err error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return page, err
	}
	before, err := q.Before(tenant, ruleID)
	if err != nil {
		return page, err
	}
	from := automation.Version{Tenant: tenant, RuleID: ruleID, Number: before - 1}
	if before == 0 {
		from.Number = 1<<62 - 1
	}
	err = s.b.read(ctx, "automation.ListVersions", func(v view) error {
		for n := range ruleVersionTable.descend(v, 0, from) {
			if n.Tenant != tenant || n.RuleID != ruleID {
				break
			}
			if len(page.Items) == limit {
				page.Next = q.Next(tenant, page.Items[limit-1])
				break
			}
			page.Items = append(page.Items, copyVersion(n))
		}
		return nil
	})
	return page, err
}

func (s automationStore) Listeners(ctx context.Context, tenant, environment string, patterns []string) (ids []string, err error) {
	err = s.b.read(ctx, "automation.Listeners", func(v view) error {
		for _, p := range patterns {
			for row := range listenerTable.ascend(v, 0, listenerRow{tenant: tenant, environment: environment, pattern: p}) {
				if row.tenant != tenant || row.environment != environment || row.pattern != p {
					break
				}
				ids = append(ids, row.rule)
			}
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		return nil
	})
	return ids, err
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
		row := runRow{Run: storedRun(tenant, w.Run)}
		if row.ParentID == "" {
			row.origin = row.RuleID + "\x00" + row.Environment + "\x00" + row.EventKey
		}
		old, exists := runTable.get(v, row)
		switch {
		case exists != (row.Version > 1), exists && old.Version != row.Version-1, !exists && startedBefore(v, row):
			return storage.ErrConflict
		}
		for _, a := range w.Attempts {
			if err := automationAttemptTable.insert(v, automationAttemptRow{tenant, row.ID, storedRunAttempt(a)}); err != nil {
				return err
			}
		}
		for _, step := range w.Steps {
			automationStepTable.put(v, automationStepRow{tenant, row.ID, storedStep(step)})
		}
		runTable.put(v, row)
		return nil
	})
}

// startedBefore reports whether the event of a run has started its rule already.
func startedBefore(v view, row runRow) bool {
	if row.origin == "" {
		return false
	}
	from := runRow{Run: automation.Run{Tenant: row.Tenant}, origin: row.origin}
	for other := range runTable.ascend(v, runsByOrigin, from) {
		return other.Tenant == row.Tenant && other.origin == row.origin
	}
	return false
}

func (s automationStore) GetRun(ctx context.Context, tenant, id string, lock bool) (r automation.Run, err error) {
	if err := s.mayLock(ctx, lock); err != nil {
		return r, err
	}
	err = s.b.read(ctx, "automation.GetRun", func(v view) error {
		row, ok := runTable.get(v, runRow{Run: automation.Run{Tenant: tenant, ID: id}})
		if !ok {
			return storage.ErrNotFound
		}
		r = copyRun(row.Run)
		return nil
	})
	return r, err
}

func (s automationStore) Steps(ctx context.Context, tenant, runID string) (all []automation.StepRun, err error) {
	err = s.b.read(ctx, "automation.Steps", func(v view) error {
		for row := range automationStepTable.ascend(v, stepsBySeq, automationStepRow{tenant: tenant, run: runID}) {
			if row.tenant != tenant || row.run != runID {
				break
			}
			all = append(all, copyStep(row.StepRun))
		}
		return nil
	})
	return all, err
}

func (s automationStore) Attempts(ctx context.Context, tenant, runID string) (all []automation.Attempt, err error) {
	err = s.b.read(ctx, "automation.Attempts", func(v view) error {
		for row := range automationAttemptTable.ascend(v, attemptsByTime, automationAttemptRow{tenant: tenant, run: runID}) {
			if row.tenant != tenant || row.run != runID || len(all) == storage.MaxLimit {
				break
			}
			row.Logs = slices.Clone(row.Logs)
			all = append(all, row.Attempt)
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
	from, order := runRow{Run: automation.Run{Tenant: tenant, RuleID: q.RuleID}}, runsByStart
	if q.RuleID != "" {
		order = runsByRule
	}
	from.StartedAt, from.ID = begin(plan)
	since, until := stored(q.Since), endOfTime
	if !q.Until.IsZero() {
		until = stored(q.Until)
	}
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
				early, late := row.StartedAt.Before(since), !row.StartedAt.Before(until)
				if row.Tenant != tenant || q.RuleID != "" && row.RuleID != q.RuleID || plan.Sort.Descending && early || !plan.Sort.Descending && late {
					return
				}
				if !early && !late && reached(v, q, row) && !yield(row.Run) {
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
	return q.Step == "" || automationStepTable.has(v, automationStepRow{tenant: r.Tenant, run: r.ID, StepRun: automation.StepRun{Path: q.Step}})
}

func (s automationStore) TraceRuns(ctx context.Context, tenant, traceID string) (all []automation.Run, err error) {
	err = s.b.read(ctx, "automation.TraceRuns", func(v view) error {
		if traceID == "" {
			return nil
		}
		from := runRow{Run: automation.Run{Tenant: tenant}}
		from.Trace.TraceID = traceID
		for row := range runTable.ascend(v, runsByTrace, from) {
			if row.Tenant != tenant || row.Trace.TraceID != traceID {
				break
			}
			all = append(all, copyRun(row.Run))
		}
		for row := range automationStepTable.ascend(v, runStepsByLink, automationStepRow{tenant: tenant, StepRun: automation.StepRun{LinkID: traceID}}) {
			if row.tenant != tenant || row.LinkID != traceID {
				break
			}
			if slices.ContainsFunc(all, func(r automation.Run) bool { return r.ID == row.run }) {
				continue
			}
			if r, ok := runTable.get(v, runRow{Run: automation.Run{Tenant: tenant, ID: row.run}}); ok {
				all = append(all, copyRun(r.Run))
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

func (s automationStore) PutSignal(ctx context.Context, tenant string, sg automation.Signal) (fresh bool, w *automation.Waiter, err error) {
	err = s.b.write(ctx, "automation.PutSignal", func(v view) error {
		w = waiterOf(v, tenant, sg.Key)
		row := signalRow{tenant, sg}
		row.Payload, row.At = bytes.Clone(sg.Payload), stored(sg.At)
		if signalTable.has(v, row) {
			return nil
		}
		fresh = true
		return signalTable.insert(v, row)
	})
	return fresh, w, err
}

// waiterOf returns who waits for key, else who did, the last that started of several.
func waiterOf(v view, tenant, key string) (w *automation.Waiter) {
	if key == "" {
		return nil
	}
	var last automation.Run
	for step := range automationStepTable.ascend(v, stepsByWaitKey, automationStepRow{tenant: tenant, StepRun: automation.StepRun{WaitKey: key}}) {
		if step.tenant != tenant || step.WaitKey != key {
			break
		}
		run, _ := runTable.get(v, runRow{Run: automation.Run{Tenant: tenant, ID: step.run}})
		waits := run.Status == automation.Waiting && run.Wait.Key == key
		if w == nil || waits && !w.Waiting || waits == w.Waiting && startedBehind(run.Run, last) {
			last = run.Run
			w = &automation.Waiter{RunID: run.ID, RuleID: run.RuleID, Gen: run.Wait.Gen, Waiting: waits}
		}
	}
	return w
}

// startedBehind reports whether a run comes behind another one in the order of their start.
func startedBehind(r, other automation.Run) bool {
	return cmp.Or(r.StartedAt.Compare(other.StartedAt), cmp.Compare(r.ID, other.ID)) > 0
}

func (s automationStore) PendingSignals(ctx context.Context, tenant, key string) (all []automation.Signal, err error) {
	err = s.b.read(ctx, "automation.PendingSignals", func(v view) error {
		for row := range signalTable.ascend(v, signalsByTime, signalRow{tenant: tenant, Signal: automation.Signal{Key: key}}) {
			if row.tenant != tenant || row.Key != key {
				break
			}
			if row.State == automation.SignalPending {
				row.Payload = bytes.Clone(row.Payload)
				all = append(all, row.Signal)
			}
		}
		return nil
	})
	return all, err
}

func (s automationStore) SetSignals(ctx context.Context, tenant, key, state string, ids ...string) error {
	return s.b.write(ctx, "automation.SetSignals", func(v view) error {
		for _, id := range ids {
			row, ok := signalTable.get(v, signalRow{tenant, automation.Signal{Key: key, ID: id}})
			if !ok {
				continue
			}
			row.State = state
			signalTable.put(v, row)
		}
		return nil
	})
}

func copyRule(r automation.Rule) automation.Rule {
	r.EventTypes, r.Owner = slices.Clone(r.EventTypes), copyActor(r.Owner)
	return r
}

func copyVersion(v automation.Version) automation.Version {
	v.Document, v.CreatedBy = bytes.Clone(v.Document), copyActor(v.CreatedBy)
	return v
}

func storedRun(tenant string, r automation.Run) automation.Run {
	r = copyRun(r)
	r.Tenant = tenant
	r.Wait.DueAt, r.DeadlineAt = stored(r.Wait.DueAt), stored(r.DeadlineAt)
	r.StartedAt, r.UpdatedAt, r.EndedAt = stored(r.StartedAt), stored(r.UpdatedAt), stored(r.EndedAt)
	return r
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

func storedStep(s automation.StepRun) automation.StepRun {
	s = copyStep(s)
	s.StartedAt, s.EndedAt = stored(s.StartedAt), stored(s.EndedAt)
	return s
}

func copyStep(s automation.StepRun) automation.StepRun {
	s.Input, s.Output, s.Failure = bytes.Clone(s.Input), bytes.Clone(s.Output), copyFailure(s.Failure)
	return s
}

func storedRunAttempt(a automation.Attempt) automation.Attempt {
	a.At, a.Duration = stored(a.At), a.Duration.Truncate(time.Microsecond)
	a.Logs = slices.Clone(a.Logs)
	for i := range a.Logs {
		a.Logs[i].At = stored(a.Logs[i].At)
	}
	return a
}
