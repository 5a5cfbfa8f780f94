package memory

import (
	"bytes"
	"cmp"
	"context"
	"time"
	"unique"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

type jobWorkerRow struct {
	ID      int64
	Beats   int64
	Lease   time.Duration
	Resting bool
}

var jobWorkerTable = table[jobWorkerRow]{
	func(a, b *jobWorkerRow) int { return cmp.Compare(a.ID, b.ID) },
}

type jobRow jobs.Fetched

func (r *jobRow) lane() jobs.LaneID { return jobs.LaneID{Tenant: r.Tenant, Lane: r.Lane} }

var jobTable = table[jobRow]{
	func(a, b *jobRow) int { return cmp.Compare(a.ID, b.ID) },
	func(a, b *jobRow) int {
		la, lb := a.lane(), b.lane()
		return cmp.Or(compareLanes(&la, &lb), cmp.Compare(b.Priority, a.Priority), a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID))
	},
}

const jobsByDue = 1

// A jobKeyRow says whose a key is. Jobs without a key have none.
type jobKeyRow struct {
	Tenant, Key string
	Job         int64
}

var jobKeyTable = table[jobKeyRow]{
	func(a, b *jobKeyRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Key, b.Key))
	},
}

// insertJob adds a job, and reports false where another one has its key.
func insertJob(v view, row jobRow) bool {
	if row.Key != "" && jobKeyTable.insert(v, jobKeyRow{row.Tenant, row.Key, row.ID}) != nil {
		return false
	}
	jobTable.put(v, row)
	wakeLane(v, row.lane(), row.Due)
	return true
}

// removeJob deletes a job and gives up its key.
func removeJob(v view, row jobRow) {
	jobTable.delete(v, row)
	if row.Key != "" {
		jobKeyTable.delete(v, jobKeyRow{Tenant: row.Tenant, Key: row.Key})
	}
}

type (
	// A jobAttemptRow is an attempt of a job. There are very many: times are moments, and
	// attempts that went the same way share how.
	jobAttemptRow struct {
		tenant         name
		ID, Job        int64
		went           unique.Handle[jobAttemptWent]
		Started, Ended moment
	}
	jobAttemptWent struct {
		number int
		worker int64
		result jobs.Result
		reason string
	}
)

func rowOfJobAttempt(tenant string, id int64, a jobs.Attempt) jobAttemptRow {
	went := unique.Make(jobAttemptWent{a.Number, a.Worker, a.Result, a.Reason})
	return jobAttemptRow{unique.Make(tenant), id, a.Job, went, momentOf(a.Started), momentOf(a.Ended)}
}

func (r *jobAttemptRow) attempt() jobs.Attempt {
	went := r.went.Value()
	return jobs.Attempt{
		Job: r.Job, Number: went.number, Worker: went.worker, Result: went.result, Reason: went.reason,
		Started: r.Started.time(), Ended: r.Ended.time(),
	}
}

var jobAttemptTable = table[jobAttemptRow]{
	func(a, b *jobAttemptRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.Job, b.Job), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *jobAttemptRow) int {
		return cmp.Or(cmp.Compare(a.Ended, b.Ended), cmp.Compare(a.ID, b.ID))
	},
}

const (
	jobAttemptsByJob = 0
	jobAttemptsByEnd = 1
)

type deadJobRow jobs.DeadJob

var deadJobTable = table[deadJobRow]{
	func(a, b *deadJobRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *deadJobRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.Died.Compare(b.Died), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *deadJobRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Lane, b.Lane), a.Died.Compare(b.Died), cmp.Compare(a.ID, b.ID))
	},
}

const (
	deadJobsByDeath = 1
	deadJobsByLane  = 2
)

type jobStore struct {
	storage.Signals
	b *Backend
}

var _ jobs.Store = jobStore{}

// Jobs returns the store of package jobs.
func (b *Backend) Jobs() jobs.Store { return jobStore{b, b} }

func (s jobStore) Enqueue(ctx context.Context, list []jobs.Job) error {
	return s.b.write(ctx, "jobs.Enqueue", func(v view) error {
		keys := map[[2]string]bool{}
		for _, j := range list {
			lane := jobs.LaneID{Tenant: j.Tenant, Lane: j.Lane}
			if !jobLaneTable.has(v, laneProbe(lane)) {
				jobLaneTable.put(v, jobLaneRow{Lane: jobs.Lane{LaneID: lane}, Wake: never})
			}
			if key := [2]string{j.Tenant, j.Key}; j.Key != "" {
				if keys[key] {
					continue
				}
				keys[key] = true
			}
			if j.Key != "" && jobKeyTable.has(v, jobKeyRow{Tenant: j.Tenant, Key: j.Key}) {
				continue
			}
			j.ID, j.Attempt = nextID(v, "jobs.job"), 0
			j.Due, j.Payload = stored(j.Due), bytes.Clone(j.Payload)
			insertJob(v, jobRow{Job: j})
		}
		return nil
	})
}

func (s jobStore) Beat(ctx context.Context, beat jobs.Beat) (presence jobs.Presence, err error) {
	err = s.b.write(ctx, "jobs.Beat", func(v view) error {
		if beat.Leave {
			endJobWorker(v, beat.Worker, false)
			return nil
		}
		var me jobWorkerRow
		if beat.Worker == 0 {
			me.ID = nextID(v, "jobs.worker")
		} else {
			var ok bool
			if me, ok = jobWorkerTable.get(v, jobWorkerRow{ID: beat.Worker}); !ok {
				return jobs.ErrFenced
			}
		}
		me.Beats, me.Lease, me.Resting = me.Beats+1, beat.Lease, beat.Resting
		jobWorkerTable.put(v, me)
		for _, dead := range beat.Dead {
			if row, ok := jobWorkerTable.get(v, jobWorkerRow{ID: dead.ID}); ok && row.Beats == dead.Beats && row.ID != me.ID {
				endJobWorker(v, dead.ID, true)
			}
		}
		presence.Worker = jobs.Peer(me)
		presence.Peers = nil
		for row := range jobWorkerTable.ascend(v, 0, jobWorkerRow{}) {
			if row.ID != me.ID {
				presence.Peers = append(presence.Peers, jobs.Peer(row))
			}
		}
		return nil
	})
	return presence, err
}

// endJobWorker deletes a worker and frees its lanes.
func endJobWorker(v view, id int64, suspect bool) {
	if !jobWorkerTable.delete(v, jobWorkerRow{ID: id}) {
		return
	}
	for _, row := range lanesOf(v, id) {
		row.Owner, row.Suspect = 0, row.Suspect || suspect
		hintLane(v, row)
	}
}

// firstJob is the place of the first job of a lane and a priority behind a position.
func firstJob(lane jobs.LaneID, p jobs.Priority, after jobs.Position) jobRow {
	return jobRow{Job: jobs.Job{Tenant: lane.Tenant, Lane: lane.Lane, Priority: p, Due: stored(after.At), ID: after.ID + 1}}
}

func (s jobStore) Fetch(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) (list []jobs.Fetched, err error) {
	err = s.b.read(ctx, "jobs.Fetch", func(v view) error {
		list = nil
		for _, f := range lanes {
			for level, l := range f.Levels {
				n, p := 0, jobs.AtLevel(level)
				for j := range jobTable.ascend(v, jobsByDue, firstJob(f.LaneID, p, l.After)) {
					if n == l.Limit || j.lane() != f.LaneID || j.Priority != p || j.Due.After(stored(now)) {
						break
					}
					j.Payload = bytes.Clone(j.Payload)
					list = append(list, jobs.Fetched(j))
					n++
				}
			}
		}
		return nil
	})
	return list, err
}

func (s jobStore) Settle(ctx context.Context, worker int64, outcomes []jobs.Outcome) (missed []int64, err error) {
	err = s.b.write(ctx, "jobs.Settle", func(v view) error {
		missed = nil
		if !jobWorkerTable.has(v, jobWorkerRow{ID: worker}) {
			return jobs.ErrFenced
		}
		for _, o := range outcomes {
			row, ok := jobTable.get(v, jobRow{Job: jobs.Job{ID: o.Job.ID}})
			if !ok || row.Tenant != o.Job.Tenant || row.Attempt != o.Job.Attempt {
				missed = append(missed, o.Job.ID)
				continue
			}
			settleJob(v, worker, row, o)
			holdLane(v, worker, o)
		}
		return nil
	})
	return missed, err
}

func settleJob(v view, worker int64, row jobRow, o jobs.Outcome) {
	number := o.Job.Attempt + o.Job.Lost
	switch o.Result {
	case jobs.Begun:
		row.Lost = o.Job.Lost + 1
		jobTable.put(v, row)
		return
	case jobs.Completed:
		removeJob(v, row)
	case jobs.Retried:
		row.Attempt, row.Lost, row.Due = number+1, 0, stored(o.Due)
		jobTable.put(v, row)
	case jobs.Buried:
		removeJob(v, row)
		row.Attempt = number + 1
		deadJobTable.put(v, deadJobRow{Job: row.Job, Reason: o.Reason, Died: stored(o.Ended)})
	}
	jobAttemptTable.put(v, rowOfJobAttempt(row.Tenant, nextID(v, "jobs.attempt"), jobs.Attempt{
		Job: row.ID, Number: number, Worker: worker, Result: o.Result, Reason: o.Reason, Started: o.Started, Ended: o.Ended,
	}))
}

func (s jobStore) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.b.write(ctx, "jobs.Prune", func(v view) error {
		n = 0
		for a := range jobAttemptTable.ascend(v, jobAttemptsByEnd, jobAttemptRow{Ended: firstMoment}) {
			if n == limit || a.Ended >= momentOf(before) {
				break
			}
			jobAttemptTable.delete(v, a)
			n++
		}
		return nil
	})
	return n, err
}
