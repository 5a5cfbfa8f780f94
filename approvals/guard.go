package approvals

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// A Guard is an action of the host that is defined once and runs now, or when it is
// approved. T is its payload, a type that encoding/json writes and reads without loss.
type Guard[T any] struct {
	governor *audit.Governor
	action   string
	apply    func(ctx context.Context, e *audit.Event, payload T) error
	cfg      GuardConfig
}

// GuardConfig adjusts a [Guard]. Its zero value is ready for use.
type GuardConfig struct {
	// Revision returns the revision of a resource in the transaction of ctx. Where it
	// is set, a change made for another revision is storage.ErrConflict before it is
	// tried. Without it, apply has to find out by itself.
	Revision func(ctx context.Context, tenant string, resource audit.Resource) (string, error)
}

// NewGuard makes the Guard of an action and registers it with s. governor is the one
// whose gate is [Gate] of the same Service; apply makes the change in the transaction
// of ctx and may complete the event. It runs at most once a change. An action that the
// catalogue does not list is refused when it is done, not here.
func NewGuard[T any](governor *audit.Governor, s *Service, action string, apply func(ctx context.Context, e *audit.Event, payload T) error, cfg GuardConfig) (*Guard[T], error) {
	switch {
	case governor == nil:
		return nil, errors.New("approvals: no governor")
	case s == nil:
		return nil, errors.New("approvals: no service")
	case apply == nil:
		return nil, errors.New("approvals: no apply")
	}
	g := &Guard[T]{governor: governor, action: action, apply: apply, cfg: cfg}
	return g, s.Register(action, g)
}

// A Change is one use of a [Guard].
type Change[T any] struct {
	Tenant   string
	Resource audit.Resource
	Payload  T
	// BaseRevision is the revision of the resource that the change is made for.
	BaseRevision string
	// Before and After are the resource around the change, JSON or nil. The people
	// who decide see them.
	Before, After json.RawMessage
	Reason        string
	// ID is the id of the event and makes the change repeatable. Empty is a fresh one.
	ID string
	// Source is the event's source, empty for the catalogue's.
	Source string
	// Metadata is a JSON object to keep with the event, or nil.
	Metadata json.RawMessage
}

// Do makes a change, or has it wait for approval. Who acts comes from ctx.
//
// The errors are those of audit.Governor.Change: a [PendingError] names the request
// that was opened, an audit.DeniedError and an audit.StepUpError carry the verdict,
// and audit.ErrAlreadyRecorded reports an ID that is done. A payload without a
// canonical form is a *storage.InvalidError.
func (g *Guard[T]) Do(ctx context.Context, c Change[T]) (audit.Event, error) {
	e, err := g.Event(c)
	if err != nil {
		return e, err
	}
	return g.governor.Change(ctx, e, func(ctx context.Context, e *audit.Event) error {
		if err := g.checkBase(ctx, e); err != nil {
			return err
		}
		return g.apply(ctx, e, c.Payload)
	})
}

// Event returns the event of a change as [Guard.Do] hands it to the Governor, for
// [Service.Draft].
func (g *Guard[T]) Event(c Change[T]) (audit.Event, error) {
	raw, err := json.Marshal(c.Payload)
	if err != nil {
		return audit.Event{}, fmt.Errorf("approvals: payload of %q: %w", g.action, err)
	}
	if raw, err = canonical(raw); err != nil {
		return audit.Event{}, err
	}
	return audit.Event{
		ID: c.ID, Source: c.Source, Tenant: c.Tenant, Action: g.action, Resource: c.Resource, Payload: raw,
		BaseRevision: c.BaseRevision, Before: c.Before, After: c.After, Reason: c.Reason, Metadata: c.Metadata,
	}, nil
}

// checkBase reports a resource that is not at the revision the change was made for.
func (g *Guard[T]) checkBase(ctx context.Context, e *audit.Event) error {
	if g.cfg.Revision == nil {
		return nil
	}
	current, err := g.cfg.Revision(ctx, e.Tenant, e.Resource)
	if err != nil {
		return err
	}
	if current != e.BaseRevision {
		return fmt.Errorf("%w: %s %q moved to another revision", storage.ErrConflict, e.Resource.Type, e.Resource.ID)
	}
	return nil
}

// Apply implements [Applier]. The output is the resource after the change.
func (g *Guard[T]) Apply(ctx context.Context, a Approved) (Result, error) {
	payload, err := g.decode(a.Event.Payload)
	if err != nil {
		return Result{}, err
	}
	e, err := g.governor.Change(ctx, a.Event, func(ctx context.Context, e *audit.Event) error {
		if err := g.checkBase(ctx, e); err != nil {
			return err
		}
		return g.apply(ctx, e, payload)
	})
	return Result{Output: e.After}, err
}

// CheckPayload implements [Checker].
func (g *Guard[T]) CheckPayload(_ context.Context, payload json.RawMessage) error {
	_, err := g.decode(payload)
	return err
}

// decode reads a payload that says nothing but what T says: written again it is the
// same. So keys that T does not know, keys that differ in case only, and values that
// T would round are refused, whatever a reader of the request saw in them.
func (g *Guard[T]) decode(payload json.RawMessage) (v T, err error) {
	seen, err := canonical(payload)
	if err != nil {
		return v, err
	}
	d := json.NewDecoder(bytes.NewReader(seen))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, storage.Invalid("/payload", "is not a payload of this action")
	}
	again, err := json.Marshal(v)
	if err != nil {
		return v, storage.Invalid("/payload", "is not a payload of this action")
	}
	if again, err = canonical(again); err != nil {
		return v, err
	}
	if !bytes.Equal(seen, again) {
		return v, storage.Invalid("/payload", "says more than a payload of this action can")
	}
	return v, nil
}

var (
	_ Applier = (*Guard[struct{}])(nil)
	_ Checker = (*Guard[struct{}])(nil)
)
