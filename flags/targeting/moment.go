package targeting

import (
	"math"
	"time"
)

// momentTest compares instants.
type momentTest struct {
	want  time.Time
	after bool
}

func compileMoment(_ *compiler, given Condition) (test, string) {
	at, ok := moment(given.Value)
	if !ok {
		return nil, "must be an RFC 3339 time or Unix seconds"
	}
	return &momentTest{at, given.Op == After}, ""
}

func (m *momentTest) test(v Value) outcome {
	at, ok := moment(v)
	switch {
	case !ok:
		return unreadable
	case m.after:
		return outcomeOf(at.After(m.want))
	}
	return outcomeOf(at.Before(m.want))
}

// maxMoment bounds Unix seconds: the end of the year 9999.
const maxMoment = 253402300799

// moment reads an instant: a time, an RFC 3339 text, or Unix seconds.
func moment(v Value) (time.Time, bool) {
	switch v.Kind() {
	case KindTime:
		return time.Unix(int64(v.bits), int64(v.shape.nanos)), true
	case KindString:
		if len(v.text) > len("2006-01-02T15:04:05.999999999+00:00") {
			return time.Time{}, false
		}
		t, err := time.Parse(time.RFC3339, v.text)
		return t, err == nil
	case KindNumber:
		if !v.isFloat() {
			s := int64(v.bits)
			return time.Unix(s, 0), s >= -maxMoment && s <= maxMoment
		}
		f := math.Float64frombits(v.bits)
		if f < -maxMoment || f > maxMoment {
			return time.Time{}, false
		}
		whole := math.Floor(f)
		return time.Unix(int64(whole), int64((f-whole)*1e9)), true
	}
	return time.Time{}, false
}
