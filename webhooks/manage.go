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
// Where the input names no id, the gate is asked about a resource whose id follows from
// the URL, so that who asks again for a creation that waits for approval asks for the same.
// The event that is recorded has the id of the endpoint. How one that was approved is made,
// and who sees its secret then, is told at [Service.Apply].
//
// Errors are those of audit.Governor.Change, a *storage.InvalidError for what is wrong
// with in, and a *storage.LimitError where the tenant has all it may, see [Quotas].
func (s *Service) Create(ctx context.Context, tenant string, in EndpointInput) (Endpoint, string, error) {
	in, err := s.checkInput(in)
	if err != nil {
		return Endpoint{}, "", err
	}
	event := audit.Event{
		Tenant: tenant, Action: ActionCreate, Payload: in.payload(),
		Resource: audit.Resource{Type: ResourceEndpoint, ID: orDefault(in.ID, unmadeID(in.URL))},
	}
	return s.create(ctx, event, in)
}

// create makes the endpoint of a checked input under event, which lacks only what follows
// from the input.
func (s *Service) create(ctx context.Context, event audit.Event, in EndpointInput) (Endpoint, string, error) {
	now := s.now()
	e := in.onto(Endpoint{ID: in.ID, Tenant: event.Tenant, Status: Enabled, Revision: 1, CreatedAt: now, UpdatedAt: now})
	event.Resource.Name, event.Before, event.After = e.Description, nil, e.record()
	e.ID = orDefault(in.ID, s.cfg.NewID())
	secret := signing.NewSecret()
	sealed, err := s.seal(ctx, e.Tenant, e.ID, secret, now)
	if err != nil {
		return Endpoint{}, "", err
	}
	_, err = s.governor.Change(ctx, event, func(ctx context.Context, event *audit.Event) error {
		event.Resource.ID, event.After = e.ID, e.record()
		if err := s.store.InsertEndpoint(ctx, e.Tenant, e, sealed); err != nil {
			return err
		}
		return s.withinQuota(ctx, e.Tenant)
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
	in.ID = "" // which only creations have a use for
	in, err := s.checkInput(in)
	if err != nil {
		return Endpoint{}, err
	}
	before, err := s.current(ctx, tenant, id, revision)
	if err != nil {
		return Endpoint{}, err
	}
	event := endpointEvent(ActionUpdate, before)
	event.Payload = in.payload()
	return s.change(ctx, event, before, in.onto(before), nil)
}

// Delete removes an endpoint with its secrets. Deliveries that wait are cancelled;
// those that ended stay in the log. revision is as in [Service.Update].
func (s *Service) Delete(ctx context.Context, tenant, id string, revision int64) error {
	e, err := s.current(ctx, tenant, id, revision)
	if err != nil {
		return err
	}
	return s.remove(ctx, endpointEvent(ActionDelete, e), e)
}

// remove deletes e under event.
func (s *Service) remove(ctx context.Context, event audit.Event, e Endpoint) error {
	event.Resource.Name, event.Before, event.After = e.Description, e.record(), nil
	_, err := s.governor.Change(ctx, event, func(ctx context.Context, event *audit.Event) error {
		if err := s.store.DeleteEndpoint(ctx, e.Tenant, e.ID, e.Revision); err != nil {
			return err
		}
		// What is held has no job of its own that would find the endpoint gone.
		return s.queue.Enqueue(ctx, resumeJob(e.Tenant, e.ID, event.Trace.Traceparent()))
	})
	return err
}

// Disable switches an endpoint off: it gets no further message, and what it has
// waiting is held. reason is kept with it, [ReasonManual] where it is empty. Disabling
// a disabled endpoint does nothing, for those who may.
func (s *Service) Disable(ctx context.Context, tenant, id, reason string) (Endpoint, error) {
	if err := checkReason(reason); err != nil {
		return Endpoint{}, err
	}
	before, err := s.Get(ctx, tenant, id)
	if err != nil {
		return Endpoint{}, err
	}
	event := endpointEvent(ActionDisable, before)
	event.Reason = reason
	after, err := s.switchOff(ctx, event, before)
	return after, ignoreUnchanged(err)
}

// switchOff disables an endpoint under event, whose reason was checked. Where it is
// disabled already the answer is the endpoint as it is and errUnchanged.
func (s *Service) switchOff(ctx context.Context, event audit.Event, before Endpoint) (Endpoint, error) {
	if before.Status == Disabled {
		return s.unchanged(ctx, event, before)
	}
	after := before
	after.Status, after.DisabledReason = Disabled, orDefault(event.Reason, ReasonManual)
	return s.change(ctx, event, before, after, nil)
}

// checkReason refuses a reason that is longer than one an endpoint keeps.
func checkReason(reason string) error { return storage.CheckText("/reason", reason, storage.MaxID) }

// Enable switches an endpoint on again with a clean bill of health, and resumes what
// was held. Messages of the time in between were never made for it. Enabling an
// enabled endpoint does nothing, for those who may.
func (s *Service) Enable(ctx context.Context, tenant, id string) (Endpoint, error) {
	before, err := s.Get(ctx, tenant, id)
	if err != nil {
		return Endpoint{}, err
	}
	after, err := s.switchOn(ctx, endpointEvent(ActionEnable, before), before)
	return after, ignoreUnchanged(err)
}

// switchOn enables an endpoint under event. Where it is enabled already the answer is
// the endpoint as it is and errUnchanged.
func (s *Service) switchOn(ctx context.Context, event audit.Event, before Endpoint) (Endpoint, error) {
	if before.Status == Enabled {
		return s.unchanged(ctx, event, before)
	}
	after := before
	after.Status, after.DisabledReason = Enabled, ""
	return s.change(ctx, event, before, after, func(ctx context.Context, event *audit.Event) error {
		if err := s.store.SetHealth(ctx, after.Tenant, after.ID, Health{}); err != nil {
			return err
		}
		return s.queue.Enqueue(ctx, resumeJob(after.Tenant, after.ID, event.Trace.Traceparent()))
	})
}

// maxSecrets is how many secrets of an endpoint live at a time: each makes the header
// longer.
const maxSecrets = 11

// RotateSecret gives an endpoint a new signing secret and returns it, this once. The
// ones before sign beside it for [Config.RotateOverlap], so that the receiver can
// change over at any moment of that; at most ten of them do.
//
// A gate should not ask for approval of it, but for a step-up: whoever asks must be there
// to get the secret, so [Service.Apply] makes no rotation.
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
	_, err = s.change(ctx, endpointEvent(ActionRotate, before), before, before, func(ctx context.Context, _ *audit.Event) error {
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

// change takes an endpoint from before to after through the governor. event lacks only
// what follows from the two; also, which may be nil, runs in the same transaction.
func (s *Service) change(ctx context.Context, event audit.Event, before, after Endpoint,
	also func(ctx context.Context, event *audit.Event) error) (Endpoint, error) {
	after.Revision, after.UpdatedAt = before.Revision+1, s.now()
	event.Resource.Name, event.Before, event.After = after.Description, before.record(), after.record()
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

// errUnchanged reports a change that makes no difference. It undoes what the gate wrote.
var errUnchanged = errors.New("nothing to change")

// ignoreUnchanged takes errUnchanged for no error.
func ignoreUnchanged(err error) error {
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// unchanged answers with e as it is and errUnchanged, if the gate allows what was asked:
// whoever may not switch an endpoint is refused whichever way it stands.
func (s *Service) unchanged(ctx context.Context, event audit.Event, e Endpoint) (Endpoint, error) {
	event.Resource.Name, event.Before, event.After = e.Description, e.record(), e.record()
	_, err := s.governor.Change(ctx, event, func(context.Context, *audit.Event) error { return errUnchanged })
	if !errors.Is(err, errUnchanged) {
		return Endpoint{}, err
	}
	return e, err
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
	event := endpointEvent(ActionDisable, e)
	event.Category, event.Actor, event.Reason = audit.System, worker, reason
	event.Before, event.After = e.record(), after.record()
	return s.governor.Record(ctx, event)
}

// worker is who acts where no person does.
var worker = audit.Actor{Type: audit.SystemActor, ID: "webhooks"}

// endpointEvent begins the event of a change that is made for e as it is.
func endpointEvent(action string, e Endpoint) audit.Event {
	return audit.Event{
		Tenant: e.Tenant, Action: action, BaseRevision: strconv.FormatInt(e.Revision, 10),
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
		return in, below("/url", invalid)
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
