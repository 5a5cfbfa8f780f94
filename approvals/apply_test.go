package approvals_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestHowApplyingFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		fail func(k *kit)
		code string // empty where another attempt is due
	}{
		{"the resource moved", func(k *kit) { k.revision = "2" }, approvals.FailedConflict},
		{"the applier finds a conflict", failing(storage.ErrConflict), approvals.FailedConflict},
		{"the resource is gone", failing(storage.ErrNotFound), approvals.FailedConflict},
		{"the applier finds the payload wrong", failing(storage.Invalid("/payload/amount", "is more than is left")), approvals.FailedInvalid},
		{"the tenant has as many as it may", failing(&storage.LimitError{What: "endpoints", Limit: 5}), approvals.FailedLimit},
		{"the applier gives up for good", failing(approvals.Permanent(errors.New("the card is gone"))), approvals.FailedApplier},
		{"the gate denies by now", func(k *kit) { k.verdict = always2(audit.Verdict{Reason: audit.Reason{Code: "left"}}) }, approvals.FailedDenied},
		{"the gate asks for a step-up that nobody gave", func(k *kit) { k.verdict = always2(audit.Verdict{Effect: audit.StepUp}) }, approvals.FailedDenied},
		{"the gate asks for another approval by now", func(k *kit) {
			k.verdict = always2(audit.Verdict{Effect: audit.NeedsApproval, Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{Policy: "strict"}}})
		}, approvals.FailedDenied},
		{"something that may pass", failing(errors.New("the payment provider is away")), ""},
		{"the gate cannot say", func(k *kit) { k.gateErr = errors.New("policy away") }, ""},
		{"a panic", func(k *kit) { k.fail = func(int) error { panic("nil map") } }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, eachtest.Memory(t), options{})
			id := k.approved(t)
			c.fail(k)
			_, err := k.service.Apply(t.Context(), acme, id)
			if c.code == "" {
				if err == nil {
					t.Error("got no error, want one that says to try again")
				}
				k.expect(t, id, approvals.StateApplying)
				k.fail, k.gateErr = nil, nil
				k.work(t)
				if k.expect(t, id, approvals.StateApplied); !slices.Equal(k.refunded, []int{150}) {
					t.Errorf("refunded %v, want 150 once", k.refunded)
				}
				return
			}
			must(t, err)
			r := k.expect(t, id, approvals.StateFailed)
			if r.Failure == nil || r.Failure.Code != c.code || r.Failure.Text == "" {
				t.Errorf("failure %+v, want %s", r.Failure, c.code)
			}
			if len(k.refunded) != 0 || len(k.log.find("orders.refund", audit.Success)) != 0 {
				t.Errorf("refunded %v although it failed", k.refunded)
			}
			failed := k.log.find("approvals.request.failed", audit.Failure)
			if len(failed) != 1 || failed[0].Reason != c.code {
				t.Errorf("recorded %+v", failed)
			}
			denied := k.log.find("orders.refund", audit.Denied)
			if want := c.code == approvals.FailedDenied; want != (len(denied) == 1 && denied[0].ApprovalID == id) {
				t.Errorf("denied attempts %+v, want one: %v", denied, want)
			}
		})
	}
}

func failing(err error) func(*kit) {
	return func(k *kit) { k.fail = func(int) error { return err } }
}

func always2(v audit.Verdict) func(audit.Event) audit.Verdict {
	return func(audit.Event) audit.Verdict { return v }
}

func TestAttemptsAreUsedUp(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{config: approvals.Config{ApplyAttempts: 3}})
	id := k.approved(t)
	k.fail = func(int) error { return errors.New("away") }
	for range 5 {
		k.work(t)
		k.advance(time.Second)
	}
	if r := k.expect(t, id, approvals.StateFailed); r.Failure.Code != approvals.FailedAttempts || k.attempts != 3 {
		t.Errorf("failure %+v after %d attempts, want 3", r.Failure, k.attempts)
	}
}

func TestFailureNamesNoInternals(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	id := k.approved(t)
	k.fail = func(int) error { return approvals.Permanent(errors.New("dial tcp 10.0.0.1: refused")) }
	_, err := k.service.Apply(t.Context(), acme, id)
	must(t, err)
	_, h, err := k.service.Get(t.Context(), acme, id)
	must(t, err)
	raw, err := json.Marshal([]any{k.get(t, id), h, k.log.events})
	must(t, err)
	if strings.Contains(string(raw), "10.0.0.1") {
		t.Error("the request or its events name the applier's error")
	}
}

// An applier that changes something without its gate.
type ungoverned struct{ k *kit }

func (u ungoverned) Apply(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
	return approvals.Result{}, u.k.apply(ctx, &a.Event, refund{1})
}

func TestApplierCannotGoAroundItsGate(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	must(t, k.service.Register("prices.change", ungoverned{k}))
	id := k.askFor(t, "prices.change")
	_, err := k.service.Apply(t.Context(), acme, id)
	must(t, err)
	if r := k.expect(t, id, approvals.StateFailed); r.Failure.Code != approvals.FailedUngoverned || len(k.refunded) != 0 {
		t.Errorf("failure %+v, changed %v", r.Failure, k.refunded)
	}
}

// askFor has sam's change of an action approved by marco.
func (k *kit) askFor(t *testing.T, action string) string {
	t.Helper()
	_, err := k.governor.Change(as(t.Context(), sam), audit.Event{
		Tenant: acme, Action: action, Resource: audit.Resource{Type: "order", ID: "order-1"}, Payload: []byte(`{"amount":150}`),
	}, nil)
	var pending *approvals.PendingError
	if !errors.As(err, &pending) {
		t.Fatal(err)
	}
	_, err = k.decide(t, marco, pending.RequestID, approvals.Approve)
	must(t, err)
	return pending.RequestID
}

// An applier that makes other changes than the approved one under its grant.
type deviating struct {
	k      *kit
	change func(e *audit.Event)
	also   bool // after the approved one
}

func (d deviating) Apply(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
	done := func(context.Context, *audit.Event) error { return nil }
	if d.also {
		if _, err := d.k.governor.Change(ctx, a.Event, done); err != nil {
			return approvals.Result{}, err
		}
	}
	e := a.Event
	d.change(&e)
	_, err := d.k.governor.Change(ctx, e, func(ctx context.Context, e *audit.Event) error {
		return d.k.apply(ctx, e, refund{999})
	})
	return approvals.Result{}, err
}

func TestGrantCoversNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(e *audit.Event)
		also   bool
	}{
		{"another payload", func(e *audit.Event) { e.Payload = []byte(`{"amount":999}`) }, false},
		{"another resource", func(e *audit.Event) { e.Resource.ID = "order-2" }, false},
		{"another type of resource", func(e *audit.Event) { e.Resource.Type = "store" }, false},
		{"another action", func(e *audit.Event) { e.Action = "payouts.send" }, false},
		{"another base revision", func(e *audit.Event) { e.BaseRevision = "9" }, false},
		{"another tenant", func(e *audit.Event) { e.Tenant = "bloom" }, false},
		{"another event id", func(e *audit.Event) { e.ID = "e-2" }, false},
		{"the same change twice", func(*audit.Event) {}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, eachtest.Memory(t), options{})
			must(t, k.service.Register("prices.change", deviating{k, c.change, c.also}))
			id := k.askFor(t, "prices.change")
			_, err := k.service.Apply(t.Context(), acme, id)
			must(t, err)
			if r := k.expect(t, id, approvals.StateFailed); r.Failure.Code != approvals.FailedDenied || len(k.refunded) != 0 {
				t.Errorf("failure %+v, changed %v", r.Failure, k.refunded)
			}
		})
	}
}

func TestGrantInARequestsContextGivesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	var kept context.Context
	must(t, k.service.Register("prices.change", keeping{k, &kept}))
	id := k.askFor(t, "prices.change")
	_, err := k.service.Apply(t.Context(), acme, id)
	must(t, err)
	k.expect(t, id, approvals.StateApplied)
	// A ctx that outlives its application still carries the grant, which is used up.
	r := k.get(t, id)
	_, err = k.governor.Change(storage.Detach(kept), audit.Event{
		ID: r.EventID, Tenant: acme, Action: r.Action, Resource: r.Resource, Payload: r.Payload, Actor: marco,
	}, func(ctx context.Context, e *audit.Event) error { return k.apply(ctx, e, refund{1}) })
	if !errors.Is(err, audit.ErrDenied) || len(k.refunded) != 0 {
		t.Errorf("got %v, refunded %v, want a denial", err, k.refunded)
	}
}

type keeping struct {
	k    *kit
	kept *context.Context
}

func (a keeping) Apply(ctx context.Context, approved approvals.Approved) (approvals.Result, error) {
	*a.kept = ctx
	_, err := a.k.governor.Change(ctx, approved.Event, func(context.Context, *audit.Event) error { return nil })
	return approvals.Result{}, err
}

func TestStepUpThatTheRequesterGaveCountsAtApply(t *testing.T) {
	t.Parallel()
	const maxAge = 5 * time.Minute
	k := newKit(t, eachtest.Memory(t), options{})
	needs := k.verdict
	k.verdict = func(e audit.Event) audit.Verdict {
		who := e.Subject()
		if who.Authn == nil || e.Time.Sub(who.Authn.At) > maxAge {
			return audit.Verdict{Effect: audit.StepUp}
		}
		return needs(e)
	}
	if _, err := k.refund.Do(as(t.Context(), sam), order(150)); !errors.Is(err, audit.ErrStepUp) {
		t.Fatalf("without step-up got %v", err)
	}
	fresh := sam
	fresh.Authn = &audit.Authn{At: k.now()}
	_, err := k.refund.Do(as(t.Context(), fresh), order(150))
	var pending *approvals.PendingError
	if !errors.As(err, &pending) {
		t.Fatal(err)
	}
	k.advance(24 * time.Hour)
	_, err = k.decide(t, marco, pending.RequestID, approvals.Approve)
	must(t, err)
	k.work(t)
	k.expect(t, pending.RequestID, approvals.StateApplied)
	if e := k.log.find("orders.refund", audit.Success)[0]; !e.Time.Equal(k.now()) {
		t.Errorf("the change is recorded at %v, want when it happened", e.Time)
	}
}

func TestGateReusesTheOpenRequest(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{})
		first := k.ask(t, 150)
		if again := k.ask(t, 150); again.ID != first.ID || again.Version != first.Version {
			t.Errorf("asking again made %s at version %d", again.ID, again.Version)
		}
		if other := k.ask(t, 160); other.ID == first.ID {
			t.Error("another payload found the same request")
		}
		_, err := k.refund.Do(as(t.Context(), maria), order(150))
		var pending *approvals.PendingError
		if !errors.As(err, &pending) || pending.RequestID == first.ID {
			t.Errorf("another person got %v", err)
		}
		_, err = k.service.Cancel(as(t.Context(), sam), acme, first.ID, "")
		must(t, err)
		if next := k.ask(t, 150); next.ID == first.ID {
			t.Error("an ended request was found")
		}
	})
}

func TestConcurrentAskersShareOneRequest(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{})
		const n = 8
		errs := make(chan error, n)
		for range n {
			go func() { _, err := k.refund.Do(as(context.Background(), sam), order(150)); errs <- err }()
		}
		ids := map[string]bool{}
		for range n {
			var pending *approvals.PendingError
			if err := <-errs; errors.As(err, &pending) {
				ids[pending.RequestID] = true
			} else {
				t.Errorf("got %v, want a PendingError", err)
			}
		}
		if counts, err := k.service.Counts(t.Context(), acme); err != nil || len(ids) != 1 || counts[approvals.TabPending] != 1 {
			t.Errorf("%d requests answered, counts %v, %v", len(ids), counts, err)
		}
	})
}

func TestAskingAgainAfterTheResourceMovedRevises(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	id := k.approved(t)
	k.revision = "2"
	c := order(150)
	c.BaseRevision = "2"
	_, err := k.refund.Do(as(t.Context(), sam), c)
	var pending *approvals.PendingError
	if !errors.As(err, &pending) || pending.RequestID != id {
		t.Fatalf("got %v, want the request %s", err, id)
	}
	if r := k.expect(t, id, approvals.StateAwaitingApproval); r.Revision != 2 || r.BaseRevision != "2" {
		t.Errorf("revision %d at base %s", r.Revision, r.BaseRevision)
	}
	k.work(t) // the job of the approved revision finds nothing to do
	k.expect(t, id, approvals.StateAwaitingApproval)
	_, err = k.decide(t, marco, id, approvals.Approve)
	must(t, err)
	k.work(t)
	if k.expect(t, id, approvals.StateApplied); !slices.Equal(k.refunded, []int{150}) {
		t.Errorf("refunded %v", k.refunded)
	}
}

func TestGatePassesOtherAnswersThrough(t *testing.T) {
	t.Parallel()
	away := errors.New("policy away")
	for _, c := range []struct {
		name    string
		verdict audit.Verdict
		err     error
		want    error
	}{
		{"allow", audit.Verdict{Effect: audit.Allow}, nil, nil},
		{"deny", audit.Verdict{}, nil, audit.ErrDenied},
		{"step-up", audit.Verdict{Effect: audit.StepUp}, nil, audit.ErrStepUp},
		{"an error", audit.Verdict{Effect: audit.NeedsApproval}, away, audit.ErrDenied},
		{"a policy that does not exist", audit.Verdict{Effect: audit.NeedsApproval, Obligations: audit.Obligations{
			Approval: &audit.ApprovalObligation{Policy: "no such"},
		}}, nil, audit.ErrDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, eachtest.Memory(t), options{})
			gate := approvals.Gate(audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) { return c.verdict, c.err }), k.service)
			g, err := audit.NewGovernor(k.backend, gate, k.log, k.catalog)
			must(t, err)
			e, err := k.refund.Event(order(150))
			must(t, err)
			_, err = g.Change(as(t.Context(), sam), e, func(context.Context, *audit.Event) error { return nil })
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, c.want)
			}
			counts, err := k.service.Counts(t.Context(), acme)
			must(t, err)
			if counts[approvals.TabPending] != 0 {
				t.Error("a request was opened")
			}
		})
	}
}

func TestPolicyThatNobodyCanSatisfyIsDenied(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), stages(approvals.StageRule{Name: "s", Users: []string{"sam", "marco"}, Required: 2}))
	_, err := k.refund.Do(as(t.Context(), sam), order(150))
	var denied *audit.DeniedError
	if !errors.As(err, &denied) || denied.Verdict.Reason.Code != "approval_infeasible" {
		t.Errorf("got %v, want a denial that says why", err)
	}
}

func TestPendingAttemptIsRecordedWithItsRequest(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	r := k.ask(t, 150)
	e := k.log.find("orders.refund", audit.Pending)
	if len(e) != 1 || e[0].ApprovalID != r.ID || e[0].ID == r.EventID || e[0].DecisionID != "decision-1" {
		t.Errorf("recorded %+v", e)
	}
	if r.Cause.DecisionID != "decision-1" || r.Cause.Reason.Code != "amount_above_limit" || r.Cause.Rules[0] != "refund-limit" {
		t.Errorf("the request's cause is %+v", r.Cause)
	}
}

func TestExpiryHappensOnceAndMayBeAskedAgain(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{config: approvals.Config{Policies: map[string]approvals.Policy{"": {Timeout: time.Hour}}}})
		id := k.ask(t, 150).ID
		k.advance(time.Hour - time.Microsecond)
		k.work(t)
		k.expect(t, id, approvals.StateAwaitingApproval)
		k.advance(time.Microsecond)
		if _, err := k.decide(t, marco, id, approvals.Approve); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a decision at the timeout got %v although its timer is late", err)
		}
		job, ok := k.queue.due(k.now())
		if !ok || job.Kind != "approvals.expire" {
			t.Fatalf("due is %+v", job)
		}
		errs := make(chan error, 2)
		for range 2 { // two workers with the same job
			go func() { errs <- k.service.Work(context.Background(), job, &settled{}) }()
		}
		must(t, errors.Join(<-errs, <-errs))
		k.expect(t, id, approvals.StateExpired)
		if n := len(k.log.find("approvals.request.expired", audit.Success)); n != 1 {
			t.Errorf("expired %d times", n)
		}
		again, err := k.service.Rerequest(as(t.Context(), sam), acme, id)
		must(t, err)
		if again.PreviousID != id || again.ID == id || again.State != approvals.StateAwaitingApproval || again.EventID == k.get(t, id).EventID {
			t.Errorf("asked again %+v", again)
		}
		_, err = k.decide(t, marco, again.ID, approvals.Approve)
		must(t, err)
		k.work(t)
		if k.expect(t, again.ID, approvals.StateApplied); !slices.Equal(k.refunded, []int{150}) {
			t.Errorf("refunded %v", k.refunded)
		}
	})
}

func TestAskingAgainAfterALateTimeoutOpensAnother(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{})
		first := k.ask(t, 150)
		k.advance(approvals.DefaultTimeout)
		second := k.ask(t, 150) // no timer has fired
		if second.ID == first.ID {
			t.Fatal("found a request whose time is up")
		}
		k.expect(t, first.ID, approvals.StateExpired)
		k.work(t)
		k.expect(t, second.ID, approvals.StateAwaitingApproval)
	})
}

func TestTimerOfAnEarlierRevisionChangesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	id := k.ask(t, 150).ID
	k.advance(approvals.DefaultTimeout - time.Hour)
	_, err := k.service.Revise(as(t.Context(), sam), acme, id, 1, approvals.Content{Payload: []byte(`{"amount":160}`), BaseRevision: "1"})
	must(t, err)
	k.advance(time.Hour)
	k.work(t)
	k.expect(t, id, approvals.StateAwaitingApproval)
	k.advance(approvals.DefaultTimeout)
	k.work(t)
	k.expect(t, id, approvals.StateExpired)
}

func TestApproverIsAskedWhenItsStageOpens(t *testing.T) {
	t.Parallel()
	yes := approvals.Answer{Decision: approvals.Approve}
	for _, c := range []struct {
		name   string
		answer approvals.Answer
		fails  int
		want   approvals.State
		asked  int
	}{
		{"and approves at once", yes, 0, approvals.StateApplied, 1},
		{"and declines at once", approvals.Answer{Decision: approvals.Decline, Comment: "too risky"}, 0, approvals.StateRejected, 1},
		{"and answers later", approvals.Answer{}, 0, approvals.StateAwaitingApproval, 1},
		{"and fails at first", yes, 2, approvals.StateApplied, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			o := stages(approvals.StageRule{Name: "people", Roles: []string{"manager"}}, approvals.StageRule{Name: "risk", Approver: "risk"})
			o.config.Approvers = map[string]approvals.Approver{"risk": approvals.ApproverFunc(func(_ context.Context, s approvals.StageOpen) (approvals.Answer, error) {
				if asked++; asked <= c.fails {
					return approvals.Answer{}, errors.New("risk is away")
				}
				if s.Stage != 1 || s.Request.Stages[s.Stage].Name != "risk" {
					t.Errorf("asked about %+v", s)
				}
				return c.answer, nil
			})}
			k := newKit(t, eachtest.Memory(t), o)
			id := k.ask(t, 150).ID
			if k.work(t); asked != 0 {
				t.Fatal("asked before its stage opened")
			}
			_, err := k.decide(t, marco, id, approvals.Approve)
			must(t, err)
			for range 4 {
				k.work(t)
				k.advance(time.Second)
			}
			if k.expect(t, id, c.want); asked != c.asked {
				t.Errorf("asked %d times, want %d", asked, c.asked)
			}
		})
	}
}

func TestThreeActionsUseOneAPI(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{})
		k.verdict = always2(audit.Verdict{Effect: audit.NeedsApproval})
		var done []string
		type price struct {
			SKU   string `json:"sku"`
			Cents int64  `json:"cents"`
		}
		type payout struct {
			To string `json:"to"`
		}
		prices, err := approvals.NewGuard(k.governor, k.service, "prices.change", func(ctx context.Context, _ *audit.Event, p price) error {
			storage.AfterCommit(ctx, func() { done = append(done, p.SKU) })
			return nil
		}, approvals.GuardConfig{})
		must(t, err)
		payouts, err := approvals.NewGuard(k.governor, k.service, "payouts.send", func(ctx context.Context, _ *audit.Event, p payout) error {
			storage.AfterCommit(ctx, func() { done = append(done, p.To) })
			return nil
		}, approvals.GuardConfig{})
		must(t, err)
		ctx := as(t.Context(), sam)
		_, one := k.refund.Do(ctx, order(5))
		_, two := prices.Do(ctx, approvals.Change[price]{Tenant: acme, Resource: audit.Resource{Type: "product", ID: "p"}, Payload: price{"mug", 900}})
		_, three := payouts.Do(ctx, approvals.Change[payout]{Tenant: acme, Resource: audit.Resource{Type: "payout", ID: "q"}, Payload: payout{"bank"}})
		for _, err := range []error{one, two, three} {
			var pending *approvals.PendingError
			if !errors.As(err, &pending) {
				t.Fatal(err)
			}
			_, err := k.decide(t, marco, pending.RequestID, approvals.Approve)
			must(t, err)
			k.work(t)
			r := k.expect(t, pending.RequestID, approvals.StateApplied)
			if n := len(k.log.find(r.Action, audit.Success)); n != 1 {
				t.Errorf("%s recorded %d times", r.Action, n)
			}
		}
		if !slices.Equal(done, []string{"mug", "bank"}) || !slices.Equal(k.refunded, []int{5}) {
			t.Errorf("done %v and refunded %v", done, k.refunded)
		}
		for _, verb := range []string{"submitted", "approved", "started", "applied"} {
			if n := len(k.log.find("approvals.request."+verb, audit.Success)); n != 3 {
				t.Errorf("%d events %q for three requests", n, verb)
			}
		}
	})
}

func TestGuardRunsNowWhereNobodyNeedsToAgree(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	c := order(50)
	c.ID = "e-1"
	e, err := k.refund.Do(as(t.Context(), sam), c)
	must(t, err)
	if e.ID != "e-1" || string(e.After) != `{"refunded":50}` || !slices.Equal(k.refunded, []int{50}) {
		t.Errorf("event %+v, refunded %v", e, k.refunded)
	}
	c.BaseRevision = "0"
	c.ID = ""
	if _, err := k.refund.Do(as(t.Context(), sam), c); !errors.Is(err, storage.ErrConflict) || len(k.refunded) != 1 {
		t.Errorf("a change for a revision that is gone got %v", err)
	}
}

func TestTimelineTellsBothTraces(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{})
		r := k.ask(t, 150)
		k.advance(time.Second)
		_, err := k.decide(t, marco, r.ID, approvals.Approve)
		must(t, err)
		k.advance(time.Second)
		k.work(t)
		summaries := func(trace string) (all []string) {
			entries, err := k.service.Timeline(t.Context(), acme, trace)
			must(t, err)
			for _, e := range entries {
				if e.Kind != "approval" || e.ID != r.ID || e.At.IsZero() {
					t.Errorf("entry %+v", e)
				}
				all = append(all, e.Summary)
			}
			return all
		}
		want := []string{
			"Sam asked for approval of orders.refund of order order-1",
			"Marco approved orders.refund of order order-1",
			"applying orders.refund of order order-1 began",
			"orders.refund of order order-1 was applied on behalf of Sam",
		}
		if got := summaries(r.Trace.TraceID); !slices.Equal(got, want) {
			t.Errorf("under the request's trace\n got %q\nwant %q", got, want)
		}
		_, h, err := k.service.Get(t.Context(), acme, r.ID)
		must(t, err)
		if got := summaries(h.Decisions[0].Trace.TraceID); !slices.Equal(got, want[1:]) {
			t.Errorf("under the approver's trace\n got %q\nwant %q", got, want[1:])
		}
		if got := summaries(strings.Repeat("ab", 16)); len(got) != 0 {
			t.Errorf("under an unknown trace %q", got)
		}
	})
}

// The change is applied exactly once whichever call of the store fails, before it
// took effect or after, and whoever tries again.
func TestApplyIsWholeOrAbsentUnderEveryFault(t *testing.T) {
	t.Parallel()
	injected := errors.New("injected")
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			var armed bool
			count, fired := 0, false
			hook := func(context.Context, string) error {
				if armed {
					if count++; count == n {
						fired = true
						return injected
					}
				}
				return nil
			}
			cfg := memory.Config{Before: hook}
			if after {
				cfg = memory.Config{After: hook}
			}
			b, err := memory.New(cfg)
			must(t, err)
			k := newKit(t, b, options{})
			id := k.approved(t)
			armed = true
			_, err = k.service.Apply(t.Context(), acme, id)
			armed = false
			state, records := k.get(t, id).State, len(k.log.find("orders.refund", audit.Success))
			if whole := state == approvals.StateApplied; len(k.refunded) != records || whole != (records == 1) {
				t.Fatalf("call %d, after=%v: %s with %d refunds and %d records (%v)", n, after, state, len(k.refunded), records, err)
			}
			k.work(t)
			if r := k.get(t, id); r.State != approvals.StateApplied || len(k.refunded) != 1 {
				t.Fatalf("call %d, after=%v: after the retry %s with %d refunds", n, after, r.State, len(k.refunded))
			}
			if !fired {
				if n < 10 {
					t.Fatalf("only %d calls were seen", n)
				}
				break
			}
		}
	}
}
