package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// lost is the handler of [kindDeliver] jobs whose starts were lost again and again. It
// fails the delivery without calling the [Deliverer] once more, and leaves an attempt that
// says why. The endpoint's health is not touched: it is our side that fell.
func (s *Service) lost(ctx context.Context, task *jobs.Task) error {
	t := try{began: s.now()}
	if err := json.Unmarshal(task.Job.Payload, &t.deliverTask); err != nil {
		return jobs.Bury(fmt.Errorf("%w: %w", errBadTask, err))
	}
	tenant := task.Job.Tenant
	return s.governor.InTx(ctx, func(ctx context.Context) error {
		d, err := s.store.GetDelivery(ctx, tenant, t.Delivery, true)
		switch {
		case errors.Is(err, storage.ErrNotFound), err == nil && !t.waiting(d):
			return task.Complete(ctx)
		case err != nil:
			return err
		}
		d.Attempts++
		d.Tries++
		d.UpdatedAt = t.began
		d.end(Failed, ReasonLost)
		if err := s.store.InsertAttempt(ctx, tenant, Attempt{
			Tenant: tenant, DeliveryID: d.ID, N: d.Attempts, At: t.began, Class: ClassLost, TraceID: d.TraceID,
			Error: fmt.Sprintf("the process that sent it died, or lost its lease, at least %d times; the receiver may have it", task.Lost),
		}); err != nil {
			return err
		}
		if err := s.store.PutDelivery(ctx, tenant, d); err != nil {
			return err
		}
		return task.Complete(ctx)
	})
}
