package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

func (s *automationStore) InsertEvent(ctx context.Context, tenant string, e automation.TriggerEvent) (fresh bool, err error) {
	err = join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
INSERT INTO adminkit_automation_event (
	tenant, event_key, source, id, event_type, environment, body, trace_id, span_id, trace_flags, trace_state, hops, created_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (tenant, event_key) DO NOTHING`,
			tenant, e.Key, e.Source, e.ID, e.Type, e.Environment, []byte(e.Body),
			e.Trace.TraceID, e.Trace.SpanID, int64(e.Trace.Flags), e.Trace.State, e.Hops, micros(e.CreatedAt))
		fresh = n > 0
		return err
	})
	return fresh, err
}

func (s *automationStore) GetEvent(ctx context.Context, tenant, key string) (automation.TriggerEvent, error) {
	e := automation.TriggerEvent{Key: key, Tenant: tenant}
	conn, err := s.Reader(ctx)
	if err != nil {
		return automation.TriggerEvent{}, err
	}
	var flags, created int64
	err = storage.QueryRow(ctx, conn, `
SELECT source, id, event_type, environment, body, trace_id, span_id, trace_flags, trace_state, hops, created_at
FROM adminkit_automation_event
WHERE tenant = $1 AND event_key = $2`,
		[]any{tenant, key}, &e.Source, &e.ID, &e.Type, &e.Environment, (*[]byte)(&e.Body),
		&e.Trace.TraceID, &e.Trace.SpanID, &flags, &e.Trace.State, &e.Hops, &created)
	if err != nil {
		return automation.TriggerEvent{}, err
	}
	e.Trace.Flags, e.CreatedAt = byte(flags), fromMicros(created)
	return e, nil
}

func (s *automationStore) Save(ctx context.Context, tenant string, w automation.Write) error {
	return write(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		if err := saveRun(ctx, conn, tenant, w.Run); err != nil {
			return err
		}
		for _, a := range w.Attempts {
			if err := insertRunAttempt(ctx, conn, tenant, w.Run.ID, a); err != nil {
				return err
			}
		}
		for _, step := range w.Steps {
			if step.WaitKey != "" {
				if err := s.lockSignals(ctx, conn, tenant, step.WaitKey); err != nil {
					return err
				}
			}
			if err := putRunStep(ctx, conn, tenant, w.Run.ID, step); err != nil {
				return err
			}
		}
		return nil
	})
}

func saveRun(ctx context.Context, conn storage.Conn, tenant string, r automation.Run) error {
	owner, err := json.Marshal(r.Owner)
	if err != nil {
		return fmt.Errorf("encode an owner: %w", err)
	}
	failure, err := failureOrNull(r.Failure)
	if err != nil {
		return err
	}
	audiences, err := namesOrNull(r.Audiences)
	if err != nil {
		return err
	}
	statement := updateRun
	if r.Version == 1 {
		statement = insertRun
	}
	n, err := conn.Exec(ctx, statement,
		tenant, r.ID, r.RuleID, r.RuleVersion, r.Environment, string(r.Status), r.Trigger, r.EventKey, r.EventType, r.ParentID,
		owner, r.Cursor, r.Failing, r.Wait.Kind, r.Wait.Key, micros(r.Wait.DueAt), r.Wait.Gen, failure, r.Reason, int64(r.Level),
		r.Hops, r.Trace.TraceID, r.Trace.SpanID, int64(r.Trace.Flags), r.Trace.State, r.Job,
		micros(r.DeadlineAt), micros(r.StartedAt), micros(r.UpdatedAt), micros(r.EndedAt), r.Version, audiences)
	if err == nil && n == 0 {
		return storage.ErrConflict
	}
	return err
}

// Both keys of the table may be taken, and neither shall spoil the transaction.
const insertRun = `
INSERT INTO adminkit_automation_run (
	tenant, id, rule_id, rule_version, environment, status, trigger_kind, event_key, event_type, parent_id,
	owner, cursor_path, failing, wait_kind, wait_key, wait_due_at, wait_gen, failure, reason, level,
	hops, trace_id, span_id, trace_flags, trace_state, job,
	deadline_at, started_at, updated_at, ended_at, version, audiences
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
	$21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)
ON CONFLICT DO NOTHING`

// What was fixed when the run began is set again to the same, so that both statements
// take the same parameters.
const updateRun = `
UPDATE adminkit_automation_run SET
	rule_id = $3, rule_version = $4, environment = $5, status = $6, trigger_kind = $7, event_key = $8, event_type = $9, parent_id = $10,
	owner = $11, cursor_path = $12, failing = $13, wait_kind = $14, wait_key = $15, wait_due_at = $16, wait_gen = $17, failure = $18,
	reason = $19, level = $20, hops = $21, trace_id = $22, span_id = $23, trace_flags = $24, trace_state = $25, job = $26,
	deadline_at = $27, started_at = $28, updated_at = $29, ended_at = $30, version = $31, audiences = $32
WHERE tenant = $1 AND id = $2 AND version = $31 - 1`

const selectRun = `
SELECT id, rule_id, rule_version, environment, status, trigger_kind, event_key, event_type, parent_id,
	owner, cursor_path, failing, wait_kind, wait_key, wait_due_at, wait_gen, failure, reason, level,
	hops, trace_id, span_id, trace_flags, trace_state, job,
	deadline_at, started_at, updated_at, ended_at, version, audiences
FROM adminkit_automation_run`

func scanRun(tenant string) func(storage.Rows) (automation.Run, error) {
	return func(rows storage.Rows) (automation.Run, error) {
		r := automation.Run{Tenant: tenant}
		var owner, failure, audiences []byte
		var due, level, flags, deadline, started, updated, ended int64
		if err := rows.Scan(&r.ID, &r.RuleID, &r.RuleVersion, &r.Environment, (*string)(&r.Status), &r.Trigger, &r.EventKey, &r.EventType, &r.ParentID,
			&owner, &r.Cursor, &r.Failing, &r.Wait.Kind, &r.Wait.Key, &due, &r.Wait.Gen, &failure, &r.Reason, &level,
			&r.Hops, &r.Trace.TraceID, &r.Trace.SpanID, &flags, &r.Trace.State, &r.Job,
			&deadline, &started, &updated, &ended, &r.Version, &audiences); err != nil {
			return r, fmt.Errorf("scan a run: %w", err)
		}
		r.Wait.DueAt, r.Level, r.Trace.Flags = fromMicros(due), slog.Level(level), byte(flags)
		r.DeadlineAt, r.StartedAt, r.UpdatedAt, r.EndedAt = fromMicros(deadline), fromMicros(started), fromMicros(updated), fromMicros(ended)
		if err := unmarshalFailure(failure, &r.Failure); err != nil {
			return r, err
		}
		if audiences != nil {
			if err := json.Unmarshal(audiences, &r.Audiences); err != nil {
				return r, fmt.Errorf("decode the audiences of a run: %w", err)
			}
		}
		return r, unmarshalActor(owner, &r.Owner)
	}
}

func (s *automationStore) GetRun(ctx context.Context, tenant, id string, lock bool) (r automation.Run, err error) {
	conn, end, err := reader(ctx, s, lock)
	if err != nil {
		return r, err
	}
	scan := scanRun(tenant)
	err = one(ctx, conn, selectRun+`
WHERE tenant = $1 AND id = $2`+end, []any{tenant, id}, func(rows storage.Rows) error {
		r, err = scan(rows)
		return err
	})
	return r, err
}

// runsListed are the runs of the tenant $1 that reached the step $2, are of the level $3
// at least and started between $4 and $5.
var runsListed = listed{
	query: selectRun + `
WHERE tenant = $1
AND ($2 = '' OR EXISTS (
	SELECT 1 FROM adminkit_automation_step step
	WHERE step.tenant = $1 AND step.run_id = adminkit_automation_run.id AND step.path = $2
))
AND level >= $3
AND started_at >= $4 AND started_at < $5`,
	columns: map[string]string{
		"id": "id", "rule_id": "rule_id", "rule_version": "rule_version", "automation_environment": "environment", "status": "status",
		"trigger": "trigger_kind", "event_type": "event_type", "parent_id": "parent_id", "reason": "reason", "trace_id": "trace_id",
		"deadline_at": "deadline_at", "started_at": "started_at", "updated_at": "updated_at", "ended_at": "ended_at",
	},
	id: "id",
}

func (s *automationStore) ListRuns(ctx context.Context, tenant string, q automation.RunQuery) (storage.Page[automation.Run], error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return storage.Page[automation.Run]{}, err
	}
	since, until, level := int64(math.MinInt64), int64(math.MaxInt64), int64(math.MinInt64)
	if !q.Since.IsZero() {
		since = micros(q.Since)
	}
	if !q.Until.IsZero() {
		until = micros(q.Until)
	}
	if q.Level != 0 {
		level = int64(q.Level)
	}
	return page(ctx, s, runsListed, plan, scanRun(tenant), tenant, q.Step, level, since, until)
}

func (s *automationStore) TraceRuns(ctx context.Context, tenant, traceID string) ([]automation.Run, error) {
	if traceID == "" {
		return nil, nil
	}
	conn, err := s.Reader(ctx)
	if err != nil {
		return nil, err
	}
	return scanAll(ctx, conn, scanRun(tenant), selectRun+`
WHERE tenant = $1 AND id IN (
	SELECT run.id FROM adminkit_automation_run run WHERE run.tenant = $1 AND run.trace_id = $2
	UNION
	SELECT step.run_id FROM adminkit_automation_step step WHERE step.tenant = $1 AND step.link_id = $2 AND step.link_id <> ''
)
ORDER BY started_at DESC, id DESC LIMIT $3`,
		tenant, traceID, storage.MaxLimit)
}

func putRunStep(ctx context.Context, conn storage.Conn, tenant, runID string, step automation.StepRun) error {
	failure, err := failureOrNull(step.Failure)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `
INSERT INTO adminkit_automation_step (
	tenant, run_id, path, seq, action, status, attempts, input, output, branch, wait_key, link_id, failure, started_at, ended_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (tenant, run_id, path) DO UPDATE SET
	seq = excluded.seq, action = excluded.action, status = excluded.status, attempts = excluded.attempts,
	input = excluded.input, output = excluded.output, branch = excluded.branch, wait_key = excluded.wait_key,
	link_id = excluded.link_id, failure = excluded.failure, started_at = excluded.started_at, ended_at = excluded.ended_at`,
		tenant, runID, step.Path, step.Seq, step.Action, string(step.Status), step.Attempts, orNull(step.Input), orNull(step.Output),
		step.Branch, step.WaitKey, step.LinkID, failure, micros(step.StartedAt), micros(step.EndedAt))
	return err
}

func (s *automationStore) Steps(ctx context.Context, tenant, runID string) ([]automation.StepRun, error) {
	conn, err := s.Reader(ctx)
	if err != nil {
		return nil, err
	}
	return scanAll(ctx, conn, scanRunStep, `
SELECT path, seq, action, status, attempts, input, output, branch, wait_key, link_id, failure, started_at, ended_at
FROM adminkit_automation_step
WHERE tenant = $1 AND run_id = $2
ORDER BY seq, path`,
		tenant, runID)
}

func scanRunStep(rows storage.Rows) (step automation.StepRun, err error) {
	var failure []byte
	var started, ended int64
	if err := rows.Scan(&step.Path, &step.Seq, &step.Action, (*string)(&step.Status), &step.Attempts,
		(*[]byte)(&step.Input), (*[]byte)(&step.Output), &step.Branch, &step.WaitKey, &step.LinkID, &failure, &started, &ended); err != nil {
		return step, fmt.Errorf("scan a step: %w", err)
	}
	step.Input, step.Output = bytes.Clone(step.Input), bytes.Clone(step.Output)
	step.StartedAt, step.EndedAt = fromMicros(started), fromMicros(ended)
	return step, unmarshalFailure(failure, &step.Failure)
}

func insertRunAttempt(ctx context.Context, conn storage.Conn, tenant, runID string, a automation.Attempt) error {
	var logs any
	if len(a.Logs) > 0 {
		lines := slices.Clone(a.Logs)
		for i := range lines {
			lines[i].At = fromMicros(micros(lines[i].At))
		}
		raw, err := json.Marshal(lines)
		if err != nil {
			return fmt.Errorf("encode log lines: %w", err)
		}
		logs = raw
	}
	n, err := conn.Exec(ctx, `
INSERT INTO adminkit_automation_attempt (tenant, run_id, step, n, at, duration_us, class, error, detail, logs, trace_id, span_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (tenant, run_id, step, n) DO NOTHING`,
		tenant, runID, a.Step, a.N, micros(a.At), a.Duration.Microseconds(), a.Class, []byte(a.Error), []byte(a.Detail), logs, a.TraceID, a.SpanID)
	if err == nil && n == 0 {
		return storage.ErrConflict
	}
	return err
}

func (s *automationStore) Attempts(ctx context.Context, tenant, runID string) ([]automation.Attempt, error) {
	conn, err := s.Reader(ctx)
	if err != nil {
		return nil, err
	}
	return scanAll(ctx, conn, scanRunAttempt, `
SELECT step, n, at, duration_us, class, error, detail, logs, trace_id, span_id
FROM adminkit_automation_attempt
WHERE tenant = $1 AND run_id = $2
ORDER BY at, step, n LIMIT $3`,
		tenant, runID, storage.MaxLimit)
}

func scanRunAttempt(rows storage.Rows) (a automation.Attempt, err error) {
	var message, detail, logs []byte
	var at, took int64
	if err := rows.Scan(&a.Step, &a.N, &at, &took, &a.Class, &message, &detail, &logs, &a.TraceID, &a.SpanID); err != nil {
		return a, fmt.Errorf("scan an attempt: %w", err)
	}
	a.At, a.Duration, a.Error, a.Detail = fromMicros(at), time.Duration(took)*time.Microsecond, string(message), string(detail)
	if logs != nil {
		if err := json.Unmarshal(logs, &a.Logs); err != nil {
			return a, fmt.Errorf("log lines of attempt %d: %w", a.N, err)
		}
	}
	return a, nil
}

// namesOrNull encodes names, NULL where there are none.
func namesOrNull(names []string) (any, error) {
	if len(names) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(names)
	if err != nil {
		return nil, fmt.Errorf("encode names: %w", err)
	}
	return raw, nil
}

// failureOrNull encodes a failure, NULL where there is none.
func failureOrNull(f *automation.Failure) (any, error) {
	if f == nil {
		return nil, nil
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode a failure: %w", err)
	}
	return raw, nil
}

func unmarshalFailure(raw []byte, f **automation.Failure) error {
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, f); err != nil {
		return fmt.Errorf("read a failure: %w", err)
	}
	return nil
}
