package jobstest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// keyed returns a job with a key.
func (e *env) keyed(lane, key string) jobs.Job {
	j := e.job(lane)
	j.Key = key
	return j
}

// holder returns the id of the job that has a key, zero for none.
func (e *env) holder(tenant, key string) int64 {
	e.Helper()
	j, err := e.store.Lookup(e.ctx, tenant, key)
	if errors.Is(err, storage.ErrNotFound) {
		return 0
	}
	e.must(err, "lookup")
	return j.ID
}

// jobIDs returns the ids of jobs in their order.
func jobIDs(list []jobs.Job) []int64 {
	var out []int64
	for _, j := range list {
		out = append(out, j.ID)
	}
	return out
}

var keyRules = []rule{
	{"JS-080", "a job whose key is taken is left out", "work that was asked for twice is to be done once", func(e *env) {
		first := e.keyed("lane", "key")
		first.Payload = []byte("first")
		second, third := first, e.keyed("other", "key")
		second.Payload = []byte("second")
		e.enqueue(first, second, e.job("lane"), e.job("lane"))
		e.enqueue(third)
		got := e.fetch("lane", "other")
		if len(got) != 3 || string(got[0].Payload) != "first" || got[0].Key != "key" || got[1].Key != "" {
			e.Errorf("got %+v, want the first with the key and the two without", got)
		}
	}},
	{"JS-097", "a job that is left out makes its lane", "who enqueues and then looks at the lane finds it, whoever came first with the key", func(e *env) {
		e.enqueue(e.keyed("lane", "key"))
		e.enqueue(e.keyed("taken", "key"))
		e.enqueue(e.keyed("new", "twice"), e.keyed("repeated", "twice"), e.keyed("lane", "twice"))
		for _, lane := range []string{"lane", "taken", "new", "repeated"} {
			_, err := e.store.Lane(e.ctx, e.tenant, lane, noon)
			e.must(err, "the lane "+lane)
		}
		if got := e.fetch("taken", "repeated"); len(got) != 0 {
			e.Errorf("got %+v of lanes whose jobs were left out", got)
		}
		got := names(e.claim(jobs.Claim{Worker: e.worker(), Take: 10}).Taken)
		if slices.Sort(got); !slices.Equal(got, []string{"lane", "new"}) {
			e.Errorf("took %v, want the lanes that have jobs", got)
		}
	}},
	{"JS-081", "a key is its job's until that ends", "a retry is still the work that was asked for", func(e *env) {
		for _, result := range []jobs.Result{jobs.Begun, jobs.Retried, jobs.Completed, jobs.Buried, jobs.Cancelled} {
			w := e.worker()
			e.enqueue(e.keyed("lane", "key"))
			f := e.fetch("lane")[0]
			if result == jobs.Cancelled {
				_, err := e.store.Cancel(e.ctx, e.tenant, f.ID, noon)
				e.must(err, "cancel")
			} else {
				o := outcomes(result, f)
				o[0].Due = noon
				e.settle(w, o...)
			}
			e.enqueue(e.keyed("lane", "key"))
			got := e.fetch("lane")
			if len(got) != 1 {
				e.Fatalf("%s: got %d jobs with the key, want 1", result, len(got))
			}
			if ended := result != jobs.Begun && result != jobs.Retried; ended == (got[0].ID == f.ID) {
				e.Errorf("%s: job %d has the key after job %d", result, got[0].ID, f.ID)
			}
			e.settle(w, outcomes(jobs.Completed, got...)...)
		}
	}},
	{"JS-082", "a key is its tenant's, byte for byte", "tenants choose keys without knowing of each other", func(e *env) {
		other := e.keyed("lane", "key")
		other.Tenant += "-other"
		e.enqueue(e.keyed("lane", "key"), e.keyed("lane", "Key"), e.keyed("lane", "key "), other)
		if got := e.fetch("lane"); len(got) != 3 {
			e.Errorf("got %d jobs, want 3", len(got))
		}
		mine, others := e.holder(e.tenant, "key"), e.holder(other.Tenant, "key")
		if mine == 0 || others == 0 || mine == others {
			e.Errorf("the key is held by jobs %d and %d, want one of each tenant", mine, others)
		}
	}},
	{"JS-083", "a rolled back enqueueing takes no key", "the work it would have stood for will not be done", func(e *env) {
		err := e.b.InTx(e.ctx, func(ctx context.Context) error {
			if err := e.store.Enqueue(ctx, []jobs.Job{e.keyed("lane", "key")}); err != nil {
				return err
			}
			return errRollback
		})
		if !errors.Is(err, errRollback) {
			e.Fatalf("the transaction answered %v", err)
		}
		e.enqueue(e.keyed("lane", "key"))
		if got := e.fetch("lane"); len(got) != 1 {
			e.Errorf("got %d jobs, want the one that was enqueued afterwards", len(got))
		}
	}},
	{"JS-084", "a key that was given up in a transaction is free in it", "one link of a chain of jobs follows the other in one transaction", func(e *env) {
		w := e.worker()
		e.enqueue(e.keyed("lane", "key"))
		f := e.fetch("lane")[0]
		e.must(e.b.InTx(e.ctx, func(ctx context.Context) error {
			if _, err := e.store.Settle(ctx, w, outcomes(jobs.Completed, f)); err != nil {
				return err
			}
			return e.store.Enqueue(ctx, []jobs.Job{e.keyed("lane", "key")})
		}), "settle and enqueue")
		if got := e.fetch("lane"); len(got) != 1 || got[0].ID == f.ID {
			e.Errorf("got %+v, want the next job with the key", got)
		}
	}},
}

var registerRules = []rule{
	{"JS-085", "a job is found by its id and by its key", "people ask what became of what they asked for", func(e *env) {
		want := e.keyed("lane", "key")
		want.Payload, want.Trace, want.Due = []byte("payload"), "trace", noon.AddDate(1, 0, 0)
		e.enqueue(want, e.job("lane"))
		got, err := e.store.Lookup(e.ctx, e.tenant, "key")
		e.must(err, "lookup")
		want.ID = got.ID
		if !reflect.DeepEqual(got, want) {
			e.Errorf("lookup: got %+v, want %+v", got, want)
		}
		got, err = e.store.Job(e.ctx, e.tenant, want.ID)
		e.must(err, "job")
		if !reflect.DeepEqual(got, want) {
			e.Errorf("job: got %+v, want %+v", got, want)
		}
		if _, err := e.store.Lookup(e.ctx, e.tenant, ""); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("lookup of no key: got %v, want ErrNotFound", err)
		}
		if _, err := e.store.Job(e.ctx, e.tenant, want.ID+1000); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("job of no id: got %v, want ErrNotFound", err)
		}
	}},
	{"JS-086", "the jobs of a lane are listed by due time and id, in pages", "a page must neither skip nor repeat, also where many are due at once", func(e *env) {
		var list []jobs.Job
		for i := range 6 {
			j := e.job("lane")
			j.Due = noon.Add(time.Duration(5-i) / 2 * time.Hour)
			list = append(list, j, e.job("another"))
		}
		e.enqueue(list...)
		var got []jobs.Job
		var after jobs.Position
		for range 10 {
			page, err := e.store.ListJobs(e.ctx, e.tenant, jobs.Filter{Lane: "lane"}, after, 2)
			e.must(err, "list")
			if len(page) > 2 {
				e.Fatalf("got %d jobs, want at most 2", len(page))
			}
			if got = append(got, page...); len(page) == 0 {
				break
			}
			after = jobs.Position{At: page[len(page)-1].Due, ID: page[len(page)-1].ID}
		}
		ordered := slices.IsSortedFunc(got, func(a, b jobs.Job) int {
			if c := a.Due.Compare(b.Due); c != 0 {
				return c
			}
			return int(a.ID - b.ID)
		})
		if len(got) != 6 || !ordered {
			e.Errorf("got jobs %v, want the lane's six by due time and id", jobIDs(got))
		}
	}},
	{"JS-087", "a list of jobs keeps to the kind that is asked for", "a lane may hold several", func(e *env) {
		a, b := e.job("lane"), e.job("lane")
		a.Kind, b.Kind = "a", "b"
		e.enqueue(a, b, a, b)
		list, err := e.store.ListJobs(e.ctx, e.tenant, jobs.Filter{Lane: "lane", Kind: "b"}, jobs.Position{}, 10)
		e.must(err, "list")
		if len(list) != 2 || list[0].Kind != "b" || list[1].Kind != "b" {
			e.Errorf("got %+v, want the two of kind b", list)
		}
	}},
	{"JS-088", "jobs of another tenant do not exist", "not found, never forbidden", func(e *env) {
		e.enqueue(e.keyed("lane", "key"))
		f, other := e.fetch("lane")[0], e.tenant+"-other"
		if _, err := e.store.Job(e.ctx, other, f.ID); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("job: got %v, want ErrNotFound", err)
		}
		if _, err := e.store.Lookup(e.ctx, other, "key"); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("lookup: got %v, want ErrNotFound", err)
		}
		if list, err := e.store.ListJobs(e.ctx, other, jobs.Filter{Lane: "lane"}, jobs.Position{}, 10); err != nil || len(list) != 0 {
			e.Errorf("list: got %d and %v, want none", len(list), err)
		}
		if _, err := e.store.Cancel(e.ctx, other, f.ID, noon); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("cancel: got %v, want ErrNotFound", err)
		}
		if got := e.fetch("lane"); len(got) != 1 || !reflect.DeepEqual(got[0], f) {
			e.Errorf("got %+v, want the job untouched", got)
		}
	}},
	{"JS-089", "a cancelled job is gone, and its attempts say so", "who looks for it must find that it was not done, and why", func(e *env) {
		w := e.worker()
		e.enqueue(e.keyed("lane", "key"))
		o := outcomes(jobs.Retried, e.fetch("lane")...)
		o[0].Due = noon
		e.settle(w, o...)
		f := e.fetch("lane")[0]
		e.settle(w, outcomes(jobs.Begun, f)...)
		got, err := e.store.Cancel(e.ctx, e.tenant, f.ID, noon.Add(time.Hour))
		e.must(err, "cancel")
		if !reflect.DeepEqual(got, f.Job) {
			e.Errorf("cancel answered %+v, want %+v", got, f.Job)
		}
		if len(e.fetch("lane")) != 0 || e.holder(e.tenant, "key") != 0 {
			e.Errorf("the job is still there")
		}
		want := jobs.Attempt{Job: f.ID, Number: 2, Result: jobs.Cancelled, Started: noon.Add(time.Hour), Ended: noon.Add(time.Hour)}
		if a := e.attempts(f.ID); len(a) != 2 || !reflect.DeepEqual(a[0], want) {
			e.Errorf("got attempts %+v, want %+v before the first", a, want)
		}
		if _, err := e.store.Cancel(e.ctx, e.tenant, f.ID, noon); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("a second time: got %v, want ErrNotFound", err)
		}
	}},
	{"JS-090", "what a handler settles after its job was cancelled is missed", "the effect that would be committed with it was called off", func(e *env) {
		for _, result := range []jobs.Result{jobs.Completed, jobs.Retried, jobs.Buried, jobs.Begun} {
			w, f := e.worker(), e.one("lane")
			_, err := e.store.Cancel(e.ctx, e.tenant, f.ID, noon)
			e.must(err, "cancel")
			missed, err := e.store.Settle(e.ctx, w, outcomes(result, f))
			e.must(err, "settle")
			if !slices.Equal(missed, []int64{f.ID}) || len(e.fetch("lane")) != 0 {
				e.Errorf("%s: missed %v, want %v and no job", result, missed, f.ID)
			}
			if a := e.attempts(f.ID); len(a) != 1 || a[0].Result != jobs.Cancelled {
				e.Errorf("%s: got attempts %+v, want the cancelling alone", result, a)
			}
		}
	}},
	{"JS-091", "a rolled back cancelling leaves the job", "the change that called it off did not happen", func(e *env) {
		e.enqueue(e.keyed("lane", "key"))
		f := e.fetch("lane")[0]
		err := e.b.InTx(e.ctx, func(ctx context.Context) error {
			if _, err := e.store.Cancel(ctx, e.tenant, f.ID, noon); err != nil {
				return err
			}
			return errRollback
		})
		if !errors.Is(err, errRollback) {
			e.Fatalf("the transaction answered %v", err)
		}
		if got := e.fetch("lane"); len(got) != 1 || !reflect.DeepEqual(got[0], f) || e.holder(e.tenant, "key") != f.ID {
			e.Errorf("got %+v, want the job untouched", got)
		}
		if a := e.attempts(f.ID); len(a) != 0 {
			e.Errorf("the cancelling was recorded")
		}
	}},
	{"JS-098", "cancelling the job whose retry a lane waits for ends the wait", "an operator calls the job off that keeps the others from starting", func(e *env) {
		e.setHolding("lane")
		e.enqueue(slices.Repeat([]jobs.Job{e.job("lane")}, 5)...)
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		cancel := func(id int64) {
			e.Helper()
			_, err := e.store.Cancel(e.ctx, e.tenant, id, noon)
			e.must(err, "cancel")
		}
		first := e.holdFor(w, "lane", jobs.HeldForRetry)
		cancel(e.fetch("lane")[4].ID)
		e.heldFor(w, "another job was cancelled", jobs.HeldForRetry, 0)
		cancel(first)
		e.heldFor(w, "the job was cancelled", "", 1)
		cancel(e.holdFor(w, "lane", jobs.HeldByBreaker))
		e.heldFor(w, "a job was cancelled while the breaker is open", jobs.HeldByBreaker, 1)
		last := e.holdFor(w, "lane", jobs.HeldForRetry)
		e.claim(jobs.Claim{Worker: w, Release: []jobs.LaneID{e.lane("lane")}})
		cancel(last)
		if got := names(e.claim(jobs.Claim{Worker: w, Take: 1}).Taken); len(got) != 1 {
			e.Errorf("took %v after the job was cancelled while the lane was free, want the lane", got)
		}
	}},
}

// setHolding gives a lane a config that may hold it for any reason.
func (e *env) setHolding(lane string) {
	e.Helper()
	config := jobs.LaneConfig{Order: jobs.FIFO, Breaker: jobs.Breaker{Failures: 1, Cooldown: time.Hour}}
	e.must(e.store.SetLane(e.ctx, e.tenant, lane, config), "set lane")
}

// holdFor retries the first job of a lane, which is the worker's, with a hold of the lane for
// a reason, and returns its id.
func (e *env) holdFor(worker int64, lane string, reason jobs.HoldReason) int64 {
	e.Helper()
	o := outcomes(jobs.Retried, e.fetch(lane)[0])
	o[0].Due, o[0].Hold = noon, &jobs.Hold{Until: noon.Add(10 * time.Hour), Reason: reason}
	e.settle(worker, o...)
	return o[0].Job.ID
}

// heldFor fails the rule where the worker's one lane is not held for a reason, which is empty
// for none, or was not resumed so often.
func (e *env) heldFor(worker int64, after string, reason jobs.HoldReason, resumes int64) {
	e.Helper()
	held := e.claim(jobs.Claim{Worker: worker, Sync: true}).Held
	if len(held) != 1 || held[0].Hold.Reason != reason || held[0].Hold.Until.IsZero() != (reason == "") || held[0].Resumes != resumes {
		e.Fatalf("after %s: got lanes %+v, want one that is held for %q and was resumed %d times", after, held, reason, resumes)
	}
}

// buryAs makes a dead letter of a job that died at a time.
func (e *env) buryAs(worker int64, j jobs.Job, died time.Time) int64 {
	e.Helper()
	e.enqueue(j)
	list := e.fetch(j.Lane)
	f := list[len(list)-1]
	o := outcomes(jobs.Buried, f)
	o[0].Ended = died
	e.settle(worker, o...)
	return f.ID
}

// dead returns the ids of the dead letters that a filter lets through, the latest first.
func (e *env) dead(filter jobs.Filter) []int64 {
	e.Helper()
	list, err := e.store.ListDead(e.ctx, e.tenant, filter, jobs.Position{}, 100)
	e.must(err, "list")
	var out []int64
	for _, d := range list {
		out = append(out, d.ID)
	}
	return out
}

// ofKind returns a job of a kind.
func (e *env) ofKind(lane, kind string) jobs.Job {
	j := e.job(lane)
	j.Kind = kind
	return j
}

var deadRules = []rule{
	{"JS-092", "dead letters are listed by lane, by kind and by both", "a mended endpoint gets its own back and nobody else's", func(e *env) {
		w := e.worker()
		xa := e.buryAs(w, e.ofKind("x", "a"), noon)
		xb := e.buryAs(w, e.ofKind("x", "b"), noon.Add(time.Hour))
		ya := e.buryAs(w, e.ofKind("y", "a"), noon.Add(2*time.Hour))
		for _, c := range []struct {
			filter jobs.Filter
			want   []int64
		}{
			{jobs.Filter{}, []int64{ya, xb, xa}},
			{jobs.Filter{Lane: "x"}, []int64{xb, xa}},
			{jobs.Filter{Kind: "a"}, []int64{ya, xa}},
			{jobs.Filter{Lane: "x", Kind: "a"}, []int64{xa}},
			{jobs.Filter{Lane: "y", Kind: "b"}, nil},
		} {
			if got := e.dead(c.filter); !slices.Equal(got, c.want) {
				e.Errorf("%+v: got %v, want %v", c.filter, got, c.want)
			}
		}
		list, err := e.store.ListDead(e.ctx, e.tenant, jobs.Filter{Lane: "x"}, jobs.Position{At: noon.Add(time.Hour), ID: xb}, 10)
		e.must(err, "list")
		if len(list) != 1 || list[0].ID != xa {
			e.Errorf("the list of a lane does not go on behind its position")
		}
	}},
	{"JS-093", "a dead letter holds no key, and comes back only to a free one", "the work was asked for again in the meantime", func(e *env) {
		w := e.worker()
		old := e.buryAs(w, e.keyed("lane", "key"), noon)
		e.enqueue(e.keyed("lane", "key"))
		if e.holder(e.tenant, "key") == 0 {
			e.Fatalf("the key of a dead letter is taken")
		}
		if _, err := e.store.Requeue(e.ctx, e.tenant, old, noon); !errors.Is(err, storage.ErrConflict) {
			e.Errorf("requeue: got %v, want ErrConflict", err)
		}
		if got := e.dead(jobs.Filter{}); !slices.Equal(got, []int64{old}) {
			e.Fatalf("got dead letters %v, want the one untouched", got)
		}
		e.settle(w, outcomes(jobs.Completed, e.fetch("lane")...)...)
		_, err := e.store.Requeue(e.ctx, e.tenant, old, noon)
		e.must(err, "requeue")
		if e.holder(e.tenant, "key") != old {
			e.Errorf("the job that came back does not have its key")
		}
	}},
	{"JS-094", "dead letters are requeued in bulk, those that died first before others", "a backlog is replayed in pieces and in its order", func(e *env) {
		w := e.worker()
		late := e.buryAs(w, e.ofKind("x", "a"), noon.Add(time.Hour))
		early := e.buryAs(w, e.ofKind("x", "a"), noon)
		middle := e.buryAs(w, e.ofKind("x", "a"), noon.Add(time.Minute))
		other := e.buryAs(w, e.ofKind("y", "a"), noon)
		kind := e.buryAs(w, e.ofKind("x", "b"), noon)
		back, err := e.store.RequeueAll(e.ctx, e.tenant, jobs.Filter{Lane: "x", Kind: "a"}, noon, 2)
		e.must(err, "requeue all")
		if !slices.Equal(jobIDs(back), []int64{early, middle}) || back[0].Lane != "x" || back[0].Attempt != 0 || !back[0].Due.Equal(noon) {
			e.Errorf("got %+v, want jobs %d and %d at their first attempt", back, early, middle)
		}
		if got := ids(e.fetch("x")); !slices.Equal(got, []int64{early, middle}) {
			e.Errorf("jobs %v are due, want %d and %d", got, early, middle)
		}
		if got := e.dead(jobs.Filter{}); !slices.Equal(got, []int64{late, kind, other}) {
			e.Errorf("got dead letters %v, want %v", got, []int64{late, kind, other})
		}
		if back, err := e.store.RequeueAll(e.ctx, e.tenant+"-other", jobs.Filter{}, noon, 10); err != nil || len(back) != 0 {
			e.Errorf("another tenant: got %d and %v, want none", len(back), err)
		}
	}},
	{"JS-095", "requeueing in bulk leaves those whose key is taken", "one that cannot come back must not keep the others", func(e *env) {
		w := e.worker()
		taken := e.buryAs(w, e.keyed("lane", "taken"), noon)
		twin := e.buryAs(w, e.keyed("lane", "twin"), noon.Add(time.Second))
		second := e.buryAs(w, e.keyed("lane", "twin"), noon.Add(2*time.Second))
		free := e.buryAs(w, e.job("lane"), noon.Add(3*time.Second))
		e.enqueue(e.keyed("other", "taken"))
		back, err := e.store.RequeueAll(e.ctx, e.tenant, jobs.Filter{}, noon, 3)
		e.must(err, "requeue all")
		if !slices.Equal(jobIDs(back), []int64{twin, free}) {
			e.Errorf("got %v, want %v", jobIDs(back), []int64{twin, free})
		}
		if got := e.dead(jobs.Filter{}); !slices.Equal(got, []int64{second, taken}) {
			e.Errorf("got dead letters %v, want %v", got, []int64{second, taken})
		}
	}},
	{"JS-096", "a discarded dead letter is gone and its attempts are not", "what was given up for good can still be looked up", func(e *env) {
		w := e.worker()
		a, b, c := e.buryAs(w, e.job("lane"), noon), e.buryAs(w, e.job("lane"), noon), e.buryAs(w, e.job("lane"), noon)
		if list, err := e.store.Discard(e.ctx, e.tenant+"-other", []int64{a}); err != nil || len(list) != 0 {
			e.Errorf("another tenant: got %d and %v, want none", len(list), err)
		}
		list, err := e.store.Discard(e.ctx, e.tenant, []int64{c, a, c + 1000})
		e.must(err, "discard")
		if len(list) != 2 || list[0].ID != a || list[1].ID != c || list[0].Reason != "because" {
			e.Errorf("got %+v, want dead letters %d and %d", list, a, c)
		}
		if got := e.dead(jobs.Filter{}); !slices.Equal(got, []int64{b}) {
			e.Errorf("got dead letters %v, want %d", got, b)
		}
		if len(e.attempts(a)) != 1 {
			e.Errorf("the attempt is gone with the dead letter")
		}
	}},
}
