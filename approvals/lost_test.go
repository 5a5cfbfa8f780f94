package approvals_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// bereave has a worker announce starts of the one job of a lane of acme and be gone with
// them, as often as makes the job a lost one, and then starts another, which works it.
func (k *kit) bereave(t *testing.T, queue *jobs.Queue, lane string) {
	t.Helper()
	store := k.backend.Jobs()
	p, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
	must(t, err)
	for range 3 {
		list, err := store.Fetch(t.Context(), time.Now(), []jobs.LaneFetch{jobs.FromStart(jobs.LaneID{Tenant: acme, Lane: lane}, 2)})
		must(t, err)
		if len(list) != 1 {
			t.Fatalf("the lane %s has %d jobs, want 1", lane, len(list))
		}
		_, err = store.Settle(t.Context(), p.Worker.ID, []jobs.Outcome{{Job: list[0], Result: jobs.Begun, Started: time.Now(), Ended: time.Now()}})
		must(t, err)
	}
	_, err = store.Beat(t.Context(), jobs.Beat{Worker: p.Worker.ID, Leave: true})
	must(t, err)
	worker, err := jobs.NewWorker(queue, k.service.Handlers(), jobs.WorkerConfig{})
	must(t, err)
	must(t, worker.Start(t.Context()))
	t.Cleanup(func() { must(t, worker.Close(context.WithoutCancel(t.Context()))) })
}

// trail returns the verbs of a request and what was said with the last of them.
func (k *kit) trail(t *testing.T, id string) (verbs []string, last approvals.Step) {
	t.Helper()
	_, h, err := k.service.Get(t.Context(), acme, id)
	must(t, err)
	for _, s := range h.Steps {
		verbs, last = append(verbs, s.Verb), s
	}
	return verbs, last
}

func TestARequestWhoseApplyingKillsItsProcessesFails(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for _, c := range []struct {
			name    string
			claimed bool
		}{
			{"before it was claimed", false},
			{"while it was applied", true},
		} {
			t.Run(c.name, func(t *testing.T) {
				queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
				must(t, err)
				w := watch{make(chan audit.Event, 100)}
				k := newKit(t, b, options{queue: queue, sinks: []audit.AuditSink{w}})
				id := k.ask(t, 150).ID
				_, err = k.decide(t, marco, id, approvals.Approve)
				must(t, err)
				if c.claimed {
					k.fail = func(int) error { return context.Canceled } // as when its process goes down
					if _, err := k.service.Apply(t.Context(), acme, id); err == nil {
						t.Fatal("applying went well")
					}
					k.expect(t, id, approvals.StateApplying)
					k.fail = nil
				}
				k.mu.Lock()
				k.attempts = 0
				k.mu.Unlock()
				k.bereave(t, queue, "approvals.apply")
				w.until(t, "approvals.request.failed", id)
				r := k.expect(t, id, approvals.StateFailed)
				if r.Failure == nil || r.Failure.Code != approvals.FailedLost || r.Failure.Text == "" {
					t.Errorf("the failure is %+v, want %q with a text", r.Failure, approvals.FailedLost)
				}
				if verbs, _ := k.trail(t, id); !slices.Equal(verbs, []string{"submitted", "approved", "started", "failed"}) {
					t.Errorf("its history is %q", verbs)
				}
				if e := k.log.find("approvals.request.failed", audit.Failure); len(e) != 1 || e[0].Reason != approvals.FailedLost {
					t.Errorf("recorded %+v", e)
				}
				if k.attempts != 0 || len(k.refunded) != 0 {
					t.Errorf("it was tried %d times and refunded %v", k.attempts, k.refunded)
				}
				again, err := k.service.Rerequest(as(t.Context(), sam), acme, id)
				must(t, err)
				_, err = k.decide(t, marco, again.ID, approvals.Approve)
				must(t, err)
				w.until(t, "approvals.request.applied", again.ID)
			})
		}
	})
}

func TestARequestWhoseTimerKillsItsProcessesExpires(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
		must(t, err)
		w := watch{make(chan audit.Event, 100)}
		k := newKit(t, b, options{queue: queue, sinks: []audit.AuditSink{w}})
		id := k.ask(t, 150).ID
		k.advance(approvals.DefaultTimeout)
		k.bereave(t, queue, "approvals.expire")
		w.until(t, "approvals.request.expired", id)
		k.expect(t, id, approvals.StateExpired)
	})
}

func TestARequestTellsThatItsApproverKillsItsProcesses(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
		must(t, err)
		w := watch{make(chan audit.Event, 100)}
		k := newKit(t, b, options{queue: queue, sinks: []audit.AuditSink{w}, config: approvals.Config{
			Policies: map[string]approvals.Policy{"": {Stages: []approvals.StageRule{{Name: "risk", Approver: "risk"}}}},
			Approvers: map[string]approvals.Approver{"risk": approvals.ApproverFunc(func(context.Context, approvals.StageOpen) (approvals.Answer, error) {
				return approvals.Answer{Decision: approvals.Approve}, nil
			})},
		}})
		id := k.ask(t, 150).ID
		k.bereave(t, queue, "approvals.ask")
		w.until(t, "approvals.request.commented", id)
		k.expect(t, id, approvals.StateAwaitingApproval)
		const why = `the process that asked approver "risk" died, or lost its lease, at least 3 times`
		verbs, last := k.trail(t, id)
		if !slices.Equal(verbs, []string{"submitted", "commented"}) || last.Comment != why || last.Actor.ID != "approvals" {
			t.Errorf("its history is %q and ends with %+v", verbs, last)
		}
		dead, err := queue.DeadJobs(t.Context(), acme, jobs.DeadQuery{})
		must(t, err)
		if len(dead.Items) != 1 || dead.Items[0].Reason != why {
			t.Fatalf("the dead letters are %+v", dead.Items)
		}
		must(t, queue.Requeue(t.Context(), acme, dead.Items[0].ID))
		w.until(t, "approvals.request.applied", id)
	})
}
