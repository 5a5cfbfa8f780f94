package jobs

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A DeadJob is a job that will not be started again by itself.
type DeadJob struct {
	Job
	// Reason says why, for operators: it may hold the text of an error.
	Reason string
	// Died is when it was given up.
	Died time.Time
}

// DeadQuery selects dead letters.
type DeadQuery struct {
	// Filter chooses those of a lane, of a kind or of both.
	Filter
	// Limit is the length of the page, see [storage.Limit].
	Limit int
	// After continues a list.
	After storage.Cursor
}

// DeadJob returns a dead letter of a tenant, or [storage.ErrNotFound].
func (q *Queue) DeadJob(ctx context.Context, tenant string, id int64) (DeadJob, error) {
	return q.store.Dead(ctx, tenant, id)
}

// DeadJobs lists the dead letters of a tenant, the latest first.
func (q *Queue) DeadJobs(ctx context.Context, tenant string, query DeadQuery) (storage.Page[DeadJob], error) {
	limit, err := storage.Limit(query.Limit)
	if err != nil {
		return storage.Page[DeadJob]{}, err
	}
	list := listName("jobs.dead", tenant, query.Filter)
	after, err := openPosition(query.After, list)
	if err != nil {
		return storage.Page[DeadJob]{}, err
	}
	dead, err := q.store.ListDead(ctx, tenant, query.Filter, after, limit+1)
	if err != nil {
		return storage.Page[DeadJob]{}, err
	}
	page := storage.Page[DeadJob]{Items: dead}
	if len(dead) > limit {
		page.Items = dead[:limit]
		last := page.Items[limit-1]
		page.Next = newPosition(list, Position{At: last.Died, ID: last.ID})
	}
	return page, nil
}

// listName names a list by all that fixes its content. Quotes keep the parts apart.
func listName(name, tenant string, filter Filter) string {
	return fmt.Sprintf("%s %q %q %q", name, tenant, filter.Lane, filter.Kind)
}

// newPosition makes a cursor of a list that carries a position.
func newPosition(list string, p Position) storage.Cursor {
	return storage.NewCursor(list, strconv.FormatInt(p.At.UnixMicro(), 10), strconv.FormatInt(p.ID, 10))
}

// openPosition reads the position that a cursor of a list carries.
func openPosition(c storage.Cursor, list string) (Position, error) {
	key, err := c.Key(list, 2)
	if err != nil || key == nil {
		return Position{}, err
	}
	at, err := strconv.ParseInt(key[0], 10, 64)
	if err != nil {
		return Position{}, storage.ErrBadCursor
	}
	id, err := strconv.ParseInt(key[1], 10, 64)
	if err != nil {
		return Position{}, storage.ErrBadCursor
	}
	return Position{At: time.UnixMicro(at).UTC(), ID: id}, nil
}

// Requeue makes a dead letter a job again, due now and with its attempts counted from
// zero, in the transaction of ctx or in one of its own. It answers
// [storage.ErrNotFound] where the tenant has no such dead letter, and
// [storage.ErrConflict] where an unfinished job has its key: then the work was asked for
// again since.
func (q *Queue) Requeue(ctx context.Context, tenant string, id int64) error {
	job, err := q.store.Requeue(ctx, tenant, id, q.now())
	if err != nil {
		return fmt.Errorf("requeue: %w", err)
	}
	q.requeued(ctx, []Job{job})
	return nil
}

// RequeueAll makes dead letters of a tenant jobs again as [Queue.Requeue] does, those that
// died first, and returns how many. It takes up to limit of them, with [storage.Limit]
// applied, in one transaction: that of ctx or one of its own. Those whose key an
// unfinished job has stay. Call it until it returns zero to get all of them.
func (q *Queue) RequeueAll(ctx context.Context, tenant string, filter Filter, limit int) (int, error) {
	limit, err := storage.Limit(limit)
	if err != nil {
		return 0, err
	}
	jobs, err := q.store.RequeueAll(ctx, tenant, filter, q.now(), limit)
	if err != nil {
		return 0, fmt.Errorf("requeue: %w", err)
	}
	if len(jobs) > 0 {
		q.requeued(ctx, jobs)
	}
	return len(jobs), nil
}

func (q *Queue) requeued(ctx context.Context, jobs []Job) {
	storage.AfterCommit(ctx, func() {
		q.announce(jobs)
		for _, j := range jobs {
			q.tell(Event{Kind: EventRequeued, Job: j})
		}
	})
}

// Discard deletes a dead letter for good, in the transaction of ctx or in one of its own.
// The record of its attempts stays as long as any. It answers [storage.ErrNotFound] where
// the tenant has no such dead letter.
func (q *Queue) Discard(ctx context.Context, tenant string, id int64) error {
	n, err := q.discard(ctx, tenant, []int64{id})
	if err == nil && n == 0 {
		err = fmt.Errorf("discard: %w", storage.ErrNotFound)
	}
	return err
}

// DiscardAll deletes dead letters of a tenant for good, the latest first, and returns how
// many. It takes up to limit of them, with [storage.Limit] applied, and deletes them in
// one transaction: that of ctx or one of its own. Call it until it returns zero to get
// all of them.
func (q *Queue) DiscardAll(ctx context.Context, tenant string, filter Filter, limit int) (int, error) {
	limit, err := storage.Limit(limit)
	if err != nil {
		return 0, err
	}
	dead, err := q.store.ListDead(ctx, tenant, filter, Position{}, limit)
	if err != nil || len(dead) == 0 {
		return 0, err
	}
	ids := make([]int64, len(dead))
	for i, d := range dead {
		ids[i] = d.ID
	}
	return q.discard(ctx, tenant, ids)
}

func (q *Queue) discard(ctx context.Context, tenant string, ids []int64) (int, error) {
	dead, err := q.store.Discard(ctx, tenant, ids)
	if err != nil {
		return 0, fmt.Errorf("discard: %w", err)
	}
	storage.AfterCommit(ctx, func() {
		for _, d := range dead {
			q.tell(Event{Kind: EventDiscarded, Job: d.Job, Reason: d.Reason})
		}
	})
	return len(dead), nil
}
