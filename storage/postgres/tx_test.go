package postgres_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest/faults"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

var errOwn = errors.New("own")

// hosted returns a Backend in the pool of a host.
func hosted(t *testing.T) (*postgres.Backend, *pgxpool.Pool) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	b, err := postgres.New(t.Context(), pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `CREATE TABLE t (id TEXT PRIMARY KEY, v BIGINT)`); err != nil {
		t.Fatal(err)
	}
	return b, pool
}

func TestATransactionThatDoesNotReturnLeavesNothing(t *testing.T) {
	b := open(t, postgres.Config{})
	for name, leave := range map[string]func(cancel func()) error{
		"an error":      func(func()) error { return errOwn },
		"a panic":       func(func()) error { panic("own") },
		"Goexit":        func(func()) error { runtime.Goexit(); return nil },
		"its ctx ended": func(cancel func()) error { cancel(); return nil },
	} {
		for _, nested := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			var err error
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() { recover() }()
				err = b.InTx(ctx, func(ctx context.Context) error {
					fn := func(ctx context.Context) error {
						if err := tabletest.Insert(ctx, b, "a"); err != nil {
							return err
						}
						return leave(cancel)
					}
					if nested {
						return b.InTx(ctx, fn)
					}
					return fn(ctx)
				})
			})
			wg.Wait()
			cancel()
			if err != nil && err != errOwn && err != context.Canceled {
				t.Errorf("%s: %v", name, err)
			}
			if got := tabletest.IDs(t, b); got != "" {
				t.Errorf("%s, nested %v: stored %q, want nothing", name, nested, got)
			}
		}
	}
}

func TestAFailedSavepointLeavesTheTransactionUsable(t *testing.T) {
	b := open(t, postgres.Config{})
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		if err := tabletest.Insert(ctx, b, "a"); err != nil {
			return err
		}
		for range 2 {
			err := b.InTx(ctx, func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") })
			if !errors.Is(err, storage.ErrConflict) {
				t.Errorf("a taken key answers %v, want ErrConflict", err)
			}
		}
		return tabletest.Insert(ctx, b, "b")
	})
	if err != nil || tabletest.IDs(t, b) != "ab" {
		t.Errorf("stored %q, %v; want ab", tabletest.IDs(t, b), err)
	}
}

// Postgres refuses to commit after a failed statement. A function that hid the error
// must not take that for success.
func TestAnErrorThatTheFunctionHidIsNotACommit(t *testing.T) {
	b := open(t, postgres.Config{})
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		if err := tabletest.Insert(ctx, b, "a"); err != nil {
			return err
		}
		_ = tabletest.Insert(ctx, b, "a")
		return nil
	})
	if err == nil || errors.Is(err, storage.ErrCommitUnknown) {
		t.Errorf("InTx = %v, want an error of a definite rollback", err)
	}
	if got := tabletest.IDs(t, b); got != "" {
		t.Errorf("stored %q, want nothing", got)
	}
}

// The first statement is sent together with BEGIN, and its errors are no others.
func TestAnErrorOfTheFirstStatementThatTheFunctionHidIsNotACommit(t *testing.T) {
	testHiddenError(t, false)
}

func TestAnErrorOfALaterStatementThatTheFunctionHidIsNotACommit(t *testing.T) {
	testHiddenError(t, true)
}

func testHiddenError(t *testing.T, second bool) {
	b := open(t, postgres.Config{})
	for name, first := range map[string]string{
		"a conflict":                        `INSERT INTO t (id) VALUES ('a'), ('a')`,
		"a statement that is wrong":         `INSERT INTO nowhere VALUES (1)`,
		"a statement that loses the server": `SELECT pg_terminate_backend(pg_backend_pid()) FROM generate_series(1,2)`,
	} {
		for _, nested := range []bool{false, true} {
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				if second {
					if err := tabletest.Insert(ctx, b, "c"); err != nil {
						return err
					}
				}
				fn := func(ctx context.Context) error {
					if err := tabletest.Exec(ctx, b, first); err == nil {
						t.Errorf("%s answers no error", name)
					}
					if err := tabletest.Insert(ctx, b, "b"); err == nil {
						t.Errorf("%s: the statement after it answers no error", name)
					}
					return nil
				}
				if nested {
					return b.InTx(ctx, fn)
				}
				return fn(ctx)
			})
			if err == nil || errors.Is(err, storage.ErrCommitUnknown) {
				t.Errorf("%s, nested %v: InTx = %v, want an error of a definite rollback", name, nested, err)
			}
			if got := tabletest.IDs(t, b); got != "" {
				t.Errorf("%s, nested %v: stored %q, want nothing", name, nested, got)
			}
		}
	}
}

func TestATransactionOpensInTheRoundTripOfItsFirstStatement(t *testing.T) {
	b, statements := countedBackend(t)
	one := func(ctx context.Context) error { return tabletest.Exec(ctx, b, `SELECT 1`) }
	for _, c := range []struct {
		name     string
		fn       func(ctx context.Context) error
		n, trips int
	}{
		{"nothing", func(context.Context) error { return nil }, 0, 0},
		{"a statement", one, 3, 2},
		{"a savepoint", func(ctx context.Context) error { return b.InTx(ctx, one) }, 5, 4},
	} {
		statements.n, statements.trips = 0, 0
		if err := b.InTx(t.Context(), c.fn); err != nil {
			t.Fatal(err)
		}
		if statements.n != c.n || statements.trips != c.trips {
			t.Errorf("%s is %d statements in %d round trips, want %d in %d", c.name, statements.n, statements.trips, c.n, c.trips)
		}
	}
}

func TestATransactionOpensInEveryModeOfTheHostsPool(t *testing.T) {
	dsn := pgtest.DSN(t)
	tables := openDSN(t, dsn, postgres.Config{})
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			cfg, err := pgxpool.ParseConfig(dsn)
			if err != nil {
				t.Fatal(err)
			}
			cfg.ConnConfig.DefaultQueryExecMode = mode
			pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			b, err := postgres.New(t.Context(), pool, postgres.Config{NoListen: true})
			if err != nil {
				t.Fatal(err)
			}
			count := func(ctx context.Context, id string) (n int) {
				c, err := b.Conn(ctx)
				if err == nil {
					err = storage.QueryRow(ctx, c, `SELECT COUNT(*) FROM t WHERE id = $1`, []any{id}, &n)
				}
				if err != nil {
					t.Error(err)
				}
				return n
			}
			write := func(ctx context.Context) error { return tabletest.Exec(ctx, b, `INSERT INTO t (id) VALUES ($1)`, "a") }
			if err := b.InTx(t.Context(), write); err != nil {
				t.Fatal(err)
			}
			if err := b.InTx(t.Context(), write); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("a key that is taken: %v, want ErrConflict", err)
			}
			err = b.InTx(t.Context(), func(ctx context.Context) error {
				if n := count(ctx, "a"); n != 1 {
					t.Errorf("there are %d rows, want 1", n)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			err = b.InTx(t.Context(), func(ctx context.Context) error {
				return tabletest.Exec(ctx, b, `INSERT INTO t (id) VALUES ('b'); DELETE FROM t`)
			})
			if err != nil {
				t.Error(err)
			}
			if got := tabletest.IDs(t, tables); got != "" {
				t.Errorf("stored %q, want nothing", got)
			}
		})
	}
}

func TestConnectionsThatWereLostWhileTheyRestedAreReplaced(t *testing.T) {
	b, pool := hosted(t)
	for name, first := range map[string]func(ctx context.Context) error{
		"a write": func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") },
		"a read": func(ctx context.Context) error {
			c, err := b.Conn(ctx)
			if err != nil {
				return err
			}
			var n int
			return storage.QueryRow(ctx, c, `SELECT COUNT(*) FROM t`, nil, &n)
		},
	} {
		var held []*pgxpool.Conn
		for range 3 {
			c, err := pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, c)
		}
		for _, c := range held[1:] {
			if _, err := held[0].Exec(t.Context(), `SELECT pg_terminate_backend($1, 30000)`, c.Conn().PgConn().PID()); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range held {
			c.Release()
		}
		for range 3 {
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				if err := first(ctx); err != nil {
					return err
				}
				return tabletest.Exec(ctx, b, `DELETE FROM t`)
			})
			if err != nil {
				t.Errorf("%s on a connection that was lost: %v", name, err)
			}
		}
	}
}

// What the server says on a connection that rests may be meant for the host.
func TestAConnectionOnWhichTheHostListensIsKept(t *testing.T) {
	heard := make(chan struct{})
	config, err := pgxpool.ParseConfig(pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 1
	config.ConnConfig.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) { close(heard) }
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	b, err := postgres.New(t.Context(), pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := pgx.ConnectConfig(t.Context(), config.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	if _, err := pool.Exec(t.Context(), `LISTEN host`); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), `NOTIFY host`); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Exec(ctx, b, `SELECT 1`) }); err != nil {
			t.Fatal(err)
		}
		if n := pool.Stat().NewConnsCount(); n != 1 {
			t.Fatalf("the pool has opened %d connections, want 1", n)
		}
		select {
		case <-heard:
			return
		default:
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("the host was told nothing")
		}
	}
}

// The connection was lost, but not while it rested: what the statement did outside of the
// transaction would happen a second time.
func TestAFirstStatementThatLosesItsConnectionIsNotIssuedAgain(t *testing.T) {
	b, pool := hosted(t)
	if _, err := pool.Exec(t.Context(), `CREATE SEQUENCE s`); err != nil {
		t.Fatal(err)
	}
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		return tabletest.Exec(ctx, b, `SELECT nextval('s'), pg_terminate_backend(pg_backend_pid()), pg_sleep(60) WHERE $1`, true)
	})
	if !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrCommitUnknown) {
		t.Errorf("InTx = %v, want ErrUnavailable", err)
	}
	var runs int
	if err := pool.QueryRow(t.Context(), `SELECT last_value FROM s`).Scan(&runs); err != nil || runs != 1 {
		t.Errorf("the statement ran %d times (%v), want once", runs, err)
	}
}

// A panicker is an argument that cannot be sent.
type panicker struct{}

func (panicker) Value() (driver.Value, error) { panic("own") }

func TestAPanicOfTheFirstStatementGivesItsConnectionBack(t *testing.T) {
	b, pool := hosted(t)
	for _, recovers := range []bool{false, true} {
		for range pool.Config().MaxConns + 1 {
			func() {
				defer func() { recover() }()
				b.InTx(t.Context(), func(ctx context.Context) error {
					defer func() {
						if recovers {
							recover()
						}
					}()
					return tabletest.Exec(ctx, b, `INSERT INTO t (id) VALUES ($1)`, panicker{})
				})
			}()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := b.InTx(ctx, func(ctx context.Context) error { return tabletest.Exec(ctx, b, `DELETE FROM t`) }); err != nil {
			t.Errorf("after the panics, recovered %v: %v", recovers, err)
		}
		cancel()
	}
}

func TestATransactionOutlivesAStatementThatGotNoConnection(t *testing.T) {
	b, pool := hosted(t)
	var held []*pgxpool.Conn
	for range pool.Config().MaxConns {
		c, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		if err := tabletest.Insert(soon, b, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a statement without a connection: %v, want that of its ctx", err)
		}
		for _, c := range held {
			c.Release()
		}
		return tabletest.Insert(ctx, b, "b")
	})
	if got := tabletest.IDs(t, b); err != nil || got != "b" {
		t.Errorf("stored %q, %v; want b", got, err)
	}
}

func TestACancelledStatementRollsBack(t *testing.T) {
	b := open(t, postgres.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	err := b.InTx(ctx, func(ctx context.Context) error {
		if err := tabletest.Insert(ctx, b, "a"); err != nil {
			return err
		}
		time.AfterFunc(20*time.Millisecond, cancel)
		return tabletest.Exec(ctx, b, `SELECT pg_sleep(60)`)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("InTx = %v, want context.Canceled", err)
	}
	if got := tabletest.IDs(t, b); got != "" {
		t.Errorf("stored %q, want nothing", got)
	}
}

func TestErrorsHaveTheirWords(t *testing.T) {
	b := open(t, postgres.Config{})
	for query, want := range map[string]error{
		`INSERT INTO t (id) VALUES ('a'), ('a')`:                                  storage.ErrConflict,
		`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$`:             storage.ErrUnavailable,
		`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$`:             storage.ErrUnavailable,
		`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '55P03'; END $$`:             storage.ErrUnavailable,
		`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53300'; END $$`:             storage.ErrUnavailable,
		`SELECT pg_terminate_backend(pg_backend_pid()) FROM generate_series(1,2)`: storage.ErrUnavailable,
	} {
		err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Exec(ctx, b, query) })
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", query, err, want)
		}
	}
	err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Exec(ctx, b, `INSERT INTO nowhere VALUES (1)`) })
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrConflict) {
		t.Errorf("a statement that is wrong answers %v, want the plain error of Postgres", err)
	}
	err = b.InTx(t.Context(), func(ctx context.Context) error {
		return tabletest.Exec(ctx, b, `INSERT INTO t (v) VALUES ($1)`, "no number")
	})
	if err == nil || errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("an argument that does not fit answers %v, want a plain error", err)
	}
}

func TestTheHostDecidesAboutItsOwnTransaction(t *testing.T) {
	for _, commit := range []bool{true, false} {
		b, pool := hosted(t)
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), `INSERT INTO t (id) VALUES ('a')`); err != nil {
			t.Fatal(err)
		}
		ctx := b.WithTx(t.Context(), tx)
		if err := tabletest.Insert(ctx, b, "b"); err != nil {
			t.Fatal(err)
		}
		failed := b.InTx(ctx, func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") })
		if !errors.Is(failed, storage.ErrConflict) {
			t.Errorf("a taken key answers %v, want ErrConflict", failed)
		}
		if storage.AfterCommit(ctx, func() { t.Error("ran after the host's commit") }) {
			t.Error("AfterCommit promised to see the host's commit")
		}
		if _, err := tx.Exec(t.Context(), `INSERT INTO t (id) VALUES ('c')`); err != nil {
			t.Errorf("the host's transaction did not outlive a failed savepoint: %v", err)
		}
		want := ""
		if commit {
			err, want = tx.Commit(t.Context()), "abc"
		} else {
			err = tx.Rollback(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := tabletest.IDs(t, b); got != want {
			t.Errorf("commit %v: stored %q, want %q", commit, got, want)
		}
		for name, err := range map[string]error{
			"a statement": tabletest.Insert(ctx, b, "late"),
			"InTx":        b.InTx(ctx, func(context.Context) error { return nil }),
		} {
			if !errors.Is(err, storage.ErrTxDone) {
				t.Errorf("%s after the host's end answers %v, want ErrTxDone", name, err)
			}
		}
	}
}

func TestDurabilityIsNotTheDatabasesToDecide(t *testing.T) {
	dsn := pgtest.DSN(t)
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var name string
	if err := pool.QueryRow(t.Context(), `SELECT current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	for setting, want := range map[string]string{"off": "on", "on": "on", "remote_write": "remote_write"} {
		if _, err := pool.Exec(t.Context(), `ALTER DATABASE `+name+` SET synchronous_commit = `+setting); err != nil {
			t.Fatal(err)
		}
		b, err := postgres.Open(t.Context(), dsn, postgres.Config{})
		if err != nil {
			t.Fatal(err)
		}
		err = b.InTx(t.Context(), func(ctx context.Context) error {
			c, err := b.Conn(ctx)
			if err != nil {
				return err
			}
			var got string
			if err := storage.QueryRow(ctx, c, `SELECT current_setting('synchronous_commit')`, nil, &got); err != nil || got != want {
				t.Errorf("the database says %s, a transaction %s, want %s (%v)", setting, got, want, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestProcessesThatStartTogetherMigrateOnce(t *testing.T) {
	dsn := pgtest.DSN(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			b, err := postgres.Open(t.Context(), dsn, postgres.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			if pending, err := b.Pending(t.Context()); err != nil || len(pending) != 0 {
				t.Errorf("pending after Open: %v, %v", pending, err)
			}
			if err := b.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	_, err := postgres.Open(t.Context(), "postgres:///x?host="+t.TempDir(), postgres.Config{})
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Open = %v, want ErrUnavailable", err)
	}
	_, err = postgres.Open(t.Context(), "postgres://user:hunter2@%zz/", postgres.Config{})
	if err == nil || errors.Is(err, storage.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("Open of a name that does not parse = %v, want a plain error without the password", err)
	}
	b := open(t, postgres.Config{})
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.InTx(t.Context(), func(context.Context) error { return nil }); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("InTx after Close = %v, want ErrUnavailable", err)
	}
	if err := b.Ping(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Ping after Close = %v, want ErrUnavailable", err)
	}
}

func TestNoFaultLeavesAChangeHalfDone(t *testing.T) {
	dsn := pgtest.DSN(t)
	clean := openDSN(t, dsn, postgres.Config{})
	fired, unknown := 0, 0
	for p := range faults.Sweep() {
		cfg, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		cfg.ConnConfig.DialFunc = pgconn.DialFunc(p.Dial(faults.DialFunc(cfg.ConnConfig.DialFunc)))
		cfg.MaxConns = 1
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		b, err := postgres.New(t.Context(), pool, postgres.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if p.Mode()%2 == 0 {
			pool.Reset() // every other mode has to connect first
		}
		p.Arm()
		err = tabletest.Change(t.Context(), b)
		p.Disarm()
		call, hit := p.Fired()
		if hit {
			fired++
		}
		stored := tabletest.IDs(t, clean)
		switch {
		case stored != "" && stored != "ab":
			t.Errorf("%v: %v: stored %q", p, call, stored)
		case err == nil && stored != "ab":
			t.Errorf("%v: %v: acknowledged and not stored", p, call)
		case errors.Is(err, storage.ErrCommitUnknown):
			unknown++
		case err != nil && stored != "":
			t.Errorf("%v: %v: stored, but the answer was %v", p, call, err)
		case err != nil && !errors.Is(err, storage.ErrUnavailable):
			t.Errorf("%v: %v: %v, want ErrUnavailable", p, call, err)
		case err == nil && hit:
			t.Logf("%v: %v: survived", p, call)
		}
		if err := tabletest.Change(t.Context(), b); err != nil {
			t.Errorf("%v: %v: the repetition: %v", p, call, err)
		}
		if stored := tabletest.IDs(t, clean); stored != "ab" {
			t.Errorf("%v: %v: after the repetition %q is stored", p, call, stored)
		}
		pool.Close()
		if err := clean.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Exec(ctx, clean, `DELETE FROM t`) }); err != nil {
			t.Fatal(err)
		}
	}
	if fired < 30 || unknown < 4 {
		t.Errorf("%d faults, %d unknown commits: fewer than the change has", fired, unknown)
	}
	t.Logf("%d faults, %d unknown commits", fired, unknown)
}
