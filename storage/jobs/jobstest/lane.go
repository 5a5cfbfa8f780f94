package jobstest

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

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
		e.claim(jobs.Claim{Worker: w, Take: 2})
		e.must(e.store.SetLane(e.ctx, e.tenant, "a", jobs.LaneConfig{Cap: 7}), "set lane")
		got := e.claim(jobs.Claim{Worker: w, Take: 1, Sync: true})
		if !slices.Equal(names(append(got.Held, got.Taken...)), []string{"a", "b", "c"}) || len(got.Taken) != 1 {
			e.Errorf("got held %v and taken %v", names(got.Held), names(got.Taken))
		}
		for _, l := range got.Held {
			if l.Lane == "a" && l.Cap != 7 {
				e.Errorf("lane a has cap %d, want 7", l.Cap)
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
		owners := map[string]int{}
		for _, list := range taken {
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
}
