package jobs_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/postgres"
)

// A worker gives its lanes back while another finds it dead and frees them. Somebody else
// holds the lane in the middle until both wait, so that each of them has whatever it locks
// first: were their orders not the same, they would go on waiting for each other.
func TestLanesThatAreGivenBackAndFreedAtOnceCauseNoDeadlock(t *testing.T) {
	if !hasPostgres(t) {
		return // the other stores run one transaction at a time: nothing can wait
	}
	for _, c := range []struct {
		name    string
		release []string
	}{
		{"from the first lane on", []string{"a", "m", "z"}},
		{"from the last lane on", []string{"z", "m", "a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := context.WithoutCancel(t.Context())
			b, err := postgres.Open(ctx, pgtest.DSN(t), postgres.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close(ctx)
			store := b.Jobs()
			me, err := store.Beat(ctx, jobs.Beat{Lease: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			for _, lane := range []string{"a", "m", "z"} {
				if err := store.Enqueue(ctx, []jobs.Job{job(lane)}); err != nil {
					t.Fatal(err)
				}
			}
			if taken := takeLanes(t, store, jobs.Claim{Worker: me.Worker.ID, Take: 3}); len(taken) != 3 {
				t.Fatalf("took %d lanes, want 3", len(taken))
			}
			var release []jobs.LaneID
			for _, lane := range c.release {
				release = append(release, jobs.LaneID{Tenant: "acme", Lane: lane})
			}
			results := make(chan error, 2)
			err = b.InTx(ctx, func(ctx context.Context) error {
				if err := store.SetLane(ctx, "acme", "m", jobs.LaneConfig{Cap: 7}); err != nil {
					return err
				}
				beside := storage.Detach(ctx)
				go func() {
					_, err := store.Claim(beside, jobs.Claim{Worker: me.Worker.ID, Release: release, Now: time.Now()})
					results <- err
				}()
				go func() {
					other, err := store.Beat(beside, jobs.Beat{Lease: time.Minute})
					if err == nil {
						_, err = store.Beat(beside, jobs.Beat{Worker: other.Worker.ID, Lease: time.Minute, Dead: other.Peers})
					}
					results <- err
				}()
				eventually(t, "both wait", func() bool { return blocked(t, b) == 2 })
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := receive(t, results, "end of one of the two"); err != nil && !errors.Is(err, jobs.ErrFenced) {
					t.Errorf("got %v", err)
				}
			}
			heir, err := store.Beat(ctx, jobs.Beat{Lease: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			var lanes []string
			for _, l := range takeLanes(t, store, jobs.Claim{Worker: heir.Worker.ID, Take: 3}) {
				lanes = append(lanes, l.Lane)
			}
			if slices.Sort(lanes); !slices.Equal(lanes, []string{"a", "m", "z"}) {
				t.Errorf("the heir took %q", lanes)
			}
		})
	}
}

// blocked returns how many connections to a database wait for a lock.
func blocked(t *testing.T, b *postgres.Backend) (n int) {
	t.Helper()
	c, err := b.Reader(t.Context())
	if err == nil {
		err = storage.QueryRow(t.Context(), c, `
			SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND wait_event_type = 'Lock'`, nil, &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}
