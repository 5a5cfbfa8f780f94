package jobs

import (
	"context"
	"errors"
	"time"
)

// An observer finds out which workers died. It knows no clock but its own.
type observer struct {
	seen map[int64]sighting
}

type sighting struct {
	peer  Peer
	since time.Time // when this count of beats was first seen
}

func newObserver() *observer { return &observer{seen: map[int64]sighting{}} }

// look takes in who lives by the store's account.
func (o *observer) look(now time.Time, peers []Peer) {
	seen := make(map[int64]sighting, len(peers))
	for _, p := range peers {
		s, known := o.seen[p.ID]
		if !known || s.peer != p {
			s = sighting{peer: p, since: now}
		}
		seen[p.ID] = s
	}
	o.seen = seen
}

// dead returns the workers whose beats stood still for their lease.
func (o *observer) dead(now time.Time) []Peer {
	var dead []Peer
	for _, s := range o.seen {
		if now.Sub(s.since) >= s.peer.Lease {
			dead = append(dead, s.peer)
		}
	}
	return dead
}

// next returns how long until somebody more would be dead, at most limit.
func (o *observer) next(now time.Time, limit time.Duration) time.Duration {
	for _, s := range o.seen {
		if left := s.peer.Lease - now.Sub(s.since); left > 0 {
			limit = min(limit, left)
		}
	}
	return limit
}

// keep holds the lease: it beats, ends dead workers, and enrols anew when the lease
// was lost.
func (w *Worker) keep(peers []Peer) {
	watch := newObserver()
	watch.look(time.Now(), peers)
	next := time.Now().Add(w.config.Heartbeat)
	for {
		timer := time.NewTimer(time.Until(next))
		select {
		case <-w.quit:
			timer.Stop()
			return
		case <-w.lost:
			if early := w.early(); early > 0 {
				timer.Stop()
				if at := time.Now().Add(early); at.Before(next) {
					next = at
				}
				continue
			}
		case <-timer.C:
		}
		timer.Stop()
		var wait time.Duration
		if t := w.current(); t != nil {
			wait = w.beat(t, watch)
		} else {
			wait = w.reenrol(watch)
		}
		next = time.Now().Add(wait)
	}
}

// early returns how much too early a beat is that was asked for out of turn. One that has
// something to tell goes at once; one that only asks for news is put off, for what it asks
// for is perhaps just being written.
func (w *Worker) early() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.tenure
	if t == nil || t.resting != w.paused {
		return 0
	}
	return nudgeAfter - time.Since(t.until.Add(-w.config.Lease))
}

// beat gives a sign of life and returns when to give the next.
func (w *Worker) beat(t *tenure, watch *observer) time.Duration {
	sent := time.Now()
	dead := watch.dead(sent)
	ctx, cancel := context.WithDeadline(t.ctx, t.until)
	defer cancel()
	resting := w.resting()
	p, err := w.store.Beat(ctx, Beat{Worker: t.worker, Lease: w.config.Lease, Dead: dead, Resting: resting})
	now := time.Now()
	switch {
	case errors.Is(err, ErrFenced):
		w.lose(t, "another worker found this one dead")
		return 0
	case t.ctx.Err() != nil: // a settlement found the lease lost, or the worker closes
		return 0
	case err != nil && !now.Before(t.until):
		w.lose(t, "no beat reached the store for a whole lease")
		return 0
	case err != nil:
		w.config.Logger.Warn("a beat failed", "worker", t.worker, "error", err)
		return w.config.Heartbeat / 4
	}
	watch.look(now, p.Peers)
	w.mu.Lock()
	t.until = sent.Add(w.config.Lease)
	fewer, changed := rivals(p.Peers) < t.peers, resting != t.resting
	t.peers, t.resting = rivals(p.Peers), resting
	t.sync = true
	t.scan = t.scan || len(dead) > 0 || fewer
	w.mu.Unlock()
	signal(w.wake)
	if changed {
		w.queue.freed(w) // now that the others can know that they share without this one
	}
	return watch.next(now, w.config.Heartbeat)
}

// reenrol begins a new tenure after the old one was lost, and returns when to look
// again.
func (w *Worker) reenrol(watch *observer) time.Duration {
	ctx, cancel := context.WithTimeout(w.ctx, w.config.Lease)
	defer cancel()
	t, peers, err := w.enrol(ctx, w.resting())
	if err != nil {
		if w.ctx.Err() == nil {
			w.config.Logger.Warn("enrolling failed", "error", err)
		}
		return w.config.Heartbeat
	}
	watch.look(time.Now(), peers)
	t.ctx, t.cancel = context.WithCancelCause(w.ctx)
	w.mu.Lock()
	if w.state == stateClosed {
		w.mu.Unlock()
		w.depart(t)
		return w.config.Heartbeat
	}
	w.tenure = t
	w.mu.Unlock()
	signal(w.wake)
	return w.config.Heartbeat
}

// departIn is how long a worker tries to give its lanes back.
const departIn = 2 * time.Second

// depart gives a tenure's lanes back. Without it they would be free only after a lease, so
// it is tried even where the worker's ctx has ended.
func (w *Worker) depart(t *tenure) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), departIn)
	defer cancel()
	if _, err := w.store.Beat(ctx, Beat{Worker: t.worker, Leave: true}); err != nil {
		w.config.Logger.Warn("the lanes were not given back", "worker", t.worker, "error", err)
		return
	}
	w.queue.freed(w)
}
