package mapstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/storage"
)

// An approvalStore is the approvals.Store of a Backend.
type approvalStore struct {
	*Backend
	requests table[tenantID, requestRow]
	// open has the id of the open request with a DedupeKey.
	open   table[tenantID, string]
	grants table[grantKey, grantRow]
}

// A requestRow is a request with what happened to it.
type requestRow struct {
	approvals.Request
	History approvals.History
}

type grantKey struct {
	tenant, request string
	revision        int
}

// A grantRow is a grant, and when it was used.
type grantRow struct {
	approvals.Grant
	Used   bool
	UsedAt time.Time
}

var _ approvals.Store = (*approvalStore)(nil)

// Approvals returns the store of change requests.
func (b *Backend) Approvals() approvals.Store { return b.approvals }

// Save implements approvals.Store.
func (s *approvalStore) Save(ctx context.Context, tenant string, w approvals.Write) error {
	return s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, w.Request.ID}
		row, known := s.requests.get(t, k)
		if row.Version != w.Request.Version-1 { // none is at version 0
			return storage.ErrConflict
		}
		if known && row.State.Open() {
			s.open.delete(t, tenantID{tenant, row.DedupeKey})
		}
		row.Request = w.Request
		row.Tenant = tenant
		if row.State.Open() && row.DedupeKey != "" {
			dedupe := tenantID{tenant, row.DedupeKey}
			if s.open.has(t, dedupe) {
				return storage.ErrConflict
			}
			s.open.put(t, dedupe, row.ID)
		}
		if has(row.History, w) {
			return storage.ErrConflict
		}
		row.History.Steps = append(row.History.Steps, w.Step)
		if w.Revision != nil {
			row.History.Revisions = append(row.History.Revisions, *w.Revision)
		}
		if w.Decision != nil {
			row.History.Decisions = append(row.History.Decisions, *w.Decision)
		}
		if w.Grant != nil {
			key := grantKey{tenant, w.Request.ID, w.Grant.Revision}
			if s.grants.has(t, key) {
				return storage.ErrConflict
			}
			s.grants.put(t, key, grantRow{Grant: *w.Grant})
		}
		s.requests.put(t, k, row)
		return nil
	})
}

// has reports whether a request has a step, revision or decision of w already.
func has(h approvals.History, w approvals.Write) bool {
	return slices.ContainsFunc(h.Steps, func(st approvals.Step) bool { return st.Seq == w.Step.Seq }) ||
		w.Revision != nil && slices.ContainsFunc(h.Revisions, func(v approvals.Revision) bool { return v.Number == w.Revision.Number }) ||
		w.Decision != nil && slices.ContainsFunc(h.Decisions, func(d approvals.Decision) bool { return d.ID == w.Decision.ID })
}

// Get implements approvals.Store.
func (s *approvalStore) Get(ctx context.Context, tenant, id string) (approvals.Request, error) {
	row, err := get(ctx, s.Backend, &s.requests, tenantID{tenant, id}, false)
	return row.Request, err
}

// Lock implements approvals.Store.
func (s *approvalStore) Lock(ctx context.Context, tenant, id string) (approvals.Request, error) {
	row, err := get(ctx, s.Backend, &s.requests, tenantID{tenant, id}, true)
	return row.Request, err
}

// Open implements approvals.Store.
func (s *approvalStore) Open(ctx context.Context, tenant, dedupeKey string) (approvals.Request, error) {
	var request approvals.Request
	err := s.read(ctx, func(t *tx) error {
		id, ok := s.open.get(t, tenantID{tenant, dedupeKey})
		if !ok {
			return storage.ErrNotFound
		}
		row, _ := s.requests.get(t, tenantID{tenant, id})
		request = row.Request
		return nil
	})
	return request, err
}

// History implements approvals.Store.
func (s *approvalStore) History(ctx context.Context, tenant, id string) (approvals.History, error) {
	var history approvals.History
	err := s.read(ctx, func(t *tx) error {
		row, _ := s.requests.get(t, tenantID{tenant, id})
		history = row.History
		return nil
	})
	slices.SortStableFunc(history.Revisions, func(a, b approvals.Revision) int { return cmp.Compare(a.Number, b.Number) })
	return history, err
}

// List implements approvals.Store.
func (s *approvalStore) List(ctx context.Context, tenant string, q approvals.StoreQuery) ([]approvals.Request, error) {
	plan, err := q.Plan()
	if err != nil {
		return nil, err
	}
	var behind approvals.Request
	if q.After != nil {
		behind.CreatedAt, behind.ID = micro(q.After.CreatedAt), q.After.ID
	}
	rows, err := find(ctx, s.Backend, &s.requests, func(k tenantID, row requestRow) bool {
		return k.tenant == tenant && row.State.Tab() == q.Tab && plan.Match(row.Request) &&
			(q.After == nil || plan.Compare(row.Request, behind) > 0)
	})
	if err != nil {
		return nil, err
	}
	var found []approvals.Request
	for _, row := range rows {
		found = append(found, row.Request)
	}
	slices.SortFunc(found, plan.Compare)
	return first(found, q.Limit), nil
}

// Counts implements approvals.Store.
func (s *approvalStore) Counts(ctx context.Context, tenant string) (map[approvals.Tab]int, error) {
	rows, err := find(ctx, s.Backend, &s.requests, func(k tenantID, row requestRow) bool {
		return k.tenant == tenant && row.State.Tab() != ""
	})
	if err != nil {
		return nil, err
	}
	counts := make(map[approvals.Tab]int)
	for _, row := range rows {
		counts[row.State.Tab()]++
	}
	return counts, nil
}

// Trace implements approvals.Store.
func (s *approvalStore) Trace(ctx context.Context, tenant, traceID string) ([]approvals.TracedStep, error) {
	of := func(step approvals.Step) bool {
		return traceID != "" && (step.TraceID == traceID || step.LinkID == traceID)
	}
	rows, err := find(ctx, s.Backend, &s.requests, func(k tenantID, row requestRow) bool {
		return k.tenant == tenant && slices.ContainsFunc(row.History.Steps, of)
	})
	var traced []approvals.TracedStep
	for _, row := range rows {
		for _, step := range row.History.Steps {
			if of(step) {
				traced = append(traced, approvals.TracedStep{Step: step, Request: keep(row.Request)})
			}
		}
	}
	slices.SortFunc(traced, func(a, b approvals.TracedStep) int {
		return cmp.Or(a.Step.At.Compare(b.Step.At), strings.Compare(a.Request.ID, b.Request.ID), cmp.Compare(a.Step.Seq, b.Step.Seq))
	})
	return traced, err
}

// Consume implements approvals.Store.
func (s *approvalStore) Consume(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
	return s.write(ctx, func(t *tx) error {
		k := grantKey{tenant, g.RequestID, g.Revision}
		row, ok := s.grants.get(t, k)
		if !ok || row.Used || row.ContentHash != g.ContentHash || row.EventID != g.EventID {
			return storage.ErrConflict
		}
		row.Used, row.UsedAt = true, at
		s.grants.put(t, k, row)
		return nil
	})
}
