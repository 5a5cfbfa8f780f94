package jobstest

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

var laneRules = []rule{
	{"JS-030", "a claim takes free lanes with due jobs and no others", "an owner of idle lanes polls for nothing", func(e *env) {
		later := e.job("later")
		later.Due = noon.Add(time.Second)
		e.enqueue(e.job("due"), later)
		e.must(e.store.SetLane(e.ctx, e.tenant, "empty", jobs.LaneConfig{Cap: 1}), "set lane")
		if got := names(e.claim(jobs.Claim{Worker: e.worker(), Take: 10}).Taken); !slices.Equal(got, []string{"due"}) {
			e.Errorf("got lanes %v, want only the one with a due job", got)
		}
	}},
	{"JS-031", "a lane has one owner", "caps and order are kept in the owner's memory", func(e *env) {
		e.enqueue(e.job("lane"))
		first, second := e.worker(), e.worker()
		e.claim(jobs.Claim{Worker: first, Take: 10})
		if got := e.claim(jobs.Claim{Worker: second, Take: 10}).Taken; len(got) != 0 {
			e.Errorf("a second worker took lanes %v", names(got))
		}
		if got := e.claim(jobs.Claim{Worker: first, Take: 10}).Taken; len(got) != 0 {
			e.Errorf("the owner took lanes %v again", names(got))
		}
	}},
	{"JS-032", "a claim takes no more lanes than it asks for", "the rest is the share of others", func(e *env) {
		e.enqueue(e.job("a"), e.job("b"), e.job("c"))
		w := e.worker()
		if got := e.claim(jobs.Claim{Worker: w, Take: 2}).Taken; len(got) != 2 {
			e.Errorf("got %d lanes, want 2", len(got))
		}
		if got := e.claim(jobs.Claim{Worker: w}).Taken; len(got) != 0 {
			e.Errorf("got %d lanes of a claim for none", len(got))
		}
	}},
	{"JS-033", "a released lane is free for others", "balance between processes rests on it", func(e *env) {
		e.enqueue(e.job("lane"))
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		e.claim(jobs.Claim{Worker: w, Release: []jobs.LaneID{e.lane("lane")}})
		if got := e.claim(jobs.Claim{Worker: e.worker(), Take: 1}).Taken; len(got) != 1 {
			e.Errorf("got %d lanes, want 1", len(got))
		}
	}},
	{"JS-034", "nobody releases another's lane", "a release that is repeated late must not take the lane from its new owner", func(e *env) {
		e.enqueue(e.job("lane"))
		owner, other := e.worker(), e.worker()
		e.claim(jobs.Claim{Worker: owner, Take: 1})
		got := e.claim(jobs.Claim{Worker: other, Release: []jobs.LaneID{e.lane("lane")}, Take: 1}).Taken
		if len(got) != 0 {
			e.Errorf("the other worker took the lane")
		}
	}},
	{"JS-035", "a sync tells all lanes of a worker, with their caps, and how many lanes there are to share", "it repairs a claim whose answer was lost, and finds the worker's share", func(e *env) {
		e.enqueue(e.job("a"), e.job("b"), e.job("c"), e.job("d"))
		e.must(e.store.SetLane(e.ctx, e.tenant, "empty", jobs.LaneConfig{}), "set lane")
		w := e.worker()
		first := names(e.claim(jobs.Claim{Worker: w, Take: 2}).Taken)
		if len(first) != 2 {
			e.Fatalf("got lanes %v, want two", first)
		}
		e.must(e.store.SetLane(e.ctx, e.tenant, first[0], jobs.LaneConfig{Cap: 7}), "set lane")
		got := e.claim(jobs.Claim{Worker: w, Take: 1, Sync: true})
		if !slices.Equal(names(got.Held), first) || len(got.Taken) != 1 || slices.Contains(first, got.Taken[0].Lane) {
			e.Errorf("got held %v and taken %v, want held %v and another", names(got.Held), names(got.Taken), first)
		}
		for _, l := range got.Held {
			if l.Lane == first[0] && l.Cap != 7 {
				e.Errorf("lane %s has cap %d, want 7", l.Lane, l.Cap)
			}
		}
		if got.Active != 4 {
			e.Errorf("got %d lanes to share, want 4: three with an owner, and one with work", got.Active)
		}
	}},
	{"JS-036", "a worker that was ended is fenced when it claims", "lanes taken by it would belong to nobody", func(e *env) {
		e.enqueue(e.job("lane"))
		w := e.worker()
		e.kill(w)
		for _, c := range []jobs.Claim{{Take: 1}, {Sync: true}, {Release: []jobs.LaneID{e.lane("lane")}}} {
			c.Worker, c.Now = w, noon
			if _, err := e.store.Claim(e.ctx, c); !errors.Is(err, jobs.ErrFenced) {
				e.Errorf("%+v: got %v, want ErrFenced", c, err)
			}
		}
	}},
	{"JS-037", "claims at the same time share no lane", "the classical race: both read that it is free", func(e *env) {
		const lanes, workers = 40, 4
		for i := range lanes {
			e.enqueue(e.job(strconv.Itoa(i)))
		}
		taken := make([][]jobs.Lane, workers)
		var wg sync.WaitGroup
		for i := range workers {
			w := e.worker()
			wg.Go(func() {
				for range lanes {
					c, err := e.store.Claim(e.ctx, jobs.Claim{Worker: w, Take: 3, Now: noon})
					if err != nil {
						e.Errorf("claim: %v", err)
						return
					}
					taken[i] = append(taken[i], c.Taken...)
				}
			})
		}
		wg.Wait()
		// Claims may pass over what another one holds at that moment, but lose nothing.
		rest, err := e.store.Claim(e.ctx, jobs.Claim{Worker: e.worker(), Take: lanes, Now: noon})
		if err != nil {
			e.Fatalf("claim: %v", err)
		}
		owners := map[string]int{}
		for _, list := range append(taken, rest.Taken) {
			for _, l := range list {
				owners[l.Lane]++
			}
		}
		for lane, n := range owners {
			if n != 1 {
				e.Errorf("lane %s was taken %d times", lane, n)
			}
		}
		if len(owners) != lanes {
			e.Errorf("%d of %d lanes were taken", len(owners), lanes)
		}
	}},
	{"JS-038", "a lane whose work is due ahead is taken when its time has come", "nobody looks at parked lanes meanwhile, so what makes or moves work has to say when", func(e *env) {
		w := e.worker()
		take := func(at time.Time) []string {
			e.Helper()
			return names(e.claim(jobs.Claim{Worker: w, Take: 10, Now: at}).Taken)
		}
		release := func(lane string) {
			e.Helper()
			e.claim(jobs.Claim{Worker: w, Release: []jobs.LaneID{e.lane(lane)}})
		}
		expect := func(what string, at time.Time, lane string) {
			e.Helper()
			if got := take(at.Add(-time.Microsecond)); len(got) != 0 {
				e.Errorf("%s: took %v before the time", what, got)
			}
			if got := take(at); !slices.Equal(got, []string{lane}) {
				e.Errorf("%s: took %v at the time, want %s", what, got, lane)
			}
			release(lane)
		}
		ahead := func(lane string, d time.Duration, p jobs.Priority) jobs.Job {
			j := e.job(lane)
			j.Due, j.Priority = noon.Add(d), p
			return j
		}
		e.enqueue(ahead("new", 3*time.Hour, jobs.Normal))
		expect("a new lane", noon.Add(3*time.Hour), "new")
		e.enqueue(ahead("new", 2*time.Hour, jobs.Low))
		expect("an earlier job", noon.Add(2*time.Hour), "new")
		e.enqueue(ahead("new", time.Hour, jobs.High))
		expect("an earlier job of another priority", noon.Add(time.Hour), "new")

		f := e.one("settled")
		if got := take(noon); !slices.Equal(got, []string{"settled"}) {
			e.Fatalf("took %v", got)
		}
		o := outcomes(jobs.Retried, f)
		o[0].Due = noon.Add(30 * time.Minute)
		e.settle(w, o...)
		release("settled")
		expect("a retried job of a lane that was given back", o[0].Due, "settled")
	}},
	{"JS-039", "work that comes to a lane without an owner is found whatever came before", "a lane that nobody looks at any more would keep it for ever", func(e *env) {
		w := e.worker()
		take := func(what string, want ...string) {
			e.Helper()
			if got := names(e.claim(jobs.Claim{Worker: w, Take: 10}).Taken); !slices.Equal(got, want) {
				e.Errorf("%s: took %v, want %v", what, got, want)
			}
		}
		finish := func() {
			e.Helper()
			e.settle(w, outcomes(jobs.Completed, e.fetch("lane")...)...)
		}
		release := func() {
			e.Helper()
			e.claim(jobs.Claim{Worker: w, Release: []jobs.LaneID{e.lane("lane")}})
		}
		e.enqueue(e.job("lane"))
		take("new", "lane")
		finish()
		release()
		take("empty")
		e.enqueue(e.job("lane"))
		take("work after it was empty", "lane")
		e.settle(w, outcomes(jobs.Buried, e.fetch("lane")...)...)
		release()
		take("buried")
		list, err := e.store.ListDead(e.ctx, e.tenant, jobs.Filter{}, jobs.Position{}, 1)
		e.must(err, "list")
		if _, err := e.store.Requeue(e.ctx, e.tenant, list[0].ID, noon); err != nil {
			e.Fatalf("requeue: %v", err)
		}
		take("requeued", "lane")
		e.settle(w, outcomes(jobs.Buried, e.fetch("lane")...)...)
		release()
		take("buried again")
		if _, err := e.store.RequeueAll(e.ctx, e.tenant, jobs.Filter{}, noon, 10); err != nil {
			e.Fatalf("requeue all: %v", err)
		}
		take("all requeued", "lane")
		e.kill(w)
		w = e.worker()
		take("its owner died", "lane")
	}},
	{"JS-070", "a paused lane is not taken until it is resumed", "an operator stops what does harm", func(e *env) {
		w := e.worker()
		e.must(e.store.PauseLane(e.ctx, e.tenant, "before", true), "pause")
		e.enqueue(e.job("before"), e.job("after"))
		e.must(e.store.PauseLane(e.ctx, e.tenant, "after", true), "pause")
		if got := names(e.claim(jobs.Claim{Worker: w, Take: 10, Probe: []jobs.LaneID{e.lane("after")}}).Taken); len(got) != 0 {
			e.Errorf("took %v while paused", got)
		}
		for _, lane := range []string{"after", "before"} {
			e.must(e.store.PauseLane(e.ctx, e.tenant, lane, false), "resume")
			if got := names(e.claim(jobs.Claim{Worker: w, Take: 10}).Taken); !slices.Equal(got, []string{lane}) {
				e.Errorf("took %v, want %s, which was resumed", got, lane)
			}
		}
	}},
	{"JS-071", "a pause leaves the lane with its owner, who is told", "what runs has to end under its owner", func(e *env) {
		e.enqueue(e.job("lane"))
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		e.must(e.store.PauseLane(e.ctx, e.tenant, "lane", true), "pause")
		held := e.claim(jobs.Claim{Worker: w, Sync: true}).Held
		if len(held) != 1 || !held[0].Paused {
			e.Fatalf("got lanes %+v, want the paused one", held)
		}
		e.claim(jobs.Claim{Worker: w, Release: []jobs.LaneID{e.lane("lane")}})
		if got := e.claim(jobs.Claim{Worker: w, Take: 1, Sync: true}); len(got.Taken) != 0 || got.Active != 0 {
			e.Errorf("took %v of %d active lanes, want none of none", names(got.Taken), got.Active)
		}
	}},
	{"JS-072", "a resumption is counted and ends what holds the lane", "its owner tells it from an answer that is too old by the count", func(e *env) {
		e.setHolding("lane")
		f := e.one("lane")
		w := e.worker()
		before := e.claim(jobs.Claim{Worker: w, Take: 1}).Taken[0].Resumes
		o := outcomes(jobs.Retried, f)
		o[0].Due, o[0].Hold = noon, &jobs.Hold{Until: noon.Add(time.Hour), Reason: jobs.HeldByBreaker}
		e.settle(w, o...)
		e.must(e.store.PauseLane(e.ctx, e.tenant, "lane", false), "resume")
		held := e.claim(jobs.Claim{Worker: w, Sync: true}).Held
		if len(held) != 1 || held[0].Resumes != before+1 || held[0].Hold != (jobs.Hold{}) {
			e.Fatalf("got lanes %+v, want one that was resumed once more than %d times, and no hold", held, before)
		}
		e.claim(jobs.Claim{Worker: w, Release: []jobs.LaneID{e.lane("lane")}})
		if got := names(e.claim(jobs.Claim{Worker: w, Take: 1}).Taken); len(got) != 1 {
			e.Errorf("took %v, want the lane", got)
		}
	}},
	{"JS-099", "a lane is not held for what its config has no more", "nobody who owns it later would know that the hold is void", func(e *env) {
		breaker := jobs.Breaker{Failures: 1, Cooldown: time.Hour}
		set := func(order jobs.Order, breaker jobs.Breaker) {
			e.Helper()
			e.must(e.store.SetLane(e.ctx, e.tenant, "lane", jobs.LaneConfig{Order: order, Breaker: breaker}), "set lane")
		}
		set(jobs.FIFO, breaker)
		e.enqueue(e.job("lane"))
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		e.holdFor(w, "lane", jobs.HeldByBreaker)
		set(jobs.Parallel, breaker)
		e.heldFor(w, "it kept its breaker", jobs.HeldByBreaker, 0)
		set(jobs.FIFO, jobs.Breaker{})
		e.heldFor(w, "its breaker was removed", "", 1)
		e.holdFor(w, "lane", jobs.HeldForRetry)
		set(jobs.FIFO, breaker)
		set(jobs.FIFO, jobs.Breaker{})
		e.heldFor(w, "it kept its order", jobs.HeldForRetry, 1)
		e.claim(jobs.Claim{Worker: w, Release: []jobs.LaneID{e.lane("lane")}})
		set(jobs.Parallel, jobs.Breaker{})
		if got := names(e.claim(jobs.Claim{Worker: w, Take: 1}).Taken); len(got) != 1 {
			e.Errorf("took %v after it became parallel, want the lane", got)
		}
		e.heldFor(w, "it became parallel", "", 2)
	}},
	{"JS-100", "an outcome does not hold a lane for what its config has not", "the worker may not have heard yet that somebody took it away", func(e *env) {
		e.enqueue(e.job("lane"))
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		e.holdFor(w, "lane", jobs.HeldByBreaker)
		e.heldFor(w, "an outcome opened a breaker that the lane has not", "", 0)
		e.holdFor(w, "lane", jobs.HeldForRetry)
		e.heldFor(w, "a retry in a lane that is parallel", "", 0)
		e.setHolding("lane")
		e.holdFor(w, "lane", jobs.HeldByBreaker)
		e.heldFor(w, "an outcome opened the breaker", jobs.HeldByBreaker, 0)
	}},
	{"JS-079", "a lane that a resumption made was not resumed", "its count is of what its owners may have missed, and it had none", func(e *env) {
		e.must(e.store.PauseLane(e.ctx, e.tenant, "lane", false), "resume")
		e.enqueue(e.job("lane"))
		w := e.worker()
		if taken := e.claim(jobs.Claim{Worker: w, Take: 1}).Taken; len(taken) != 1 || taken[0].Resumes != 0 || taken[0].Paused {
			e.Errorf("took %+v, want the lane, resumed 0 times", taken)
		}
		e.must(e.store.PauseLane(e.ctx, e.tenant, "lane", false), "resume again")
		if held := e.claim(jobs.Claim{Worker: w, Sync: true}).Held; len(held) != 1 || held[0].Resumes != 1 {
			e.Errorf("holds %+v, want the lane, resumed once", held)
		}
	}},
	{"JS-073", "a held lane is not taken before its time, and its owner is told why", "an open breaker and the place of a retried job outlive their owner", func(e *env) {
		e.setHolding("lane")
		f := e.one("lane")
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		hold := jobs.Hold{Until: noon.Add(time.Hour), Reason: jobs.HeldForRetry}
		o := outcomes(jobs.Retried, f)
		o[0].Due, o[0].Hold = noon, &hold
		e.settle(w, o...)
		e.claim(jobs.Claim{Worker: w, Release: []jobs.LaneID{e.lane("lane")}})
		e.enqueue(e.job("lane"))
		early := e.claim(jobs.Claim{Worker: w, Take: 1, Sync: true, Probe: []jobs.LaneID{e.lane("lane")}, Now: hold.Until.Add(-time.Microsecond)})
		if len(early.Taken) != 0 || early.Active != 0 {
			e.Errorf("took %v of %d active lanes before the time", names(early.Taken), early.Active)
		}
		got := e.claim(jobs.Claim{Worker: w, Take: 1, Now: hold.Until}).Taken
		if len(got) != 1 || got[0].Hold != hold {
			e.Errorf("got lanes %+v, want one that was held by %+v", got, hold)
		}
	}},
	{"JS-074", "a hold counts with its outcome and for the owner of the lane alone", "a late worker must not stop a lane that is another's", func(e *env) {
		e.setHolding("lane")
		gone, there := e.one("lane"), e.one("lane")
		owner, other := e.worker(), e.worker()
		e.claim(jobs.Claim{Worker: owner, Take: 1})
		e.settle(owner, outcomes(jobs.Completed, gone)...)
		hold := &jobs.Hold{Until: noon.Add(time.Hour), Reason: jobs.HeldByBreaker}
		o := outcomes(jobs.Completed, gone)
		o[0].Hold = hold
		if _, err := e.store.Settle(e.ctx, owner, o); err != nil {
			e.Fatalf("settle: %v", err)
		}
		o = outcomes(jobs.Begun, there)
		o[0].Hold = hold
		e.settle(other, o...)
		if held := e.claim(jobs.Claim{Worker: owner, Sync: true}).Held; len(held) != 1 || held[0].Hold != (jobs.Hold{}) {
			e.Errorf("got lanes %+v, want one without a hold", held)
		}
		o = outcomes(jobs.Completed, there)
		o[0].Hold = &jobs.Hold{}
		e.settle(owner, append(o, outcomes(jobs.Completed, e.one("lane"))...)...)
	}},
	{"JS-075", "lanes that a claim names are taken first", "they were heard of, and what is noted of them may be out of date", func(e *env) {
		e.enqueue(e.job("a"), e.job("b"), e.job("c"))
		w := e.worker()
		for _, lane := range []string{"b", "c", "a"} {
			got := names(e.claim(jobs.Claim{Worker: w, Take: 1, Probe: []jobs.LaneID{e.lane(lane)}}).Taken)
			if !slices.Equal(got, []string{lane}) {
				e.Errorf("took %v, want %s", got, lane)
			}
		}
	}},
	{"JS-076", "a sweep goes over all lanes piece by piece", "it finds what was noted wrong, and must neither end early nor turn in a circle", func(e *env) {
		e.enqueue(e.job("a"), e.job("b"), e.job("c"))
		w := e.worker()
		var seen []string
		sweep := jobs.Sweep{Limit: 1}
		for range 100_000 {
			swept := e.claim(jobs.Claim{Worker: w, Sweep: &sweep}).Swept
			if swept == (jobs.LaneID{}) {
				break
			}
			if swept.Tenant == e.tenant {
				seen = append(seen, swept.Lane)
			}
			sweep.After = swept
		}
		if want := []string{"a", "b", "c"}; !slices.Equal(seen, want) {
			e.Errorf("swept lanes %v, want %v", seen, want)
		}
	}},
	{"JS-077", "a lane tells how it is worked, who works it and what waits in it", "an operator has to see what is late, and why", func(e *env) {
		config := jobs.LaneConfig{Cap: 3, Order: jobs.FIFO, Breaker: jobs.Breaker{Failures: 2, Cooldown: time.Minute}}
		e.must(e.store.SetLane(e.ctx, e.tenant, "lane", config), "set lane")
		var list []jobs.Job
		for i, p := range []jobs.Priority{jobs.Low, jobs.Normal, jobs.High} {
			for _, d := range []time.Duration{-time.Hour, 0, time.Minute, time.Hour} {
				j := e.job("lane")
				j.Priority, j.Due = p, noon.Add(d+time.Duration(i)*time.Microsecond)
				list = append(list, j)
			}
		}
		e.enqueue(list...)
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		hold := jobs.Hold{Until: noon.Add(time.Hour), Reason: jobs.HeldByBreaker}
		o := outcomes(jobs.Buried, e.fetch("lane")[0])
		o[0].Hold = &hold
		e.settle(w, o...)
		got, err := e.store.Lane(e.ctx, e.tenant, "lane", noon)
		e.must(err, "lane")
		want := jobs.LaneStatus{
			LaneID: e.lane("lane"), Config: config, Hold: hold, Owner: w,
			Due: 3, Ahead: 8, Dead: 1, OldestDue: noon.Add(-time.Hour), NextDue: noon.Add(time.Microsecond),
		}
		if got != want {
			e.Errorf("got %+v, want %+v", got, want)
		}
		e.must(e.store.PauseLane(e.ctx, e.tenant, "empty", true), "pause")
		got, err = e.store.Lane(e.ctx, e.tenant, "empty", noon)
		e.must(err, "lane")
		if want := (jobs.LaneStatus{LaneID: e.lane("empty"), Paused: true}); got != want {
			e.Errorf("got %+v, want %+v", got, want)
		}
	}},
	{"JS-078", "lanes are listed by name behind a name, those of the tenant alone", "pages must neither skip nor repeat, nor reach over tenants", func(e *env) {
		other := e.job("b")
		other.Tenant += "-other"
		e.enqueue(e.job("c"), e.job("a"), e.job("d"), e.job("b"), other)
		var got []string
		for after := ""; ; {
			list, err := e.store.ListLanes(e.ctx, e.tenant, after, noon, 2)
			e.must(err, "list")
			if len(list) > 2 {
				e.Fatalf("got %d lanes, want at most 2", len(list))
			}
			if len(list) == 0 || len(got) > 10 {
				break
			}
			for _, l := range list {
				if l.Tenant != e.tenant || l.Due != 1 {
					e.Errorf("got %+v, want one due job of the tenant", l)
				}
				got = append(got, l.Lane)
				after = l.Lane
			}
		}
		if want := []string{"a", "b", "c", "d"}; !slices.Equal(got, want) {
			e.Errorf("got lanes %v, want %v", got, want)
		}
		if _, err := e.store.Lane(e.ctx, e.tenant+"-other", "a", noon); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("a lane of another tenant: got %v, want ErrNotFound", err)
		}
	}},
}
