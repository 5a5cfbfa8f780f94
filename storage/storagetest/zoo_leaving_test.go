package storagetest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/tenants"
)

// A leaving backend does something of its own with the rows of tenants, or with what is
// deleted of them; nil is as memory does it.
type leaving struct {
	*memory.Backend
	rows   func(s tenants.Store, ctx context.Context, tenant string, each func(tenants.Table, []any) error) error
	remove func(s tenants.Store, ctx context.Context, tenant, table string, limit int) (int, error)
}

func (b *leaving) Tenants() tenants.Store { return left{b.Backend.Tenants(), b} }

type left struct {
	tenants.Store
	b *leaving
}

func (s left) Rows(ctx context.Context, tenant string, each func(tenants.Table, []any) error) error {
	if s.b.rows == nil {
		return s.Store.Rows(ctx, tenant, each)
	}
	return s.b.rows(s.Store, ctx, tenant, each)
}

func (s left) DeleteRows(ctx context.Context, tenant, table string, limit int) (int, error) {
	if s.b.remove == nil {
		return s.Store.DeleteRows(ctx, tenant, table, limit)
	}
	return s.b.remove(s.Store, ctx, tenant, table, limit)
}

func forgetsATable(b *memory.Backend) Backend {
	return &leaving{Backend: b, rows: func(s tenants.Store, ctx context.Context, tenant string, each func(tenants.Table, []any) error) error {
		return s.Rows(ctx, tenant, func(t tenants.Table, values []any) error {
			if t.Name == "jobs_dead" {
				return nil
			}
			return each(t, values)
		})
	}}
}

func givesSecretsAway(b *memory.Backend) Backend {
	return &leaving{Backend: b, rows: func(s tenants.Store, ctx context.Context, tenant string, each func(tenants.Table, []any) error) error {
		return s.Rows(ctx, tenant, func(t tenants.Table, values []any) error {
			if t.Name == "webhooks_secret" {
				values = slices.Clone(values)
				values[2] = matrixSecret
			}
			return each(t, values)
		})
	}}
}

func swallowsTheReceiver(b *memory.Backend) Backend {
	return &leaving{Backend: b, rows: func(s tenants.Store, ctx context.Context, tenant string, each func(tenants.Table, []any) error) error {
		stop := errors.New("stop")
		err := s.Rows(ctx, tenant, func(t tenants.Table, values []any) error {
			if each(t, values) != nil {
				return stop
			}
			return nil
		})
		if errors.Is(err, stop) {
			return nil
		}
		return err
	}}
}

// readsTableByTable takes a new state for each table.
func readsTableByTable(b *memory.Backend) Backend {
	return &leaving{Backend: b, rows: func(s tenants.Store, ctx context.Context, tenant string, each func(tenants.Table, []any) error) error {
		for _, table := range tenants.Tables() {
			if err := s.Rows(ctx, tenant, func(t tenants.Table, values []any) error {
				if t.Name != table.Name {
					return nil
				}
				return each(t, values)
			}); err != nil {
				return err
			}
		}
		return nil
	}}
}

func leavesInside(b *memory.Backend) Backend {
	return &leaving{
		Backend: b,
		rows: func(s tenants.Store, ctx context.Context, tenant string, each func(tenants.Table, []any) error) error {
			return s.Rows(storage.Detach(ctx), tenant, each)
		},
	}
}

func exportsBackwards(b *memory.Backend) Backend {
	return &leaving{Backend: b, rows: func(s tenants.Store, ctx context.Context, tenant string, each func(tenants.Table, []any) error) error {
		var rows []func() error
		if err := s.Rows(ctx, tenant, func(t tenants.Table, values []any) error {
			rows = append(rows, func() error { return each(t, values) })
			return nil
		}); err != nil {
			return err
		}
		for _, row := range slices.Backward(rows) {
			if err := row(); err != nil {
				return err
			}
		}
		return nil
	}}
}

func leavesRows(b *memory.Backend) Backend {
	return &leaving{Backend: b, remove: func(s tenants.Store, ctx context.Context, tenant, table string, limit int) (int, error) {
		if table == "jobs_attempt" {
			return 0, nil
		}
		return s.DeleteRows(ctx, tenant, table, limit)
	}}
}

func deletesTheEvidence(b *memory.Backend) Backend {
	return &leaving{Backend: b, remove: func(s tenants.Store, ctx context.Context, tenant, table string, limit int) (int, error) {
		if table == "authz_policy" {
			if _, err := s.DeleteRows(ctx, tenant, "audit_event", limit); err != nil {
				return 0, err
			}
		}
		return s.DeleteRows(ctx, tenant, table, limit)
	}}
}

func deletesAllAtOnce(b *memory.Backend) Backend {
	return &leaving{Backend: b, remove: func(s tenants.Store, ctx context.Context, tenant, table string, _ int) (int, error) {
		return s.DeleteRows(ctx, tenant, table, tenants.MaxBatch)
	}}
}

// losesItsPlace takes a table that it has begun for one that is done.
func losesItsPlace(b *memory.Backend) Backend {
	begun := map[string]bool{}
	return &leaving{Backend: b, remove: func(s tenants.Store, ctx context.Context, tenant, table string, limit int) (int, error) {
		if begun[tenant+table] {
			return 0, nil
		}
		begun[tenant+table] = true
		return s.DeleteRows(ctx, tenant, table, limit)
	}}
}

// A crowd remembers the tenants that records were inserted for.
type crowd struct {
	leaving
	names []string
}

func (b *crowd) Audit() audit.Store { return crowdAudit{b.Backend.Audit(), b} }

type crowdAudit struct {
	audit.Store
	b *crowd
}

func (s crowdAudit) Insert(ctx context.Context, tenant string, rows ...audit.Row) error {
	s.b.names = append(s.b.names, tenant)
	return s.Store.Insert(ctx, tenant, rows...)
}

// alike returns the tenants that a pattern LIKE tenant finds.
func (b *crowd) alike(tenant string) (found []string) {
	for _, n := range b.names {
		if n != tenant && len(n) == len(tenant) && strings.HasPrefix(n, strings.TrimSuffix(tenant, "_")) {
			found = append(found, n)
		}
	}
	return found
}

func exportsNeighbours(b *memory.Backend) Backend {
	c := &crowd{leaving: leaving{Backend: b}}
	c.rows = func(s tenants.Store, ctx context.Context, tenant string, each func(tenants.Table, []any) error) error {
		for _, n := range append(c.alike(tenant), tenant) {
			if err := s.Rows(ctx, n, func(t tenants.Table, values []any) error {
				return each(t, append([]any{tenant}, values[1:]...))
			}); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func deletesNeighbours(b *memory.Backend) Backend {
	c := &crowd{leaving: leaving{Backend: b}}
	c.remove = func(s tenants.Store, ctx context.Context, tenant, table string, limit int) (int, error) {
		for _, n := range c.alike(tenant) {
			if _, err := s.DeleteRows(ctx, n, table, limit); err != nil {
				return 0, err
			}
		}
		return s.DeleteRows(ctx, tenant, table, limit)
	}
	return c
}

// settlesTheGone finds nothing missing about outcomes of jobs that are gone.
type settlesTheGone struct{ *memory.Backend }

func (b *settlesTheGone) Jobs() jobs.Store { return settledGone{b.Backend.Jobs()} }

type settledGone struct{ jobs.Store }

func (s settledGone) Settle(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
	_, err := s.Store.Settle(ctx, worker, outcomes)
	return nil, err
}

// remembersTheGone refuses the changes of tenants that it has deleted.
type remembersTheGone struct {
	leaving
	gone map[string]bool
}

func newRemembersTheGone(b *memory.Backend) Backend {
	r := &remembersTheGone{leaving{Backend: b}, map[string]bool{}}
	r.remove = func(s tenants.Store, ctx context.Context, tenant, table string, limit int) (int, error) {
		r.gone[tenant] = true
		return s.DeleteRows(ctx, tenant, table, limit)
	}
	return r
}

func (b *remembersTheGone) Authz() authz.Store { return rememberedGone{b.Backend.Authz(), b} }

type rememberedGone struct {
	authz.Store
	b *remembersTheGone
}

func (s rememberedGone) Change(ctx context.Context, tenant string, change authz.Change) (authz.Head, error) {
	if s.b.gone[tenant] {
		return authz.Head{}, storage.ErrConflict
	}
	return s.Store.Change(ctx, tenant, change)
}
