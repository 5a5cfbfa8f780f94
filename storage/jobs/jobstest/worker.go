package jobstest

import (
	"errors"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
)

var workerRules = []rule{
	{"JS-020", "every enrolment gets an id of its own, also after others left", "the id is the fence: whoever gets an old one settles in a dead worker's name", func(e *env) {
		seen := map[int64]bool{}
		for range 5 {
			w := e.worker()
			if w <= 0 || seen[w] {
				e.Fatalf("worker %d was enrolled twice", w)
			}
			seen[w] = true
			e.beat(jobs.Beat{Worker: w, Leave: true})
		}
	}},
	{"JS-021", "every beat raises the count that others see", "an observer judges by nothing else whether a worker lives", func(e *env) {
		w, observer := e.enrol(), e.worker()
		again := e.beat(jobs.Beat{Worker: w.Worker.ID, Lease: 90 * time.Second})
		if again.Worker.Beats <= w.Worker.Beats {
			e.Errorf("the count went from %d to %d", w.Worker.Beats, again.Worker.Beats)
		}
		peers := e.beat(jobs.Beat{Worker: observer}).Peers
		if !slices.Contains(peers, jobs.Peer{ID: w.Worker.ID, Beats: again.Worker.Beats, Lease: 90 * time.Second}) {
			e.Errorf("the observer sees %+v, want %+v", peers, again.Worker)
		}
		if slices.ContainsFunc(peers, func(p jobs.Peer) bool { return p.ID == observer }) {
			e.Errorf("a worker is its own peer")
		}
	}},
	{"JS-022", "a worker that was ended is fenced when it beats", "it must notice and give up what it holds", func(e *env) {
		w := e.worker()
		e.kill(w)
		if _, err := e.store.Beat(e.ctx, jobs.Beat{Worker: w, Lease: time.Minute}); !errors.Is(err, jobs.ErrFenced) {
			e.Errorf("got %v, want ErrFenced", err)
		}
	}},
	{"JS-023", "a worker that beat meanwhile is not ended", "the observer looked at an old count", func(e *env) {
		w, observer := e.enrol(), e.worker()
		e.beat(jobs.Beat{Worker: w.Worker.ID})
		e.beat(jobs.Beat{Worker: observer, Dead: []jobs.Peer{w.Worker}})
		e.beat(jobs.Beat{Worker: w.Worker.ID})
	}},
	{"JS-024", "lanes of an ended worker are free and suspect", "whoever takes them must count starts before they happen", func(e *env) {
		e.enqueue(e.job("lane"))
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		e.kill(w)
		got := e.claim(jobs.Claim{Worker: e.worker(), Take: 1}).Taken
		if len(got) != 1 || !got[0].Suspect {
			e.Errorf("got lanes %+v, want the suspect one", got)
		}
	}},
	{"JS-025", "lanes of a worker that leaves are free and not suspect", "a planned stop must not slow down its successor", func(e *env) {
		e.enqueue(e.job("lane"))
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		e.beat(jobs.Beat{Worker: w, Leave: true})
		got := e.claim(jobs.Claim{Worker: e.worker(), Take: 1}).Taken
		if len(got) != 1 || got[0].Suspect {
			e.Errorf("got lanes %+v, want the one that is not suspect", got)
		}
	}},
	{"JS-026", "leaving twice is no error", "a process that stops repeats what it got no answer to", func(e *env) {
		w := e.worker()
		e.beat(jobs.Beat{Worker: w, Leave: true})
		e.beat(jobs.Beat{Worker: w, Leave: true})
	}},
	{"JS-027", "a suspicion is told once", "a lane that was taken over and given back in order is as good as any", func(e *env) {
		e.enqueue(e.job("lane"))
		w := e.worker()
		e.claim(jobs.Claim{Worker: w, Take: 1})
		e.kill(w)
		heir := e.worker()
		e.claim(jobs.Claim{Worker: heir, Take: 1})
		e.claim(jobs.Claim{Worker: heir, Release: []jobs.LaneID{e.lane("lane")}})
		if got := e.claim(jobs.Claim{Worker: heir, Take: 1}).Taken; len(got) != 1 || got[0].Suspect {
			e.Errorf("got lanes %+v, want the one that is not suspect", got)
		}
	}},
	{"JS-028", "a worker that rests says so to the others until it does not", "they share the lanes without it", func(e *env) {
		w, observer := e.beat(jobs.Beat{Resting: true}), e.worker()
		for _, resting := range []bool{true, false, true} {
			mine := e.beat(jobs.Beat{Worker: w.Worker.ID, Resting: resting}).Worker
			peers := e.beat(jobs.Beat{Worker: observer}).Peers
			if mine.Resting != resting || !slices.Contains(peers, mine) {
				e.Errorf("the observer sees %+v, want %+v that rests: %t", peers, mine, resting)
			}
		}
		if !w.Worker.Resting {
			e.Errorf("a worker that was enrolled at rest does not rest")
		}
	}},
}
