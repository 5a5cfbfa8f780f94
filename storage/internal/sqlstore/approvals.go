package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
)

// Approvals returns the store of change requests.
func (s *Stores) Approvals() approvals.Store { return approvalsStore{s.db} }

type approvalsStore struct{ db DB }

var _ approvals.Store = approvalsStore{}

// Save writes the request before all else: where it is not as expected, or has already what
// comes with it, nothing else was tried.
func (s approvalsStore) Save(ctx context.Context, tenant string, w approvals.Write) error {
	c, err := s.db.Conn(ctx)
	if errors.Is(err, storage.ErrNoTx) {
		return s.db.InTx(ctx, func(ctx context.Context) error { return s.Save(ctx, tenant, w) })
	}
	if err != nil {
		return err
	}
	if err := s.saveRequest(ctx, c, tenant, w); err != nil {
		return err
	}
	if err := insertStep(ctx, c, tenant, w.Request.ID, w.Step); err != nil {
		return err
	}
	if w.Revision != nil {
		if err := insertRevision(ctx, c, tenant, w.Request.ID, w.Revision); err != nil {
			return err
		}
	}
	if w.Decision != nil {
		if err := insertDecision(ctx, c, tenant, w.Request.ID, w.Step.Seq, w.Decision); err != nil {
			return err
		}
	}
	if w.Grant != nil {
		return insertGrant(ctx, c, tenant, w.Request.ID, w.Grant)
	}
	return nil
}

func (s approvalsStore) saveRequest(ctx context.Context, c storage.Conn, tenant string, w approvals.Write) error {
	r := w.Request
	origin, requester, authors, err := marshal3(r.Origin, r.Requester, r.Authors)
	if err != nil {
		return err
	}
	policy, stages, cause, err := marshal3(r.Policy, r.Stages, r.Cause)
	if err != nil {
		return err
	}
	var openKey, failure any
	if r.State.Open() {
		openKey = r.DedupeKey
	}
	if r.Failure != nil {
		if failure, err = json.Marshal(r.Failure); err != nil {
			return fmt.Errorf("encode failure: %w", err)
		}
	}
	values := []any{
		tenant, r.ID, string(r.State), string(r.State.Tab()), r.Revision, r.Version,
		r.Action, r.Resource.Type, r.Resource.ID, r.Resource.Name, r.EventID, r.Source, origin, orNull(r.Metadata),
		requester, authors, orNull(r.Payload), r.BaseRevision, orNull(r.Before), orNull(r.After), r.Reason, r.ContentHash,
		micros(r.SubmittedAt), r.PolicyName, policy, stages, cause, micros(r.CreatedAt), micros(r.UpdatedAt), micros(r.TimeoutAt),
		r.Trace.Traceparent(), r.Trace.State, r.PreviousID, r.DedupeKey, openKey, failure, orNull(r.Output), r.CausationID, r.Hops,
	}
	statement := insertRequest
	if r.Version != 1 {
		statement = updateRequest
		values = append(values, numbersOf(w)...)
	}
	n, err := c.Exec(ctx, statement, values...)
	if err != nil {
		return fmt.Errorf("save request: %w", err)
	}
	if n == 0 {
		return storage.ErrConflict
	}
	return nil
}

// numbersOf returns the keys of what comes with a request, nil for what does not: those of
// its step, revision, decision and grant.
func numbersOf(w approvals.Write) []any {
	numbers := []any{w.Step.Seq, nil, nil, nil}
	if w.Revision != nil {
		numbers[1] = w.Revision.Number
	}
	if w.Decision != nil {
		numbers[2] = w.Decision.ID
	}
	if w.Grant != nil {
		numbers[3] = w.Grant.Revision
	}
	return numbers
}

// Both keys of the table may be taken, and neither shall spoil the transaction.
const insertRequest = `
INSERT INTO adminkit_approvals_request (
	tenant, id, state, tab, revision, version,
	action, resource_type, resource_id, resource_name, event_id, source, origin, metadata,
	requester, authors, payload, base_revision, before_doc, after_doc, reason, content_hash,
	submitted_at, policy_name, policy, stages, cause, created_at, updated_at, timeout_at,
	traceparent, tracestate, previous_id, dedupe_key, open_key, failure, output, causation_id, hops
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
	$21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39)
ON CONFLICT DO NOTHING`

// What was fixed when the request was made is set again to the same, so that both
// statements take the same parameters. This one has those of numbersOf behind them: a key
// that is taken shall not spoil the transaction either. Nobody takes one meanwhile who does
// not change the version.
const updateRequest = `
UPDATE adminkit_approvals_request SET
	state = $3, tab = $4, revision = $5, version = $6,
	action = $7, resource_type = $8, resource_id = $9, resource_name = $10, event_id = $11, source = $12, origin = $13, metadata = $14,
	requester = $15, authors = $16, payload = $17, base_revision = $18, before_doc = $19, after_doc = $20, reason = $21, content_hash = $22,
	submitted_at = $23, policy_name = $24, policy = $25, stages = $26, cause = $27, created_at = $28, updated_at = $29, timeout_at = $30,
	traceparent = $31, tracestate = $32, previous_id = $33, dedupe_key = $34, open_key = $35, failure = $36, output = $37, causation_id = $38, hops = $39
WHERE tenant = $1 AND id = $2 AND version = $6 - 1
AND NOT EXISTS (
	SELECT 1 FROM adminkit_approvals_request other
	WHERE other.tenant = $1 AND other.open_key = $35 AND other.id <> $2
)
AND NOT EXISTS (SELECT 1 FROM adminkit_approvals_step WHERE tenant = $1 AND request_id = $2 AND seq = $40)
AND NOT EXISTS (SELECT 1 FROM adminkit_approvals_revision WHERE tenant = $1 AND request_id = $2 AND number = $41)
AND NOT EXISTS (SELECT 1 FROM adminkit_approvals_decision WHERE tenant = $1 AND request_id = $2 AND id = $42)
AND NOT EXISTS (SELECT 1 FROM adminkit_approvals_grant WHERE tenant = $1 AND request_id = $2 AND revision = $43)`

const selectRequest = `
SELECT id, state, revision, version,
	action, resource_type, resource_id, resource_name, event_id, source, origin, metadata,
	requester, authors, payload, base_revision, before_doc, after_doc, reason, content_hash,
	submitted_at, policy_name, policy, stages, cause, created_at, updated_at, timeout_at,
	traceparent, tracestate, previous_id, dedupe_key, failure, output, causation_id, hops
FROM adminkit_approvals_request`

func scanRequest(rows storage.Rows, tenant string) (approvals.Request, error) {
	r := approvals.Request{Tenant: tenant}
	var origin, requester, authors, policy, stages, cause, failure []byte
	var submitted, created, updated, timeout int64
	var traceparent, tracestate string
	err := rows.Scan(&r.ID, (*string)(&r.State), &r.Revision, &r.Version,
		&r.Action, &r.Resource.Type, &r.Resource.ID, &r.Resource.Name, &r.EventID, &r.Source, &origin, (*[]byte)(&r.Metadata),
		&requester, &authors, (*[]byte)(&r.Payload), &r.BaseRevision, (*[]byte)(&r.Before), (*[]byte)(&r.After), &r.Reason, &r.ContentHash,
		&submitted, &r.PolicyName, &policy, &stages, &cause, &created, &updated, &timeout,
		&traceparent, &tracestate, &r.PreviousID, &r.DedupeKey, &failure, (*[]byte)(&r.Output), &r.CausationID, &r.Hops)
	if err != nil {
		return r, fmt.Errorf("read request: %w", err)
	}
	r.SubmittedAt, r.CreatedAt, r.UpdatedAt, r.TimeoutAt = fromMicros(submitted), fromMicros(created), fromMicros(updated), fromMicros(timeout)
	r.Trace = parseTrace(traceparent, tracestate)
	for _, part := range []struct {
		raw  []byte
		into any
	}{
		{origin, &r.Origin}, {requester, &r.Requester}, {authors, &r.Authors},
		{policy, &r.Policy}, {stages, &r.Stages}, {cause, &r.Cause}, {failure, &r.Failure},
	} {
		if part.raw == nil {
			continue
		}
		if err := json.Unmarshal(part.raw, part.into); err != nil {
			return r, fmt.Errorf("read request: %w", err)
		}
	}
	return r, nil
}

func (s approvalsStore) Get(ctx context.Context, tenant, id string) (approvals.Request, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return approvals.Request{}, err
	}
	return oneRequest(ctx, c, tenant, selectRequest+`
WHERE tenant = $1 AND id = $2`, tenant, id)
}

func (s approvalsStore) Lock(ctx context.Context, tenant, id string) (approvals.Request, error) {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return approvals.Request{}, err
	}
	return oneRequest(ctx, c, tenant, selectRequest+`
WHERE tenant = $1 AND id = $2`+s.db.Dialect().ForUpdate, tenant, id)
}

func (s approvalsStore) Open(ctx context.Context, tenant, dedupeKey string) (approvals.Request, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return approvals.Request{}, err
	}
	return oneRequest(ctx, c, tenant, selectRequest+`
WHERE tenant = $1 AND open_key = $2`, tenant, dedupeKey)
}

// oneRequest returns the request that a query answers, or storage.ErrNotFound.
func oneRequest(ctx context.Context, c storage.Conn, tenant, query string, args ...any) (approvals.Request, error) {
	rs, err := scanAll(ctx, c, func(rows storage.Rows) (approvals.Request, error) { return scanRequest(rows, tenant) }, query, args...)
	if err != nil {
		return approvals.Request{}, err
	}
	if len(rs) == 0 {
		return approvals.Request{}, storage.ErrNotFound
	}
	return rs[0], nil
}

// requestsListed are the requests of the tenant $1 in the tab $2.
var requestsListed = listed{
	query: selectRequest + `
WHERE tenant = $1 AND tab = $2`,
	columns: map[string]string{
		"id": "id", "action": "action", "resource_type": "resource_type", "resource_id": "resource_id", "state": "state",
		"revision": "revision", "reason": "reason", "previous_id": "previous_id",
		"created_at": "created_at", "updated_at": "updated_at", "timeout_at": "timeout_at",
	},
	id: "id",
}

func (s approvalsStore) List(ctx context.Context, tenant string, q approvals.StoreQuery) ([]approvals.Request, error) {
	plan, err := q.Plan()
	if err != nil {
		return nil, err
	}
	found, err := page(ctx, s.db, requestsListed, plan, func(rows storage.Rows) (approvals.Request, error) { return scanRequest(rows, tenant) },
		tenant, string(q.Tab))
	return found.Items, err
}

func (s approvalsStore) Counts(ctx context.Context, tenant string) (map[approvals.Tab]int, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	counts := map[approvals.Tab]int{}
	_, err = scanAll(ctx, c, func(rows storage.Rows) (struct{}, error) {
		var tab string
		var n int
		err := rows.Scan(&tab, &n)
		counts[approvals.Tab(tab)] = n
		return struct{}{}, err
	}, `
SELECT tab, COUNT(*) FROM adminkit_approvals_request
WHERE tenant = $1 AND tab <> ''
GROUP BY tab`, tenant)
	return counts, err
}

func (s approvalsStore) History(ctx context.Context, tenant, id string) (h approvals.History, err error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return h, err
	}
	if h.Revisions, err = scanAll(ctx, c, scanRevision, `
SELECT number, payload, base_revision, before_doc, after_doc, reason, content_hash, editor, created_at
FROM adminkit_approvals_revision
WHERE tenant = $1 AND request_id = $2
ORDER BY number`, tenant, id); err != nil {
		return h, err
	}
	if h.Decisions, err = scanAll(ctx, c, scanDecision, `
SELECT id, revision, stage, choice, actor, comment, content_hash, decided_at, traceparent, tracestate
FROM adminkit_approvals_decision
WHERE tenant = $1 AND request_id = $2
ORDER BY seq`, tenant, id); err != nil {
		return h, err
	}
	var request string
	h.Steps, err = scanAll(ctx, c, scanStep(&request), `
SELECT request_id, seq, stepped_at, step_trigger, verb, from_state, to_state, revision, actor, comment, trace_id, link_id
FROM adminkit_approvals_step
WHERE tenant = $1 AND request_id = $2
ORDER BY seq`, tenant, id)
	return h, err
}

func (s approvalsStore) Trace(ctx context.Context, tenant, traceID string) ([]approvals.TracedStep, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	var request string
	scan := scanStep(&request)
	traced, err := scanAll(ctx, c, func(rows storage.Rows) (approvals.TracedStep, error) {
		step, err := scan(rows)
		return approvals.TracedStep{Step: step, Request: approvals.Request{ID: request}}, err
	}, `
SELECT request_id, seq, stepped_at, step_trigger, verb, from_state, to_state, revision, actor, comment, trace_id, link_id
FROM adminkit_approvals_step
WHERE tenant = $1 AND (trace_id = $2 OR (link_id <> '' AND link_id = $2))
ORDER BY stepped_at, request_id, seq`, tenant, traceID)
	if err != nil {
		return nil, err
	}
	known := map[string]approvals.Request{}
	for i, t := range traced {
		r, ok := known[t.Request.ID]
		if !ok {
			if r, err = s.Get(ctx, tenant, t.Request.ID); err != nil {
				return nil, err
			}
			known[r.ID] = r
		}
		traced[i].Request = r
	}
	return traced, nil
}

func (s approvalsStore) Consume(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
	c, err := s.db.Conn(ctx)
	if errors.Is(err, storage.ErrNoTx) {
		return s.db.InTx(ctx, func(ctx context.Context) error { return s.Consume(ctx, tenant, g, at) })
	}
	if err != nil {
		return err
	}
	n, err := c.Exec(ctx, `
UPDATE adminkit_approvals_grant SET consumed_at = $1
WHERE tenant = $2 AND request_id = $3 AND revision = $4 AND content_hash = $5 AND event_id = $6 AND consumed_at = 0`,
		micros(at), tenant, g.RequestID, g.Revision, g.ContentHash, g.EventID)
	if err != nil {
		return fmt.Errorf("consume grant: %w", err)
	}
	if n == 0 {
		return storage.ErrConflict
	}
	return nil
}

func insertRevision(ctx context.Context, c storage.Conn, tenant, request string, v *approvals.Revision) error {
	editor, err := json.Marshal(v.Editor)
	if err != nil {
		return fmt.Errorf("encode editor: %w", err)
	}
	if _, err := c.Exec(ctx, `
INSERT INTO adminkit_approvals_revision (
	tenant, request_id, number, payload, base_revision, before_doc, after_doc, reason, content_hash, editor, created_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		tenant, request, v.Number, orNull(v.Payload), v.BaseRevision, orNull(v.Before), orNull(v.After), v.Reason, v.ContentHash, editor, micros(v.At),
	); err != nil {
		return fmt.Errorf("insert revision: %w", err)
	}
	return nil
}

func scanRevision(rows storage.Rows) (v approvals.Revision, err error) {
	var editor []byte
	var at int64
	err = rows.Scan(&v.Number, (*[]byte)(&v.Payload), &v.BaseRevision, (*[]byte)(&v.Before), (*[]byte)(&v.After), &v.Reason, &v.ContentHash, &editor, &at)
	if err != nil {
		return v, fmt.Errorf("read revision: %w", err)
	}
	v.At = fromMicros(at)
	return v, unmarshalActor(editor, &v.Editor)
}

func insertDecision(ctx context.Context, c storage.Conn, tenant, request string, seq int64, d *approvals.Decision) error {
	actor, err := json.Marshal(d.Actor)
	if err != nil {
		return fmt.Errorf("encode actor: %w", err)
	}
	if _, err := c.Exec(ctx, `
INSERT INTO adminkit_approvals_decision (
	tenant, request_id, id, seq, revision, stage, choice, actor, comment, content_hash, decided_at, traceparent, tracestate
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		tenant, request, d.ID, seq, d.Revision, d.Stage, string(d.Choice), actor, d.Comment, d.ContentHash, micros(d.At), d.Trace.Traceparent(), d.Trace.State,
	); err != nil {
		return fmt.Errorf("insert decision: %w", err)
	}
	return nil
}

func scanDecision(rows storage.Rows) (d approvals.Decision, err error) {
	var actor []byte
	var at int64
	var traceparent, tracestate string
	err = rows.Scan(&d.ID, &d.Revision, &d.Stage, (*string)(&d.Choice), &actor, &d.Comment, &d.ContentHash, &at, &traceparent, &tracestate)
	if err != nil {
		return d, fmt.Errorf("read decision: %w", err)
	}
	d.At, d.Trace = fromMicros(at), parseTrace(traceparent, tracestate)
	return d, unmarshalActor(actor, &d.Actor)
}

func insertStep(ctx context.Context, c storage.Conn, tenant, request string, t approvals.Step) error {
	actor, err := json.Marshal(t.Actor)
	if err != nil {
		return fmt.Errorf("encode actor: %w", err)
	}
	if _, err := c.Exec(ctx, `
INSERT INTO adminkit_approvals_step (
	tenant, request_id, seq, stepped_at, step_trigger, verb, from_state, to_state, revision, actor, comment, trace_id, link_id
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		tenant, request, t.Seq, micros(t.At), string(t.Trigger), t.Verb, string(t.From), string(t.To), t.Revision, actor, t.Comment, t.TraceID, t.LinkID,
	); err != nil {
		return fmt.Errorf("insert step: %w", err)
	}
	return nil
}

// scanStep returns the scan of a step that leaves the id of its request in request.
func scanStep(request *string) func(storage.Rows) (approvals.Step, error) {
	return func(rows storage.Rows) (t approvals.Step, err error) {
		var actor []byte
		var at int64
		err = rows.Scan(request, &t.Seq, &at, (*string)(&t.Trigger), &t.Verb, (*string)(&t.From), (*string)(&t.To), &t.Revision, &actor, &t.Comment, &t.TraceID, &t.LinkID)
		if err != nil {
			return t, fmt.Errorf("read step: %w", err)
		}
		t.At = fromMicros(at)
		return t, unmarshalActor(actor, &t.Actor)
	}
}

func insertGrant(ctx context.Context, c storage.Conn, tenant, request string, g *approvals.Grant) error {
	if _, err := c.Exec(ctx, `
INSERT INTO adminkit_approvals_grant (tenant, request_id, revision, content_hash, event_id, granted_at, consumed_at)
VALUES ($1, $2, $3, $4, $5, $6, 0)`,
		tenant, request, g.Revision, g.ContentHash, g.EventID, micros(g.At),
	); err != nil {
		return fmt.Errorf("insert grant: %w", err)
	}
	return nil
}

func unmarshalActor(raw []byte, a *audit.Actor) error {
	if err := json.Unmarshal(raw, a); err != nil {
		return fmt.Errorf("read actor: %w", err)
	}
	return nil
}

// marshal3 encodes three composite columns.
func marshal3(a, b, c any) (ra, rb, rc []byte, err error) {
	for _, part := range []struct {
		v    any
		into *[]byte
	}{{a, &ra}, {b, &rb}, {c, &rc}} {
		if *part.into, err = json.Marshal(part.v); err != nil {
			return nil, nil, nil, fmt.Errorf("encode request: %w", err)
		}
	}
	return ra, rb, rc, nil
}

// orNull binds JSON, and NULL where there is none.
func orNull(raw json.RawMessage) any {
	if raw == nil {
		return nil
	}
	return []byte(raw)
}

// parseTrace reads back what Traceparent wrote.
func parseTrace(traceparent, tracestate string) correlation.Trace {
	t, _ := correlation.Parse(traceparent)
	t.State = tracestate
	return t
}
