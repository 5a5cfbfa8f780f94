package approvals

import (
	"context"
	"time"
)

// A Store keeps requests. Its methods work in the transaction of ctx, or in one of
// their own where ctx carries none. What another tenant owns is
// [storage.ErrNotFound].
type Store interface {
	// Save writes one transition of a request and everything that comes with it, or
	// nothing. w.Request.Version is the version after it: 1 inserts the request, any
	// other replaces the one that has the version before. It answers
	// storage.ErrConflict where that is not the version stored, where the id is
	// taken, where another open request has the same DedupeKey, or where the request
	// has a step under the Seq of w.Step, a revision under the Number of w.Revision, a
	// decision under the ID of w.Decision or a grant of the Revision of w.Grant; the
	// transaction of ctx stays usable.
	//
	// A request is open from its submission to its end, see [State.Open].
	Save(ctx context.Context, tenant string, w Write) error

	// Get returns a request, or storage.ErrNotFound.
	Get(ctx context.Context, tenant, id string) (Request, error)

	// Lock is Get, and nobody else writes the request until the transaction of ctx
	// ends. It answers storage.ErrNoTx outside of one.
	Lock(ctx context.Context, tenant, id string) (Request, error)

	// Open returns the open request with a DedupeKey, or storage.ErrNotFound.
	Open(ctx context.Context, tenant, dedupeKey string) (Request, error)

	// History returns what happened to a request, in order: revisions by Number, decisions
	// and steps as they were saved. An unknown request has an empty one.
	History(ctx context.Context, tenant, id string) (History, error)

	// List returns the requests of a tab (see [State.Tab]): [TabPending] and [TabSnoozed] the oldest
	// first, [TabDone] the newest first, by creation and then by id. It returns at
	// most q.Limit and those behind q.After.
	List(ctx context.Context, tenant string, q StoreQuery) ([]Request, error)

	// Counts returns how many requests each tab has. A tab without any may be absent.
	Counts(ctx context.Context, tenant string) (map[Tab]int, error)

	// Trace returns the steps whose trace or link is traceID, each once with its request
	// as it is now, in order of their time, then of the request's id and of Seq. An empty
	// traceID has none.
	Trace(ctx context.Context, tenant, traceID string) ([]TracedStep, error)

	// Consume uses a grant up. It answers storage.ErrConflict where there is no such
	// grant, where it was used before, or where its ContentHash or EventID differ.
	Consume(ctx context.Context, tenant string, g Grant, at time.Time) error
}

// A Write is one transition of a request as a [Store] saves it. The pointers are nil
// where there is nothing of the kind. What they point to is the Request's, the Grant
// whatever its RequestID says.
type Write struct {
	Request  Request
	Step     Step
	Revision *Revision
	Decision *Decision
	Grant    *Grant
}

// A TracedStep is a step that belongs to a trace.
type TracedStep struct {
	Step    Step
	Request Request
}

// Open reports whether a request in state s stands in the way of another one for the
// same change: it was submitted and has not ended.
func (s State) Open() bool { return s != StateDraft && !s.Ended() }
