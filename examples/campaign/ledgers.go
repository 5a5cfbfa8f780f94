package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	driversqlite "modernc.org/sqlite"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/ledger"
	"github.com/lumelle/adminkit/storage/storagetest/process"
)

// roles are what children of this program do.
var roles = process.Roles{"ledger": keepLedger, "careless ledger": keepCarelessLedger, "jobs": workJobs}

// writers is how many goroutines write at the same time.
const writers = 8

// keepLedger makes entries in the SQLite file that its argument names.
func keepLedger(ctx context.Context, args []string) error {
	b, err := sqlite.Open(ctx, args[0], sqlite.Config{NoMigrate: true})
	if err != nil {
		return err
	}
	return errors.Join(ledger.Run(ctx, b, writers, process.Say), b.Close(context.WithoutCancel(ctx)))
}

// keepCarelessLedger is keepLedger in a host's database that does not wait for the disk.
func keepCarelessLedger(ctx context.Context, args []string) error {
	c, err := driversqlite.NewConnector("file:" + args[0] + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_txlock=immediate")
	if err != nil {
		return err
	}
	db := sql.OpenDB(c)
	defer db.Close()
	b, err := sqlite.New(ctx, db, sqlite.Config{NoMigrate: true})
	if err != nil {
		return err
	}
	return errors.Join(ledger.Run(ctx, b, writers, process.Say), b.Close(context.WithoutCancel(ctx)))
}

// newLedger makes a file with an empty ledger.
func newLedger(ctx context.Context, dir string) (path string, err error) {
	path = filepath.Join(dir, "ledger.db")
	b, err := sqlite.Open(ctx, path, sqlite.Config{NoMigrate: true})
	if err != nil {
		return "", err
	}
	return path, errors.Join(ledger.Create(ctx, b), b.Close(ctx))
}

// examine notes what is wrong with a file, and returns how many entries are lost. Lost
// ones are a violation where the file is to be durable.
func (r *round) examine(ctx context.Context, path string, lines []string, durable bool, what string) (got ledger.Count) {
	err := func() error {
		b, err := sqlite.Open(ctx, path, sqlite.Config{NoMigrate: true})
		if err != nil {
			return err
		}
		defer b.Close(ctx)
		c, err := b.Reader(ctx)
		if err != nil {
			return err
		}
		var verdict string
		if err := storage.QueryRow(ctx, c, `PRAGMA integrity_check`, nil, &verdict); err != nil {
			return err
		}
		if verdict != "ok" {
			r.violated("%s: integrity_check: %s", what, verdict)
		}
		got, err = ledger.Check(ctx, b, lines)
		return err
	}()
	if err != nil {
		r.violated("%s: the file cannot be read: %v", what, err)
	}
	if got.Halved+got.Broken > 0 || durable && got.Lost > 0 {
		r.violated("%s: %v", what, got.Err())
	}
	return got
}

// killsPerRound is how often a round kills something.
const killsPerRound = 10

// killSQLite kills a process that writes, again and again, over one file.
func killSQLite(ctx context.Context, r *round) error {
	path, err := newLedger(ctx, r.dir)
	if err != nil {
		return err
	}
	var lines []string
	var got ledger.Count
	for range 5 * killsPerRound { // a kill is quick here
		p, err := process.Start(process.Config{Role: "ledger", Args: []string{path}})
		if err != nil {
			return err
		}
		more, err := p.KillAfter(time.Duration(r.random.Int64N(int64(100 * time.Millisecond))))
		if err != nil {
			return err
		}
		lines = append(lines, more...)
		r.count("kills", 1)
		got = r.examine(ctx, path, lines, true, "after a kill")
	}
	r.counted(got)
	return nil
}

// counted adds what was found at the end of a round.
func (r *round) counted(got ledger.Count) {
	r.count("acknowledged", int64(got.Acknowledged))
	r.count("stored", int64(got.Stored))
	r.count("lost", int64(got.Lost))
}

// crashPostgres stops a server at once under eight writers, who repeat what failed.
func crashPostgres(ctx context.Context, r *round) error {
	server, err := r.campaign.postgres()
	if err != nil {
		return err
	}
	dsn, err := database(ctx, server.DSN())
	if err != nil {
		return err
	}
	b, err := postgres.Open(ctx, dsn, postgres.Config{NoMigrate: true, CommitTimeout: 2 * time.Second})
	if err != nil {
		return err
	}
	defer b.Close(ctx)
	if err := ledger.Create(ctx, b); err != nil {
		return err
	}
	var down sync.RWMutex // held while the server is down; whoever repeats waits for it
	var mu sync.Mutex
	var lines []string
	writing, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for i := range writers {
		w := ledger.NewWriter(b, fmt.Sprint("writer-", i))
		wg.Go(func() {
			for writing.Err() == nil {
				line, err := w.Write(ctx)
				switch {
				case err == nil:
					mu.Lock()
					lines = append(lines, line)
					mu.Unlock()
					continue
				case errors.Is(err, storage.ErrCommitUnknown):
					r.count("commits_unknown", 1)
				case !errors.Is(err, storage.ErrUnavailable):
					r.violated("a writer got an error that is neither unknown nor to be repeated: %v", err)
					return
				}
				r.count("repeated", 1)
				down.RLock()
				down.RUnlock()
			}
		})
	}
	for range killsPerRound / 2 {
		if err := r.pause(ctx, time.Second); err != nil {
			break
		}
		down.Lock()
		err = server.Crash()
		down.Unlock()
		if err != nil {
			break
		}
		r.count("crashes", 1)
	}
	stop()
	wg.Wait()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	// In a transaction, which finds a connection that has outlived the crashes.
	var got ledger.Count
	if err := b.InTx(ctx, func(ctx context.Context) error {
		got, err = ledger.Check(ctx, b, lines)
		return err
	}); err != nil {
		return err
	}
	if got.Err() != nil {
		r.violated("after the crashes: %v", got.Err())
	}
	r.counted(got)
	return nil
}
