package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/adhocore/gronx"

	"github.com/lumelle/adminkit/storage"
)

// zones are those with the clocks that are hardest to follow: half hours, changes at
// midnight, two hours at once, a day that was left out, and changes around Ramadan.
var zones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo",
	"Africa/Casablanca", "Asia/Tehran", "Asia/Kathmandu", "Antarctica/Troll", "America/St_Johns", "Africa/Cairo",
	"Asia/Gaza", "Pacific/Chatham", "America/Caracas",
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestInstantsAreThoseThatTheClockOnTheWallShows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, after string
		spec        Spec
		want        []string
	}{
		{"weekdays at half past six in summer", "2026-06-12T12:00:00Z", Spec{Cron: "30 6 * * MON-FRI", Zone: "Europe/Berlin"},
			[]string{"2026-06-15T04:30:00Z", "2026-06-16T04:30:00Z"}},
		{"a time that does not exist runs when clocks go forward", "2026-03-28T12:00:00Z", Spec{Cron: "30 2 * * *", Zone: "Europe/Berlin"},
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"several times that do not exist run once", "2026-03-29T00:50:00Z", Spec{Cron: "*/20 * * * *", Zone: "Europe/Berlin"},
			[]string{"2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z"}},
		{"a time that comes twice runs the first time", "2026-10-24T12:00:00Z", Spec{Cron: "30 2 * * *", Zone: "Europe/Berlin"},
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"an hourly one is silent while the hour repeats", "2026-10-24T23:30:00Z", Spec{Cron: "@hourly", Zone: "Europe/Berlin"},
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"}},
		{"an interval knows nothing of that", "2026-10-24T23:30:00Z", Spec{Every: time.Hour},
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		{"midnight does not exist", "2018-11-03T12:00:00Z", Spec{Cron: "@daily", Zone: "America/Sao_Paulo"},
			[]string{"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
		{"a day does not exist", "2011-12-29T12:00:00Z", Spec{Cron: "0 12 * * *", Zone: "Pacific/Apia"},
			[]string{"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}},
		{"the 29th of February", "2096-03-01T00:00:00Z", Spec{Cron: "0 0 29 2 *"}, []string{"2104-02-29T00:00:00Z"}},
		{"the last day of the month", "2026-01-31T12:00:00Z", Spec{Cron: "0 9 L * *"}, []string{"2026-02-28T09:00:00Z", "2026-03-31T09:00:00Z"}},
		{"the second Monday", "2026-01-01T00:00:00Z", Spec{Cron: "0 9 * * MON#2"}, []string{"2026-01-12T09:00:00Z", "2026-02-09T09:00:00Z"}},
		{"the last Friday", "2026-01-01T00:00:00Z", Spec{Cron: "0 9 * * 5L"}, []string{"2026-01-30T09:00:00Z", "2026-02-27T09:00:00Z"}},
		{"either field for days", "2026-02-01T00:00:00Z", Spec{Cron: "0 0 13 * FRI"}, []string{"2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z"}},
		{"an anchor ahead", "2026-01-01T00:00:00Z", Spec{Every: 7 * time.Hour, Anchor: utc("2026-01-02T01:00:00Z")},
			[]string{"2026-01-01T04:00:00Z", "2026-01-01T11:00:00Z"}},
		{"from its start to its end", "2026-01-01T00:00:00Z", Spec{Cron: "@daily", Start: utc("2026-02-01T00:00:00Z"), End: utc("2026-02-03T00:00:00Z")},
			[]string{"2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z"}},
	} {
		got, err := c.spec.Instants(utc(c.after), len(c.want))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var texts []string
		for _, at := range got {
			texts = append(texts, at.Format(time.RFC3339))
		}
		if !slices.Equal(texts, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, texts, c.want)
		}
	}
}

func TestWrongSpecsAreRefusedAtTheirField(t *testing.T) {
	t.Parallel()
	for pointer, specs := range map[string][]Spec{
		"/cron": {
			{}, {Cron: "@daily", Every: time.Hour}, {Cron: "* * * *"}, {Cron: "* * * * * *"}, {Cron: "* * * * * 2026"},
			{Cron: "@reboot"}, {Cron: "@everysecond"}, {Cron: "61 * * * *"}, {Cron: "* 24 * * *"}, {Cron: "* * 0 * *"},
			{Cron: "* * * 13 *"}, {Cron: "* * * * 8"}, {Cron: "5-1 * * * *"}, {Cron: "*/0 * * * *"}, {Cron: "*/5/7 * * * *"},
			{Cron: "1-2-3 * * * *"}, {Cron: "1,,2 * * * *"}, {Cron: "*,99 * * * *"}, {Cron: "* * 5W7 * *"}, {Cron: "* * * * 1#6"},
			{Cron: "0 0 30 2 *"}, {Cron: "a * * * *"}, {Cron: "* * * JANUARY *"}, {Cron: "-1 * * * *"}, {Cron: "W * * * *"},
			{Cron: "0 0 * * *" + strings.Repeat(" ", 300)}, {Cron: "\x00 * * * *"},
		},
		"/every":   {{Every: time.Millisecond}, {Every: -time.Hour}, {Every: MaxEvery + time.Second}, {Every: time.Second + 1}},
		"/anchor":  {{Cron: "@daily", Anchor: utc("2026-01-01T00:00:00Z")}, {Every: time.Hour, Anchor: utc("1900-01-01T00:00:00Z")}},
		"/zone":    {{Cron: "@daily", Zone: "Mars/Olympus"}, {Cron: "@daily", Zone: "Local"}, {Cron: "@daily", Zone: "../etc/passwd"}, {Every: time.Hour, Zone: "UTC"}},
		"/end":     {{Every: time.Hour, Start: utc("2026-01-01T00:00:00Z"), End: utc("2026-01-01T00:00:00Z")}},
		"/misfire": {{Every: time.Hour, Misfire: "twice"}},
		"/grace":   {{Every: time.Hour, Grace: time.Second}, {Every: time.Hour, Misfire: Skip, Grace: -1}},
		"/most":    {{Every: time.Hour, Most: 1}, {Every: time.Hour, Misfire: All, Most: 1001}, {Every: time.Hour, Misfire: All, Most: -1}},
		"/n":       nil,
	} {
		for _, s := range specs {
			_, err := s.Instants(time.Now(), 1)
			var invalid *storage.InvalidError
			if !errors.As(err, &invalid) || invalid.Fields[0].Pointer != pointer {
				t.Errorf("%+v: got %v, want a refusal of %s", s, err, pointer)
			}
		}
	}
	if _, err := (Spec{Every: time.Hour}).Instants(time.Now(), 1001); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("1001 instants: got %v, want ErrInvalid", err)
	}
}

// reference finds the instants of a cron expression as one would with a clock on the wall
// and much patience: it looks at every minute, and asks the library about each time that
// the clock shows for the first time.
func reference(expression string, zone *time.Location, from, to time.Time) []time.Time {
	g := gronx.New()
	var list []time.Time
	seen := time.Time{} // the latest time shown, as if it were UTC
	for at := from.Add(-48 * time.Hour).UTC(); at.Before(to); at = at.Add(time.Minute) {
		_, offset := at.In(zone).Zone()
		shown := at.Add(time.Duration(offset) * time.Second).UTC()
		if seen.IsZero() {
			seen = shown
		}
		meant := false
		for ; seen.Before(shown); seen = seen.Add(time.Minute) {
			due, err := g.IsDue(expression, seen.Add(time.Minute))
			meant = meant || due && err == nil
		}
		if meant && !at.Before(from) {
			list = append(list, at)
		}
	}
	return list
}

// anExpression draws a cron expression, some of which mean nothing.
func anExpression(t *rapid.T) string {
	field := func(name string, low, high int, more ...string) string {
		value := rapid.IntRange(low, high)
		part := rapid.OneOf(
			rapid.Just("*"), rapid.Just("*"), rapid.Just("*"),
			rapid.Map(value, func(n int) string { return fmt.Sprint(n) }),
			rapid.Map(value, func(n int) string { return fmt.Sprintf("%d-%d", low, n) }),
			rapid.Map(rapid.IntRange(1, high), func(n int) string { return fmt.Sprintf("*/%d", n) }),
			rapid.Custom(func(t *rapid.T) string {
				return fmt.Sprintf("%d-%d/%d", value.Draw(t, "from"), high, rapid.IntRange(1, 9).Draw(t, "step"))
			}),
			rapid.SampledFrom(append(more, "*")),
		)
		return strings.Join(rapid.SliceOfN(part, 1, 3).Draw(t, name), ",")
	}
	return strings.Join([]string{
		field("minute", 0, 59), field("hour", 0, 23), field("day of the month", 1, 31, "L", "15W", "1W", "31W", "?"),
		field("month", 1, 12, "MAR", "oct"), field("day of the week", 0, 7, "5L", "0#1", "1#5", "MON", "?"),
	}, " ")
}

func TestInstantsAreThoseOfAPatientReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		expression, name := anExpression(t), rapid.SampledFrom(zones).Draw(t, "zone")
		c, err := parseCron(expression)
		if err != nil {
			t.Skip(err)
		}
		zone, err := loadZone(name)
		if err != nil {
			t.Fatal(err)
		}
		// Around a change of the clocks, where there is one, and for five days.
		from := time.Unix(rapid.Int64Range(utc("2005-01-01T00:00:00Z").Unix(), utc("2035-01-01T00:00:00Z").Unix()).Draw(t, "from"), 0)
		if _, change := from.In(zone).ZoneBounds(); !change.IsZero() && rapid.IntRange(0, 3).Draw(t, "around a change") > 0 {
			from = change.Add(-time.Duration(rapid.IntRange(0, 4*24*60).Draw(t, "minutes before")) * time.Minute)
		}
		from = from.Truncate(time.Minute).UTC()
		to := from.AddDate(0, 0, 5)
		want := reference(expression, zone, from, to)

		w := wallClock{cron: c, zone: zone}
		var got []time.Time
		for at, ok := w.next(from.Add(-time.Microsecond)); ok && at.Before(to); at, ok = w.next(at) {
			got = append(got, at)
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%s in %s from %s:\ngot  %v\nwant %v", expression, name, from, got, want)
		}
		got = nil
		for at, ok := w.prev(to.Add(-time.Microsecond)); ok && !at.Before(from); at, ok = w.prev(at.Add(-time.Microsecond)) {
			got = append(got, at)
		}
		slices.Reverse(got)
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%s in %s back from %s:\ngot  %v\nwant %v", expression, name, to, got, want)
		}
	})
}

func FuzzCron(f *testing.F) {
	for _, s := range []string{"* * * * *", "@daily", "0 0 29 2 *", "*/15 8-18/2 L,15W JAN-MAR 5L,1#2", "61 * * * *", "0 0 31 2 *"} {
		f.Add(s, int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, expression string, after int64) {
		c, err := parseCron(expression)
		if err != nil {
			if !errors.Is(err, storage.ErrInvalid) {
				t.Fatalf("%q: got %v, want ErrInvalid", expression, err)
			}
			return
		}
		after = ((after % 4e9) + 4e9) % 4e9
		next, ok := c.next(after)
		if !ok {
			t.Fatalf("%q has no time after %d", expression, after)
		}
		if back, ok := c.prev(next); next <= after || !ok || back != next {
			t.Fatalf("%q: after %d comes %d, whose last is %d", expression, after, next, back)
		}
		if before, ok := c.prev(next - 1); ok && before > after {
			t.Fatalf("%q: %d lies between %d and %d", expression, before, after, next)
		}
	})
}
