package jobs

import (
	"errors"
	"log/slog"
	"runtime"
	"time"
)

// A settlement is an outcome on its way to the store.
type settlement struct {
	tenure  *tenure
	lane    *lane
	outcome Outcome
	// doubtful is true where the outcome may be in the store already: then it is no
	// alarm when it is found settled.
	doubtful bool
}

const (
	// maxBatch is how many outcomes are written in one transaction.
	maxBatch = 2000
	// minPile is how many outcomes are waiting when a second transaction writes some of
	// them beside the first.
	minPile = 500
)

// unstarted is the settlement of a job that was not started.
func (w *Worker) unstarted(t *tenure, l *lane, job Fetched, result Result, reason string) *settlement {
	now := w.queue.now()
	return &settlement{tenure: t, lane: l, outcome: Outcome{
		Job: job, Result: result, Reason: reason, Started: now, Ended: now,
	}}
}

// submitLocked hands an outcome to the settler.
func (w *Worker) submitLocked(s *settlement) {
	if w.state == stateClosed {
		return
	}
	w.settlements = append(w.settlements, s)
	signal(w.unsettled)
	if len(w.settlements) >= minPile {
		signal(w.piled)
	}
}

// settle writes the outcomes that next takes off the queue, until the worker is closed.
// wake tells that there may be some.
func (w *Worker) settle(wake <-chan struct{}, next func() []*settlement) {
	for {
		runtime.Gosched() // what handlers are about to end is written in the same transaction
		batch := next()
		if len(batch) == 0 {
			select {
			case <-w.quit:
				return
			case <-wake:
				continue
			}
		}
		w.write(batch)
		w.mu.Lock()
		w.settling -= len(batch)
		w.restLocked()
		w.mu.Unlock()
	}
}

// batch takes outcomes of one tenure off the queue, as many as there are.
func (w *Worker) batch() []*settlement {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.settlements) && n < maxBatch && w.settlements[n].tenure == w.settlements[0].tenure {
		n++
	}
	return w.takeOffLocked(n)
}

// pile takes outcomes off the queue where more have piled up than one transaction at a time
// gets done, none otherwise: few at a time are written at less cost in one go. It leaves
// what holds a lane to batch, whose transactions keep the order of the outcomes.
func (w *Worker) pile() []*settlement {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.settlements) && n < maxBatch && w.settlements[n].tenure == w.settlements[0].tenure && w.settlements[n].outcome.Hold == nil {
		n++
	}
	if n < minPile {
		return nil
	}
	return w.takeOffLocked(n)
}

// takeOffLocked takes the first n outcomes off the queue.
func (w *Worker) takeOffLocked(n int) []*settlement {
	batch := w.settlements[:n:n]
	w.settlements = w.settlements[n:]
	w.settling += n
	return batch
}

// write stores outcomes. It tries until it succeeds, or until the lease they were made
// under is lost.
func (w *Worker) write(batch []*settlement) {
	t := batch[0].tenure
	outcomes := make([]Outcome, len(batch))
	for i, s := range batch {
		outcomes[i] = s.outcome
	}
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		missed, err := w.store.Settle(t.ctx, t.worker, outcomes)
		switch {
		case err == nil:
			w.wrote(batch, missed)
			return
		case errors.Is(err, ErrFenced):
			w.lose(t, "another worker found this one dead")
			w.fenced(batch)
			return
		case t.ctx.Err() != nil:
			w.fenced(batch)
			return
		}
		w.config.Logger.Warn("settling jobs failed", "worker", t.worker, "jobs", len(batch), "error", err)
		for _, s := range batch {
			s.doubtful = true
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-t.ctx.Done():
			timer.Stop()
		}
	}
}

// wrote takes note of outcomes that are in the store now.
func (w *Worker) wrote(batch []*settlement, missed []int64) {
	lost := make(map[int64]bool, len(missed))
	for _, id := range missed {
		lost[id] = true
	}
	var events []*Event
	var misses []*settlement
	w.mu.Lock()
	for _, s := range batch {
		missed := lost[s.outcome.Job.ID]
		if e := w.noteLocked(s, missed); e != nil {
			events = append(events, e)
		}
		if missed {
			misses = append(misses, s)
		}
		if e := s.turned(missed); e != nil {
			events = append(events, e)
		}
	}
	w.spawn(w.dispatchLocked())
	w.mu.Unlock()
	for _, e := range events {
		w.tell(e)
	}
	for _, s := range misses {
		w.explain(s)
	}
	w.tellRuns()
}

// explain finds out why an outcome was missed: mostly because its job was cancelled.
func (w *Worker) explain(s *settlement) {
	e := s.event(EventDouble)
	last, err := w.store.Attempts(w.ctx, e.Job.Tenant, e.Job.ID, 1)
	switch {
	case err != nil:
		w.config.Logger.Warn("looking for why an outcome was missed failed", "worker", e.Worker, "job", e.Job.ID, "error", err)
	case len(last) > 0 && last[0].Result == Cancelled:
		w.tell(s.event(EventCancelled))
		w.tally(s, Cancelled)
		return
	case s.doubtful: // it had come about before, or will with the next run
		return
	}
	w.tell(e)
	w.tally(s, Fenced)
}

// noteLocked takes note of one outcome that is in the store, or was missed there. It
// returns what is to be told of it, nil for nothing.
func (w *Worker) noteLocked(s *settlement, missed bool) *Event {
	o := &s.outcome
	if o.Result == Begun {
		if !missed {
			w.startLocked(s.tenure, s.lane, o.Job)
			w.spawn(1)
			return nil
		}
		w.endLocked(s.tenure, s.lane)
	}
	if missed && !s.doubtful {
		s.lane.uncharge(o.Job.ID)
	}
	s.tenure.board.settled(s.lane, o.Job.ID, time.Now())
	if s.lane.leaving {
		signal(w.wake)
	}
	if s.lane.config.Order == FIFO && (missed || o.Result == Retried) {
		s.tenure.board.reread(s.lane) // the first job of the store is perhaps this one
		signal(w.wake)
	}
	if missed {
		return nil
	}
	w.tallyLocked(s, o.Result)
	switch {
	case o.Result == Buried:
		return s.event(EventBuried)
	case o.Result == Retried:
		w.alarms.set(o.Due, s.lane.id)
		signal(w.wake)
	}
	return nil
}

// turned tells that the outcome opened or closed the breaker of its lane, nil for neither.
func (s *settlement) turned(missed bool) *Event {
	switch h := s.outcome.Hold; {
	case h == nil || missed || h.Reason == HeldForRetry:
		return nil
	case h.Reason == HeldByBreaker:
		return s.event(EventBreakerOpened)
	}
	return s.event(EventBreakerClosed)
}

// fenced takes note of outcomes that do not count.
func (w *Worker) fenced(batch []*settlement) {
	for _, s := range batch {
		if s.outcome.Result != Begun {
			w.tell(s.event(EventFenced))
			w.tally(s, Fenced)
			continue
		}
		w.mu.Lock()
		w.endLocked(s.tenure, s.lane)
		w.mu.Unlock()
	}
	signal(w.wake)
}

func (s *settlement) event(kind EventKind) *Event {
	return &Event{Kind: kind, Worker: s.tenure.worker, Job: s.outcome.Job.asStarted(), Reason: s.outcome.Reason}
}

// tell reports an event to the log and to the host.
func (w *Worker) tell(e *Event) {
	if e == nil {
		return
	}
	level := slog.LevelWarn
	if e.Kind == EventCancelled { // somebody wanted it
		level = slog.LevelInfo
	}
	w.config.Logger.Log(w.ctx, level, "jobs: "+string(e.Kind), "worker", e.Worker, "job", e.Job.ID, "tenant", e.Job.Tenant,
		"lane", e.Job.Lane, "kind", e.Job.Kind, "attempt", e.Job.Attempt, "reason", e.Reason)
	w.config.OnEvent(*e)
}
