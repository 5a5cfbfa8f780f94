package memory

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"
	"unique"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// deleteOld deletes the first rows by age of those a function lists, at most limit, and
// returns them.
func deleteOld[R any](ctx context.Context, b *Backend, call string, t table[R], limit int, age func(a, b R) int, list func(v view) iter.Seq[R]) (old []R, err error) {
	if limit, err = storage.Limit(limit); err != nil {
		return nil, err
	}
	err = b.write(ctx, call, func(v view) error {
		old = slices.SortedStableFunc(list(v), age)
		old = old[:min(limit, len(old))]
		for _, row := range old {
			t.delete(v, row)
		}
		return nil
	})
	return old, err
}

func (s automationStore) PruneSignals(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	old, err := deleteOld(ctx, s.b, "automation.PruneSignals", signalTable, limit, func(a, b signalRow) int { return a.At.Compare(b.At) },
		func(v view) iter.Seq[signalRow] {
			return func(yield func(signalRow) bool) {
				for row := range signalTable.ascend(v, 0, signalRow{tenant: tenant}) {
					if row.tenant != tenant {
						return
					}
					if !row.At.Before(stored(before)) {
						continue
					}
					if w := waiterOf(v, tenant, row.Key); (w == nil || !w.Waiting) && !yield(row) {
						return
					}
				}
			}
		})
	return len(old), err
}

func (s automationStore) PruneRuns(ctx context.Context, tenant string, before time.Time, limit int) (n int, err error) {
	if limit, err = storage.Limit(limit); err != nil {
		return 0, err
	}
	err = s.b.write(ctx, "automation.PruneRuns", func(v view) error {
		var old []runRow
		from := runRow{tenant: unique.Make(tenant), StartedAt: firstMoment}
		for row := range runTable.ascend(v, runsByStart, from) {
			if row.tenant != from.tenant {
				break
			}
			if row.state.Value().Status.Ended() && row.EndedAt != 0 && row.EndedAt < momentOf(before) {
				old = append(old, row)
			}
		}
		slices.SortStableFunc(old, func(a, b runRow) int { return cmp.Compare(a.EndedAt, b.EndedAt) })
		old = old[:min(limit, len(old))]
		for _, row := range old {
			deleteRun(v, row)
		}
		n = len(old)
		return nil
	})
	return n, err
}

// deleteRun deletes a run with its steps and attempts.
func deleteRun(v view, row runRow) {
	var steps []automationStepRow
	for step := range automationStepTable.ascend(v, 0, automationStepRow{tenant: row.tenant, run: row.ID, path: noName}) {
		if step.tenant != row.tenant || step.run != row.ID {
			break
		}
		steps = append(steps, step)
	}
	var attempts []automationAttemptRow
	for a := range automationAttemptTable.ascend(v, 0, automationAttemptRow{tenant: row.tenant, run: row.ID, step: noName}) {
		if a.tenant != row.tenant || a.run != row.ID {
			break
		}
		attempts = append(attempts, a)
	}
	for _, step := range steps {
		automationStepTable.delete(v, step)
	}
	for _, a := range attempts {
		automationAttemptTable.delete(v, a)
	}
	runTable.delete(v, row)
}

// A runVersion is what a run executes.
type runVersion struct {
	rule   string
	number int
}

// named returns the events and versions that the runs of a tenant name.
func named(v view, tenant string) (events map[string]bool, versions map[runVersion]bool) {
	events, versions = map[string]bool{}, map[runVersion]bool{}
	from := runKey(tenant, "")
	for row := range runTable.ascend(v, 0, from) {
		if row.tenant != from.tenant {
			break
		}
		events[row.EventKey] = true
		versions[runVersion{row.rule.Value(), row.about.Value().version}] = true
	}
	return events, versions
}

func (s automationStore) PruneEvents(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	old, err := deleteOld(ctx, s.b, "automation.PruneEvents", triggerEventTable, limit,
		func(a, b triggerEventRow) int { return cmp.Compare(a.createdAt, b.createdAt) },
		func(v view) iter.Seq[triggerEventRow] {
			return func(yield func(triggerEventRow) bool) {
				events, _ := named(v, tenant)
				from := triggerEventRow{tenant: unique.Make(tenant)}
				for e := range triggerEventTable.ascend(v, 0, from) {
					if e.tenant != from.tenant {
						return
					}
					if !events[e.Key] && e.createdAt < momentOf(before) && !yield(e) {
						return
					}
				}
			}
		})
	return len(old), err
}

func (s automationStore) PruneVersions(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	old, err := deleteOld(ctx, s.b, "automation.PruneVersions", ruleVersionTable, limit,
		func(a, b automation.Version) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.RuleID, b.RuleID), cmp.Compare(a.Number, b.Number))
		},
		func(v view) iter.Seq[automation.Version] {
			return func(yield func(automation.Version) bool) {
				_, versions := named(v, tenant)
				replaced := map[string]bool{} // rules of which a later version was old enough
				for n := range ruleVersionTable.descend(v, 0, automation.Version{Tenant: tenant + "\x00"}) {
					if n.Tenant != tenant {
						return
					}
					rule, _ := ruleTable.get(v, automation.Rule{Tenant: tenant, ID: n.RuleID})
					if replaced[n.RuleID] && n.Number < rule.Version && !versions[runVersion{n.RuleID, n.Number}] && !yield(n) {
						return
					}
					if n.CreatedAt.Before(stored(before)) {
						replaced[n.RuleID] = true
					}
				}
			}
		})
	return len(old), err
}
