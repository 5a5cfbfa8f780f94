package jobstest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
)

// attempts returns the recorded attempts of a job, the latest first.
func (e *env) attempts(job int64) []jobs.Attempt {
	e.Helper()
	list, err := e.store.Attempts(e.ctx, e.tenant, job, 100)
	e.must(err, "attempts")
	return list
}

var settlementRules = []rule{
	{"JS-040", "a completed job is gone and its attempt recorded", "the job is done; what became of it can be looked up", func(e *env) {
		w, f := e.worker(), e.one("lane")
		e.settle(w, outcomes(jobs.Completed, f)...)
		if got := e.fetch("lane"); len(got) != 0 {
			e.Errorf("the job is still there")
		}
		want := []jobs.Attempt{{
			Job: f.ID, Worker: w, Result: jobs.Completed, Started: noon.Add(time.Second), Ended: noon.Add(2 * time.Second),
		}}
		if got := e.attempts(f.ID); !reflect.DeepEqual(got, want) {
			e.Errorf("got attempts %+v, want %+v", got, want)
		}
	}},
	{"JS-041", "a retried job is due again with one attempt more", "the handler counts by it, and the backoff grows", func(e *env) {
		w, f := e.worker(), e.one("lane")
		o := outcomes(jobs.Retried, f)
		o[0].Due = noon
		e.settle(w, o...)
		got := e.fetch("lane")
		if len(got) != 1 || got[0].ID != f.ID || got[0].Attempt != 1 || !got[0].Due.Equal(noon) {
			e.Fatalf("got %+v, want the job with attempt 1, due at noon", got)
		}
		o = outcomes(jobs.Retried, got[0])
		e.settle(w, o...)
		if got := e.fetch("lane"); len(got) != 0 {
			e.Errorf("the job is due before its time")
		}
		var numbers []int
		for _, a := range e.attempts(f.ID) {
			numbers = append(numbers, a.Number)
			if a.Result != jobs.Retried || a.Reason != "because" {
				e.Errorf("got attempt %+v", a)
			}
		}
		if !slices.Equal(numbers, []int{1, 0}) {
			e.Errorf("got attempts %v, want 1 and 0, the latest first", numbers)
		}
	}},
	{"JS-042", "a buried job is a dead letter with everything it had", "it is to be looked at and requeued by people", func(e *env) {
		j := e.job("lane")
		j.Priority, j.Payload, j.Trace = jobs.Low, []byte("payload"), "trace"
		e.enqueue(j)
		w, f := e.worker(), e.fetch("lane")[0]
		e.settle(w, outcomes(jobs.Buried, f)...)
		if got := e.fetch("lane"); len(got) != 0 {
			e.Errorf("the job is still there")
		}
		got, err := e.store.Dead(e.ctx, e.tenant, f.ID)
		e.must(err, "dead")
		want := jobs.DeadJob{Job: f.Job, Reason: "because", Died: noon.Add(2 * time.Second)}
		want.Attempt = 1
		if !reflect.DeepEqual(got, want) {
			e.Errorf("got %+v, want %+v", got, want)
		}
		if a := e.attempts(f.ID); len(a) != 1 || a[0].Result != jobs.Buried {
			e.Errorf("got attempts %+v, want the buried one", a)
		}
	}},
	{"JS-043", "an announced start is counted and records no attempt", "a job that ends its process must not be started for ever", func(e *env) {
		w, f := e.worker(), e.one("lane")
		for want := 1; want <= 2; want++ {
			e.settle(w, outcomes(jobs.Begun, f)...)
			got := e.fetch("lane")
			if len(got) != 1 || got[0].Lost != want || got[0].Attempt != 0 {
				e.Fatalf("got %+v, want the job with %d lost starts", got, want)
			}
			f = got[0]
		}
		if a := e.attempts(f.ID); len(a) != 0 {
			e.Errorf("got attempts %+v, want none", a)
		}
		o := outcomes(jobs.Retried, f)
		o[0].Due = noon
		e.settle(w, o...)
		got := e.fetch("lane")
		if len(got) != 1 || got[0].Lost != 0 || got[0].Attempt != 3 {
			e.Errorf("got %+v, want three starts and none lost since", got)
		}
		if a := e.attempts(f.ID); len(a) != 1 || a[0].Number != 2 {
			e.Errorf("got attempts %+v, want number 2", a)
		}
	}},
	{"JS-044", "an announcement may be repeated", "the answer to the first may have been lost", func(e *env) {
		w, f := e.worker(), e.one("lane")
		e.settle(w, outcomes(jobs.Begun, f)...)
		e.settle(w, outcomes(jobs.Begun, f)...)
		if got := e.fetch("lane"); len(got) != 1 || got[0].Lost != 1 {
			e.Errorf("got %+v, want one lost start", got)
		}
	}},
	{"JS-045", "a worker that was ended settles nothing", "its lanes have another owner, who runs the job again", func(e *env) {
		for _, result := range []jobs.Result{jobs.Completed, jobs.Retried, jobs.Buried, jobs.Begun} {
			w, f := e.worker(), e.one("lane")
			e.kill(w)
			o := outcomes(result, f)
			o[0].Due = noon
			if _, err := e.store.Settle(e.ctx, w, o); !errors.Is(err, jobs.ErrFenced) {
				e.Errorf("%s: got %v, want ErrFenced", result, err)
			}
			if got := e.fetch("lane"); len(got) != 1 || !reflect.DeepEqual(got[0], f) {
				e.Errorf("%s: got %+v, want the job untouched", result, got)
			}
			if a := e.attempts(f.ID); len(a) != 0 {
				e.Errorf("%s: attempts were recorded", result)
			}
			e.settle(e.worker(), outcomes(jobs.Completed, f)...)
		}
	}},
	{"JS-046", "a job that is gone is missed, and the rest of its batch counts", "one double outcome must not hold up a thousand others", func(e *env) {
		for _, result := range []jobs.Result{jobs.Completed, jobs.Retried, jobs.Buried, jobs.Begun} {
			w, gone, there := e.worker(), e.one("gone"), e.one("there")
			e.settle(w, outcomes(jobs.Completed, gone)...)
			missed, err := e.store.Settle(e.ctx, w, append(outcomes(result, gone), outcomes(jobs.Completed, there)...))
			e.must(err, "settle")
			if !slices.Equal(missed, []int64{gone.ID}) {
				e.Errorf("%s: missed %v, want %v", result, missed, gone.ID)
			}
			if len(e.fetch("there")) != 0 {
				e.Errorf("%s: the other outcome did not count", result)
			}
			if a := e.attempts(gone.ID); len(a) != 1 {
				e.Errorf("%s: %d attempts were recorded, want 1", result, len(a))
			}
		}
	}},
	{"JS-047", "an outcome of an earlier attempt is missed", "it was decided about a start that was settled since", func(e *env) {
		for _, result := range []jobs.Result{jobs.Completed, jobs.Retried, jobs.Buried, jobs.Begun} {
			w, old := e.worker(), e.one("lane")
			o := outcomes(jobs.Retried, old)
			o[0].Due = noon
			e.settle(w, o...)
			missed, err := e.store.Settle(e.ctx, w, outcomes(result, old))
			e.must(err, "settle")
			now := e.fetch("lane")
			if len(missed) != 1 || len(now) != 1 || now[0].Attempt != 1 || now[0].Lost != 0 {
				e.Fatalf("%s: missed %v and got %+v, want the job at its second attempt", result, missed, now)
			}
			e.settle(w, outcomes(jobs.Completed, now...)...)
		}
	}},
	{"JS-048", "an outcome under another tenant's name is missed", "an id alone must not reach over tenants", func(e *env) {
		for _, result := range []jobs.Result{jobs.Completed, jobs.Retried, jobs.Buried, jobs.Begun} {
			w, f := e.worker(), e.one("lane")
			other := f
			other.Tenant += "-other"
			missed, err := e.store.Settle(e.ctx, w, outcomes(result, other))
			e.must(err, "settle")
			if got := e.fetch("lane"); len(missed) != 1 || len(got) != 1 || !reflect.DeepEqual(got[0], f) {
				e.Fatalf("%s: missed %v and got %+v, want the job untouched", result, missed, got)
			}
			e.settle(w, outcomes(jobs.Completed, f)...)
		}
	}},
	{"JS-049", "a rolled back settlement leaves the job", "the effect that it belonged to was rolled back too", func(e *env) {
		for _, result := range []jobs.Result{jobs.Completed, jobs.Retried, jobs.Buried, jobs.Begun} {
			w, f := e.worker(), e.one("lane")
			err := e.b.InTx(e.ctx, func(ctx context.Context) error {
				if _, err := e.store.Settle(ctx, w, outcomes(result, f)); err != nil {
					return err
				}
				return errRollback
			})
			if !errors.Is(err, errRollback) {
				e.Fatalf("%s: the transaction answered %v", result, err)
			}
			if got := e.fetch("lane"); len(got) != 1 || !reflect.DeepEqual(got[0], f) {
				e.Errorf("%s: got %+v, want the job untouched", result, got)
			}
			if a := e.attempts(f.ID); len(a) != 0 {
				e.Errorf("%s: attempts were recorded", result)
			}
			e.settle(w, outcomes(jobs.Completed, f)...)
		}
	}},
	{"JS-050", "a worker is not ended under an open settlement that commits", "between the check of the fence and the commit nobody may take the lanes", func(e *env) {
		e.enqueue(e.job("lane"))
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		f := e.fetch("lane")[0]
		observer := e.enrol()
		peer := observer.Peers[slices.IndexFunc(observer.Peers, func(p jobs.Peer) bool { return p.ID == w })]

		settled, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			<-settled
			_, err := e.store.Beat(e.ctx, jobs.Beat{Worker: observer.Worker.ID, Lease: time.Minute, Dead: []jobs.Peer{peer}})
			ended <- err
		}()
		err := e.b.InTx(e.ctx, func(ctx context.Context) error {
			_, err := e.store.Settle(ctx, w, outcomes(jobs.Completed, f))
			close(settled)
			// Either the beat answers without having ended the worker, or it waits for
			// this transaction. It cannot be told apart from here, so it gets a moment.
			select {
			case err := <-ended:
				ended <- err
			case <-time.After(50 * time.Millisecond):
			}
			return err
		})
		e.must(err, "settle")
		e.must(<-ended, "beat")
		if got := e.fetch("lane"); len(got) != 0 {
			e.Errorf("the settlement was answered as committed, and the job is there")
		}
		if a := e.attempts(f.ID); len(a) != 1 {
			e.Errorf("%d attempts were recorded, want 1", len(a))
		}
	}},
}
