package jobs

import (
	"context"
	"time"
)

// A tenure is one incarnation of a worker: the time from an enrolment to the loss of
// its lease. Everything that was read or started under it carries it along, so that
// nothing of a lost lease can be settled under the next one.
type tenure struct {
	worker int64
	// ctx ends when the lease is lost. Handlers run under it.
	ctx    context.Context
	cancel context.CancelCauseFunc

	// The rest is guarded by the worker's mutex.

	// until is when the lease ends by the clock of this process, counted from before
	// the last beat was sent. No job is started after it.
	until time.Time
	board *board
	peers int // others that want lanes
	// resting is what the others know of this worker: that it wants no lanes.
	resting bool
	// runs ends the ctx of the handlers at work, by the ids of their jobs.
	runs map[int64]context.CancelCauseFunc

	poll    bool                // look at everything: nobody knows what changed
	scan    bool                // a lane that is not ours has work
	crowded bool                // a scan was left out because we have our share
	rested  time.Time           // when a poll may scan again
	reread  time.Time           // when a poll may read all lanes again
	foreign map[LaneID]struct{} // lanes a scan did not bring since the last poll
	missed  map[LaneID]struct{} // lanes that the next poll in turn is to look at again
	again   map[LaneID]struct{} // lanes that are looked at again
	awaited map[LaneID]struct{} // lanes the next scan is for
	sync    bool                // ask for all our lanes: a claim's answer was lost, or a cap was set
	release []LaneID            // lanes given up and not yet given back
	active  int                 // lanes to share, at the last sync, 0 before
	recount time.Time           // when they may be counted again out of turn

	swept   LaneID    // where the sweep stands
	sweepAt time.Time // when it goes on
}

// sweepEvery is how often all lanes are looked at, however little there is to them. Nothing
// of it is needed but where transactions overlapped and the signal of a lane was lost.
const sweepEvery = 10 * time.Second

const (
	// sweepPage is how many lanes are looked at in one claim.
	sweepPage = 256
	// sweepRest is for how many times as long as a page took the next one waits.
	sweepRest = 1000
)

func newTenure(worker int64, until time.Time, peers int, sweepEvery time.Duration) *tenure {
	return &tenure{
		worker: worker, until: until, peers: peers, board: newBoard(), sweepAt: time.Now().Add(sweepEvery), scan: true, sync: peers > 0,
		foreign: map[LaneID]struct{}{}, missed: map[LaneID]struct{}{}, again: map[LaneID]struct{}{}, awaited: map[LaneID]struct{}{}, runs: map[int64]context.CancelCauseFunc{},
	}
}

// expect has a lane looked at because a job of it is due, of a priority that is at most p.
// A lane of another worker is scanned for once between two polls, not for each of its jobs.
func (t *tenure) expect(id LaneID, p Priority) {
	if l := t.board.lanes[id]; l != nil {
		t.board.hear(l, p)
		return
	}
	if _, foreign := t.foreign[id]; !foreign {
		t.awaited[id] = struct{}{}
		t.scan = true
	}
}

// lookAgain has the lanes that were heard of and not taken looked at once more. The first
// time their owner may have been giving them back, in a transaction that began before the
// job was there: then nothing else tells of it but the sweep.
func (t *tenure) lookAgain() {
	clear(t.again)
	t.again, t.missed = t.missed, t.again
	for id := range t.again {
		t.awaited[id] = struct{}{}
		t.scan = true
	}
}

// lose ends a tenure whose lease is lost. Everything read ahead under it is dropped;
// its handlers see their ctx end and cannot settle anything.
func (w *Worker) lose(t *tenure, why string) {
	w.mu.Lock()
	current := w.tenure == t
	if current {
		w.tenure = nil
	}
	w.mu.Unlock()
	if !current {
		return
	}
	w.mu.Lock()
	w.counts.leasesLost++
	w.mu.Unlock()
	t.cancel(ErrFenced)
	w.tell(&Event{Kind: EventLeaseLost, Worker: t.worker, Reason: why})
	signal(w.lost)
}

// current returns the tenure of the moment, nil for none.
func (w *Worker) current() *tenure {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tenure
}

// enrol begins a tenure with the store.
func (w *Worker) enrol(ctx context.Context, resting bool) (*tenure, []Peer, error) {
	sent := time.Now()
	p, err := w.store.Beat(ctx, Beat{Lease: w.config.Lease, Resting: resting})
	if err != nil {
		return nil, nil, err
	}
	t := newTenure(p.Worker.ID, sent.Add(w.config.Lease), rivals(p.Peers), w.sweepEvery)
	t.resting = resting
	return t, p.Peers, nil
}

// rivals returns how many of the other workers want lanes.
func rivals(peers []Peer) (n int) {
	for _, p := range peers {
		if !p.Resting {
			n++
		}
	}
	return n
}
