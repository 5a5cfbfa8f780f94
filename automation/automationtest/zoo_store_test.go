package automationtest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A spoiled backend is memory with a store that is broken in one way.
type spoiled struct {
	*memory.Backend
	store automation.Store
}

func (s spoiled) Automation() automation.Store { return s.store }

type forgetsAuthn struct{ automation.Store }

func (s forgetsAuthn) GetRule(ctx context.Context, tenant, id string, lock bool) (automation.Rule, error) {
	r, err := s.Store.GetRule(ctx, tenant, id, lock)
	r.Owner.Authn = nil
	return r, err
}

type forgetsTenants struct{ automation.Store }

func (s forgetsTenants) GetRun(ctx context.Context, tenant, id string, lock bool) (automation.Run, error) {
	return s.Store.GetRun(ctx, strings.TrimSuffix(tenant, "-other"), id, lock)
}

type lastRuleWins struct{ automation.Store }

func (s lastRuleWins) SaveRule(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
	if known, err := s.GetRule(ctx, tenant, r.ID, false); err == nil {
		r.Revision = known.Revision + 1
	}
	return s.Store.SaveRule(ctx, tenant, r, v)
}

type dropsVersions struct{ automation.Store }

func (s dropsVersions) SaveRule(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
	err := s.Store.SaveRule(ctx, tenant, r, v)
	if v != nil && r.Revision > 1 && errors.Is(err, storage.ErrConflict) {
		return s.Store.SaveRule(ctx, tenant, r, nil)
	}
	return err
}

type forgetsEnvironments struct{ automation.Store }

func (s forgetsEnvironments) Listeners(ctx context.Context, tenant, environment string, patterns []string) (all []string, err error) {
	for _, e := range []string{automation.Prod, automation.Staging} {
		ids, err := s.Store.Listeners(ctx, tenant, e, patterns)
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
	}
	slices.Sort(all)
	return all, nil
}

type alwaysFresh struct{ automation.Store }

func (s alwaysFresh) InsertEvent(ctx context.Context, tenant string, e automation.TriggerEvent) (bool, error) {
	_, err := s.Store.InsertEvent(ctx, tenant, e)
	return true, err
}

type stepsByName struct{ automation.Store }

func (s stepsByName) Steps(ctx context.Context, tenant, runID string) ([]automation.StepRun, error) {
	all, err := s.Store.Steps(ctx, tenant, runID)
	slices.SortFunc(all, func(a, b automation.StepRun) int { return cmp.Compare(a.Path, b.Path) })
	return all, err
}

type lastRunWins struct{ automation.Store }

func (s lastRunWins) Save(ctx context.Context, tenant string, w automation.Write) error {
	if known, err := s.GetRun(ctx, tenant, w.Run.ID, false); err == nil {
		w.Run.Version = known.Version + 1
	}
	return s.Store.Save(ctx, tenant, w)
}

type swallowsTwins struct{ automation.Store }

func (s swallowsTwins) Save(ctx context.Context, tenant string, w automation.Write) error {
	err := s.Store.Save(ctx, tenant, w)
	if w.Run.Version == 1 && errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}

type dropsAttempts struct{ automation.Store }

func (s dropsAttempts) Save(ctx context.Context, tenant string, w automation.Write) error {
	err := s.Store.Save(ctx, tenant, w)
	if len(w.Attempts) > 0 && errors.Is(err, storage.ErrConflict) {
		w.Attempts = nil
		if again := s.Store.Save(ctx, tenant, w); again != nil {
			return again
		}
	}
	return err
}

// A keepsEvents store remembers events beside the transaction.
type keepsEvents struct {
	automation.Store
	known *sync.Map
}

func (s keepsEvents) InsertEvent(ctx context.Context, tenant string, e automation.TriggerEvent) (bool, error) {
	s.known.Store(tenant+e.Key, e)
	return s.Store.InsertEvent(ctx, tenant, e)
}

func (s keepsEvents) GetEvent(ctx context.Context, tenant, key string) (automation.TriggerEvent, error) {
	if e, ok := s.known.Load(tenant + key); ok {
		return e.(automation.TriggerEvent), nil
	}
	return s.Store.GetEvent(ctx, tenant, key)
}

type skipsTies struct{ automation.Store }

func (s skipsTies) ListRuns(ctx context.Context, tenant string, q automation.RunQuery) (storage.Page[automation.Run], error) {
	page, err := s.Store.ListRuns(ctx, tenant, q)
	if q.After != "" && len(page.Items) > 1 {
		page.Items = page.Items[1:]
	}
	return page, err
}

type forgetsSteps struct{ automation.Store }

func (s forgetsSteps) ListRuns(ctx context.Context, tenant string, q automation.RunQuery) (page storage.Page[automation.Run], err error) {
	bare := q
	bare.Step = ""
	if page, err = s.Store.ListRuns(ctx, tenant, bare); err != nil {
		return page, err
	}
	if page.Next != "" {
		page.Next = q.Next(tenant, page.Items[len(page.Items)-1])
	}
	return page, nil
}

type forgetsLinks struct{ automation.Store }

func (s forgetsLinks) TraceRuns(ctx context.Context, tenant, traceID string) ([]automation.Run, error) {
	all, err := s.Store.TraceRuns(ctx, tenant, traceID)
	return slices.DeleteFunc(all, func(r automation.Run) bool { return r.Trace.TraceID != traceID }), err
}

type locksWithoutTx struct{ automation.Store }

func (s locksWithoutTx) GetRun(ctx context.Context, tenant, id string, lock bool) (automation.Run, error) {
	r, err := s.Store.GetRun(ctx, tenant, id, lock)
	if errors.Is(err, storage.ErrNoTx) {
		return s.Store.GetRun(ctx, tenant, id, false)
	}
	return r, err
}

type countsWithoutLock struct{ automation.Store }

func (s countsWithoutLock) CountRules(ctx context.Context, tenant string, _ bool) (int64, error) {
	return s.Store.CountRules(ctx, tenant, false)
}

type missesWaiters struct{ automation.Store }

func (s missesWaiters) PutSignal(ctx context.Context, tenant string, sg automation.Signal) (bool, *automation.Waiter, error) {
	fresh, _, err := s.Store.PutSignal(ctx, tenant, sg)
	return fresh, nil, err
}

type neverSettles struct{ automation.Store }

func (neverSettles) SetSignals(context.Context, string, string, string, ...string) error { return nil }

// A sharesRules store hands out the same rule again and again.
type sharesRules struct {
	automation.Store
	known *sync.Map
}

func (s sharesRules) GetRule(ctx context.Context, tenant, id string, lock bool) (automation.Rule, error) {
	if r, ok := s.known.Load(tenant + id); ok {
		return r.(automation.Rule), nil
	}
	r, err := s.Store.GetRule(ctx, tenant, id, lock)
	if err == nil {
		s.known.Store(tenant+id, r)
	}
	return r, err
}

// A prunesAll store deletes signals whether or not a run waits for them.
type prunesAll struct{ automation.Store }

func (s prunesAll) PruneSignals(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	n, err := s.Store.PruneSignals(ctx, tenant, before, limit)
	return n, errors.Join(err, s.Store.SetSignals(ctx, tenant, "key-waits", automation.SignalLate, "s"))
}

type prunesPastItsLimit struct{ automation.Store }

func (s prunesPastItsLimit) PruneRuns(ctx context.Context, tenant string, before time.Time, _ int) (int, error) {
	return s.Store.PruneRuns(ctx, tenant, before, 0)
}

// TestEachBrokenStoreIsCaughtByItsRule breaks a store in at least one way for each rule.
func TestEachBrokenStoreIsCaughtByItsRule(t *testing.T) {
	t.Parallel()
	spoils := map[string]func(s automation.Store) automation.Store{
		"AM-001": func(s automation.Store) automation.Store { return forgetsAuthn{s} },
		"AM-002": func(s automation.Store) automation.Store { return forgetsTenants{s} },
		"AM-003": func(s automation.Store) automation.Store { return lastRuleWins{s} },
		"AM-004": func(s automation.Store) automation.Store { return dropsVersions{s} },
		"AM-005": func(s automation.Store) automation.Store { return forgetsEnvironments{s} },
		"AM-006": func(s automation.Store) automation.Store { return alwaysFresh{s} },
		"AM-007": func(s automation.Store) automation.Store { return stepsByName{s} },
		"AM-008": func(s automation.Store) automation.Store { return lastRunWins{s} },
		"AM-009": func(s automation.Store) automation.Store { return swallowsTwins{s} },
		"AM-010": func(s automation.Store) automation.Store { return dropsAttempts{s} },
		"AM-011": func(s automation.Store) automation.Store { return keepsEvents{s, &sync.Map{}} },
		"AM-012": func(s automation.Store) automation.Store { return skipsTies{s} },
		"AM-013": func(s automation.Store) automation.Store { return forgetsSteps{s} },
		"AM-014": func(s automation.Store) automation.Store { return forgetsLinks{s} },
		"AM-015": func(s automation.Store) automation.Store { return locksWithoutTx{s} },
		"AM-016": func(s automation.Store) automation.Store { return missesWaiters{s} },
		"AM-017": func(s automation.Store) automation.Store { return neverSettles{s} },
		"AM-018": func(s automation.Store) automation.Store { return sharesRules{s, &sync.Map{}} },
		"AM-019": func(s automation.Store) automation.Store { return prunesAll{s} },
		"AM-020": func(s automation.Store) automation.Store { return prunesPastItsLimit{s} },
		"AM-021": func(s automation.Store) automation.Store { return countsWithoutLock{s} },
	}
	var mutants []ruletest.StoreMutant[StoreUnderTest]
	for rule, spoil := range spoils {
		mutants = append(mutants, ruletest.StoreMutant[StoreUnderTest]{Rule: rule, Name: "is spoiled", Make: func(t testing.TB) StoreUnderTest {
			b := newBackend(t)
			return spoiled{b, spoil(b.Automation())}
		}})
	}
	for _, m := range append(storeZoo[:len(storeZoo):len(storeZoo)], declaredZoo...) {
		mutants = append(mutants, ruletest.StoreMutant[StoreUnderTest]{Rule: m.rule, Name: m.name, Make: func(t testing.TB) StoreUnderTest {
			s := soundStore(t)
			m.breaks(s)
			return s
		}})
	}
	ruletest.ProveStore(t, storeRules(), func(t testing.TB) StoreUnderTest { return soundStore(t) }, mutants, nil)
}

func soundStore(t testing.TB) *brokenStore {
	b := newBackend(t)
	return &brokenStore{Transactor: b, Store: b.Automation()}
}
