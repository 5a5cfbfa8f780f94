package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// ContentType is the media type of every message's body: a structured CloudEvent.
const ContentType = "application/cloudevents+json"

// actionPrefix begins the actions of this package, and automationPrefix those of package
// automation. Events under them never become messages: a webhook about webhooks would
// feed itself, and one about runs would come back as an event of theirs.
const (
	actionPrefix     = "webhooks."
	automationPrefix = "automation."
)

// The kinds of jobs.
const (
	// kindDeliver makes the next attempt of a delivery.
	kindDeliver = "webhooks.deliver"
	// kindResume goes through the held deliveries of an endpoint.
	kindResume = "webhooks.resume"
)

// A Queue takes the jobs that the rows of this package ask for, in the transaction of
// ctx. *jobs.Queue is one.
type Queue interface {
	Enqueue(ctx context.Context, all ...jobs.Job) error
}

// An Encoder returns the body of an event: a structured CloudEvent in JSON. It is
// called once a message; package audit/cloudevent offers one.
type Encoder func(e audit.Event) ([]byte, error)

// OutboxConfig adjusts an [Outbox]. Its zero value feeds webhooks with the activity
// and domain events that succeeded.
type OutboxConfig struct {
	// Categories are those whose events become messages; empty is audit.Activity and
	// audit.Domain. Attempts that were denied, failed or wait for approval never do.
	Categories []audit.Category
	// Now and NewID default to the clock and [storage.NewID].
	Now   func() time.Time
	NewID func() string
}

// An Outbox is the audit.AuditSink that turns events into messages, deliveries and
// jobs, all of them rows in the transaction of the event. Nothing is sent before that
// transaction commits, and everything is once it has.
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
		return nil, errors.New("webhooks: an outbox needs a transactor, a store, a queue and an encoder")
	}
	if len(cfg.Categories) == 0 {
		cfg.Categories = []audit.Category{audit.Activity, audit.Domain}
	}
	cfg.Categories = slices.Clone(cfg.Categories)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = storage.NewID
	}
	return &Outbox{tx: tx, store: store, queue: queue, encode: encode, cfg: cfg}, nil
}

// Append implements audit.AuditSink: for each event that feeds webhooks it finds the
// enabled endpoints of the tenant that subscribe to its type and writes one message,
// one delivery an endpoint and their jobs. Endpoints are read in the transaction, so
// one that was disabled before the change gets nothing of it. An event without
// subscribers writes nothing; one whose message exists is a no-op.
func (o *Outbox) Append(ctx context.Context, events ...audit.Event) error {
	if !slices.ContainsFunc(events, o.feeds) {
		return nil
	}
	return o.tx.InTx(ctx, func(ctx context.Context) error {
		for _, e := range events {
			if !o.feeds(e) {
				continue
			}
			if err := o.fanOut(ctx, e); err != nil {
				return fmt.Errorf("webhooks: outbox: %w", err)
			}
		}
		return nil
	})
}

// feeds reports whether e becomes a message.
func (o *Outbox) feeds(e audit.Event) bool {
	return e.Outcome == audit.Success &&
		slices.Contains(o.cfg.Categories, e.Category) &&
		!strings.HasPrefix(e.Action, actionPrefix) && !strings.HasPrefix(e.Action, automationPrefix)
}

func (o *Outbox) fanOut(ctx context.Context, e audit.Event) error {
	endpoints, err := o.store.Subscribers(ctx, e.Tenant, audit.TypePatterns(e.Type))
	if err != nil || len(endpoints) == 0 {
		return err
	}
	body, err := o.encode(e)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	now := utc(o.cfg.Now())
	m := Message{
		ID: messageID(e.Tenant, e.Source, e.ID), Tenant: e.Tenant,
		EventSource: e.Source, EventID: e.ID, EventType: e.Type,
		Body: body, Trace: e.Trace, CreatedAt: now,
	}
	deliveries := make([]Delivery, len(endpoints))
	work := make([]jobs.Job, len(endpoints))
	for i, id := range endpoints {
		deliveries[i] = Delivery{
			ID: o.cfg.NewID(), Tenant: e.Tenant, MessageID: m.ID, EndpointID: id, EventType: e.Type,
			Status: Pending, NextAttemptAt: now, TraceID: e.Trace.TraceID, CreatedAt: now, UpdatedAt: now,
		}
		work[i] = deliverJob(deliveries[i], m.Trace.Traceparent())
	}
	fresh, err := o.store.InsertMessage(ctx, e.Tenant, m, deliveries)
	if err != nil || !fresh {
		return err
	}
	return o.queue.Enqueue(ctx, work...)
}

// deliverTask is the payload of a [kindDeliver] job. The round makes jobs of an
// earlier one void.
type deliverTask struct {
	Delivery string `json:"delivery"`
	Round    int    `json:"round"`
}

func deliverJob(d Delivery, traceparent string) jobs.Job {
	return jobs.Job{
		Tenant: d.Tenant, Lane: lane(d.EndpointID), Kind: kindDeliver, Due: d.NextAttemptAt,
		Payload: encode(deliverTask{Delivery: d.ID, Round: d.Round}), Trace: traceparent,
	}
}

// resumeTask is the payload of a [kindResume] job.
type resumeTask struct {
	Endpoint string `json:"endpoint"`
}

func resumeJob(tenant, endpointID, traceparent string) jobs.Job {
	return jobs.Job{
		Tenant: tenant, Lane: lane(endpointID), Kind: kindResume,
		Payload: encode(resumeTask{Endpoint: endpointID}), Trace: traceparent,
	}
}

// lane is what the jobs of an endpoint queue behind: its own lane, so that a slow
// receiver delays nobody else.
func lane(endpointID string) string { return "webhooks/" + endpointID }

// encode marshals values of this package's own plain types, which cannot fail.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// utc returns t as stores keep it: UTC with microseconds.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
