package mapstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
)

// Beat implements jobs.Store.
func (s *jobStore) Beat(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
	var presence jobs.Presence
	err := s.write(ctx, func(t *tx) error {
		for _, peer := range beat.Dead {
			if w, ok := s.workers.get(t, peer.ID); ok && w.Beats == peer.Beats && w.ID != beat.Worker {
				s.endWorker(t, w.ID, true)
			}
		}
		if beat.Leave {
			s.endWorker(t, beat.Worker, false)
			return nil
		}
		w, ok := s.workers.get(t, beat.Worker)
		switch {
		case beat.Worker == 0:
			s.lastWorker++
			w.ID = s.lastWorker
		case !ok:
			return jobs.ErrFenced
		}
		w.Beats++
		w.Lease, w.Resting = beat.Lease, beat.Resting
		s.workers.put(t, w.ID, w)
		presence.Worker, _ = s.workers.get(t, w.ID)
		presence.Peers = s.workers.find(t, func(id int64, _ jobs.Peer) bool { return id != w.ID })
		slices.SortFunc(presence.Peers, func(a, b jobs.Peer) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	if err != nil {
		return jobs.Presence{}, err
	}
	return presence, nil
}

// endWorker deletes a worker and frees its lanes.
func (s *jobStore) endWorker(t *tx, id int64, suspect bool) {
	s.workers.delete(t, id)
	for _, row := range s.owned(t, id) {
		row.Owner, row.Suspect = 0, suspect
		s.lanes.put(t, row.LaneID, row)
	}
}

// owned returns the lanes of a worker, in their order.
func (s *jobStore) owned(t *tx, worker int64) []laneRow {
	rows := s.lanes.find(t, func(_ jobs.LaneID, row laneRow) bool { return worker != 0 && row.Owner == worker })
	slices.SortFunc(rows, func(a, b laneRow) int { return compareLanes(a.LaneID, b.LaneID) })
	return rows
}

// Claim implements jobs.Store.
func (s *jobStore) Claim(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
	var claimed jobs.Claimed
	err := s.write(ctx, func(t *tx) error {
		if !s.workers.has(t, claim.Worker) {
			return jobs.ErrFenced
		}
		for _, id := range claim.Release {
			if row, ok := s.lanes.get(t, id); ok && row.Owner == claim.Worker {
				row.Owner = 0
				s.lanes.put(t, id, row)
			}
		}
		if claim.Sync {
			for _, row := range s.owned(t, claim.Worker) {
				claimed.Held = append(claimed.Held, row.Lane)
			}
		}
		if claim.Sweep != nil {
			claimed.Swept = s.sweep(t, *claim.Sweep)
		}
		ready := s.ready(t, claim)
		take := first(ready, claim.Take)
		for _, row := range take {
			claimed.Taken = append(claimed.Taken, row.Lane)
			row.Owner, row.Suspect = claim.Worker, false
			s.lanes.put(t, row.LaneID, row)
		}
		if claim.Sync {
			busy := s.lanes.find(t, func(_ jobs.LaneID, row laneRow) bool { return row.Owner != 0 })
			claimed.Active = len(busy) + len(ready) - len(take)
		}
		return nil
	})
	if err != nil {
		return jobs.Claimed{}, err
	}
	return claimed, nil
}

// ready returns the lanes that can be taken, in the order in which a claim takes them:
// those it probes, then those whose work has waited longest.
func (s *jobStore) ready(t *tx, claim jobs.Claim) []laneRow {
	now := micro(claim.Now)
	since := make(map[jobs.LaneID]time.Time) // when the first due job became due
	s.jobs.find(t, func(_ int64, j jobs.Fetched) bool {
		lane := jobs.LaneID{Tenant: j.Tenant, Lane: j.Lane}
		if at, ok := since[lane]; !j.Due.After(now) && (!ok || j.Due.Before(at)) {
			since[lane] = j.Due
		}
		return false
	})
	rows := s.lanes.find(t, func(id jobs.LaneID, row laneRow) bool {
		_, waits := since[id]
		return waits && row.Owner == 0 && !row.Paused && !row.Hold.Until.After(now)
	})
	probe := func(id jobs.LaneID) int { // its place in the list
		if i := slices.Index(claim.Probe, id); i >= 0 {
			return i
		}
		return len(claim.Probe)
	}
	slices.SortFunc(rows, func(a, b laneRow) int {
		return cmp.Or(cmp.Compare(probe(a.LaneID), probe(b.LaneID)),
			since[a.LaneID].Compare(since[b.LaneID]), compareLanes(a.LaneID, b.LaneID))
	})
	return rows
}

// sweep returns the last lane of a piece of the walk. Without notes there is nothing to
// look at on the way.
func (s *jobStore) sweep(t *tx, sweep jobs.Sweep) jobs.LaneID {
	rows := s.lanes.find(t, func(id jobs.LaneID, _ laneRow) bool { return compareLanes(id, sweep.After) > 0 })
	if len(rows) < sweep.Limit {
		return jobs.LaneID{}
	}
	slices.SortFunc(rows, func(a, b laneRow) int { return compareLanes(a.LaneID, b.LaneID) })
	return rows[sweep.Limit-1].LaneID
}

// Fetch implements jobs.Store.
func (s *jobStore) Fetch(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
	now = micro(now)
	var all []jobs.Fetched
	err := s.read(ctx, func(t *tx) error {
		for _, lane := range lanes {
			for i, level := range lane.Levels {
				after := jobs.Position{At: micro(level.After.At), ID: level.After.ID}
				found := s.jobs.find(t, func(_ int64, j jobs.Fetched) bool {
					return inLane(j.Job, lane.LaneID) && j.Priority.Level() == i &&
						!j.Due.After(now) && comparePositions(due(j.Job), after) > 0
				})
				slices.SortFunc(found, func(a, b jobs.Fetched) int { return comparePositions(due(a.Job), due(b.Job)) })
				all = append(all, first(found, level.Limit)...)
			}
		}
		return nil
	})
	return all, err
}

// Settle implements jobs.Store. Nobody ends the worker before the transaction has ended,
// because writers take turns.
func (s *jobStore) Settle(ctx context.Context, worker int64, outcomes []jobs.Outcome) (missed []int64, err error) {
	err = s.write(ctx, func(t *tx) error {
		if !s.workers.has(t, worker) {
			return jobs.ErrFenced
		}
		for _, o := range outcomes {
			j, err := s.job(t, o.Job.Tenant, o.Job.ID)
			if err != nil || j.Attempt != o.Job.Attempt {
				missed = append(missed, o.Job.ID)
				continue
			}
			s.settle(t, worker, j, o)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return missed, nil
}

// settle stores the outcome of a job.
func (s *jobStore) settle(t *tx, worker int64, j jobs.Fetched, o jobs.Outcome) {
	number := o.Job.Attempt + o.Job.Lost
	switch o.Result {
	case jobs.Completed:
		s.remove(t, j.Job)
	case jobs.Retried:
		j.Due, j.Attempt, j.Lost = o.Due, number+1, 0
		s.jobs.put(t, j.ID, j)
	case jobs.Buried:
		s.remove(t, j.Job)
		j.Attempt = number + 1
		s.dead.put(t, j.ID, jobs.DeadJob{Job: j.Job, Reason: o.Reason, Died: o.Ended})
	case jobs.Begun:
		j.Lost = o.Job.Lost + 1
		s.jobs.put(t, j.ID, j)
	}
	if o.Result != jobs.Begun {
		s.record(t, j.Tenant, jobs.Attempt{
			Job: j.ID, Number: number, Worker: worker, Result: o.Result, Reason: o.Reason, Started: o.Started, Ended: o.Ended,
		})
	}
	lane := jobs.LaneID{Tenant: j.Tenant, Lane: j.Lane}
	if row, _ := s.lanes.get(t, lane); o.Hold != nil && row.Owner == worker && row.Causes(o.Hold.Reason) {
		row.Hold = *o.Hold
		s.lanes.put(t, lane, row)
	}
}
