package approvals_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// Whoever acts as an author has a hand in the request from then on, under every
// identity that was used.
func TestWhoeverActedForAnAuthorDoesNotDecide(t *testing.T) {
	t.Parallel()
	mariaAsSam := maria
	mariaAsSam.ActingAs = "sam"
	samAsMarco := sam
	samAsMarco.ActingAs = "marco"
	content := approvals.Content{Payload: []byte(`{"amount":140}`), BaseRevision: "1"}
	for _, c := range []struct {
		name    string
		touch   func(t *testing.T, k *kit, id string) (approvals.Request, error)
		decider audit.Actor
	}{
		{"who asked once more in the name of an author", func(t *testing.T, k *kit, id string) (approvals.Request, error) {
			_, err := k.service.Cancel(as(t.Context(), sam), acme, id, "")
			must(t, err)
			return k.service.Rerequest(as(t.Context(), mariaAsSam), acme, id)
		}, maria},
		{"who revised in the name of an author", func(t *testing.T, k *kit, id string) (approvals.Request, error) {
			return k.service.Revise(as(t.Context(), mariaAsSam), acme, id, 1, content)
		}, maria},
		{"whom an author acted as when revising", func(t *testing.T, k *kit, id string) (approvals.Request, error) {
			return k.service.Revise(as(t.Context(), samAsMarco), acme, id, 1, content)
		}, marco},
		{"whom an author acted as when asking once more", func(t *testing.T, k *kit, id string) (approvals.Request, error) {
			_, err := k.service.Cancel(as(t.Context(), sam), acme, id, "")
			must(t, err)
			return k.service.Rerequest(as(t.Context(), samAsMarco), acme, id)
		}, marco},
		{"who asked again for the moved resource, acting as another", func(t *testing.T, k *kit, _ string) (approvals.Request, error) {
			moved := order(150)
			moved.BaseRevision = "2"
			_, err := k.refund.Do(as(t.Context(), samAsMarco), moved)
			var pending *approvals.PendingError
			if !errors.As(err, &pending) {
				return approvals.Request{}, err
			}
			return k.get(t, pending.RequestID), nil
		}, marco},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, eachtest.Memory(t), options{})
			r, err := c.touch(t, k, k.ask(t, 150).ID)
			must(t, err)
			_, err = k.decide(t, c.decider, r.ID, approvals.Approve)
			var refused *approvals.NotEligibleError
			if !errors.As(err, &refused) || refused.Code != approvals.CodeAuthor {
				t.Errorf("got %v, want the code %s", err, approvals.CodeAuthor)
			}
		})
	}
}

// Two approvals are two people: somebody and whoever acts as them are one.
func TestSomebodyAndWhoeverActsAsThemCountOnce(t *testing.T) {
	t.Parallel()
	mariaAsMarco := maria
	mariaAsMarco.ActingAs = "marco"
	for _, order := range [][]audit.Actor{{marco, mariaAsMarco}, {mariaAsMarco, marco}} {
		k := newKit(t, eachtest.Memory(t), stages(approvals.StageRule{Name: "s", Required: 2}))
		id := k.ask(t, 150).ID
		for _, who := range order {
			k.decide(t, who, id, approvals.Approve) // the second is refused or counts no more
		}
		k.expect(t, id, approvals.StateAwaitingApproval)
		_, err := k.decide(t, olivia, id, approvals.Approve)
		must(t, err)
		k.expect(t, id, approvals.StateApproved)
	}
}

// A step-up that was given for the approved change is none for whatever else its
// applier does, however long after.
func TestStepUpOfTheRequestServesNoOtherChange(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	needs := k.verdict
	k.verdict = func(e audit.Event) audit.Verdict {
		who := e.Subject()
		switch {
		case who.Authn == nil || e.Time.Sub(who.Authn.At) > 5*time.Minute:
			return audit.Verdict{Effect: audit.StepUp}
		case e.Action == "payouts.send":
			return audit.Verdict{Effect: audit.Allow}
		}
		return needs(e)
	}
	must(t, k.service.Register("prices.change", deviating{k, func(e *audit.Event) {
		e.Action, e.ID = "payouts.send", "another"
	}, true}))
	fresh := sam
	fresh.Authn = &audit.Authn{At: k.now()}
	_, err := k.governor.Change(as(t.Context(), fresh), audit.Event{
		Tenant: acme, Action: "prices.change", Resource: audit.Resource{Type: "order", ID: "order-1"}, Payload: []byte(`{"amount":150}`),
	}, func(context.Context, *audit.Event) error { return nil })
	var pending *approvals.PendingError
	if !errors.As(err, &pending) {
		t.Fatal(err)
	}
	k.advance(24 * time.Hour)
	_, err = k.decide(t, marco, pending.RequestID, approvals.Approve)
	must(t, err)
	k.work(t)
	if k.expect(t, pending.RequestID, approvals.StateFailed); len(k.refunded) != 0 {
		t.Errorf("changed %v under a step-up of yesterday", k.refunded)
	}
}

// A racingStore ends the open request just before it is locked, as another
// transaction may.
type racingStore struct {
	approvals.Store
	end func(ctx context.Context, r approvals.Request) error
}

func (s *racingStore) Open(ctx context.Context, tenant, key string) (approvals.Request, error) {
	r, err := s.Store.Open(ctx, tenant, key)
	if end := s.end; err == nil && end != nil {
		s.end = nil
		err = end(ctx, r)
	}
	return r, err
}

func TestAskingWhileTheOpenRequestEndsOpensAnother(t *testing.T) {
	t.Parallel()
	b := eachtest.Memory(t)
	k := newKit(t, racing{b, &racingStore{Store: b.Approvals()}}, options{})
	store := k.backend.Approvals().(*racingStore)
	first := k.ask(t, 150)
	store.end = func(ctx context.Context, r approvals.Request) error {
		_, err := k.service.Cancel(as(ctx, sam), acme, r.ID, "")
		return err
	}
	second := k.ask(t, 150)
	if second.ID == first.ID || second.State != approvals.StateAwaitingApproval {
		t.Errorf("was told to wait for a request that is %s", second.State)
	}
}

// racing is a backend with a racingStore.
type racing struct {
	eachtest.Backend
	store *racingStore
}

func (r racing) Approvals() approvals.Store { return r.store }
