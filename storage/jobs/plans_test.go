package jobs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// With jobs in many lanes, half of them due in lanes that have owners and half of them
// ahead in lanes that have none, no statement of a worker reads a table or sorts it from end
// to end. The long form has a million jobs in 20,000 lanes.
func TestNothingReadsAllOfAMillionJobs(t *testing.T) {
	lanes, each := 2_000, 10
	if os.Getenv("ADMINKIT_LONG") != "" {
		lanes, each = 20_000, 50
	}
	for _, k := range eachtest.Kinds(t) {
		if k.Name == "memory" { // it has no statements
			continue
		}
		t.Run(k.Name, func(t *testing.T) { readLittle(t, plannedAt(t, k.Name), lanes, each) })
	}
}

// A planned is the database of a store that keeps what is asked of it, to have it
// explained.
type planned struct {
	engine
	dialect *sqlstore.Dialect
	asked   []asked
}

type engine interface {
	storage.Transactor
	storage.Signals
	Conn(ctx context.Context) (storage.Conn, error)
	Reader(ctx context.Context) (storage.Conn, error)
}

type asked struct {
	query string
	args  []any
}

var _ sqlstore.DB = (*planned)(nil)

func plannedAt(t *testing.T, kind string) *planned {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if kind == "postgres" {
		b, err := postgres.Open(ctx, pgtest.DSN(t), postgres.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close(ctx) })
		return &planned{engine: b, dialect: &sqlstore.Dialect{Postgres: true, SkipLocked: " FOR UPDATE SKIP LOCKED"}}
	}
	b, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "jobs.db"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(ctx) })
	return &planned{engine: b, dialect: &sqlstore.Dialect{}}
}

func (p *planned) Dialect() *sqlstore.Dialect { return p.dialect }

func (p *planned) Conn(ctx context.Context) (storage.Conn, error) {
	c, err := p.engine.Conn(ctx)
	return plannedConn{c, p}, err
}

func (p *planned) Reader(ctx context.Context) (storage.Conn, error) {
	c, err := p.engine.Reader(ctx)
	return plannedConn{c, p}, err
}

// Snapshot implements sqlstore.DB. The calls of a worker need none.
func (p *planned) Snapshot(ctx context.Context, fn func(ctx context.Context, conn storage.Conn) error) error {
	c, err := p.Reader(ctx)
	if err != nil {
		return err
	}
	return fn(ctx, c)
}

type plannedConn struct {
	storage.Conn
	to *planned
}

func (c plannedConn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	c.to.asked = append(c.to.asked, asked{query, args})
	return c.Conn.Exec(ctx, query, args...)
}

func (c plannedConn) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	c.to.asked = append(c.to.asked, asked{query, args})
	return c.Conn.Query(ctx, query, args...)
}

// whole is what a plan says where a table, or an alias that statements have for one, is read
// or sorted from end to end. Postgres is right to do so with tables of a row or none.
var whole = regexp.MustCompile(`Seq Scan on adminkit_jobs_(job|lane|wake)\b|SCAN (adminkit_\w+|j|l|d)\b|USE TEMP B-TREE`)

// plan returns the plan of a statement, a line a step.
func (p *planned) plan(t *testing.T, a asked) (steps []string) {
	t.Helper()
	c, err := p.engine.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	explain, skip := "EXPLAIN ", make([]any, 0, 3)
	if !p.dialect.Postgres {
		var n int64
		explain, skip = "EXPLAIN QUERY PLAN ", append(skip, &n, &n, &n)
	}
	rows, err := c.Query(t.Context(), explain+a.query, a.args...)
	if err != nil {
		t.Fatalf("%s: %v", a.query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var step string
		if err := rows.Scan(append(skip, &step)...); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// analyze has the engine look at how large its tables are, as it does from time to time.
func (p *planned) analyze(t *testing.T) {
	t.Helper()
	err := p.InTx(t.Context(), func(ctx context.Context) error {
		c, err := p.engine.Conn(ctx)
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, `ANALYZE`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readLittle makes the calls of a worker and looks at the plans of what they ask.
func readLittle(t *testing.T, p *planned, lanes, each int) {
	ctx, store, now := t.Context(), sqlstore.NewStores(p).Jobs(), time.Now()
	me, err := store.Beat(ctx, jobs.Beat{Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for half, due := range []time.Time{now.Add(-time.Hour), now.Add(time.Hour)} {
		var list []jobs.Job
		for i := range lanes / 2 {
			for range each {
				j := job(fmt.Sprint("lane", half, "-", i))
				j.Due = due
				list = append(list, j)
			}
		}
		for batch := range slices.Chunk(list, 10_000) {
			if err := store.Enqueue(ctx, batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	taken := takeLanes(t, store, jobs.Claim{Worker: me.Worker.ID, Take: lanes})
	if len(taken) != lanes/2 {
		t.Fatalf("took %d lanes, want %d", len(taken), lanes/2)
	}
	p.analyze(t)

	claim := func(c jobs.Claim, want int) error {
		c.Worker, c.Now = me.Worker.ID, now
		claimed, err := store.Claim(ctx, c)
		if err == nil && len(claimed.Taken) != want {
			err = fmt.Errorf("took %d lanes, want %d", len(claimed.Taken), want)
		}
		return err
	}
	ahead := jobs.LaneID{Tenant: "acme", Lane: "lane1-7"}
	calls := []struct {
		name string
		call func() error
	}{
		{"an empty claim", func() error { return claim(jobs.Claim{Take: 100}, 0) }},
		{"a claim by name", func() error { return claim(jobs.Claim{Take: 100, Probe: []jobs.LaneID{ahead}}, 0) }},
		{"a release", func() error {
			return claim(jobs.Claim{Release: []jobs.LaneID{taken[0].LaneID, taken[1].LaneID}}, 0)
		}},
		{"a claim", func() error { return claim(jobs.Claim{Take: 100}, 2) }},
		{"a sweep", func() error { return claim(jobs.Claim{Take: 100, Sweep: &jobs.Sweep{Limit: 16}}, 0) }},
		{"a fetch, and its settlement", func() error {
			list, err := store.Fetch(ctx, now, []jobs.LaneFetch{jobs.FromStart(taken[5].LaneID, 5), jobs.FromStart(taken[6].LaneID, 5)})
			if err != nil || len(list) != 10 {
				return fmt.Errorf("fetched %d jobs: %w", len(list), err)
			}
			outcomes := make([]jobs.Outcome, len(list))
			for i, f := range list {
				outcomes[i] = jobs.Outcome{Job: f, Result: jobs.Completed, Started: now, Ended: now}
			}
			_, err = store.Settle(ctx, me.Worker.ID, outcomes)
			return err
		}},
		{"an enqueueing", func() error { return store.Enqueue(ctx, []jobs.Job{job("lane0-1")}) }},
		{"an enqueueing of some", func() error { return store.Enqueue(ctx, []jobs.Job{job("lane0-1"), job("lane1-1"), job("new")}) }},
		{"a page of lanes", func() error {
			_, err := store.ListLanes(ctx, "acme", "lane0-5", now, 50)
			return err
		}},
	}
	for _, c := range calls {
		p.asked = nil
		began := time.Now()
		if err := c.call(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		t.Logf("%s took %s", c.name, time.Since(began).Round(10*time.Microsecond))
		if len(p.asked) == 0 {
			t.Errorf("%s asked nothing", c.name)
		}
		for _, a := range p.asked {
			if plan := strings.Join(p.plan(t, a), "\n"); whole.MatchString(plan) {
				t.Errorf("%s reads a table from end to end:\n%s\n%s", c.name, a.query, plan)
			} else if testing.Verbose() {
				t.Log(plan)
			}
		}
	}
}

// The eyes of the test above see what they are to see.
func TestAPlanThatReadsAllJobsIsSeen(t *testing.T) {
	for _, k := range eachtest.Kinds(t) {
		if k.Name == "memory" { // it has no statements
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			p := plannedAt(t, k.Name)
			for query, bad := range map[string]bool{
				`SELECT * FROM adminkit_jobs_job WHERE attempt = 7`:                      true,
				`SELECT * FROM adminkit_jobs_lane l WHERE l.cap = 7`:                     true,
				`SELECT * FROM adminkit_jobs_job WHERE id = 7`:                           false,
				`SELECT COUNT(*) FROM adminkit_jobs_job j WHERE trace = '' AND lost = 7`: true,
			} {
				if plan := strings.Join(p.plan(t, asked{query: query}), "\n"); whole.MatchString(plan) != bad {
					t.Errorf("%s is seen to read all: %t\n%s", query, !bad, plan)
				}
			}
		})
	}
}
