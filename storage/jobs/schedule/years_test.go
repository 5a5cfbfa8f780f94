package schedule

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
)

// A stretch is a time in which the clock ran evenly and somebody looked at it.
type stretch struct{ from, to time.Time }

// stretches returns ten years of a clock that is set by up to a year in either direction,
// and of processes that are down at times.
func stretches(r *rand.Rand) []stretch {
	var list []stretch
	real, skew := utc("2026-01-01T00:00:00Z"), time.Duration(0)
	const year = 365 * 24 * time.Hour
	for end := utc("2036-01-01T00:00:00Z"); real.Before(end); {
		long := time.Duration(r.Int64N(int64(year / 2)))
		list = append(list, stretch{real.Add(skew), real.Add(skew + long)})
		real = real.Add(long)
		switch r.IntN(6) {
		case 0, 1: // a downtime
			real = real.Add(time.Duration(r.Int64N(int64(10 * 24 * time.Hour))))
		case 2:
			skew = year
		case 3:
			skew = -year
		case 4:
			skew += time.Duration(r.Int64N(int64(4*time.Hour))) - 2*time.Hour
		case 5:
			skew = 0
		}
	}
	return list
}

// aSpec draws a spec. Few run more than once a day, because ten years are long.
func aSpec(r *rand.Rand, i int) Spec {
	s := Spec{
		Zone:    zones[r.IntN(len(zones))],
		Misfire: []Misfire{Once, Skip, All}[r.IntN(3)],
	}
	minute, hour := r.IntN(60), r.IntN(24)
	switch {
	case i%100 == 0:
		s.Cron = fmt.Sprintf("%d * * * *", minute)
	case i%100 < 10:
		s.Cron = fmt.Sprintf("%d %d-%d/2 * * *", minute, hour%20, hour%20+3)
	case i%100 < 20:
		s.Zone, s.Every, s.Anchor = "", time.Duration(20+r.IntN(400))*time.Hour+time.Duration(r.IntN(3600))*time.Second, utc("2026-05-01T00:00:00Z")
	case i%100 < 60:
		s.Cron = fmt.Sprintf("%d %d * * *", minute, r.IntN(4)) // where clocks are changed
	case i%100 < 80:
		s.Cron = fmt.Sprintf("%d %d * * %d", minute, hour, r.IntN(7))
	default:
		s.Cron = fmt.Sprintf("%d %d %s * *", minute, hour, []string{"1", "31", "L", "15W"}[r.IntN(4)])
	}
	if s.Misfire == All {
		s.Most = 1 + r.IntN(20)
	}
	if r.IntN(10) == 0 {
		s.Start, s.End = utc("2027-03-01T00:00:00Z"), utc("2034-10-01T00:00:00Z")
	}
	return s.withDefaults()
}

// expected says what the policies promise: of the instants of a spec, which are run in
// which order by looks at a clock.
func expected(s Spec, all []time.Time, clock []stretch) (run []time.Time, passed int) {
	next := 0 // the first instant that was neither run nor passed over
	for _, c := range clock {
		missed := next
		for missed < len(all) && !all[missed].After(c.from) {
			missed++
		}
		if missed > next {
			keep := 1
			switch {
			case s.Misfire == All:
				keep = min(missed-next, s.Most)
			case s.Misfire == Skip && c.from.Sub(all[missed-1]) > s.Grace:
				keep = 0
			}
			run = append(run, all[missed-keep:missed]...)
			passed += missed - keep - next
			next = missed
		}
		for ; next < len(all) && all[next].Before(c.to); next++ {
			run = append(run, all[next])
		}
	}
	return run, passed
}

func TestFiveHundredSchedulesOverTenYearsRunWhatTheirPolicyPromises(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	schedules := 500
	if testing.Short() { // as under the race detector, which has one goroutine to look at
		schedules = 50
	}
	var instantsSeen, ran, passedOver int
	for i := range schedules {
		s, clock := aSpec(r, i), stretches(r)
		in, err := s.instants()
		if err != nil {
			t.Fatal(err)
		}
		p := &plan{Name: "it", Spec: s, Job: jobs.Job{Lane: "lane", Kind: "kind"}}
		p.from(in, clock[0].from)

		var all []time.Time
		for at, ok := in.next(clock[0].from); ok && at.Before(utc("2038-01-01T00:00:00Z")); at, ok = in.next(at) {
			all = append(all, at)
		}
		var got []time.Time
		for _, c := range clock {
			for now := c.from; ; now = p.due() {
				if now.Before(c.from) {
					now = c.from
				}
				if !now.Before(c.to) {
					break
				}
				got = append(got, p.run(in, now)...)
			}
			// The plan is what is stored of it.
			text, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			p = &plan{}
			if err := json.Unmarshal(text, p); err != nil {
				t.Fatal(err)
			}
		}
		want, passed := expected(s, all, clock)
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("seed %d, schedule %d, %+v: ran %d instants, want %d", seed, i, s, len(got), len(want))
		}
		if !slices.IsSortedFunc(got, func(a, b time.Time) int {
			if a.Before(b) {
				return -1
			}
			return 1 // also where they are equal: that would be twice
		}) {
			t.Fatalf("seed %d, schedule %d, %+v: an instant ran twice, or late", seed, i, s)
		}
		instantsSeen, ran, passedOver = instantsSeen+len(all), ran+len(got), passedOver+passed
	}
	t.Logf("%d instants until 2038, %d run, %d passed over by the policies, 0 doubled", instantsSeen, ran, passedOver)
	if ran == 0 || passedOver == 0 {
		t.Error("nothing was run, or nothing was missed: the clock was not hard enough")
	}
}
