package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// Automation returns the store of package automation.
func (s *Stores) Automation() automation.Store { return &automationStore{DB: s.db} }

type automationStore struct{ DB }

var _ automation.Store = (*automationStore)(nil)

func (s *automationStore) SaveRule(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
	types, err := json.Marshal(r.EventTypes)
	if err != nil {
		return fmt.Errorf("event types: %w", err)
	}
	owner, err := json.Marshal(r.Owner)
	if err != nil {
		return fmt.Errorf("encode an owner: %w", err)
	}
	args := []any{tenant, r.ID, r.Name, r.Environment, types, r.Enabled, owner, r.Version, r.Revision, micros(r.UpdatedAt)}
	statement := updateRule
	if r.Revision == 1 {
		statement, args = insertRule, append(args, micros(r.CreatedAt))
	}
	return write(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, statement, args...)
		if err != nil {
			return err
		}
		if n == 0 {
			if r.Revision == 1 {
				return storage.ErrConflict
			}
			return moved(ctx, conn, `
SELECT 1 FROM adminkit_automation_rule WHERE tenant = $1 AND id = $2`, tenant, r.ID)
		}
		if v != nil {
			if err := insertVersion(ctx, conn, tenant, r.ID, v); err != nil {
				return err
			}
		}
		return listen(ctx, conn, tenant, r)
	})
}

const insertRule = `
INSERT INTO adminkit_automation_rule (
	tenant, id, name, environment, event_types, enabled, owner, version, revision, updated_at, created_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant, id) DO NOTHING`

// The time of its creation stays: the list would move the rule to another place.
const updateRule = `
UPDATE adminkit_automation_rule SET
	name = $3, environment = $4, event_types = $5, enabled = $6, owner = $7, version = $8, revision = $9,
	updated_at = $10
WHERE tenant = $1 AND id = $2 AND revision = $9 - 1`

func insertVersion(ctx context.Context, conn storage.Conn, tenant, ruleID string, v *automation.Version) error {
	author, err := json.Marshal(v.CreatedBy)
	if err != nil {
		return fmt.Errorf("encode an author: %w", err)
	}
	n, err := conn.Exec(ctx, `
INSERT INTO adminkit_automation_version (tenant, rule_id, number, document, hash, created_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, rule_id, number) DO NOTHING`,
		tenant, ruleID, v.Number, []byte(v.Document), v.Hash, author, micros(v.CreatedAt))
	if err == nil && n == 0 {
		return storage.ErrConflict
	}
	return err
}

// listen replaces what a rule listens to: nothing while it is disabled, so that a match
// reads nothing but rules that start.
func listen(ctx context.Context, conn storage.Conn, tenant string, r automation.Rule) error {
	if _, err := conn.Exec(ctx, `
DELETE FROM adminkit_automation_listener WHERE tenant = $1 AND rule_id = $2`,
		tenant, r.ID); err != nil {
		return err
	}
	if !r.Enabled {
		return nil
	}
	for _, pattern := range r.EventTypes {
		if _, err := conn.Exec(ctx, `
INSERT INTO adminkit_automation_listener (tenant, environment, pattern, rule_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, environment, pattern, rule_id) DO NOTHING`,
			tenant, r.Environment, pattern, r.ID); err != nil {
			return err
		}
	}
	return nil
}

const selectRule = `
SELECT id, name, environment, event_types, enabled, owner, version, revision, created_at, updated_at
FROM adminkit_automation_rule`

func scanRule(rows storage.Rows, tenant string) (automation.Rule, error) {
	r := automation.Rule{Tenant: tenant}
	var types, owner []byte
	var created, updated int64
	if err := rows.Scan(&r.ID, &r.Name, &r.Environment, &types, &r.Enabled, &owner, &r.Version, &r.Revision, &created, &updated); err != nil {
		return r, fmt.Errorf("scan a rule: %w", err)
	}
	if err := json.Unmarshal(types, &r.EventTypes); err != nil {
		return r, fmt.Errorf("event types of rule %s: %w", r.ID, err)
	}
	r.CreatedAt, r.UpdatedAt = fromMicros(created), fromMicros(updated)
	return r, unmarshalActor(owner, &r.Owner)
}

func (s *automationStore) GetRule(ctx context.Context, tenant, id string, lock bool) (r automation.Rule, err error) {
	conn, end, err := reader(ctx, s, lock)
	if err != nil {
		return r, err
	}
	err = one(ctx, conn, selectRule+`
WHERE tenant = $1 AND id = $2`+end, []any{tenant, id}, func(rows storage.Rows) error {
		r, err = scanRule(rows, tenant)
		return err
	})
	return r, err
}

// rulesListed are the rules of the tenant $1.
var rulesListed = listed{
	query: selectRule + `
WHERE tenant = $1`,
	columns: map[string]string{
		"id": "id", "name": "name", "automation_environment": "environment", "enabled": "enabled", "version": "version",
		"created_at": "created_at", "updated_at": "updated_at",
	},
	id: "id",
}

func (s *automationStore) ListRules(ctx context.Context, tenant string, q automation.RuleQuery) (storage.Page[automation.Rule], error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return storage.Page[automation.Rule]{}, err
	}
	return page(ctx, s, rulesListed, plan, func(rows storage.Rows) (automation.Rule, error) { return scanRule(rows, tenant) }, tenant)
}

const selectVersion = `
SELECT number, document, hash, created_by, created_at
FROM adminkit_automation_version`

func scanVersion(tenant, ruleID string) func(storage.Rows) (automation.Version, error) {
	return func(rows storage.Rows) (automation.Version, error) {
		v := automation.Version{Tenant: tenant, RuleID: ruleID}
		var author []byte
		var created int64
		if err := rows.Scan(&v.Number, (*[]byte)(&v.Document), &v.Hash, &author, &created); err != nil {
			return v, fmt.Errorf("scan a version: %w", err)
		}
		v.Document, v.CreatedAt = bytes.Clone(v.Document), fromMicros(created)
		return v, unmarshalActor(author, &v.CreatedBy)
	}
}

func (s *automationStore) CountRules(ctx context.Context, tenant string, lock bool) (int64, error) {
	return count(ctx, s, tenant, "rules", lock, `
SELECT COUNT(*) FROM adminkit_automation_rule WHERE tenant = $1`, tenant)
}

func (s *automationStore) GetVersion(ctx context.Context, tenant, ruleID string, number int) (v automation.Version, err error) {
	conn, err := s.Reader(ctx)
	if err != nil {
		return v, err
	}
	scan := scanVersion(tenant, ruleID)
	err = one(ctx, conn, selectVersion+`
WHERE tenant = $1 AND rule_id = $2 AND number = $3`, []any{tenant, ruleID, number}, func(rows storage.Rows) error {
		v, err = scan(rows)
		return err
	})
	return v, err
}

func (s *automationStore) ListVersions(ctx context.Context, tenant, ruleID string, q automation.VersionQuery) (page storage.Page[automation.Version], err error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return page, err
	}
	before, err := q.Before(tenant, ruleID)
	if err != nil {
		return page, err
	}
	below := int64(before)
	if before == 0 {
		below = math.MaxInt64
	}
	conn, err := s.Reader(ctx)
	if err != nil {
		return page, err
	}
	versions, err := scanAll(ctx, conn, scanVersion(tenant, ruleID), selectVersion+`
WHERE tenant = $1 AND rule_id = $2 AND number < $3
ORDER BY number DESC LIMIT $4`,
		tenant, ruleID, below, limit+1)
	return pageOf(versions, limit, func(last automation.Version) storage.Cursor { return q.Next(tenant, last) }), err
}

func (s *automationStore) Listeners(ctx context.Context, tenant, environment string, patterns []string) ([]string, error) {
	conn, err := s.Reader(ctx)
	if err != nil {
		return nil, err
	}
	return scanAll(ctx, conn, scanID, `
SELECT DISTINCT rule_id FROM adminkit_automation_listener
WHERE tenant = $1 AND environment = $2 AND pattern `+s.Dialect().In(3)+`
ORDER BY rule_id`,
		tenant, environment, s.Dialect().List(patterns))
}

func scanID(rows storage.Rows) (id string, err error) {
	if err := rows.Scan(&id); err != nil {
		return "", fmt.Errorf("scan an id: %w", err)
	}
	return id, nil
}

// lockSignals lets nobody else add a signal or a wait for a key until the transaction
// ends. On SQLite transactions that write take turns.
func (s *automationStore) lockSignals(ctx context.Context, conn storage.Conn, tenant, key string) error {
	if !s.Dialect().Postgres {
		return nil
	}
	_, err := conn.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockKey("adminkit_automation_signal", tenant, key))
	return err
}

func (s *automationStore) PutSignal(ctx context.Context, tenant string, sg automation.Signal) (fresh bool, w *automation.Waiter, err error) {
	err = join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		if err := s.lockSignals(ctx, conn, tenant, sg.Key); err != nil {
			return err
		}
		n, err := conn.Exec(ctx, `
INSERT INTO adminkit_automation_signal (tenant, wait_key, id, outcome, payload, trace_id, at, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, wait_key, id) DO NOTHING`,
			tenant, sg.Key, sg.ID, sg.Outcome, orNull(sg.Payload), sg.TraceID, micros(sg.At), sg.State)
		if err != nil {
			return err
		}
		fresh = n > 0
		w, err = waiterOf(ctx, conn, tenant, sg.Key)
		return err
	})
	return fresh, w, err
}

// waiterOf returns who waits for key, else who did, else nil: the last that started of
// several.
func waiterOf(ctx context.Context, conn storage.Conn, tenant, key string) (*automation.Waiter, error) {
	if key == "" {
		return nil, nil
	}
	var w automation.Waiter
	err := one(ctx, conn, `
SELECT run.id, run.rule_id, run.wait_gen, run.status = 'waiting' AND run.wait_key = $2
FROM adminkit_automation_step step
JOIN adminkit_automation_run run ON run.tenant = step.tenant AND run.id = step.run_id
WHERE step.tenant = $1 AND step.wait_key = $2 AND step.wait_key <> ''
ORDER BY 4 DESC, run.started_at DESC, run.id DESC LIMIT 1`, []any{tenant, key}, func(rows storage.Rows) error {
		return rows.Scan(&w.RunID, &w.RuleID, &w.Gen, &w.Waiting)
	})
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &w, nil
}

func (s *automationStore) PendingSignals(ctx context.Context, tenant, key string) ([]automation.Signal, error) {
	conn, err := s.Reader(ctx)
	if err != nil {
		return nil, err
	}
	return scanAll(ctx, conn, func(rows storage.Rows) (automation.Signal, error) {
		sg := automation.Signal{Key: key, State: automation.SignalPending}
		var at int64
		if err := rows.Scan(&sg.ID, &sg.Outcome, (*[]byte)(&sg.Payload), &sg.TraceID, &at); err != nil {
			return sg, fmt.Errorf("scan a signal: %w", err)
		}
		sg.Payload, sg.At = bytes.Clone(sg.Payload), fromMicros(at)
		return sg, nil
	}, `
SELECT id, outcome, payload, trace_id, at FROM adminkit_automation_signal
WHERE tenant = $1 AND wait_key = $2 AND state = $3
ORDER BY at, id`,
		tenant, key, automation.SignalPending)
}

func (s *automationStore) SetSignals(ctx context.Context, tenant, key, state string, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	return join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		_, err := conn.Exec(ctx, `
UPDATE adminkit_automation_signal SET state = $3
WHERE tenant = $1 AND wait_key = $2 AND id `+s.Dialect().In(4),
			tenant, key, state, s.Dialect().List(ids))
		return err
	})
}
