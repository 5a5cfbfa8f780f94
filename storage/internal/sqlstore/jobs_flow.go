package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// The way of a job through the store: in, out to its owner, and away.

// Enqueue implements jobs.Store. What one statement does is there whole or not at all
// without a savepoint of its own.
func (s jobStore) Enqueue(ctx context.Context, list []jobs.Job) error {
	c, err := s.db.Conn(ctx)
	inTx := err == nil
	switch {
	case inTx:
		if whole, err := s.enqueueAtOnce(ctx, c, list); whole || err != nil {
			return err
		}
	case !errors.Is(err, storage.ErrNoTx):
		return err
	}
	return s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		if !inTx {
			if whole, err := s.enqueueAtOnce(ctx, c, list); whole || err != nil {
				return err
			}
		}
		return enqueueRows(ctx, c, list)
	})
}

// enqueueAtOnce inserts jobs with one statement. It reports whether it could: on SQLite
// only one job can be, for a lane that is there and that nobody has to be hinted at.
func (s jobStore) enqueueAtOnce(ctx context.Context, c storage.Conn, list []jobs.Job) (whole bool, err error) {
	if len(list) == 1 && list[0].Key == "" {
		if whole, err := s.enqueueOne(ctx, c, list[0]); whole || err != nil {
			return whole, err
		}
	}
	if s.db.Dialect().Postgres {
		return true, enqueueBatch(ctx, c, list)
	}
	return false, nil
}

// enqueueOne inserts a job whose lane has an owner, or is paused: most calls bring one
// such job, and no other statement is as light. It reports whether that was so.
func (s jobStore) enqueueOne(ctx context.Context, c storage.Conn, j jobs.Job) (done bool, err error) {
	row := `$3, '', $4, $5, 0, 0, $6, $7`
	if s.db.Dialect().Postgres {
		row = `$3::text, '', $4::bigint, $5::bigint, 0, 0, $6::text, $7::bytea`
	}
	n, err := c.Exec(ctx, `
		INSERT INTO adminkit_jobs_job (tenant, lane, kind, key, priority, due, attempt, lost, trace, payload)
		SELECT tenant, lane, `+row+` FROM adminkit_jobs_lane
		WHERE tenant = $1 AND lane = $2 AND (owner <> 0 OR paused)`,
		j.Tenant, j.Lane, j.Kind, int64(j.Priority), micros(j.Due), j.Trace, notNull(j.Payload))
	if err != nil {
		return false, fmt.Errorf("insert job: %w", err)
	}
	return n > 0, nil
}

// unlessKeyed leaves out a job whose key is taken. Postgres writes more for each row of a
// statement with it, so batches without a key go without.
const unlessKeyed = `
		ON CONFLICT (tenant, key) WHERE key <> '' DO NOTHING`

// freeKey leaves out the jobs x of a batch whose key is known to be taken, before they use
// up an id.
const freeKey = `
		WHERE NOT EXISTS (
			SELECT 1 FROM adminkit_jobs_job j
			WHERE j.tenant = x.tenant COLLATE "C" AND j.key = x.key COLLATE "C" AND j.key <> '')`

// firstOfKey leaves out the jobs that have the key of one before them.
func firstOfKey(list []jobs.Job) []jobs.Job {
	type id struct{ tenant, key string }
	var seen map[id]bool
	var twice bool
	for _, j := range list {
		if j.Key == "" {
			continue
		}
		if seen == nil {
			seen = map[id]bool{}
		}
		twice = twice || seen[id{j.Tenant, j.Key}]
		seen[id{j.Tenant, j.Key}] = true
	}
	if !twice {
		return list
	}
	clear(seen)
	return slices.DeleteFunc(slices.Clone(list), func(j jobs.Job) bool {
		if j.Key == "" {
			return false
		}
		known := seen[id{j.Tenant, j.Key}]
		seen[id{j.Tenant, j.Key}] = true
		return known
	})
}

// enqueueBatch inserts lanes in their order, so that two batches do not wait for each
// other in a circle, and jobs in theirs, which is the order of their ids. Lanes of jobs
// that are left out are made too; those of jobs with the key of one before them are only
// asked for where there are such jobs.
func enqueueBatch(ctx context.Context, c storage.Conn, all []jobs.Job) error {
	list := firstOfKey(all)
	n := len(list)
	tenants, lanes, kinds, traces := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	keys, keyed := make([]string, n), [2]string{}
	priorities, due, payloads := make([]int64, n), make([]int64, n), make([][]byte, n)
	for i, j := range list {
		tenants[i], lanes[i], kinds[i], traces[i] = j.Tenant, j.Lane, j.Kind, j.Trace
		keys[i], priorities[i], due[i], payloads[i] = j.Key, int64(j.Priority), micros(j.Due), notNull(j.Payload)
		if j.Key != "" {
			keyed = [2]string{freeKey, unlessKeyed}
		}
	}
	args, from := []any{tenants, lanes, kinds, keys, priorities, due, traces, payloads}, `unnest($1::text[], $2::text[])`
	if n < len(all) {
		tenants, lanes = make([]string, len(all)), make([]string, len(all))
		for i, j := range all {
			tenants[i], lanes[i] = j.Tenant, j.Lane
		}
		args, from = append(args, tenants, lanes), `unnest($9::text[], $10::text[])`
	}
	_, err := c.Exec(ctx, `
		WITH new_lane AS (
			INSERT INTO adminkit_jobs_lane (tenant, lane)
			SELECT DISTINCT x.tenant, x.lane FROM `+from+` AS x (tenant, lane)
			ORDER BY x.tenant, x.lane
			ON CONFLICT (tenant, lane) DO NOTHING),`+hintAtBatch+`
		INSERT INTO adminkit_jobs_job (tenant, lane, kind, key, priority, due, attempt, lost, trace, payload)
		SELECT x.tenant, x.lane, x.kind, x.key, x.priority, x.due, 0, 0, x.trace, x.payload
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::bytea[])
			WITH ORDINALITY AS x (tenant, lane, kind, key, priority, due, trace, payload, number)`+keyed[0]+`
		ORDER BY x.number`+keyed[1],
		args...)
	if err != nil {
		return fmt.Errorf("insert jobs: %w", err)
	}
	return nil
}

// enqueueRows asks for each key before it inserts the job: with one writer the answer
// stays true, and no id is used up.
func enqueueRows(ctx context.Context, c storage.Conn, all []jobs.Job) error {
	first := make(map[jobs.LaneID]int64, 1)
	var lanes []jobs.LaneID
	for _, j := range all {
		id, due := jobs.LaneID{Tenant: j.Tenant, Lane: j.Lane}, micros(j.Due)
		known, ok := first[id]
		if !ok {
			lanes = append(lanes, id)
		}
		if !ok || due < known {
			first[id] = due
		}
	}
	for _, id := range lanes {
		if err := hintAtNew(ctx, c, id, first[id]); err != nil {
			return err
		}
	}
	for _, j := range firstOfKey(all) {
		if _, err := c.Exec(ctx, `
			INSERT INTO adminkit_jobs_job (tenant, lane, kind, key, priority, due, attempt, lost, trace, payload)
			SELECT $1, $2, $3, $4, $5, $6, 0, 0, $7, $8 WHERE $4 = '' OR NOT EXISTS (
				SELECT 1 FROM adminkit_jobs_job j WHERE j.tenant = $1 AND j.key = $4 AND j.key <> '')`,
			j.Tenant, j.Lane, j.Kind, j.Key, int64(j.Priority), micros(j.Due), j.Trace, notNull(j.Payload)); err != nil {
			return fmt.Errorf("insert job: %w", err)
		}
	}
	return nil
}

// Fetch implements jobs.Store.
func (s jobStore) Fetch(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	if s.db.Dialect().Postgres {
		return fetchBatch(ctx, c, now, lanes)
	}
	if _, err := s.db.Conn(ctx); !errors.Is(err, storage.ErrNoTx) { // a transaction stays with its goroutine
		return fetchRows(ctx, ctx, c, now, lanes)
	}
	// That a statement ends with its ctx costs it two goroutines, and half as much time
	// again. These are short and need not, but for a connection they may wait long: that
	// ends with ctx here.
	type answer struct {
		list []jobs.Fetched
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		list, err := fetchRows(ctx, context.WithoutCancel(ctx), c, now, lanes)
		answers <- answer{list, err}
	}()
	select {
	case a := <-answers:
		return a.list, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fetchRows reads lanes one by one until ctx ends, each with the ctx of its statement.
func fetchRows(ctx, statement context.Context, c storage.Conn, now time.Time, lanes []jobs.LaneFetch) (list []jobs.Fetched, err error) {
	for _, f := range lanes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		high, normal, low := f.Levels[0], f.Levels[1], f.Levels[2]
		rows, err := c.Query(statement, `
			SELECT * FROM (`+oneLevel+` AND priority = 1 AND (due, id) > ($4, $5) ORDER BY due, id LIMIT $6)
			UNION ALL
			SELECT * FROM (`+oneLevel+` AND priority = 0 AND (due, id) > ($7, $8) ORDER BY due, id LIMIT $9)
			UNION ALL
			SELECT * FROM (`+oneLevel+` AND priority = -1 AND (due, id) > ($10, $11) ORDER BY due, id LIMIT $12)`,
			f.Tenant, f.Lane, micros(now),
			micros(high.After.At), high.After.ID, high.Limit,
			micros(normal.After.At), normal.After.ID, normal.Limit,
			micros(low.After.At), low.After.ID, low.Limit)
		if err != nil {
			return nil, fmt.Errorf("read jobs: %w", err)
		}
		if list, err = scanJobs(rows, list); err != nil {
			return nil, err
		}
	}
	return list, nil
}

const oneLevel = `
	SELECT id, tenant, lane, kind, key, priority, due, attempt, lost, trace, payload FROM adminkit_jobs_job
	WHERE tenant = $1 AND lane = $2 AND due <= $3`

// fetchBatch reads a level of a lane as one range of the index, like all others in the
// same statement.
func fetchBatch(ctx context.Context, c storage.Conn, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
	var tenants, names []string
	var priorities, due, ids, limits []int64
	var asked []jobs.Job // what the jobs that are answered have in common
	for _, f := range lanes {
		for level, l := range f.Levels {
			if l.Limit > 0 {
				priority := jobs.AtLevel(level)
				asked = append(asked, jobs.Job{Tenant: f.Tenant, Lane: f.Lane, Priority: priority})
				tenants, names = append(tenants, f.Tenant), append(names, f.Lane)
				priorities, limits = append(priorities, int64(priority)), append(limits, int64(l.Limit))
				due, ids = append(due, micros(l.After.At)), append(ids, l.After.ID)
			}
		}
	}
	rows, err := c.Query(ctx, `
		SELECT f.number, j.id, j.kind, j.key, j.due, j.attempt, j.lost, j.trace, j.payload
		FROM (SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
			WITH ORDINALITY LIMIT cardinality($1::text[])) AS f (tenant, lane, priority, due, id, max, number)
		CROSS JOIN LATERAL (
			SELECT * FROM adminkit_jobs_job
			WHERE tenant = f.tenant COLLATE "C" AND lane = f.lane COLLATE "C" AND priority = f.priority
				AND (adminkit_jobs_job.due, adminkit_jobs_job.id) > (f.due, f.id) AND adminkit_jobs_job.due <= $7
			ORDER BY adminkit_jobs_job.due, adminkit_jobs_job.id LIMIT f.max) j
		ORDER BY f.number, j.due, j.id`,
		tenants, names, priorities, due, ids, limits, micros(now))
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	defer rows.Close()
	var list []jobs.Fetched
	for rows.Next() {
		var f jobs.Fetched
		var number int
		var due int64
		if err := rows.Scan(&number, &f.ID, &f.Kind, &f.Key, &due, &f.Attempt, &f.Lost, &f.Trace, &f.Payload); err != nil {
			return nil, fmt.Errorf("read jobs: %w", err)
		}
		from := &asked[number-1]
		f.Tenant, f.Lane, f.Priority = from.Tenant, from.Lane, from.Priority
		f.Due, f.Payload = fromMicros(due), orNil(f.Payload)
		list = append(list, f)
	}
	return list, rows.Err()
}

func scanJobs(rows storage.Rows, list []jobs.Fetched) ([]jobs.Fetched, error) {
	defer rows.Close()
	for rows.Next() {
		var f jobs.Fetched
		var due int64
		if err := rows.Scan(&f.ID, &f.Tenant, &f.Lane, &f.Kind, &f.Key, &f.Priority, &due, &f.Attempt, &f.Lost, &f.Trace, &f.Payload); err != nil {
			return nil, fmt.Errorf("read jobs: %w", err)
		}
		f.Due, f.Payload = fromMicros(due), orNil(f.Payload)
		list = append(list, f)
	}
	return list, rows.Err()
}

// Settle implements jobs.Store.
func (s jobStore) Settle(ctx context.Context, worker int64, outcomes []jobs.Outcome) (missed []int64, err error) {
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		missed = nil
		if s.db.Dialect().Postgres {
			settle := settleBatch
			if alike(outcomes) {
				settle = completeBatch
			}
			if missed, err = settle(ctx, c, worker, outcomes); err != nil {
				return err
			}
			return s.hold(ctx, c, worker, outcomes, missed)
		}
		if err := s.fence(ctx, c, worker); err != nil {
			return err
		}
		for _, o := range outcomes {
			settled, err := settleRow(ctx, c, worker, o)
			if err != nil {
				return err
			}
			if !settled {
				missed = append(missed, o.Job.ID)
			}
		}
		return s.hold(ctx, c, worker, outcomes, missed)
	})
	return missed, err
}

// settleRow stores one outcome, and reports whether the job was there to be settled.
func settleRow(ctx context.Context, c storage.Conn, worker int64, o jobs.Outcome) (settled bool, err error) {
	number := o.Job.Attempt + o.Job.Lost
	if o.Result == jobs.Buried {
		if _, err := c.Exec(ctx, `
			INSERT INTO adminkit_jobs_dead (id, tenant, lane, kind, key, priority, due, attempt, trace, payload, reason, died)
			SELECT id, tenant, lane, kind, key, priority, due, $4, trace, payload, $5, $6 FROM adminkit_jobs_job
			WHERE id = $1 AND tenant = $2 AND attempt = $3`,
			o.Job.ID, o.Job.Tenant, o.Job.Attempt, number+1, o.Reason, micros(o.Ended)); err != nil {
			return false, fmt.Errorf("bury job: %w", err)
		}
	}
	var n int64
	switch o.Result {
	case jobs.Completed, jobs.Buried:
		n, err = c.Exec(ctx, `
			DELETE FROM adminkit_jobs_job WHERE id = $1 AND tenant = $2 AND attempt = $3`,
			o.Job.ID, o.Job.Tenant, o.Job.Attempt)
	case jobs.Retried:
		n, err = c.Exec(ctx, `
			UPDATE adminkit_jobs_job SET attempt = $4, lost = 0, due = $5 WHERE id = $1 AND tenant = $2 AND attempt = $3`,
			o.Job.ID, o.Job.Tenant, o.Job.Attempt, number+1, micros(o.Due))
	case jobs.Begun:
		n, err = c.Exec(ctx, `
			UPDATE adminkit_jobs_job SET lost = $4 WHERE id = $1 AND tenant = $2 AND attempt = $3`,
			o.Job.ID, o.Job.Tenant, o.Job.Attempt, o.Job.Lost+1)
	}
	if err != nil {
		return false, fmt.Errorf("settle job: %w", err)
	}
	if n == 0 || o.Result == jobs.Begun {
		return n > 0, nil
	}
	if _, err := c.Exec(ctx, `
		INSERT INTO adminkit_jobs_attempt (tenant, job, number, worker, result, reason, started, ended)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		o.Job.Tenant, o.Job.ID, number, worker, string(o.Result), o.Reason, micros(o.Started), micros(o.Ended)); err != nil {
		return false, fmt.Errorf("record attempt: %w", err)
	}
	return true, nil
}

// settleBatch stores outcomes in one statement, in which nothing is joined but the
// outcomes with their jobs: the planner takes every other part for one row. A statement
// that waits for the worker's row while the worker is ended finds no row once it has it,
// so the fence holds although everything else of the statement reads one snapshot. Rows of
// jobs are only carried along where they are needed, and ids answered where any is missed.
func settleBatch(ctx context.Context, c storage.Conn, worker int64, outcomes []jobs.Outcome) (missed []int64, err error) {
	n := len(outcomes)
	ids, attempts, losts, due := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	tenants, results, reasons := make([]string, n), make([]string, n), make([]string, n)
	started, ended := make([]int64, n), make([]int64, n)
	for i, o := range outcomes {
		ids[i], tenants[i], attempts[i], losts[i] = o.Job.ID, o.Job.Tenant, int64(o.Job.Attempt), int64(o.Job.Lost)
		results[i], reasons[i], due[i] = string(o.Result), o.Reason, micros(o.Due)
		started[i], ended[i] = micros(o.Started), micros(o.Ended)
	}
	rows, err := c.Query(ctx, `
		WITH alive AS MATERIALIZED (
			SELECT id FROM adminkit_jobs_worker WHERE id = $1 FOR KEY SHARE),
		x AS MATERIALIZED (
			SELECT x.* FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[],
				$7::text[], $8::bigint[], $9::bigint[], $10::bigint[])
				AS x (job, tenant, attempt, lost, result, reason, due, started, ended)
			CROSS JOIN alive LIMIT cardinality($2::bigint[])),
		completed AS (
			DELETE FROM adminkit_jobs_job j USING x
			WHERE j.id = x.job AND j.tenant = x.tenant COLLATE "C" AND j.attempt = x.attempt AND x.result = 'completed'
			RETURNING j.id, j.tenant, x.attempt + x.lost AS number, x.result, x.reason, x.started, x.ended),
		buried AS (
			DELETE FROM adminkit_jobs_job j USING x
			WHERE j.id = x.job AND j.tenant = x.tenant COLLATE "C" AND j.attempt = x.attempt AND x.result = 'buried'
			RETURNING j.id, j.tenant, j.lane, j.kind, j.key, j.priority, j.due, j.trace, j.payload,
				x.attempt + x.lost AS number, x.result, x.reason, x.started, x.ended),
		retried AS (
			UPDATE adminkit_jobs_job j SET attempt = x.attempt + x.lost + 1, lost = 0, due = x.due FROM x
			WHERE j.id = x.job AND j.tenant = x.tenant COLLATE "C" AND j.attempt = x.attempt AND x.result = 'retried'
			RETURNING j.id, j.tenant, x.attempt + x.lost AS number, x.result, x.reason, x.started, x.ended),
		begun AS (
			UPDATE adminkit_jobs_job j SET lost = x.lost + 1 FROM x
			WHERE j.id = x.job AND j.tenant = x.tenant COLLATE "C" AND j.attempt = x.attempt AND x.result = 'begun'
			RETURNING j.id),
		dead AS (
			INSERT INTO adminkit_jobs_dead (id, tenant, lane, kind, key, priority, due, attempt, trace, payload, reason, died)
			SELECT id, tenant, lane, kind, key, priority, due, number + 1, trace, payload, reason, ended FROM buried),
		recorded AS (
			INSERT INTO adminkit_jobs_attempt (tenant, job, number, worker, result, reason, started, ended)
			SELECT tenant, id, number, $1, result, reason, started, ended FROM completed
			UNION ALL
			SELECT tenant, id, number, $1, result, reason, started, ended FROM buried
			UNION ALL
			SELECT tenant, id, number, $1, result, reason, started, ended FROM retried),
		done AS (
			SELECT id FROM completed UNION ALL SELECT id FROM buried UNION ALL SELECT id FROM retried UNION ALL SELECT id FROM begun)
		SELECT 0 FROM alive
		UNION ALL
		SELECT job FROM x WHERE (SELECT COUNT(*) FROM done) < cardinality($2::bigint[]) AND job NOT IN (SELECT id FROM done)`,
		worker, ids, tenants, attempts, losts, results, reasons, due, started, ended)
	return settled(rows, err)
}

// alike reports whether outcomes complete jobs and differ in nothing but the jobs and the
// times, as most batches do.
func alike(outcomes []jobs.Outcome) bool {
	for _, o := range outcomes {
		if o.Result != jobs.Completed || o.Reason != "" || o.Job.Lost != 0 || o.Job.Attempt != outcomes[0].Job.Attempt {
			return false
		}
	}
	return len(outcomes) > 0
}

// completeBatch is settleBatch for outcomes that are alike, at less cost. The
// planner takes the lists for short ones, because they come by way of a query, and so reads
// no more than their jobs.
func completeBatch(ctx context.Context, c storage.Conn, worker int64, outcomes []jobs.Outcome) (missed []int64, err error) {
	n := len(outcomes)
	ids, tenants, started, ended := make([]int64, n), make([]string, n), make([]int64, n), make([]int64, n)
	for i, o := range outcomes {
		ids[i], tenants[i], started[i], ended[i] = o.Job.ID, o.Job.Tenant, micros(o.Started), micros(o.Ended)
	}
	rows, err := c.Query(ctx, `
		WITH alive AS MATERIALIZED (
			SELECT id FROM adminkit_jobs_worker WHERE id = $1 FOR KEY SHARE),
		completed AS (
			DELETE FROM adminkit_jobs_job j USING alive CROSS JOIN
				unnest((SELECT $2::bigint[]), (SELECT $3::text[]), (SELECT $4::bigint[]), (SELECT $5::bigint[]))
				AS x (job, tenant, started, ended)
			WHERE j.id = x.job AND j.tenant = x.tenant COLLATE "C" AND j.attempt = $6
			RETURNING j.id, j.tenant, x.started, x.ended),
		recorded AS (
			INSERT INTO adminkit_jobs_attempt (tenant, job, number, worker, result, reason, started, ended)
			SELECT tenant, id, $6, $1, 'completed', '', started, ended FROM completed)
		SELECT 0 FROM alive
		UNION ALL
		SELECT x.job FROM unnest($2::bigint[]) AS x (job)
		WHERE (SELECT COUNT(*) FROM completed) < cardinality($2::bigint[]) AND x.job NOT IN (SELECT id FROM completed)`,
		worker, ids, tenants, started, ended, outcomes[0].Job.Attempt)
	return settled(rows, err)
}

// settled reads the answer of a settlement: zero where the worker was there, and the ids of
// the jobs that were missed.
func settled(rows storage.Rows, err error) (missed []int64, _ error) {
	if err != nil {
		return nil, fmt.Errorf("settle jobs: %w", err)
	}
	defer rows.Close()
	alive := false
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("settle jobs: %w", err)
		}
		if id == 0 {
			alive = true
		} else {
			missed = append(missed, id)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("settle jobs: %w", err)
	}
	if !alive {
		return nil, jobs.ErrFenced
	}
	return missed, nil
}

// notNull returns an empty slice for nil, which the engines would store as NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// orNil is the inverse of notNull.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
