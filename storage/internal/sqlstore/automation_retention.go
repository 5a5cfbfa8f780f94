package sqlstore

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// deleteOld runs a DELETE of at most limit rows before a time.
func (s *automationStore) deleteOld(ctx context.Context, statement, tenant string, before time.Time, limit int) (int, error) {
	limit, err := storage.Limit(limit)
	if err != nil {
		return 0, err
	}
	var n int64
	err = write(ctx, s, func(ctx context.Context, conn storage.Conn) (err error) {
		n, err = conn.Exec(ctx, statement, tenant, micros(before), limit)
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

func (s *automationStore) PruneSignals(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	return s.deleteOld(ctx, `
WITH old AS MATERIALIZED (
	SELECT g.wait_key, g.id
	FROM adminkit_automation_signal g
	WHERE g.tenant = $1 AND g.at < $2 AND NOT EXISTS (
		SELECT 1
		FROM adminkit_automation_step s
		JOIN adminkit_automation_run r ON r.tenant = s.tenant AND r.id = s.run_id
		WHERE s.tenant = g.tenant AND s.wait_key = g.wait_key AND s.wait_key <> '' AND r.status = 'waiting' AND r.wait_key = g.wait_key)
	ORDER BY g.at, g.wait_key, g.id LIMIT $3`+s.Dialect().SkipLocked+`)
DELETE FROM adminkit_automation_signal WHERE tenant = $1 AND (wait_key, id) IN (SELECT wait_key, id FROM old)`,
		tenant, before, limit)
}

func (s *automationStore) PruneRuns(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	limit, err := storage.Limit(limit)
	if err != nil {
		return 0, err
	}
	var ids []string
	err = write(ctx, s, func(ctx context.Context, conn storage.Conn) (err error) {
		ids, err = scanAll(ctx, conn, scanID, `
SELECT id
FROM adminkit_automation_run
WHERE tenant = $1 AND ended_at <> 0 AND ended_at < $2 AND status NOT IN ('running', 'waiting', 'pending')
ORDER BY ended_at, id LIMIT $3`+s.Dialect().SkipLocked,
			tenant, micros(before), limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		in, list := s.Dialect().In(2), s.Dialect().List(ids)
		for _, statement := range []string{
			`DELETE FROM adminkit_automation_attempt WHERE tenant = $1 AND run_id ` + in,
			`DELETE FROM adminkit_automation_step WHERE tenant = $1 AND run_id ` + in,
			`DELETE FROM adminkit_automation_run WHERE tenant = $1 AND id ` + in,
		} {
			if _, err := conn.Exec(ctx, statement, tenant, list); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(ids), nil
}

// PruneEvents asks for runs in two parts, since each has an index.
func (s *automationStore) PruneEvents(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	return s.deleteOld(ctx, `
WITH old AS MATERIALIZED (
	SELECT e.event_key
	FROM adminkit_automation_event e
	WHERE e.tenant = $1 AND e.created_at < $2
		AND NOT EXISTS (SELECT 1 FROM adminkit_automation_run r WHERE r.tenant = e.tenant AND r.event_key = e.event_key AND r.parent_id = '')
		AND NOT EXISTS (SELECT 1 FROM adminkit_automation_run r WHERE r.tenant = e.tenant AND r.event_key = e.event_key AND r.parent_id <> '')
	ORDER BY e.created_at, e.event_key LIMIT $3`+s.Dialect().SkipLocked+`)
DELETE FROM adminkit_automation_event WHERE tenant = $1 AND event_key IN (SELECT event_key FROM old)`,
		tenant, before, limit)
}

func (s *automationStore) PruneVersions(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	return s.deleteOld(ctx, `
WITH old AS MATERIALIZED (
	SELECT v.rule_id, v.number
	FROM adminkit_automation_version v
	WHERE v.tenant = $1
		AND v.number < (SELECT u.version FROM adminkit_automation_rule u WHERE u.tenant = v.tenant AND u.id = v.rule_id)
		AND EXISTS (
			SELECT 1 FROM adminkit_automation_version n
			WHERE n.tenant = v.tenant AND n.rule_id = v.rule_id AND n.number > v.number AND n.created_at < $2)
		AND NOT EXISTS (
			SELECT 1 FROM adminkit_automation_run r
			WHERE r.tenant = v.tenant AND r.rule_id = v.rule_id AND r.rule_version = v.number)
	ORDER BY v.created_at, v.rule_id, v.number LIMIT $3`+s.Dialect().SkipLocked+`)
DELETE FROM adminkit_automation_version WHERE tenant = $1 AND (rule_id, number) IN (SELECT rule_id, number FROM old)`,
		tenant, before, limit)
}
