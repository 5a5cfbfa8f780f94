package approvals_test

import (
	"errors"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

func approvable() audit.Event {
	return audit.Event{
		Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1", Name: "Order 1"},
		Payload: []byte(`{"amount":150,"to":"é"}`), BaseRevision: "3", Reason: "damaged",
	}
}

func TestWhatAnApprovalIsBoundTo(t *testing.T) {
	t.Parallel()
	base, err := approvals.Hash(approvable())
	must(t, err)
	for _, c := range []struct {
		name   string
		change func(e *audit.Event)
		bound  bool
	}{
		{"the tenant", func(e *audit.Event) { e.Tenant = "bloom" }, true},
		{"the action", func(e *audit.Event) { e.Action = "orders.cancel" }, true},
		{"the type of the resource", func(e *audit.Event) { e.Resource.Type = "store" }, true},
		{"the resource", func(e *audit.Event) { e.Resource.ID = "2" }, true},
		{"the payload", func(e *audit.Event) { e.Payload = []byte(`{"amount":151,"to":"é"}`) }, true},
		{"whether there is a payload", func(e *audit.Event) { e.Payload = nil }, true},
		{"the base revision", func(e *audit.Event) { e.BaseRevision = "4" }, true},
		{"where one field ends and the next begins", func(e *audit.Event) { e.Resource.Type, e.Resource.ID = "orde", "r1" }, true},
		{"not how the payload is written", func(e *audit.Event) { e.Payload = []byte(`{"to":"\u00e9", "amount":1.5e2}`) }, false},
		{"not the name of the resource", func(e *audit.Event) { e.Resource.Name = "" }, false},
		{"not the reason", func(e *audit.Event) { e.Reason = "" }, false},
		{"not the event's id", func(e *audit.Event) { e.ID = "x" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := approvable()
			c.change(&e)
			got, err := approvals.Hash(e)
			must(t, err)
			if (got != base) != c.bound {
				t.Errorf("the hash changed: %v, want %v", got != base, c.bound)
			}
		})
	}
}

func TestPayloadWithoutCanonicalFormHasNoHash(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{`{"a":1,"a":2}`, `{"a":9007199254740993}`, `"\ud800"`, `{`, ``, `{} {}`} {
		e := approvable()
		e.Payload = []byte(payload)
		var bad *storage.InvalidError
		if _, err := approvals.Hash(e); !errors.As(err, &bad) || len(bad.Fields) != 1 {
			t.Errorf("%s: got %v, want an InvalidError", payload, err)
		}
	}
}

// The hash of a content is part of what is stored: another one would void every
// approval that waits.
func TestHashIsStable(t *testing.T) {
	t.Parallel()
	got, err := approvals.Hash(approvable())
	must(t, err)
	if want := "785bc4199b375d46181c894588d83da1ca0ac296d99bd3fad7880678b5073b08"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
