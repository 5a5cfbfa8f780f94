package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

// patience is how long a test waits for a signal.
const patience = time.Minute

// An ear hears the signals of one listener. Hearing that anything may have changed comes
// as no name.
type ear chan []string

// listen listens on a backend and returns when it hears.
func listen(t *testing.T, b storage.Signals, topic string) ear {
	t.Helper()
	e := make(ear, 1000)
	t.Cleanup(b.Listen(topic, e, e.hear))
	e.want(t)
	return e
}

func (e ear) hear(signals []storage.Signal) {
	var names []string
	for _, s := range signals {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	e <- names
}

// want fails the test unless the next call names these.
func (e ear) want(t *testing.T, names ...string) {
	t.Helper()
	select {
	case got := <-e:
		if !slices.Equal(got, names) {
			t.Errorf("heard %q, want %q", got, names)
		}
	case <-time.After(patience):
		t.Fatalf("did not hear %q", names)
	}
}

func signalOf(name string) storage.Signal { return storage.Signal{Tenant: "acme", Name: name} }

func TestASignalReachesTheOthersOnTheTables(t *testing.T) {
	dsn := pgtest.DSN(t)
	here, there := openDSN(t, dsn, postgres.Config{}), openDSN(t, dsn, postgres.Config{})
	heard := listen(t, there, "jobs")
	other := listen(t, there, "flags")
	for i := range 20 {
		here.Signal("jobs", nil, signalOf(fmt.Sprint(i)))
		heard.want(t, fmt.Sprint(i))
	}
	here.Signal("flags", nil)
	other.want(t)

	long := strings.Repeat("n", storage.MaxID-3)
	var many []storage.Signal
	missing := map[string]bool{}
	for i := range 100 { // more than one notification holds
		s := storage.Signal{Tenant: long, Name: fmt.Sprint(long, i)}
		many = append(many, s)
		missing[s.Name] = true
	}
	here.Signal("jobs", nil, many...)
	for deadline := time.After(patience); len(missing) > 0; {
		select {
		case names := <-heard:
			for _, name := range names {
				delete(missing, name)
			}
		case <-deadline:
			t.Fatalf("%d of 100 signals did not come", len(missing))
		}
	}
}

func TestSignalsStayInTheirSchema(t *testing.T) {
	dsn := pgtest.DSN(t)
	b := openDSN(t, dsn, postgres.Config{})
	if err := b.InTx(t.Context(), func(ctx context.Context) error {
		return tabletest.Exec(ctx, b, `CREATE SCHEMA apart`)
	}); err != nil {
		t.Fatal(err)
	}
	apart := openDSN(t, dsn+"&search_path=apart", postgres.Config{})
	heard, own := listen(t, apart, "jobs"), listen(t, b, "jobs")
	b.Signal("jobs", nil, signalOf("other schema"))
	own.want(t, "other schema")
	apart.Signal("jobs", nil, signalOf("lane"))
	heard.want(t, "lane")
}

func TestAListenerIsToldWhenItsConnectionWasLost(t *testing.T) {
	dsn := pgtest.DSN(t)
	here, there := openDSN(t, dsn, postgres.Config{}), openDSN(t, dsn, postgres.Config{})
	heard := listen(t, there, "jobs")
	for range 3 {
		for deadline := time.Now().Add(patience); listening(t, here, false) != 1; { // one that was ended leaves
			if time.Now().After(deadline) {
				t.Fatal("it is never one connection that listens")
			}
		}
		listening(t, here, true)
		heard.want(t) // it hears again
		here.Signal("jobs", nil, signalOf("lane"))
		heard.want(t, "lane")
	}
}

func TestWhoDoesNotListenHasNoConnection(t *testing.T) {
	dsn := pgtest.DSN(t)
	here, there := openDSN(t, dsn, postgres.Config{}), openDSN(t, dsn, postgres.Config{})
	for _, topic := range []string{"jobs", "flags"} {
		e := make(ear, 10)
		stop := there.Listen(topic, e, e.hear)
		e.want(t)
		if n := listening(t, here, false); n != 1 {
			t.Errorf("%d connections listen, want 1", n)
		}
		stop()
		for deadline := time.Now().Add(patience); listening(t, here, false) != 0; { // the server notices
			if time.Now().After(deadline) {
				t.Fatal("nobody listens and the connection stays")
			}
		}
	}
}

func TestWithoutListeningSignalsAreSentAllTheSame(t *testing.T) {
	dsn := pgtest.DSN(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	host, err := postgres.NewSQL(t.Context(), db, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close(t.Context())
	heard := listen(t, openDSN(t, dsn, postgres.Config{}), "jobs")
	for name, b := range map[string]*postgres.Backend{
		"a host's database/sql": host,
		"a pooler":              openDSN(t, dsn, postgres.Config{NoListen: true}),
	} {
		deaf := make(ear, 10)
		stop := b.Listen("jobs", deaf, deaf.hear)
		b.Signal("jobs", nil, signalOf("lane"))
		heard.want(t, "lane")
		deaf.want(t, "lane") // it is of the same process
		if n := listening(t, host, false); n != 1 {
			t.Errorf("over %s, %d connections listen, want 1", name, n)
		}
		stop()
	}
}

// listening counts the connections that listen, and ends them where it is told to.
func listening(t *testing.T, b *postgres.Backend, end bool) (n int) {
	t.Helper()
	c, err := b.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	query := `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`
	if end {
		query = `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`
	}
	if err := storage.QueryRow(t.Context(), c, query, nil, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// BenchmarkSignal is a signal to another process, from its sending to its arrival.
func BenchmarkSignal(b *testing.B) {
	dsn := pgtest.DSN(b)
	var backends []*postgres.Backend
	for range 2 {
		p, err := postgres.Open(b.Context(), dsn, postgres.Config{})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close(context.WithoutCancel(b.Context()))
		backends = append(backends, p)
	}
	heard := make(chan struct{}, 1)
	backends[1].Listen("jobs", nil, func([]storage.Signal) { heard <- struct{}{} })
	<-heard
	b.ReportAllocs()
	for b.Loop() {
		backends[0].Signal("jobs", nil, signalOf("lane"))
		<-heard
	}
}
