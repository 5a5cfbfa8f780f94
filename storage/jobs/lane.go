package jobs

import (
	"hash/fnv"
	"math"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A LaneID names a lane: lanes of different tenants are different lanes.
type LaneID struct {
	Tenant, Lane string
}

const (
	// DefaultCap is how many jobs of one lane run at a time where its cap was not set.
	DefaultCap = 8
	// MaxCap is the highest cap of a lane, and the highest burst.
	MaxCap = 10_000
	// MaxRate is the highest rate of a lane, in starts a second.
	MaxRate = 1_000_000
	// MaxBreakerFailures is the highest number of failures that opens a breaker.
	MaxBreakerFailures = 10_000
	// MaxCooldown is the longest time that a breaker stays open.
	MaxCooldown = 30 * 24 * time.Hour
)

// A LaneConfig says how the jobs of one lane are worked. Its zero value is a lane of
// [DefaultCap] without further limits.
type LaneConfig struct {
	// Cap is how many jobs of the lane run at a time, over all processes: at most
	// [MaxCap], and [DefaultCap] where it is zero.
	Cap int
	// Rate is how many jobs of the lane start in a second, at most [MaxRate]; a tenth is
	// one in ten seconds. Zero is as many as there are. The owner of the lane keeps the
	// count in memory: when the lane changes hands, or had no jobs for an hour, at most one
	// burst more is started.
	Rate float64
	// Burst is how many starts may come at once after a rest, at most [MaxCap], and one
	// where it is zero. It means nothing without a Rate.
	Burst int
	// Order says whether jobs of the lane may overtake each other.
	Order Order
	// Breaker says when the lane is left alone because its jobs fail.
	Breaker Breaker
}

// An Order says whether jobs of a lane may overtake each other.
type Order string

// The orders.
const (
	// Parallel runs up to the lane's cap of jobs side by side. A job that is retried
	// waits, and others go on.
	Parallel Order = ""
	// FIFO starts a job when all before it have ended and are settled, whatever the
	// lane's cap. A job that is to be retried keeps its place, and the lane waits for it;
	// a job that is buried lets the lane go on. The place of a job is decided by its
	// Priority, Due and ID, so jobs that must keep their order have one priority, and
	// none of them is due ahead of those behind it.
	FIFO Order = "fifo"
)

// A Breaker leaves a lane alone whose jobs fail. When so many attempts in a row have ended
// with an error the breaker opens: nothing of the lane starts for the cooldown, after which
// one job is tried alone. Where that completes the breaker closes, where it fails it opens
// again. An attempt that asked to be repeated without an error ([RetryAt] with none) counts
// as neither.
//
// An open breaker is stored with the lane and outlives its owner; the count of failures
// begins anew with each owner.
type Breaker struct {
	// Failures is how many failures in a row open it, at most [MaxBreakerFailures]. Zero
	// is no breaker, and closes the one that was open.
	Failures int
	// Cooldown is how long it stays open, at most [MaxCooldown]. It is required with
	// Failures.
	Cooldown time.Duration
}

// check returns what is wrong with a config.
func (c LaneConfig) check() error {
	var bad *storage.InvalidError
	if c.Cap < 0 || c.Cap > MaxCap {
		bad = bad.Add("/cap", "must be between 0 and 10000")
	}
	if math.IsNaN(c.Rate) || c.Rate < 0 || c.Rate > MaxRate {
		bad = bad.Add("/rate", "must be between 0 and 1000000")
	}
	if c.Burst < 0 || c.Burst > MaxCap {
		bad = bad.Add("/burst", "must be between 0 and 10000")
	}
	if c.Order != Parallel && c.Order != FIFO {
		bad = bad.Add("/order", "must be empty or fifo")
	}
	if c.Breaker.Failures < 0 || c.Breaker.Failures > MaxBreakerFailures {
		bad = bad.Add("/breaker/failures", "must be between 0 and 10000")
	}
	if c.Breaker.Cooldown < 0 || c.Breaker.Cooldown > MaxCooldown || c.Breaker.Failures > 0 && c.Breaker.Cooldown < time.Microsecond {
		bad = bad.Add("/breaker/cooldown", "must be positive and at most 30 days")
	}
	return bad.Err()
}

// A Hold is why nothing of a lane starts before a time. The zero value holds nothing.
type Hold struct {
	Until  time.Time
	Reason HoldReason
}

// A HoldReason says why a lane is held.
type HoldReason string

// The reasons. Their texts are stored.
const (
	// HeldForRetry tells that the first job of a [FIFO] lane waits for its next attempt.
	HeldForRetry HoldReason = "retry"
	// HeldByBreaker tells that the lane's breaker is open, or, when the time has passed,
	// that it lets one job try.
	HeldByBreaker HoldReason = "breaker"
)

// Causes reports whether a lane of this config may be held for a reason: by a breaker where
// it has one, for a retry where it is [FIFO].
func (c LaneConfig) Causes(reason HoldReason) bool {
	switch reason {
	case HeldByBreaker:
		return c.Breaker.Failures > 0
	case HeldForRetry:
		return c.Order == FIFO
	}
	return true
}

// SubLane names one of the n lanes that a lane is split into when one process is too little
// for it: the one in which the jobs of a key wait. The same key gives the same lane as long
// as n stays, so jobs of one key can keep their order. Processes share sub-lanes as they
// share any lanes.
//
// Each sub-lane is a lane: it has a config, a rate, a breaker and a pause of its own, which
// are set one by one ([SubLanes]). The name is the lane's with a slash and a number. An n
// below two leaves the lane whole.
func SubLane(lane, key string, n int) string {
	if n < 2 {
		return lane
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	return subLane(lane, int(h.Sum64()%uint64(n)))
}

// SubLanes names all n lanes that a lane is split into.
func SubLanes(lane string, n int) []string {
	if n < 2 {
		return []string{lane}
	}
	names := make([]string, n)
	for i := range names {
		names[i] = subLane(lane, i)
	}
	return names
}

func subLane(lane string, i int) string { return lane + "/" + strconv.Itoa(i) }
