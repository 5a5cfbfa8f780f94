package jobs

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// MaxCount is how far the jobs of a lane are counted: a larger number is told as this one.
const MaxCount = 10_000

// A LaneStatus is what an operator sees of a lane.
type LaneStatus struct {
	LaneID
	// Config is how the lane is worked.
	Config LaneConfig
	// Paused is true where nothing of the lane starts until [Queue.ResumeLane].
	Paused bool
	// Hold is why nothing starts before a time. One whose time has passed is over, but for
	// an open breaker, which lets one job try.
	Hold Hold
	// Owner is the id of the worker that owns the lane, zero for none.
	Owner int64
	// Due counts the jobs that are due, those that run included, Ahead those that are due
	// later, and Dead the dead letters, each up to [MaxCount].
	Due, Ahead, Dead int
	// OldestDue is since when the first job is due, and NextDue when the next becomes due,
	// the zero time for none.
	OldestDue, NextDue time.Time
}

// LaneQuery selects lanes.
type LaneQuery struct {
	// Limit is the length of the page, see [storage.Limit].
	Limit int
	// After continues a list.
	After storage.Cursor
}

// Lane returns the state of a lane, or [storage.ErrNotFound] where nothing was ever
// enqueued into it nor set of it.
func (q *Queue) Lane(ctx context.Context, tenant, lane string) (LaneStatus, error) {
	return q.store.Lane(ctx, tenant, lane, q.now())
}

// Lanes lists the lanes of a tenant by their names.
func (q *Queue) Lanes(ctx context.Context, tenant string, query LaneQuery) (storage.Page[LaneStatus], error) {
	limit, err := storage.Limit(query.Limit)
	if err != nil {
		return storage.Page[LaneStatus]{}, err
	}
	list := "jobs.lanes " + tenant
	key, err := query.After.Key(list, 1)
	if err != nil {
		return storage.Page[LaneStatus]{}, err
	}
	after := ""
	if key != nil {
		after = key[0]
	}
	lanes, err := q.store.ListLanes(ctx, tenant, after, q.now(), limit+1)
	if err != nil {
		return storage.Page[LaneStatus]{}, err
	}
	page := storage.Page[LaneStatus]{Items: lanes}
	if len(lanes) > limit {
		page.Items = lanes[:limit]
		page.Next = storage.NewCursor(list, page.Items[limit-1].Lane)
	}
	return page, nil
}
