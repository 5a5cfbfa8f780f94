package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// riverConfig is the same for both stores.
func riverConfig(begun func(time.Time)) (*river.Config, error) {
	workers := river.NewWorkers()
	err := river.AddWorkerSafely(workers, river.WorkFunc(func(_ context.Context, j *river.Job[riverArgs]) error {
		begun(j.Args.time())
		return nil
	}))
	return &river.Config{
		Workers:           workers,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1000}},
		FetchCooldown:     5 * time.Millisecond,
		FetchPollInterval: 50 * time.Millisecond,
		Logger:            slog.New(slog.DiscardHandler),
	}, err
}

type riverArgs struct{ message }

func (riverArgs) Kind() string { return "work" }

// riverSide is River over either of its drivers, TTx being the driver's transaction.
type riverSide[TTx any] struct {
	client  *river.Client[TTx]
	started bool
	left    func(ctx context.Context) (bool, error)
	close   func()
}

// riverLeft asks for jobs in the states that are not final, which River has an index for.
const riverLeft = `SELECT EXISTS (SELECT 1 FROM river_job WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled'))`

func openRiver(ctx context.Context, p place, begun func(time.Time)) (side, error) {
	config, err := riverConfig(begun)
	if err != nil {
		return nil, err
	}
	kind, where := p.store()
	if kind == "postgres" {
		db, err := pgxpool.New(ctx, pooled(where))
		if err != nil {
			return nil, err
		}
		return newRiver[pgx.Tx](ctx, riverpgxv5.New(db), config, func(ctx context.Context) (left bool, err error) {
			return left, db.QueryRow(ctx, riverLeft).Scan(&left)
		}, db.Close)
	}
	db, err := openSQLite(where, 1)
	if err != nil {
		return nil, err
	}
	return newRiver[*sql.Tx](ctx, riversqlite.New(db), config, func(ctx context.Context) (left bool, err error) {
		return left, db.QueryRowContext(ctx, riverLeft).Scan(&left)
	}, func() { db.Close() })
}

func newRiver[TTx any](ctx context.Context, driver riverdriver.Driver[TTx], config *river.Config, left func(context.Context) (bool, error), closeDB func()) (side, error) {
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: config.Logger})
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	client, err := river.NewClient(driver, config)
	if err != nil {
		return nil, err
	}
	return &riverSide[TTx]{client: client, left: left, close: closeDB}, nil
}

func (r *riverSide[TTx]) Fill(ctx context.Context, n int) error {
	batch := make([]river.InsertManyParams, 0, 1000)
	for i := range n {
		if batch = append(batch, river.InsertManyParams{Args: riverArgs{newMessage()}}); len(batch) == cap(batch) || i == n-1 {
			if _, err := r.client.InsertManyFast(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return nil
}

func (r *riverSide[TTx]) Enqueue(ctx context.Context, _ int) error {
	_, err := r.client.Insert(ctx, riverArgs{newMessage()}, nil)
	return err
}

func (r *riverSide[TTx]) Start(ctx context.Context) error {
	r.started = true
	return r.client.Start(context.WithoutCancel(ctx))
}

func (r *riverSide[TTx]) Unfinished(ctx context.Context) (bool, error) { return r.left(ctx) }

func (r *riverSide[TTx]) Close(ctx context.Context) (err error) {
	if r.started {
		err = r.client.Stop(ctx)
	}
	r.close()
	return errors.Join(err)
}
