package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// Lane implements jobs.Store.
func (s jobStore) Lane(ctx context.Context, tenant, lane string, now time.Time) (jobs.LaneStatus, error) {
	list, err := s.lanes(ctx, `l.lane = $3`, tenant, lane, now, 1)
	switch {
	case err != nil:
		return jobs.LaneStatus{}, err
	case len(list) == 0:
		return jobs.LaneStatus{}, storage.ErrNotFound
	}
	return list[0], nil
}

// ListLanes implements jobs.Store.
func (s jobStore) ListLanes(ctx context.Context, tenant, after string, now time.Time, limit int) ([]jobs.LaneStatus, error) {
	return s.lanes(ctx, `l.lane > $3`, tenant, after, now, limit)
}

var (
	countTo = strconv.Itoa(jobs.MaxCount)
	// levelsOf puts together what a query says of each priority p of a lane l.
	levelsOf = func(all, query string) string {
		return `(SELECT ` + all + ` FROM (SELECT (` + query + `) AS v
			FROM (SELECT 1 AS priority UNION ALL SELECT 0 UNION ALL SELECT -1) p) levels)`
	}
	ofLevel  = ` FROM adminkit_jobs_job j WHERE j.tenant = l.tenant AND j.lane = l.lane AND j.priority = p.priority`
	laneWork = levelsOf(`CAST(SUM(v) AS BIGINT)`, `SELECT COUNT(*) FROM (SELECT 1`+ofLevel+` AND j.due <= $2 LIMIT `+countTo+`) counted`) + `,
		` + levelsOf(`CAST(SUM(v) AS BIGINT)`, `SELECT COUNT(*) FROM (SELECT 1`+ofLevel+` AND j.due > $2 LIMIT `+countTo+`) counted`) + `,
		(SELECT COUNT(*) FROM (SELECT 1 FROM adminkit_jobs_dead d WHERE d.tenant = l.tenant AND d.lane = l.lane LIMIT ` + countTo + `) counted),
		COALESCE(` + levelsOf(`MIN(v)`, `SELECT MIN(j.due)`+ofLevel+` AND j.due <= $2`) + `, 0),
		COALESCE(` + levelsOf(`MIN(v)`, `SELECT MIN(j.due)`+ofLevel+` AND j.due > $2`) + `, 0)`
)

func (s jobStore) lanes(ctx context.Context, where, tenant, lane string, now time.Time, limit int) (list []jobs.LaneStatus, err error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.Query(ctx, `
		SELECT `+laneColumns+`, l.owner, `+laneWork+`
		FROM adminkit_jobs_lane l WHERE l.tenant = $1 AND `+where+` ORDER BY l.lane LIMIT $4`,
		tenant, micros(now), lane, limit)
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var l laneScan
		var st jobs.LaneStatus
		var oldest, next int64
		if err := rows.Scan(append(l.dest(), &st.Owner, &st.Due, &st.Ahead, &st.Dead, &oldest, &next)...); err != nil {
			return nil, fmt.Errorf("read lanes: %w", err)
		}
		own := l.result()
		st.LaneID, st.Config, st.Paused, st.Hold = own.LaneID, own.LaneConfig, own.Paused, own.Hold
		st.Due, st.Ahead = min(st.Due, jobs.MaxCount), min(st.Ahead, jobs.MaxCount)
		st.OldestDue, st.NextDue = fromMicros(oldest), fromMicros(next)
		list = append(list, st)
	}
	return list, rows.Err()
}
