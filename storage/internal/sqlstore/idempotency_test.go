package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ask  = idempotency.Fingerprint("POST", "/orders/7/refund", nil)
)

// A raced is a database in which others are about between the statements of Begin: before
// a claim of a key another request finishes under it, and behind it the pruner deletes the
// record, as often as said.
type raced struct {
	*postgres.Backend
	finishes, prunes int
}

var _ sqlstore.DB = (*raced)(nil)

// Dialect implements sqlstore.DB. Idempotency needs no hook.
func (r *raced) Dialect() *sqlstore.Dialect { return &sqlstore.Dialect{Postgres: true} }

// Snapshot implements sqlstore.DB. Idempotency needs none.
func (r *raced) Snapshot(context.Context, func(context.Context, storage.Conn) error) error {
	return errors.ErrUnsupported
}

func (r *raced) Conn(ctx context.Context) (storage.Conn, error) {
	c, err := r.Backend.Conn(ctx)
	return racedConn{c, r}, err
}

type racedConn struct {
	storage.Conn
	with *raced
}

func (c racedConn) Exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	if !strings.Contains(query, "INSERT INTO adminkit_idempotency_record") {
		return c.Conn.Exec(ctx, query, args...)
	}
	others := storage.Detach(ctx)
	if c.with.finishes > 0 {
		c.with.finishes--
		if err := c.with.finish(others); err != nil {
			return 0, err
		}
	}
	if n, err = c.Conn.Exec(ctx, query, args...); err != nil {
		return n, err
	}
	if c.with.prunes > 0 {
		c.with.prunes--
		_, err = c.with.Idempotency().Delete(others, "acme", noon.Add(time.Hour), 0)
	}
	return n, err
}

func (r *raced) finish(ctx context.Context) error {
	s := r.Idempotency()
	return r.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.Begin(ctx, "acme", "sam", "k", ask, noon); err != nil {
			return err
		}
		return s.Finish(ctx, "acme", "sam", "k", 202, nil, nil)
	})
}

// On Postgres a record that kept a key from being claimed may be deleted before it is
// read. Over HTTP ErrNotFound would be a 404 for a request that was never made.
func TestAKeyThatIsPrunedWhileItIsClaimedIsClaimedOnceMore(t *testing.T) {
	t.Parallel()
	for _, k := range eachtest.Kinds(t) {
		if k.Name != "postgres" { // the others have one writer at a time
			continue
		}
		b := k.Open(t).(*postgres.Backend)
		for _, c := range []struct {
			name             string
			finishes, prunes int
			status           int // of the answer, zero where there is none
			want             error
		}{
			{"nobody used the key since", 1, 1, 0, nil},
			{"another request used the key since", 2, 1, 202, nil},
			{"another request used the key since and was pruned too", 2, 2, 0, storage.ErrUnavailable},
		} {
			store := sqlstore.NewStores(&raced{b, c.finishes, c.prunes}).Idempotency()
			rollback := errors.New("roll back")
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				done, err := store.Begin(ctx, "acme", "sam", "k", ask, noon)
				if !errors.Is(err, c.want) || (done != nil) != (c.status != 0) || done != nil && done.Status != c.status {
					t.Errorf("%s: got %+v, %v, want the status %d and %v", c.name, done, err, c.status, c.want)
				}
				return rollback
			})
			if !errors.Is(err, rollback) {
				t.Errorf("%s: %v", c.name, err)
			}
			if _, err := b.Idempotency().Delete(t.Context(), "acme", noon.Add(time.Hour), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}
