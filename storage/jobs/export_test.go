package jobs

import "time"

// Share returns a Queue over another view of q's store whose workers hear of what is
// enqueued through q.
func Share(q *Queue, store Store) *Queue {
	return &Queue{store: store, now: q.now, onEvent: q.onEvent, listeners: q.listeners}
}

// SweepEvery has a worker look at all lanes so often.
func SweepEvery(w *Worker, every time.Duration) { w.sweepEvery = every }

// Leaving reports whether a worker gives a lane up as soon as nothing of it is at work.
func Leaving(w *Worker, tenant, name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tenure == nil {
		return false
	}
	l := w.tenure.board.lanes[LaneID{tenant, name}]
	return l != nil && l.leaving
}
