package approvalstest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// ApplierOptions says how to get at the applier under test.
type ApplierOptions struct {
	// New returns a fresh host of the applier. Required.
	New func(t *testing.T) ApplierHost
}

// An ApplierHost is an applier with what it lives in.
type ApplierHost struct {
	// Backend is where the applier and the requests are stored.
	Backend StoreUnderTest
	// Actions are the catalogue entries of what the applier changes.
	Actions []audit.Action
	// Wire makes the applier, which changes things through g, and registers it with s.
	Wire func(g *audit.Governor, s *approvals.Service) (approvals.Applier, error)
	// Change is an event of the applier's action that it can apply: tenant, action,
	// resource, payload and base revision.
	Change audit.Event
	// BadPayload is one that the applier must refuse, nil where it takes any.
	BadPayload json.RawMessage
	// Changed returns how many changes are there, as anybody else sees them.
	Changed func(ctx context.Context) (int, error)
}

// RunApplier tests an approvals.Applier. Every rule is a subtest named by its id; when
// one fails, what the rule is for is printed with it.
func RunApplier(t *testing.T, o ApplierOptions) {
	t.Helper()
	if o.New == nil {
		t.Fatal("approvalstest: ApplierOptions.New is required")
	}
	for _, r := range applierRules {
		t.Run(r.id+" "+r.name, func(t *testing.T) { r.check(t, o.New(t)) })
	}
}

type applierRule struct {
	id, name, explanation string
	run                   func(e *applierEnv)
}

var applierRules = []applierRule{
	{"AL-001", "the approved change is made once and recorded as what was approved",
		"Apply hands Approved.Event to a Governor whose gate is approvals.Gate. Then the grant is used up, and the record carries the event id that was promised, the requester and the approvers.", appliesOnce},
	{"AL-002", "what is rolled back is not there",
		"Apply writes in the transaction of ctx. Whatever fails after it undoes it, and the next attempt makes the change.", undoneWithItsTransaction},
	{"AL-003", "a change that the gate refuses is not made",
		"The gate is asked again when a request is applied. Its refusal is returned, and nothing was written before it.", refusedByTheGate},
	{"AL-004", "a payload that cannot be applied ends the request",
		"storage.ErrInvalid says that no other attempt will help. Any other error would be tried again and again.", badPayload},
	{"AL-005", "without a grant nothing is changed",
		"Calling Apply is not a way around the approval.", withoutGrant},
}

// check runs the rule and explains it where it fails.
func (r applierRule) check(t testing.TB, h ApplierHost) {
	t.Helper()
	about(r.id, r.name, r.explanation).Check(t, ruletest.StorePatience, func(ctx context.Context) {
		e := &applierEnv{TB: t, ApplierHost: h, ctx: ctx, verdict: audit.Verdict{Effect: audit.NeedsApproval}}
		e.wire()
		r.run(e)
	})
}

// An applierEnv is a host of the applier whose gate and sink a rule can turn.
type applierEnv struct {
	testing.TB
	ApplierHost
	ctx     context.Context
	service *approvals.Service
	gov     *audit.Governor
	applier approvals.Applier

	verdict audit.Verdict
	failOn  string // the action whose record fails
	events  []audit.Event
}

var errSink = errors.New("the sink fails once")

// Append keeps the events of committed transactions.
func (e *applierEnv) Append(ctx context.Context, events ...audit.Event) error {
	for _, event := range events {
		if event.Action == e.failOn {
			return errSink
		}
	}
	storage.AfterCommit(ctx, func() { e.events = append(e.events, events...) })
	return nil
}

func (e *applierEnv) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("unexpected error: %v", err)
	}
}

func (e *applierEnv) wire() {
	e.Helper()
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(approvals.Actions(), e.Actions...)...)
	e.must(err)
	anybody := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return []string{"approver"}, nil })
	e.service, err = approvals.New(e.Backend, e.Backend.Approvals(), noJobs{}, anybody, catalog, e, approvals.Config{})
	e.must(err)
	inner := audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) { return e.verdict, nil })
	e.gov, err = audit.NewGovernor(e.Backend, approvals.Gate(inner, e.service), e, catalog)
	e.must(err)
	e.applier, err = e.Wire(e.gov, e.service)
	e.must(err)
}

// approved has a change asked for and approved, and returns the request.
func (e *applierEnv) approved(change audit.Event) approvals.Request {
	e.Helper()
	author := audit.WithActor(e.ctx, audit.Actor{Type: audit.User, ID: "author"})
	_, err := e.gov.Change(author, change, func(context.Context, *audit.Event) error { return nil })
	var pending *approvals.PendingError
	if !errors.As(err, &pending) {
		e.Fatalf("asking got %v, want a PendingError", err)
	}
	approver := audit.WithActor(e.ctx, audit.Actor{Type: audit.User, ID: "approver"})
	r, err := e.service.Decide(approver, change.Tenant, pending.RequestID, approvals.Choice{Decision: approvals.Approve, Revision: 1})
	e.must(err)
	return r
}

func (e *applierEnv) expect(r approvals.Request, err error, want approvals.State, code string, changed int) {
	e.Helper()
	e.must(err)
	if r.State != want {
		e.Errorf("the request is %s (%+v), want %s", r.State, r.Failure, want)
	}
	if code != "" && (r.Failure == nil || r.Failure.Code != code) {
		e.Errorf("the failure is %+v, want %s", r.Failure, code)
	}
	e.changes(changed)
}

func (e *applierEnv) changes(want int) {
	e.Helper()
	n, err := e.Changed(e.ctx)
	e.must(err)
	if n != want {
		e.Errorf("%d changes were made, want %d", n, want)
	}
}

func appliesOnce(e *applierEnv) {
	asked := e.approved(e.Change)
	r, err := e.service.Apply(e.ctx, asked.Tenant, asked.ID)
	e.expect(r, err, approvals.StateApplied, "", 1)
	var records []audit.Event
	for _, event := range e.events {
		if event.Action == e.Change.Action && event.Outcome == audit.Success {
			records = append(records, event)
		}
	}
	if len(records) != 1 {
		e.Fatalf("the change is recorded %d times, want once", len(records))
	}
	got := records[0]
	if got.ID != asked.EventID || got.ApprovalID != asked.ID || got.OnBehalfOf == nil || got.OnBehalfOf.ID != "author" || len(got.ApprovedBy) != 1 {
		e.Errorf("the record is %+v, want the event %s of request %s", got, asked.EventID, asked.ID)
	}
}

func undoneWithItsTransaction(e *applierEnv) {
	asked := e.approved(e.Change)
	e.failOn = "approvals.request.applied"
	if _, err := e.service.Apply(e.ctx, asked.Tenant, asked.ID); !errors.Is(err, errSink) {
		e.Errorf("applying got %v, want the error of the sink", err)
	}
	e.changes(0)
	e.failOn = ""
	r, err := e.service.Apply(e.ctx, asked.Tenant, asked.ID)
	e.expect(r, err, approvals.StateApplied, "", 1)
}

func refusedByTheGate(e *applierEnv) {
	asked := e.approved(e.Change)
	e.verdict = audit.Verdict{Reason: audit.Reason{Code: "no_longer"}}
	r, err := e.service.Apply(e.ctx, asked.Tenant, asked.ID)
	e.expect(r, err, approvals.StateFailed, approvals.FailedDenied, 0)
}

func badPayload(e *applierEnv) {
	if e.BadPayload == nil {
		return
	}
	change := e.Change
	change.Payload = e.BadPayload
	asked := e.approved(change)
	r, err := e.service.Apply(e.ctx, asked.Tenant, asked.ID)
	e.expect(r, err, approvals.StateFailed, approvals.FailedInvalid, 0)
}

func withoutGrant(e *applierEnv) {
	asked := e.approved(e.Change)
	change := e.Change
	change.ID, change.Actor = asked.EventID, asked.Requester
	err := e.Backend.InTx(e.ctx, func(ctx context.Context) error {
		_, err := e.applier.Apply(ctx, approvals.Approved{Request: asked, Event: change})
		return err
	})
	if err == nil {
		e.Errorf("Apply without a grant succeeded")
	}
	e.changes(0)
}
