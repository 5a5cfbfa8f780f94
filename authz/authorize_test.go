package authz_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
)

func readOrder() authz.Request {
	return authz.Request{
		Tenant: "acme", Subject: authz.Entity{Type: audit.User, ID: "sam"}, Action: "orders.read",
		Resource: authz.Entity{Type: "order", ID: "1001"},
	}
}

func TestAuthorizeAnswersAndRecordsWithEveryFieldSet(t *testing.T) {
	for _, effect := range []audit.Effect{audit.Allow, audit.Deny, audit.NeedsApproval, audit.StepUp} {
		t.Run(effect.String(), func(t *testing.T) {
			b := newBench(t, answer(effect), authz.Config{})
			ctx, trace := asSam(t)
			d, err := b.guard.Authorize(ctx, readOrder())
			if err != nil {
				t.Fatal(err)
			}
			if d.Effect != effect || d.Reason.Code == "" || d.Reason.Text == "" || d.PolicyVersion == "" || len(d.Rules) == 0 || d.ID == "" {
				t.Errorf("got %+v", d)
			}
			events := b.events(t, trace)
			if len(events) != 1 || events[0].ID != d.ID || events[0].Resource.ID != "1001" {
				t.Errorf("got events %+v, want the decision %s", events, d.ID)
			}
		})
	}
}

func TestOnlyTheAllowsOfUnprotectedActionsGoUnrecorded(t *testing.T) {
	config := authz.Config{Unprotected: []string{"orders.read"}}
	for _, tc := range []struct {
		name   string
		effect audit.Effect
		action string
		want   int
	}{
		{"an allowed read", audit.Allow, "orders.read", 0},
		{"a denied read", audit.Deny, "orders.read", 1},
		{"an allowed write", audit.Allow, "orders.write", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, answer(tc.effect), config)
			ctx, trace := asSam(t)
			r := readOrder()
			r.Action = tc.action
			if _, err := b.guard.Authorize(ctx, r); err != nil {
				t.Fatal(err)
			}
			if got := len(b.events(t, trace)); got != tc.want {
				t.Errorf("got %d events, want %d", got, tc.want)
			}
		})
	}
	// A change is protected whatever the list says.
	b := newBench(t, answer(audit.Allow), authz.Config{Unprotected: []string{"orders.refund"}})
	ctx, trace := asSam(t)
	if _, err := b.governor.Change(ctx, refundEvent(`{}`), nothing); err != nil {
		t.Fatal(err)
	}
	if got := len(b.events(t, trace)); got != 2 {
		t.Errorf("got %d events of a change, want the decision and the change", got)
	}
}

func TestAuthorizeIsPartOfTheTransactionOfItsContext(t *testing.T) {
	b := newBench(t, answer(audit.Allow), authz.Config{})
	ctx, trace := asSam(t)
	undo := errors.New("undo")
	err := b.backend.InTx(ctx, func(ctx context.Context) error {
		if _, err := b.guard.Authorize(ctx, readOrder()); err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	if got := len(b.events(t, trace)); got != 0 {
		t.Errorf("got %d events of a transaction that was rolled back", got)
	}
}

func TestAuthorizeWithoutAnAnswerDenies(t *testing.T) {
	ill := readOrder()
	ill.Subject.Type = "user:x"
	for _, tc := range []struct {
		name string
		a    authz.Authorizer
		ctx  func(ctx context.Context) context.Context
		r    authz.Request
		code string
		err  error
	}{
		{"nobody acts", answer(audit.Allow), func(context.Context) context.Context { return t.Context() }, readOrder(), authz.CodeInvalidInput, audit.ErrNoActor},
		{"an ill-formed question", answer(audit.Allow), nil, ill, authz.CodeInvalidInput, nil},
		{"a failing authorizer", failing(errors.New("secret")), nil, readOrder(), authz.CodePolicyUnavailable, nil},
		{"a failing store", failing(storage.ErrUnavailable), nil, readOrder(), authz.CodePolicyUnavailable, storage.ErrUnavailable},
		{"a ctx that is done", failing(context.Canceled), func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx
		}, readOrder(), authz.CodePolicyUnavailable, context.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, tc.a, authz.Config{})
			ctx, _ := asSam(t)
			if tc.ctx != nil {
				ctx = tc.ctx(ctx)
			}
			d, err := b.guard.Authorize(ctx, tc.r)
			if d.Effect != audit.Deny || d.Reason.Code != tc.code || d.Reason.Text == "" || !errors.Is(err, tc.err) {
				t.Errorf("got %+v, %v, want a denial as %s and %v", d, err, tc.code, tc.err)
			}
			if strings.Contains(d.Reason.Text, "secret") {
				t.Errorf("got text %q", d.Reason.Text)
			}
		})
	}
}

func failing(err error) authz.Authorizer {
	return authz.AuthorizerFunc(func(context.Context, authz.Request) (authz.Decision, error) {
		return authz.Decision{Effect: audit.Allow}, err
	})
}

func TestADecisionThatCannotBeRecordedIsNone(t *testing.T) {
	full := errors.New("the log is full")
	sink := sinkFunc(func(context.Context, ...audit.Event) error { return full })
	backend, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close(context.WithoutCancel(t.Context()))
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(authz.Actions(), audit.Action{Name: "orders.refund"})...)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := authz.New(answer(audit.Allow), backend, sink, catalog, authz.Config{})
	if err != nil {
		t.Fatal(err)
	}
	governor, err := audit.NewGovernor(backend, guard, audit.Disabled, catalog)
	if err != nil {
		t.Fatal(err)
	}
	ctx, _ := asSam(t)
	applied := false
	if _, err := governor.Change(ctx, refundEvent(`{}`), func(context.Context, *audit.Event) error {
		applied = true
		return nil
	}); err == nil || applied {
		t.Errorf("got %v, applied %t", err, applied)
	}
	if d, err := guard.Authorize(ctx, readOrder()); !errors.Is(err, full) || d.Effect != audit.Deny {
		t.Errorf("got %v, %v", d.Effect, err)
	}
}

type sinkFunc func(context.Context, ...audit.Event) error

func (f sinkFunc) Append(ctx context.Context, events ...audit.Event) error { return f(ctx, events...) }

func TestEnrichAddsWhatConditionsReadAndItsFailureDenies(t *testing.T) {
	k := &keeper{}
	b := newBench(t, k, authz.Config{Enrich: func(_ context.Context, r *authz.Request) error {
		switch r.Resource.ID {
		case "1002":
			return errors.New("order 1002: secret")
		case "1003":
			panic("order 1003: secret")
		case "1004":
			r.Tenant = ""
		}
		r.Context["env"] = "prod"
		return nil
	}})
	for id, code := range map[string]string{
		"1001": "", "1002": authz.CodePolicyUnavailable, "1003": authz.CodePolicyUnavailable, "1004": authz.CodeInvalidInput,
	} {
		k.asked = nil
		ctx, _ := asSam(t)
		e := refundEvent(`{}`)
		e.Resource.ID = id
		_, err := b.governor.Change(ctx, e, nothing)
		var denied *audit.DeniedError
		switch {
		case code == "" && (err != nil || len(k.asked) != 1 || k.asked[0].Context["env"] != "prod"):
			t.Errorf("%s: got %v and questions %+v", id, err, k.asked)
		case code != "" && (!errors.As(err, &denied) || denied.Verdict.Reason.Code != code || len(k.asked) > 0):
			t.Errorf("%s: got %v and %d questions, want a denial as %s", id, err, len(k.asked), code)
		}
	}
}

func TestNewWantsAllItsParts(t *testing.T) {
	backend, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close(context.WithoutCancel(t.Context()))
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, authz.Actions()...)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := audit.NewCatalog(audit.CatalogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	a := answer(audit.Allow)
	for name, build := range map[string]func() (*authz.Guard, error){
		"no authorizer":      func() (*authz.Guard, error) { return authz.New(nil, backend, audit.Disabled, catalog, authz.Config{}) },
		"no transactor":      func() (*authz.Guard, error) { return authz.New(a, nil, audit.Disabled, catalog, authz.Config{}) },
		"no sink":            func() (*authz.Guard, error) { return authz.New(a, backend, nil, catalog, authz.Config{}) },
		"no catalogue":       func() (*authz.Guard, error) { return authz.New(a, backend, audit.Disabled, nil, authz.Config{}) },
		"an empty catalogue": func() (*authz.Guard, error) { return authz.New(a, backend, audit.Disabled, bare, authz.Config{}) },
		"a negative timeout": func() (*authz.Guard, error) {
			return authz.New(a, backend, audit.Disabled, catalog, authz.Config{Timeout: -1})
		},
	} {
		if g, err := build(); err == nil || g != nil {
			t.Errorf("%s: got %v, %v, want an error", name, g, err)
		}
	}
}

// strength orders effects by what they let through.
func strength(e audit.Effect) int {
	switch e {
	case audit.Allow:
		return 3
	case audit.NeedsApproval:
		return 2
	case audit.StepUp:
		return 1
	}
	return 0
}

func TestSettleNeverTurnsANoIntoAYes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := authz.Decision{Effect: audit.Effect(rapid.IntRange(0, 6).Draw(t, "effect"))}
		if rapid.Bool().Draw(t, "approval") {
			d.Obligations.Approval = &audit.ApprovalObligation{}
		}
		if rapid.Bool().Draw(t, "step-up") {
			d.Obligations.StepUp = &audit.StepUpObligation{MaxAge: rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "max age")}
			if rapid.Bool().Draw(t, "acr") {
				d.Obligations.StepUp.ACRValues = []string{"phr"}
			}
		}
		r := authz.Request{Time: noon}
		if rapid.Bool().Draw(t, "proven") {
			age := rapid.SampledFrom([]time.Duration{-time.Hour, 0, time.Minute, time.Hour}).Draw(t, "age")
			r.Authn = &audit.Authn{At: noon.Add(-age), ACR: rapid.SampledFrom([]string{"", "phr"}).Draw(t, "reached")}
		}
		got := d.Settle(r)
		if d.Effect == audit.Deny || d.Effect > audit.StepUp {
			if got.Effect != audit.Deny || got.Obligations != (audit.Obligations{}) {
				t.Fatalf("%+v becomes %+v", d, got)
			}
		}
		fulfilled := d.Obligations.StepUp != nil && authz.Fresh(r.Authn, r.Time, *d.Obligations.StepUp)
		if strength(got.Effect) > strength(d.Effect) && !(d.Effect == audit.StepUp && fulfilled) {
			t.Fatalf("%+v becomes %+v", d, got)
		}
		if got.Effect == audit.Allow && (got.Obligations != audit.Obligations{} || d.Obligations.Approval != nil) {
			t.Fatalf("%+v becomes %+v", d, got)
		}
		if (got.Effect == audit.StepUp) != (got.Obligations.StepUp != nil) || got.Effect == audit.NeedsApproval && got.Obligations.Approval == nil {
			t.Fatalf("%+v becomes %+v", d, got)
		}
		if got.Reason.Code == "" || got.Reason.Text == "" {
			t.Fatalf("%+v becomes %+v", d, got)
		}
		if again := got.Settle(r); again.Effect != got.Effect || again.Reason != got.Reason {
			t.Fatalf("settled twice, %+v becomes %+v", got, again)
		}
	})
}

func TestFreshness(t *testing.T) {
	at := func(age time.Duration) *audit.Authn { return &audit.Authn{At: noon.Add(-age), ACR: "phr"} }
	for _, tc := range []struct {
		name  string
		authn *audit.Authn
		o     audit.StepUpObligation
		want  bool
	}{
		{"no proof is not fresh", nil, audit.StepUpObligation{MaxAge: time.Hour}, false},
		{"a proof without a time is not fresh", &audit.Authn{ACR: "phr"}, audit.StepUpObligation{MaxAge: time.Hour}, false},
		{"exactly the greatest age is fresh", at(time.Minute), audit.StepUpObligation{MaxAge: time.Minute}, true},
		{"a nanosecond more is not", at(time.Minute + 1), audit.StepUpObligation{MaxAge: time.Minute}, false},
		{"a clock that is a little ahead is borne", at(-authz.MaxSkew), audit.StepUpObligation{MaxAge: time.Minute}, true},
		{"more than that is not", at(-authz.MaxSkew - 1), audit.StepUpObligation{MaxAge: time.Minute}, false},
		{"the future is not fresh without a greatest age either", at(-time.Hour), audit.StepUpObligation{ACRValues: []string{"phr"}}, false},
		{"one of the classes is enough", at(time.Hour), audit.StepUpObligation{ACRValues: []string{"phrh", "phr"}}, true},
		{"another class is not", at(0), audit.StepUpObligation{MaxAge: time.Minute, ACRValues: []string{"phrh"}}, false},
		{"no class is no class that is asked for", &audit.Authn{At: noon}, audit.StepUpObligation{ACRValues: []string{""}}, false},
		{"a demand without particulars is never met", at(0), audit.StepUpObligation{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := authz.Fresh(tc.authn, noon, tc.o); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}
