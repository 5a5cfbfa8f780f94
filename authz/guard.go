package authz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// DefaultTimeout is how long a decision may take where Config names no other time.
const DefaultTimeout = 2 * time.Second

// Config adjusts a [Guard]. Its zero value is ready for use.
type Config struct {
	// Timeout bounds one decision. Zero is [DefaultTimeout]. An Authorizer that
	// overruns it is answered by a denial; one that ignores its ctx is waited for.
	Timeout time.Duration
	// Enrich adds what conditions read and only the host knows: properties of the
	// resource, the environment. An error denies. It may change r's maps, which
	// belong to this decision.
	Enrich func(ctx context.Context, r *Request) error
	// Unprotected are actions whose plain allows [Guard.Authorize] does not record:
	// frequent reads. Everything else is recorded, always.
	Unprotected []string
}

// A Guard is the one place where protected actions are decided. It asks an
// [Authorizer], contains whatever goes wrong there, and records the decision.
//
// As an [audit.Gate] it stands before every change of a [audit.Governor]; through
// Authorize it answers handlers and other services. It is safe for concurrent use.
type Guard struct {
	authorizer  Authorizer
	recorder    *audit.Governor
	sink        audit.AuditSink
	catalog     *audit.Catalog
	timeout     time.Duration
	enrich      func(ctx context.Context, r *Request) error
	unprotected []string
}

var (
	_ audit.Gate = (*Guard)(nil)
	_ Authorizer = (*Guard)(nil)
)

// New makes a Guard. Its catalogue must list the entries of [Actions].
func New(authorizer Authorizer, tx storage.Transactor, sink audit.AuditSink, catalog *audit.Catalog, config Config) (*Guard, error) {
	if authorizer == nil {
		return nil, errors.New("authz: no authorizer")
	}
	recorder, err := audit.NewGovernor(tx, audit.Ungated, sink, catalog)
	if err != nil {
		return nil, fmt.Errorf("authz: %w", err)
	}
	if _, ok := catalog.Lookup(ActionDecision); !ok {
		return nil, fmt.Errorf("authz: the catalogue does not list %q; add authz.Actions()", ActionDecision)
	}
	switch {
	case config.Timeout < 0:
		return nil, errors.New("authz: Config.Timeout is negative")
	case config.Timeout == 0:
		config.Timeout = DefaultTimeout
	}
	return &Guard{
		authorizer:  authorizer,
		recorder:    recorder,
		sink:        sink,
		catalog:     catalog,
		timeout:     config.Timeout,
		enrich:      config.Enrich,
		unprotected: slices.Clone(config.Unprotected),
	}, nil
}

// Check implements [audit.Gate]. The subject is whom the event's actor acts for,
// else the actor; the payload is what conditions read below /payload.
//
// The decision is recorded in the transaction of ctx, which is the change's. Where
// the answer could not be found, the verdict denies and the error is an
// *audit.DeniedError with the cause. A failure of the store itself, and the end of
// ctx, come back as they are: then nothing was decided and nothing recorded.
func (g *Guard) Check(ctx context.Context, e audit.Event) (audit.Verdict, error) {
	r, err := requestOf(e)
	var d Decision
	if err != nil {
		d, err = refused(err), nil
	} else {
		d, err = g.decide(ctx, r)
	}
	if err != nil && broken(ctx, err) {
		return audit.Verdict{}, err
	}
	record, rerr := decisionEvent(e, e.Action, e.Subject(), d)
	if rerr != nil {
		return audit.Verdict{}, rerr
	}
	if rerr := g.catalog.Complete(ctx, &record); rerr != nil {
		return audit.Verdict{}, rerr
	}
	if rerr := g.sink.Append(ctx, record); rerr != nil {
		return audit.Verdict{}, fmt.Errorf("authz: record the decision: %w", rerr)
	}
	d.ID = record.ID
	if err != nil {
		return d.Verdict(), &audit.DeniedError{Verdict: d.Verdict(), Err: err}
	}
	return d.Verdict(), nil
}

// Authorize implements [Authorizer]: it asks, settles, records, and answers a
// decision whose fields are all set. r.Time may be left empty and is then now.
//
// The record is made in the transaction of ctx or one of its own, under the actor of
// ctx; a ctx without one is [audit.ErrNoActor]. Where the Authorizer failed, the
// decision is a recorded Deny and the error is nil, as the caller shall only look at
// the decision; the cause is its Reason.Detail. A failure of the store is an error,
// and then the decision denies too.
func (g *Guard) Authorize(ctx context.Context, r Request) (Decision, error) {
	if r.Time.IsZero() {
		r.Time = g.catalog.Now()
	}
	actor, ok := audit.ActorFrom(ctx)
	if !ok {
		return refused(audit.ErrNoActor), audit.ErrNoActor
	}
	var d Decision
	var err error
	if err = r.Check(); err != nil {
		// There is nothing to record an ill-formed question under.
		return refused(err), nil
	}
	d, err = g.decide(ctx, r)
	if err != nil && broken(ctx, err) {
		return d, err
	}
	if d.Effect == audit.Allow && slices.Contains(g.unprotected, r.Action) {
		return d, nil
	}
	subject := audit.Actor{Type: r.Subject.Type, ID: r.Subject.ID, Authn: r.Authn}
	e := audit.Event{
		Tenant:   r.Tenant,
		Actor:    actor,
		Resource: audit.Resource{Type: r.Resource.Type, ID: r.Resource.ID},
	}
	record, err := decisionEvent(e, r.Action, subject, d)
	if err != nil {
		return Decision{}, err
	}
	record.ID = g.catalog.NewID()
	if err := g.recorder.Record(ctx, record); err != nil {
		return refused(err), fmt.Errorf("authz: record the decision: %w", err)
	}
	d.ID = record.ID
	return d, nil
}

// decide asks the authorizer. Whatever it returns, panics or fails with, the answer
// is a settled decision; the error is the cause of a denial, for operators.
func (g *Guard) decide(ctx context.Context, r Request) (Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	if g.enrich != nil {
		if err := contain(func() error { return g.enrich(ctx, &r) }); err != nil {
			return failed(ctx, err).Settle(r), err
		}
	}
	if err := r.Check(); err != nil {
		return refused(err).Settle(r), nil
	}
	var d Decision
	err := contain(func() (err error) {
		d, err = g.authorizer.Authorize(ctx, r)
		return err
	})
	if err != nil {
		return failed(ctx, err).Settle(r), err
	}
	return d.Settle(r), nil
}

// errPanic stands for a panic of an engine or a hook. What it panicked with may
// quote its input and never leaves.
var errPanic = errors.New("authz: the authorizer panicked")

func contain(fn func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return fn()
}

// failed is the denial for an error of the authorizer.
func failed(ctx context.Context, err error) Decision {
	code := CodePolicyUnavailable
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		code = CodeTimeout
	}
	reason := Explain(code)
	reason.Detail = err.Error()
	return Decision{Reason: reason}
}

// refused is the denial of an ill-formed request.
func refused(err error) Decision {
	reason := Explain(CodeInvalidInput)
	reason.Detail = err.Error()
	return Decision{Reason: reason}
}

// broken reports errors after which there is nothing to decide: the caller gave up,
// or the transaction of the change cannot be used.
func broken(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return true
	}
	for _, target := range []error{storage.ErrUnavailable, storage.ErrTxDone, storage.ErrTxBusy, storage.ErrForeignTx} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
