package memory

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

type jobLaneRow struct {
	jobs.Lane
	Owner int64 // zero where the lane is free
	// Wake is when a free lane is to be looked at, in microseconds since 1970: when its
	// first job is due and nothing holds it, or earlier.
	Wake int64
}

// never is the Wake of a lane that has nothing to start.
const never = math.MaxInt64

func compareLanes(a, b *jobs.LaneID) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Lane, b.Lane))
}

var jobLaneTable = table[jobLaneRow]{
	func(a, b *jobLaneRow) int { return compareLanes(&a.LaneID, &b.LaneID) },
	func(a, b *jobLaneRow) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Wake, b.Wake), compareLanes(&a.LaneID, &b.LaneID))
	},
}

const jobLanesByOwner = 1

func laneProbe(id jobs.LaneID) jobLaneRow { return jobLaneRow{Lane: jobs.Lane{LaneID: id}} }

// lanesOf returns the lanes that a worker owns.
func lanesOf(v view, owner int64) (list []jobLaneRow) {
	for row := range jobLaneTable.ascend(v, jobLanesByOwner, jobLaneRow{Owner: owner, Wake: math.MinInt64}) {
		if row.Owner != owner {
			break
		}
		list = append(list, row)
	}
	return list
}

// laneHead returns when the first job of a lane is due, and whether there is one.
func laneHead(v view, id jobs.LaneID) (head time.Time, ok bool) {
	for level := range jobs.Levels {
		p := jobs.AtLevel(level)
		for j := range jobTable.ascend(v, jobsByDue, firstJob(id, p, jobs.Position{})) {
			if j.lane() == id && j.Priority == p && (!ok || j.Due.Before(head)) {
				head, ok = j.Due, true
			}
			break
		}
	}
	return head, ok
}

// startsBy reports whether a lane is free and has work that may start by a time.
func (r jobLaneRow) startsBy(v view, now time.Time) bool {
	head, ok := laneHead(v, r.LaneID)
	return r.Owner == 0 && !r.Paused && ok && !head.After(now) && !r.Hold.Until.After(now)
}

// hintLane stores a lane with when it is to be looked at.
func hintLane(v view, row jobLaneRow) {
	row.Wake = never
	if head, ok := laneHead(v, row.LaneID); ok && !row.Paused {
		row.Wake = max(head.UnixMicro(), heldTill(row))
	}
	jobLaneTable.put(v, row)
}

func heldTill(row jobLaneRow) int64 {
	if row.Hold.Until.IsZero() {
		return 0
	}
	return row.Hold.Until.UnixMicro()
}

// wakeLane has a free lane looked at when a job of it is due.
func wakeLane(v view, id jobs.LaneID, due time.Time) {
	row, ok := jobLaneTable.get(v, laneProbe(id))
	if at := max(due.UnixMicro(), heldTill(row)); ok && row.Owner == 0 && !row.Paused && at < row.Wake {
		row.Wake = at
		jobLaneTable.put(v, row)
	}
}

func (s jobStore) SetLane(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error {
	return s.b.write(ctx, "jobs.SetLane", func(v view) error {
		row, ok := jobLaneTable.get(v, laneProbe(jobs.LaneID{Tenant: tenant, Lane: lane}))
		if !ok {
			row.LaneID, row.Wake = jobs.LaneID{Tenant: tenant, Lane: lane}, never
		}
		row.LaneConfig = config
		row.Breaker.Cooldown = config.Breaker.Cooldown.Truncate(time.Microsecond)
		jobLaneTable.put(v, row)
		if !config.Causes(row.Hold.Reason) {
			liftLane(v, row)
		}
		return nil
	})
}

func (s jobStore) PauseLane(ctx context.Context, tenant, lane string, paused bool) error {
	return s.b.write(ctx, "jobs.PauseLane", func(v view) error {
		row, ok := jobLaneTable.get(v, laneProbe(jobs.LaneID{Tenant: tenant, Lane: lane}))
		row.LaneID, row.Paused = jobs.LaneID{Tenant: tenant, Lane: lane}, paused
		if ok && !paused {
			row.Resumes++
			row.Hold = jobs.Hold{}
		}
		hintLane(v, row)
		return nil
	})
}

func (s jobStore) Claim(ctx context.Context, claim jobs.Claim) (claimed jobs.Claimed, err error) {
	claim.Now = stored(claim.Now)
	// Most polls find nothing to take. They leave the one writer alone.
	if len(claim.Release) == 0 && !claim.Sync && claim.Sweep == nil {
		ready := false
		err := s.b.read(ctx, "jobs.Claim", func(v view) error {
			ready = claim.Take > 0 && (len(wakingLanes(v, claim.Now, 1)) > 0 || len(namedLanes(v, claim)) > 0)
			return nil
		})
		if err != nil || !ready {
			return jobs.Claimed{}, err
		}
	}
	err = s.b.write(ctx, "jobs.Claim", func(v view) error {
		claimed = jobs.Claimed{}
		if !jobWorkerTable.has(v, jobWorkerRow{ID: claim.Worker}) {
			return jobs.ErrFenced
		}
		for _, id := range claim.Release {
			if row, ok := jobLaneTable.get(v, laneProbe(id)); ok && row.Owner == claim.Worker {
				row.Owner = 0
				hintLane(v, row)
			}
		}
		if claim.Sync {
			for _, row := range lanesOf(v, claim.Worker) {
				claimed.Held = append(claimed.Held, row.Lane)
			}
		}
		if claim.Sweep != nil {
			claimed.Swept = sweepLanes(v, *claim.Sweep)
		}
		claimed.Taken = takeLanes(v, claim)
		if claim.Sync {
			for range jobLaneTable.ascend(v, jobLanesByOwner, jobLaneRow{Owner: 1, Wake: math.MinInt64}) {
				claimed.Active++
			}
			for _, row := range wakingLanes(v, claim.Now, math.MaxInt) {
				if row.startsBy(v, claim.Now) {
					claimed.Active++
				}
			}
		}
		return nil
	})
	return claimed, err
}

// takeLanes makes free lanes with due jobs the worker's: those that are named first, then
// those that are to be looked at, the earliest first.
func takeLanes(v view, claim jobs.Claim) (taken []jobs.Lane) {
	for _, row := range append(namedLanes(v, claim), wakingLanes(v, claim.Now, math.MaxInt)...) {
		if len(taken) >= claim.Take {
			break
		}
		row, _ = jobLaneTable.get(v, row)
		switch {
		case row.Owner != 0:
		case row.startsBy(v, claim.Now):
			taken = append(taken, row.Lane)
			row.Owner, row.Suspect = claim.Worker, false
			jobLaneTable.put(v, row)
		default:
			hintLane(v, row)
		}
	}
	return taken
}

// namedLanes returns the lanes that a claim names and that can be taken.
func namedLanes(v view, claim jobs.Claim) (list []jobLaneRow) {
	for _, id := range claim.Probe {
		if row, ok := jobLaneTable.get(v, laneProbe(id)); ok && row.startsBy(v, claim.Now) {
			list = append(list, row)
		}
	}
	return list
}

// wakingLanes returns up to limit free lanes that are to be looked at by now.
func wakingLanes(v view, now time.Time, limit int) (list []jobLaneRow) {
	for row := range jobLaneTable.ascend(v, jobLanesByOwner, jobLaneRow{Wake: math.MinInt64}) {
		if row.Owner != 0 || row.Wake > now.UnixMicro() || len(list) == limit {
			break
		}
		list = append(list, row)
	}
	return list
}

// sweepLanes looks at a page of all lanes, and answers where the page ends.
func sweepLanes(v view, sweep jobs.Sweep) (end jobs.LaneID) {
	var page []jobLaneRow
	for row := range jobLaneTable.ascend(v, 0, laneProbe(sweep.After)) {
		if len(page) == sweep.Limit {
			break
		}
		if row.LaneID != sweep.After {
			page = append(page, row)
		}
	}
	for _, row := range page {
		if row.Owner == 0 {
			hintLane(v, row)
		}
	}
	if len(page) == sweep.Limit {
		end = page[len(page)-1].LaneID
	}
	return end
}

// liftLane ends what holds a lane. It counts as a resumption, so that the lane's owner hears
// of it.
func liftLane(v view, row jobLaneRow) {
	row.Resumes++
	row.Hold = jobs.Hold{}
	hintLane(v, row)
}

// holdLane writes the hold that came with an outcome. Only the owner of a lane holds it, and
// for nothing that its config has no more.
func holdLane(v view, worker int64, o jobs.Outcome) {
	row, ok := jobLaneTable.get(v, laneProbe(jobs.LaneID{Tenant: o.Job.Tenant, Lane: o.Job.Lane}))
	if o.Hold == nil || !ok || row.Owner != worker || !row.Causes(o.Hold.Reason) {
		return
	}
	row.Hold = jobs.Hold{Until: stored(o.Hold.Until), Reason: o.Hold.Reason}
	jobLaneTable.put(v, row)
}

func (s jobStore) Lane(ctx context.Context, tenant, lane string, now time.Time) (status jobs.LaneStatus, err error) {
	err = s.b.read(ctx, "jobs.Lane", func(v view) error {
		row, ok := jobLaneTable.get(v, laneProbe(jobs.LaneID{Tenant: tenant, Lane: lane}))
		if !ok {
			return storage.ErrNotFound
		}
		status = statusOf(v, row, stored(now))
		return nil
	})
	return status, err
}

func (s jobStore) ListLanes(ctx context.Context, tenant, after string, now time.Time, limit int) (list []jobs.LaneStatus, err error) {
	err = s.b.read(ctx, "jobs.ListLanes", func(v view) error {
		list = nil
		for row := range jobLaneTable.ascend(v, 0, laneProbe(jobs.LaneID{Tenant: tenant, Lane: after})) {
			if row.Tenant != tenant || len(list) == limit {
				break
			}
			if row.LaneID.Lane != after {
				list = append(list, statusOf(v, row, stored(now)))
			}
		}
		return nil
	})
	return list, err
}

func statusOf(v view, row jobLaneRow, now time.Time) jobs.LaneStatus {
	s := jobs.LaneStatus{LaneID: row.LaneID, Config: row.LaneConfig, Paused: row.Paused, Hold: row.Hold, Owner: row.Owner}
	for level := range jobs.Levels {
		p := jobs.AtLevel(level)
		for j := range jobTable.ascend(v, jobsByDue, firstJob(row.LaneID, p, jobs.Position{})) {
			if j.lane() != row.LaneID || j.Priority != p {
				break
			}
			if !j.Due.After(now) {
				s.Due++
				s.OldestDue = earliest(s.OldestDue, j.Due)
			} else {
				s.Ahead++
				s.NextDue = earliest(s.NextDue, j.Due)
			}
		}
	}
	for d := range deadJobTable.ascend(v, deadJobsByLane, deadJobRow{Job: jobs.Job{Tenant: row.Tenant, Lane: row.LaneID.Lane}}) {
		if d.Tenant != row.Tenant || d.Lane != row.LaneID.Lane || s.Dead == jobs.MaxCount {
			break
		}
		s.Dead++
	}
	s.Due, s.Ahead = min(s.Due, jobs.MaxCount), min(s.Ahead, jobs.MaxCount)
	return s
}

// earliest returns the earlier of two times of which the first may be none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
