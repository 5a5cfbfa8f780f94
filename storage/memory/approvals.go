package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// Approvals returns the store of change requests.
func (b *Backend) Approvals() approvals.Store { return approvalsStore{b} }

type approvalsStore struct{ *Backend }

var _ approvals.Store = approvalsStore{}

type (
	// A requestRow is a request with its tab and the key it is open under, empty where
	// it has none.
	requestRow struct {
		approvals.Request
		tab     approvals.Tab
		openKey string
	}
	revisionRow struct {
		tenant, request string
		approvals.Revision
	}
	decisionRow struct {
		tenant, request string
		seq             int64
		approvals.Decision
	}
	stepRow struct {
		tenant, request string
		approvals.Step
	}
	grantRow struct {
		tenant string
		approvals.Grant
		consumedAt time.Time
	}
)

var requestTable = table[requestRow]{
	func(a, b *requestRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *requestRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.tab, b.tab),
			a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *requestRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.openKey, b.openKey), cmp.Compare(a.ID, b.ID))
	},
}

const (
	requestsByTab  = 1
	requestsByOpen = 2
)

var revisionTable = table[revisionRow]{
	func(a, b *revisionRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.request, b.request), cmp.Compare(a.Number, b.Number))
	},
}

var decisionTable = table[decisionRow]{
	func(a, b *decisionRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.request, b.request), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *decisionRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.request, b.request), cmp.Compare(a.seq, b.seq))
	},
}

const decisionsBySeq = 1

var stepTable = table[stepRow]{
	func(a, b *stepRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.request, b.request), cmp.Compare(a.Seq, b.Seq))
	},
	func(a, b *stepRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.TraceID, b.TraceID), cmp.Compare(a.request, b.request), cmp.Compare(a.Seq, b.Seq))
	},
	func(a, b *stepRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.LinkID, b.LinkID), cmp.Compare(a.request, b.request), cmp.Compare(a.Seq, b.Seq))
	},
}

const (
	stepsByTrace = 1
	stepsByLink  = 2
)

var grantTable = table[grantRow]{
	func(a, b *grantRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.RequestID, b.RequestID), cmp.Compare(a.Revision, b.Revision))
	},
}

func (s approvalsStore) Save(ctx context.Context, tenant string, w approvals.Write) error {
	return s.write(ctx, "approvals.Save", func(v view) error {
		row := requestRow{Request: copyRequest(w.Request), tab: w.Request.State.Tab()}
		row.Tenant = tenant
		if row.State.Open() {
			row.openKey = row.DedupeKey
			if other, ok := openRequest(v, tenant, row.openKey); ok && other.ID != row.ID {
				return storage.ErrConflict
			}
		}
		old, exists := requestTable.get(v, row)
		if exists != (row.Version > 1) || exists && old.Version != row.Version-1 {
			return storage.ErrConflict
		}
		requestTable.put(v, row)
		return saveWith(v, tenant, row.ID, w)
	})
}

// saveWith inserts what comes with a request.
func saveWith(v view, tenant, request string, w approvals.Write) error {
	step := w.Step
	step.At, step.Actor = stored(step.At), copyActor(step.Actor)
	if err := stepTable.insert(v, stepRow{tenant, request, step}); err != nil {
		return err
	}
	if w.Revision != nil {
		if err := revisionTable.insert(v, revisionRow{tenant, request, copyRevision(*w.Revision)}); err != nil {
			return err
		}
	}
	if w.Decision != nil {
		if err := decisionTable.insert(v, decisionRow{tenant, request, step.Seq, copyDecision(*w.Decision)}); err != nil {
			return err
		}
	}
	if w.Grant != nil {
		g := *w.Grant
		g.RequestID, g.At = request, stored(g.At)
		return grantTable.insert(v, grantRow{tenant: tenant, Grant: g})
	}
	return nil
}

func openRequest(v view, tenant, key string) (requestRow, bool) {
	from := requestRow{Request: approvals.Request{Tenant: tenant}, openKey: key}
	for r := range requestTable.ascend(v, requestsByOpen, from) {
		return r, r.Tenant == tenant && r.openKey == key
	}
	return requestRow{}, false
}

func (s approvalsStore) Get(ctx context.Context, tenant, id string) (r approvals.Request, err error) {
	err = s.read(ctx, "approvals.Get", func(v view) error {
		r, err = getRequest(v, tenant, id)
		return err
	})
	return r, err
}

func getRequest(v view, tenant, id string) (approvals.Request, error) {
	row, ok := requestTable.get(v, requestRow{Request: approvals.Request{Tenant: tenant, ID: id}})
	if !ok {
		return approvals.Request{}, storage.ErrNotFound
	}
	return copyRequest(row.Request), nil
}

// Lock is Get: transactions run one at a time.
func (s approvalsStore) Lock(ctx context.Context, tenant, id string) (r approvals.Request, err error) {
	if t, err := s.current(ctx); t == nil {
		return r, cmp.Or(err, storage.ErrNoTx)
	}
	err = s.read(ctx, "approvals.Lock", func(v view) error {
		r, err = getRequest(v, tenant, id)
		return err
	})
	return r, err
}

func (s approvalsStore) Open(ctx context.Context, tenant, dedupeKey string) (r approvals.Request, err error) {
	err = s.read(ctx, "approvals.Open", func(v view) error {
		row, ok := openRequest(v, tenant, dedupeKey)
		if !ok {
			return storage.ErrNotFound
		}
		r = copyRequest(row.Request)
		return nil
	})
	return r, err
}

func (s approvalsStore) History(ctx context.Context, tenant, id string) (h approvals.History, err error) {
	err = s.read(ctx, "approvals.History", func(v view) error {
		for r := range revisionTable.ascend(v, 0, revisionRow{tenant: tenant, request: id}) {
			if r.tenant != tenant || r.request != id {
				break
			}
			h.Revisions = append(h.Revisions, copyRevision(r.Revision))
		}
		for d := range decisionTable.ascend(v, decisionsBySeq, decisionRow{tenant: tenant, request: id}) {
			if d.tenant != tenant || d.request != id {
				break
			}
			h.Decisions = append(h.Decisions, copyDecision(d.Decision))
		}
		for t := range stepTable.ascend(v, 0, stepRow{tenant: tenant, request: id}) {
			if t.tenant != tenant || t.request != id {
				break
			}
			t.Actor = copyActor(t.Actor)
			h.Steps = append(h.Steps, t.Step)
		}
		return nil
	})
	return h, err
}

func (s approvalsStore) List(ctx context.Context, tenant string, q approvals.StoreQuery) (found []approvals.Request, err error) {
	plan, err := q.Plan()
	if err != nil {
		return nil, err
	}
	from := requestRow{Request: approvals.Request{Tenant: tenant}, tab: q.Tab}
	from.CreatedAt, from.ID = begin(plan)
	err = s.read(ctx, "approvals.List", func(v view) error {
		found = pageOf(requestTable, v, requestsByTab, from, plan, func(r requestRow) (approvals.Request, bool) {
			return r.Request, r.Tenant == tenant && r.tab == q.Tab
		}).Items
		for i, r := range found {
			found[i] = copyRequest(r)
		}
		return nil
	})
	return found, err
}

func (s approvalsStore) Counts(ctx context.Context, tenant string) (counts map[approvals.Tab]int, err error) {
	counts = map[approvals.Tab]int{}
	err = s.read(ctx, "approvals.Counts", func(v view) error {
		for r := range requestTable.ascend(v, 0, requestRow{Request: approvals.Request{Tenant: tenant}}) {
			if r.Tenant != tenant {
				break
			}
			if r.tab != "" {
				counts[r.tab]++
			}
		}
		return nil
	})
	return counts, err
}

func (s approvalsStore) Trace(ctx context.Context, tenant, traceID string) (found []approvals.TracedStep, err error) {
	err = s.read(ctx, "approvals.Trace", func(v view) error {
		if traceID == "" {
			return nil
		}
		add := func(t stepRow) error {
			r, err := getRequest(v, tenant, t.request)
			t.Actor = copyActor(t.Actor)
			found = append(found, approvals.TracedStep{Step: t.Step, Request: r})
			return err
		}
		for t := range stepTable.ascend(v, stepsByTrace, stepRow{tenant: tenant, Step: approvals.Step{TraceID: traceID}}) {
			if t.tenant != tenant || t.TraceID != traceID {
				break
			}
			if err := add(t); err != nil {
				return err
			}
		}
		for t := range stepTable.ascend(v, stepsByLink, stepRow{tenant: tenant, Step: approvals.Step{LinkID: traceID}}) {
			if t.tenant != tenant || t.LinkID != traceID {
				break
			}
			if t.TraceID == traceID {
				continue
			}
			if err := add(t); err != nil {
				return err
			}
		}
		slices.SortFunc(found, func(a, b approvals.TracedStep) int {
			return cmp.Or(a.Step.At.Compare(b.Step.At), cmp.Compare(a.Request.ID, b.Request.ID), cmp.Compare(a.Step.Seq, b.Step.Seq))
		})
		return nil
	})
	return found, err
}

func (s approvalsStore) Consume(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
	return s.write(ctx, "approvals.Consume", func(v view) error {
		row, ok := grantTable.get(v, grantRow{tenant: tenant, Grant: g})
		if !ok || !row.consumedAt.IsZero() || row.ContentHash != g.ContentHash || row.EventID != g.EventID {
			return storage.ErrConflict
		}
		row.consumedAt = stored(at)
		grantTable.put(v, row)
		return nil
	})
}

func copyRequest(r approvals.Request) approvals.Request {
	r.Metadata, r.Output = bytes.Clone(r.Metadata), bytes.Clone(r.Output)
	r.Content = copyContent(r.Content)
	r.Requester = copyActor(r.Requester)
	r.Authors = copyActors(r.Authors)
	r.Policy = copyPolicy(r.Policy)
	r.Stages = slices.Clone(r.Stages)
	for i := range r.Stages {
		r.Stages[i].ApprovedBy = copyActors(r.Stages[i].ApprovedBy)
		r.Stages[i].OpenedAt = stored(r.Stages[i].OpenedAt)
		r.Stages[i].Reason.Detail = ""
	}
	r.Cause.Rules = slices.Clone(r.Cause.Rules)
	r.Cause.Reason.Detail = "" // not encoded, so that no store keeps it
	if r.Failure != nil {
		f := *r.Failure
		r.Failure = &f
	}
	r.SubmittedAt, r.CreatedAt, r.UpdatedAt, r.TimeoutAt = stored(r.SubmittedAt), stored(r.CreatedAt), stored(r.UpdatedAt), stored(r.TimeoutAt)
	return r
}

func copyPolicy(p approvals.Policy) approvals.Policy {
	p.CommentRequired = slices.Clone(p.CommentRequired)
	p.CancelRoles = slices.Clone(p.CancelRoles)
	p.Stages = slices.Clone(p.Stages)
	for i := range p.Stages {
		p.Stages[i].Roles = slices.Clone(p.Stages[i].Roles)
		p.Stages[i].Users = slices.Clone(p.Stages[i].Users)
		if when := p.Stages[i].When; when != nil {
			c := copyCondition(*when)
			p.Stages[i].When = &c
		}
	}
	return p
}

func copyCondition(c targeting.Condition) targeting.Condition {
	for _, group := range []*[]targeting.Condition{&c.All, &c.Any, &c.None} {
		*group = slices.Clone(*group)
		for i, member := range *group {
			(*group)[i] = copyCondition(member)
		}
	}
	if c.Bucket != nil {
		b := *c.Bucket
		b.By = slices.Clone(b.By)
		c.Bucket = &b
	}
	return c
}

func copyContent(c approvals.Content) approvals.Content {
	c.Payload, c.Before, c.After = bytes.Clone(c.Payload), bytes.Clone(c.Before), bytes.Clone(c.After)
	return c
}

func copyRevision(v approvals.Revision) approvals.Revision {
	v.Content, v.Editor, v.At = copyContent(v.Content), copyActor(v.Editor), stored(v.At)
	return v
}

func copyDecision(d approvals.Decision) approvals.Decision {
	d.Actor, d.At = copyActor(d.Actor), stored(d.At)
	return d
}

func copyActors(all []audit.Actor) []audit.Actor {
	all = slices.Clone(all)
	for i, a := range all {
		all[i] = copyActor(a)
	}
	return all
}

// copyActor keeps of a proof of identity what JSON keeps of it.
func copyActor(a audit.Actor) audit.Actor {
	if a.Authn != nil {
		authn := *a.Authn
		authn.At, authn.AMR = authn.At.UTC().Round(0), slices.Clone(authn.AMR)
		a.Authn = &authn
	}
	return a
}
