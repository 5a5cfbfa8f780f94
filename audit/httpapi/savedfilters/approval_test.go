package savedfilters_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi/savedfilters"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/memory"
)

// A governed service has every change of a shared filter approved.
type governed struct {
	*saved.Service
	requests *approvals.Service
	log      *audit.Log
}

func newGoverned(t *testing.T) governed {
	t.Helper()
	b, err := memory.New(memory.Config{})
	must(t, err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, slices.Concat(savedfilters.Actions(), approvals.Actions())...)
	must(t, err)
	var g governed
	g.log, err = audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	people := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return []string{"manager"}, nil })
	g.requests, err = approvals.New(b, b.Approvals(), queue, people, catalog, g.log, approvals.Config{})
	must(t, err)
	asks := audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) {
		return audit.Verdict{Effect: audit.NeedsApproval, Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{}}}, nil
	})
	governor, err := audit.NewGovernor(b, approvals.Gate(asks, g.requests), g.log, catalog)
	must(t, err)
	g.Service, err = saved.New(b.SavedFilters(), []saved.List{saved.Of(orders)}, saved.Config{Govern: savedfilters.Govern(governor)})
	must(t, err)
	apply := approvals.ApplierFunc(func(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
		return approvals.Result{}, savedfilters.Apply(ctx, g.Service, a.Event)
	})
	for _, a := range savedfilters.Actions() {
		must(t, g.requests.Register(a.Name, apply))
	}
	return g
}

// as returns the ctx of a person.
func as(t *testing.T, person string) context.Context {
	return audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: person})
}

// approve has marco agree to the change that err says is pending, and applies it.
func (g governed) approve(t *testing.T, err error) approvals.Request {
	t.Helper()
	pending, ok := errors.AsType[*approvals.PendingError](err)
	if !ok {
		t.Fatalf("got %v, want a change that waits for approval", err)
	}
	_, err = g.requests.Decide(as(t, "marco"), "acme", pending.RequestID, approvals.Choice{Decision: approvals.Approve, Revision: 1})
	must(t, err)
	r, err := g.requests.Apply(t.Context(), "acme", pending.RequestID)
	must(t, err)
	return r
}

// shared returns the shared filters.
func (g governed) shared(t *testing.T) []saved.Filter {
	t.Helper()
	page, err := g.List(t.Context(), "acme", saved.Query{List: "shop.orders"})
	must(t, err)
	return page.Items
}

func TestAnApprovedChangeOfASharedFilterIsMade(t *testing.T) {
	t.Parallel()
	g := newGoverned(t)
	in := saved.Input{Name: "Open", Filters: []listing.Filter{{Field: "status", Op: listing.In, Values: []string{"open"}}}, Sort: listing.ParseSort("-at")}
	create := func(in saved.Input) error {
		_, err := g.Create(as(t, "dana"), "acme", "", "shop.orders", in)
		return err
	}
	pending := create(in)
	if again := create(in); again.Error() != pending.Error() {
		t.Errorf("sent again it %v, and before it %v", again, pending)
	}
	r := g.approve(t, pending)
	made := g.shared(t)
	if r.State != approvals.StateApplied || len(made) != 1 || made[0].Name != "Open" || !reflect.DeepEqual(made[0].Filters, in.Filters) || made[0].Sort != in.Sort {
		t.Fatalf("the request is %s (%+v), and there is %+v", r.State, r.Failure, made)
	}
	page, err := g.log.Query(t.Context(), "acme", audit.Query{ResourceID: made[0].ID})
	must(t, err)
	if len(page.Items) != 1 || page.Items[0].ID != r.EventID || page.Items[0].OnBehalfOf == nil || page.Items[0].OnBehalfOf.ID != "dana" {
		t.Errorf("recorded is %+v, want the creation on behalf of dana", page.Items)
	}

	in.Name, in.Filters = "Newest", nil
	update := func(in saved.Input, revision int64) error {
		_, err := g.Update(as(t, "dana"), "acme", "user:dana", made[0].ID, revision, in)
		return err
	}
	late := saved.Input{Name: "Late", Sort: in.Sort}
	lateUpdate := update(late, 1)
	if r := g.approve(t, update(in, 1)); r.State != approvals.StateApplied || g.shared(t)[0].Name != "Newest" || g.shared(t)[0].Revision != 2 {
		t.Errorf("the request is %s (%+v), and there is %+v", r.State, r.Failure, g.shared(t))
	}
	if r := g.approve(t, lateUpdate); r.State != approvals.StateFailed || r.Failure.Code != approvals.FailedConflict {
		t.Errorf("for a filter that moved the request is %s (%+v)", r.State, r.Failure)
	}
	if r := g.approve(t, g.Delete(as(t, "dana"), "acme", "user:dana", made[0].ID, 2)); r.State != approvals.StateApplied || len(g.shared(t)) != 0 {
		t.Errorf("the request is %s (%+v), and there is %+v", r.State, r.Failure, g.shared(t))
	}
}

func TestWhatIsNoChangeOfAFilterIsNotApplied(t *testing.T) {
	t.Parallel()
	g := newGoverned(t)
	filter := audit.Resource{Type: savedfilters.ResourceFilter, ID: "f"}
	for name, e := range map[string]audit.Event{
		"a payload of another kind": {Action: saved.ActionCreate, Payload: []byte(`{"list":7}`)},
		"no payload":                {Action: saved.ActionUpdate, BaseRevision: "1"},
		"no revision":               {Action: saved.ActionDelete},
		"a revision that is none":   {Action: saved.ActionDelete, BaseRevision: "0"},
		"another action":            {Action: "orders.refund", Payload: []byte(`{}`), BaseRevision: "1"},
	} {
		e.Tenant, e.Resource = "acme", filter
		if err := savedfilters.Apply(as(t, "dana"), g.Service, e); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	err := savedfilters.Apply(as(t, "dana"), g.Service, audit.Event{Tenant: "acme", Action: saved.ActionDelete, Resource: filter, BaseRevision: "1"})
	if !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a filter that is gone: got %v", err)
	}
}
