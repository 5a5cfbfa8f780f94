package jobs

import "time"

// Share returns a Queue over another view of q's store whose workers hear of what is
// enqueued through q.
func Share(q *Queue, store Store) *Queue {
	return &Queue{store: store, now: q.now, onEvent: q.onEvent, listeners: q.listeners}
}

// SweepEvery makes a worker that looks at all lanes so often.
func SweepEvery(q *Queue, handlers map[string]Handler, every time.Duration) *Worker {
	w, err := NewWorker(q, handlers, WorkerConfig{Lease: time.Minute})
	if err != nil {
		panic(err)
	}
	w.sweepEvery = every
	return w
}
