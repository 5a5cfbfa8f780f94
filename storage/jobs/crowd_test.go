package jobs

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// claims is a store that answers claims and keeps the last one. Nobody lives beside the
// worker whose beats it answers.
type claims struct {
	Store
	active int
	last   Claim
}

func (s *claims) Claim(_ context.Context, c Claim) (Claimed, error) {
	s.last = c
	claimed := Claimed{Active: s.active}
	for _, id := range c.Probe[:min(len(c.Probe), c.Take)] {
		claimed.Taken = append(claimed.Taken, Lane{LaneID: id, LaneConfig: LaneConfig{Cap: 1}})
	}
	return claimed, nil
}

func (s *claims) Beat(_ context.Context, b Beat) (Presence, error) {
	return Presence{Worker: Peer{ID: b.Worker, Lease: b.Lease}}, nil
}

func (s *claims) Fetch(context.Context, time.Time, []LaneFetch) ([]Fetched, error) { return nil, nil }

// crowd returns a worker with all lanes it may have of those it knows to be there, with
// another worker beside it, and with its store.
func crowd(t *testing.T) (*Worker, *claims) {
	t.Helper()
	store := &claims{active: 2}
	q, err := NewQueue(store, Config{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWorker(q, map[string]Handler{"test": func(context.Context, *Task) error { return nil }}, WorkerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	w.state = stateStarted
	w.tenure = newTenure(1, time.Now().Add(time.Hour), 1, time.Hour)
	w.tenure.ctx = t.Context()
	w.tenure.active, w.tenure.scan, w.tenure.sync = 2, false, false
	for i := 0; w.takeLocked(w.tenure) > 0; i++ {
		w.tenure.board.add(Lane{LaneID: LaneID{"acme", fmt.Sprint("own", i)}, LaneConfig: LaneConfig{Cap: 1}}, time.Now(), time.Now())
	}
	return w, store
}

var heardOf = LaneID{"acme", "new"}

func TestAWorkerWithItsShareTakesWhatItHearsOfWhenThereIsMoreToShare(t *testing.T) {
	w, store := crowd(t)
	store.active = 20
	w.tenure.expect(heardOf, Normal)
	w.round(false)
	if !store.last.Sync || store.last.Take != 0 {
		t.Fatalf("a worker that has its share claimed %+v, want it to ask how many lanes there are", store.last)
	}
	w.round(false)
	if !w.tenure.board.keeps(heardOf) {
		t.Errorf("it did not take the lane, and claimed %+v", store.last)
	}
}

func TestAWorkerWithItsShareLeavesWhatItHearsOfToTheOthers(t *testing.T) {
	w, store := crowd(t)
	w.tenure.expect(heardOf, Normal)
	w.round(false)
	store.last = Claim{}
	w.tenure.expect(heardOf, Normal)
	w.round(false)
	if store.last.Worker != 0 {
		t.Errorf("it asked again for the same lane before a poll: %+v", store.last)
	}
	store.active = 20
	w.round(true) // the poll counts anew
	w.round(false)
	if !w.tenure.board.keeps(heardOf) {
		t.Errorf("it forgot the lane, and claimed %+v", store.last)
	}
}

func TestAWorkerWithItsShareDoesNotCountLanesForEachThatItHearsOf(t *testing.T) {
	w, store := crowd(t)
	w.tenure.recount = time.Now().Add(time.Hour)
	w.tenure.expect(heardOf, Normal)
	w.round(false)
	if store.last.Worker != 0 {
		t.Errorf("it claimed %+v, want it to wait", store.last)
	}
	w.tenure.recount = time.Time{}
	w.round(false)
	if !store.last.Sync {
		t.Errorf("it claimed %+v, want it to ask how many lanes there are once it may", store.last)
	}
}

func TestAWorkerWithItsShareTakesTheLanesOfOneThatDiedAtOnce(t *testing.T) {
	w, store := crowd(t)
	w.tenure.expect(heardOf, Normal)
	w.tenure.recount, w.tenure.rested = time.Now().Add(time.Hour), time.Now().Add(time.Hour)
	w.round(false)
	if store.last.Worker != 0 {
		t.Fatalf("it claimed %+v while the other one lived, want it to wait", store.last)
	}
	w.beat(w.tenure, newObserver()) // which finds that it is alone by now
	w.round(false)
	if store.last.Take == 0 || !w.tenure.board.keeps(heardOf) {
		t.Errorf("it claimed %+v, want it to take what is there", store.last)
	}
}
