package jobstest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
)

var errRollback = errors.New("roll back")

var producerRules = []rule{
	{"JS-001", "a job comes back as it was enqueued", "a handler must get every byte that was asked for, and times to the microsecond", func(e *env) {
		want := jobs.Job{
			Tenant: e.tenant, Lane: "lane", Kind: "kind", Priority: jobs.High, Due: noon, Payload: []byte{0, 1, 255},
			Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		}
		e.enqueue(want)
		got := e.fetch("lane")
		if len(got) != 1 {
			e.Fatalf("got %d jobs, want 1", len(got))
		}
		want.ID = got[0].ID
		if !reflect.DeepEqual(got[0], jobs.Fetched{Job: want}) {
			e.Errorf("got %+v, want %+v", got[0], want)
		}
	}},
	{"JS-002", "a job without payload has none", "an empty payload must not differ from store to store", func(e *env) {
		if got := e.one("lane"); got.Payload != nil || got.Trace != "" {
			e.Errorf("got payload %#v and trace %q, want none", got.Payload, got.Trace)
		}
	}},
	{"JS-003", "jobs get rising ids in the order they were given", "the id is the order of jobs that are due at the same time", func(e *env) {
		list := []jobs.Job{e.job("b"), e.job("a"), e.job("c")}
		for i := range list {
			list[i].Payload = []byte{byte(i)}
		}
		e.enqueue(list...)
		got := e.fetch("a", "b", "c")
		slices.SortFunc(got, func(x, y jobs.Fetched) int { return int(x.ID - y.ID) })
		for i, f := range got {
			if f.Payload[0] != byte(i) {
				e.Errorf("the job with the %d. id was the %d. given", i+1, f.Payload[0]+1)
			}
		}
		if last := got[len(got)-1].ID; e.one("d").ID <= last {
			e.Errorf("a later enqueueing got a smaller id")
		}
	}},
	{"JS-004", "an id is not given again after its job ended", "a late outcome of the old job would count for the new one", func(e *env) {
		w, first := e.worker(), e.one("lane")
		e.settle(w, outcomes(jobs.Completed, first)...)
		if second := e.one("lane"); second.ID <= first.ID {
			e.Errorf("job %d was followed by job %d", first.ID, second.ID)
		}
	}},
	{"JS-005", "a rolled back enqueueing leaves nothing", "a change that did not happen must not cause work", func(e *env) {
		err := e.b.InTx(e.ctx, func(ctx context.Context) error {
			if err := e.store.Enqueue(ctx, []jobs.Job{e.job("lane")}); err != nil {
				return err
			}
			return errRollback
		})
		if !errors.Is(err, errRollback) {
			e.Fatalf("the transaction answered %v", err)
		}
		if got := e.fetch("lane"); len(got) != 0 {
			e.Errorf("got %d jobs, want none", len(got))
		}
	}},
	{"JS-006", "identifiers are kept byte for byte", "tenants and lanes that differ in case, spaces or composition are different ones", func(e *env) {
		lanes := []string{"lane", "Lane", "lane ", "länge", "la\u0308nge", "🚀", "lane\t"}
		for _, l := range lanes {
			e.enqueue(e.job(l))
		}
		for _, l := range lanes {
			if got := e.fetch(l); len(got) != 1 || got[0].Lane != l {
				e.Errorf("lane %q has %d jobs, want its own", l, len(got))
			}
		}
	}},
	{"JS-007", "the same lane of two tenants is two lanes", "tenants must neither see nor delay each other", func(e *env) {
		mine, other := e.job("lane"), e.job("lane")
		other.Tenant += "-other"
		e.enqueue(mine, other)
		if got := e.fetch("lane"); len(got) != 1 || got[0].Tenant != e.tenant {
			e.Errorf("got %d jobs, want the tenant's one", len(got))
		}
		w := e.worker()
		if got := e.claim(jobs.Claim{Worker: w, Take: 10}).Taken; len(got) != 2 {
			e.Errorf("got %d lanes, want 2", len(got))
		}
	}},
	{"JS-008", "a lane's jobs are fetched by due time and id", "a retry that is due earlier comes before what was enqueued after it", func(e *env) {
		var list []jobs.Job
		for _, offset := range []time.Duration{-time.Second, -3 * time.Second, -time.Second, -2 * time.Second} {
			j := e.job("lane")
			j.Due = noon.Add(offset)
			list = append(list, j)
		}
		e.enqueue(list...)
		got := e.fetch("lane")
		if len(got) != 4 {
			e.Fatalf("got %d jobs, want 4", len(got))
		}
		for i := 1; i < len(got); i++ {
			a, b := got[i-1], got[i]
			if c := a.Due.Compare(b.Due); c > 0 || c == 0 && a.ID >= b.ID {
				e.Errorf("job %d due %s came before job %d due %s", a.ID, a.Due, b.ID, b.Due)
			}
		}
	}},
	{"JS-009", "a job is fetched when it is due and not before", "work due ahead waits in the store", func(e *env) {
		exact, later := e.job("lane"), e.job("lane")
		later.Due = noon.Add(time.Microsecond)
		e.enqueue(later, exact)
		if got := e.fetch("lane"); len(got) != 1 || !got[0].Due.Equal(noon) {
			e.Errorf("got %d jobs, want the one that is due now", len(got))
		}
	}},
	{"JS-010", "a fetch goes on behind its position and up to its limit, lane by lane", "an owner reads ahead in pieces and must neither skip nor repeat", func(e *env) {
		for range 5 {
			e.enqueue(e.job("a"), e.job("b"))
		}
		all := e.fetch("a")
		got, err := e.store.Fetch(e.ctx, noon, []jobs.LaneFetch{
			behind(jobs.FromStart(e.lane("a"), 2), all[1]),
			jobs.FromStart(e.lane("b"), 1),
		})
		e.must(err, "fetch")
		var a, b []jobs.Fetched
		for _, f := range got {
			if f.Lane == "a" {
				a = append(a, f)
			} else {
				b = append(b, f)
			}
		}
		if !slices.Equal(ids(a), ids(all[2:4])) || len(b) != 1 {
			e.Errorf("got jobs %v of a and %d of b, want %v and 1", ids(a), len(b), ids(all[2:4]))
		}
	}},
	{"JS-011", "a lane's cap is kept whether set before its first job or after", "an endpoint is limited when it is made, before anything is sent to it", func(e *env) {
		e.must(e.store.SetLane(e.ctx, e.tenant, "before", jobs.LaneConfig{Cap: 3}), "set lane")
		e.enqueue(e.job("before"), e.job("after"), e.job("unset"))
		e.must(e.store.SetLane(e.ctx, e.tenant, "after", jobs.LaneConfig{Cap: 5}), "set lane")
		want := map[string]int{"before": 3, "after": 5, "unset": 0}
		for _, l := range e.claim(jobs.Claim{Worker: e.worker(), Take: 10}).Taken {
			if l.Cap != want[l.Lane] {
				e.Errorf("lane %s has cap %d, want %d", l.Lane, l.Cap, want[l.Lane])
			}
		}
	}},
	{"JS-012", "setting a cap leaves the lane with its owner", "a lane that changed hands by it would be worked twice", func(e *env) {
		e.enqueue(e.job("lane"))
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		e.must(e.store.SetLane(e.ctx, e.tenant, "lane", jobs.LaneConfig{Cap: 2}), "set lane")
		if got := e.claim(jobs.Claim{Worker: e.worker(), Take: 1}).Taken; len(got) != 0 {
			e.Errorf("another worker took the lane")
		}
		held := e.claim(jobs.Claim{Worker: w, Sync: true}).Held
		if len(held) != 1 || held[0].Cap != 2 {
			e.Errorf("got lanes %+v, want the one with cap 2", held)
		}
	}},
	{"JS-013", "a lane's jobs are fetched by priority before they are by due time", "what was asked for as urgent must not wait behind what was there first", func(e *env) {
		var list []jobs.Job
		for i, p := range []jobs.Priority{jobs.Low, jobs.Normal, jobs.High, jobs.Low, jobs.Normal, jobs.High} {
			j := e.job("lane")
			j.Priority, j.Due = p, noon.Add(time.Duration(i)*time.Microsecond-time.Second)
			list = append(list, j)
		}
		e.enqueue(list...)
		var got []jobs.Priority
		for _, f := range e.fetch("lane") {
			got = append(got, f.Priority)
		}
		if want := []jobs.Priority{jobs.High, jobs.High, jobs.Normal, jobs.Normal, jobs.Low, jobs.Low}; !slices.Equal(got, want) {
			e.Errorf("got priorities %v, want %v", got, want)
		}
	}},
	{"JS-014", "each priority is read behind its own position and up to its own limit", "an urgent job must be found behind a window that is full of others", func(e *env) {
		for range 3 {
			for _, p := range []jobs.Priority{jobs.Low, jobs.Normal, jobs.High} {
				j := e.job("lane")
				j.Priority = p
				e.enqueue(j)
			}
		}
		all := e.fetch("lane")
		if len(all) != 9 {
			e.Fatalf("got %d jobs, want 9", len(all))
		}
		f := behind(behind(jobs.FromStart(e.lane("lane"), 1), all[0]), all[7])
		f.Levels[jobs.Normal.Level()].Limit = 0
		got, err := e.store.Fetch(e.ctx, noon, []jobs.LaneFetch{f})
		e.must(err, "fetch")
		if want := []int64{all[1].ID, all[8].ID}; !slices.Equal(ids(got), want) {
			e.Errorf("got jobs %v, want %v", ids(got), want)
		}
	}},
	{"JS-015", "all of how a lane is worked is kept", "its owner knows it from nowhere else", func(e *env) {
		want := jobs.LaneConfig{
			Cap: 3, Rate: 0.25, Burst: 5, Order: jobs.FIFO,
			Breaker: jobs.Breaker{Failures: 7, Cooldown: 90*time.Second + time.Microsecond},
		}
		e.enqueue(e.job("lane"))
		e.must(e.store.SetLane(e.ctx, e.tenant, "lane", want), "set lane")
		w := e.worker()
		taken := e.claim(jobs.Claim{Worker: w, Take: 1}).Taken
		if len(taken) != 1 || taken[0].LaneConfig != want {
			e.Errorf("took %+v, want %+v", taken, want)
		}
		e.must(e.store.SetLane(e.ctx, e.tenant, "lane", jobs.LaneConfig{}), "set lane")
		held := e.claim(jobs.Claim{Worker: w, Sync: true}).Held
		if len(held) != 1 || held[0].LaneConfig != (jobs.LaneConfig{}) {
			e.Errorf("holds %+v, want one of no config", held)
		}
	}},
}
