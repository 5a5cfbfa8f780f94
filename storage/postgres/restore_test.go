package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/internal/restoretest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

// grown opens a backend on a server that has seen many transactions, so that their ids are
// greater than those of a new server.
func grown(t *testing.T, server *pgtest.Server) eachtest.Backend {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `
		CREATE TABLE many (n BIGINT);
		DO $$ BEGIN FOR n IN 1..20000 LOOP
			BEGIN INSERT INTO many VALUES (n); EXCEPTION WHEN OTHERS THEN RAISE; END;
		END LOOP; END $$;
		DROP TABLE many`); err != nil {
		t.Fatal(err)
	}
	return openAt(t, server.DSN)
}

func openAt(t *testing.T, dsn string) eachtest.Backend {
	t.Helper()
	b, err := postgres.Open(t.Context(), dsn, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.Background()) })
	return b
}

func TestWhatWasBackedUpUnderWritersGoesOnInAnotherCluster(t *testing.T) {
	t.Parallel()
	server := pgtest.NewServer(t)
	restoretest.Run(t, restoretest.Options{
		New: func(t *testing.T) eachtest.Backend { return grown(t, server) },
		Backup: func(t *testing.T, _ eachtest.Backend) (restore func(t *testing.T) eachtest.Backend) {
			backup := server.Dump(t)
			return func(t *testing.T) eachtest.Backend {
				another := pgtest.NewServer(t)
				another.Restore(t, backup)
				return openAt(t, another.DSN)
			}
		},
	})
}

// In a run of the server transactions count on, but from another place.
func TestWhoPollsMissesNothingWhenTheServerIsRestarted(t *testing.T) {
	t.Parallel()
	server := pgtest.NewServer(t)
	q := audit.Query{Since: time.Unix(1, 0)}
	var turns []string
	for range 3 {
		b := openAt(t, server.DSN).(*postgres.Backend)
		for range 3 {
			id := storage.NewID()
			if err := record(t.Context(), b, id); err != nil {
				t.Fatal(err)
			}
			if got := pollOne(t, b, &q); got != id {
				t.Errorf("polled %q, want the event %s that was recorded last", got, id)
			}
		}
		c, err := b.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var runs int
		if err := storage.QueryRow(t.Context(), c, `SELECT COUNT(*) FROM adminkit_audit_run`, nil, &runs); err != nil {
			t.Fatal(err)
		}
		turns = append(turns, fmt.Sprint(runs))
		server.Crash(t)
	}
	if got := strings.Join(turns, " "); got != "1 2 3" {
		t.Errorf("the log knew %s runs of the server, want one more after each start", got)
	}
}

// The ids of transactions go back, those who poll do not.
func TestWhoPollsMissesNothingWhenTheDiskIsPutBack(t *testing.T) {
	t.Parallel()
	server := pgtest.NewServer(t)
	q := audit.Query{Since: time.Unix(1, 0)}
	follow := func(what string) {
		t.Helper()
		b := openAt(t, server.DSN).(*postgres.Backend)
		defer b.Close(context.Background())
		for range 5 {
			id := storage.NewID()
			if err := record(t.Context(), b, id); err != nil {
				t.Fatal(err)
			}
			if got := pollOne(t, b, &q); got != id {
				t.Errorf("%s: polled %q, want the event %s that was recorded last", what, got, id)
			}
		}
	}
	follow("before")
	back := server.Snapshot(t)
	follow("after the snapshot")
	back()
	follow("put back")
	back()
	follow("put back again")
}

// pollOne polls until something comes, and returns the ids.
func pollOne(t *testing.T, b *postgres.Backend, q *audit.Query) string {
	t.Helper()
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < patience; {
		page, err := log.Query(t.Context(), "acme", *q)
		if err != nil {
			t.Fatal(err)
		}
		q.After = page.Next
		var ids []string
		for _, e := range page.Items {
			ids = append(ids, e.ID)
		}
		if len(ids) > 0 {
			return strings.Join(ids, " ")
		}
	}
	return ""
}

// Transactions that begin at the same time in a new run have one shift, and those that are
// first undone leave it to others.
func TestTheFirstTransactionsOfARunAgree(t *testing.T) {
	b := open(t, postgres.Config{})
	forget := func() {
		t.Helper()
		if err := b.InTx(t.Context(), func(ctx context.Context) error {
			return tabletest.Exec(ctx, b, `DELETE FROM adminkit_audit_run`)
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		forget()
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				err := b.InTx(t.Context(), func(ctx context.Context) error {
					if err := record(ctx, b, storage.NewID()); err != nil {
						return err
					}
					if i%2 == 0 {
						return errOwn
					}
					return nil
				})
				if err != nil && err != errOwn {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	c, err := b.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var runs int
	if err := storage.QueryRow(t.Context(), c, `SELECT COUNT(*) FROM adminkit_audit_run`, nil, &runs); err != nil || runs != 1 {
		t.Errorf("%d runs, %v; want one", runs, err)
	}
	if n := events(t, b); n != 30 {
		t.Errorf("%d events, want 30", n)
	}
}
