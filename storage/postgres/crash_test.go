package postgres_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

// The writers repeat what failed under the same id, as the kit's hosts do.
func TestACrashedServerLosesNothingItAcknowledged(t *testing.T) {
	server := pgtest.NewServer(t)
	b, err := postgres.Open(t.Context(), server.DSN, postgres.Config{CommitTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	if err := b.InTx(t.Context(), func(ctx context.Context) error {
		return tabletest.Exec(ctx, b, `CREATE TABLE t (id TEXT PRIMARY KEY, v BIGINT NOT NULL)`)
	}); err != nil {
		t.Fatal(err)
	}

	var acknowledged, repeated, unknown atomic.Int64
	var down sync.RWMutex // held while the server is down; whoever repeats waits for it
	stop, progress := make(chan struct{}), make(chan struct{})
	failed, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := storage.NewID()
				for {
					err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.InsertOnce(ctx, b, id) })
					if err == nil {
						acknowledged.Add(1)
						select {
						case progress <- struct{}{}:
						case <-stop:
						}
						break
					}
					if errors.Is(err, storage.ErrCommitUnknown) {
						unknown.Add(1)
					} else if !errors.Is(err, storage.ErrUnavailable) {
						t.Errorf("an error that is neither unknown nor to be repeated: %v", err)
						giveUp()
						return
					}
					repeated.Add(1)
					down.RLock()
					down.RUnlock()
				}
			}
		})
	}
	for range 3 {
		for range 200 {
			select {
			case <-progress:
			case <-failed.Done():
			}
		}
		down.Lock()
		server.Crash(t)
		down.Unlock()
	}
	close(stop)
	wg.Wait()
	// In a transaction, which finds a connection that has outlived the crashes.
	if err := b.InTx(t.Context(), func(ctx context.Context) error {
		c, err := b.Conn(ctx)
		if err != nil {
			return err
		}
		var n int64
		if err := storage.QueryRow(ctx, c, `SELECT COUNT(*) FROM t`, nil, &n); err != nil {
			return err
		}
		if n != acknowledged.Load() {
			t.Errorf("%d rows stored, %d acknowledged", n, acknowledged.Load())
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	t.Logf("%d acknowledged, %d repeated, %d of them with an unknown commit", acknowledged.Load(), repeated.Load(), unknown.Load())
}
