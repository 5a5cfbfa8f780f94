package jobs

import (
	"context"
	"time"
)

const (
	// pruneEvery is how often old attempts are looked for.
	pruneEvery = time.Hour
	// pruneBatch is how many are deleted in one transaction.
	pruneBatch = 1000
)

// Prune deletes the records of attempts that ended before a time, the oldest first, and
// returns how many. It deletes in batches, a transaction each unless ctx carries one; what
// was deleted before an error stays deleted. Processes that do so at the same time share the
// work.
func (q *Queue) Prune(ctx context.Context, before time.Time) (int, error) {
	for all := 0; ; {
		n, err := q.store.Prune(ctx, before, pruneBatch)
		all += n
		if err != nil || n < pruneBatch {
			return all, err
		}
	}
}

// prune deletes the records of attempts that are older than they are kept.
func (w *Worker) prune() {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		if _, err := w.queue.Prune(w.ctx, w.queue.now().Add(-w.config.KeepAttempts)); err != nil && w.ctx.Err() == nil {
			w.config.Logger.Warn("deleting old attempts failed", "error", err)
		}
		select {
		case <-w.quit:
			return
		case <-ticker.C:
		}
	}
}
