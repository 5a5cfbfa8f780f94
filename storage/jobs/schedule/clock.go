package schedule

import "time"

// A wallClock is the sequence of a cron expression in a time zone. Between the readings
// of a clock on the wall, which are what an expression speaks of, and instants stand two
// functions. Both rest on one rule: a reading belongs to the first instant at which the
// clock shows it or a later one. So a reading that is left out when clocks go forward
// belongs to the moment they do, and one that comes twice to its first time.
//
// Readings are seconds since 1970 as if the clock showed UTC.
type wallClock struct {
	cron *cron
	zone *time.Location
}

// shift is more than any clock was ever set forward or back, or is away from UTC.
const shift = 26 * 60 * 60

func (w wallClock) next(t time.Time) (time.Time, bool) {
	return w.first(w.cron.next(w.latest(t)))
}

func (w wallClock) prev(t time.Time) (time.Time, bool) {
	return w.first(w.cron.prev(w.latest(t)))
}

// latest returns the latest reading that the clock has shown by t: what it shows, or what
// it showed before it was last set back. An instant is behind t exactly where its reading
// is later than that.
func (w wallClock) latest(t time.Time) int64 {
	at := t.In(w.zone)
	reading := func(t time.Time) int64 {
		_, offset := t.Zone()
		return t.Unix() + int64(offset)
	}
	latest := reading(at)
	for {
		since, _ := at.ZoneBounds()
		if since.IsZero() || since.Unix() < t.Unix()-shift {
			return latest
		}
		at = since.Add(-time.Second)
		latest = max(latest, reading(at))
	}
}

// first returns the first instant at which the clock shows a reading or a later one.
func (w wallClock) first(reading int64, ok bool) (time.Time, bool) {
	if !ok {
		return time.Time{}, false
	}
	for at := time.Unix(reading-shift, 0).In(w.zone); ; {
		_, until := at.ZoneBounds()
		_, offset := at.Zone()
		first := max(at.Unix(), reading-int64(offset))
		if until.IsZero() || first < until.Unix() {
			return time.Unix(first, 0).UTC(), true
		}
		at = until
	}
}
