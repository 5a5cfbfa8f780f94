package storagetest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/lumelle/adminkit/storage"
)

var revisionRules = []rule{
	{"RV-001", "an update that was made for another revision is refused and changes nothing",
		"Two people edit the same endpoint. The second must be told, not win. storage.ErrConflict.",
		aRevision, staleIsRefused},
	{"RV-002", "of many updates for one revision exactly one succeeds",
		"A revision that is compared first and written afterwards is a race that no test with one goroutine sees.",
		aRevision, updatesAreNotLost},
	{"RV-003", "a refused update leaves its transaction usable",
		"A service that lost the race records that, in the same transaction.",
		aRevision, refusalIsNotTheEnd},
}

// eachRevision runs fn for each store with revisions, with a record at revision 1.
func (e *env) eachRevision(fn func(p probe, tenant string)) {
	for _, p := range e.probes {
		if p.bump != nil {
			tenant := e.tenant()
			e.add(p, tenant, "a")
			fn(p, tenant)
		}
	}
}

func (e *env) wantRevision(p probe, tenant string, want int64, when string) {
	e.Helper()
	got, err := p.revision(e.ctx, tenant, "a")
	if got != want || err != nil {
		e.Errorf("%s: %s: got revision %d, %v, want %d", p.name, when, got, err, want)
	}
}

func staleIsRefused(e *env) {
	e.eachRevision(func(p probe, tenant string) {
		e.wantRevision(p, tenant, 1, "new")
		e.must(p.bump(e.ctx, tenant, "a", 1), p.name+": update for revision 1")
		for _, stale := range []int64{0, 1, 3} {
			e.wantErr(p.bump(e.ctx, tenant, "a", stale), storage.ErrConflict, p.name+": update for another revision")
		}
		e.wantRevision(p, tenant, 2, "after refused updates")
	})
}

func updatesAreNotLost(e *env) {
	e.eachRevision(func(p probe, tenant string) {
		var won atomic.Int64
		together(rounds, writers, func(_, round int) {
			err := p.bump(e.ctx, tenant, "a", int64(1+round))
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, storage.ErrConflict):
				e.Errorf("%s: got %v, want nil or ErrConflict", p.name, err)
			}
		})
		if won.Load() != rounds {
			e.Errorf("%s: %d updates for %d revisions succeeded, want one each", p.name, won.Load(), rounds)
		}
		e.wantRevision(p, tenant, 1+rounds, "after all writers are done")
	})
}

func refusalIsNotTheEnd(e *env) {
	e.eachRevision(func(p probe, tenant string) {
		err := e.b.InTx(e.ctx, func(ctx context.Context) error {
			e.wantErr(p.bump(ctx, tenant, "a", 7), storage.ErrConflict, p.name+": update for another revision")
			return p.put(ctx, tenant, "b")
		})
		e.must(err, p.name+": the transaction")
		if !e.look(p, tenant, "b") {
			e.Errorf("%s: what was written after the refusal is not there", p.name)
		}
	})
}
