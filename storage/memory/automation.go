package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"unique"

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
	signalRow   struct {
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
	var last runRow
	from := automationStepRow{tenant: unique.Make(tenant), WaitKey: key, path: noName}
	for step := range automationStepTable.ascend(v, stepsByWaitKey, from) {
		if step.tenant != from.tenant || step.WaitKey != key {
			break
		}
		run, _ := runTable.get(v, runRow{tenant: step.tenant, ID: step.run})
		waits := run.waitKey == key && run.state.Value().Status == automation.Waiting
		if w == nil || waits && !w.Waiting || waits == w.Waiting && startedBehind(run, last) {
			last = run
			w = &automation.Waiter{RunID: run.ID, RuleID: run.rule.Value(), Gen: run.waitGen, Waiting: waits}
		}
	}
	return w
}

// startedBehind reports whether a run comes behind another one in the order of their start.
func startedBehind(r, other runRow) bool {
	return cmp.Or(cmp.Compare(r.StartedAt, other.StartedAt), cmp.Compare(r.ID, other.ID)) > 0
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
