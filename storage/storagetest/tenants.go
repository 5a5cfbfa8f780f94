package storagetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

var tenantRules = []rule{
	{"TN-001", "the same id in two tenants is two records",
		"Ids come from clients. One merchant's choice must not collide with another's, nor tell that it exists.",
		aStore, idsBelongToTenants},
	{"TN-002", "another tenant's record is not found, cannot be changed and cannot be deleted",
		"storage.ErrNotFound, never forbidden: the difference would tell a stranger that the record exists.",
		aStore, othersAreNotFound},
	{"TN-003", "what is not there is storage.ErrNotFound",
		"An empty record with a nil error goes on as if it had been found, and is acted upon.",
		aStore, absentIsNotFound},
	{"TN-004", "no method that takes a tenant shows or changes anything of another, whatever ids it is given",
		"One WHERE without the tenant is enough for a leak. Every method is called with one tenant and the other's ids.",
		aStore, methodsKeepTenants},
}

func idsBelongToTenants(e *env) {
	one, two := e.tenant(), e.tenant()
	put := func(tenant string) error {
		return e.b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, "a") })
	}
	e.must(put(one), "put for one tenant")
	e.expect(two, "a", false, "put for another tenant only")
	e.must(put(two), "put for the other tenant")
	e.expect(one, "a", true, "put for both")
	e.expect(two, "a", true, "put for both")
}

func othersAreNotFound(e *env) {
	owner, stranger := e.tenant(), e.tenant()
	e.must(e.b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, owner, "a") }), "put")
	for _, p := range e.probes {
		try := func(what string, fn func(ctx context.Context) error) {
			err := e.b.InTx(e.ctx, fn)
			e.wantErr(err, storage.ErrNotFound, fmt.Sprintf("%s: %s another tenant's record", p.name, what))
		}
		if p.get != nil {
			try("get", func(ctx context.Context) error { return p.get(ctx, stranger, "a") })
		}
		if p.drop != nil {
			try("delete", func(ctx context.Context) error { return p.drop(ctx, stranger, "a") })
		}
		if p.bump != nil {
			e.refusedUpdate(p, stranger, "another tenant's record")
		}
	}
	e.expect(owner, "a", true, "after a stranger tried")
}

// refusedUpdate asserts that an update finds nothing to change. A store that compares
// revisions without looking first may call that a conflict.
func (e *env) refusedUpdate(p probe, tenant, what string) {
	e.Helper()
	err := e.b.InTx(e.ctx, func(ctx context.Context) error { return p.bump(ctx, tenant, "a", 1) })
	if !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, storage.ErrConflict) {
		e.Errorf("%s: update %s: got %v, want ErrNotFound or ErrConflict", p.name, what, err)
	}
}

func absentIsNotFound(e *env) {
	tenant := e.tenant()
	for _, p := range e.probes {
		if p.get != nil {
			err := e.b.InTx(e.ctx, func(ctx context.Context) error { return p.get(ctx, tenant, "a") })
			e.wantErr(err, storage.ErrNotFound, p.name+": get what is not there")
		}
		if p.bump != nil {
			e.refusedUpdate(p, tenant, "what is not there")
		}
	}
}
