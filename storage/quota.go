package storage

import (
	"fmt"
	"strconv"
)

// Unlimited is the limit of a [Quota] that is none. It is the largest integer that every
// reader of JSON understands.
const Unlimited int64 = 1<<53 - 1

// A LimitError says which limit a change would pass. It matches [ErrLimit].
type LimitError struct {
	// What is limited, as a plural: "endpoints".
	What string `json:"what"`
	// Limit is how many there may be.
	Limit int64 `json:"limit"`
}

// Error implements error.
func (e *LimitError) Error() string {
	return ErrLimit.Error() + ": at most " + strconv.FormatInt(e.Limit, 10) + " " + e.What
}

// Is reports whether target is [ErrLimit].
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// A Quota is how many objects of one kind a tenant may have, and how many it has. The
// services of the kit count in the transaction that creates an object, behind a lock, so
// that changes made at the same time do not pass it together.
type Quota struct {
	// What is limited, as a plural: "endpoints".
	What string `json:"what"`
	// Limit is how many there may be, [Unlimited] for any number.
	Limit int64 `json:"limit"`
	// Used is how many there are. It is more than Limit where that was lowered: what is
	// there stays.
	Used int64 `json:"used"`
}

// NewQuota returns a quota of which nothing is used. A limit of zero is fallback. An
// error is a limit below zero, or above [Unlimited].
func NewQuota(what string, limit, fallback int64) (Quota, error) {
	if limit == 0 {
		limit = fallback
	}
	if limit < 0 || limit > Unlimited {
		return Quota{}, fmt.Errorf("the quota of %s must be between 0 and %d, not %d", what, Unlimited, limit)
	}
	return Quota{What: what, Limit: limit}, nil
}

// Check answers a *[LimitError] where more is used than the limit. Whoever creates an
// object counts after it was written: a repeated creation then finds its id taken, also
// where it had filled the quota.
func (q Quota) Check() error {
	if q.Used > q.Limit {
		return &LimitError{What: q.What, Limit: q.Limit}
	}
	return nil
}
