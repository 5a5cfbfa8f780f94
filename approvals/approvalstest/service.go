package approvalstest

import (
	"errors"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

var serviceRules = []storeRule{
	{"CR-020", "authors do not decide",
		"The two-person rule: who asked and who edited never count as the others who agreed.", authorsDoNotDecide},
	{"CR-021", "one person counts once",
		"Two approvals are two people. A store that forgets who voted lets one person be both.", onePersonCountsOnce},
	{"CR-022", "a new revision needs new approvals",
		"What was approved is not what would be applied. Decisions on earlier revisions stay on record and count no more.", revisionVoids},
	{"CR-023", "as many people count as are required, also at the same instant",
		"Decisions that race must not be lost, and the one that comes too late must be told.", concurrentVotes},
	{"CR-024", "of decisions that exclude each other one wins",
		"An approval and a cancellation at the same instant: one holds, the other is told that it came too late.", oneWinner},
	{"CR-025", "an approved change is made once",
		"Two workers with the same job, and whoever tries again afterwards, make the change once.", appliedOnce},
	{"CR-026", "a timeout ends what is undecided and nothing else",
		"Undecided requests expire at their timeout, also where the timer is late; decided ones do not.", timeout},
	{"CR-027", "a change that fails leaves nothing",
		"What the applier wrote before it failed is undone, and the failure is on record.", failureLeavesNothing},
	{"CR-028", "a change for a revision that is gone is not made",
		"The approvers saw another resource than the one that is there now.", baseMoved},
	{"CR-029", "whom a revision asks is settled when it is submitted",
		"An audience that changes afterwards must neither add people to what waits nor take any away; the next revision is routed anew.", routedOnce},
}

func routedOnce(e *env) {
	h := e.hostOf(approvals.StageRule{Name: "all"}, approvals.StageRule{Name: "large", When: &targeting.Condition{Audience: "large"}})
	stages := func(id string, want ...approvals.StageStatus) {
		h.Helper()
		r, _, err := h.service.Get(h.Ctx, h.Tenant, id)
		h.must(err)
		for i, status := range want {
			if len(r.Stages) != len(want) || r.Stages[i].Status != status {
				h.Fatalf("the stages are %+v, want %v", r.Stages, want)
			}
		}
	}
	h.large = 151
	id := h.ask()
	stages(id, approvals.StagePending, approvals.StageSkipped)
	h.large = 1
	h.must(h.decide("ann", id, approvals.Approve, 1))
	stages(id, approvals.StageApproved, approvals.StageSkipped)
	h.expect(id, approvals.StateApproved, 0)
	h.must(h.revise("author", id, 150_000))
	stages(id, approvals.StagePending, approvals.StagePending)
	h.large = 1_000_000
	h.must(h.decide("ann", id, approvals.Approve, 2))
	h.expect(id, approvals.StateAwaitingApproval, 0)
	h.must(h.decide("bob", id, approvals.Approve, 2))
	_, err := h.service.Apply(h.Ctx, h.Tenant, id)
	h.must(err)
	h.expect(id, approvals.StateApplied, 1)
}

func authorsDoNotDecide(e *env) {
	h := e.host(1)
	id := h.ask()
	h.must(h.revise("editor", id, 160))
	for _, person := range []string{"author", "editor", "stranger"} {
		if err := h.decide(person, id, approvals.Approve, 2); !errors.Is(err, approvals.ErrNotEligible) {
			h.Errorf("the approval of the %s got %v, want ErrNotEligible", person, err)
		}
	}
	h.expect(id, approvals.StateAwaitingApproval, 0)
}

func onePersonCountsOnce(e *env) {
	h := e.host(2)
	id := h.ask()
	h.must(h.decide("ann", id, approvals.Approve, 1))
	e.refused("the second approval of one person", h.decide("ann", id, approvals.Approve, 1))
	h.expect(id, approvals.StateAwaitingApproval, 0)
	h.must(h.decide("bob", id, approvals.Approve, 1))
	h.expect(id, approvals.StateApproved, 0)
}

func revisionVoids(e *env) {
	h := e.host(2)
	id := h.ask()
	h.must(h.decide("ann", id, approvals.Approve, 1))
	h.must(h.revise("author", id, 160))
	e.refused("a decision on the old revision", h.decide("bob", id, approvals.Approve, 1))
	h.must(h.decide("bob", id, approvals.Approve, 2))
	h.expect(id, approvals.StateAwaitingApproval, 0)
	h.must(h.decide("ann", id, approvals.Approve, 2))
	h.expect(id, approvals.StateApproved, 0)
}

func concurrentVotes(e *env) {
	h := e.host(3)
	id := h.ask()
	people := []string{"ann", "bob", "cid", "dot", "eve"}
	errs := make(chan error, len(people))
	for _, person := range people {
		go func() { errs <- h.decide(person, id, approvals.Approve, 1) }()
	}
	counted := 0
	for range people {
		if err := <-errs; err == nil {
			counted++
		} else if !errors.Is(err, storage.ErrConflict) {
			h.Errorf("a late approval got %v, want ErrConflict", err)
		}
	}
	r, history, err := h.service.Get(h.Ctx, h.Tenant, id)
	h.must(err)
	if counted != 3 || len(r.ApprovedBy()) != 3 || len(history.Decisions) != 3 {
		h.Errorf("%d approvals were accepted, %d are on record, %d people count; want 3", counted, len(history.Decisions), len(r.ApprovedBy()))
	}
	h.expect(id, approvals.StateApproved, 0)
}

func oneWinner(e *env) {
	h := e.host(1)
	id := h.ask()
	errs := make(chan error, 2)
	go func() { errs <- h.decide("ann", id, approvals.Decline, 1) }()
	go func() { _, err := h.service.Cancel(h.as("author"), h.Tenant, id, ""); errs <- err }()
	won := 0
	for range 2 {
		if err := <-errs; err == nil {
			won++
		} else if !errors.Is(err, storage.ErrConflict) {
			h.Errorf("the loser got %v, want ErrConflict", err)
		}
	}
	if won != 1 {
		h.Errorf("%d of two succeeded, want 1", won)
	}
}

func (h *host) approved() string {
	h.Helper()
	id := h.ask()
	h.must(h.decide("ann", id, approvals.Approve, 1))
	return id
}

func appliedOnce(e *env) {
	h := e.host(1)
	id := h.approved()
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { _, err := h.service.Apply(h.Ctx, h.Tenant, id); errs <- err }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil && !errors.Is(err, storage.ErrConflict) {
			h.Errorf("an application got %v", err)
		}
	}
	h.expect(id, approvals.StateApplied, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events["approvals.request.applied"] != 1 {
		h.Errorf("recorded %d applications, want 1", h.events["approvals.request.applied"])
	}
}

func timeout(e *env) {
	h := e.host(1)
	waiting := h.ask()
	h.must(h.revise("author", waiting, 1)) // so that it is not found again
	decided := h.approved()
	h.pass(time.Hour - time.Microsecond)
	expire := func(id string) {
		h.Helper()
		_, err := h.service.Expire(h.Ctx, h.Tenant, id)
		h.must(err)
	}
	expire(waiting)
	h.expect(waiting, approvals.StateAwaitingApproval, 0)
	h.pass(time.Microsecond)
	e.refused("a decision at the timeout", h.decide("ann", waiting, approvals.Approve, 2))
	expire(waiting)
	expire(waiting)
	expire(decided)
	h.expect(waiting, approvals.StateExpired, 0)
	h.expect(decided, approvals.StateApproved, 0)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events["approvals.request.expired"] != 1 {
		h.Errorf("recorded %d expiries, want 1", h.events["approvals.request.expired"])
	}
}

func failureLeavesNothing(e *env) {
	h := e.host(1)
	id := h.approved()
	h.fail = approvals.Permanent(errors.New("the card is gone"))
	r, err := h.service.Apply(h.Ctx, h.Tenant, id)
	h.must(err)
	h.expect(id, approvals.StateFailed, 0)
	if r.Failure == nil || r.Failure.Code != approvals.FailedApplier {
		h.Errorf("the failure is %+v", r.Failure)
	}
	// The grant was not used up by the change that did not happen.
	e.must(e.Store.Consume(e.Ctx, e.Tenant, approvals.Grant{
		RequestID: id, Revision: 1, ContentHash: r.ContentHash, EventID: r.EventID,
	}, noon))
}

func baseMoved(e *env) {
	h := e.host(1)
	id := h.approved()
	h.mu.Lock()
	h.revision = "2"
	h.mu.Unlock()
	r, err := h.service.Apply(h.Ctx, h.Tenant, id)
	h.must(err)
	h.expect(id, approvals.StateFailed, 0)
	if r.Failure == nil || r.Failure.Code != approvals.FailedConflict {
		h.Errorf("the failure is %+v, want a conflict", r.Failure)
	}
}
