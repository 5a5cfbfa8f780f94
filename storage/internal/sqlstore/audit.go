package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// Audit returns the store of audit records.
func (s *Stores) Audit() audit.Store { return &auditStore{DB: s.db} }

type auditStore struct{ DB }

const insertAudit = `
INSERT INTO adminkit_audit_event (
	tenant, source, id, event_time, recorded_at, action, category, outcome,
	actor_id, acting_as, resource_type, resource_id, source_ip, request_id,
	trace_id, link_trace_id, leaf, record
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (tenant, source, id) DO NOTHING`

func (s *auditStore) Insert(ctx context.Context, tenant string, rows ...audit.Row) error {
	conn, err := s.Conn(ctx)
	if errors.Is(err, storage.ErrNoTx) {
		return s.InTx(ctx, func(ctx context.Context) error { return s.Insert(ctx, tenant, rows...) })
	}
	if err != nil {
		return err
	}
	if s.Dialect().Postgres && len(rows) > 1 {
		return insertAuditBatch(ctx, conn, tenant, rows)
	}
	for _, r := range rows {
		n, err := conn.Exec(ctx, insertAudit,
			tenant, r.Source, r.ID, micros(r.Time), micros(r.RecordedAt), r.Action, string(r.Category), string(r.Outcome),
			r.ActorID, r.ActingAs, r.ResourceType, r.ResourceID, r.SourceIP, r.RequestID,
			r.TraceID, r.LinkTraceID, r.Leaf[:], r.Canonical)
		if err != nil {
			return err
		}
		if n == 0 {
			if err := sameAudit(ctx, conn, tenant, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertAuditBatch is Insert in one statement, for Postgres, where each costs a round trip.
// seq is given in the order of the rows.
func insertAuditBatch(ctx context.Context, conn storage.Conn, tenant string, rows []audit.Row) error {
	text := func(of func(r audit.Row) string) []string {
		list := make([]string, len(rows))
		for i, r := range rows {
			list[i] = of(r)
		}
		return list
	}
	times, recorded := make([]int64, len(rows)), make([]int64, len(rows))
	leaves, records := make([][]byte, len(rows)), make([][]byte, len(rows))
	for i, r := range rows {
		times[i], recorded[i] = micros(r.Time), micros(r.RecordedAt)
		leaves[i], records[i] = r.Leaf[:], r.Canonical
	}
	sources, ids := text(func(r audit.Row) string { return r.Source }), text(func(r audit.Row) string { return r.ID })
	n, err := conn.Exec(ctx, `
INSERT INTO adminkit_audit_event (
	tenant, source, id, event_time, recorded_at, action, category, outcome,
	actor_id, acting_as, resource_type, resource_id, source_ip, request_id,
	trace_id, link_trace_id, leaf, record
)
SELECT $1, x.source, x.id, x.event_time, x.recorded_at, x.action, x.category, x.outcome,
	x.actor_id, x.acting_as, x.resource_type, x.resource_id, x.source_ip, x.request_id,
	x.trace_id, x.link_trace_id, x.leaf, x.record
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[],
	$9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
	$15::text[], $16::text[], $17::bytea[], $18::bytea[])
	WITH ORDINALITY AS x (source, id, event_time, recorded_at, action, category, outcome,
		actor_id, acting_as, resource_type, resource_id, source_ip, request_id,
		trace_id, link_trace_id, leaf, record, number)
ORDER BY x.number
ON CONFLICT (tenant, source, id) DO NOTHING`,
		tenant, sources, ids, times, recorded,
		text(func(r audit.Row) string { return r.Action }),
		text(func(r audit.Row) string { return string(r.Category) }),
		text(func(r audit.Row) string { return string(r.Outcome) }),
		text(func(r audit.Row) string { return r.ActorID }),
		text(func(r audit.Row) string { return r.ActingAs }),
		text(func(r audit.Row) string { return r.ResourceType }),
		text(func(r audit.Row) string { return r.ResourceID }),
		text(func(r audit.Row) string { return r.SourceIP }),
		text(func(r audit.Row) string { return r.RequestID }),
		text(func(r audit.Row) string { return r.TraceID }),
		text(func(r audit.Row) string { return r.LinkTraceID }),
		leaves, records)
	if err != nil || n == int64(len(rows)) {
		return err
	}
	return sameAuditBatch(ctx, conn, tenant, sources, ids, leaves)
}

// sameAuditBatch is sameAudit for the rows of a batch.
func sameAuditBatch(ctx context.Context, conn storage.Conn, tenant string, sources, ids []string, leaves [][]byte) error {
	var other bool
	err := storage.QueryRow(ctx, conn, `
SELECT EXISTS (
	SELECT 1 FROM unnest($2::text[], $3::text[], $4::bytea[]) AS x (source, id, leaf)
	JOIN adminkit_audit_event e ON e.tenant = $1 AND e.source = x.source COLLATE "C" AND e.id = x.id COLLATE "C"
	WHERE e.leaf <> x.leaf)`,
		[]any{tenant, sources, ids, leaves}, &other)
	if err == nil && other {
		err = storage.ErrConflict
	}
	return err
}

// sameAudit answers storage.ErrConflict where the record under the key of r is
// another one. ON CONFLICT has waited for whoever wrote it, so that it is committed
// or our own.
func sameAudit(ctx context.Context, conn storage.Conn, tenant string, r audit.Row) error {
	old, err := getAudit(ctx, conn, tenant, r.Source, r.ID)
	if err != nil {
		return err
	}
	if old.Leaf != r.Leaf {
		return storage.ErrConflict
	}
	return nil
}

func (s *auditStore) Get(ctx context.Context, tenant, source, id string) (audit.Record, error) {
	conn, err := s.Reader(ctx)
	if err != nil {
		return audit.Record{}, err
	}
	return getAudit(ctx, conn, tenant, source, id)
}

func getAudit(ctx context.Context, conn storage.Conn, tenant, source, id string) (audit.Record, error) {
	var r audit.Record
	var recorded int64
	var leaf []byte
	err := storage.QueryRow(ctx, conn, `
SELECT recorded_at, leaf, record FROM adminkit_audit_event
WHERE tenant = $1 AND source = $2 AND id = $3`,
		[]any{tenant, source, id}, &recorded, &leaf, &r.Canonical)
	if err != nil {
		return audit.Record{}, err
	}
	copy(r.Leaf[:], leaf)
	r.RecordedAt = fromMicros(recorded)
	return r, nil
}

// Recorded holds the key until the transaction ends. Who asks is about to make the
// change, and an equal record of another transaction would be taken for its own.
func (s *auditStore) Recorded(ctx context.Context, tenant, source, id string) (bool, error) {
	conn, err := s.Conn(ctx)
	switch {
	case errors.Is(err, storage.ErrNoTx):
		conn, err = s.Reader(ctx)
	case err == nil && s.Dialect().Postgres: // elsewhere transactions that write take turns
		_, err = conn.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockKey("adminkit_audit_event", tenant, source, id))
	}
	if err != nil {
		return false, err
	}
	var one int
	err = storage.QueryRow(ctx, conn, `
SELECT 1 FROM adminkit_audit_event
WHERE tenant = $1 AND source = $2 AND id = $3`,
		[]any{tenant, source, id}, &one)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// The statement of a list: a head, the filters, one of two conditions on the trace,
// and the end that fits the order. Parameters 1 to 10 are the filters, those from 11
// on belong to the end.
//
// The position of a row is two columns. In the order of time they are the time and
// seq. In the order of recording they are seq alone on SQLite, where one writer
// makes that the order of commits, and the transaction's turn (the column xid) with seq
// on Postgres: seq alone would skip the rows of a transaction that commits late.
const (
	// Named position, because ORDER BY would take an output column of its name, which
	// is text, for the column it means.
	auditHeadTime     = `SELECT CAST(event_time AS TEXT) AS position, seq, recorded_at, leaf, record`
	auditHeadSQLite   = `SELECT '0' AS position, seq, recorded_at, leaf, record`
	auditHeadPostgres = `SELECT CAST(xid AS TEXT) AS position, seq, recorded_at, leaf, record`

	auditFilters = `
FROM adminkit_audit_event
WHERE tenant = $1
AND ($2 = '' OR actor_id = $2 OR acting_as = $2)
AND ($3 = '' OR action = $3)
AND ($4 = '' OR resource_type = $4)
AND ($5 = '' OR resource_id = $5)
AND ($6 = '' OR category = $6)
AND ($7 = '' OR outcome = $7)
AND ($8 = '' OR source_ip = $8)
AND ($9 = '' OR request_id = $9)`

	auditAnyTrace = `
AND $10 = ''`
	auditTrace = `
AND (trace_id = $10 OR (link_trace_id <> '' AND link_trace_id = $10))`

	auditTimeUp = `
AND event_time >= $11 AND event_time < $12 AND (event_time, seq) > ($13, $14)
ORDER BY event_time, seq LIMIT $15`
	auditTimeDown = `
AND event_time >= $11 AND event_time < $12 AND (event_time, seq) < ($13, $14)
ORDER BY event_time DESC, seq DESC LIMIT $15`

	auditSQLiteUp = `
AND recorded_at >= $11 AND seq > $12
ORDER BY seq LIMIT $13`
	auditSQLiteDown = `
AND recorded_at >= $11 AND seq < $12
ORDER BY seq DESC LIMIT $13`

	auditPostgresUp = `
AND recorded_at >= $11 AND (xid, seq) > (CAST(CAST($12 AS TEXT) AS xid8), $13)
ORDER BY xid, seq LIMIT $14`
	auditPostgresDown = `
AND recorded_at >= $11 AND (xid, seq) < (CAST(CAST($12 AS TEXT) AS xid8), $13)
ORDER BY xid DESC, seq DESC LIMIT $14`
	// What is below the turn of the oldest running transaction is complete: nothing can
	// be committed before it any more. The greatest shift is that of the server's present
	// run, unless nothing was recorded in it yet.
	auditPostgresPoll = `
AND xid < (
	SELECT CAST(CAST(CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT) + COALESCE(MAX(shift), 0) AS TEXT) AS xid8)
	FROM adminkit_audit_run
)`
)

func (s *auditStore) List(ctx context.Context, tenant string, q audit.Query) (storage.Page[audit.Record], error) {
	var page storage.Page[audit.Record]
	at, err := auditPositionOf(q)
	if err != nil {
		return page, err
	}
	conn, err := s.Reader(ctx)
	if err != nil {
		return page, err
	}
	query, args := s.list(tenant, q, at)
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return page, err
	}
	defer rows.Close()
	more := false
	for rows.Next() {
		if more = len(page.Items) == q.Limit; more {
			break
		}
		var r audit.Record
		var recorded int64
		var leaf []byte
		if err := rows.Scan(&at.major, &at.seq, &recorded, &leaf, &r.Canonical); err != nil {
			return page, fmt.Errorf("scan an audit record: %w", err)
		}
		copy(r.Leaf[:], leaf)
		r.Canonical = bytes.Clone(r.Canonical)
		r.RecordedAt = fromMicros(recorded)
		page.Items = append(page.Items, r)
	}
	if err := rows.Err(); err != nil {
		return storage.Page[audit.Record]{}, err
	}
	if more || q.Order() == audit.Polled {
		page.Next = storage.NewCursor(q.ListName(), at.major, strconv.FormatInt(at.seq, 10))
	}
	return page, rows.Close()
}

// list composes the statement of q and its arguments.
func (s *auditStore) list(tenant string, q audit.Query, at auditPosition) (string, []any) {
	args := []any{
		tenant, q.Actor, q.Action, q.ResourceType, q.ResourceID, string(q.Category), string(q.Outcome),
		q.SourceIP, q.RequestID, q.TraceID,
	}
	where := auditFilters + auditAnyTrace
	if q.TraceID != "" {
		where = auditFilters + auditTrace
	}
	postgres := s.Dialect().Postgres
	if q.Order() == audit.Polled && postgres {
		where += auditPostgresPoll
	}
	pick := func(up, down string) string {
		if q.Descending {
			return down
		}
		return up
	}
	limit := q.Limit + 1
	switch {
	case q.Order() == audit.ByTime:
		us, _ := strconv.ParseInt(at.major, 10, 64)
		return auditHeadTime + where + pick(auditTimeUp, auditTimeDown),
			append(args, micros(q.Since), micros(q.Until), us, at.seq, limit)
	case postgres:
		return auditHeadPostgres + where + pick(auditPostgresUp, auditPostgresDown),
			append(args, micros(q.Since), at.major, at.seq, limit)
	default:
		return auditHeadSQLite + where + pick(auditSQLiteUp, auditSQLiteDown),
			append(args, micros(q.Since), at.seq, limit)
	}
}

// An auditPosition is a place in a list: a time in microseconds or an xid, both in
// decimal digits, and seq.
type auditPosition struct {
	major string
	seq   int64
}

// auditPositionOf is the place that q continues behind: its cursor, else just
// outside of the end that the list begins at.
func auditPositionOf(q audit.Query) (auditPosition, error) {
	key, err := q.After.Key(q.ListName(), 2)
	if err != nil {
		return auditPosition{}, err
	}
	if key != nil {
		_, err1 := strconv.ParseUint(key[0], 10, 64)
		seq, err2 := strconv.ParseInt(key[1], 10, 64)
		if err1 != nil || err2 != nil {
			return auditPosition{}, storage.ErrBadCursor
		}
		return auditPosition{key[0], seq}, nil
	}
	switch {
	case q.Order() == audit.ByTime && q.Descending:
		return auditPosition{strconv.FormatInt(micros(q.Until), 10), 0}, nil
	case q.Order() == audit.ByTime:
		return auditPosition{strconv.FormatInt(micros(q.Since), 10), 0}, nil
	case q.Descending:
		return auditPosition{strconv.FormatUint(math.MaxUint64, 10), math.MaxInt64}, nil
	}
	return auditPosition{"0", 0}, nil
}
