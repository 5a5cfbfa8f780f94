package approvals

import (
	"context"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

// A Notifier tells people what became of a request: the requester above all, who is no
// longer there when a worker applies it.
type Notifier interface {
	// Notify is called from a job after a request ended, at least once, and outside of
	// any transaction. It may be slow. An error leaves the request as it is and is
	// retried by the job queue.
	Notify(ctx context.Context, n Notice) error
}

// NotifierFunc is a function as a [Notifier].
type NotifierFunc func(ctx context.Context, n Notice) error

// Notify implements [Notifier].
func (f NotifierFunc) Notify(ctx context.Context, n Notice) error { return f(ctx, n) }

// A Notice is what a [Notifier] is told. One that comes again has the same request and
// the same Step.Seq: together they are the key to send it once.
type Notice struct {
	// Request is the request as it ended: Request.Requester asked for it, and
	// Request.Failure says why a failed one failed.
	Request Request
	// Step is the end: its Verb is "applied", "failed", "rejected", "expired" or
	// "cancelled", and its Actor and Comment say who ended it and why.
	Step Step
}

// workNotify tells the notifier how a request ended.
func (s *Service) workNotify(ctx context.Context, tenant string, t task, done settler) error {
	if s.cfg.Notifier == nil {
		return errors.New("approvals: there is no notifier here")
	}
	r, err := s.store.Get(ctx, tenant, t.Request)
	if errors.Is(err, storage.ErrNotFound) {
		return done.Complete(ctx) // nobody is left to be told of
	}
	if err != nil {
		return err
	}
	h, err := s.store.History(ctx, tenant, t.Request)
	if err != nil {
		return err
	}
	if len(h.Steps) == 0 || !r.State.Ended() {
		return fmt.Errorf("approvals: request %s is %s and was to be told as ended", r.ID, r.State)
	}
	if err := s.cfg.Notifier.Notify(ctx, Notice{Request: r, Step: h.Steps[len(h.Steps)-1]}); err != nil {
		return fmt.Errorf("approvals: notifier: %w", err)
	}
	return done.Complete(ctx)
}
