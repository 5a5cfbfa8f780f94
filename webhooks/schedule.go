package webhooks

import (
	"errors"
	"math/rand/v2"
	"time"
)

// A Schedule is the delays before each attempt of a round. The first is zero: the first
// attempt is made at once. Every other counts from the end of the attempt before it and
// is spread by a fifth in both directions, so that what failed together does not come
// back together.
type Schedule []time.Duration

// MaxAttempts is the longest schedule.
const MaxAttempts = 50

// StandardSchedule returns the schedule that Standard Webhooks recommends: ten
// attempts over about three days.
func StandardSchedule() Schedule {
	return Schedule{
		0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
		5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

func (s Schedule) check() error {
	if len(s) == 0 || len(s) > MaxAttempts {
		return errors.New("webhooks: a schedule has 1 to 50 attempts")
	}
	if s[0] != 0 {
		return errors.New("webhooks: a schedule begins with zero, the first attempt is made at once")
	}
	for _, d := range s {
		if d < 0 {
			return errors.New("webhooks: a schedule has a negative delay")
		}
	}
	return nil
}

// next returns the delay before the attempt that follows tries failed ones, and false
// where the schedule ends. floor is what the receiver asked for; it is bounded by what
// is left of the schedule, so that nobody parks a delivery for ever.
func (s Schedule) next(tries int, floor time.Duration) (time.Duration, bool) {
	if tries >= len(s) {
		return 0, false
	}
	var horizon time.Duration
	for _, d := range s[tries:] {
		horizon += d
	}
	return max(jitter(s[tries]), min(floor, horizon)), true
}

// jitter spreads d by up to a fifth in both directions.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
