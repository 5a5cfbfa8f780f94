package jobs

import (
	"math"
	"slices"
	"strconv"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func laneNamed(name string) LaneID { return LaneID{"acme", name} }

// boardWith returns a board that owns lanes of a cap.
func boardWith(cap int, names ...string) *board {
	b := newBoard()
	for _, n := range names {
		b.add(Lane{LaneID: laneNamed(n), LaneConfig: LaneConfig{Cap: cap}}, noon, noon)
	}
	return b
}

func fetchedJob(lane string, id int64) Fetched {
	return Fetched{Job: Job{ID: id, Tenant: "acme", Lane: lane, Due: noon}}
}

// fill answers what the board wants to read with jobs.
func fill(b *board, jobs ...Fetched) {
	lanes, fetches := b.wants(noon)
	b.deliver(lanes, fetches, jobs, noon)
}

// nextID starts the next job and returns its id, zero where there is none.
func nextID(b *board) int64 {
	_, j, _ := b.next()
	return j.ID
}

func TestALaneOfATinyRateIsNotAskedAllTheTime(t *testing.T) {
	for _, rate := range []float64{1e-9, 1e-10, 1e-300, math.SmallestNonzeroFloat64} {
		b := newBoard()
		now := noon
		b.now = func() time.Time { return now }
		b.add(Lane{LaneID: laneNamed("a"), LaneConfig: LaneConfig{Rate: rate}}, noon, noon)
		fill(b, fetchedJob("a", 1), fetchedJob("a", 2))
		if id := nextID(b); id != 1 {
			t.Fatalf("at a rate of %g job %d was started, want 1", rate, id)
		}
		for range 2 {
			if id := nextID(b); id != 0 {
				t.Errorf("at a rate of %g job %d was started at %s", rate, id, now)
			}
			if wait := b.thaw(24 * time.Hour); wait != time.Hour {
				t.Errorf("at a rate of %g the lane is asked again after %s, want an hour", rate, wait)
			}
			now = now.Add(time.Hour)
		}
	}
}

func TestLanesTakeTurns(t *testing.T) {
	b := boardWith(2, "a", "b")
	fill(b, fetchedJob("a", 1), fetchedJob("a", 2), fetchedJob("a", 3), fetchedJob("b", 4), fetchedJob("b", 5))
	var got []int64
	for id := nextID(b); id != 0; id = nextID(b) {
		got = append(got, id)
	}
	if want := []int64{1, 4, 2, 5}; !slices.Equal(got, want) {
		t.Errorf("started %v, want %v: one of a lane at a time, no more than its cap", got, want)
	}
}

func TestALaneAtItsCapGoesOnWhenAJobEnds(t *testing.T) {
	b := boardWith(1, "a")
	fill(b, fetchedJob("a", 1), fetchedJob("a", 2))
	l, j, _ := b.next()
	if id := nextID(b); id != 0 {
		t.Fatalf("job %d was started over the cap", id)
	}
	b.finish(l)
	b.settled(l, j.ID, noon)
	if id := nextID(b); id != 2 {
		t.Errorf("job %d was started, want 2", id)
	}
}

func TestARaisedCapStartsWaitingJobs(t *testing.T) {
	b := boardWith(1, "a")
	fill(b, fetchedJob("a", 1), fetchedJob("a", 2))
	b.next()
	b.add(Lane{LaneID: laneNamed("a"), LaneConfig: LaneConfig{Cap: 2}}, noon, noon)
	if id := nextID(b); id != 2 {
		t.Errorf("job %d was started, want 2", id)
	}
}

// Pitfall 1 of the prototype, in the order of events that shows it.
func TestAFetchOlderThanASettlementStartsNothingAgain(t *testing.T) {
	b := boardWith(8, "a")
	fill(b, fetchedJob("a", 1))
	l, j, _ := b.next()
	b.soil(l)
	lanes, fetches := b.wants(noon) // reads job 1, which runs
	b.finish(l)
	b.settled(l, j.ID, noon) // and is settled before the answer comes
	b.deliver(lanes, fetches, []Fetched{fetchedJob("a", 1), fetchedJob("a", 2)}, noon)
	if id := nextID(b); id != 2 {
		t.Errorf("job %d was started, want 2", id)
	}
	if id := nextID(b); id != 0 {
		t.Errorf("job %d was started a second time", id)
	}
	b.soil(l)
	fill(b, fetchedJob("a", 1)) // a later fetch finds a job that is due again
	if id := nextID(b); id != 1 {
		t.Errorf("job %d was started, want the retried job 1", id)
	}
}

// Pitfall 3 of the prototype.
func TestAnAnswerForALaneGivenAwayIsNotApplied(t *testing.T) {
	b := boardWith(8, "a")
	lanes, fetches := b.wants(noon)
	b.remove(lanes[0])
	b.add(Lane{LaneID: laneNamed("a")}, noon, noon)
	b.deliver(lanes, fetches, []Fetched{fetchedJob("a", 1)}, noon)
	if id := nextID(b); id != 0 {
		t.Errorf("job %d of the lane's earlier time was started", id)
	}
	if b.buffered != 0 {
		t.Errorf("%d jobs are buffered, want none", b.buffered)
	}
}

func TestALaneWithABacklogIsReadInPiecesAndFromItsStartAgain(t *testing.T) {
	b := boardWith(4, "a") // a window of 16
	var backlog []Fetched
	for id := int64(1); id <= 100; id++ {
		backlog = append(backlog, fetchedJob("a", id))
	}
	serve := func(now time.Time) (read int) {
		lanes, fetches := b.wants(now)
		for i, f := range fetches {
			rest := backlog
			for len(rest) > 0 && rest[0].ID <= f.Levels[1].After.ID {
				rest = rest[1:]
			}
			rest = rest[:min(len(rest), f.Levels[1].Limit)]
			read += len(rest)
			b.deliver(lanes[i:i+1], fetches[i:i+1], rest, now)
		}
		return read
	}
	if n := serve(noon); n != 16 {
		t.Fatalf("read %d jobs, want 16", n)
	}
	l := b.lanes[laneNamed("a")]
	for range 8 {
		_, j, _ := b.next()
		b.finish(l)
		b.settled(l, j.ID, noon)
		backlog = slices.DeleteFunc(backlog, func(f Fetched) bool { return f.ID == j.ID })
	}
	if at := l.after[1].ID; at != 16 {
		t.Errorf("the cursor stands at %d, want 16", at)
	}
	if n := serve(noon); n != 8 || len(l.ready) != 16 {
		t.Errorf("read %d jobs and have %d, want 8 and 16", n, len(l.ready))
	}
	for range 8 {
		b.next()
		b.finish(l) // ended, and not settled: they still stand in front
	}
	if n := serve(noon.Add(rewindAfter)); n != 24 || len(l.ready) != 16 {
		t.Errorf("read %d jobs and have %d, want 24 and 16: all that are held, and 8 more", n, len(l.ready))
	}
}

// Job 1 has its place before what was read, and is committed late.
func TestAFIFOLaneStartsNoJobBeforeOneThatWasCommittedEarlier(t *testing.T) {
	b := newBoard()
	b.add(Lane{LaneID: laneNamed("a"), LaneConfig: LaneConfig{Order: FIFO}}, noon, noon) // a window of 16
	l := b.lanes[laneNamed("a")]
	var store []Fetched
	for id := int64(11); id <= 30; id++ {
		store = append(store, fetchedJob("a", id))
	}
	serve := func() {
		lanes, fetches := b.wants(noon)
		if len(lanes) == 0 {
			return
		}
		asked := fetches[0].Levels[1]
		rest := slices.DeleteFunc(slices.Clone(store), func(f Fetched) bool { return f.ID <= asked.After.ID })
		b.deliver(lanes, fetches, rest[:min(len(rest), asked.Limit)], noon)
	}
	var got []int64
	work := func(n int) {
		for range n {
			_, j, _ := b.next()
			got = append(got, j.ID)
			b.finish(l)
			serve() // it is not settled yet: the store still answers it
			store = slices.DeleteFunc(store, func(f Fetched) bool { return f.ID == j.ID })
			b.settled(l, j.ID, noon)
			serve()
			if len(l.ready) > l.window() {
				t.Fatalf("%d jobs are read ahead", len(l.ready))
			}
		}
	}
	serve()
	work(4)
	store = append([]Fetched{fetchedJob("a", 1)}, store...)
	b.hear(l, Normal)
	store = append(store, fetchedJob("a", 31))
	b.hear(l, Normal)
	work(len(store))
	late, behind := slices.Index(got, 1), slices.Index(got, 31)
	if late < 0 || behind < late {
		t.Errorf("started %v, want 1 before 31", got)
	}
	if want := 22; len(got) != want || len(slices.Compact(slices.Sorted(slices.Values(got)))) != want {
		t.Errorf("started %v, want each of %d once", got, want)
	}
}

func TestTheFirstAnswerOfALaneIsSmallAndTheNextFillsItsWindow(t *testing.T) {
	b := boardWith(32, "a") // a window of 128
	lanes, fetches := b.wants(noon)
	if got := fetches[0].Levels[1].Limit; got != windowMin {
		t.Fatalf("reads %d jobs at first, want %d", got, windowMin)
	}
	var first []Fetched
	for id := int64(1); id <= windowMin; id++ {
		first = append(first, fetchedJob("a", id))
	}
	b.deliver(lanes, fetches, first, noon)
	if _, fetches = b.wants(noon); len(fetches) != 1 || fetches[0].Levels[1].Limit != 128-windowMin {
		t.Errorf("reads %+v next, want %d jobs of the normal level", fetches, 128-windowMin)
	}
}

func TestALaneIsNotReadAgainForWhatTheFetchUnderWayTells(t *testing.T) {
	b := boardWith(4, "a") // a window of 16
	var first []Fetched
	for id := int64(1); id <= 16; id++ {
		first = append(first, fetchedJob("a", id))
	}
	fill(b, first...)
	l := b.lanes[laneNamed("a")]
	work := func(n int) {
		for range n {
			_, j, _ := b.next()
			b.finish(l)
			b.settled(l, j.ID, noon)
		}
	}
	work(8)
	lanes, fetches := b.wants(noon)
	if len(lanes) != 1 {
		t.Fatal("the lane is not read when it runs low")
	}
	work(4)
	b.deliver(lanes, fetches, []Fetched{fetchedJob("a", 17), fetchedJob("a", 18), fetchedJob("a", 19), fetchedJob("a", 20), fetchedJob("a", 21)}, noon)
	if lanes, fetches = b.wants(noon); len(lanes) != 0 {
		t.Errorf("reads %+v, although the store has no more", fetches)
	}
	b.hear(l, High)
	lanes, fetches = b.wants(noon)
	b.hear(l, High) // a job that the fetch under way perhaps does not see
	b.deliver(lanes, fetches, nil, noon)
	if lanes, _ = b.wants(noon); len(lanes) != 1 {
		t.Error("what is heard of while a fetch is under way is not read")
	}
}

func TestALaneThatWasHeardOfWhileItWasFullIsReadWhenItRunsLow(t *testing.T) {
	b := boardWith(1, "a") // a window of 16
	var first []Fetched
	for id := int64(1); id <= 12; id++ {
		first = append(first, fetchedJob("a", id))
	}
	fill(b, first...)
	l := b.lanes[laneNamed("a")]
	b.hear(l, Normal)
	if lanes, _ := b.wants(noon); len(lanes) != 0 {
		t.Fatalf("a lane is read that has enough")
	}
	for range 8 {
		_, j, _ := b.next()
		b.finish(l)
		b.settled(l, j.ID, noon)
	}
	if lanes, _ := b.wants(noon); len(lanes) != 1 {
		t.Errorf("the lane is not read again")
	}
}

func TestAHighJobOvertakesAFullWindow(t *testing.T) {
	b := boardWith(1, "a") // a window of 16
	l := b.lanes[laneNamed("a")]
	var first []Fetched
	for id := int64(1); id <= 16; id++ {
		first = append(first, fetchedJob("a", id))
	}
	fill(b, first...)
	b.hear(l, High)
	high := fetchedJob("a", 17)
	high.Priority = High
	lanes, fetches := b.wants(noon)
	if len(lanes) != 1 || fetches[0].Levels[0].Limit == 0 || fetches[0].Levels[1].Limit != 0 {
		t.Fatalf("reads %+v, want the high level alone", fetches)
	}
	b.deliver(lanes, fetches, []Fetched{high}, noon)
	if id := nextID(b); id != 17 {
		t.Errorf("job %d was started, want 17", id)
	}
	if cut := l.after[1]; cut.ID != 16 {
		t.Errorf("the cursor of the normal level stands at %d, want 16", cut.ID)
	}
}

func TestWhatIsReadAheadIsBounded(t *testing.T) {
	b := newBoard()
	for i := range 4000 {
		b.add(Lane{LaneID: laneNamed(strconv.Itoa(i)), LaneConfig: LaneConfig{Cap: 8}}, noon, noon)
	}
	id := int64(0)
	for len(b.dirty) > 0 {
		lanes, fetches := b.wants(noon)
		asked := 0
		var jobs []Fetched
		for _, f := range fetches {
			asked += f.Levels[1].Limit
			for range f.Levels[1].Limit {
				id++
				jobs = append(jobs, fetchedJob(f.Lane, id))
			}
		}
		if asked > maxFetch+windowMax {
			t.Fatalf("one fetch asks for %d jobs", asked)
		}
		b.deliver(lanes, fetches, jobs, noon)
		if len(lanes) == 0 {
			break
		}
	}
	if most := maxBuffered + maxFetch + 4000*8; b.buffered > most {
		t.Errorf("%d jobs are read ahead, want at most %d", b.buffered, most)
	}
	if len(b.turns) != 4000 {
		t.Errorf("%d lanes have something to start, want all 4000", len(b.turns))
	}
}

func TestALaneReadsNoMoreAheadThanElseWhereTooMuchIsRead(t *testing.T) {
	b := boardWith(MaxCap, "a")
	l := b.lanes[laneNamed("a")]
	usual := b.room(l)
	b.buffered = maxBuffered
	if got := b.room(l); got > usual {
		t.Errorf("reads %d jobs ahead, want at most the usual %d", got, usual)
	}
}

func TestAJobWhoseStartWasLostRunsAlone(t *testing.T) {
	b := boardWith(8, "a")
	lost := fetchedJob("a", 2)
	lost.Lost = 1
	fill(b, fetchedJob("a", 1), lost, fetchedJob("a", 3))
	l, _, _ := b.next()
	if id := nextID(b); id != 0 {
		t.Fatalf("job %d was started beside job 1", id)
	}
	b.finish(l)
	if id := nextID(b); id != 2 {
		t.Fatalf("job %d was started, want 2", id)
	}
	if id := nextID(b); id != 0 {
		t.Fatalf("job %d was started beside the suspect", id)
	}
	b.finish(l)
	if id := nextID(b); id != 3 {
		t.Errorf("job %d was started, want 3", id)
	}
}

func TestASuspectLaneSuspectsWhatWasDueAndNothingLater(t *testing.T) {
	b := newBoard()
	b.add(Lane{LaneID: laneNamed("a"), Suspect: true}, noon, noon)
	l := b.lanes[laneNamed("a")]
	later := fetchedJob("a", 2)
	later.Due = noon.Add(time.Microsecond)
	if !l.suspect(fetchedJob("a", 1)) || l.suspect(later) {
		t.Errorf("suspects what was due: %t, and what was not: %t", l.suspect(fetchedJob("a", 1)), l.suspect(later))
	}
}

func TestALaneIsGivenAwayWhenNothingOfItIsUnsettled(t *testing.T) {
	b := boardWith(1, "busy", "ended", "waiting", "empty")
	fill(b, fetchedJob("busy", 1), fetchedJob("ended", 2))
	b.next()
	ended, _, _ := b.next()
	b.finish(ended) // its outcome is on the way
	b.soil(b.lanes[laneNamed("waiting")])
	fill(b, fetchedJob("waiting", 3))
	b.shed(10)
	names := func(ids []LaneID) (names []string) {
		for _, id := range ids {
			names = append(names, id.Lane)
		}
		return names
	}
	if got, want := names(b.leave()), []string{"empty", "waiting"}; !slices.Equal(got, want) {
		t.Errorf("gave away %v, want %v", got, want)
	}
	if id := nextID(b); id != 0 {
		t.Errorf("job %d of a lane that is leaving was started", id)
	}
	b.settled(ended, 2, noon)
	if got, want := names(b.leave()), []string{"ended"}; !slices.Equal(got, want) {
		t.Errorf("gave away %v, want %v", got, want)
	}
	if b.buffered != 0 {
		t.Errorf("%d jobs are buffered, want none", b.buffered)
	}
}

func TestAnIdleLaneIsGivenBack(t *testing.T) {
	b := boardWith(1, "idle", "busy")
	fill(b, fetchedJob("busy", 1))
	b.next()
	b.idle(noon.Add(idleAfter - 1))
	if got := b.leave(); len(got) != 0 {
		t.Errorf("gave back %v too early", got)
	}
	b.idle(noon.Add(idleAfter))
	if got := b.leave(); !slices.Equal(got, []LaneID{laneNamed("idle")}) {
		t.Errorf("gave back %v, want the idle lane", got)
	}
}

func TestAnObserverCallsDeadWhoStoodStillForALease(t *testing.T) {
	o := newObserver()
	still := Peer{ID: 1, Beats: 5, Lease: time.Second}
	o.look(noon, []Peer{still, {ID: 2, Beats: 1, Lease: time.Second}})
	if wait := o.next(noon, time.Minute); wait != time.Second {
		t.Errorf("looks again in %s, want 1s", wait)
	}
	o.look(noon.Add(900*time.Millisecond), []Peer{still, {ID: 2, Beats: 2, Lease: time.Second}})
	if dead := o.dead(noon.Add(999 * time.Millisecond)); len(dead) != 0 {
		t.Errorf("%v are dead too early", dead)
	}
	if dead := o.dead(noon.Add(time.Second)); !slices.Equal(dead, []Peer{still}) {
		t.Errorf("%v are dead, want %v", dead, still)
	}
	o.look(noon.Add(time.Second), nil)
	if dead := o.dead(noon.Add(time.Hour)); len(dead) != 0 {
		t.Errorf("%v are dead and gone", dead)
	}
}

func TestBackoffDoublesToTenMinutes(t *testing.T) {
	for attempt, base := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if got := backoff(attempt); got < base-base/20 || got > base+base/20 {
			t.Errorf("attempt %d waits %s, want about %s", attempt, got, base)
		}
	}
	if got := backoff(1_000_000); got > 11*time.Minute {
		t.Errorf("a late attempt waits %s", got)
	}
}

func TestAReasonIsMadeFitForStorage(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a short text is kept", "kaputt ü", "kaputt ü"},
		{"NULs are dropped", "a\x00b", "ab"},
		{"bytes that are not UTF-8 are replaced", "a\xffb", "a\uFFFDb"},
	} {
		if got := clip(c.in); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	long := make([]byte, 0, 2*MaxReason)
	for len(long) < 2*MaxReason {
		long = append(long, "ü"...)
	}
	if got := clip("x" + string(long)); len(got) > MaxReason || got[len(got)-2:] != "ü" {
		t.Errorf("a long text is cut to %d bytes, ending in %q", len(got), got[len(got)-2:])
	}
}

func TestASecondTransactionLeavesWhatHoldsALaneToTheFirst(t *testing.T) {
	now := &tenure{}
	pile := func(n int) (list []*settlement) {
		for range n {
			list = append(list, &settlement{tenure: now})
		}
		return list
	}
	holds := &settlement{tenure: now, outcome: Outcome{Hold: &Hold{}}}
	cases := []struct {
		name    string
		waiting []*settlement
		want    int
	}{
		{"few are left to the first", pile(minPile - 1), 0},
		{"many are taken", pile(minPile), minPile},
		{"no more than a transaction takes", pile(maxBatch + 1), maxBatch},
		{"those before a hold are taken", append(append(pile(minPile), holds), pile(1)...), minPile},
		{"a hold in front is left", append([]*settlement{holds}, pile(maxBatch)...), 0},
		{"those of the next tenure are left", append(pile(minPile), &settlement{tenure: &tenure{}}), minPile},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := &Worker{settlements: c.waiting}
			if got := len(w.pile()); got != c.want || w.settling != c.want || len(w.settlements) != len(c.waiting)-c.want {
				t.Errorf("took %d, counts %d and leaves %d, want %d of %d", got, w.settling, len(w.settlements), c.want, len(c.waiting))
			}
		})
	}
}
