package mapstore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// InsertEvent implements automation.Store.
func (s *automationStore) InsertEvent(ctx context.Context, tenant string, e automation.TriggerEvent) (bool, error) {
	fresh := false
	err := s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, e.Key}
		if fresh = !s.events.has(t, k); fresh {
			e.Tenant = tenant
			s.events.put(t, k, e)
		}
		return nil
	})
	return fresh && err == nil, err
}

// GetEvent implements automation.Store.
func (s *automationStore) GetEvent(ctx context.Context, tenant, key string) (automation.TriggerEvent, error) {
	return get(ctx, s.Backend, &s.events, tenantID{tenant, key}, false)
}

// Save implements automation.Store.
func (s *automationStore) Save(ctx context.Context, tenant string, w automation.Write) error {
	return s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, w.Run.ID}
		row, known := s.runs.get(t, k)
		if row.Version != w.Run.Version-1 { // none is at version 0
			return storage.ErrConflict
		}
		if w.Run.ParentID == "" && !known {
			one := firstRunKey{tenant, w.Run.RuleID, w.Run.Environment, w.Run.EventKey}
			if s.first.has(t, one) {
				return storage.ErrConflict
			}
			s.first.put(t, one, struct{}{})
		}
		row.Run = w.Run
		row.Tenant = tenant
		for _, step := range w.Steps {
			i := slices.IndexFunc(row.Steps, func(other automation.StepRun) bool { return other.Path == step.Path })
			if i < 0 {
				row.Steps = append(row.Steps, step)
			} else {
				row.Steps[i] = step
			}
		}
		for _, a := range w.Attempts {
			if slices.ContainsFunc(row.Attempts, func(other automation.Attempt) bool { return other.Step == a.Step && other.N == a.N }) {
				return storage.ErrConflict
			}
			row.Attempts = append(row.Attempts, a)
		}
		s.runs.put(t, k, row)
		return nil
	})
}

// GetRun implements automation.Store.
func (s *automationStore) GetRun(ctx context.Context, tenant, id string, lock bool) (automation.Run, error) {
	row, err := get(ctx, s.Backend, &s.runs, tenantID{tenant, id}, lock)
	return row.Run, err
}

// row returns a run with its steps and attempts, the zero row where there is none.
func (s *automationStore) row(ctx context.Context, tenant, id string) (runRow, error) {
	var row runRow
	err := s.read(ctx, func(t *tx) error {
		row, _ = s.runs.get(t, tenantID{tenant, id})
		return nil
	})
	return row, err
}

// Steps implements automation.Store.
func (s *automationStore) Steps(ctx context.Context, tenant, runID string) ([]automation.StepRun, error) {
	row, err := s.row(ctx, tenant, runID)
	slices.SortFunc(row.Steps, func(a, b automation.StepRun) int { return cmp.Compare(a.Seq, b.Seq) })
	return row.Steps, err
}

// Attempts implements automation.Store.
func (s *automationStore) Attempts(ctx context.Context, tenant, runID string) ([]automation.Attempt, error) {
	row, err := s.row(ctx, tenant, runID)
	slices.SortFunc(row.Attempts, func(a, b automation.Attempt) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Step, b.Step), cmp.Compare(a.N, b.N))
	})
	return first(row.Attempts, storage.MaxLimit), err
}

// ListRuns implements automation.Store.
func (s *automationStore) ListRuns(ctx context.Context, tenant string, q automation.RunQuery) (storage.Page[automation.Run], error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return storage.Page[automation.Run]{}, err
	}
	found, err := find(ctx, s.Backend, &s.runs, func(k tenantID, row runRow) bool {
		return k.tenant == tenant &&
			(q.Step == "" || slices.ContainsFunc(row.Steps, func(step automation.StepRun) bool { return step.Path == q.Step })) &&
			(q.Level == 0 || row.Level >= q.Level) &&
			(q.Since.IsZero() || !row.StartedAt.Before(micro(q.Since))) &&
			(q.Until.IsZero() || row.StartedAt.Before(micro(q.Until)))
	})
	if err != nil {
		return storage.Page[automation.Run]{}, err
	}
	return plan.Select(slices.Values(onlyRuns(found))), nil
}

// newestFirst compares by start and id.
func newestFirst(a, b automation.Run) int {
	return cmp.Or(b.StartedAt.Compare(a.StartedAt), strings.Compare(b.ID, a.ID))
}

// TraceRuns implements automation.Store.
func (s *automationStore) TraceRuns(ctx context.Context, tenant, traceID string) ([]automation.Run, error) {
	found, err := find(ctx, s.Backend, &s.runs, func(k tenantID, row runRow) bool {
		return k.tenant == tenant && traceID != "" && (row.Trace.TraceID == traceID ||
			slices.ContainsFunc(row.Steps, func(step automation.StepRun) bool { return step.LinkID == traceID }))
	})
	runs := onlyRuns(found)
	slices.SortFunc(runs, newestFirst)
	return first(runs, storage.MaxLimit), err
}

// onlyRuns returns the runs of rows.
func onlyRuns(rows []runRow) []automation.Run {
	var runs []automation.Run
	for _, row := range rows {
		runs = append(runs, row.Run)
	}
	return runs
}
