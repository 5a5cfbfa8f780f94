package webhooks

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks/signing"
)

// Create registers an endpoint, enabled, and returns it with its signing secret. The
// secret is shown this once; the store keeps it sealed.
//
// Errors are those of audit.Governor.Change, a *storage.InvalidError for what is wrong
// with in, and a *storage.LimitError where the tenant has all it may, see [Quotas].
func (s *Service) Create(ctx context.Context, tenant string, in EndpointInput) (Endpoint, string, error) {
	in, err := s.checkInput(in)
	if err != nil {
		return Endpoint{}, "", err
	}
	now := s.now()
	e := in.onto(Endpoint{
		ID: orDefault(in.ID, s.cfg.NewID()), Tenant: tenant, Status: Enabled, Revision: 1, CreatedAt: now, UpdatedAt: now,
	})
	secret := signing.NewSecret()
	sealed, err := s.seal(ctx, tenant, e.ID, secret, now)
	if err != nil {
		return Endpoint{}, "", err
	}
	event := endpointEvent(ActionCreate, e)
	event.Payload, event.After = in.payload(), e.record()
	_, err = s.governor.Change(ctx, event, func(ctx context.Context, _ *audit.Event) error {
		if err := s.store.InsertEndpoint(ctx, tenant, e, sealed); err != nil {
			return err
		}
		return s.withinQuota(ctx, tenant)
	})
	if err != nil {
		return Endpoint{}, "", err
	}
	return e, secret, nil
}

// Get returns an endpoint. It is storage.ErrNotFound where the tenant has no such one.
func (s *Service) Get(ctx context.Context, tenant, id string) (Endpoint, error) {
	e, _, err := s.store.GetEndpoint(ctx, tenant, id, false)
	return e, err
}

// List returns the tenant's endpoints, in order of creation where q names no other.
func (s *Service) List(ctx context.Context, tenant string, q EndpointQuery) (storage.Page[Endpoint], error) {
	return s.store.ListEndpoints(ctx, tenant, q)
}

// Update replaces what a caller says of an endpoint; its status, secrets and health
// stay. revision is the one the update was made for, zero for whichever is current; a
// later one is storage.ErrConflict.
func (s *Service) Update(ctx context.Context, tenant, id string, revision int64, in EndpointInput) (Endpoint, error) {
	in, err := s.checkInput(in)
	if err != nil {
		return Endpoint{}, err
	}
	before, err := s.current(ctx, tenant, id, revision)
	if err != nil {
		return Endpoint{}, err
	}
	after := in.onto(before)
	return s.change(ctx, ActionUpdate, before, after, audit.Event{Payload: in.payload()}, nil)
}

// Delete removes an endpoint with its secrets. Deliveries that wait are cancelled;
// those that ended stay in the log. revision is as in [Service.Update].
func (s *Service) Delete(ctx context.Context, tenant, id string, revision int64) error {
	e, err := s.current(ctx, tenant, id, revision)
	if err != nil {
		return err
	}
	event := endpointEvent(ActionDelete, e)
	event.Before, event.BaseRevision = e.record(), strconv.FormatInt(e.Revision, 10)
	_, err = s.governor.Change(ctx, event, func(ctx context.Context, event *audit.Event) error {
		if err := s.store.DeleteEndpoint(ctx, tenant, id, e.Revision); err != nil {
			return err
		}
		// What is held has no job of its own that would find the endpoint gone.
		return s.queue.Enqueue(ctx, resumeJob(tenant, id, event.Trace.Traceparent()))
	})
	return err
}

// Disable switches an endpoint off: it gets no further message, and what it has
// waiting is held. reason is kept with it, [ReasonManual] where it is empty. Disabling
// a disabled endpoint does nothing, for those who may.
func (s *Service) Disable(ctx context.Context, tenant, id, reason string) (Endpoint, error) {
	if err := storage.CheckText("/reason", reason, storage.MaxID); err != nil {
		return Endpoint{}, err
	}
	before, err := s.Get(ctx, tenant, id)
	if err != nil {
		return Endpoint{}, err
	}
	if before.Status == Disabled {
		return s.unchanged(ctx, ActionDisable, before, reason)
	}
	after := before
	after.Status, after.DisabledReason = Disabled, orDefault(reason, ReasonManual)
	return s.change(ctx, ActionDisable, before, after, audit.Event{Reason: reason}, nil)
}

// Enable switches an endpoint on again with a clean bill of health, and resumes what
// was held. Messages of the time in between were never made for it. Enabling an
// enabled endpoint does nothing, for those who may.
func (s *Service) Enable(ctx context.Context, tenant, id string) (Endpoint, error) {
	before, err := s.Get(ctx, tenant, id)
	if err != nil {
		return Endpoint{}, err
	}
	if before.Status == Enabled {
		return s.unchanged(ctx, ActionEnable, before, "")
	}
	after := before
	after.Status, after.DisabledReason = Enabled, ""
	return s.change(ctx, ActionEnable, before, after, audit.Event{}, func(ctx context.Context, event *audit.Event) error {
		if err := s.store.SetHealth(ctx, tenant, id, Health{}); err != nil {
			return err
		}
		return s.queue.Enqueue(ctx, resumeJob(tenant, id, event.Trace.Traceparent()))
	})
}

// maxSecrets is how many secrets of an endpoint live at a time: each makes the header
// longer.
const maxSecrets = 11

// RotateSecret gives an endpoint a new signing secret and returns it, this once. The
// ones before sign beside it for [Config.RotateOverlap], so that the receiver can
// change over at any moment of that; at most ten of them do.
func (s *Service) RotateSecret(ctx context.Context, tenant, id string) (string, error) {
	before, err := s.Get(ctx, tenant, id)
	if err != nil {
		return "", err
	}
	now, secret := s.now(), signing.NewSecret()
	sealed, err := s.seal(ctx, tenant, id, secret, now)
	if err != nil {
		return "", err
	}
	_, err = s.change(ctx, ActionRotate, before, before, audit.Event{}, func(ctx context.Context, _ *audit.Event) error {
		// The update of the endpoint's revision holds its row.
		old, err := s.store.Secrets(ctx, tenant, id)
		if err != nil {
			return err
		}
		all := []Secret{sealed}
		for _, o := range live(old, now) {
			if end := now.Add(s.cfg.RotateOverlap); o.ExpiresAt.IsZero() || end.Before(o.ExpiresAt) {
				o.ExpiresAt = end
			}
			all = append(all, o)
		}
		return s.store.SetSecrets(ctx, tenant, id, all[:min(len(all), maxSecrets)])
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// change takes an endpoint from before to after through the governor. event brings
// what is particular; also, which may be nil, runs in the same transaction.
func (s *Service) change(ctx context.Context, action string, before, after Endpoint, event audit.Event,
	also func(ctx context.Context, event *audit.Event) error) (Endpoint, error) {
	after.Revision, after.UpdatedAt = before.Revision+1, s.now()
	named := endpointEvent(action, after)
	event.Tenant, event.Action, event.Resource = named.Tenant, named.Action, named.Resource
	event.Before, event.After, event.BaseRevision = before.record(), after.record(), strconv.FormatInt(before.Revision, 10)
	_, err := s.governor.Change(ctx, event, func(ctx context.Context, event *audit.Event) error {
		if err := s.store.UpdateEndpoint(ctx, after.Tenant, after, before.Revision); err != nil {
			return err
		}
		if also == nil {
			return nil
		}
		return also(ctx, event)
	})
	if err != nil {
		return Endpoint{}, err
	}
	return after, nil
}

// errUnchanged undoes what the gate of a change wrote that turned out to be none.
var errUnchanged = errors.New("nothing to change")

// unchanged answers with e as it is, if the gate allows what was asked: whoever may not
// switch an endpoint is refused whichever way it stands.
func (s *Service) unchanged(ctx context.Context, action string, e Endpoint, reason string) (Endpoint, error) {
	event := endpointEvent(action, e)
	event.Before, event.After, event.Reason = e.record(), e.record(), reason
	event.BaseRevision = strconv.FormatInt(e.Revision, 10)
	_, err := s.governor.Change(ctx, event, func(context.Context, *audit.Event) error { return errUnchanged })
	if !errors.Is(err, errUnchanged) {
		return Endpoint{}, err
	}
	return e, nil
}

// disable switches an endpoint off by the system itself, in the transaction of ctx,
// in which e was locked.
func (s *Service) disable(ctx context.Context, e Endpoint, reason string, now time.Time) error {
	after := e
	after.Status, after.DisabledReason = Disabled, reason
	after.Revision, after.UpdatedAt = e.Revision+1, now
	if err := s.store.UpdateEndpoint(ctx, e.Tenant, after, e.Revision); err != nil {
		return err
	}
	event := endpointEvent(ActionDisable, after)
	event.Category, event.Actor, event.Reason = audit.System, worker, reason
	event.Before, event.After, event.BaseRevision = e.record(), after.record(), strconv.FormatInt(e.Revision, 10)
	return s.governor.Record(ctx, event)
}

// worker is who acts where no person does.
var worker = audit.Actor{Type: audit.SystemActor, ID: "webhooks"}

func endpointEvent(action string, e Endpoint) audit.Event {
	return audit.Event{
		Tenant: e.Tenant, Action: action,
		Resource: audit.Resource{Type: ResourceEndpoint, ID: e.ID, Name: e.Description},
	}
}

// current returns an endpoint at revision, at any where that is zero.
func (s *Service) current(ctx context.Context, tenant, id string, revision int64) (Endpoint, error) {
	e, err := s.Get(ctx, tenant, id)
	if err == nil && revision != 0 && revision != e.Revision {
		return Endpoint{}, storage.ErrConflict
	}
	return e, err
}

// checkInput completes and checks in, and asks the Deliverer for its view of the URL.
func (s *Service) checkInput(in EndpointInput) (EndpointInput, error) {
	in, err := in.check()
	if err != nil {
		return in, err
	}
	checker, ok := s.deliverer.(URLChecker)
	if !ok {
		return in, nil
	}
	err = checker.CheckURL(in.URL)
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		var bad *storage.InvalidError
		for _, f := range invalid.Fields {
			bad = bad.Add("/url"+f.Pointer, f.Message)
		}
		return in, bad.Err()
	}
	return in, err
}

// onto returns e with what in says.
func (in EndpointInput) onto(e Endpoint) Endpoint {
	e.URL, e.EventTypes, e.Description, e.Timeout = in.URL, in.EventTypes, in.Description, in.Timeout
	return e
}

// Timeline implements correlation.Source: the deliveries of messages that a trace led
// to, the newest thousand, with their attempts.
func (s *Service) Timeline(ctx context.Context, tenant, traceID string) ([]correlation.Entry, error) {
	page, err := s.store.ListDeliveries(ctx, tenant, DeliveryQuery{TraceID: traceID, Limit: storage.MaxLimit})
	if err != nil {
		return nil, err
	}
	var entries []correlation.Entry
	for _, d := range page.Items {
		entries = append(entries, correlation.Entry{
			At: d.CreatedAt, Kind: correlation.KindDelivery, ID: d.ID, Summary: d.EventType + " to " + d.EndpointID + ": " + d.Status,
		})
		attempts, err := s.store.Attempts(ctx, tenant, d.ID)
		if err != nil {
			return nil, err
		}
		for _, a := range attempts {
			entries = append(entries, correlation.Entry{
				At: a.At, Kind: correlation.KindAttempt, ID: d.ID + "/" + strconv.Itoa(a.N), Summary: a.summary(),
			})
		}
	}
	return entries, nil
}

func (a Attempt) summary() string {
	text := "attempt " + strconv.Itoa(a.N) + ": " + a.Class
	if a.StatusCode != 0 {
		text += " (" + strconv.Itoa(a.StatusCode) + ")"
	}
	return text
}
