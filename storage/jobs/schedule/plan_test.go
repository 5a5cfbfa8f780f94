package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// clocks returns the instants of an expression in a zone that is some minutes ahead of UTC: one
// zone before and after its rules were changed has two of them.
func clocks(t interface{ Fatal(...any) }, expression string, ahead int) instants {
	c, err := parseCron(expression)
	if err != nil {
		t.Fatal(err)
	}
	return instants{all: wallClock{cron: c, zone: time.FixedZone("", 60*ahead)}}
}

func TestNoInstantBeforeTheNextOneIsRunWhenTheRulesOfAZoneChange(t *testing.T) {
	t.Parallel()
	const halfPastSix = "30 6 * * *"
	before := clocks(t, halfPastSix, 120) // 04:30Z
	for _, c := range []struct {
		name  string
		after instants
		now   string // when somebody looks, after the 12th was run and the 13th 04:30Z awaited
		spec  Spec
		want  []string // what is run then
		next  string
	}{
		// An hour later: the 12th 05:30Z lies behind what was run, and is the same day.
		{"later", clocks(t, halfPastSix, 60), "13T04:30", Spec{Misfire: Once}, nil, "13T05:30"},
		{"later", clocks(t, halfPastSix, 60), "13T04:30", Spec{Misfire: All, Most: 9}, nil, "13T05:30"},
		{"later", clocks(t, halfPastSix, 60), "13T04:30", Spec{Misfire: Skip, Grace: time.Minute}, nil, "13T05:30"},
		{"later", clocks(t, halfPastSix, 60), "13T04:30", Spec{Misfire: Skip, Grace: 48 * time.Hour}, nil, "13T05:30"},
		{"later, seen late", clocks(t, halfPastSix, 60), "15T05:31", Spec{Misfire: Once}, []string{"15T05:30"}, "16T05:30"},
		{"later, seen late", clocks(t, halfPastSix, 60), "15T05:31", Spec{Misfire: All, Most: 9}, []string{"13T05:30", "14T05:30", "15T05:30"}, "16T05:30"},
		{"later, seen late", clocks(t, halfPastSix, 60), "15T05:31", Spec{Misfire: Skip, Grace: time.Minute}, []string{"15T05:30"}, "16T05:30"},
		// An hour earlier: the 13th 03:30Z was not run, and is passed over.
		{"earlier", clocks(t, halfPastSix, 180), "13T04:30", Spec{Misfire: Once}, nil, "14T03:30"},
		{"earlier", clocks(t, halfPastSix, 180), "13T04:30", Spec{Misfire: All, Most: 9}, nil, "14T03:30"},
		{"earlier", clocks(t, halfPastSix, 180), "13T04:30", Spec{Misfire: Skip, Grace: time.Minute}, nil, "14T03:30"},
		{"earlier", clocks(t, halfPastSix, 180), "13T04:30", Spec{Misfire: Skip, Grace: 48 * time.Hour}, nil, "14T03:30"},
		{"earlier, seen late", clocks(t, halfPastSix, 180), "15T03:31", Spec{Misfire: Once}, []string{"15T03:30"}, "16T03:30"},
		{"earlier, seen late", clocks(t, halfPastSix, 180), "15T03:31", Spec{Misfire: All, Most: 9}, []string{"14T03:30", "15T03:30"}, "16T03:30"},
		{"earlier, seen late", clocks(t, halfPastSix, 180), "15T03:31", Spec{Misfire: Skip, Grace: time.Minute}, []string{"15T03:30"}, "16T03:30"},
		// There is none any more before the end of the schedule, or since its start.
		{"behind the end", instants{all: clocks(t, halfPastSix, 60).all, end: utc("2026-06-13T05:00:00Z")}, "13T06:00", Spec{Misfire: Once}, nil, ""},
		{"before the start", instants{all: clocks(t, halfPastSix, 180).all, start: utc("2026-06-13T04:00:00Z")}, "13T04:30", Spec{Misfire: Once}, nil, "14T03:30"},
	} {
		name := fmt.Sprintf("%s, %s, grace %s", c.name, c.spec.Misfire, c.spec.Grace)
		p := &plan{Spec: c.spec}
		p.from(before, utc("2026-06-11T12:00:00Z"))
		if got := days(p.run(before, utc("2026-06-12T04:30:00Z"))); !slices.Equal(got, []string{"12T04:30"}) {
			t.Fatalf("%s: ran %v before the change", name, got)
		}
		ran := p.Ran
		if got := days(p.run(c.after, utc("2026-06-"+c.now+":00Z"))); !slices.Equal(got, c.want) {
			t.Errorf("%s: ran %v, want %v", name, got, c.want)
		}
		if p.Ran.Before(ran) {
			t.Errorf("%s: went back from %s to %s", name, ran, p.Ran)
		}
		next := ""
		if !p.Next.IsZero() {
			next = days([]time.Time{p.Next})[0]
		}
		if next != c.next {
			t.Errorf("%s: waits for %q, want %q", name, next, c.next)
		}
	}
}

// days formats instants of one month.
func days(list []time.Time) (texts []string) {
	for _, at := range list {
		texts = append(texts, at.UTC().Format("02T15:04"))
	}
	return texts
}

func TestAScheduleGoesForwardHoweverTheRulesOfItsZoneChange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		expression := rapid.SampledFrom([]string{"30 6 * * *", "@hourly", "*/20 1-3 * * MON", "0 0 1 * *"}).Draw(t, "expression")
		spec := rapid.SampledFrom([]Spec{
			{Misfire: Once}, {Misfire: All, Most: 3}, {Misfire: Skip, Grace: time.Minute}, {Misfire: Skip, Grace: 72 * time.Hour},
		}).Draw(t, "policy")
		rules := func() instants {
			return clocks(t, expression, rapid.IntRange(-14*4, 14*4).Draw(t, "quarters ahead of UTC")*15)
		}
		p := &plan{Spec: spec}
		now := utc("2026-06-11T12:00:00Z")
		p.from(rules(), now)
		last := p.Ran
		for range 20 {
			now = now.Add(time.Duration(rapid.IntRange(0, 5*24*60).Draw(t, "minutes passed")) * time.Minute)
			awaited, ran := p.Next, p.Ran
			for _, at := range p.run(rules(), now) {
				if !at.After(last) || at.Before(awaited) || at.After(now) {
					t.Fatalf("at %s ran %s behind %s, while %s was awaited", now, at, last, awaited)
				}
				last = at
			}
			if p.Ran.Before(ran) || !p.Next.After(p.Ran) {
				t.Fatalf("at %s went from %s to %s, and waits for %s", now, ran, p.Ran, p.Next)
			}
			if !awaited.After(now) && !p.Next.After(now) {
				t.Fatalf("at %s waits for %s", now, p.Next)
			}
		}
	})
}
