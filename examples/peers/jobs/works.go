package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// patience is how long one side may take for one work.
	patience = 3 * time.Minute
	// enqueuers enqueue at a time under a steady load.
	enqueuers = 32
	// pace is the time between two jobs where waits are measured.
	pace = 10 * time.Millisecond
	// coldFor is how long a start counts as cold.
	coldFor = 2 * time.Second
)

// A result is what one side did in one round, by the name of the figure.
type result map[string]float64

// units of the figures. Of those in milliseconds less is better.
var units = map[string]string{
	"drain": "jobs/s", "steady": "jobs/s", "steady-p99": "ms",
	"latency-p50": "ms", "latency-p99": "ms", "cold-p50": "ms", "cold-p99": "ms",
}

// measure runs all works and tells each figure.
func (p plan) measure(ctx context.Context, tell func(figure)) error {
	for _, store := range p.store {
		if store == "postgres" && os.Getenv(dsnEnv) == "" {
			fmt.Fprintf(os.Stderr, "jobs: %s is not set, Postgres is left out\n", dsnEnv)
			continue
		}
		for _, name := range p.works {
			for _, processes := range []int{1, 3} {
				results := map[string][]result{}
				for range p.rounds {
					for _, side := range p.sides {
						r, err := p.once(ctx, name, store, side, processes)
						if err != nil {
							return fmt.Errorf("%s of %s on %s with %d processes: %w", name, side, store, processes, err)
						}
						results[side] = append(results[side], r)
					}
				}
				p.compare(store, processes, results, tell)
			}
		}
	}
	return nil
}

// compare tells our figures and those of the peers beside them.
func (p plan) compare(store string, processes int, results map[string][]result, tell func(figure)) {
	names := make([]string, 0, len(units))
	for name := range results["ours"][0] {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := func(side string) (all []float64) {
			for _, r := range results[side] {
				all = append(all, r[name])
			}
			return all
		}
		own := median(values("ours"))
		for _, side := range p.sides {
			theirs := values(side)
			f := figure{
				Work: name, Processes: processes, Store: store, Ours: "jobs", Peer: side, Unit: units[name],
				Value: median(theirs), Ratio: own / median(theirs), Least: slices.Min(theirs), Most: slices.Max(theirs),
			}
			if f.Unit == "ms" {
				f.Ratio = 1 / f.Ratio
			}
			if side == "ours" {
				f.Peer = "none"
			}
			tell(f)
		}
	}
}

// once has one side do one work on a new database.
func (p plan) once(ctx context.Context, work, store, name string, processes int) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	at, remove, err := newPlace(ctx, store)
	if err != nil {
		return nil, err
	}
	defer remove()
	c, err := recruit(ctx, name, at, processes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
	switch work {
	case "drain":
		n := p.jobs
		if name == "dbos" {
			n /= 10
		}
		return c.drain(ctx, n)
	case "steady":
		return c.steady(ctx, p.span)
	case "latency":
		return c.latency(ctx, p.span)
	case "cold":
		return c.cold(ctx)
	}
	return nil, errors.New("there is no such work")
}

// drain works what is there.
func (c *crew) drain(ctx context.Context, n int) (result, error) {
	if err := c.side.Fill(ctx, n); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	if err := c.finish(ctx); err != nil {
		return nil, err
	}
	took := time.Since(began)
	return result{"drain": float64(n) / took.Seconds()}, c.check(n)
}

// check makes sure that each job was worked.
func (c *crew) check(n int) error {
	all, err := c.report()
	if err == nil && len(all) != n {
		err = fmt.Errorf("%d handlers ran for %d jobs", len(all), n)
	}
	return err
}

// steady enqueues as fast as it can while the jobs are worked.
func (c *crew) steady(ctx context.Context, span time.Duration) (result, error) {
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	if err := c.warm(ctx); err != nil {
		return nil, err
	}
	var group sync.WaitGroup
	var enqueued atomic.Int64
	errs := make(chan error, enqueuers)
	began := time.Now()
	for e := range enqueuers {
		group.Go(func() {
			for i := e; time.Since(began) < span; i += enqueuers {
				if err := c.side.Enqueue(ctx, i); err != nil {
					errs <- err
					return
				}
				enqueued.Add(1)
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	close(errs)
	if err := <-errs; err != nil {
		return nil, err
	}
	if err := c.finish(ctx); err != nil {
		return nil, err
	}
	all, err := c.report()
	if err != nil {
		return nil, err
	}
	_, p99 := quantiles(all, began)
	return result{"steady": float64(enqueued.Load()) / took.Seconds(), "steady-p99": p99}, nil
}

// warm has each lane, or each process, do something before the clock starts.
func (c *crew) warm(ctx context.Context) error {
	for i := range 2 * lanes {
		if err := c.side.Enqueue(ctx, i); err != nil {
			return err
		}
	}
	return c.finish(ctx)
}

// latency enqueues at an easy pace.
func (c *crew) latency(ctx context.Context, span time.Duration) (result, error) {
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	if err := c.warm(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	all, err := c.stroll(ctx, span)
	if err != nil {
		return nil, err
	}
	p50, p99 := quantiles(all, began)
	return result{"latency-p50": p50, "latency-p99": p99}, nil
}

// cold enqueues at an easy pace while the workers start.
func (c *crew) cold(ctx context.Context) (result, error) {
	began := time.Now()
	started := make(chan error, 1)
	go func() { started <- c.start(ctx) }()
	all, err := c.stroll(ctx, coldFor)
	if err := errors.Join(err, <-started); err != nil {
		return nil, err
	}
	p50, p99 := quantiles(all, began)
	return result{"cold-p50": p50, "cold-p99": p99}, nil
}

// stroll enqueues a job at each beat, and returns the waits of all once they are worked.
// A job whose enqueue was slow does not delay those after it.
func (c *crew) stroll(ctx context.Context, span time.Duration) ([]wait, error) {
	errs := make(chan error, span/pace+1)
	var group sync.WaitGroup
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for i, began := 0, time.Now(); time.Since(began) < span; i++ {
		group.Go(func() {
			if err := c.side.Enqueue(ctx, i); err != nil {
				errs <- err
			}
		})
		<-ticker.C
	}
	group.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return nil, err
	}
	if err := c.finish(ctx); err != nil {
		return nil, err
	}
	return c.report()
}

// quantiles returns the median and the 99th percentile of the waits of jobs that were
// enqueued after a time, in milliseconds.
func quantiles(all []wait, after time.Time) (p50, p99 float64) {
	var counted []wait
	for _, w := range all {
		if w.Enqueued >= after.UnixNano() {
			counted = append(counted, w)
		}
	}
	if len(counted) == 0 {
		return 0, 0
	}
	slices.SortFunc(counted, func(a, b wait) int { return cmp.Compare(a.Waited, b.Waited) })
	at := func(q float64) float64 { return float64(counted[int(q*float64(len(counted)-1))].Waited) / 1e6 }
	return at(0.5), at(0.99)
}
