package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
)

// looping leaves a planner hardly anything but nested loops that keep nothing of what they
// read: what it also chooses by itself for tables with few rows.
const looping = "-c enable_hashjoin=off -c enable_hashagg=off -c enable_mergejoin=off -c enable_material=off " +
	"-c enable_sort=off -c enable_incremental_sort=off -c enable_memoize=off"

// A subselect with a LIMIT that locks its rows answers others when it is evaluated again
// after the first of them were deleted, and a nested loop does evaluate it again.
func TestNoMoreThanTheLimitIsPrunedWhateverThePlan(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	b, err := postgres.Open(t.Context(), dsn+"&options="+strings.ReplaceAll(url.QueryEscape(looping), "+", "%20"), postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.Background()) })
	const tenant = "acme"
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	must(err)
	defer conn.Close(context.Background())
	rule := automation.Rule{ID: "rule", Tenant: tenant, Name: "rule", Environment: automation.Prod, CreatedAt: noon, UpdatedAt: noon}
	for n := range 4 {
		at := noon.Add(time.Duration(n) * time.Second)
		_, err := b.Automation().InsertEvent(t.Context(), tenant, automation.TriggerEvent{
			Key: fmt.Sprint("event-", n), Tenant: tenant, Source: "/orders", ID: fmt.Sprint(n), Type: "a.b", Environment: automation.Prod,
			Body: []byte(`{}`), CreatedAt: at,
		})
		must(err)
		_, _, err = b.Automation().PutSignal(t.Context(), tenant, automation.Signal{
			Key: fmt.Sprint("wait-", n), ID: "s", Outcome: automation.Approved, At: at, State: automation.SignalPending,
		})
		must(err)
		rule.Version, rule.Revision = n+1, int64(n+1)
		version := automation.Version{RuleID: rule.ID, Number: n + 1, Document: []byte(`{}`), CreatedAt: at}
		must(b.Automation().SaveRule(t.Context(), tenant, rule, &version))
		_, err = conn.Exec(t.Context(), `
			INSERT INTO adminkit_jobs_attempt (tenant, job, number, worker, result, reason, started, ended)
			VALUES ($1, $2, 1, 1, 'done', '', $3, $3)`, tenant, n, at.UnixMicro())
		must(err)
	}
	_, err = conn.Exec(t.Context(), `ANALYZE`)
	must(err)
	after := noon.Add(time.Hour)
	for what, prune := range map[string]func() (int, error){
		"events":   func() (int, error) { return b.Automation().PruneEvents(t.Context(), tenant, after, 1) },
		"signals":  func() (int, error) { return b.Automation().PruneSignals(t.Context(), tenant, after, 1) },
		"versions": func() (int, error) { return b.Automation().PruneVersions(t.Context(), tenant, after, 1) },
		"attempts": func() (int, error) { return b.Jobs().Prune(t.Context(), after, 1) },
	} {
		if n, err := prune(); n != 1 || err != nil {
			t.Errorf("one of the %s was to be pruned: got %d, %v", what, n, err)
		}
	}
}
