package mapstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// An automationStore is the automation.Store of a Backend.
type automationStore struct {
	*Backend
	rules    table[tenantID, automation.Rule]
	versions table[ruleVersionKey, automation.Version]
	events   table[tenantID, automation.TriggerEvent]
	runs     table[tenantID, runRow]
	first    table[firstRunKey, struct{}] // the runs without a parent
	signals  table[signalKey, automation.Signal]
}

type ruleVersionKey struct {
	tenant, rule string
	number       int
}

// A firstRunKey is what one run without a parent exists of.
type firstRunKey struct{ tenant, rule, environment, event string }

// A runRow is a run with all that goes when it goes.
type runRow struct {
	automation.Run
	Steps    []automation.StepRun
	Attempts []automation.Attempt
}

type signalKey struct{ tenant, key, id string }

var _ automation.Store = (*automationStore)(nil)

// Automation returns the store of rules, runs and signals.
func (b *Backend) Automation() automation.Store { return b.automation }

// SaveRule implements automation.Store.
func (s *automationStore) SaveRule(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
	return s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, r.ID}
		row, known := s.rules.get(t, k) // none is at revision 0
		switch {
		case !known && r.Revision != 1:
			return storage.ErrNotFound
		case r.Revision != row.Revision+1:
			return storage.ErrConflict
		case known:
			r.CreatedAt = row.CreatedAt
		}
		r.Tenant = tenant
		s.rules.put(t, k, r)
		if v == nil {
			return nil
		}
		version := ruleVersionKey{tenant, r.ID, v.Number}
		if s.versions.has(t, version) {
			return storage.ErrConflict
		}
		added := *v
		added.Tenant, added.RuleID = tenant, r.ID
		s.versions.put(t, version, added)
		return nil
	})
}

// GetRule implements automation.Store.
func (s *automationStore) GetRule(ctx context.Context, tenant, id string, lock bool) (automation.Rule, error) {
	return get(ctx, s.Backend, &s.rules, tenantID{tenant, id}, lock)
}

// ListRules implements automation.Store.
func (s *automationStore) ListRules(ctx context.Context, tenant string, q automation.RuleQuery) (storage.Page[automation.Rule], error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return storage.Page[automation.Rule]{}, err
	}
	found, err := find(ctx, s.Backend, &s.rules, func(k tenantID, _ automation.Rule) bool { return k.tenant == tenant })
	if err != nil {
		return storage.Page[automation.Rule]{}, err
	}
	return plan.Select(slices.Values(found)), nil
}

// CountRules implements automation.Store.
func (s *automationStore) CountRules(ctx context.Context, tenant string, lock bool) (int64, error) {
	if lock {
		if err := s.needTx(ctx); err != nil {
			return 0, err
		}
	}
	found, err := find(ctx, s.Backend, &s.rules, func(k tenantID, _ automation.Rule) bool { return k.tenant == tenant })
	return int64(len(found)), err
}

// GetVersion implements automation.Store.
func (s *automationStore) GetVersion(ctx context.Context, tenant, ruleID string, number int) (automation.Version, error) {
	return get(ctx, s.Backend, &s.versions, ruleVersionKey{tenant, ruleID, number}, false)
}

// ListVersions implements automation.Store.
func (s *automationStore) ListVersions(ctx context.Context, tenant, ruleID string, q automation.VersionQuery) (storage.Page[automation.Version], error) {
	var none storage.Page[automation.Version]
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return none, err
	}
	before, err := q.Before(tenant, ruleID)
	if err != nil {
		return none, err
	}
	found, err := find(ctx, s.Backend, &s.versions, func(k ruleVersionKey, _ automation.Version) bool {
		return k.tenant == tenant && k.rule == ruleID && (before == 0 || k.number < before)
	})
	if err != nil {
		return none, err
	}
	slices.SortFunc(found, func(a, b automation.Version) int { return cmp.Compare(b.Number, a.Number) })
	return page(found, limit, func(last automation.Version) storage.Cursor { return q.Next(tenant, last) }), nil
}

// Listeners implements automation.Store.
func (s *automationStore) Listeners(ctx context.Context, tenant, environment string, patterns []string) ([]string, error) {
	found, err := find(ctx, s.Backend, &s.rules, func(k tenantID, r automation.Rule) bool {
		return k.tenant == tenant && r.Enabled && r.Environment == environment &&
			slices.ContainsFunc(r.EventTypes, func(named string) bool { return slices.Contains(patterns, named) })
	})
	var ids []string
	for _, r := range found {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids, err
}
