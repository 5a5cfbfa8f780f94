package casbinengine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/faults"
)

// TestNoFaultUnderTheDatabaseAllowsWhatWasRevoked fails each call that a guarded
// change makes, in each way, after the role of its subject was taken away behind the
// engine's back.
func TestNoFaultUnderTheDatabaseAllowsWhatWasRevoked(t *testing.T) {
	plans := 0
	for plan := range faults.Sweep() {
		plans++
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.db", plans))
		b, err := sqlite.Open(t.Context(), path, sqlite.Config{Connector: plan.Connector})
		if err != nil {
			t.Fatal(err)
		}
		engine := newShop(t, b.Authz())
		governor := newShopGovernor(t, b, engine)
		wantEffect(t, t.Context(), engine, refund("sam", "1.00"), audit.Allow)
		change(t, b.Authz(), "acme", authz.Change{Expected: authz.AnySequence, Remove: []string{"sam"}})

		plan.Arm()
		if d, err := engine.Authorize(t.Context(), refund("sam", "1.00")); d.Effect != audit.Deny {
			t.Errorf("%v: got %v, %v for a revoked role", plan, d.Effect, err)
		}
		if d, err := engine.Authorize(t.Context(), refund("marco", "1.00")); err != nil && d.Effect != audit.Deny {
			t.Errorf("%v: got %v beside %v", plan, d.Effect, err)
		}
		applied := false
		_, err = governor.Change(audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "sam"}), audit.Event{
			Action: "orders.refund", Tenant: "acme", Payload: []byte(`{"amount":"1.00"}`),
			Resource: audit.Resource{Type: "order", ID: "1001"},
		}, func(context.Context, *audit.Event) error {
			applied = true
			return nil
		})
		plan.Disarm()
		if applied || err == nil {
			t.Errorf("%v: a change by a revoked role was applied: %t, %v", plan, applied, err)
		}
		wantEffect(t, t.Context(), engine, refund("marco", "1.00"), audit.Allow)
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if plans < 20 {
		t.Errorf("got %d plans, want every call in every mode", plans)
	}
	t.Logf("%d faults, 0 allows", plans)
}

func newShopGovernor(t *testing.T, b *sqlite.Backend, engine *casbinengine.Engine) *audit.Governor {
	t.Helper()
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(authz.Actions(), audit.Action{Name: "orders.refund"})...)
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := authz.New(engine, b, log, catalog, authz.Config{})
	if err != nil {
		t.Fatal(err)
	}
	governor, err := audit.NewGovernor(b, guard, log, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return governor
}
