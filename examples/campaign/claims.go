package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A claimCall is one call of a worker on a lane with one job.
type claimCall struct {
	what   string // claim, settle, or end another worker
	worker int    // who claims or settles, or is ended
}

// The answers to a claimCall.
const (
	yes    = "yes"    // it owns the lane and has the job, the job is settled, the worker is ended
	idle   = "idle"   // it owns the lane and found no job
	no     = "no"     // nothing to take, the job is gone, the worker lives
	fenced = "fenced" // the worker was ended
)

// A claimState is a lane with one job, and its workers.
type claimState struct {
	owner int // 0 for nobody; workers count from 1
	done  bool
	ended [clients + 1]bool
}

var claimModel = porcupine.Model{
	Init: func() any { return claimState{} },
	Step: func(state, input, output any) (bool, any) {
		s, in := state.(claimState), input.(claimCall)
		switch {
		case in.what == "end":
			if output == yes {
				s.ended[in.worker] = true
				if s.owner == in.worker {
					s.owner = 0
				}
				return true, s
			}
			return !s.ended[in.worker], s // it may be left for a later beat
		case output == fenced:
			return s.ended[in.worker], s
		case in.what == "claim":
			if output == no {
				return true, s // a lane that another claim holds may be passed over
			}
			// The job may have been settled while the claim ran: by the owner before, or, once
			// this one was ended, by the next.
			free := s.owner == 0 && !s.ended[in.worker] && (output == idle || !s.done)
			s.owner = in.worker
			return free, s
		}
		// A settlement of who once owned the lane and was not ended.
		if s.ended[in.worker] || (output == yes) == s.done {
			return false, s
		}
		s.done = true
		return true, s
	},
	Equal: func(a, b any) bool { return a == b },
}

// A contest is a history of workers over one lane.
type contest struct {
	*history
	store  jobs.Store
	tenant string
	due    time.Time
	crew   [clients + 1]jobs.Peer // as the store knows them
}

// claimLanes has workers claim a lane, settle its job, and end each other.
func claimLanes(h *history, r *rand.Rand) {
	c := &contest{history: h, store: h.store.Jobs(), tenant: "tenant-" + storage.NewID(), due: time.Unix(1_800_000_000, 0).UTC()}
	if h.err = c.start(); h.err != nil {
		return
	}
	together(r, func(client int, r *rand.Rand) { c.work(client, r) })
	h.err = errors.Join(h.err, c.finish())
}

func (c *contest) start() error {
	for i := range c.crew {
		p, err := c.store.Beat(c.ctx, jobs.Beat{Lease: time.Minute})
		if err != nil {
			return err
		}
		c.crew[i] = p.Worker // the first of them finishes, the others take part
	}
	return c.store.Enqueue(c.ctx, []jobs.Job{{Tenant: c.tenant, Lane: "lane", Kind: "test", Due: c.due}})
}

func (c *contest) work(client int, r *rand.Rand) {
	me := client + 1
	var job *jobs.Fetched
	for range callsPerClient {
		for range r.IntN(20) {
			runtime.Gosched() // memory is so fast that clients would go one after another
		}
		switch {
		case job != nil && r.IntN(2) == 0:
			c.note(client, claimCall{"settle", me}, func() (any, error) { return c.settle(me, *job) })
			job = nil
		case job != nil || r.IntN(3) == 0:
			other := 1 + r.IntN(clients)
			if c.bug == bugFence && job != nil {
				other = me // who is ended before it settles: else the bug seldom shows
			}
			c.note(client, claimCall{"end", other}, func() (any, error) { return c.end(other) })
		default:
			c.note(client, claimCall{"claim", me}, func() (answer any, err error) {
				answer, job, err = c.claim(me)
				return answer, err
			})
		}
	}
	if job != nil {
		c.note(client, claimCall{"settle", me}, func() (any, error) { return c.settle(me, *job) })
	}
}

// claim claims the lane and reads its job.
func (c *contest) claim(worker int) (any, *jobs.Fetched, error) {
	claimed, err := c.store.Claim(c.ctx, jobs.Claim{Worker: c.crew[worker].ID, Take: 1, Now: c.due})
	if errors.Is(err, jobs.ErrFenced) {
		return fenced, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if len(claimed.Taken) == 0 && c.bug != bugOwner {
		return no, nil, nil
	}
	list, err := c.store.Fetch(c.ctx, c.due, []jobs.LaneFetch{jobs.FromStart(jobs.LaneID{Tenant: c.tenant, Lane: "lane"}, 1)})
	if err != nil {
		return nil, nil, err
	}
	switch {
	case len(list) > 0:
		return yes, &list[0], nil
	case len(claimed.Taken) > 0:
		return idle, nil, nil
	}
	return no, nil, nil
}

func (c *contest) settle(worker int, job jobs.Fetched) (any, error) {
	by := c.crew[worker].ID
	if c.bug == bugFence {
		by = c.crew[0].ID // who is never ended
	}
	missed, err := c.store.Settle(c.ctx, by, []jobs.Outcome{{Job: job, Result: jobs.Completed, Started: c.due, Ended: c.due}})
	switch {
	case errors.Is(err, jobs.ErrFenced):
		return fenced, nil
	case err != nil:
		return nil, err
	case len(missed) > 0:
		return no, nil
	}
	return yes, nil
}

// end declares a worker dead, as one does that saw its counter stand still.
func (c *contest) end(worker int) (any, error) {
	answer, err := c.store.Beat(c.ctx, jobs.Beat{Worker: c.crew[0].ID, Lease: time.Minute, Dead: []jobs.Peer{c.crew[worker]}})
	if err != nil {
		return nil, err
	}
	for _, p := range answer.Peers {
		if p.ID == c.crew[worker].ID {
			return no, nil
		}
	}
	return yes, nil
}

// finish ends the workers and the job, so that the next history finds a clean store.
func (c *contest) finish() error {
	ctx := context.WithoutCancel(c.ctx)
	for _, p := range c.crew[1:] {
		if _, err := c.store.Beat(ctx, jobs.Beat{Worker: p.ID, Leave: true}); err != nil && !errors.Is(err, jobs.ErrFenced) {
			return err
		}
	}
	claimed, err := c.store.Claim(ctx, jobs.Claim{Worker: c.crew[0].ID, Take: 1, Now: c.due})
	if err != nil {
		return err
	}
	if len(claimed.Taken) > 0 {
		list, err := c.store.Fetch(ctx, c.due, []jobs.LaneFetch{jobs.FromStart(claimed.Taken[0].LaneID, 1)})
		if err != nil {
			return err
		}
		for _, f := range list {
			if _, err := c.store.Settle(ctx, c.crew[0].ID, []jobs.Outcome{{Job: f, Result: jobs.Completed, Started: c.due, Ended: c.due}}); err != nil {
				return err
			}
		}
	}
	_, err = c.store.Beat(ctx, jobs.Beat{Worker: c.crew[0].ID, Leave: true})
	return err
}
