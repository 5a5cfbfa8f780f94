package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A try is one attempt in the making: what it is for and what was read for it.
type try struct {
	deliverTask
	delivery Delivery
	message  Message
	endpoint Endpoint
	began    time.Time
}

// deliver is the handler of [kindDeliver]: it makes the next attempt of a delivery and
// settles attempt, delivery, endpoint and job in one transaction. When the process
// dies in between, the job starts again and the receiver sees the message once more,
// under the same id.
func (s *Service) deliver(ctx context.Context, task *jobs.Task) error {
	t := try{began: s.now()}
	if err := json.Unmarshal(task.Job.Payload, &t.deliverTask); err != nil {
		return jobs.Bury(fmt.Errorf("%w: %w", errBadTask, err))
	}
	ctx = audit.WithActor(ctx, worker)
	ready, err := s.prepare(ctx, task, &t)
	if err != nil || !ready {
		return err
	}
	ctx = correlation.With(ctx, t.message.Trace)
	result, trace, err := s.attempt(ctx, t)
	if err != nil {
		return err
	}
	if result.Outcome == Accepted {
		// It happened: write it down even while the worker is told to stop.
		ctx = context.WithoutCancel(ctx)
	} else if err := ctx.Err(); err != nil {
		// Not the receiver failed but we were stopped. Nothing is recorded, and the
		// job starts again elsewhere.
		return err
	}
	return s.settle(ctx, task, t, result, trace)
}

// prepare reads what an attempt needs. It reports false where there is nothing to
// attempt now, and has then settled whatever had to be.
func (s *Service) prepare(ctx context.Context, task *jobs.Task, t *try) (bool, error) {
	tenant := task.Job.Tenant
	var err error
	if t.delivery, err = s.store.GetDelivery(ctx, tenant, t.Delivery, false); err != nil {
		return false, ignoreNotFound(err)
	}
	if !t.waiting(t.delivery) {
		return false, nil
	}
	var health Health
	t.endpoint, health, err = s.store.GetEndpoint(ctx, tenant, t.delivery.EndpointID, false)
	switch {
	case errors.Is(err, storage.ErrNotFound), err == nil && t.endpoint.Status != Enabled:
		return false, s.park(ctx, task, t)
	case err != nil:
		return false, err
	case t.began.Before(health.QuietUntil):
		return false, s.postpone(ctx, task, t, health.QuietUntil)
	}
	t.message, err = s.store.GetMessage(ctx, tenant, t.delivery.MessageID)
	return err == nil, err
}

// waiting reports whether the job of t is the one that d waits for.
func (t *try) waiting(d Delivery) bool {
	return d.Status == Pending && !d.Held && d.Round == t.Round
}

// park takes a delivery out of work: cancelled where its endpoint is gone, held where
// it is disabled. The endpoint is locked, so that enabling it either comes first and
// is seen here, or comes later and finds the delivery held.
func (s *Service) park(ctx context.Context, task *jobs.Task, t *try) error {
	tenant := task.Job.Tenant
	return s.governor.InTx(ctx, func(ctx context.Context) error {
		e, _, err := s.store.GetEndpoint(ctx, tenant, t.delivery.EndpointID, true)
		gone := errors.Is(err, storage.ErrNotFound)
		if err != nil && !gone {
			return err
		}
		d, err := s.store.GetDelivery(ctx, tenant, t.Delivery, true)
		if err != nil {
			return err
		}
		switch {
		case !t.waiting(d):
			return task.Complete(ctx)
		case gone:
			d.end(Cancelled, ReasonDeleted)
		case e.Status == Enabled:
			return task.RetryAt(ctx, s.now(), "the endpoint was enabled")
		default:
			d.hold()
		}
		d.UpdatedAt = s.now()
		if err := s.store.PutDelivery(ctx, tenant, d); err != nil {
			return err
		}
		return task.Complete(ctx)
	})
}

// postpone leaves a receiver alone until at.
func (s *Service) postpone(ctx context.Context, task *jobs.Task, t *try, at time.Time) error {
	tenant := task.Job.Tenant
	return s.governor.InTx(ctx, func(ctx context.Context) error {
		d, err := s.store.GetDelivery(ctx, tenant, t.Delivery, true)
		if err != nil {
			return err
		}
		if !t.waiting(d) {
			return task.Complete(ctx)
		}
		d.NextAttemptAt, d.UpdatedAt = at, s.now()
		if err := s.store.PutDelivery(ctx, tenant, d); err != nil {
			return err
		}
		return task.RetryAt(ctx, at, "the receiver is overloaded")
	})
}

// settle writes down what came of an attempt.
func (s *Service) settle(ctx context.Context, task *jobs.Task, t try, r Result, trace correlation.Trace) error {
	tenant, ended := task.Job.Tenant, s.now()
	return s.governor.InTx(ctx, func(ctx context.Context) error {
		endpoint, err := s.judge(ctx, t.endpoint, r, ended)
		if err != nil {
			return err
		}
		d, err := s.store.GetDelivery(ctx, tenant, t.Delivery, true)
		if err != nil {
			return err
		}
		waiting := t.waiting(d)
		d.Attempts++
		d.UpdatedAt = ended
		if waiting {
			d.Tries++
			s.advance(&d, r, endpoint, ended)
		}
		if err := s.store.InsertAttempt(ctx, tenant, Attempt{
			Tenant: tenant, DeliveryID: d.ID, N: d.Attempts, At: t.began, Duration: ended.Sub(t.began),
			StatusCode: r.StatusCode, Class: r.Class, Error: r.Error, Response: r.Response,
			TraceID: trace.TraceID, SpanID: trace.SpanID,
		}); err != nil {
			return err
		}
		if err := s.store.PutDelivery(ctx, tenant, d); err != nil {
			return err
		}
		if waiting && t.waiting(d) {
			return task.RetryAt(ctx, d.NextAttemptAt, r.Class)
		}
		return task.Complete(ctx)
	})
}

// advance moves a delivery on by the result of its attempt.
func (s *Service) advance(d *Delivery, r Result, endpoint standing, ended time.Time) {
	delay, more := s.cfg.Schedule.next(d.Tries, r.RetryAfter)
	switch {
	case r.Outcome == Accepted:
		d.end(Succeeded, "")
	case !endpoint.exists:
		d.end(Cancelled, ReasonDeleted)
	case r.Outcome == Blocked:
		d.end(Failed, ReasonBlocked)
	case !more:
		d.end(Failed, ReasonExhausted)
	case !endpoint.enabled:
		d.hold()
	default:
		d.NextAttemptAt = later(ended.Add(delay), endpoint.quietUntil)
	}
}

// end brings a delivery to a status that only a redelivery leaves.
func (d *Delivery) end(status, reason string) {
	d.Status, d.Reason, d.Held, d.NextAttemptAt = status, reason, false, time.Time{}
}

// hold keeps a pending delivery until its endpoint is enabled.
func (d *Delivery) hold() { d.Held, d.NextAttemptAt = true, time.Time{} }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func ignoreNotFound(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}
