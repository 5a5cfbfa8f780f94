package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

// stored returns the ids in the table.
func stored(t *testing.T, b *sqlite.Backend) map[string]bool {
	t.Helper()
	c, err := b.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Query(t.Context(), `SELECT id FROM t`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		found[id] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// Each function writes a row, a row in a savepoint that is kept and one in a savepoint
// that is undone, and then ends in one of many ways. Afterwards the rows of those that
// InTx answered with nil are there, and no others.
func TestThirtyTwoWritersThatFailInEveryWay(t *testing.T) {
	for _, path := range []string{file(t), sqlite.Memory} {
		b := open(t, path, sqlite.Config{})
		seed := rand.Uint64()
		var mu sync.Mutex
		want := map[string]bool{}
		var wg sync.WaitGroup
		for writer := range 32 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(writer)))
				for i := range 25 {
					id := fmt.Sprintf("%d.%d.", writer, i)
					if attempt(t, b, id, r.IntN(8)) {
						mu.Lock()
						want[id+"outer"], want[id+"kept"] = true, true
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		got := stored(t, b)
		for id := range want {
			if !got[id] {
				t.Errorf("%s, seed %d: %s was acknowledged and is not stored", path, seed, id)
			}
		}
		for id := range got {
			if !want[id] {
				t.Errorf("%s, seed %d: %s is stored and was not acknowledged", path, seed, id)
			}
		}
		if len(want) < 500 {
			t.Errorf("%s, seed %d: only %d rows were acknowledged", path, seed, len(want))
		}
	}
}

// attempt runs one function that ends in the given way, and reports whether InTx
// acknowledged it. Ways 4 and above are success.
func attempt(t *testing.T, b *sqlite.Backend, id string, way int) (acknowledged bool) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan bool, 1)
	go func() { // of its own, for Goexit
		answered := false
		defer func() {
			recover()
			done <- answered
		}()
		err := b.InTx(ctx, func(ctx context.Context) error {
			if err := tabletest.Insert(ctx, b, id+"outer"); err != nil {
				return err
			}
			if err := b.InTx(ctx, func(ctx context.Context) error { return tabletest.Insert(ctx, b, id+"kept") }); err != nil {
				return err
			}
			err := b.InTx(ctx, func(ctx context.Context) error {
				if err := tabletest.Insert(ctx, b, id+"undone"); err != nil {
					return err
				}
				return tabletest.Insert(ctx, b, id+"outer") // taken
			})
			if !errors.Is(err, storage.ErrConflict) {
				t.Errorf("%s: a taken key answers %v, want ErrConflict", id, err)
			}
			switch way {
			case 0:
				return errOwn
			case 1:
				panic("own")
			case 2:
				runtime.Goexit()
			case 3:
				cancel()
			}
			return nil
		})
		switch {
		case way == 0 && err != errOwn, way == 3 && err != context.Canceled, way > 3 && err != nil:
			t.Errorf("%s: way %d answers %v", id, way, err)
		}
		answered = err == nil
	}()
	return <-done
}

// A database that runs full keeps what it acknowledged and nothing else, wherever that
// happens, and goes on when there is room again.
func TestAFullDiskKeepsWhatWasAcknowledged(t *testing.T) {
	for extra := range 12 {
		b := open(t, file(t), sqlite.Config{})
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			c, err := b.Conn(ctx)
			if err != nil {
				return err
			}
			var pages int
			if err := storage.QueryRow(ctx, c, `PRAGMA page_count`, nil, &pages); err != nil {
				return err
			}
			_, err = c.Exec(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+extra))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var parts []part
		for i := range 12 {
			parts = append(parts, part{fn: func(ctx context.Context) error {
				if err := tabletest.Insert(ctx, b, fmt.Sprintf("%02d", i)); err != nil {
					return err
				}
				return tabletest.Insert(ctx, b, fmt.Sprintf("%02d", i)+strings.Repeat("x", 3000))
			}})
		}
		var want []string
		refused := 0
		for i, err := range together(t, b, parts...) {
			switch {
			case err == nil:
				want = append(want, fmt.Sprintf("%02d", i))
			case errors.Is(err, storage.ErrUnavailable):
				refused++
			default:
				t.Errorf("%d pages: member %d answers %v", extra, i, err)
			}
		}
		var got []string
		for id := range stored(t, b) {
			if len(id) == 2 {
				got = append(got, id)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%d pages: stored %q, acknowledged %q", extra, got, want)
		}
		if refused == 0 {
			t.Errorf("%d pages: the database was never full", extra)
		}
		// The connection with the limit went with the group.
		if err := b.InTx(t.Context(), func(ctx context.Context) error { return fill(ctx, b, "room") }); err != nil {
			t.Errorf("%d pages: with room again: %v", extra, err)
		}
	}
}
