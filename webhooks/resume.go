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
// What kills its processes each time is tried one by one, which is the least there is to do.
func (s *Service) resume(batch int) jobs.Handler {
	return func(ctx context.Context, task *jobs.Task) error { return s.resumeSome(ctx, task, batch) }
}

func (s *Service) resumeSome(ctx context.Context, task *jobs.Task, batch int) error {
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
		held, err := s.store.HeldDeliveries(ctx, tenant, t.Endpoint, batch)
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
		if len(held) == batch {
			work = append(work, resumeJob(tenant, t.Endpoint, task.Job.Trace))
		}
		if err := s.queue.Enqueue(ctx, work...); err != nil {
			return err
		}
		return task.Complete(ctx)
	})
}
