package storagetest

import (
	"context"
	"errors"

	"github.com/lumelle/adminkit/storage"
)

var hostRules = []rule{
	{"HJ-001", "what the kit wrote in a host's transaction is there once the host commits",
		"The host's refund and the kit's records share the host's transaction.",
		aHost, hostCommitKeeps},
	{"HJ-002", "what the kit wrote in a host's transaction goes when the host rolls back",
		"The kit never commits a transaction it did not begin.",
		aHost, hostRollbackUndoes},
	{"HJ-003", "a failing InTx inside a host's transaction leaves the host's usable",
		"InTx is a savepoint there. Without one a failed statement takes the host's own work along on Postgres.",
		aHost, hostSurvivesFailure},
	{"HJ-004", "AfterCommit answers false in a host's transaction and never runs",
		"Only the host knows when it commits. Whoever waits has to poll, and must be told so.",
		aHost, hostTellsNothing},
	{"HJ-005", "a ctx joined to a host's transaction writes nothing after the host ended it",
		"The handle looks alive, but the transaction behind it has gone: the write must fail, not autocommit.",
		aHost, hostEndedIsRefused},
}

func hostCommitKeeps(e *env) {
	tenant, h := e.tenant(), e.host(e.ctx)
	e.must(e.putAll(h.Context, tenant, "a"), "write")
	e.must(e.b.InTx(h.Context, func(ctx context.Context) error { return e.putAll(ctx, tenant, "b") }), "InTx")
	e.must(h.Commit(), "the host's commit")
	e.expect(tenant, "a", true, "after the host's commit")
	e.expect(tenant, "b", true, "written in InTx, after the host's commit")
}

func hostRollbackUndoes(e *env) {
	tenant, h := e.tenant(), e.host(e.ctx)
	e.must(e.putAll(h.Context, tenant, "a"), "write")
	e.must(e.b.InTx(h.Context, func(ctx context.Context) error { return e.putAll(ctx, tenant, "b") }), "InTx")
	e.must(h.Rollback(), "the host's rollback")
	e.expect(tenant, "a", false, "after the host's rollback")
	e.expect(tenant, "b", false, "written in InTx, after the host's rollback")
}

func hostSurvivesFailure(e *env) {
	tenant, boom, h := e.tenant(), errors.New("boom"), e.host(e.ctx)
	err := e.b.InTx(h.Context, func(ctx context.Context) error {
		if err := e.putAll(ctx, tenant, "failed"); err != nil {
			return err
		}
		return boom
	})
	e.wantErr(err, boom, "InTx")
	e.must(e.putAll(h.Context, tenant, "a"), "write after the failure")
	e.must(h.Commit(), "the host's commit")
	e.expect(tenant, "failed", false, "written in the InTx that failed")
	e.expect(tenant, "a", true, "written after the failure")
}

func hostTellsNothing(e *env) {
	h := e.host(e.ctx)
	never := func() { e.Errorf("AfterCommit ran in a host's transaction") }
	if storage.AfterCommit(h.Context, never) {
		e.Errorf("AfterCommit answered true")
	}
	err := e.b.InTx(h.Context, func(ctx context.Context) error {
		if storage.AfterCommit(ctx, never) {
			e.Errorf("AfterCommit answered true inside InTx")
		}
		return nil
	})
	e.must(err, "InTx")
	e.must(h.Commit(), "the host's commit")
}

func hostEndedIsRefused(e *env) {
	tenant := e.tenant()
	for name, end := range map[string]func(h Host) error{
		"commit":   func(h Host) error { return h.Commit() },
		"rollback": func(h Host) error { return h.Rollback() },
	} {
		h := e.host(e.ctx)
		e.must(end(h), "the host's "+name)
		for _, p := range e.probes {
			e.wantErr(p.put(h.Context, tenant, "late"), storage.ErrTxDone, p.name+": a write after the host's "+name)
		}
		err := e.b.InTx(h.Context, func(ctx context.Context) error { return e.putAll(ctx, tenant, "late") })
		e.wantErr(err, storage.ErrTxDone, "InTx after the host's "+name)
	}
	e.expect(tenant, "late", false, "written after the host ended its transaction")
}
