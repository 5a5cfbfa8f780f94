package jobs_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/postgres"
)

// With jobs in thousands of lanes, half of them due in lanes that have owners and half of
// them ahead in lanes that have none, no call of a worker reads either table from end to
// end: Postgres counts the scans that do. It takes a million jobs, because Postgres is
// right to read tables that are small, and so belongs to the long forms.
func TestNothingReadsAllOfAMillionJobs(t *testing.T) {
	if os.Getenv("ADMINKIT_LONG") == "" || !hasPostgres(t) {
		return
	}
	const lanes, each = 20_000, 50
	ctx := t.Context()
	dsn := pgtest.DSN(t)
	b, err := postgres.Open(ctx, dsn, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.WithoutCancel(ctx)) })
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(ctx)) })
	store, now := b.Jobs(), time.Now()
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
			if len(list) >= 10_000 {
				if err := store.Enqueue(ctx, list); err != nil {
					t.Fatal(err)
				}
				list = nil
			}
		}
		if err := store.Enqueue(ctx, list); err != nil && len(list) > 0 {
			t.Fatal(err)
		}
	}
	taken := takeLanes(t, store, jobs.Claim{Worker: me.Worker.ID, Take: lanes})
	if len(taken) != lanes/2 {
		t.Fatalf("took %d lanes, want %d", len(taken), lanes/2)
	}
	if _, err := conn.Exec(ctx, `ANALYZE`); err != nil {
		t.Fatal(err)
	}
	scans := func() (n int64) {
		t.Helper()
		// The counts of other connections come with a delay: what they did is told when they
		// rest, at the latest after some seconds.
		time.Sleep(3 * time.Second)
		err := conn.QueryRow(ctx, `SELECT SUM(seq_scan) FROM pg_stat_user_tables
			WHERE relname IN ('adminkit_jobs_job', 'adminkit_jobs_lane')`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 3 { // what the preparation scanned is told with the next call
		takeLanes(t, store, jobs.Claim{Worker: me.Worker.ID, Take: 1})
	}
	before := scans()
	calls := []struct {
		name string
		call func() error
	}{
		{"an empty claim", func() error {
			_, err := store.Claim(ctx, jobs.Claim{Worker: me.Worker.ID, Take: 100, Now: now})
			return err
		}},
		{"a claim by name", func() error {
			_, err := store.Claim(ctx, jobs.Claim{Worker: me.Worker.ID, Take: 100, Now: now, Probe: []jobs.LaneID{{Tenant: "acme", Lane: "lane1-7"}}})
			return err
		}},
		{"a release and a claim", func() error {
			_, err := store.Claim(ctx, jobs.Claim{Worker: me.Worker.ID, Now: now, Release: []jobs.LaneID{taken[0].LaneID, taken[1].LaneID}})
			if err != nil {
				return err
			}
			claimed, err := store.Claim(ctx, jobs.Claim{Worker: me.Worker.ID, Take: 100, Now: now})
			if err == nil && len(claimed.Taken) != 2 {
				err = fmt.Errorf("took %d lanes, want 2", len(claimed.Taken))
			}
			return err
		}},
		{"a sweep", func() error {
			_, err := store.Claim(ctx, jobs.Claim{Worker: me.Worker.ID, Now: now, Sweep: &jobs.Sweep{Limit: 256}})
			return err
		}},
		{"a fetch, and its settlement", func() error {
			list, err := store.Fetch(ctx, now, []jobs.LaneFetch{jobs.FromStart(taken[5].LaneID, 16), jobs.FromStart(taken[6].LaneID, 16)})
			if err != nil || len(list) != 32 {
				return fmt.Errorf("fetched %d jobs: %w", len(list), err)
			}
			outcomes := make([]jobs.Outcome, len(list))
			for i, f := range list {
				outcomes[i] = jobs.Outcome{Job: f, Result: jobs.Completed, Started: now, Ended: now}
			}
			_, err = store.Settle(ctx, me.Worker.ID, outcomes)
			return err
		}},
		{"an enqueueing", func() error { return store.Enqueue(ctx, []jobs.Job{job("lane0-1"), job("lane1-1"), job("new")}) }},
		{"a page of lanes", func() error {
			_, err := store.ListLanes(ctx, "acme", "lane0-5", now, 50)
			return err
		}},
	}
	for _, c := range calls {
		began := time.Now()
		if err := c.call(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		t.Logf("%s took %s", c.name, time.Since(began).Round(10*time.Microsecond))
		if n := scans() - before; n != 0 {
			t.Errorf("%s read a table %d times from end to end", c.name, n)
			before += n
		}
	}
	for _, query := range []string{
		`SELECT EXISTS (SELECT 1 FROM adminkit_jobs_wake WHERE at <= 0)`,
		`SELECT * FROM adminkit_jobs_job WHERE tenant = 'acme' AND lane = 'lane0-1' AND priority = 0 AND (due, id) > (0, 0) AND due <= 9e15::bigint ORDER BY due, id LIMIT 16`,
	} {
		rows, err := conn.Query(ctx, `EXPLAIN `+query)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		t.Log(strings.Join(plan, "\n"))
	}
}
