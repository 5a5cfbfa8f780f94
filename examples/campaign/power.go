package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/ledger"
	"github.com/lumelle/adminkit/storage/storagetest/powercut"
	"github.com/lumelle/adminkit/storage/storagetest/process"
)

// Recorded entries and simulated cuts of a round.
const (
	recorded     = 1500
	cutsPerRound = 500
	controlCuts  = 20
)

// cutPower simulates power cuts under SQLite. The control, whose syncs are relaxed, must
// be seen to lose entries, else the cuts prove nothing.
func cutPower(ctx context.Context, r *round) error {
	if err := powercut.Available(); err != nil {
		return err
	}
	if _, err := r.cuts(ctx, "ledger", cutsPerRound, true); err != nil {
		return err
	}
	lost, err := r.cuts(ctx, "careless ledger", controlCuts, false)
	if err == nil && lost == 0 {
		r.violated("no cut of the control lost anything")
	}
	return err
}

// cuts records a role and simulates n cuts of it. It returns how many lost entries.
func (r *round) cuts(ctx context.Context, role string, n int, durable bool) (lost int64, err error) {
	name := map[bool]string{true: "", false: "control_"}[durable]
	dir := filepath.Join(r.dir, name+"recorded")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	path, err := newLedger(ctx, dir)
	if err != nil {
		return 0, err
	}
	trace, err := powercut.Record(dir, process.Config{Role: role, Args: []string{path}}, recorded)
	if err != nil {
		return 0, err
	}
	for cut := range trace.Cuts(n, r.Seed) {
		copied := filepath.Join(r.dir, "cut")
		if err := errors.Join(os.RemoveAll(copied), os.Mkdir(copied, 0o700), cut.Restore(copied)); err != nil {
			return lost, err
		}
		got := r.examine(ctx, filepath.Join(copied, filepath.Base(path)), cut.Said, durable, cut.String())
		if got.Lost > 0 {
			lost++
		}
		r.count(name+"cuts", 1)
		r.count(name+"lost_entries_max", int64(got.Lost))
		if err := ctx.Err(); err != nil {
			return lost, err
		}
	}
	r.count(name+"entries", int64(len(trace.Said())))
	r.count(name+"cuts_that_lost", lost)
	return lost, nil
}

// A quota bounds the pages of a database.
type quota struct {
	driver.Connector
	pages int
}

// Connect implements driver.Connector.
func (q quota) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := q.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.(driver.ExecerContext).ExecContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, q.pages), nil); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// pointsPerRound are the page counts of a round, of the 491 from 10 to 500. Rounds with
// seeds that follow each other have all of them.
const pointsPerRound = 49

// fillDisk has eight writers fill a new database until it is full, for page after page.
func fillDisk(ctx context.Context, r *round) error {
	for i := range pointsPerRound {
		pages := 10 + int((r.Seed*pointsPerRound+uint64(i))%491)
		if err := r.fill(ctx, pages); err != nil {
			return err
		}
	}
	return nil
}

func (r *round) fill(ctx context.Context, pages int) error {
	dir := filepath.Join(r.dir, fmt.Sprint("full", pages))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := newLedger(ctx, dir)
	if err != nil {
		return err
	}
	b, err := sqlite.Open(ctx, path, sqlite.Config{NoMigrate: true, Connector: func(c driver.Connector) driver.Connector { return quota{c, pages} }})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var lines []string
	var wg sync.WaitGroup
	for i := range writers {
		w := ledger.NewWriter(b, fmt.Sprint("writer-", i))
		w.Pad(400 * (i + 1))
		wg.Go(func() {
			for ctx.Err() == nil {
				line, err := w.Write(ctx)
				if err != nil {
					if !errors.Is(err, storage.ErrNoSpace) || !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrCommitUnknown) {
						r.violated("full at %d pages: a writer got %v", pages, err)
					}
					r.count("refused", 1)
					return
				}
				mu.Lock()
				lines = append(lines, line)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(ctx.Err(), b.Close(ctx)); err != nil {
		return err
	}
	got := r.examine(ctx, path, lines, true, fmt.Sprintf("full at %d pages", pages))
	if got.Stored != got.Acknowledged {
		r.violated("full at %d pages: %d stored and %d acknowledged", pages, got.Stored, got.Acknowledged)
	}
	r.count("points", 1)
	r.counted(got)
	return nil
}
