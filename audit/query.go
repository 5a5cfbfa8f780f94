package audit

import (
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A Query says which events of a tenant to list. Empty fields match everything;
// those that are set must all match.
//
// Its bounds choose one of three lists:
//
//   - With Until, and then Since too, the list is bounded: the events that happened
//     in [Since, Until), ordered by their time. The window is limited.
//   - With Since alone the list is polled: the events recorded since then, in the
//     order they became durable. Its Next is never empty: ask again with it later.
//     What was appended in the meantime follows, and nothing is ever missed or
//     answered twice, however long the transaction took that appended it. On Postgres
//     a transaction that stays open anywhere in the cluster holds back what was
//     appended after it began.
//   - With neither, it lists everything there is in the order it was recorded, and
//     Next is empty at the end.
type Query struct {
	// Actor is the id of who acted, or the identity that was acted as.
	Actor string
	// Action is the exact name of an action.
	Action                   string
	ResourceType, ResourceID string
	Category                 Category
	Outcome                  Outcome
	SourceIP                 string
	RequestID                string
	// TraceID finds the events that began under the trace and those linked to it.
	TraceID string

	Since, Until time.Time

	// After continues a list behind the page whose Next it was. The other fields must
	// be the same, but for Limit.
	After storage.Cursor
	// Limit is the length of a page; zero is [storage.DefaultLimit].
	Limit int
	// Descending reverses the order. A reversed list is not polled.
	Descending bool
}

// An Order is which of its three lists a [Query] asks for.
type Order string

// The orders of lists.
const (
	// ByTime is the bounded list.
	ByTime Order = "time"
	// Polled is the list in the order of persistence that must not miss a row.
	Polled Order = "poll"
	// ByRecord is the list of everything in the order of persistence.
	ByRecord Order = "record"
)

// Order returns which list q asks for.
func (q Query) Order() Order {
	switch {
	case !q.Until.IsZero():
		return ByTime
	case !q.Since.IsZero() && !q.Descending:
		return Polled
	}
	return ByRecord
}

// ListName names the list with all that fixes its content and order. A [Store]
// binds its cursors to it.
func (q Query) ListName() string {
	return fmt.Sprintf("audit/%s/%t/%d/%d/%q", q.Order(), q.Descending, q.Since.UnixMicro(), q.Until.UnixMicro(), []string{
		q.Actor, q.Action, q.ResourceType, q.ResourceID, string(q.Category), string(q.Outcome),
		q.SourceIP, q.RequestID, q.TraceID,
	})
}

// DefaultWindow is the longest time that a bounded [Query] spans by default.
const DefaultWindow = 30 * 24 * time.Hour

// check reports what is wrong with q and returns it as a Store gets it.
func (q Query) check(window time.Duration) (Query, error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return q, err
	}
	q.Limit = limit
	q.Since, q.Until = micro(q.Since), micro(q.Until)
	if q.Until.IsZero() {
		return q, nil
	}
	switch span := q.Until.Sub(q.Since); {
	case q.Since.IsZero():
		return q, storage.Invalid("/since", "is required together with until")
	case span < 0:
		return q, storage.Invalid("/until", "must not be before since")
	case span > window:
		return q, storage.Invalid("/until", "must be at most "+days(window)+" after since")
	}
	return q, nil
}

func days(d time.Duration) string {
	if day := 24 * time.Hour; d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// micro returns t as stores keep it: UTC with microseconds.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
