package schedule

import (
	"math/bits"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adhocore/gronx"

	"github.com/lumelle/adminkit/storage"
)

// A cron is a cron expression as sets of what its fields hold. The library says what an
// expression means of a minute, an hour, a day; which instants follow is decided here.
type cron struct {
	minutes uint64 // bit 0 is minute 0
	hours   uint32
	months  uint16 // bit 1 is January
	// monthDay and weekDay are the fields for days. What they hold is another set of days
	// for each length of a month and each weekday it begins with.
	monthDay, weekDay string

	mu   sync.Mutex
	days map[month]uint32 // bit 1 is the first
}

// A month is what decides which of its days are meant.
type month struct {
	length int
	first  time.Weekday
}

// aliases are the names for expressions that are taken.
var aliases = []string{"@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"}

// Positions of fields as the library counts them.
const (
	atMinute = 1 + iota
	atHour
	atMonthDay
	atMonth
	atWeekDay
)

// parseCron returns what an expression means. A part of a field that means nothing, such
// as a minute 61, is refused: it would be waited for in vain.
func parseCron(expression string) (*cron, error) {
	refusal := storage.Invalid("/cron", "must be five fields (minute, hour, day of the month, month, day of the week) or one of "+strings.Join(aliases, ", "))
	if len(expression) > MaxCron {
		return nil, storage.Invalid("/cron", "must be at most 255 bytes long")
	}
	if !slices.Contains(aliases, expression) && len(strings.Fields(expression)) != 5 {
		return nil, refusal
	}
	fields, err := gronx.Segments(strings.Join(strings.Fields(expression), " "))
	if err != nil || len(fields) != 6 || fields[0] != "0" {
		return nil, refusal
	}
	for at, field := range fields {
		for part := range strings.SplitSeq(field, ",") {
			if !means(part, at) {
				return nil, storage.Invalid("/cron", "has a part that means nothing: "+quote(part))
			}
		}
	}
	c := &cron{monthDay: fields[atMonthDay], weekDay: fields[atWeekDay], days: map[month]uint32{}}
	for minute := range 60 {
		if holds(fields[atMinute], atMinute, time.Date(2024, 1, 1, 0, minute, 0, 0, time.UTC)) {
			c.minutes |= 1 << minute
		}
	}
	for hour := range 24 {
		if holds(fields[atHour], atHour, time.Date(2024, 1, 1, hour, 0, 0, 0, time.UTC)) {
			c.hours |= 1 << hour
		}
	}
	for m := time.January; m <= time.December; m++ {
		if holds(fields[atMonth], atMonth, time.Date(2024, m, 1, 0, 0, 0, 0, time.UTC)) {
			c.months |= 1 << m
		}
	}
	if _, ok := c.next(0); !ok {
		return nil, storage.Invalid("/cron", "means a day that does not exist")
	}
	return c, nil
}

// quote cuts a part of an expression so that it fits into a message.
func quote(part string) string {
	return `"` + strings.ToValidUTF8(part[:min(len(part), 40)], "") + `"`
}

// holds reports whether the field of an expression holds a time.
func holds(field string, at int, t time.Time) bool {
	checker := gronx.SegmentChecker{}
	checker.SetRef(t)
	due, err := checker.CheckDue(field, at)
	return due && err == nil
}

// partly is what a part looks like. The library overlooks what follows behind it.
var partly = regexp.MustCompile(`^((\*|[0-9]{1,2}(-[0-9]{1,2})?)(/[0-9]{1,2})?|\?|L|[0-9]{1,2}W|[0-7]L|[0-7]#[1-5])$`)

// means reports whether a part of a field holds any time at all. It is tried on each hour of
// a leap year's day, each minute of an hour and each day of months of all shapes.
func means(part string, at int) bool {
	if !partly.MatchString(part) {
		return false
	}
	step, unit := time.Hour, 24
	switch at {
	case 0:
		return true // the seconds, which the library puts in front
	case atMinute:
		step, unit = time.Minute, 60
	case atMonthDay, atMonth, atWeekDay:
		step, unit = 24*time.Hour, 28*366 // after 28 years all shapes of months were there
	}
	t := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for range unit {
		if holds(part, at, t) {
			return true
		}
		t = t.Add(step)
	}
	return false
}

// in returns the days of a month that are meant.
func (c *cron) in(m month) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	days, known := c.days[m]
	if known {
		return days
	}
	at := m.example()
	g := gronx.New()
	for day := 1; day <= m.length; day++ {
		g.C.SetRef(at)
		// The library knows how the two fields for days go together.
		if due, err := g.SegmentsDue([]string{"*", "*", "*", c.monthDay, "*", c.weekDay}); due && err == nil {
			days |= 1 << day
		}
		at = at.AddDate(0, 0, 1)
	}
	c.days[m] = days
	return days
}

// example returns the first day of a month of this shape. Within 28 years there is one.
func (m month) example() time.Time {
	for at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); ; at = at.AddDate(0, 1, 0) {
		if shape(at) == m {
			return at
		}
	}
}

// shape returns the month that begins at a time.
func shape(first time.Time) month {
	return month{length: first.AddDate(0, 1, -1).Day(), first: first.Weekday()}
}

// farthest is for how many months a day is looked for. The rarest, a 29th of February on
// one day of the week, comes back within forty years.
const farthest = 41 * 12

// next returns the first reading behind another that is meant.
func (c *cron) next(reading int64) (int64, bool) {
	day := floorDiv(reading, secondsADay)
	if at, ok := c.after(reading - day*secondsADay); ok && c.meant(day) {
		return day*secondsADay + at, true
	}
	first, of := monthOf(day)
	for range farthest {
		if first.Year() > 9999 {
			break
		}
		if c.months&(1<<first.Month()) != 0 {
			days := c.in(shape(first)) >> (of + 1) << (of + 1) // behind day of
			if days != 0 {
				at, _ := c.after(-1)
				return first.Unix() + int64(bits.TrailingZeros32(days)-1)*secondsADay + at, true
			}
		}
		first, of = first.AddDate(0, 1, 0), 0
	}
	return 0, false
}

// prev returns the last reading that is meant and not behind another.
func (c *cron) prev(reading int64) (int64, bool) {
	day := floorDiv(reading, secondsADay)
	if at, ok := c.before(reading - day*secondsADay); ok && c.meant(day) {
		return day*secondsADay + at, true
	}
	first, of := monthOf(day)
	for range farthest {
		if first.Year() < 1970 {
			break
		}
		if c.months&(1<<first.Month()) != 0 {
			days := c.in(shape(first)) & (1<<of - 1) // before day of
			if days != 0 {
				at, _ := c.before(secondsADay)
				return first.Unix() + int64(bits.Len32(days)-2)*secondsADay + at, true
			}
		}
		first, of = first.AddDate(0, -1, 0), 32
	}
	return 0, false
}

const secondsADay = 24 * 60 * 60

// monthOf returns the first day of the month in which a day lies, and its day of the month.
func monthOf(day int64) (first time.Time, of int) {
	at := time.Unix(day*secondsADay, 0).UTC()
	return at.AddDate(0, 0, 1-at.Day()), at.Day()
}

// meant reports whether the expression means a day.
func (c *cron) meant(day int64) bool {
	first, of := monthOf(day)
	return c.months&(1<<first.Month()) != 0 && c.in(shape(first))&(1<<of) != 0
}

// after returns the first time of a day that is meant behind another, in seconds.
func (c *cron) after(second int64) (int64, bool) {
	minute := floorDiv(second, 60) + 1
	hour := minute / 60
	if left := c.minutes >> (minute % 60); hour < 24 && c.hours&(1<<hour) != 0 && left != 0 {
		return (minute + int64(bits.TrailingZeros64(left))) * 60, true
	}
	hours := c.hours >> (hour + 1) << (hour + 1)
	if hours == 0 {
		return 0, false
	}
	return int64(bits.TrailingZeros32(hours)*60+bits.TrailingZeros64(c.minutes)) * 60, true
}

// before returns the last time of a day that is meant and not behind another, in seconds.
func (c *cron) before(second int64) (int64, bool) {
	minute := second / 60
	hour := minute / 60
	if left := c.minutes & (2<<(minute%60) - 1); hour < 24 && c.hours&(1<<hour) != 0 && left != 0 {
		return hour*3600 + int64(bits.Len64(left)-1)*60, true
	}
	hours := c.hours & (1<<hour - 1)
	if hours == 0 {
		return 0, false
	}
	return int64((bits.Len32(hours)-1)*60+bits.Len64(c.minutes)-1) * 60, true
}
