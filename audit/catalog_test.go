package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/storage"
)

func newCatalog(t *testing.T, cfg audit.CatalogConfig, actions ...audit.Action) *audit.Catalog {
	t.Helper()
	c, err := audit.NewCatalog(cfg, actions...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCatalogRefusesBadActions(t *testing.T) {
	t.Parallel()
	compile := audit.CatalogConfig{Compile: schema.Compile}
	for _, c := range []struct {
		name    string
		cfg     audit.CatalogConfig
		actions []audit.Action
		want    string
	}{
		{"no name", compile, []audit.Action{{}}, "/action: must not be empty"},
		{"a name in upper case", compile, []audit.Action{{Name: "Orders.refund"}}, "dot-delimited"},
		{"a name with an empty word", compile, []audit.Action{{Name: "orders..refund"}}, "dot-delimited"},
		{"a name with a blank", compile, []audit.Action{{Name: "orders refund"}}, "dot-delimited"},
		{"a name twice", compile, []audit.Action{{Name: "orders.refund"}, {Name: "orders.refund"}}, "listed twice"},
		{"a category that is none", compile, []audit.Action{{Name: "orders.refund", Category: "secret"}}, "category"},
		{"a schema that does not compile", compile, []audit.Action{{Name: "orders.refund", Schema: json.RawMessage(`{"type":"money"}`)}}, "schema: "},
		{"a schema and no compiler", audit.CatalogConfig{}, []audit.Action{{Name: "orders.refund", Schema: json.RawMessage(`{}`)}}, "no Compile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := audit.NewCatalog(c.cfg, c.actions...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("NewCatalog = %v, want %q", err, c.want)
			}
		})
	}
}

func TestCompleteFillsWhatIsEmpty(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 13, 0, 0, 123_456_789, time.FixedZone("CET", 3600))
	c := newCatalog(t, audit.CatalogConfig{Now: func() time.Time { return now }, NewID: func() string { return "id-1" }},
		audit.Action{Name: "orders.refund", Type: "lumelle.orders.v1.refunded"}, audit.Action{Name: "orders.read", Category: audit.DataAccess})
	trace := correlation.New()
	ctx := audit.WithOrigin(correlation.With(bySam(t), trace), audit.Origin{SourceIP: "192.0.2.1"})
	e := audit.Event{Action: "orders.refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1"}}
	if err := c.Complete(ctx, &e); err != nil {
		t.Fatal(err)
	}
	want := audit.Event{
		ID: "id-1", Source: "/adminkit", Type: "lumelle.orders.v1.refunded", Action: "orders.refund", Category: audit.Activity,
		Tenant: "acme", Time: time.Date(2026, 11, 22, 12, 0, 0, 123_456_000, time.UTC),
		Actor: audit.Actor{Type: audit.User, ID: "sam"}, Resource: audit.Resource{Type: "order", ID: "1"},
		Outcome: audit.Success, Origin: audit.Origin{SourceIP: "192.0.2.1"}, Trace: trace,
	}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("completed %+v\nwant      %+v", e, want)
	}
	again := e
	if err := c.Complete(t.Context(), &again); err != nil || !reflect.DeepEqual(again, e) {
		t.Errorf("completed again %+v, %v", again, err)
	}

	read := audit.Event{Action: "orders.read", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1"}}
	if err := c.Complete(bySam(t), &read); err != nil {
		t.Fatal(err)
	}
	if read.Type != "lumelle.audit.v1.orders.read" || read.Category != audit.DataAccess || !read.Trace.Valid() {
		t.Errorf("completed %+v, want type and category of the entry and a trace of its own", read)
	}

	kept := want
	kept.Type, kept.Category, kept.Source, kept.Outcome = "other.v1.x", audit.System, "/orders", audit.Failure
	filled := kept
	if err := c.Complete(ctx, &filled); err != nil || !reflect.DeepEqual(filled, kept) {
		t.Errorf("what was set has changed: %+v, %v", filled, err)
	}
}

func TestOpenCatalogTakesActionsThatItDoesNotList(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, audit.CatalogConfig{Open: true, Prefix: "shop", Source: "/shop"})
	e := audit.Event{Action: "orders.refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1"}}
	if err := c.Complete(bySam(t), &e); err != nil || e.Type != "shop.audit.v1.orders.refund" || e.Source != "/shop" {
		t.Errorf("completed %+v, %v", e, err)
	}
	bad := audit.Event{Action: "Orders Refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1"}}
	if err := c.Complete(bySam(t), &bad); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("an ill-formed action: %v", err)
	}
}

func TestCompleteNamesTheFieldsThatAreWrong(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, audit.CatalogConfig{Compile: schema.Compile}, audit.Action{
		Name: "orders.refund", ActorTypes: []string{audit.User}, ResourceTypes: []string{"order"},
		Schema: json.RawMessage(`{"type":"object","required":["amount"],"properties":{"amount":{"type":"string"}}}`),
	})
	for _, c2 := range []struct {
		pointer string
		change  func(e *audit.Event)
	}{
		{"/action", func(e *audit.Event) { e.Action = "orders.none" }},
		{"/id", func(e *audit.Event) { e.ID = strings.Repeat("x", 256) }},
		{"/id", func(e *audit.Event) { e.ID = "a\nb" }},
		{"/id", func(e *audit.Event) { e.ID = "a\x00b" }},
		{"/source", func(e *audit.Event) { e.Source = "a b" }},
		{"/type", func(e *audit.Event) { e.Type = "\xff" }},
		{"/tenant", func(e *audit.Event) { e.Tenant = "" }},
		{"/tenant", func(e *audit.Event) { e.Tenant = "  " }},
		{"/category", func(e *audit.Event) { e.Category = "secret" }},
		{"/outcome", func(e *audit.Event) { e.Outcome = "fine" }},
		{"/time", func(e *audit.Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"/time", func(e *audit.Event) { e.Time = time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"/actor/type", func(e *audit.Event) { e.Actor.Type = "" }},
		{"/actor/type", func(e *audit.Event) { e.Actor.Type = audit.ServiceAccount }},
		{"/actor/name", func(e *audit.Event) { e.Actor.Name = strings.Repeat("x", 256) }},
		{"/actor/acting_as", func(e *audit.Event) { e.Actor.ActingAs = "\x00" }},
		{"/actor/authn/acr", func(e *audit.Event) { e.Actor.Authn = &audit.Authn{At: noon, ACR: "\xff"} }},
		{"/actor/authn/amr", func(e *audit.Event) { e.Actor.Authn = &audit.Authn{At: noon, AMR: []string{"\x00"}} }},
		{"/actor/authn/at", func(e *audit.Event) { e.Actor.Authn = &audit.Authn{At: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)} }},
		{"/on_behalf_of/id", func(e *audit.Event) { e.OnBehalfOf = &audit.Actor{Type: audit.User} }},
		{"/approved_by/type", func(e *audit.Event) { e.ApprovedBy = []audit.Actor{{ID: "marco"}} }},
		{"/resource/id", func(e *audit.Event) { e.Resource.ID = "" }},
		{"/resource/type", func(e *audit.Event) { e.Resource.Type = "payout" }},
		{"/payload", func(e *audit.Event) { e.Payload = nil }},
		{"/payload", func(e *audit.Event) { e.Payload = json.RawMessage(`null`) }},
		{"/resource/name", func(e *audit.Event) { e.Resource.Name = strings.Repeat("x", 256) }},
		{"/reason", func(e *audit.Event) { e.Reason = strings.Repeat("x", audit.MaxReason+1) }},
		{"/source_ip", func(e *audit.Event) { e.Origin.SourceIP = strings.Repeat("1", 256) }},
		{"/user_agent", func(e *audit.Event) { e.Origin.UserAgent = strings.Repeat("x", audit.MaxReason+1) }},
		{"/request_id", func(e *audit.Event) { e.Origin.RequestID = "\x00" }},
		{"/link", func(e *audit.Event) { e.Link.TraceID = "1234" }},
		{"/hops", func(e *audit.Event) { e.Hops = audit.MaxHops + 1 }},
		{"/hops", func(e *audit.Event) { e.Hops = -1 }},
		{"/base_revision", func(e *audit.Event) { e.BaseRevision = "\xff" }},
		{"/schema", func(e *audit.Event) { e.Schema = "\xff" }},
		{"/decision_id", func(e *audit.Event) { e.DecisionID = "\xff" }},
		{"/approval_id", func(e *audit.Event) { e.ApprovalID = "\xff" }},
		{"/causation_id", func(e *audit.Event) { e.CausationID = "\xff" }},
		{"/before", func(e *audit.Event) { e.Before = json.RawMessage(`{`) }},
		{"/after/a", func(e *audit.Event) { e.After = json.RawMessage(`{"a":1,"a":2}`) }},
		{"/payload/n", func(e *audit.Event) { e.Payload = json.RawMessage(`{"amount":"1","n":9007199254740993}`) }},
		{"/payload", func(e *audit.Event) { e.Payload = json.RawMessage(`{}`) }},
		{"/payload/amount", func(e *audit.Event) { e.Payload = json.RawMessage(`{"amount":1}`) }},
		{"/metadata", func(e *audit.Event) { e.Metadata = json.RawMessage(`[]`) }},
		{"/metadata/a", func(e *audit.Event) { e.Metadata = json.RawMessage(`{"a":"\ud800"}`) }},
	} {
		e := refund("1")
		e.Payload = json.RawMessage(`{"amount":"1.00"}`)
		c2.change(&e)
		err := c.Complete(context.Background(), &e)
		bad, ok := errors.AsType[*storage.InvalidError](err)
		if !ok || len(bad.Fields) != 1 || bad.Fields[0].Pointer != c2.pointer {
			t.Errorf("Complete = %v, want it refused at %s alone", err, c2.pointer)
		}
	}
	// Several faults are told at once.
	e := refund("1")
	e.Tenant, e.Resource.ID, e.Metadata = "", "", json.RawMessage(`1`)
	if bad, ok := errors.AsType[*storage.InvalidError](c.Complete(t.Context(), &e)); !ok || len(bad.Fields) != 3 {
		t.Errorf("three faults are told as %v", bad)
	}
}

func TestJSONFieldsTakeTheirCanonicalForm(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, audit.CatalogConfig{}, audit.Action{Name: "orders.refund"})
	e := refund("1")
	payload := json.RawMessage(`{"b": 1.0, "a": "\u00e9"}`)
	e.Payload, e.Before, e.After, e.Metadata = payload, json.RawMessage{}, json.RawMessage(` null `), json.RawMessage(`{ }`)
	if err := c.Complete(t.Context(), &e); err != nil {
		t.Fatal(err)
	}
	if string(e.Payload) != `{"a":"é","b":1}` || e.Before != nil || e.After != nil || string(e.Metadata) != `{}` {
		t.Errorf("payload %s before %s after %s metadata %s", e.Payload, e.Before, e.After, e.Metadata)
	}
	if string(payload) != `{"b": 1.0, "a": "\u00e9"}` {
		t.Error("Complete wrote into the caller's bytes")
	}
}

func TestCatalogListsItsActionsByName(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, audit.CatalogConfig{}, audit.Action{Name: "b"}, audit.Action{Name: "a.c"}, audit.Action{Name: "a"})
	var names []string
	for _, a := range c.Actions() {
		names = append(names, a.Name)
	}
	if got := fmt.Sprint(names); got != "[a a.c b]" {
		t.Errorf("actions %s", got)
	}
	if a, ok := c.Lookup("a.c"); !ok || a.Type != "lumelle.audit.v1.a.c" || a.Category != audit.Activity {
		t.Errorf("Lookup = %+v, %t", a, ok)
	}
	if _, ok := c.Lookup("none"); ok {
		t.Error("Lookup finds what is not listed")
	}
}

func TestCompleteNamesTheCauseOfTheWork(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, audit.CatalogConfig{}, audit.Action{Name: "orders.refund"})
	for _, test := range []struct {
		name  string
		cause audit.Cause
		event audit.Event
		want  audit.Cause
		err   string
	}{
		{"nothing led to it", audit.Cause{}, audit.Event{}, audit.Cause{}, ""},
		{"the work has a cause", audit.Cause{EventID: "e1", Hops: 2}, audit.Event{}, audit.Cause{EventID: "e1", Hops: 2}, ""},
		{"the event names its own", audit.Cause{EventID: "e1", Hops: 2}, audit.Event{CausationID: "e2", Hops: 1}, audit.Cause{EventID: "e2", Hops: 1}, ""},
		{"the chain is too long", audit.Cause{EventID: "e1", Hops: audit.MaxHops + 1}, audit.Event{}, audit.Cause{}, "/hops"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := test.event
			e.Action, e.Tenant, e.Resource = "orders.refund", "acme", audit.Resource{Type: "order", ID: "1"}
			err := c.Complete(audit.WithCause(bySam(t), test.cause), &e)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got %v, want an error about %s", err, test.err)
				}
				return
			}
			if got := (audit.Cause{EventID: e.CausationID, Hops: e.Hops}); err != nil || got != test.want {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}
