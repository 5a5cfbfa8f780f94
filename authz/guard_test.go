package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
)

// A bench is a guard over one authorizer with everything around it in memory.
type bench struct {
	backend  *memory.Backend
	log      *audit.Log
	catalog  *audit.Catalog
	guard    *authz.Guard
	governor *audit.Governor
}

func newBench(t *testing.T, a authz.Authorizer, config authz.Config) *bench {
	t.Helper()
	b := &bench{}
	var err error
	must := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b.backend, err = memory.New(memory.Config{})
	must()
	t.Cleanup(func() { b.backend.Close(context.WithoutCancel(t.Context())) })
	b.log, err = audit.NewLog(b.backend.Audit(), audit.LogConfig{})
	must()
	b.catalog, err = audit.NewCatalog(audit.CatalogConfig{}, append(authz.Actions(), audit.Action{Name: "orders.refund"})...)
	must()
	b.guard, err = authz.New(a, b.backend, b.log, b.catalog, config)
	must()
	b.governor, err = audit.NewGovernor(b.backend, b.guard, b.log, b.catalog)
	must()
	return b
}

// asSam is the ctx of a request by sam, under a trace of its own.
func asSam(t *testing.T) (context.Context, correlation.Trace) {
	trace := correlation.New()
	return correlation.With(audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "sam"}), trace), trace
}

func refundEvent(payload string) audit.Event {
	return audit.Event{
		Action: "orders.refund", Tenant: "acme", Payload: json.RawMessage(payload),
		Resource: audit.Resource{Type: "order", ID: "1001"},
	}
}

// events returns what is recorded under a trace, oldest first.
func (b *bench) events(t *testing.T, trace correlation.Trace) []audit.Event {
	t.Helper()
	page, err := b.log.Query(t.Context(), "acme", audit.Query{TraceID: trace.TraceID})
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

func answer(e audit.Effect) authz.Authorizer {
	return authz.AuthorizerFunc(func(context.Context, authz.Request) (authz.Decision, error) {
		return authz.Decision{Effect: e, PolicyVersion: "1-abc", Rules: []string{"r1"}}, nil
	})
}

func nothing(context.Context, *audit.Event) error { return nil }

func TestEveryDecisionOfAChangeIsRecordedInItsTrace(t *testing.T) {
	for _, tc := range []struct {
		effect  audit.Effect
		outcome audit.Outcome
		err     error
	}{
		{audit.Allow, audit.Success, nil},
		{audit.Deny, audit.Denied, audit.ErrDenied},
		{audit.NeedsApproval, audit.Pending, audit.ErrDenied},
		{audit.StepUp, audit.Denied, audit.ErrStepUp},
	} {
		t.Run(tc.effect.String(), func(t *testing.T) {
			b := newBench(t, answer(tc.effect), authz.Config{})
			ctx, trace := asSam(t)
			const n = 5
			for range n {
				if _, err := b.governor.Change(ctx, refundEvent(`{"amount":"1.00"}`), nothing); !errors.Is(err, tc.err) {
					t.Fatalf("got %v, want %v", err, tc.err)
				}
			}
			if first := b.events(t, trace)[0]; first.Action != authz.ActionDecision {
				t.Errorf("got %s before its decision", first.Action)
			}
			entries, err := correlation.Timeline(t.Context(), "acme", trace.TraceID, b.log)
			if err != nil || entries[0].Kind != correlation.KindDecision {
				t.Errorf("got timeline %+v, %v, want the decision first", entries, err)
			}
			var decisions, changes int
			ids := map[string]bool{}
			for _, e := range b.events(t, trace) {
				if e.Action != authz.ActionDecision {
					changes++
					if !ids[e.DecisionID] {
						t.Errorf("the change names decision %q, which was not recorded before it", e.DecisionID)
					}
					continue
				}
				decisions++
				ids[e.ID] = true
				if e.Outcome != tc.outcome || e.Category != audit.Policy {
					t.Errorf("got outcome %s of category %s, want %s of %s", e.Outcome, e.Category, tc.outcome, audit.Policy)
				}
				var m struct{ Action, Decision, Code, Text, Subject string }
				if err := json.Unmarshal(e.Metadata, &m); err != nil {
					t.Fatal(err)
				}
				if m.Action != "orders.refund" || m.Decision != tc.effect.String() || m.Code == "" || m.Text == "" || m.Subject != "user:sam" {
					t.Errorf("got metadata %s", e.Metadata)
				}
			}
			if decisions != n || changes != n {
				t.Errorf("got %d decisions and %d changes in the trace, want %d of each", decisions, changes, n)
			}
		})
	}
}

// A change that was approved is decided again about the time at which it was asked
// for; the decision is none of that time.
func TestADecisionIsDatedWhenItWasMade(t *testing.T) {
	b := newBench(t, answer(audit.Allow), authz.Config{})
	ctx, trace := asSam(t)
	e := refundEvent(`{}`)
	began := b.catalog.Now()
	e.Time = began.Add(-24 * time.Hour)
	if err := b.catalog.Complete(ctx, &e); err != nil {
		t.Fatal(err)
	}
	if _, err := b.guard.Check(ctx, e); err != nil {
		t.Fatal(err)
	}
	if at := b.events(t, trace)[0].Time; at.Before(began) {
		t.Errorf("the decision is recorded at %v, before it was asked for at %v", at, began)
	}
}

func TestGuardDeniesWhateverGoesWrong(t *testing.T) {
	boom := errors.New("dial tcp 10.0.0.7: secret detail")
	for _, tc := range []struct {
		name string
		a    authz.AuthorizerFunc
		code string
	}{
		{"an error beside an allow denies", func(context.Context, authz.Request) (authz.Decision, error) {
			return authz.Decision{Effect: audit.Allow}, boom
		}, authz.CodePolicyUnavailable},
		{"a panic denies", func(context.Context, authz.Request) (authz.Decision, error) { panic("goroutine 1 [running]") }, authz.CodePolicyUnavailable},
		{"the zero decision denies", func(context.Context, authz.Request) (authz.Decision, error) { return authz.Decision{}, nil }, authz.CodeNoMatchingRule},
		{"an unknown effect denies", func(context.Context, authz.Request) (authz.Decision, error) {
			return authz.Decision{Effect: 99}, nil
		}, authz.CodeNoMatchingRule},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, tc.a, authz.Config{})
			ctx, trace := asSam(t)
			applied := false
			_, err := b.governor.Change(ctx, refundEvent(`{}`), func(context.Context, *audit.Event) error {
				applied = true
				return nil
			})
			var denied *audit.DeniedError
			if applied || !errors.As(err, &denied) {
				t.Fatalf("got applied %t and error %v, want a denial", applied, err)
			}
			if denied.Verdict.Reason.Code != tc.code || denied.Verdict.Reason.Text == "" {
				t.Errorf("got reason %+v, want code %s", denied.Verdict.Reason, tc.code)
			}
			events := b.events(t, trace)
			if len(events) != 2 {
				t.Errorf("got %d events, want the decision and the attempt", len(events))
			}
			for _, e := range events {
				if s := err.Error() + string(e.Metadata) + e.Reason; strings.Contains(s, "secret") || strings.Contains(s, "goroutine") {
					t.Errorf("the cause reached the caller or the record: %s", s)
				}
			}
		})
	}
}

func TestASlowAuthorizerIsADenialByTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, authz.AuthorizerFunc(func(ctx context.Context, _ authz.Request) (authz.Decision, error) {
			<-ctx.Done()
			return authz.Decision{Effect: audit.Allow}, ctx.Err()
		}), authz.Config{Timeout: time.Second})
		ctx, _ := asSam(t)
		start := time.Now()
		_, err := b.governor.Change(ctx, refundEvent(`{}`), nothing)
		var denied *audit.DeniedError
		if !errors.As(err, &denied) || denied.Verdict.Reason.Code != authz.CodeTimeout {
			t.Errorf("got %v, want a denial by timeout", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want the timeout", took)
		}
	})
}

func TestAFailingStoreIsNoDecision(t *testing.T) {
	b := newBench(t, authz.AuthorizerFunc(func(context.Context, authz.Request) (authz.Decision, error) {
		return authz.Decision{Effect: audit.Allow}, storage.ErrUnavailable
	}), authz.Config{})
	ctx, trace := asSam(t)
	if _, err := b.governor.Change(ctx, refundEvent(`{}`), nothing); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v, want the store's error", err)
	}
	if got := b.events(t, trace); len(got) != 0 {
		t.Errorf("got %d events of a change that could not be decided, want none", len(got))
	}
}
