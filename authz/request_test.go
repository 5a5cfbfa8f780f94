package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

// keeper allows and keeps what it was asked.
type keeper struct{ asked []authz.Request }

func (k *keeper) Authorize(_ context.Context, r authz.Request) (authz.Decision, error) {
	k.asked = append(k.asked, r)
	return authz.Decision{Effect: audit.Allow, PolicyVersion: "1-abc"}, nil
}

func TestTheEventIsTheQuestion(t *testing.T) {
	k := &keeper{}
	b := newBench(t, k, authz.Config{})
	authn := &audit.Authn{At: time.Now().Add(-time.Minute), ACR: "phr"}
	requester := audit.Actor{Type: audit.User, ID: "sam", ActingAs: "store-7", Authn: authn}
	worker := audit.Actor{Type: audit.SystemActor, ID: "worker"}
	e := refundEvent(`{"amount":"100.000000000000000000001","rate":0.25,"lines":[{"sku":"x"}]}`)
	e.Actor, e.OnBehalfOf = worker, &requester
	if _, err := b.governor.Change(t.Context(), e, nothing); err != nil {
		t.Fatal(err)
	}
	r := k.asked[0]
	if r.Tenant != "acme" || r.Action != "orders.refund" || r.Resource.Key() != "order:1001" || r.Time.IsZero() {
		t.Errorf("got request %+v", r)
	}
	if r.Subject.Key() != "user:sam" || r.Subject.Properties["acting_as"] != "store-7" || r.Authn != authn {
		t.Errorf("got subject %+v with proof %+v, want whom the worker acts for", r.Subject, r.Authn)
	}
	want := map[string]any{
		"amount": "100.000000000000000000001",
		"rate":   json.Number("0.25"),
		"lines":  []any{map[string]any{"sku": "x"}},
	}
	if !reflect.DeepEqual(r.Payload, want) {
		t.Errorf("got payload %v, want %v", r.Payload, want)
	}
}

func TestAPayloadThatTwoReadersReadDifferentlyIsDenied(t *testing.T) {
	for name, payload := range map[string]string{
		"names that differ in case":               `{"amount":"50","Amount":"5000"}`,
		"names that differ in case, deep inside":  `{"lines":[{"sku":1,"SKU":2}]}`,
		"a name with the Kelvin sign":             `{"kind":"a","\u212aind":"b"}`,
		"a name with the long s":                  `{"size":"a","\u017fize":"b"}`,
		"a list":                                  `[1]`,
		"a string":                                `"50"`,
		"a tree deeper than anybody's, in a list": `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			k := &keeper{}
			b := newBench(t, k, authz.Config{})
			ctx, trace := asSam(t)
			_, err := b.governor.Change(ctx, refundEvent(payload), nothing)
			var denied *audit.DeniedError
			if !errors.As(err, &denied) || denied.Verdict.Reason.Code != authz.CodeInvalidInput {
				t.Errorf("got %v, want a denial as %s", err, authz.CodeInvalidInput)
			}
			if len(k.asked) > 0 {
				t.Error("the policy was asked all the same")
			}
			if got := len(b.events(t, trace)); got != 2 {
				t.Errorf("got %d events, want the decision and the attempt", got)
			}
		})
	}
}

func TestNoPayloadIsAnEmptyOne(t *testing.T) {
	for _, payload := range []string{"", "null", "{}"} {
		k := &keeper{}
		b := newBench(t, k, authz.Config{})
		ctx, _ := asSam(t)
		e := refundEvent(payload)
		if payload == "" {
			e.Payload = nil
		}
		if _, err := b.governor.Change(ctx, e, nothing); err != nil {
			t.Fatalf("%q: %v", payload, err)
		}
		if got := k.asked[0].Payload; got == nil || len(got) != 0 {
			t.Errorf("%q: got payload %v", payload, got)
		}
	}
}

func FuzzPayload(f *testing.F) {
	for _, s := range []string{`{}`, `{"amount":"1"}`, `{"a":{"b":[1,2,{"c":null}]}}`, `{"a":1,"A":2}`, `[`, `{"a":1}{`, `{"a":1e999}`, "null"} {
		f.Add(s)
	}
	k := &keeper{}
	guard := newFuzzGuard(f, k)
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "sam"})
	f.Fuzz(func(t *testing.T, payload string) {
		k.asked = nil
		e := refundEvent(payload)
		e.Time, e.Actor = noon, audit.Actor{Type: audit.User, ID: "sam"}
		v, err := guard.Check(ctx, e)
		if err != nil {
			t.Fatalf("%q: %v", payload, err)
		}
		if v.Effect != audit.Allow {
			if v.Reason.Code != authz.CodeInvalidInput || len(k.asked) > 0 {
				t.Fatalf("%q: got %+v", payload, v)
			}
			return
		}
		if payload == "" {
			return
		}
		var want map[string]any
		d := json.NewDecoder(strings.NewReader(payload))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatalf("%q is no JSON object and was allowed: %v", payload, err)
		}
		if got := k.asked[0].Payload; len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: the policy saw %v", payload, got)
		}
	})
}

func newFuzzGuard(f *testing.F, a authz.Authorizer) *authz.Guard {
	f.Helper()
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, authz.Actions()...)
	if err != nil {
		f.Fatal(err)
	}
	guard, err := authz.New(a, untransacted{}, audit.Disabled, catalog, authz.Config{})
	if err != nil {
		f.Fatal(err)
	}
	return guard
}

// untransacted runs functions as they are.
type untransacted struct{}

func (untransacted) InTx(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

var _ storage.Transactor = untransacted{}
