package postgres_test

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest"
)

// oddSchema is a name that has to be quoted.
const oddSchema = `Kit "one", $user`

// inSchema opens a backend in a schema of the database.
func inSchema(t *testing.T, dsn, schema string) *postgres.Backend {
	t.Helper()
	b, err := postgres.Open(t.Context(), dsn, postgres.Config{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.Background()) })
	return b
}

// keepsTheRules runs the suite of backends. Its short form, for runs that have no time for
// the suite once more, is one event that is recorded, listed and undone.
func keepsTheRules(t *testing.T, o storagetest.Options) {
	t.Helper()
	if !testing.Short() {
		storagetest.Run(t, o)
		return
	}
	b := o.New(t)
	log, err := audit.NewLog(b.(interface{ Audit() audit.Store }).Audit(), audit.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{nil, errOwn} {
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			if err := log.Append(ctx, refund(storage.NewID())); err != nil {
				return err
			}
			return want
		})
		if err != want {
			t.Errorf("InTx = %v, want %v", err, want)
		}
	}
	page, err := log.Query(t.Context(), "acme", audit.Query{})
	if err != nil || len(page.Items) != 1 {
		t.Errorf("%d events, %v; want one", len(page.Items), err)
	}
}

func TestABackendInASchemaKeepsTheRules(t *testing.T) {
	t.Parallel()
	migrated := pgtest.Stock{Prepare: func(ctx context.Context, dsn string) error {
		b, err := postgres.Open(ctx, dsn, postgres.Config{Schema: oddSchema})
		if err != nil {
			return err
		}
		return b.Close(ctx)
	}}
	keepsTheRules(t, storagetest.Options{
		New: func(t *testing.T) storagetest.Backend { return inSchema(t, migrated.DSN(t), oddSchema) },
		Shared: func(t *testing.T) func(ctx context.Context) (storagetest.Backend, error) {
			dsn := pgtest.DSN(t)
			return func(ctx context.Context) (storagetest.Backend, error) {
				return postgres.Open(ctx, dsn, postgres.Config{Schema: oddSchema})
			}
		},
	})
}

// events returns how many audit events a tenant has.
func events(t *testing.T, b *postgres.Backend) int {
	t.Helper()
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := log.Query(t.Context(), "acme", audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Items)
}

// record appends an audit event in ctx.
func record(ctx context.Context, b *postgres.Backend, id string) error {
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		return err
	}
	return log.Append(ctx, refund(id))
}

func refund(id string) audit.Event {
	return audit.Event{
		ID: id, Source: "/orders", Type: "lumelle.orders.v1.refunded", Action: "orders.refund", Category: audit.Activity,
		Tenant: "acme", Time: time.Now(), Actor: audit.Actor{Type: audit.User, ID: "sam"},
		Resource: audit.Resource{Type: "order", ID: "1001"}, Outcome: audit.Success, Trace: correlation.New(),
	}
}

func TestKitsInSchemasOfOneDatabaseShareNothing(t *testing.T) {
	dsn := pgtest.DSN(t)
	kits := []*postgres.Backend{inSchema(t, dsn, ""), inSchema(t, dsn, "one"), inSchema(t, dsn, "two")}
	ears := make([]ear, len(kits))
	for i, b := range kits {
		ears[i] = listen(t, b, "jobs")
	}
	for i, b := range kits {
		for range i + 1 {
			if err := record(t.Context(), b, storage.NewID()); err != nil {
				t.Fatal(err)
			}
		}
		// Those who share its tables hear it, and it comes before what is sent after it.
		twin := inSchema(t, dsn, []string{"", "one", "two"}[i])
		twin.Signal("jobs", nil, signalOf("of "+string(rune('0'+i))))
		ears[i].want(t, "of "+string(rune('0'+i)))
	}
	for i, b := range kits {
		if n := events(t, b); n != i+1 {
			t.Errorf("kit %d has %d events, want %d", i, n, i+1)
		}
		select {
		case heard := <-ears[i]:
			t.Errorf("kit %d heard %q of another", i, heard)
		default:
		}
	}
}

func TestProcessesThatStartTogetherMakeOneSchema(t *testing.T) {
	dsn := pgtest.DSN(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			b, err := postgres.Open(t.Context(), dsn, postgres.Config{Schema: "one"})
			if err != nil {
				t.Error(err)
				return
			}
			b.Close(context.Background())
		})
	}
	wg.Wait()
}

func TestAHostsConnectionsInAnotherSchemaAreRefused(t *testing.T) {
	dsn := pgtest.DSN(t)
	b := inSchema(t, dsn, "one")
	inSchema(t, dsn, "") // the same tables in public, which must not be taken for them

	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	const want = "set search_path"
	if _, err := postgres.New(t.Context(), pool, postgres.Config{Schema: "one"}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("New = %v, want an error that says %q", err, want)
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := postgres.NewSQL(t.Context(), db, postgres.Config{Schema: "one", NoMigrate: true}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("NewSQL = %v, want an error that says %q", err, want)
	}

	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := record(b.WithTx(t.Context(), tx), b, storage.NewID()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a transaction in public: %v, want an error that says %q", err, want)
	}
	if _, err := tx.Exec(t.Context(), `SET LOCAL search_path = one`); err != nil {
		t.Fatal(err)
	}
	if err := record(b.WithTx(t.Context(), tx), b, storage.NewID()); err != nil {
		t.Errorf("a transaction in the schema: %v", err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := events(t, b); n != 1 {
		t.Errorf("%d events in the schema, want 1", n)
	}
}

func TestAHostsOwnConnectionsWorkInASchema(t *testing.T) {
	dsn := pgtest.DSN(t)
	inSchema(t, dsn, "one")
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", "one")
	u.RawQuery = q.Encode()
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b, err := postgres.NewSQL(t.Context(), db, postgres.Config{Schema: "one", ListenDSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	if err := record(t.Context(), b, storage.NewID()); err != nil {
		t.Error(err)
	}
	// What database/sql cannot hear comes over a connection of its own.
	heard := listen(t, b, "jobs")
	inSchema(t, dsn, "one").Signal("jobs", nil, signalOf("a"))
	heard.want(t, "a")
}

func TestASchemaThatDoesNotFitIsRefused(t *testing.T) {
	dsn := pgtest.DSN(t)
	for _, schema := range []string{strings.Repeat("s", 64), "a\x00b"} {
		if _, err := postgres.Open(t.Context(), dsn, postgres.Config{Schema: schema}); err == nil || !strings.Contains(err.Error(), "Schema must be") {
			t.Errorf("a schema %q is answered with %v", schema, err)
		}
	}
	if _, err := postgres.Open(t.Context(), dsn, postgres.Config{ListenDSN: "postgres://app:hunter2@[/x"}); err == nil ||
		!strings.Contains(err.Error(), "ListenDSN does not parse") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a ListenDSN that does not parse is answered with %v", err)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var schemas int
	if err := conn.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_namespace WHERE nspname LIKE '%sss%'`).Scan(&schemas); err != nil || schemas != 0 {
		t.Errorf("%d schemas were made, %v", schemas, err)
	}
}
