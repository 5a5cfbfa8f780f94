package jobs

import (
	"container/heap"
	"time"

	"golang.org/x/time/rate"
)

// What keeps a lane from starting although it has jobs: its rate, a pause, an open breaker,
// and the retry of the first job of a FIFO lane. An owner learns of pauses from the store;
// holds it makes itself, and writes them with the outcome that causes them, so that they
// outlive it. A resumption is told apart from a store that was read too early by its count.

// maxThaw is how long a lane that waits for its rate is not asked again at most.
const maxThaw = time.Hour

// maxRest is how long a lane without jobs is kept at most until it has its burst again.
const maxRest = time.Hour

// A brake is what the outcomes of its jobs hold a lane for.
type brake struct {
	heldUntil time.Time // nothing starts before, by the clock of this process
	failures  int       // in a row
	open      bool      // the breaker is, or lets one job try
	probe     int64     // the job that it lets try
}

// configure takes over how the lane is worked.
func (l *lane) configure(c LaneConfig, now time.Time) {
	l.config, l.cap = c, c.Cap
	if l.cap == 0 {
		l.cap = DefaultCap
	}
	if c.Order == FIFO {
		l.cap = 1
	}
	burst := max(c.Burst, 1)
	switch {
	case c.Rate == 0:
		l.rate = nil
	case l.rate == nil:
		l.rate = rate.NewLimiter(rate.Limit(c.Rate), burst)
	default:
		l.rate.SetLimitAt(now, rate.Limit(c.Rate))
		l.rate.SetBurstAt(now, burst)
	}
	switch {
	case c.Breaker.Failures == 0 && l.open:
		l.lift()
	case c.Order != FIFO && !l.open: // only a retry held it
		l.heldUntil = time.Time{}
	}
}

// lift ends whatever holds the lane.
func (l *lane) lift() {
	l.brake, l.brakedBy = brake{}, 0
}

// rested reports whether a lane without jobs has all its burst again: with its next owner it
// begins with that.
func (l *lane) rested(now time.Time) bool {
	return l.rate == nil || l.rate.TokensAt(now) >= float64(l.rate.Burst()) || now.Sub(l.idleSince) >= maxRest
}

// parked reports whether nothing of the lane may start now, whatever is ready.
func (l *lane) parked(now time.Time) bool { return l.paused || now.Before(l.heldUntil) }

// oneByOne reports whether each job of the lane waits until the last is settled.
func (l *lane) oneByOne() bool { return l.config.Order == FIFO || l.open }

// timeFor returns the time for a lane that its start may depend on, which mostly is none:
// to ask the clock for it costs as much as the rest.
func (b *board) timeFor(l *lane) time.Time {
	if l.rate == nil && l.heldUntil.IsZero() {
		return time.Time{}
	}
	return b.now()
}

// allows reports whether the lane may start a job by now, or when it is to be asked again.
func (l *lane) allows(now time.Time) (ok bool, again time.Time) {
	switch {
	case l.paused || l.oneByOne() && !l.free():
		return false, time.Time{}
	case now.Before(l.heldUntil):
		return false, l.heldUntil
	case l.rate != nil:
		// A token that is missing by a rounding error is there a moment later.
		if missing := 1 - l.rate.TokensAt(now); missing > 0 {
			// Of a tiny rate it is further away than a Duration reaches.
			seconds := min(missing/float64(l.rate.Limit()), maxThaw.Seconds())
			return false, now.Add(max(time.Duration(seconds*float64(time.Second)), time.Microsecond))
		}
	}
	return true, time.Time{}
}

// charge counts an outcome for the lane's breaker and order, and writes into it what the
// lane is held for from now on. It takes the place of one that the job had before, in a
// transaction that did not commit. One that the store will not take leaves the lane as it
// is, and is written all the same as if it were taken.
func (b *board) charge(l *lane, o *Outcome) {
	l.uncharge(o.Job.ID)
	now, before := b.now(), l.brake
	if l.config.Breaker.Failures > 0 {
		l.count(o)
	}
	if o.Result == Retried && l.config.Order == FIFO {
		retry := Hold{Until: o.Due, Reason: HeldForRetry}
		if l.open {
			retry.Reason = HeldByBreaker
		}
		if o.Hold == nil || o.Hold.Until.Before(retry.Until) {
			o.Hold = &retry
		}
		o.Due = o.Job.Due
	}
	if o.Hold != nil {
		l.heldUntil = now.Add(o.Hold.Until.Sub(o.Ended))
	}
	if _, void := l.void[o.Job.ID]; void {
		l.brake = before
	} else if l.brake != before {
		l.unbraked, l.brakedBy = before, o.Job.ID
	}
}

// uncharge takes back what the outcome of a job did to its lane, because the store did not
// take it. What another outcome did since then, or was lifted, stays so.
func (l *lane) uncharge(id int64) {
	if l.brakedBy != id {
		return
	}
	l.brake, l.brakedBy = l.unbraked, 0
	l.open = l.open && l.config.Breaker.Failures > 0 // there may be none any more
}

// discount has the outcome of a job at work count for nothing.
func (l *lane) discount(id int64) {
	if l.void == nil {
		l.void = map[int64]struct{}{}
	}
	l.void[id] = struct{}{}
}

// count has an outcome open or close the breaker. While it is open only the one job counts
// that was let through: others were started before.
func (l *lane) count(o *Outcome) {
	tried := l.open && l.probe == o.Job.ID
	switch {
	case l.open && !tried:
	case o.Result == Completed:
		l.failures = 0
		if tried {
			l.open, l.probe = false, 0
			o.Hold = &Hold{}
		}
	case o.Result == Retried && o.Reason == "":
	default:
		l.failures++
		if tried || l.failures >= l.config.Breaker.Failures {
			l.open, l.probe = true, 0
			o.Hold = &Hold{Until: o.Ended.Add(l.config.Breaker.Cooldown), Reason: HeldByBreaker}
		}
	}
}

// reread drops what is read of a lane and not started, because the store has it in another
// order by now.
func (b *board) reread(l *lane) {
	for _, j := range l.ready {
		delete(l.held, j.ID)
		l.holding[j.Priority.Level()]--
	}
	b.buffered -= len(l.ready)
	l.ready, l.waiting = nil, [Levels]int{}
	l.after, l.more, l.behind = [Levels]Position{}, [Levels]bool{}, false
	l.stale = l.fetching
	b.soil(l)
}

// A thaw is when a lane is to be asked again whether it may start a job.
type thaw struct {
	at   time.Time
	lane *lane
}

type thaws []thaw

func (t thaws) Len() int           { return len(t) }
func (t thaws) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t thaws) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *thaws) Push(x any)        { *t = append(*t, x.(thaw)) }
func (t *thaws) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

// wait has a lane asked again at a time.
func (b *board) wait(l *lane, at time.Time) {
	if at.IsZero() || !l.thawsAt.IsZero() && !at.Before(l.thawsAt) {
		return
	}
	l.thawsAt = at
	heap.Push(&b.thaws, thaw{at, l})
	b.thawSet = b.thawSet || b.thaws[0].lane == l
}

// thaw asks the lanes whose time has come, and returns how long until the next, at most
// limit.
func (b *board) thaw(limit time.Duration) time.Duration {
	b.thawSet = false
	for now := b.now(); len(b.thaws) > 0; {
		first := b.thaws[0]
		if now.Before(first.at) {
			return min(limit, first.at.Sub(now))
		}
		heap.Pop(&b.thaws)
		if first.lane.thawsAt.Equal(first.at) {
			first.lane.thawsAt = time.Time{}
		}
		if b.owns(first.lane) {
			b.enturn(first.lane)
		}
	}
	return limit
}
