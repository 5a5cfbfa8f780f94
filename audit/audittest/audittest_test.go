package audittest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/audittest"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// events returns how to read a whole log.
func events(log *audit.Log) func(ctx context.Context, tenant string) ([]audit.Event, error) {
	return func(ctx context.Context, tenant string) ([]audit.Event, error) {
		page, err := log.Query(ctx, tenant, audit.Query{Limit: storage.MaxLimit})
		return page.Items, err
	}
}

func TestLogKeepsTheRules(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			audittest.Run(t, audittest.Options{New: func(t *testing.T) audittest.Harness {
				b := kind.Open(t)
				log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
				if err != nil {
					t.Fatal(err)
				}
				return audittest.Harness{Tx: b, Sink: log, Events: events(log)}
			}})
		})
	}
}

// A Tee is a sink too.
func TestTeeKeepsTheRules(t *testing.T) {
	audittest.Run(t, audittest.Options{New: func(t *testing.T) audittest.Harness {
		b := eachtest.Memory(t)
		log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
		if err != nil {
			t.Fatal(err)
		}
		return audittest.Harness{Tx: b, Sink: audit.Tee(audittest.NewRecorder(discard{t}), log, audit.Disabled), Events: events(log)}
	}})
}

// discard is a test that reports nothing: a rule appends events that are incomplete.
type discard struct{ testing.TB }

func (discard) Errorf(string, ...any) {}
func (discard) Helper()               {}

func TestRecorderKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	b := eachtest.Memory(t)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, audit.Action{Name: "orders.refund"}, audit.Action{Name: "orders.cancel"})
	if err != nil {
		t.Fatal(err)
	}
	sink := audittest.NewRecorder(t)
	governor, err := audit.NewGovernor(b, audit.Ungated, sink, catalog)
	if err != nil {
		t.Fatal(err)
	}
	ctx := audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "sam"})
	change := func(action string, err error) {
		t.Helper()
		e := audit.Event{Action: action, Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1"}, Payload: []byte(`{"b":1,"a":2}`)}
		_, got := governor.Change(ctx, e, func(context.Context, *audit.Event) error { return err })
		if !errors.Is(got, err) {
			t.Fatal(got)
		}
	}
	change("orders.refund", nil)
	change("orders.cancel", errors.New("no"))

	e := sink.Require(t, audit.Event{
		Action: "orders.refund", Outcome: audit.Success, Actor: audit.Actor{ID: "sam"},
		Resource: audit.Resource{ID: "1"}, Payload: []byte(`{"a":2,"b":1}`),
	})
	if e.Tenant != "acme" {
		t.Errorf("tenant %q", e.Tenant)
	}
	sink.RequireNone(t, audit.Event{Action: "orders.cancel"})
	if n := len(sink.Events()); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	for name, other := range map[string]audit.Event{
		"another payload":  {Payload: []byte(`{"a":3}`)},
		"another actor":    {Actor: audit.Actor{ID: "marco"}},
		"an approver":      {ApprovedBy: []audit.Actor{{ID: "marco"}}},
		"somebody behind":  {OnBehalfOf: &audit.Actor{ID: "sam"}},
		"another resource": {Resource: audit.Resource{Type: "payout"}},
		"a reason":         {Reason: "damaged"},
	} {
		if found := sink.Find(other); len(found) != 0 {
			t.Errorf("%s: found %+v", name, found)
		}
	}
	if failed := fails(func(t testing.TB) { sink.Require(t, audit.Event{Action: "orders.none"}) }); !failed {
		t.Error("Require of what was not recorded does not fail")
	}
	if failed := fails(func(t testing.TB) { sink.RequireNone(t, audit.Event{Action: "orders.refund"}) }); !failed {
		t.Error("RequireNone of what was recorded does not fail")
	}
	if failed := fails(func(t testing.TB) { audittest.CheckRecord(t, audit.Event{ID: "1"}) }); !failed {
		t.Error("CheckRecord of an incomplete event does not fail")
	}
}

func TestCheckCatalog(t *testing.T) {
	t.Parallel()
	good := audit.Action{Name: "orders.refund", Type: "lumelle.orders.v1.refunded", Label: "Refund", Description: "Money goes back."}
	for name, c := range map[string]struct {
		change func(a *audit.Action)
		fails  bool
	}{
		"complete":        {func(*audit.Action) {}, false},
		"without type":    {func(a *audit.Action) { a.Type = "" }, false},
		"no label":        {func(a *audit.Action) { a.Label = "" }, true},
		"no description":  {func(a *audit.Action) { a.Description = "" }, true},
		"no version":      {func(a *audit.Action) { a.Type = "lumelle.orders.refunded" }, true},
		"nothing happens": {func(a *audit.Action) { a.Type = "lumelle.orders.v1" }, true},
	} {
		a := good
		c.change(&a)
		catalog, err := audit.NewCatalog(audit.CatalogConfig{}, a)
		if err != nil {
			t.Fatal(err)
		}
		if got := fails(func(t testing.TB) { audittest.CheckCatalog(t, catalog) }); got != c.fails {
			t.Errorf("%s: CheckCatalog fails is %t", name, got)
		}
	}
}

// A probe is a test that only remembers that it failed.
type probe struct {
	testing.TB
	failed bool
}

func (p *probe) Helper()               {}
func (p *probe) Errorf(string, ...any) { p.failed = true }
func (p *probe) Fatalf(string, ...any) { p.failed = true }

func fails(fn func(t testing.TB)) bool {
	p := &probe{}
	fn(p)
	return p.failed
}
