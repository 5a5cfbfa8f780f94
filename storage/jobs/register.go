package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// JobQuery selects unfinished jobs of a lane.
type JobQuery struct {
	// Filter chooses the lane, which is required, and the kind. Where a lane holds jobs of
	// many kinds, those of the others are read over.
	Filter
	// Limit is the length of the page, see [storage.Limit].
	Limit int
	// After continues a list.
	After storage.Cursor
}

// Job returns an unfinished job of a tenant, or [storage.ErrNotFound]. What became of one
// that is finished, [Queue.Attempts] and [Queue.DeadJob] tell.
func (q *Queue) Job(ctx context.Context, tenant string, id int64) (Job, error) {
	return q.store.Job(ctx, tenant, id)
}

// Lookup returns the unfinished job of a tenant that has a key, or [storage.ErrNotFound].
func (q *Queue) Lookup(ctx context.Context, tenant, key string) (Job, error) {
	if err := storage.CheckID("/key", key); err != nil {
		return Job{}, err
	}
	return q.store.Lookup(ctx, tenant, key)
}

// Jobs lists the unfinished jobs of a lane of a tenant by their due times: those that run,
// those that wait for their turn and those that are due ahead.
func (q *Queue) Jobs(ctx context.Context, tenant string, query JobQuery) (storage.Page[Job], error) {
	limit, err := storage.Limit(query.Limit)
	if err != nil {
		return storage.Page[Job]{}, err
	}
	if err := storage.CheckID("/lane", query.Lane); err != nil {
		return storage.Page[Job]{}, err
	}
	list := listName("jobs.jobs", tenant, query.Filter)
	after, err := openPosition(query.After, list)
	if err != nil {
		return storage.Page[Job]{}, err
	}
	jobs, err := q.store.ListJobs(ctx, tenant, query.Filter, after, limit+1)
	if err != nil {
		return storage.Page[Job]{}, err
	}
	page := storage.Page[Job]{Items: jobs}
	if len(jobs) > limit {
		page.Items = jobs[:limit]
		last := page.Items[limit-1]
		page.Next = newPosition(list, Position{At: last.Due, ID: last.ID})
	}
	return page, nil
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

// ErrCancelled is the cause with which the ctx of a handler ends whose job was cancelled.
var ErrCancelled = errors.New("jobs: the job was cancelled")

// Cancel removes an unfinished job, in the transaction of ctx or in one of its own, and
// records that among its attempts. It answers [storage.ErrNotFound] where the tenant has
// no such job: perhaps it was finished in the meantime.
//
// A handler that works the job is told when the transaction commits, in other processes
// where the store is a [storage.Signals]: its ctx ends with the cause [ErrCancelled].
// Whether it heeds that or not, what it settles afterwards is refused with [ErrFenced], so
// nothing that shares a transaction with the settlement takes place. A job that another
// process has read ahead may still be started until that process hears of it.
//
// A [FIFO] lane that waits for the retry of the job goes on with the next. Where its breaker
// has opened it stays held for as long as it was, unless it is resumed.
func (q *Queue) Cancel(ctx context.Context, tenant string, id int64) error {
	job, err := q.store.Cancel(ctx, tenant, id, q.now())
	if err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	storage.AfterCommit(ctx, func() {
		lane := LaneID{job.Tenant, job.Lane}
		q.each(func(l listener) { l.cancelled(lane, id) })
		if q.signals != nil {
			q.signals.Signal(cancelTopic, q, storage.Signal{Tenant: tenant, Name: cancelName(job.Lane, id)})
		}
		if job.Attempt > 0 { // its lane may have waited for its retry
			q.configured()
		}
		q.tell(Event{Kind: EventCancelled, Job: job})
	})
	return nil
}

// cancelTopic is what workers of other processes listen to for jobs that were cancelled.
// Its signals name the job and its lane.
const cancelTopic = "jobs.cancel"

func cancelName(lane string, id int64) string { return strconv.FormatInt(id, 10) + " " + lane }

// heardCancel takes in what another process, or another Queue, cancelled.
func (w *Worker) heardCancel(signals []storage.Signal) {
	for _, s := range signals {
		number, lane, _ := strings.Cut(s.Name, " ")
		if id, err := strconv.ParseInt(number, 10, 64); err == nil {
			w.cancelled(LaneID{s.Tenant, lane}, id)
		}
	}
}

// cancelled implements listener.
func (w *Worker) cancelled(lane LaneID, id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.tenure
	if t == nil {
		return
	}
	l, cancel := t.board.lanes[lane], t.runs[id]
	if cancel != nil {
		cancel(ErrCancelled)
	}
	if l != nil {
		t.board.drop(l, id, time.Now())
		w.spawn(w.dispatchLocked())
		signal(w.wake)
	}
}
