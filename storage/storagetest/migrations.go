package storagetest

import (
	"context"
	"sync"
)

// migrator is how a backend brings its tables up to date.
type migrator interface {
	Migrate(ctx context.Context) error
	Pending(ctx context.Context) ([]string, error)
}

var migrationRules = []rule{
	{"MG-001", "migrating again changes nothing, and nothing is pending after it",
		"Every start migrates. The second start must find nothing to do.",
		migrations, migrateAgain},
	{"MG-002", "many processes that start at once on an empty place all start, and share it",
		"A rolling deployment starts several at once. One migrates, the others wait for it; none may see half of the tables.",
		aPlace, startAtOnce},
}

func migrateAgain(e *env) {
	tenant := e.tenant()
	e.must(e.b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, "a") }), "commit")
	m := e.b.(migrator)
	for range 2 {
		e.must(m.Migrate(e.ctx), "Migrate")
		pending, err := m.Pending(e.ctx)
		if len(pending) != 0 || err != nil {
			e.Errorf("Pending: got %v, %v, want none", pending, err)
		}
	}
	e.expect(tenant, "a", true, "after migrating again")
}

func startAtOnce(e *env) {
	const processes = 6
	open, tenant := e.shared(), e.tenant()
	backends := make([]Backend, processes)
	var wg sync.WaitGroup
	for i := range backends {
		wg.Go(func() {
			b, err := open(e.ctx)
			if err != nil {
				e.Errorf("process %d: %v", i, err)
				return
			}
			backends[i] = b
		})
	}
	wg.Wait()
	var last Backend
	for i, b := range backends {
		if b == nil {
			continue
		}
		e.b, e.probes = b, probes(b)
		if last == nil {
			e.must(b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, "a") }), "commit")
		}
		e.expect(tenant, "a", true, "in each process")
		last = backends[i]
	}
	for _, b := range backends {
		if b != nil {
			e.must(b.Close(e.ctx), "close")
		}
	}
}
