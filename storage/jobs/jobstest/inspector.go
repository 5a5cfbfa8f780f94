package jobstest

import (
	"errors"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// bury makes a dead letter that died at a time.
func (e *env) bury(worker int64, died time.Time) jobs.Fetched {
	e.Helper()
	f := e.one("lane")
	o := outcomes(jobs.Buried, f)
	o[0].Ended = died
	e.settle(worker, o...)
	return f
}

var inspectorRules = []rule{
	{"JS-060", "dead letters are listed from the latest death on", "an operator looks at what died last", func(e *env) {
		w := e.worker()
		early, late, tie := e.bury(w, noon), e.bury(w, noon.Add(time.Hour)), e.bury(w, noon)
		list, err := e.store.ListDead(e.ctx, e.tenant, jobs.Filter{}, jobs.Position{}, 10)
		e.must(err, "list")
		var got []int64
		for _, d := range list {
			got = append(got, d.ID)
		}
		if want := []int64{late.ID, tie.ID, early.ID}; !slices.Equal(got, want) {
			e.Errorf("got %v, want %v", got, want)
		}
	}},
	{"JS-061", "a list of dead letters goes on behind its position", "pages must neither skip nor repeat, also where many died at once", func(e *env) {
		w := e.worker()
		want := map[int64]bool{}
		for range 5 {
			want[e.bury(w, noon).ID] = true
		}
		var after jobs.Position
		for range 10 {
			list, err := e.store.ListDead(e.ctx, e.tenant, jobs.Filter{}, after, 2)
			e.must(err, "list")
			if len(list) > 2 {
				e.Fatalf("got %d dead letters, want at most 2", len(list))
			}
			for _, d := range list {
				if !want[d.ID] {
					e.Errorf("dead letter %d was not expected", d.ID)
				}
				delete(want, d.ID)
				after = jobs.Position{At: d.Died, ID: d.ID}
			}
			if len(list) == 0 {
				break
			}
		}
		if len(want) != 0 {
			e.Errorf("%d dead letters were skipped", len(want))
		}
	}},
	{"JS-062", "dead letters and attempts of another tenant do not exist", "not found, never forbidden", func(e *env) {
		f := e.bury(e.worker(), noon)
		other := e.tenant + "-other"
		if _, err := e.store.Dead(e.ctx, other, f.ID); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("dead: got %v, want ErrNotFound", err)
		}
		if _, err := e.store.Requeue(e.ctx, other, f.ID, noon); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("requeue: got %v, want ErrNotFound", err)
		}
		if list, err := e.store.ListDead(e.ctx, other, jobs.Filter{}, jobs.Position{}, 10); err != nil || len(list) != 0 {
			e.Errorf("list: got %d and %v, want none", len(list), err)
		}
		if list, err := e.store.Attempts(e.ctx, other, f.ID, 10); err != nil || len(list) != 0 {
			e.Errorf("attempts: got %d and %v, want none", len(list), err)
		}
		if _, err := e.store.Dead(e.ctx, e.tenant, f.ID); err != nil {
			e.Errorf("the tenant itself: %v", err)
		}
	}},
	{"JS-063", "a requeued dead letter is the same job with no attempts", "its history stays under its id, and it gets its tries again", func(e *env) {
		f := e.bury(e.worker(), noon)
		back, err := e.store.Requeue(e.ctx, e.tenant, f.ID, noon)
		e.must(err, "requeue")
		got := e.fetch("lane")
		if len(got) != 1 || got[0].ID != f.ID || got[0].Attempt != 0 || got[0].Lost != 0 {
			e.Errorf("got %+v, want job %d at its first attempt", got, f.ID)
		}
		if back.ID != f.ID || back.Lane != "lane" {
			e.Errorf("requeue answered %+v", back)
		}
		if _, err := e.store.Dead(e.ctx, e.tenant, f.ID); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("the dead letter: got %v, want ErrNotFound", err)
		}
		if _, err := e.store.Requeue(e.ctx, e.tenant, f.ID, noon); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("a second time: got %v, want ErrNotFound", err)
		}
	}},
	{"JS-064", "attempts are pruned by age and only so many at a time", "records must not grow without end, nor their deletion hold up the store", func(e *env) {
		w := e.worker()
		var last int64
		for i := range 4 {
			f := e.one("lane")
			o := outcomes(jobs.Completed, f)
			o[0].Ended = noon.AddDate(-100, 0, i)
			e.settle(w, o...)
			last = f.ID
		}
		old := noon.AddDate(-100, 0, 3)
		n, err := e.store.Prune(e.ctx, old, 2)
		e.must(err, "prune")
		m, err := e.store.Prune(e.ctx, old, 2)
		e.must(err, "prune")
		if n != 2 || m != 1 {
			e.Errorf("pruned %d and %d, want 2 and 1", n, m)
		}
		if got := e.attempts(last); len(got) != 1 {
			e.Errorf("an attempt that is young enough was pruned")
		}
	}},
	{"JS-065", "no more attempts are answered than asked for", "a job may have been tried thousands of times", func(e *env) {
		w, f := e.worker(), e.one("lane")
		for range 3 {
			o := outcomes(jobs.Retried, f)
			o[0].Due = noon
			e.settle(w, o...)
			f = e.fetch("lane")[0]
		}
		list, err := e.store.Attempts(e.ctx, e.tenant, f.ID, 2)
		e.must(err, "attempts")
		if len(list) != 2 || list[0].Number != 2 {
			e.Errorf("got %+v, want the latest two", list)
		}
	}},
}
