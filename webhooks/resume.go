package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// resumeBatch is how many held deliveries one transaction resumes.
const resumeBatch = 200

// resume is the handler of [kindResume]: it gives the held deliveries of an enabled
// endpoint their jobs back, or cancels those of a deleted one, a batch a transaction.
func (s *Service) resume(ctx context.Context, task *jobs.Task) error {
	var t resumeTask
	if err := json.Unmarshal(task.Job.Payload, &t); err != nil {
		return jobs.Bury(fmt.Errorf("%w: %w", errBadTask, err))
	}
	tenant := task.Job.Tenant
	return s.governor.InTx(ctx, func(ctx context.Context) error {
		e, _, err := s.store.GetEndpoint(ctx, tenant, t.Endpoint, true)
		gone := errors.Is(err, storage.ErrNotFound)
		switch {
		case err != nil && !gone:
			return err
		case !gone && e.Status != Enabled:
			return task.Complete(ctx)
		}
		held, err := s.store.HeldDeliveries(ctx, tenant, t.Endpoint, resumeBatch)
		if err != nil {
			return err
		}
		var work []jobs.Job
		for _, d := range held {
			d.Held, d.UpdatedAt = false, s.now()
			if gone {
				d.end(Cancelled, ReasonDeleted)
			} else {
				d.NextAttemptAt = d.UpdatedAt
				work = append(work, deliverJob(d, task.Job.Trace))
			}
			if err := s.store.PutDelivery(ctx, tenant, d); err != nil {
				return err
			}
		}
		if len(held) == resumeBatch {
			work = append(work, resumeJob(tenant, t.Endpoint, task.Job.Trace))
		}
		if err := s.queue.Enqueue(ctx, work...); err != nil {
			return err
		}
		return task.Complete(ctx)
	})
}
