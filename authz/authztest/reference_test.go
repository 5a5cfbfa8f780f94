package authztest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
)

// suitePolicy is the policy of the suite in the words of casbinengine.
func suitePolicy() (casbinengine.Vocabulary, []casbinengine.Rule) {
	words := casbinengine.Vocabulary{Roles: []string{Support, Manager}, Actions: []string{Refund, Cancel}}
	return words, []casbinengine.Rule{
		{ID: "support-refund", Role: Support, Action: Refund, ResourceType: Order, Effect: audit.Allow},
		{ID: "manager-refund", Role: Manager, Action: Refund, ResourceType: Order, Effect: audit.Allow},
		{ID: "manager-cancel", Role: Manager, Action: Cancel, ResourceType: Order, Effect: audit.Allow},
		{
			ID: "refund-approval", Role: casbinengine.Everyone, Action: Refund,
			Effect: audit.NeedsApproval, When: "/payload/amount > 100.00",
		},
		{
			ID: "refund-step-up", Role: casbinengine.Everyone, Action: Refund,
			Effect: audit.StepUp, When: "/payload/amount > 1000.00",
			Obligations: audit.Obligations{StepUp: &audit.StepUpObligation{MaxAge: 5 * time.Minute}},
		},
		{ID: "locked", Role: casbinengine.Everyone, Action: Cancel, ResourceType: Order, ResourceID: LockedID},
	}
}

// reference returns the kit's engine as a harness.
func reference(t *testing.T) Harness {
	t.Helper()
	var broken atomic.Bool
	b, err := memory.New(memory.Config{Before: func(context.Context, string) error {
		if broken.Load() {
			return storage.ErrUnavailable
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
	words, rules := suitePolicy()
	e, err := casbinengine.New(b.Authz(), words, casbinengine.Config{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return Harness{
		Authorizer: e,
		Grant: func(ctx context.Context, tenant string, subject authz.Entity, role string) error {
			row := casbinengine.Assign(tenant, subject, role)
			row.ID = rowID(subject, role)
			return change(ctx, b.Authz(), tenant, authz.Change{Add: []authz.Row{row}})
		},
		Revoke: func(ctx context.Context, tenant string, subject authz.Entity, role string) error {
			return change(ctx, b.Authz(), tenant, authz.Change{Remove: []string{rowID(subject, role)}})
		},
		Break: func() { broken.Store(true) },
	}
}

func rowID(subject authz.Entity, role string) string {
	return strings.Join([]string{subject.Key(), role}, "=")
}

func change(ctx context.Context, store authz.Store, tenant string, c authz.Change) error {
	c.ID, c.At, c.Expected = storage.NewID(), noon, authz.AnySequence
	_, err := store.Change(ctx, tenant, c)
	return err
}

func TestTheEngineKeepsEveryRule(t *testing.T) {
	Run(t, Options{New: reference})
}

func TestAGuardedEngineKeepsEveryRule(t *testing.T) {
	Run(t, Options{New: func(t *testing.T) Harness {
		h := reference(t)
		// The guard records into a backend of its own, so that breaking the policy
		// leaves it one to record in.
		b, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
		catalog, err := audit.NewCatalog(audit.CatalogConfig{}, authz.Actions()...)
		if err != nil {
			t.Fatal(err)
		}
		log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
		if err != nil {
			t.Fatal(err)
		}
		guard, err := authz.New(h.Authorizer, b, log, catalog, authz.Config{})
		if err != nil {
			t.Fatal(err)
		}
		h.Authorizer = authz.AuthorizerFunc(func(ctx context.Context, r authz.Request) (authz.Decision, error) {
			// Authorize fills in a missing time; the suite's zero request has more to miss.
			d, err := guard.Authorize(audit.WithActor(ctx, audit.Actor{Type: audit.User, ID: "suite"}), r)
			if d.Reason.Code == authz.CodeInvalidInput && d.PolicyVersion != "" {
				return d, errors.New("an ill-formed question reached the policy")
			}
			return d, err
		})
		return h
	}})
}
