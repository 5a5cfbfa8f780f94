package correlation

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// The kinds of timeline entries. A domain adds its own where none fits.
const (
	KindDecision = "decision"
	KindApproval = "approval"
	KindAudit    = "audit"
	KindDelivery = "delivery"
	KindAttempt  = "attempt"
)

// causes orders the kinds as they lead to each other.
var causes = [...]string{KindDecision, KindApproval, KindAudit, KindDelivery, KindAttempt}

// An Entry is one thing that happened under a trace.
type Entry struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	ID      string    `json:"id"`
	Summary string    `json:"summary"`
}

// A Source answers what it knows of a trace: entries whose own trace or whose link
// is traceID, in the one tenant, in any order. An unknown trace is no error.
type Source interface {
	Timeline(ctx context.Context, tenant, traceID string) ([]Entry, error)
}

// Timeline asks every source and returns the entries in order of time. Entries of
// the same microsecond stand in the order of cause: decision, approval, audit,
// delivery, attempt, then what other kinds there are.
func Timeline(ctx context.Context, tenant, traceID string, sources ...Source) ([]Entry, error) {
	var all []Entry
	var errs []error
	for _, s := range sources {
		entries, err := s.Timeline(ctx, tenant, traceID)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, entries...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.At.UnixMicro(), b.At.UnixMicro()), cmp.Compare(rank(a.Kind), rank(b.Kind)))
	})
	return all, nil
}

// rank is the place of a kind among its causes; unknown kinds come last.
func rank(kind string) int {
	if i := slices.Index(causes[:], kind); i >= 0 {
		return i
	}
	return len(causes)
}
