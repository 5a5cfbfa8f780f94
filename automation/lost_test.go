package automation_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

const mortal = `"on_failure":[{"name":"sorry","action":"test.probe","with":{"why":{"$ref":"/error/message"}}}],
	"steps":[{"name":"pay","action":"test.probe","retry":{"attempts":10}},{"name":"tell","action":"test.probe"}]`

// TestAStepThatLosesItsStartsFails has the job of a run lose its starts while a step runs,
// as it does when its processes die.
func TestAStepThatLosesItsStartsFails(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		r := k.rule(t, mortal)
		called := make(chan struct{}, 1)
		k.probe.answers(func(ctx context.Context, _ automation.Input) (automation.Output, error) {
			called <- struct{}{}
			<-ctx.Done()
			return automation.Output{}, ctx.Err()
		})
		must(t, k.worker.Start(t.Context()))
		k.refund(t, "e1", 1)
		<-called
		dead, die := context.WithCancel(t.Context())
		die()
		wantErr(t, k.worker.Close(dead), context.Canceled)
		k.probe.answers(nil)
		const lost = "its process died, or lost its lease, at least 3 times while this step ran"
		d := k.heir(t, b, r)
		same(t, "the run", string(d.Run.Status)+": "+d.Run.Failure.Step+" "+d.Run.Failure.Class+", "+d.Run.Failure.Message, "failed: pay permanent, "+lost)
		same(t, "the steps", steps(d), "pay:failed sorry:succeeded tell:skipped")
		same(t, "the calls", k.probe.made(), []string{"pay", "sorry"})
		same(t, "what the route was given", k.probe.with("sorry"), `{"why":"`+lost+`"}`)
		same(t, "the attempts", len(d.Steps[0].Log), 1)
		same(t, "the attempt", d.Steps[0].Log[0].Class+": "+d.Steps[0].Log[0].Error, "permanent: "+lost)
	})
}

// TestAnEventThatLosesItsStartsLeavesAFailedRun has the job of an event lose its starts
// before there is a run.
func TestAnEventThatLosesItsStartsLeavesAFailedRun(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		r := k.rule(t, mortal)
		k.refund(t, "e1", 1)
		d := k.heir(t, b, r)
		same(t, "the run", string(d.Run.Status)+": "+d.Run.Failure.Message, "failed: its process died, or lost its lease, at least 3 times before the first step")
		same(t, "the calls", k.probe.made(), nil)
		same(t, "the owner", d.Run.Owner, sam)
		if all := k.audited(t); all[len(all)-1] != "automation.run.failed failure by automation" {
			t.Errorf("the end is not on record: %q", all)
		}
		again, err := k.service.Rerun(k.ctx, acme, d.Run.ID, false, "the processes live again")
		must(t, err)
		waitFor(t, func() bool { return k.ended(t, again.ID) })
		same(t, "the calls of the rerun", k.probe.made(), []string{"pay", "tell"})
	})
}

// heir has workers announce three starts of the one job of a rule and be gone, and then
// one go on. It returns the run once that has ended.
func (k *kit) heir(t *testing.T, b backend, r automation.Rule) automation.RunDetail {
	t.Helper()
	p, err := b.Jobs().Beat(t.Context(), jobs.Beat{Lease: time.Minute})
	must(t, err)
	for range 3 {
		list, err := b.Jobs().Fetch(t.Context(), time.Now(), []jobs.LaneFetch{jobs.FromStart(jobs.LaneID{Tenant: acme, Lane: "automation/" + r.ID}, 2)})
		must(t, err)
		same(t, "jobs", len(list), 1)
		_, err = b.Jobs().Settle(t.Context(), p.Worker.ID, []jobs.Outcome{{Job: list[0], Result: jobs.Begun, Started: time.Now(), Ended: time.Now()}})
		must(t, err)
	}
	_, err = b.Jobs().Beat(t.Context(), jobs.Beat{Worker: p.Worker.ID, Leave: true})
	must(t, err)
	k.worker, err = jobs.NewWorker(k.queue, k.service.Handlers(), jobs.WorkerConfig{})
	must(t, err)
	k.work(t)
	var runs []automation.Run
	waitFor(t, func() bool {
		runs = k.runs(t, automation.RunQuery{RuleID: r.ID})
		return len(runs) == 1 && runs[0].Status.Ended()
	})
	d, err := k.service.Run(k.ctx, acme, runs[0].ID)
	must(t, err)
	return d
}

func (k *kit) ended(t *testing.T, id string) bool {
	t.Helper()
	d, err := k.service.Run(k.ctx, acme, id)
	must(t, err)
	return d.Run.Status.Ended()
}

// TestAStepThatKillsItsProcessFails has a step kill each process that calls it, until one
// leaves the step alone and takes the route for failures.
func TestAStepThatKillsItsProcessFails(t *testing.T) {
	for _, k := range eachtest.Kinds(t) {
		switch k.Name {
		case "sqlite":
			t.Run(k.Name, func(t *testing.T) { killAtEachCall(t, filepath.Join(t.TempDir(), "kill.db")) })
		case "postgres":
			t.Run(k.Name, func(t *testing.T) { killAtEachCall(t, eachtest.PostgresDSN(t)) })
		}
	}
}

func killAtEachCall(t *testing.T, place string) {
	ctx := audit.WithActor(t.Context(), sam)
	b, err := openPlace(ctx, place)
	must(t, err)
	defer func() { must(t, b.Close(context.WithoutCancel(ctx))) }()
	h, err := newHost(b)
	must(t, err)
	var mu sync.Mutex
	var calls []string
	kill := func() {}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, r.URL.Path)
		if r.URL.Path == "/poison" {
			kill()
		}
	}))
	defer server.Close()
	post := func(name string) string {
		return `[{"name":"` + name + `","action":"http.post","with":{"url":"` + server.URL + `/` + name + `"}}]`
	}
	h.writeRule(ctx, t, definition(t, `"steps":`+post("poison")+`,"on_failure":`+post("sorry")))
	must(t, h.governor.Record(ctx, audit.Event{ID: "e1", Tenant: acme, Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1"}}))
	for deaths := 0; h.count(ctx, t, automation.Failed) == 0; deaths++ {
		if deaths > 8 {
			t.Fatalf("the run goes on after %d processes died", deaths)
		}
		mu.Lock() // what it sends before it is known waits
		p := spawn(t, place, brief)
		kill = func() { _ = p.Kill() }
		mu.Unlock()
		dead := ended(p)
		for alive := true; alive; {
			select {
			case <-dead:
				alive = false
				must(t, p.Kill())
			case <-time.After(20 * time.Millisecond):
				if h.count(ctx, t, automation.Failed) > 0 {
					must(t, p.Kill())
				}
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	// One start is not counted, then MaxLost are.
	same(t, "the calls", calls, slices.Concat(slices.Repeat([]string{"/poison"}, 4), []string{"/sorry"}))
}
