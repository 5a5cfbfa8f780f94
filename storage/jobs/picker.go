package jobs

import (
	"errors"
	"maps"
	"slices"
	"time"
)

const (
	// maxTake is how many lanes one claim takes at most.
	maxTake = 1024
	// maxUnsettled is how many outcomes may wait for the store before starting stops.
	maxUnsettled = 4096
	// scanRest is for how many times as long as a scan took that found nothing, or as it
	// took to read all lanes, the polls do not do so again. Postgres walks over what was
	// removed from a table for as long as anybody's transaction may still see it.
	scanRest = 10
	// recountAfter is how old the number of lanes to share has to be for a worker to ask
	// for it that has its share and hears of another lane.
	recountAfter = 10 * time.Millisecond
)

// pick finds work and starts it, until the worker closes.
func (w *Worker) pick() {
	for {
		poll := time.NewTimer(w.config.Poll)
		polled := false
		for !polled {
			wait := w.round(false)
			alarm := time.NewTimer(wait)
			select {
			case <-w.quit:
				poll.Stop()
				alarm.Stop()
				return
			case <-w.wake:
			case <-alarm.C:
			case <-poll.C:
				polled = true
			}
			alarm.Stop()
		}
		w.round(true)
	}
}

// round claims, fetches and starts until there is nothing more to be had. It returns
// how long until the next alarm, at most a poll.
func (w *Worker) round(poll bool) time.Duration {
	var polled time.Time // when all lanes were marked as ones to read
	for {
		w.mu.Lock()
		t := w.tenure
		if t == nil || w.state != stateStarted {
			w.mu.Unlock()
			return w.config.Poll
		}
		wait := t.board.thaw(w.ringLocked(t))
		if poll || t.poll {
			t.scan = t.scan || t.poll || !time.Now().Before(t.rested)
			if t.poll || !time.Now().Before(t.reread) {
				polled = time.Now()
				t.board.poll()
			}
			t.poll = false
			t.sync = t.sync || t.crowded // perhaps there is more to share by now
			clear(t.foreign)
			if poll {
				t.lookAgain()
			}
			w.giveBackLocked(t)
		}
		poll = false
		freed := t.board.leavesWork()
		t.release = append(t.release, t.board.leave()...)
		claim, claiming := w.claimLocked(t)
		w.mu.Unlock()
		if claiming && !w.claim(t, claim) {
			return min(wait, w.config.Poll)
		}
		if freed {
			w.queue.freed(w)
		}
		more, ok := w.fetch(t)
		if !ok {
			return min(wait, w.config.Poll)
		}
		wait = w.dispatch(min(wait, w.config.Poll))
		if !more {
			if !polled.IsZero() {
				now := time.Now()
				t.reread = now.Add(scanRest * now.Sub(polled))
			}
			return wait
		}
	}
}

// ringLocked has the lanes looked at whose alarms are due, and returns how long until
// the next.
func (w *Worker) ringLocked(t *tenure) time.Duration {
	now := w.queue.now()
	for {
		lane, ok := w.alarms.due(now)
		if !ok {
			break
		}
		t.expect(lane, High)
	}
	if at, ok := w.alarms.next(); ok {
		return min(at.Sub(now), w.config.Poll)
	}
	return w.config.Poll
}

// share returns how many lanes are this worker's part of the active ones, and how many
// more or less are near enough to it.
func (t *tenure) share() (share, slack int) {
	share = t.active/(t.peers+1) + 1
	return share, max(2, share/8)
}

// giveBackLocked finds lanes to give up: those that are idle, and those that are more than
// this worker's share.
func (w *Worker) giveBackLocked(t *tenure) {
	t.board.idle(time.Now())
	if t.peers == 0 || t.active == 0 {
		return
	}
	share, slack := t.share()
	if spare := len(t.board.lanes) - share; spare > slack {
		t.board.shed(spare)
	}
}

// takeLocked returns how many lanes the worker may take.
func (w *Worker) takeLocked(t *tenure) int {
	if t.peers == 0 {
		return maxTake
	}
	share, slack := t.share()
	return min(maxTake, max(0, share+slack-len(t.board.lanes)))
}

// claimLocked returns the claim that is due, if any is.
func (w *Worker) claimLocked(t *tenure) (claim Claim, due bool) {
	claim = Claim{Worker: t.worker, Release: t.release, Now: w.queue.now(), Sync: t.sync}
	if !time.Now().Before(t.sweepAt) && !w.paused {
		claim.Sweep = &Sweep{After: t.swept, Limit: sweepPage}
		t.sweepAt = time.Now().Add(w.sweepEvery)
		t.scan = true
	}
	switch {
	case w.paused:
		t.crowded, t.scan = false, false
		clear(t.awaited)
	case t.scan && len(t.release) > 0: // it would take back what it releases
		signal(w.wake)
	case t.scan:
		claim.Take = w.takeLocked(t)
		claim.Probe = slices.Collect(maps.Keys(t.awaited))
		claim.Probe = claim.Probe[:min(len(claim.Probe), maxTake)]
		t.crowded = claim.Take == 0
		t.scan = false
		if t.crowded && len(t.awaited) > 0 { // perhaps there is more to share since a moment
			if time.Now().Before(t.recount) {
				t.scan = true
			} else {
				claim.Sync = true
			}
		}
	}
	t.sync, t.release = false, nil
	return claim, claim.Sync || claim.Sweep != nil || claim.Take > 0 || len(claim.Release) > 0
}

// claim gives lanes back and takes others. It reports whether to go on.
func (w *Worker) claim(t *tenure, claim Claim) bool {
	began := time.Now()
	claimed, err := w.store.Claim(t.ctx, claim)
	if errors.Is(err, ErrFenced) {
		w.lose(t, "another worker found this one dead")
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tenure != t {
		return false
	}
	if err != nil {
		// Perhaps it took place: what was released is released again, and what was
		// taken comes with the next sync.
		t.release = append(t.release, claim.Release...)
		t.sync, t.scan = true, true
		w.config.Logger.Warn("claiming lanes failed", "worker", t.worker, "error", err)
		return false
	}
	for _, l := range claimed.Held {
		// One that is not known was taken by a claim whose answer was lost.
		l.Suspect = true
		t.board.add(l, claim.Now, time.Now())
	}
	for _, l := range claimed.Taken {
		t.board.add(l, claim.Now, time.Now())
		delete(t.awaited, l.LaneID)
	}
	if len(t.board.left) > 0 { // lanes that were paused
		signal(w.wake)
	}
	if claim.Sync {
		now := time.Now()
		t.active, t.recount = claimed.Active, now.Add(max(recountAfter, scanRest*now.Sub(began)))
		if t.crowded {
			w.uncrowdLocked(t, claim.Probe)
		}
	}
	if w.paused {
		t.board.retire()
		signal(w.wake)
	}
	if claim.Sweep != nil {
		t.swept = claimed.Swept
		if now := time.Now(); t.swept != (LaneID{}) {
			t.sweepAt = now.Add(sweepRest * now.Sub(began))
		}
	}
	switch {
	case claim.Take > 0 && len(claimed.Taken) == claim.Take: // there may be more
		t.scan = true
		signal(w.wake)
	case claim.Take > 0:
		if len(claimed.Taken) == 0 {
			now := time.Now()
			t.rested = now.Add(scanRest * now.Sub(began))
		}
		for _, id := range claim.Probe { // not what was heard of meanwhile
			if _, again := t.again[id]; !again && !t.board.keeps(id) {
				t.foreign[id], t.missed[id] = struct{}{}, struct{}{}
			}
			delete(t.again, id)
			delete(t.awaited, id)
		}
		if len(t.awaited) > 0 {
			t.scan = true
			signal(w.wake)
		}
	}
	return true
}

// uncrowdLocked has a worker that had its share scan for what it heard of, if there is more
// to share by now. If not, that is left to the others, and heard of again with the next poll.
func (w *Worker) uncrowdLocked(t *tenure, heard []LaneID) {
	if w.takeLocked(t) > 0 {
		t.scan = true
		signal(w.wake)
		return
	}
	for _, id := range heard {
		t.foreign[id], t.missed[id] = struct{}{}, struct{}{}
		delete(t.awaited, id)
	}
}

// fetch reads the lanes that have room. It reports whether there is more to read, and
// whether to go on.
func (w *Worker) fetch(t *tenure) (more, ok bool) {
	w.mu.Lock()
	lanes, fetches := t.board.wants(time.Now())
	more = t.board.unread()
	w.mu.Unlock()
	if len(lanes) == 0 {
		return more, true
	}
	jobs, err := w.store.Fetch(t.ctx, w.queue.now(), fetches)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		t.board.dismiss(lanes)
		if w.tenure == t {
			w.config.Logger.Warn("reading lanes failed", "worker", t.worker, "error", err)
		}
		return false, false
	}
	t.board.deliver(lanes, fetches, jobs, time.Now())
	return t.board.unread(), true
}

// dispatch starts jobs while there are slots, one of a lane at a time. It returns how long
// until a lane is to be asked again, at most limit.
func (w *Worker) dispatch(limit time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spawn(w.dispatchLocked())
	if w.tenure == nil {
		return limit
	}
	b := w.tenure.board
	turns := len(b.turns)
	limit = b.thaw(limit)
	if len(b.turns) > turns {
		signal(w.wake)
	}
	return limit
}

// dispatchLocked starts jobs, and returns how many.
func (w *Worker) dispatchLocked() (n int) {
	t := w.tenure
	if t == nil {
		return 0
	}
	now := time.Now()
	for w.state == stateStarted && now.Before(t.until) &&
		w.running < w.config.Slots && len(w.settlements) < maxUnsettled {
		l, job, ok := t.board.next()
		if !ok {
			break
		}
		w.running++
		switch {
		case w.hopeless(job):
			w.endLocked(t, l)
			w.submitLocked(w.unstarted(t, l, job, Buried, "each start of it was lost with its process or its lease"))
		case l.suspect(job):
			w.submitLocked(w.unstarted(t, l, job, Begun, ""))
		default:
			w.startLocked(t, l, job)
			n++
		}
	}
	if len(t.board.dirty) > 0 || t.board.thawSet {
		signal(w.wake)
	}
	return n
}
