package automation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A Queue takes the jobs that the rows of this package ask for, in the transaction of
// ctx. *jobs.Queue is one.
type Queue interface {
	Enqueue(ctx context.Context, all ...jobs.Job) error
}

// An Encoder returns the body of an event: a structured CloudEvent in JSON. It is
// called once an event that some rule listens to; package audit/cloudevent offers one.
// Give webhooks the same one, and rules and subscribers see the same event.
type Encoder func(e audit.Event) ([]byte, error)

// OutboxConfig adjusts an [Outbox]. Its zero value starts rules of prod with the activity
// and domain events that succeeded.
type OutboxConfig struct {
	// Categories are those whose events start runs; empty is audit.Activity and
	// audit.Domain. Attempts that were denied, failed or wait for approval never do.
	Categories []audit.Category
	// Environment says which environment an event belongs to; nil says [Prod] of all.
	Environment func(e audit.Event) string
	// Signals says which events end the wait of a run, and how: the decision on a change
	// request does, under the id of the request. Key and Outcome are what it has to
	// fill in. Nil says of none.
	Signals func(e audit.Event) (Signal, bool)
	// Now and NewID default to the clock and [storage.NewID].
	Now   func() time.Time
	NewID func() string
}

// An Outbox is the audit.AuditSink that starts runs, and wakes those that wait for a
// decision: it writes rows in the transaction of the event, and a worker does the rest
// once that has committed.
type Outbox struct {
	tx     storage.Transactor
	store  Store
	queue  Queue
	encode Encoder
	cfg    OutboxConfig
}

var _ audit.AuditSink = (*Outbox)(nil)

// NewOutbox makes an Outbox. All but cfg are required.
func NewOutbox(tx storage.Transactor, store Store, queue Queue, encode Encoder, cfg OutboxConfig) (*Outbox, error) {
	if tx == nil || store == nil || queue == nil || encode == nil {
		return nil, errors.New("automation: an outbox needs a transactor, a store, a queue and an encoder")
	}
	if len(cfg.Categories) == 0 {
		cfg.Categories = []audit.Category{audit.Activity, audit.Domain}
	}
	cfg.Categories = slices.Clone(cfg.Categories)
	if cfg.Environment == nil {
		cfg.Environment = func(audit.Event) string { return Prod }
	}
	if cfg.Signals == nil {
		cfg.Signals = func(audit.Event) (Signal, bool) { return Signal{}, false }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = storage.NewID
	}
	return &Outbox{tx: tx, store: store, queue: queue, encode: encode, cfg: cfg}, nil
}

// Append implements audit.AuditSink. An event that no enabled rule listens to, and that
// is no signal, writes nothing; one that was appended before is a no-op. A signal is kept
// whether or not a run waits for it yet.
func (o *Outbox) Append(ctx context.Context, events ...audit.Event) error {
	var concern []audit.Event
	for _, e := range events {
		if _, signals := o.cfg.Signals(e); signals || o.feeds(e) {
			concern = append(concern, e)
		}
	}
	if len(concern) == 0 {
		return nil
	}
	return o.tx.InTx(ctx, func(ctx context.Context) error {
		for _, e := range concern {
			if err := o.append(ctx, e); err != nil {
				return fmt.Errorf("automation: outbox: %w", err)
			}
		}
		return nil
	})
}

// feeds reports whether e may start runs.
func (o *Outbox) feeds(e audit.Event) bool {
	return e.Outcome == audit.Success &&
		slices.Contains(o.cfg.Categories, e.Category) &&
		!strings.HasPrefix(e.Action, actionPrefix) && !strings.HasPrefix(e.Action, webhooksPrefix)
}

func (o *Outbox) append(ctx context.Context, e audit.Event) error {
	if s, ok := o.cfg.Signals(e); ok {
		if err := o.signal(ctx, e, s); err != nil {
			return err
		}
	}
	if !o.feeds(e) {
		return nil
	}
	return o.fire(ctx, e)
}

// signal stores a decision and wakes the run that waits for it.
func (o *Outbox) signal(ctx context.Context, e audit.Event, s Signal) error {
	s.ID, s.At, s.State = orDefault(s.ID, e.ID), orDefault(s.At, e.Time), SignalPending
	if s.TraceID = e.Trace.TraceID; e.Link.Valid() {
		s.TraceID = e.Link.TraceID
	}
	if err := s.check(); err != nil {
		return err
	}
	fresh, w, err := o.store.PutSignal(ctx, e.Tenant, s)
	switch {
	case err != nil || !fresh || w == nil:
		return err
	case !w.Waiting:
		return o.store.SetSignals(ctx, e.Tenant, s.Key, SignalLate, s.ID)
	}
	return o.queue.Enqueue(ctx, resumeJob(e.Tenant, w.RuleID, resumeTask{Run: w.RunID, Gen: w.Gen, Key: s.Key}, time.Time{}, e.Trace.Traceparent()))
}

// check reports what keeps a signal from being stored.
func (s *Signal) check() error {
	if err := storage.CheckID("/key", s.Key); err != nil {
		return err
	}
	if s.Outcome != Approved && s.Outcome != Declined && s.Outcome != Expired {
		return storage.Invalid("/outcome", "must be approved, declined or expired")
	}
	if len(s.Payload) > MaxOutput/2 {
		return storage.Invalid("/payload", "is longer than 128 KiB")
	}
	return nil
}

// fire asks for a run of every rule that listens to e.
func (o *Outbox) fire(ctx context.Context, e audit.Event) error {
	environment := o.cfg.Environment(e)
	rules, err := o.store.Listeners(ctx, e.Tenant, environment, audit.TypePatterns(e.Type))
	if err != nil || len(rules) == 0 {
		return err
	}
	body, err := o.encode(e)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	event := TriggerEvent{
		Key: eventKey(e.Tenant, e.Source, e.ID), Tenant: e.Tenant, Source: e.Source, ID: e.ID, Type: e.Type,
		Environment: environment, Body: body, Trace: e.Trace, Hops: e.Hops, CreatedAt: utc(o.cfg.Now()),
	}
	fresh, err := o.store.InsertEvent(ctx, e.Tenant, event)
	if err != nil || !fresh {
		return err
	}
	work := make([]jobs.Job, len(rules))
	for i, rule := range rules {
		work[i] = startJob(e.Tenant, startTask{Run: o.cfg.NewID(), Rule: rule, Event: event.Key}, e.Trace.Traceparent())
	}
	return o.queue.Enqueue(ctx, work...)
}

// eventKey derives the key of an event from what names it.
func eventKey(tenant, source, id string) string {
	h := sha256.New()
	for _, s := range []string{tenant, source, id} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return "evt_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// utc returns t as stores keep it: UTC with microseconds.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
