package schedule

import (
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A Misfire says what becomes of instants that passed without a process to run them: in a
// downtime, or because the clock was set forward over them.
type Misfire string

// The policies. Each is about the instants that are due at the moment a process looks.
const (
	// Once runs the latest of them and passes over the others. It is what an empty
	// Misfire means.
	Once Misfire = "once"
	// Skip runs the latest of them if it is no older than [Spec.Grace], and passes over
	// the others.
	Skip Misfire = "skip"
	// All runs all of them, in their order. Where they are more than [Spec.Most], it runs
	// the latest so many.
	All Misfire = "all"
)

const (
	// DefaultGrace is how late an instant may be run under [Skip].
	DefaultGrace = time.Minute
	// DefaultMost is how many instants are run at once under [All].
	DefaultMost = 100
	// MaxMost is the highest [Spec.Most].
	MaxMost = 1000
	// MinEvery is the shortest interval.
	MinEvery = time.Second
	// MaxEvery is the longest interval: ten years.
	MaxEvery = 10 * 366 * 24 * time.Hour
	// MaxCron is the longest cron expression in bytes.
	MaxCron = 255
)

// A Spec says when. It holds either a cron expression or an interval.
type Spec struct {
	// Cron is an expression of five fields, minute, hour, day of the month, month and day
	// of the week, or one of @hourly, @daily, @weekly, @monthly, @yearly and @annually.
	// See the package for what a field may hold.
	Cron string
	// Every is an interval between MinEvery and MaxEvery, in whole microseconds.
	Every time.Duration
	// Anchor is an instant of the interval; the others lie whole intervals before and
	// behind it. It is 1970-01-01T00:00Z where it is zero, so an interval of an hour is
	// every full hour of UTC.
	Anchor time.Time
	// Zone is the IANA name of the time zone of Cron, UTC where it is empty.
	Zone string
	// Start and End bound the instants: none is before Start, none at End or behind it.
	// Zero is no bound.
	Start, End time.Time
	// Misfire says what becomes of instants that passed unseen.
	Misfire Misfire
	// Grace is for [Skip] alone, [DefaultGrace] where it is zero.
	Grace time.Duration
	// Most is for [All] alone, [DefaultMost] where it is zero and at most [MaxMost].
	Most int
}

// withDefaults returns the spec that is meant by s, as a store gives it back.
func (s Spec) withDefaults() Spec {
	for _, t := range []*time.Time{&s.Anchor, &s.Start, &s.End} {
		if !t.IsZero() {
			*t = time.UnixMicro(t.UnixMicro()).UTC()
		}
	}
	if s.Every > 0 && s.Anchor.IsZero() {
		s.Anchor = time.Unix(0, 0).UTC()
	}
	if s.Cron != "" && s.Zone == "" {
		s.Zone = "UTC"
	}
	if s.Misfire == "" {
		s.Misfire = Once
	}
	if s.Misfire == Skip && s.Grace == 0 {
		s.Grace = DefaultGrace
	}
	if s.Misfire == All && s.Most == 0 {
		s.Most = DefaultMost
	}
	return s
}

// check returns what is wrong with a spec.
func (s Spec) check() error {
	var bad *storage.InvalidError
	refuse := func(is bool, pointer, message string) {
		if is {
			bad = bad.Add(pointer, message)
		}
	}
	refuse((s.Cron == "") == (s.Every == 0), "/cron", "must be given, or an interval, and not both")
	refuse(s.Every != 0 && (s.Every < MinEvery || s.Every > MaxEvery), "/every", "must be between a second and ten years")
	refuse(s.Every%time.Microsecond != 0, "/every", "must be whole microseconds")
	refuse(s.Every == 0 && !s.Anchor.IsZero(), "/anchor", "is for intervals")
	refuse(s.Cron == "" && s.Zone != "", "/zone", "is for cron expressions; intervals are the same everywhere")
	for _, t := range []struct {
		pointer string
		time.Time
	}{{"/anchor", s.Anchor}, {"/start", s.Start}, {"/end", s.End}} {
		refuse(!t.IsZero() && (t.Year() < 1970 || t.Year() > 9999), t.pointer, "must be between the years 1970 and 9999")
	}
	refuse(!s.End.IsZero() && !s.Start.Before(s.End), "/end", "must be after the start")
	refuse(s.Misfire != Once && s.Misfire != Skip && s.Misfire != All, "/misfire", `must be "once", "skip" or "all"`)
	refuse(s.Grace < 0 || s.Grace > 0 && s.Misfire != Skip, "/grace", `must be positive, and is for "skip" alone`)
	refuse(s.Most < 0 || s.Most > MaxMost || s.Most > 0 && s.Misfire != All, "/most", `must be between 1 and 1000, and is for "all" alone`)
	if err := bad.Err(); err != nil {
		return err
	}
	_, err := s.instants()
	return err
}

// Instants returns the first n instants of the spec after a time, at most 1000 and fewer
// where it ends: what an editor shows beside a cron expression. It answers
// [storage.ErrInvalid] with the pointers of the fields that are wrong.
func (s Spec) Instants(after time.Time, n int) ([]time.Time, error) {
	if n < 0 || n > MaxMost {
		return nil, storage.Invalid("/n", "must be between 0 and 1000")
	}
	s = s.withDefaults()
	if err := s.check(); err != nil {
		return nil, err
	}
	in, err := s.instants()
	if err != nil {
		return nil, err
	}
	var list []time.Time
	for len(list) < n {
		at, ok := in.next(after)
		if !ok {
			break
		}
		list, after = append(list, at), at
	}
	return list, nil
}

// A sequence is an endless row of instants.
type sequence interface {
	// next returns the first instant behind t, and prev the last one that is not behind
	// it. They answer false where there is none before the year 10000 or behind 1970.
	next(t time.Time) (time.Time, bool)
	prev(t time.Time) (time.Time, bool)
}

// instants are a sequence between a start and an end.
type instants struct {
	all        sequence
	start, end time.Time
}

// instants returns the instants of a spec, which are in UTC.
func (s Spec) instants() (instants, error) {
	in := instants{start: s.Start, end: s.End}
	if s.Every != 0 {
		in.all = interval{every: s.Every.Microseconds(), anchor: s.Anchor.UnixMicro()}
		return in, nil
	}
	days, err := parseCron(s.Cron)
	if err != nil {
		return in, err
	}
	zone, err := loadZone(s.Zone)
	if err != nil {
		return in, err
	}
	in.all = wallClock{cron: days, zone: zone}
	return in, nil
}

// loadZone returns a time zone by its IANA name. "Local" is none: it is another zone on
// each machine.
func loadZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, storage.Invalid("/zone", `must be the name of a time zone, such as "Europe/Berlin"`)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, storage.Invalid("/zone", "is not a time zone that this process knows")
	}
	return zone, nil
}

func (in instants) next(t time.Time) (time.Time, bool) {
	if !in.start.IsZero() && t.Before(in.start) {
		t = in.start.Add(-time.Microsecond)
	}
	at, ok := in.all.next(t)
	return at, ok && (in.end.IsZero() || at.Before(in.end))
}

func (in instants) prev(t time.Time) (time.Time, bool) {
	if !in.end.IsZero() && !t.Before(in.end) {
		t = in.end.Add(-time.Microsecond)
	}
	at, ok := in.all.prev(t)
	return at, ok && (in.start.IsZero() || !at.Before(in.start))
}

// An interval is a sequence in absolute time, in microseconds since 1970.
type interval struct{ every, anchor int64 }

func (i interval) next(t time.Time) (time.Time, bool) { return i.at(i.steps(t) + 1) }
func (i interval) prev(t time.Time) (time.Time, bool) { return i.at(i.steps(t)) }

// steps returns how many intervals lie between the anchor and t, rounded down.
func (i interval) steps(t time.Time) int64 { return floorDiv(t.UnixMicro()-i.anchor, i.every) }

// at returns the instant after n intervals.
func (i interval) at(n int64) (time.Time, bool) {
	t := time.UnixMicro(i.anchor + n*i.every).UTC()
	return t, t.Year() >= 1970 && t.Year() <= 9999
}

// floorDiv divides and rounds down.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
