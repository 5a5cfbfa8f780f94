package jobs

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

const (
	// windowMin and windowMax bound how many jobs of a lane are read ahead; in between
	// it is four times the lane's cap.
	windowMin, windowMax = 16, 512
	// maxBuffered is how many jobs are read ahead over all lanes. Beyond it a lane that
	// has nothing to start still gets as many jobs as its cap, or its window where that
	// is smaller.
	maxBuffered = 16_384
	// maxFetch is how many jobs one fetch may answer, roughly.
	maxFetch = 8_192
	// pollPage is how many lanes one fetch reads for a poll. Nobody spoke of them, and those
	// that somebody speaks of meanwhile wait for no more than one such fetch.
	pollPage = 64
	// rewindAfter is how long a lane with a backlog is read forward only. A job that
	// was committed behind the cursor waits for the next rewind. In a FIFO lane others would
	// start before it, so that is read from its start each time.
	rewindAfter = time.Second
	// idleAfter is how long a lane without jobs is kept.
	idleAfter = 10 * time.Second
)

// A board is what one tenure of a worker knows of its lanes: which jobs are read and
// not yet started, which run, and which lane is next. Caps, order and fairness are
// decided here and nowhere else, because a lane has one owner. A board does no work
// itself and is guarded by its worker's mutex.
type board struct {
	lanes    map[LaneID]*lane
	turns    []*lane // lanes with a job to start, next first
	dirty    []*lane // lanes to read, first come first served
	polled   []*lane // lanes to read when there are few of those
	left     []*lane // lanes that were shed and have come to rest
	buffered int     // jobs that are read and not started
	thaws    thaws   // lanes that may start something at a time
	thawSet  bool    // the first of them is a new one
	now      func() time.Time
}

func newBoard() *board { return &board{lanes: map[LaneID]*lane{}, now: time.Now} }

// A lane is one lane in the hands of its owner.
type lane struct {
	id     LaneID
	config LaneConfig
	cap    int // the config's, or what its order leaves of it

	rate    *rate.Limiter // nil for none
	paused  bool
	resumes int64
	brake
	thawsAt time.Time // when the lane is asked again, zero for never

	// unbraked is the brake as it was before the outcome of the job brakedBy, which set it
	// last and is not settled, zero for none.
	unbraked brake
	brakedBy int64
	// void are the jobs at work that are known not to be ours to settle: what becomes of
	// them counts for nothing.
	void map[int64]struct{}

	ready   []Fetched   // read and not started, in order
	waiting [Levels]int // how many of them are of each priority
	running int         // handlers at work, announced starts included
	alone   bool        // what runs must run alone in the lane
	leaving bool        // starts nothing more, and goes when all is settled

	// held are the jobs that are ready, running, or ended and not yet settled. The store
	// still answers them.
	held    map[int64]Priority
	holding [Levels]int // how many of them are of each priority
	// gone are jobs that were settled while a fetch was under way: its answer may be
	// older than the settlement and must not start them again.
	gone     map[int64]struct{}
	fetching bool
	stale    bool // the fetch under way is to be forgotten

	after   [Levels]Position // the cursors; zero where a level is read from its start
	rewound time.Time        // when all of them were last there
	more    [Levels]bool     // the last fetch was cut off by its limit
	urgent  bool             // there may be jobs that go before those which are read
	behind  bool             // there may be jobs that go after those which are read

	// suspectUntil is the latest due time of jobs that a dead owner may have started.
	suspectUntil time.Time
	idleSince    time.Time

	hasTurn, isDirty bool
}

// add takes a lane over, or takes over how it is worked by now where it is known. due is
// the time of the store's clock by which jobs are due, now that of the board's.
func (b *board) add(l Lane, due, now time.Time) {
	known := b.lanes[l.LaneID]
	if known == nil {
		known = &lane{id: l.LaneID, held: map[int64]Priority{}, idleSince: now, resumes: l.Resumes}
		if l.Suspect {
			known.suspectUntil = due
		}
		if l.Hold.Until.After(due) {
			known.heldUntil = now.Add(l.Hold.Until.Sub(due))
		}
		known.open = l.Hold.Reason == HeldByBreaker
		b.lanes[l.LaneID] = known
		b.soil(known)
	}
	known.configure(l.LaneConfig, now)
	if known.resumes != l.Resumes {
		known.resumes = l.Resumes
		known.lift()
	}
	known.paused = l.Paused
	switch {
	case known.paused && !known.leaving:
		known.leaving = true
		b.rest(known)
	case !known.paused && known.leaving && !known.free(): // it need not go any more
		known.leaving, known.isDirty = false, false
		b.soil(known)
	}
	b.enturn(known)
}

// remove gives a lane up. Nothing of it may be running or unsettled.
func (b *board) remove(l *lane) {
	delete(b.lanes, l.id)
	b.buffered -= len(l.ready)
	l.ready, l.waiting = nil, [Levels]int{}
	l.hasTurn, l.isDirty = false, false
}

// owns reports whether l is still this board's: a lane that was given away and taken
// again is another one.
func (b *board) owns(l *lane) bool { return b.lanes[l.id] == l }

// free reports whether nothing of the lane is started or unsettled.
func (l *lane) free() bool { return len(l.held) == len(l.ready) }

// window is how many jobs of the lane are read ahead.
func (l *lane) window() int { return min(max(4*l.cap, windowMin), windowMax) }

// hear marks a lane as one to read because there may be a new job of a priority. Where
// that would start before one that is read, it is read even when enough is.
func (b *board) hear(l *lane, p Priority) {
	if p > Low && (len(l.ready) == 0 || p > l.ready[len(l.ready)-1].Priority) {
		l.urgent = true
	}
	b.soil(l)
}

// backlog reports whether there may be jobs in the store that are not read.
func (l *lane) backlog() bool { return l.behind || l.more != [Levels]bool{} }

// room is how many jobs of a lane may be read and not started.
func (b *board) room(l *lane) int {
	if b.buffered >= maxBuffered {
		return min(l.cap, l.window())
	}
	return l.window()
}

// soil marks a lane as one to read.
func (b *board) soil(l *lane) {
	if !l.isDirty {
		l.isDirty = true
		b.dirty = append(b.dirty, l)
	}
}

// unread reports whether there are lanes to read.
func (b *board) unread() bool { return len(b.dirty)+len(b.polled) > 0 }

// wants returns the lanes that are to be read now, with how much of each. Their answer
// must be handed to deliver, or to dismiss.
func (b *board) wants(now time.Time) (lanes []*lane, fetches []LaneFetch) {
	b.pollSome()
	budget := maxFetch
	var rest []*lane
	for i, l := range b.dirty {
		if !l.isDirty || !b.owns(l) || l.leaving {
			continue
		}
		if budget <= 0 {
			rest = append(rest, b.dirty[i:]...)
			break
		}
		urgent := l.urgent
		l.isDirty, l.urgent = false, false
		if len(l.ready) > l.window()/2 && !urgent {
			l.behind = true
			continue
		}
		room := b.room(l)
		if l.rewound.IsZero() { // its handlers, and those of the lanes behind it, wait for the answer
			room = min(room, windowMin)
		}
		if l.config.Order == FIFO || now.Sub(l.rewound) >= rewindAfter {
			l.after = [Levels]Position{}
		}
		if l.after == ([Levels]Position{}) {
			l.rewound = now
		}
		fetch, most := b.want(l, room)
		if most == 0 {
			continue
		}
		budget -= most
		l.fetching = true
		lanes = append(lanes, l)
		fetches = append(fetches, fetch)
	}
	b.dirty = rest
	return lanes, fetches
}

// want says what is to be read of a lane: of each level what still fits into the room
// behind the jobs that start before it. most is the most of one level.
func (b *board) want(l *lane, room int) (f LaneFetch, most int) {
	f.LaneID = l.id
	l.behind = false
	for level := range f.Levels {
		if room -= l.waiting[level]; room <= 0 {
			l.behind = true
			break
		}
		f.Levels[level] = LevelFetch{After: l.after[level], Limit: room}
		if l.after[level] == (Position{}) {
			f.Levels[level].Limit += l.holding[level] // they stand in front and are answered again
		}
		most = max(most, f.Levels[level].Limit)
	}
	return f, most
}

// deliver takes the answer of a fetch.
func (b *board) deliver(lanes []*lane, fetches []LaneFetch, jobs []Fetched, now time.Time) {
	byLane := make(map[LaneID][]Fetched, len(lanes))
	for len(jobs) > 0 { // those of a lane mostly stand together
		id, n := LaneID{jobs[0].Tenant, jobs[0].Lane}, 1
		for n < len(jobs) && jobs[n].Lane == id.Lane && jobs[n].Tenant == id.Tenant {
			n++
		}
		if byLane[id] == nil {
			byLane[id] = jobs[:n:n]
		} else {
			byLane[id] = append(byLane[id], jobs[:n]...)
		}
		jobs = jobs[n:]
	}
	for i, l := range lanes {
		l.fetching = false
		if l.stale {
			l.stale = false
			b.soil(l)
		} else if b.owns(l) {
			b.receive(l, byLane[l.id], fetches[i], now)
		}
		l.gone = nil
	}
}

func (b *board) receive(l *lane, jobs []Fetched, f LaneFetch, now time.Time) {
	var got [Levels]int
	var last [Levels]Position
	l.ready = slices.Grow(l.ready, len(jobs))
	for _, j := range jobs {
		level := j.Priority.Level()
		got[level]++
		last[level] = Position{At: j.Due, ID: j.ID}
		_, held := l.held[j.ID]
		_, gone := l.gone[j.ID]
		if held || gone {
			continue
		}
		l.held[j.ID] = j.Priority
		l.holding[level]++
		l.ready = append(l.ready, j)
		l.waiting[level]++
		b.buffered++
	}
	slices.SortFunc(l.ready, byStart)
	for level, asked := range f.Levels {
		if asked.Limit == 0 {
			continue
		}
		l.more[level] = got[level] >= asked.Limit
		l.after[level] = Position{}
		if l.more[level] {
			l.after[level] = last[level]
		}
	}
	if len(l.held) > 0 {
		l.idleSince = now
	}
	b.enturn(l)
	b.refill(l)
}

// byStart orders the due jobs of a lane as they start.
func byStart(a, b Fetched) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID))
}

// dismiss ends a fetch that failed. The lanes stay to be read.
func (b *board) dismiss(lanes []*lane) {
	for _, l := range lanes {
		l.fetching, l.stale, l.gone = false, false, nil
		if b.owns(l) {
			b.soil(l)
		}
	}
}

// refill has a lane read again when it runs low, or one of its levels does, and the store
// has more. While it is being read nobody knows that: the answer tells.
func (b *board) refill(l *lane) {
	if l.fetching {
		return
	}
	low := b.room(l) / 2
	if l.behind && len(l.ready) <= low {
		b.soil(l)
	}
	ahead := 0
	for level, more := range l.more {
		ahead += l.waiting[level]
		if more && ahead <= low {
			l.urgent = true
			b.soil(l)
		}
	}
}

// overtakes reports whether the store has jobs that start before the first that is read.
func (l *lane) overtakes() bool {
	for _, more := range l.more[:l.ready[0].Priority.Level()] {
		if more {
			return true
		}
	}
	return false
}

// startable reports whether the lane may start its next job now.
func (l *lane) startable() bool {
	switch {
	case len(l.ready) == 0 || l.running >= l.cap || l.alone || l.leaving:
		return false
	case l.overtakes():
		return false
	case l.ready[0].Lost > 0:
		return l.running == 0
	}
	return true
}

// enturn gives a lane a turn if it can use one.
func (b *board) enturn(l *lane) {
	if l.hasTurn || !l.startable() {
		return
	}
	if ok, again := l.allows(b.timeFor(l)); !ok {
		b.wait(l, again)
		return
	}
	l.hasTurn = true
	b.turns = append(b.turns, l)
}

// next starts a job of the lane whose turn it is and sends that lane to the end of the
// line. The job counts as running until finish.
func (b *board) next() (l *lane, job Fetched, ok bool) {
	for len(b.turns) > 0 {
		l = b.turns[0]
		b.turns = b.turns[1:]
		if !l.hasTurn {
			continue
		}
		l.hasTurn = false
		if !b.owns(l) || !l.startable() {
			continue
		}
		now := b.timeFor(l)
		if ok, again := l.allows(now); !ok {
			b.wait(l, again)
			continue
		}
		if l.rate != nil {
			l.rate.AllowN(now, 1)
		}
		job = b.unready(l, 0)
		l.running++
		l.alone = job.Lost > 0
		if l.open {
			l.probe = job.ID
		}
		b.enturn(l)
		b.refill(l)
		return l, job, true
	}
	return nil, Fetched{}, false
}

// unready takes a job out of those that are read and not started.
func (b *board) unready(l *lane, i int) Fetched {
	job := l.ready[i]
	if i == 0 {
		l.ready = l.ready[1:]
	} else {
		l.ready = slices.Delete(l.ready, i, i+1)
	}
	l.waiting[job.Priority.Level()]--
	b.buffered--
	return job
}

// suspect reports whether the start of a job is to be announced before it happens.
func (l *lane) suspect(j Fetched) bool {
	return j.Lost > 0 || !j.Due.After(l.suspectUntil)
}

// finish ends the running of a job. Its place in the lane is free; the job itself is
// held until settled.
func (b *board) finish(l *lane) {
	l.running--
	l.alone = false
	if b.owns(l) {
		b.enturn(l)
	}
}

// settled lets go of a job: it is gone from the store, or due again.
func (b *board) settled(l *lane, id int64, now time.Time) {
	if p, held := l.held[id]; held {
		delete(l.held, id)
		l.holding[p.Level()]--
	}
	delete(l.void, id)
	if l.brakedBy == id {
		l.brakedBy = 0
	}
	l.idleSince = now
	b.rest(l)
	if l.fetching {
		if l.gone == nil {
			l.gone = map[int64]struct{}{}
		}
		l.gone[id] = struct{}{}
	}
	if b.owns(l) {
		b.enturn(l)
	}
}

// drop forgets a job that was removed from the store, unless it was started: then it is
// held until settled, as any, and counts for nothing.
func (b *board) drop(l *lane, id int64, now time.Time) {
	i := slices.IndexFunc(l.ready, func(f Fetched) bool { return f.ID == id })
	if _, held := l.held[id]; held && i < 0 {
		l.discount(id)
		return
	}
	if i >= 0 {
		b.unready(l, i)
	}
	b.settled(l, id, now)
	b.enturn(l)
	b.refill(l)
}

// poll has every lane read that has room, little by little.
func (b *board) poll() { b.polled = slices.AppendSeq(b.polled[:0], maps.Values(b.lanes)) }

// pollSome has some more lanes read that a poll asked for.
func (b *board) pollSome() {
	for len(b.polled) > 0 && len(b.dirty) < pollPage {
		if l := b.polled[0]; b.owns(l) {
			b.hear(l, High)
		}
		b.polled = b.polled[1:]
	}
}

// idle has lanes given back that had nothing to do for so long, or have not for as long.
func (b *board) idle(now time.Time) {
	for _, l := range b.lanes {
		rests := len(l.held) == 0 && now.Sub(l.idleSince) >= idleAfter && l.rested(now) ||
			l.free() && l.heldUntil.Sub(now) > idleAfter
		if rests && !l.leaving {
			l.leaving = true
			b.rest(l)
		}
	}
}

// shed has up to n lanes given away, those with the least waiting first. A lane whose
// handlers run is kept: its other jobs would wait for them in nobody's hands. So is a
// suspect lane whose backlog was not announced yet: the next owner would not know that
// it has to.
func (b *board) shed(n int) {
	var give []*lane
	for _, l := range b.lanes {
		switch {
		case l.leaving:
			n--
		case l.running == 0 && (l.suspectUntil.IsZero() || len(l.held) == 0 && !l.backlog()):
			give = append(give, l)
		}
	}
	slices.SortFunc(give, func(x, y *lane) int {
		return cmp.Or(cmp.Compare(len(x.held), len(y.held)), cmp.Compare(x.id.Tenant, y.id.Tenant), cmp.Compare(x.id.Lane, y.id.Lane))
	})
	for _, l := range give[:max(0, min(n, len(give)))] {
		l.leaving = true
		b.rest(l)
	}
}

// retire has all lanes given away.
func (b *board) retire() {
	for _, l := range b.lanes {
		if !l.leaving {
			l.leaving = true
			b.rest(l)
		}
	}
}

// rest notes that a lane which is leaving has nothing unsettled any more.
func (b *board) rest(l *lane) {
	if l.leaving && l.free() && b.owns(l) {
		b.left = append(b.left, l)
	}
}

// keeps reports whether a lane is the board's and stays so.
func (b *board) keeps(id LaneID) bool {
	l := b.lanes[id]
	return l != nil && !l.leaving
}

// leavesWork reports whether a lane that came to rest has jobs for its next owner.
func (b *board) leavesWork() bool {
	return slices.ContainsFunc(b.left, func(l *lane) bool { return b.owns(l) && (len(l.ready) > 0 || l.backlog()) && !l.parked(b.now()) })
}

// leave removes the lanes that came to rest and returns their names.
func (b *board) leave() []LaneID {
	var gone []LaneID
	for _, l := range b.left {
		if b.owns(l) {
			b.remove(l)
			gone = append(gone, l.id)
		}
	}
	b.left = nil
	return gone
}
