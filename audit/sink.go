package audit

import (
	"context"
	"errors"
)

// An AuditSink takes events in the transaction of the change they record.
//
// Append joins the transaction of ctx and only writes rows: whatever must reach the
// world happens after the commit, from those rows. An error undoes the change. Where
// ctx carries no transaction it keeps all events or, with an error, none.
// Appending an event whose Tenant, Source and ID are known already is a no-op. A
// sink must not keep or change the slices of an event.
type AuditSink interface {
	Append(ctx context.Context, events ...Event) error
}

// A Recorded sink can tell whether it holds an event. It is an optional power of
// an [AuditSink], found by type assertion. [Governor.Change] needs it to recognise a
// change that is repeated under its id, and without it makes that change again.
type Recorded interface {
	// Recorded reports whether the event is durable, or written in the transaction
	// of ctx. Asked inside a transaction it waits for every other one that asked for the
	// same, so that the answer holds until the transaction ends.
	Recorded(ctx context.Context, tenant, source, id string) (bool, error)
}

// Tee is the sink that appends to each of sinks in order. The first error ends it,
// and with it the change. Outside of a transaction each sink keeps events by itself, and
// those before the one that failed have kept theirs.
func Tee(sinks ...AuditSink) AuditSink { return tee(sinks) }

type tee []AuditSink

func (t tee) Append(ctx context.Context, events ...Event) error {
	for _, s := range t {
		if err := s.Append(ctx, events...); err != nil {
			return err
		}
	}
	return nil
}

// Recorded asks the first sink that can tell.
func (t tee) Recorded(ctx context.Context, tenant, source, id string) (bool, error) {
	for _, s := range t {
		if r, ok := s.(Recorded); ok {
			return r.Recorded(ctx, tenant, source, id)
		}
	}
	return false, nil
}

// Disabled is the sink that drops every event. A host that wants no audit says so
// by this name; a nil sink is an error.
var Disabled AuditSink = disabled{}

type disabled struct{}

func (disabled) Append(context.Context, ...Event) error { return nil }

var errNoSink = errors.New("audit: no sink; choose audit.Disabled by name to go without")
