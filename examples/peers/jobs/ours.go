package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
)

const tenant = "acme"

type backend interface {
	storage.Transactor
	Jobs() jobs.Store
	Reader(ctx context.Context) (storage.Conn, error)
	Close(ctx context.Context) error
}

type ours struct {
	backend backend
	queue   *jobs.Queue
	worker  *jobs.Worker
}

func openOurs(ctx context.Context, p place, begun func(time.Time)) (_ side, err error) {
	o := &ours{}
	kind, where := p.store()
	if kind == "postgres" {
		o.backend, err = postgres.Open(ctx, pooled(where), postgres.Config{})
	} else {
		o.backend, err = sqlite.Open(ctx, where, sqlite.Config{})
	}
	if err != nil {
		return nil, err
	}
	if o.queue, err = jobs.NewQueue(o.backend.Jobs(), jobs.Config{}); err != nil {
		return nil, err
	}
	for lane := range lanes {
		if err := o.queue.SetLane(ctx, tenant, strconv.Itoa(lane), jobs.LaneConfig{Cap: 32}); err != nil {
			return nil, err
		}
	}
	o.worker, err = jobs.NewWorker(o.queue, map[string]jobs.Handler{"work": func(_ context.Context, task *jobs.Task) error {
		var m message
		if err := json.Unmarshal(task.Job.Payload, &m); err != nil {
			return err
		}
		begun(m.time())
		return nil
	}}, jobs.WorkerConfig{Slots: 1000})
	return o, err
}

func job(number int) (jobs.Job, error) {
	payload, err := json.Marshal(newMessage())
	return jobs.Job{Tenant: tenant, Lane: strconv.Itoa(number % lanes), Kind: "work", Payload: payload}, err
}

func (o *ours) Fill(ctx context.Context, n int) error {
	batch := make([]jobs.Job, 0, 1000)
	for i := range n {
		j, err := job(i)
		if err != nil {
			return err
		}
		if batch = append(batch, j); len(batch) == cap(batch) || i == n-1 {
			if err := o.queue.Enqueue(ctx, batch...); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return nil
}

// Enqueue begins a transaction by itself, as a host does that changes something with it.
func (o *ours) Enqueue(ctx context.Context, number int) error {
	j, err := job(number)
	if err != nil {
		return err
	}
	return o.backend.InTx(ctx, func(ctx context.Context) error { return o.queue.Enqueue(ctx, j) })
}

func (o *ours) Start(ctx context.Context) error { return o.worker.Start(ctx) }

func (o *ours) Unfinished(ctx context.Context) (left bool, err error) {
	c, err := o.backend.Reader(ctx)
	if err != nil {
		return false, err
	}
	err = storage.QueryRow(ctx, c, `SELECT EXISTS (SELECT 1 FROM adminkit_jobs_job)`, nil, &left)
	return left, err
}

func (o *ours) Close(ctx context.Context) error {
	return errors.Join(o.worker.Close(ctx), o.backend.Close(ctx))
}
