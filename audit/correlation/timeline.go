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
// the same instant keep the order of the sources, so name the sources in the order
// of cause: decisions, approvals, audit, deliveries.
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
	slices.SortStableFunc(all, func(a, b Entry) int { return cmp.Compare(a.At.UnixMicro(), b.At.UnixMicro()) })
	return all, nil
}
