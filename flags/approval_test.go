package flags_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// flagApplier is how a host applies approved changes of flags.
type flagApplier struct{ *flags.Service }

func (f flagApplier) Apply(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
	return approvals.Result{}, f.Service.Apply(ctx, a.Event)
}

var _ approvals.Checker = flagApplier{}

// releasesAreFree asks for approval of what changes anything in prod, but of release
// flags: what the payload says is enough for that.
func releasesAreFree(_ context.Context, e audit.Event) (audit.Verdict, error) {
	var p struct {
		Type         flags.Type `json:"type"`
		Environments []string   `json:"environments"`
	}
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		return audit.Verdict{}, err
	}
	if p.Type == flags.TypeRelease || !slices.Contains(p.Environments, "prod") {
		return audit.Verdict{Effect: audit.Allow}, nil
	}
	return audit.Verdict{
		Effect: audit.NeedsApproval, Reason: audit.Reason{Code: "prod"}, Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{}},
	}, nil
}

// A governed kit has changes approved by marco.
type governed struct {
	*kit
	requests *approvals.Service
}

func newGoverned(t *testing.T, b eachtest.Backend) governed {
	t.Helper()
	k := &kit{backend: b, ctx: audit.WithActor(t.Context(), dana)}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, slices.Concat(flags.Actions(), approvals.Actions())...)
	must(t, err)
	k.log, err = audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	k.queue, err = jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	people := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return []string{"manager"}, nil })
	requests, err := approvals.New(b, b.Approvals(), k.queue, people, catalog, k.log, approvals.Config{})
	must(t, err)
	governor, err := audit.NewGovernor(b, approvals.Gate(audit.GateFunc(releasesAreFree), requests), k.log, catalog)
	must(t, err)
	k.service, err = flags.New(governor, b.Flags(), k.queue, flags.Config{})
	must(t, err)
	for _, a := range flags.Actions() {
		must(t, requests.Register(a.Name, flagApplier{k.service}))
	}
	return governed{k, requests}
}

// approve has marco agree to a change that err says is pending, and applies it.
func (g governed) approve(t *testing.T, err error) approvals.Request {
	t.Helper()
	pending, ok := errors.AsType[*approvals.PendingError](err)
	if !ok {
		t.Fatalf("got %v, want a change that waits for approval", err)
	}
	marco := audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "marco"})
	r, err := g.requests.Decide(marco, "acme", pending.RequestID, approvals.Choice{Decision: approvals.Approve, Revision: 1})
	must(t, err)
	r, err = g.requests.Apply(t.Context(), "acme", r.ID)
	must(t, err)
	return r
}

func TestAnApprovedChangeIsAppliedAsItWasAskedFor(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		g := newGoverned(t, b)
		must(t, g.create(checkout())) // a release flag: free

		limits := checkout()
		limits.Key, limits.Type = "limits", flags.TypeOps
		r := g.approve(t, g.create(limits))
		same(t, r.State, approvals.StateApplied)
		made, err := g.service.Get(g.ctx, "acme", "limits")
		must(t, err)
		same(t, []any{made.Revision, made.Author.ID, made.EventID}, []any{int64(1), "dana", r.EventID})

		// What changes nothing in prod is free; what does waits, each change of its own.
		limits.Description = "how much"
		_, err = g.service.Update(g.ctx, "acme", limits, 1, "")
		must(t, err)
		on := in(limits, func(s *flags.State) { s.DefaultVariant = "on" })
		_, pending := g.service.Update(g.ctx, "acme", on, 2, "for all")
		same(t, g.approve(t, pending).State, approvals.StateApplied)
		got, err := g.service.Get(g.ctx, "acme", "limits")
		must(t, err)
		same(t, []any{got.Revision, got.Environments["prod"].DefaultVariant, got.Comment}, []any{int64(3), "on", "for all"})

		for _, do := range []func() error{
			func() error { _, err := g.service.Kill(g.ctx, "acme", "limits", "prod", "it burns"); return err },
			func() error { _, err := g.service.Restore(g.ctx, "acme", "limits", "prod", "a drill"); return err },
			func() error { return g.service.Delete(g.ctx, "acme", "limits", 0, "done") },
		} {
			same(t, g.approve(t, do()).State, approvals.StateApplied)
		}
		_, err = g.service.Get(g.ctx, "acme", "limits")
		wantErr(t, err, storage.ErrNotFound)
		page, err := g.log.Query(g.ctx, "acme", audit.Query{Action: flags.ActionUpdate, ResourceID: "limits"})
		must(t, err)
		last := page.Items[len(page.Items)-1]
		if len(last.ApprovedBy) != 1 || last.ApprovedBy[0].ID != "marco" || last.OnBehalfOf == nil || last.OnBehalfOf.ID != "dana" {
			t.Errorf("approved by %+v on behalf of %+v, want marco and dana", last.ApprovedBy, last.OnBehalfOf)
		}
	})
}

func TestAnApprovalOfAFlagThatMovedFails(t *testing.T) {
	t.Parallel()
	g := newGoverned(t, eachtest.Memory(t))
	limits := checkout()
	limits.Key, limits.Type = "limits", flags.TypeOps
	g.approve(t, g.create(limits))
	_, pending := g.service.Update(g.ctx, "acme", in(limits, func(s *flags.State) { s.DefaultVariant = "on" }), 1, "")
	limits.Description = "moved"
	must(t, g.update(limits))
	r := g.approve(t, pending)
	if r.State != approvals.StateFailed || r.Failure == nil || r.Failure.Code != approvals.FailedConflict {
		t.Errorf("got a request %s: %+v, want a conflict", r.State, r.Failure)
	}
	got, err := g.service.Get(g.ctx, "acme", "limits")
	must(t, err)
	same(t, got.Environments["prod"].DefaultVariant, "off")
}
