package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
)

// A probe drives one store of a backend in the few ways that all stores have in
// common: it adds small records and looks for them. Rules are written once, over
// probes, and hold for every store.
type probe struct {
	name string

	// reads says that has works outside of transactions and waits for no writer.
	reads bool
	// joins says that put works only inside a transaction.
	joins bool
	// checks says that the store itself refuses unfit tenants and ids with
	// storage.ErrInvalid. Others leave that to the type above them.
	checks bool

	// put adds a record.
	put func(ctx context.Context, tenant, id string) error
	// has reports whether the record is there, with the content put gave it.
	has func(ctx context.Context, tenant, id string) (bool, error)

	// list returns the ids of one page in order, nil where the store has no list.
	order order
	list  func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error)
	// drop removes a record, nil where the store keeps them.
	drop func(ctx context.Context, tenant, id string) error

	// revision returns the revision of a record, and bump changes a record that has
	// the given one; nil where the store has none.
	revision func(ctx context.Context, tenant, id string) (int64, error)
	bump     func(ctx context.Context, tenant, id string, revision int64) error
}

// noon is when all records of the suite were made: equal times make lists tie.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// probes returns a probe for each store that b has.
func probes(b Backend) []probe {
	var all []probe
	if b, ok := b.(interface{ Audit() audit.Store }); ok {
		all = append(all, auditProbe(b.Audit()))
	}
	if b, ok := b.(interface{ Idempotency() idempotency.Store }); ok {
		all = append(all, idempotencyProbe(b.Idempotency()))
	}
	if c, ok := b.(conn); ok {
		all = append(all, connProbe(b, c))
	}
	return all
}

func auditProbe(s audit.Store) probe {
	const source = "storagetest"
	canonical := func(id string) []byte {
		b, err := json.Marshal(map[string]string{"id": id})
		if err != nil {
			panic(err) // a map of strings always encodes
		}
		return b
	}
	return probe{
		name:  "audit",
		reads: true,
		put: func(ctx context.Context, tenant, id string) error {
			r := audit.Row{Source: source, ID: id, Time: noon, Action: "note.added", ActorID: "sam"}
			r.Canonical, r.RecordedAt = canonical(id), noon
			r.Leaf = sha256.Sum256(append([]byte{0}, r.Canonical...))
			return s.Insert(ctx, tenant, r)
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			r, err := s.Get(ctx, tenant, source, id)
			if errors.Is(err, storage.ErrNotFound) {
				return false, nil
			}
			return bytes.Equal(r.Canonical, canonical(id)), err
		},
		list: func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error) {
			page, err := s.List(ctx, tenant, audit.Query{After: after, Limit: limit})
			var ids []string
			for _, r := range page.Items {
				var note struct {
					ID string `json:"id"`
				}
				if err := json.Unmarshal(r.Canonical, &note); err != nil {
					return nil, "", err
				}
				ids = append(ids, note.ID)
			}
			return ids, page.Next, err
		},
	}
}

func idempotencyProbe(s idempotency.Store) probe {
	return probe{
		name:   "idempotency",
		joins:  true,
		checks: true,
		put: func(ctx context.Context, tenant, id string) error {
			done, err := s.Begin(ctx, tenant, "sam", id, sha256.Sum256([]byte(id)), noon)
			if err != nil {
				return err
			}
			if done != nil {
				return storage.ErrConflict
			}
			return s.Finish(ctx, tenant, "sam", id, 200, nil, []byte(id))
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			done, err := s.Begin(ctx, tenant, "sam", id, sha256.Sum256([]byte(id)), noon)
			if err == nil && done == nil {
				return false, s.Release(ctx, tenant, "sam", id)
			}
			return done != nil && string(done.Body) == id, err
		},
	}
}

// conn is how a backend lets the host use its own tables in the kit's transaction.
type conn interface {
	Conn(ctx context.Context) (storage.Conn, error)
}

// connProbe writes to a table of the host's own beside the kit's.
func connProbe(b Backend, c conn) probe {
	table := func(ctx context.Context) (storage.Conn, error) {
		host, err := c.Conn(ctx)
		if err != nil {
			return nil, err
		}
		_, err = host.Exec(ctx, `CREATE TABLE IF NOT EXISTS storagetest_note (tenant TEXT NOT NULL, id TEXT NOT NULL)`)
		return host, err
	}
	return probe{
		name:  "the host's own table",
		joins: true,
		put: func(ctx context.Context, tenant, id string) error {
			host, err := table(ctx)
			if err != nil {
				return err
			}
			_, err = host.Exec(ctx, `INSERT INTO storagetest_note (tenant, id) VALUES ($1, $2)`, tenant, id)
			return err
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			host, err := table(ctx)
			if err != nil {
				return false, err
			}
			var n int64
			err = storage.QueryRow(ctx, host, `SELECT COUNT(*) FROM storagetest_note WHERE tenant = $1 AND id = $2`, []any{tenant, id}, &n)
			return n == 1, err
		},
	}
}

// errUndo ends transactions that only looked.
var errUndo = errors.New("storagetest: undo")

// look reports whether the record is there, in a transaction that leaves nothing
// behind.
func (e *env) look(p probe, tenant, id string) bool {
	e.Helper()
	found := false
	err := e.b.InTx(e.ctx, func(ctx context.Context) (err error) {
		if found, err = p.has(ctx, tenant, id); err != nil {
			return err
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		e.Errorf("%s: look for %q: %v", p.name, id, err)
	}
	return found
}

// expect fails the rule unless each store has the record, or has it not.
func (e *env) expect(tenant, id string, want bool, when string) {
	e.Helper()
	for _, p := range e.probes {
		if got := e.look(p, tenant, id); got != want {
			e.Errorf("%s: %s: the record is there: %t, want %t", p.name, when, got, want)
		}
	}
}

// putAll adds a record to each store.
func (e *env) putAll(ctx context.Context, tenant, id string) error {
	for _, p := range e.probes {
		if err := p.put(ctx, tenant, id); err != nil {
			return errors.Join(errors.New(p.name), err)
		}
	}
	return nil
}

// must fails the rule at once where err is not nil.
func (e *env) must(err error, what string) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

// wantErr fails the rule unless err is want.
func (e *env) wantErr(err, want error, what string) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: got %v, want %v", what, err, want)
	}
}
