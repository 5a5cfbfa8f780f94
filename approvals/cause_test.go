package approvals_test

import (
	"errors"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestAnAppliedChangeKeepsWhatLedToIt(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{})
		cause := audit.Cause{EventID: "event-before", Hops: 3}
		_, err := k.refund.Do(audit.WithCause(as(t.Context(), sam), cause), order(150))
		pending, ok := errors.AsType[*approvals.PendingError](err)
		if !ok {
			t.Fatalf("got %v, want a PendingError", err)
		}
		_, err = k.decide(t, marco, pending.RequestID, approvals.Approve)
		must(t, err)
		k.work(t)
		applied := k.expect(t, pending.RequestID, approvals.StateApplied)
		if applied.CausationID != cause.EventID || applied.Hops != cause.Hops {
			t.Errorf("the request was led to by %q over %d hops, want %+v", applied.CausationID, applied.Hops, cause)
		}
		seen := 0
		for _, e := range k.log.events {
			seen++
			if e.CausationID != cause.EventID || e.Hops != cause.Hops {
				t.Errorf("%s was led to by %q over %d hops, want %+v", e.Action, e.CausationID, e.Hops, cause)
			}
		}
		if seen < 4 { // asked, approved, applied, and the change
			t.Errorf("%d events are on record", seen)
		}
	})
}
