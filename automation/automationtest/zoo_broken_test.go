package automationtest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// A brokenStore is a store that is broken in one way. The methods that are set stand in
// front of those of a store that is right.
type brokenStore struct {
	storage.Transactor
	automation.Store
	saveRule       func(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error
	getRule        func(ctx context.Context, tenant, id string, lock bool) (automation.Rule, error)
	listRules      func(ctx context.Context, tenant string, q automation.RuleQuery) (storage.Page[automation.Rule], error)
	getVersion     func(ctx context.Context, tenant, rule string, number int) (automation.Version, error)
	listVersions   func(ctx context.Context, tenant, rule string, q automation.VersionQuery) (storage.Page[automation.Version], error)
	listeners      func(ctx context.Context, tenant, environment string, patterns []string) ([]string, error)
	insertEvent    func(ctx context.Context, tenant string, e automation.TriggerEvent) (bool, error)
	getEvent       func(ctx context.Context, tenant, key string) (automation.TriggerEvent, error)
	save           func(ctx context.Context, tenant string, w automation.Write) error
	getRun         func(ctx context.Context, tenant, id string, lock bool) (automation.Run, error)
	steps          func(ctx context.Context, tenant, run string) ([]automation.StepRun, error)
	attempts       func(ctx context.Context, tenant, run string) ([]automation.Attempt, error)
	listRuns       func(ctx context.Context, tenant string, q automation.RunQuery) (storage.Page[automation.Run], error)
	traceRuns      func(ctx context.Context, tenant, trace string) ([]automation.Run, error)
	putSignal      func(ctx context.Context, tenant string, g automation.Signal) (bool, *automation.Waiter, error)
	pendingSignals func(ctx context.Context, tenant, key string) ([]automation.Signal, error)
	setSignals     func(ctx context.Context, tenant, key, state string, ids ...string) error
	pruneSignals   func(ctx context.Context, tenant string, before time.Time, limit int) (int, error)
	pruneRuns      func(ctx context.Context, tenant string, before time.Time, limit int) (int, error)
	pruneEvents    func(ctx context.Context, tenant string, before time.Time, limit int) (int, error)
	pruneVersions  func(ctx context.Context, tenant string, before time.Time, limit int) (int, error)

	// mu guards what a store remembers, and late: what it does once a transaction or a
	// savepoint has ended, however that was.
	mu   sync.Mutex
	late []func(ctx context.Context) error
	// inside counts the calls that are crowded.
	inside atomic.Int32
}

// Automation implements StoreUnderTest.
func (s *brokenStore) Automation() automation.Store { return s }

func (s *brokenStore) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	err := s.Transactor.InTx(ctx, fn)
	var late []func(ctx context.Context) error
	s.remember(func() { late, s.late = s.late, nil })
	for _, write := range late {
		err = errors.Join(err, write(ctx))
	}
	return err
}

// remember runs fn, which reads or writes what a store remembers, alone.
func (s *brokenStore) remember(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// crowd reports whether another call that asks so runs at this time, and returns what ends
// the call.
func (s *brokenStore) crowd() (crowd bool, leave func()) {
	s.inside.Add(1)
	for range 1000 {
		if crowd = s.inside.Load() > 1; crowd {
			break
		}
		runtime.Gosched()
	}
	return crowd, func() { s.inside.Add(-1) }
}

// inTx reports whether ctx carries a transaction.
func inTx(ctx context.Context) bool { return storage.Detach(ctx) != ctx }

func (s *brokenStore) SaveRule(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
	if s.saveRule != nil {
		return s.saveRule(ctx, tenant, r, v)
	}
	return s.Store.SaveRule(ctx, tenant, r, v)
}

func (s *brokenStore) GetRule(ctx context.Context, tenant, id string, lock bool) (automation.Rule, error) {
	if s.getRule != nil {
		return s.getRule(ctx, tenant, id, lock)
	}
	return s.Store.GetRule(ctx, tenant, id, lock)
}

func (s *brokenStore) ListRules(ctx context.Context, tenant string, q automation.RuleQuery) (storage.Page[automation.Rule], error) {
	if s.listRules != nil {
		return s.listRules(ctx, tenant, q)
	}
	return s.Store.ListRules(ctx, tenant, q)
}

func (s *brokenStore) GetVersion(ctx context.Context, tenant, rule string, number int) (automation.Version, error) {
	if s.getVersion != nil {
		return s.getVersion(ctx, tenant, rule, number)
	}
	return s.Store.GetVersion(ctx, tenant, rule, number)
}

func (s *brokenStore) ListVersions(ctx context.Context, tenant, rule string, q automation.VersionQuery) (storage.Page[automation.Version], error) {
	if s.listVersions != nil {
		return s.listVersions(ctx, tenant, rule, q)
	}
	return s.Store.ListVersions(ctx, tenant, rule, q)
}

func (s *brokenStore) Listeners(ctx context.Context, tenant, environment string, patterns []string) ([]string, error) {
	if s.listeners != nil {
		return s.listeners(ctx, tenant, environment, patterns)
	}
	return s.Store.Listeners(ctx, tenant, environment, patterns)
}

func (s *brokenStore) InsertEvent(ctx context.Context, tenant string, e automation.TriggerEvent) (bool, error) {
	if s.insertEvent != nil {
		return s.insertEvent(ctx, tenant, e)
	}
	return s.Store.InsertEvent(ctx, tenant, e)
}

func (s *brokenStore) GetEvent(ctx context.Context, tenant, key string) (automation.TriggerEvent, error) {
	if s.getEvent != nil {
		return s.getEvent(ctx, tenant, key)
	}
	return s.Store.GetEvent(ctx, tenant, key)
}

func (s *brokenStore) Save(ctx context.Context, tenant string, w automation.Write) error {
	if s.save != nil {
		return s.save(ctx, tenant, w)
	}
	return s.Store.Save(ctx, tenant, w)
}

func (s *brokenStore) GetRun(ctx context.Context, tenant, id string, lock bool) (automation.Run, error) {
	if s.getRun != nil {
		return s.getRun(ctx, tenant, id, lock)
	}
	return s.Store.GetRun(ctx, tenant, id, lock)
}

func (s *brokenStore) Steps(ctx context.Context, tenant, run string) ([]automation.StepRun, error) {
	if s.steps != nil {
		return s.steps(ctx, tenant, run)
	}
	return s.Store.Steps(ctx, tenant, run)
}

func (s *brokenStore) Attempts(ctx context.Context, tenant, run string) ([]automation.Attempt, error) {
	if s.attempts != nil {
		return s.attempts(ctx, tenant, run)
	}
	return s.Store.Attempts(ctx, tenant, run)
}

func (s *brokenStore) ListRuns(ctx context.Context, tenant string, q automation.RunQuery) (storage.Page[automation.Run], error) {
	if s.listRuns != nil {
		return s.listRuns(ctx, tenant, q)
	}
	return s.Store.ListRuns(ctx, tenant, q)
}

func (s *brokenStore) TraceRuns(ctx context.Context, tenant, trace string) ([]automation.Run, error) {
	if s.traceRuns != nil {
		return s.traceRuns(ctx, tenant, trace)
	}
	return s.Store.TraceRuns(ctx, tenant, trace)
}

func (s *brokenStore) PutSignal(ctx context.Context, tenant string, g automation.Signal) (bool, *automation.Waiter, error) {
	if s.putSignal != nil {
		return s.putSignal(ctx, tenant, g)
	}
	return s.Store.PutSignal(ctx, tenant, g)
}

func (s *brokenStore) PendingSignals(ctx context.Context, tenant, key string) ([]automation.Signal, error) {
	if s.pendingSignals != nil {
		return s.pendingSignals(ctx, tenant, key)
	}
	return s.Store.PendingSignals(ctx, tenant, key)
}

func (s *brokenStore) SetSignals(ctx context.Context, tenant, key, state string, ids ...string) error {
	if s.setSignals != nil {
		return s.setSignals(ctx, tenant, key, state, ids...)
	}
	return s.Store.SetSignals(ctx, tenant, key, state, ids...)
}

func (s *brokenStore) PruneSignals(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	if s.pruneSignals != nil {
		return s.pruneSignals(ctx, tenant, before, limit)
	}
	return s.Store.PruneSignals(ctx, tenant, before, limit)
}

func (s *brokenStore) PruneRuns(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	if s.pruneRuns != nil {
		return s.pruneRuns(ctx, tenant, before, limit)
	}
	return s.Store.PruneRuns(ctx, tenant, before, limit)
}

func (s *brokenStore) PruneEvents(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	if s.pruneEvents != nil {
		return s.pruneEvents(ctx, tenant, before, limit)
	}
	return s.Store.PruneEvents(ctx, tenant, before, limit)
}

func (s *brokenStore) PruneVersions(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	if s.pruneVersions != nil {
		return s.pruneVersions(ctx, tenant, before, limit)
	}
	return s.Store.PruneVersions(ctx, tenant, before, limit)
}
