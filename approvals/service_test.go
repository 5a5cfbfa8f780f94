package approvals_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestRefundIsAppliedOnceOnBehalfOfItsRequester(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{})
		r := k.ask(t, 150)
		if r.State != approvals.StateAwaitingApproval || r.Requester.ID != "sam" || r.Revision != 1 || r.Cause.PolicyVersion != "7" {
			t.Fatalf("the request is %+v", r)
		}
		if _, err := k.decide(t, marco, r.ID, approvals.Approve); err != nil {
			t.Fatal(err)
		}
		k.expect(t, r.ID, approvals.StateApproved)
		k.work(t)
		done := k.expect(t, r.ID, approvals.StateApplied)
		if string(done.Output) != `{"refunded":150}` {
			t.Errorf("output %s", done.Output)
		}
		if !slices.Equal(k.refunded, []int{150}) {
			t.Errorf("refunded %v, want 150 once", k.refunded)
		}
		want := []string{
			"approvals.request.submitted success", "orders.refund pending", "approvals.request.approved success",
			"approvals.request.started success", "orders.refund success", "approvals.request.applied success",
		}
		if got := k.log.actions(); !slices.Equal(got, want) {
			t.Errorf("events\n got %q\nwant %q", got, want)
		}
		e := k.log.find("orders.refund", audit.Success)[0]
		if e.ID != r.EventID || e.Actor.Type != audit.SystemActor || e.Actor.ActingAs != "sam" || e.OnBehalfOf == nil || e.OnBehalfOf.ID != "sam" {
			t.Errorf("the change was recorded as %+v", e)
		}
		if len(e.ApprovedBy) != 1 || e.ApprovedBy[0].ID != "marco" || e.ApprovalID != r.ID {
			t.Errorf("approved by %v under %q", e.ApprovedBy, e.ApprovalID)
		}
		if e.Trace.TraceID != r.Trace.TraceID || !e.Link.Valid() || e.Link.TraceID == r.Trace.TraceID {
			t.Errorf("trace %v link %v of a request begun under %v", e.Trace, e.Link, r.Trace)
		}
		if _, err := k.decide(t, olivia, r.ID, approvals.Approve); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a decision on an applied request: got %v, want a conflict", err)
		}
	})
}

func TestRequestIsKeptAsItIs(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{})
		who := sam
		who.Authn = &audit.Authn{At: k.now().Add(-time.Minute), ACR: "gold", AMR: []string{"pwd", "otp"}}
		c := order(150)
		c.Before, c.After, c.Metadata = []byte(`{"a":1}`), []byte(`{"a":2}`), []byte(`{"m":true}`)
		_, err := k.refund.Do(as(t.Context(), who), c)
		var pending *approvals.PendingError
		if !errors.As(err, &pending) {
			t.Fatal(err)
		}
		r, h, err := k.service.Get(t.Context(), acme, pending.RequestID)
		must(t, err)
		if r.Requester.Authn == nil || !r.Requester.Authn.At.Equal(who.Authn.At) || r.Requester.Authn.ACR != "gold" || len(r.Requester.Authn.AMR) != 2 {
			t.Errorf("authn %+v", r.Requester.Authn)
		}
		if string(r.Payload) != `{"amount":150}` || string(r.Before) != `{"a":1}` || string(r.After) != `{"a":2}` || string(r.Metadata) != `{"m":true}` || r.Output != nil {
			t.Errorf("content %+v, metadata %s, output %s", r.Content, r.Metadata, r.Output)
		}
		if !r.TimeoutAt.Equal(k.now().Add(approvals.DefaultTimeout)) || !r.CreatedAt.Equal(k.now()) || len(r.ContentHash) != 64 {
			t.Errorf("times and hash of %+v", r)
		}
		if len(r.Stages) != 1 || r.Stages[0].Status != approvals.StagePending || !r.Stages[0].OpenedAt.Equal(k.now()) {
			t.Errorf("stages %+v", r.Stages)
		}
		if len(h.Revisions) != 1 || len(h.Steps) != 1 || len(h.Decisions) != 0 || h.Revisions[0].ContentHash != r.ContentHash {
			t.Errorf("history %+v", h)
		}
	})
}
