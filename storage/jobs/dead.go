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
	list := "jobs.dead " + tenant
	after, err := openPosition(query.After, list)
	if err != nil {
		return storage.Page[DeadJob]{}, err
	}
	dead, err := q.store.ListDead(ctx, tenant, after, limit+1)
	if err != nil {
		return storage.Page[DeadJob]{}, err
	}
	page := storage.Page[DeadJob]{Items: dead}
	if len(dead) > limit {
		page.Items = dead[:limit]
		last := page.Items[limit-1]
		page.Next = storage.NewCursor(list, strconv.FormatInt(last.Died.UnixMicro(), 10), strconv.FormatInt(last.ID, 10))
	}
	return page, nil
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
// [storage.ErrNotFound] where the tenant has no such dead letter.
func (q *Queue) Requeue(ctx context.Context, tenant string, id int64) error {
	job, err := q.store.Requeue(ctx, tenant, id, q.now())
	if err != nil {
		return fmt.Errorf("requeue: %w", err)
	}
	storage.AfterCommit(ctx, func() { q.announce([]Job{job}) })
	return nil
}

// Attempts returns up to limit attempts of a job of a tenant, the latest first, with
// [storage.Limit] applied. A job that ended keeps them for the time that
// [WorkerConfig.KeepAttempts] sets.
func (q *Queue) Attempts(ctx context.Context, tenant string, job int64, limit int) ([]Attempt, error) {
	limit, err := storage.Limit(limit)
	if err != nil {
		return nil, err
	}
	return q.store.Attempts(ctx, tenant, job, limit)
}
