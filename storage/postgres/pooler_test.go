package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest"
)

// pooled is a backend behind a pooler in transaction mode.
type pooled struct {
	*postgres.Backend
	pool *pgxpool.Pool
}

func TestABackendBehindAPoolerInTransactionModeKeepsTheRules(t *testing.T) {
	t.Parallel()
	server := pgtest.NewServer(t)
	through := server.Pooler(t)
	keepsTheRules(t, storagetest.Options{
		New: func(t *testing.T) storagetest.Backend {
			direct, name := server.Database(t)
			pool, err := pgxpool.New(t.Context(), through(name))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			b, err := postgres.New(t.Context(), pool, postgres.Config{ListenDSN: direct})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close(context.Background()) })
			return pooled{b, pool}
		},
		Host: func(t *testing.T, ctx context.Context, b storagetest.Backend) storagetest.Host {
			h := b.(pooled)
			tx, err := h.pool.BeginTx(ctx, pgx.TxOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return storagetest.Host{
				Context:  h.WithTx(ctx, tx),
				Commit:   func() error { return tx.Commit(ctx) },
				Rollback: func() error { return tx.Rollback(ctx) },
			}
		},
		Shared: func(t *testing.T) func(ctx context.Context) (storagetest.Backend, error) {
			_, name := server.Database(t)
			return func(ctx context.Context) (storagetest.Backend, error) {
				return postgres.Open(ctx, through(name), postgres.Config{NoListen: true})
			}
		},
	})
}

func TestSignalsBehindAPoolerComeOverTheirOwnConnection(t *testing.T) {
	server := pgtest.NewServer(t)
	through := server.Pooler(t)
	direct, name := server.Database(t)
	hears := openDSN(t, through(name), postgres.Config{ListenDSN: direct})
	speaks := openDSN(t, through(name), postgres.Config{NoListen: true})
	heard := listen(t, hears, "jobs")
	speaks.Signal("jobs", nil, signalOf("a"))
	heard.want(t, "a")
}

// The pooler takes no search_path from those who connect.
func TestASchemaBehindAPoolerIsTheRolesMatter(t *testing.T) {
	server := pgtest.NewServer(t)
	through := server.Pooler(t)
	direct, name := server.Database(t)
	cfg := postgres.Config{Schema: "one", NoListen: true}
	if _, err := postgres.Open(t.Context(), through(name), cfg); err == nil || !strings.Contains(err.Error(), "set search_path") {
		t.Errorf("connections in another schema are answered with %v, want an error that says what to do", err)
	}
	conn, err := pgx.Connect(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `ALTER ROLE postgres SET search_path = one`); err != nil {
		t.Fatal(err)
	}
	_, another := server.Database(t) // to the first the pooler has connections from before
	b, err := postgres.Open(t.Context(), through(another), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	if err := record(t.Context(), b, storage.NewID()); err != nil {
		t.Error(err)
	}
}
