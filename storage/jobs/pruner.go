package jobs

import "time"

const (
	// pruneEvery is how often old attempts are looked for.
	pruneEvery = time.Hour
	// pruneBatch is how many are deleted in one transaction.
	pruneBatch = 1000
)

// prune deletes the records of attempts that are older than they are kept. Workers that
// do so at the same time share the work.
func (w *Worker) prune() {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		for n := pruneBatch; n == pruneBatch; {
			var err error
			n, err = w.store.Prune(w.ctx, w.queue.now().Add(-w.config.KeepAttempts), pruneBatch)
			if err != nil && w.ctx.Err() == nil {
				w.config.Logger.Warn("deleting old attempts failed", "error", err)
			}
		}
		select {
		case <-w.quit:
			return
		case <-ticker.C:
		}
	}
}
