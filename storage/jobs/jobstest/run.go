package jobstest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A Backend is what is tested: a store of jobs and the transactions it takes part in.
type Backend interface {
	storage.Transactor
	Jobs() jobs.Store
}

// Options says how to get at the backend under test.
type Options struct {
	// New returns a migrated backend. It is called once; the rules share what it returns
	// and clear away what others left. The test that asks leaves closing it to New.
	// Required.
	New func(t *testing.T) Backend
}

// Run tests a store. Every rule is a subtest named by its id.
func Run(t *testing.T, options Options) {
	t.Helper()
	if options.New == nil {
		t.Fatal("jobstest: Options.New is required")
	}
	b := options.New(t)
	for _, r := range rules() {
		t.Run(r.id+" "+r.name, func(t *testing.T) { r.check(t, b) })
	}
}

// A rule is one thing a store has to keep.
type rule struct {
	id, name, explanation string
	run                   func(e *env)
}

// patience is how long a rule may take. A store that waits for itself would hang the run
// otherwise.
const patience = time.Minute

// check runs the rule and explains it where it fails.
func (r rule) check(t testing.TB, b Backend) {
	t.Helper()
	r.about().Check(t, patience, func(ctx context.Context) {
		e := &env{TB: t, b: b, store: b.Jobs(), ctx: ctx, tenant: "tenant-" + storage.NewID()}
		e.clear()
		r.run(e)
	})
}

func (r rule) about() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// Rules returns the rules of [Run], in their order.
func Rules() []ruletest.Rule {
	var all []ruletest.Rule
	for _, r := range rules() {
		all = append(all, r.about())
	}
	return all
}

func rules() []rule {
	return slices.Concat(producerRules, workerRules, laneRules, settlementRules, inspectorRules, keyRules, registerRules, deadRules)
}

// noon is the now of all rules.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)

// An env is what a rule gets to work with.
type env struct {
	testing.TB
	b      Backend
	store  jobs.Store
	ctx    context.Context
	tenant string // one that no other rule uses
}

// must fails the rule with an error that should not be.
func (e *env) must(err error, what string) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

// clear ends the workers and completes the jobs that earlier rules left, because claims
// reach over tenants.
func (e *env) clear() {
	e.Helper()
	janitor := e.enrol()
	p := e.beat(jobs.Beat{Worker: janitor.Worker.ID})
	e.beat(jobs.Beat{Worker: janitor.Worker.ID, Dead: p.Peers})
	for range 1000 {
		taken := e.claim(jobs.Claim{Worker: janitor.Worker.ID, Take: 1000, Now: noon.AddDate(1000, 0, 0)}).Taken
		if len(taken) == 0 {
			break
		}
		for _, l := range taken {
			for range 1000 {
				list, err := e.store.Fetch(e.ctx, noon.AddDate(1000, 0, 0), []jobs.LaneFetch{jobs.FromStart(l.LaneID, 1000)})
				e.must(err, "fetch")
				if len(list) == 0 {
					break
				}
				e.settle(janitor.Worker.ID, outcomes(jobs.Completed, list...)...)
			}
		}
	}
	e.beat(jobs.Beat{Worker: janitor.Worker.ID, Leave: true})
}

// job returns a job of the rule's tenant in a lane.
func (e *env) job(lane string) jobs.Job {
	return jobs.Job{Tenant: e.tenant, Lane: lane, Kind: "test", Due: noon}
}

// lane names a lane of the rule's tenant.
func (e *env) lane(name string) jobs.LaneID { return jobs.LaneID{Tenant: e.tenant, Lane: name} }

func (e *env) enqueue(list ...jobs.Job) {
	e.Helper()
	e.must(e.store.Enqueue(e.ctx, list), "enqueue")
}

// fetch reads the due jobs of lanes of the rule's tenant from their start.
func (e *env) fetch(lanes ...string) []jobs.Fetched {
	e.Helper()
	fetches := make([]jobs.LaneFetch, len(lanes))
	for i, l := range lanes {
		fetches[i] = jobs.FromStart(e.lane(l), 100)
	}
	list, err := e.store.Fetch(e.ctx, noon, fetches)
	e.must(err, "fetch")
	return list
}

// behind has a fetch go on behind a job, in that job's level.
func behind(f jobs.LaneFetch, last jobs.Fetched) jobs.LaneFetch {
	f.Levels[last.Priority.Level()].After = jobs.Position{At: last.Due, ID: last.ID}
	return f
}

// one enqueues a job into a lane and returns it as it is fetched.
func (e *env) one(lane string) jobs.Fetched {
	e.Helper()
	e.enqueue(e.job(lane))
	list := e.fetch(lane)
	if len(list) == 0 {
		e.Fatalf("an enqueued job is not fetched")
	}
	return list[len(list)-1]
}

func (e *env) beat(b jobs.Beat) jobs.Presence {
	e.Helper()
	if b.Lease == 0 {
		b.Lease = time.Minute
	}
	p, err := e.store.Beat(e.ctx, b)
	e.must(err, "beat")
	return p
}

func (e *env) enrol() jobs.Presence {
	e.Helper()
	return e.beat(jobs.Beat{})
}

// worker enrols a worker and returns its id.
func (e *env) worker() int64 {
	e.Helper()
	return e.enrol().Worker.ID
}

// kill ends a worker as one that was found dead.
func (e *env) kill(worker int64) {
	e.Helper()
	observer := e.enrol()
	for _, p := range observer.Peers {
		if p.ID == worker {
			e.beat(jobs.Beat{Worker: observer.Worker.ID, Dead: []jobs.Peer{p}})
			return
		}
	}
	e.Fatalf("worker %d is not among the peers of another", worker)
}

func (e *env) claim(c jobs.Claim) jobs.Claimed {
	e.Helper()
	if c.Now.IsZero() {
		c.Now = noon
	}
	claimed, err := e.store.Claim(e.ctx, c)
	e.must(err, "claim")
	return claimed
}

// outcomes returns the same outcome for jobs.
func outcomes(result jobs.Result, list ...jobs.Fetched) []jobs.Outcome {
	out := make([]jobs.Outcome, len(list))
	for i, f := range list {
		out[i] = jobs.Outcome{
			Job: f, Result: result, Due: noon.Add(time.Minute),
			Started: noon.Add(time.Second), Ended: noon.Add(2 * time.Second),
		}
		if result == jobs.Retried || result == jobs.Buried {
			out[i].Reason = "because"
		}
	}
	return out
}

// settle stores outcomes of which none may be missed.
func (e *env) settle(worker int64, list ...jobs.Outcome) {
	e.Helper()
	missed, err := e.store.Settle(e.ctx, worker, list)
	e.must(err, "settle")
	if len(missed) > 0 {
		e.Fatalf("jobs %v were missed", missed)
	}
}

// ids returns the ids of jobs in their order.
func ids(list []jobs.Fetched) []int64 {
	out := make([]int64, len(list))
	for i, f := range list {
		out[i] = f.ID
	}
	return out
}

// names returns the names of lanes, sorted.
func names(list []jobs.Lane) []string {
	out := make([]string, len(list))
	for i, l := range list {
		out[i] = l.Lane
	}
	slices.Sort(out)
	return out
}
