package sqlite_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/ledger"
)

// A quota bounds the pages of a database on each connection that is made through it.
type quota struct {
	driver.Connector
	pages *atomic.Int64
}

// Connect implements driver.Connector.
func (q quota) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := q.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	// Where it is lower than what there is, SQLite takes what there is.
	_, err = c.(driver.ExecerContext).ExecContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, q.pages.Load()), nil)
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// fillUp writes until the disk is full, and fails the test where that is told in other
// words. It returns the acknowledgements.
func fillUp(t *testing.T, w *ledger.Writer) (lines []string) {
	t.Helper()
	for {
		line, err := w.Write(t.Context())
		if err == nil {
			lines = append(lines, line)
			continue
		}
		if !errors.Is(err, storage.ErrNoSpace) || !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrCommitUnknown) {
			t.Fatalf("a full disk answers %v, want ErrNoSpace and ErrUnavailable", err)
		}
		return lines
	}
}

// One database is full with 10 pages, with 11, and so on up to 500. Each time it has kept
// what it acknowledged, and the Backend that was refused goes on with the next page.
func TestADatabaseThatIsFullAtEachPageKeepsWhatItAcknowledged(t *testing.T) {
	var pages atomic.Int64
	pages.Store(1 << 20)
	path := ledgerFile(t)
	b := open(t, path, sqlite.Config{Connector: func(c driver.Connector) driver.Connector { return quota{c, &pages} }})
	w := ledger.NewWriter(b, "writer")
	w.Pad(1400)
	var lines []string
	points := 0
	step := int64(1)
	if testing.Short() {
		step = 10
	}
	for n := int64(10); n <= 500; n += step {
		pages.Store(n)
		if n == 10 { // the connection that made the tables knows of no quota yet
			if err := b.InTx(t.Context(), func(ctx context.Context) error {
				c, err := b.Conn(ctx)
				if err != nil {
					return err
				}
				_, err = c.Exec(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		points++
		lines = append(lines, fillUp(t, w)...)
		if got, err := ledger.Check(t.Context(), b, lines); err != nil || got.Err() != nil || got.Stored != got.Acknowledged {
			t.Fatalf("full at %d pages: %+v, %v", n, got, err)
		}
	}
	if len(lines) < 400 { // an entry is nearly a page
		t.Errorf("%d entries fitted into 500 pages", len(lines))
	}
	pages.Store(1 << 20)
	if _, err := w.Write(t.Context()); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if got, err := check(t, path, lines); err != nil || got.Err() != nil {
		t.Errorf("%+v, %v", got, err)
	}
	t.Logf("full at %d points, %d entries", points, len(lines))
}

// A real file system that is full, under writers that share their commits. Only those who
// may mount one can have one; elsewhere the test above stands alone.
func TestAFullFileSystemKeepsWhatWasAcknowledged(t *testing.T) {
	disk := smallDisk(t)
	if disk == nil {
		return
	}
	path := disk.dir + "/test.db"
	b := open(t, path, sqlite.Config{})
	if err := ledger.Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var lines []string
	writersOf := make([]*ledger.Writer, 8)
	for i := range writersOf {
		writersOf[i] = ledger.NewWriter(b, fmt.Sprint("writer-", i))
		writersOf[i].Pad(300)
	}
	for size := 2; size <= 4; size++ {
		disk.resize(t, size)
		var wg sync.WaitGroup
		for _, w := range writersOf {
			wg.Go(func() {
				for {
					line, err := w.Write(t.Context())
					if errors.Is(err, storage.ErrNoSpace) && errors.Is(err, storage.ErrUnavailable) {
						return
					}
					if err != nil {
						t.Errorf("a full file system answers %v, want ErrNoSpace and ErrUnavailable", err)
						return
					}
					mu.Lock()
					lines = append(lines, line)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		got, err := ledger.Check(t.Context(), b, lines)
		if err != nil || got.Err() != nil || got.Stored != got.Acknowledged {
			t.Errorf("full at %d MiB: %+v, %v", size, got, err)
		}
		t.Logf("%d MiB: %d entries", size, got.Stored)
	}
	disk.resize(t, 16)
	if _, err := writersOf[0].Write(t.Context()); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if got, err := check(t, path, lines); err != nil || got.Err() != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
