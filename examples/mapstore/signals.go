package mapstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// PutSignal implements automation.Store. Nothing has to be locked for a signal and a wait
// not to miss each other: writers take turns.
func (s *automationStore) PutSignal(ctx context.Context, tenant string, signal automation.Signal) (bool, *automation.Waiter, error) {
	fresh := false
	var waiter *automation.Waiter
	err := s.write(ctx, func(t *tx) error {
		k := signalKey{tenant, signal.Key, signal.ID}
		if fresh = !s.signals.has(t, k); fresh {
			s.signals.put(t, k, signal)
		}
		waiter = s.waiter(t, tenant, signal.Key)
		return nil
	})
	if err != nil {
		return false, nil, err
	}
	return fresh, waiter, nil
}

// waiter returns who waits for a key, else who waited for it last, else nil.
func (s *automationStore) waiter(t *tx, tenant, key string) *automation.Waiter {
	if key == "" {
		return nil
	}
	rows := s.runs.find(t, func(k tenantID, row runRow) bool {
		return k.tenant == tenant && slices.ContainsFunc(row.Steps, func(step automation.StepRun) bool { return step.WaitKey == key })
	})
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b runRow) int { return newestFirst(a.Run, b.Run) })
	run := rows[0].Run
	if i := slices.IndexFunc(rows, func(row runRow) bool { return waitsFor(row.Run, key) }); i >= 0 {
		run = rows[i].Run
	}
	return &automation.Waiter{RunID: run.ID, RuleID: run.RuleID, Gen: run.Wait.Gen, Waiting: waitsFor(run, key)}
}

// waitsFor reports whether a run waits for the signals of a key.
func waitsFor(run automation.Run, key string) bool {
	return run.Status == automation.Waiting && run.Wait.Kind == automation.ForSignal && run.Wait.Key == key
}

// PendingSignals implements automation.Store.
func (s *automationStore) PendingSignals(ctx context.Context, tenant, key string) ([]automation.Signal, error) {
	found, err := find(ctx, s.Backend, &s.signals, func(k signalKey, signal automation.Signal) bool {
		return k.tenant == tenant && k.key == key && signal.State == automation.SignalPending
	})
	slices.SortFunc(found, oldestSignal)
	return found, err
}

func oldestSignal(a, b automation.Signal) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Key, b.Key), strings.Compare(a.ID, b.ID))
}

// SetSignals implements automation.Store.
func (s *automationStore) SetSignals(ctx context.Context, tenant, key, state string, ids ...string) error {
	return s.write(ctx, func(t *tx) error {
		for _, id := range ids {
			k := signalKey{tenant, key, id}
			if signal, ok := s.signals.get(t, k); ok {
				signal.State = state
				s.signals.put(t, k, signal)
			}
		}
		return nil
	})
}

// PruneSignals implements automation.Store.
func (s *automationStore) PruneSignals(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	return prune(ctx, s, limit, func(t *tx) []automation.Signal {
		waiting := s.runs.find(t, func(k tenantID, row runRow) bool { return k.tenant == tenant && row.Status == automation.Waiting })
		return s.signals.find(t, func(k signalKey, signal automation.Signal) bool {
			return k.tenant == tenant && signal.At.Before(micro(before)) &&
				!slices.ContainsFunc(waiting, func(row runRow) bool { return waitsFor(row.Run, k.key) })
		})
	}, oldestSignal, func(t *tx, signal automation.Signal) {
		s.signals.delete(t, signalKey{tenant, signal.Key, signal.ID})
	})
}

// PruneRuns implements automation.Store.
func (s *automationStore) PruneRuns(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	return prune(ctx, s, limit, func(t *tx) []runRow {
		return s.runs.find(t, func(k tenantID, row runRow) bool {
			return k.tenant == tenant && row.Status.Ended() && row.EndedAt.Before(micro(before))
		})
	}, func(a, b runRow) int {
		return cmp.Or(a.EndedAt.Compare(b.EndedAt), strings.Compare(a.ID, b.ID))
	}, func(t *tx, row runRow) {
		s.runs.delete(t, tenantID{tenant, row.ID})
		if row.ParentID == "" {
			s.first.delete(t, firstRunKey{tenant, row.RuleID, row.Environment, row.EventKey})
		}
	})
}

// PruneEvents implements automation.Store.
func (s *automationStore) PruneEvents(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	return prune(ctx, s, limit, func(t *tx) []automation.TriggerEvent {
		named := make(map[string]bool)
		s.runs.find(t, func(k tenantID, row runRow) bool {
			named[row.EventKey] = named[row.EventKey] || k.tenant == tenant
			return false
		})
		return s.events.find(t, func(k tenantID, e automation.TriggerEvent) bool {
			return k.tenant == tenant && e.CreatedAt.Before(micro(before)) && !named[k.id]
		})
	}, func(a, b automation.TriggerEvent) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.Key, b.Key))
	}, func(t *tx, e automation.TriggerEvent) { s.events.delete(t, tenantID{tenant, e.Key}) })
}

// PruneVersions implements automation.Store.
func (s *automationStore) PruneVersions(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	return prune(ctx, s, limit, func(t *tx) []automation.Version {
		kept := make(map[ruleVersionKey]bool)
		s.runs.find(t, func(k tenantID, row runRow) bool {
			kept[ruleVersionKey{k.tenant, row.RuleID, row.RuleVersion}] = true
			return false
		})
		s.rules.find(t, func(k tenantID, r automation.Rule) bool {
			kept[ruleVersionKey{k.tenant, r.ID, r.Version}] = true
			return false
		})
		replaced := make(map[string]int) // the highest number that was created before, by rule
		s.versions.find(t, func(k ruleVersionKey, v automation.Version) bool {
			if k.tenant == tenant && v.CreatedAt.Before(micro(before)) {
				replaced[k.rule] = max(replaced[k.rule], k.number)
			}
			return false
		})
		return s.versions.find(t, func(k ruleVersionKey, _ automation.Version) bool {
			return k.tenant == tenant && k.number < replaced[k.rule] && !kept[k]
		})
	}, func(a, b automation.Version) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.RuleID, b.RuleID), cmp.Compare(a.Number, b.Number))
	}, func(t *tx, v automation.Version) {
		s.versions.delete(t, ruleVersionKey{tenant, v.RuleID, v.Number})
	})
}

// prune deletes the first rows of those that may go, and returns how many.
func prune[V any](ctx context.Context, s *automationStore, limit int, find func(t *tx) []V, order func(a, b V) int, remove func(t *tx, row V)) (int, error) {
	limit, err := storage.Limit(limit)
	if err != nil {
		return 0, err
	}
	pruned := 0
	err = s.write(ctx, func(t *tx) error {
		rows := find(t)
		slices.SortFunc(rows, order)
		rows = first(rows, limit)
		for _, row := range rows {
			remove(t, row)
		}
		pruned = len(rows)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return pruned, nil
}
