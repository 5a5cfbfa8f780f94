package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	dbosQueue    = "queue"
	dbosWorkflow = "work"
)

// dbosSide enqueues as a client of DBOS does, which needs no launched runtime.
type dbosSide struct {
	runtime  dbos.Context
	client   dbos.Client
	launched bool
	left     func(ctx context.Context) (bool, error)
	close    func()
}

// dbosLeft asks a schema for workflows in the states that are not final.
const dbosLeft = `SELECT EXISTS (SELECT 1 FROM %sworkflow_status WHERE status IN ('PENDING', 'ENQUEUED', 'DELAYED'))`

func openDBOS(ctx context.Context, p place, begun func(time.Time)) (_ side, err error) {
	s := &dbosSide{}
	logger := slog.New(slog.DiscardHandler)
	// Processes of one name would each take the others' workflows for their own to
	// recover, and run them again.
	config := dbos.Config{AppName: "peers", ApplicationVersion: "1", Logger: logger,
		ExecutorID: fmt.Sprintf("process-%d", os.Getpid())}
	clientConfig := dbos.ClientConfig{AppName: "peers", Logger: logger}
	kind, where := p.store()
	if kind == "postgres" {
		db, err := pgxpool.New(ctx, where)
		if err != nil {
			return nil, err
		}
		// Each of the two closes its pool and waits for it: they cannot share one.
		config.DatabaseURL, clientConfig.DatabaseURL, s.close = pooled(where), pooled(where), db.Close
		s.left = func(ctx context.Context) (left bool, err error) {
			return left, db.QueryRow(ctx, fmt.Sprintf(dbosLeft, "dbos.")).Scan(&left)
		}
	} else {
		db, err := openSQLite(where, 1)
		if err != nil {
			return nil, err
		}
		config.SQLiteSystemDB, clientConfig.SQLiteSystemDB, s.close = db, db, func() { db.Close() }
		s.left = func(ctx context.Context) (left bool, err error) {
			return left, db.QueryRowContext(ctx, fmt.Sprintf(dbosLeft, "")).Scan(&left)
		}
	}
	ctx = context.WithoutCancel(ctx)
	if s.runtime, err = dbos.NewContext(ctx, config); err != nil {
		return nil, err
	}
	dbos.RegisterWorkflow(s.runtime, func(_ dbos.Context, m message) (bool, error) {
		begun(m.time())
		return true, nil
	}, dbos.WithWorkflowName(dbosWorkflow))
	if _, err := dbos.RegisterQueue(s.runtime, dbosQueue, dbos.WithWorkerConcurrency(1000),
		dbos.WithQueueBasePollingInterval(10*time.Millisecond)); err != nil {
		return nil, err
	}
	s.client, err = dbos.NewClient(ctx, clientConfig)
	return s, err
}

// Fill has no call for many at once, so many make one call each.
func (s *dbosSide) Fill(ctx context.Context, n int) error {
	errs := make(chan error, 16)
	var fillers sync.WaitGroup
	for f := range cap(errs) {
		fillers.Go(func() {
			for i := f; i < n; i += cap(errs) {
				if err := s.Enqueue(ctx, i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	fillers.Wait()
	close(errs)
	return <-errs
}

func (s *dbosSide) Enqueue(context.Context, int) error {
	_, err := dbos.Enqueue[bool](s.client, dbosQueue, dbosWorkflow, newMessage())
	return err
}

func (s *dbosSide) Start(context.Context) error {
	s.launched = true
	return dbos.Launch(s.runtime)
}

func (s *dbosSide) Unfinished(ctx context.Context) (bool, error) { return s.left(ctx) }

func (s *dbosSide) Close(context.Context) error {
	const patience = 10 * time.Second
	err := dbos.Shutdown(s.client, patience)
	if s.launched {
		err = errors.Join(err, dbos.Shutdown(s.runtime, patience))
	}
	s.close()
	return err
}
