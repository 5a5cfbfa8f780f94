package memory

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"math"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// An auditRow is an event under its place in the order of recording. Transactions
// run one at a time, so that this order is the order of commits.
type auditRow struct {
	audit.Row
	Tenant string
	Seq    int64
}

var auditTable = table[auditRow]{
	func(a, b *auditRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *auditRow) int { return cmp.Compare(a.Seq, b.Seq) },
	func(a, b *auditRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Seq, b.Seq))
	},
	func(a, b *auditRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq))
	},
}

const (
	auditBySeq       = 1
	auditByTenantSeq = 2
	auditByTime      = 3
)

type auditStore struct{ *Backend }

// Audit returns the store of audit records.
func (b *Backend) Audit() audit.Store { return auditStore{b} }

func (s auditStore) Insert(ctx context.Context, tenant string, rows ...audit.Row) error {
	return s.write(ctx, "audit.Insert", func(v view) error {
		last, _ := auditTable.last(v, auditBySeq)
		for _, row := range rows {
			r := auditRow{Row: row, Tenant: tenant, Seq: last.Seq + 1}
			if old, ok := auditTable.get(v, r); ok {
				if old.Leaf != r.Leaf {
					return storage.ErrConflict
				}
				continue
			}
			r.Canonical = bytes.Clone(r.Canonical)
			r.Time, r.RecordedAt = stored(r.Time), stored(r.RecordedAt)
			if err := auditTable.insert(v, r); err != nil {
				return err
			}
			last = r
		}
		return nil
	})
}

func (s auditStore) Get(ctx context.Context, tenant, source, id string) (record audit.Record, err error) {
	err = s.read(ctx, "audit.Get", func(v view) error {
		r, ok := auditTable.get(v, auditKey(tenant, source, id))
		if !ok {
			return storage.ErrNotFound
		}
		record = r.record()
		return nil
	})
	return record, err
}

func (s auditStore) Recorded(ctx context.Context, tenant, source, id string) (known bool, err error) {
	err = s.read(ctx, "audit.Recorded", func(v view) error {
		known = auditTable.has(v, auditKey(tenant, source, id))
		return nil
	})
	return known, err
}

func auditKey(tenant, source, id string) auditRow {
	return auditRow{Tenant: tenant, Row: audit.Row{Source: source, ID: id}}
}

func (r auditRow) record() audit.Record {
	record := r.Record
	record.Canonical = bytes.Clone(record.Canonical)
	return record
}

func (s auditStore) List(ctx context.Context, tenant string, q audit.Query) (page storage.Page[audit.Record], err error) {
	at, err := auditPosition(q)
	if err != nil {
		return page, err
	}
	at.Tenant = tenant
	err = s.read(ctx, "audit.List", func(v view) error {
		last := at
		for r := range auditList(v, q, at) {
			if r.Tenant != tenant || q.Order() == audit.ByTime && (r.Time.Before(q.Since) || !r.Time.Before(q.Until)) {
				break
			}
			if !auditMatches(&r, q) {
				continue
			}
			if len(page.Items) == q.Limit {
				page.Next = last.cursor(q)
				return nil
			}
			page.Items = append(page.Items, r.record())
			last = r
		}
		if q.Order() == audit.Polled {
			page.Next = last.cursor(q)
		}
		return nil
	})
	return page, err
}

// auditList iterates behind at, in the order of q.
func auditList(v view, q audit.Query, at auditRow) iter.Seq[auditRow] {
	order := auditByTenantSeq
	if q.Order() == audit.ByTime {
		order = auditByTime
	}
	if q.Descending {
		at.Seq--
		return auditTable.descend(v, order, at)
	}
	at.Seq++
	return auditTable.ascend(v, order, at)
}

// auditPosition is the place that q continues behind: its cursor, else just outside
// of the end that the list begins at.
func auditPosition(q audit.Query) (at auditRow, err error) {
	key, err := q.After.Key(q.ListName(), 2)
	if err != nil {
		return at, err
	}
	if key == nil {
		switch {
		case !q.Descending:
			at.Time = q.Since
		case q.Order() == audit.ByTime:
			at.Time = q.Until
		default:
			at.Seq = math.MaxInt64
		}
		return at, nil
	}
	us, err1 := strconv.ParseInt(key[0], 10, 64)
	seq, err2 := strconv.ParseInt(key[1], 10, 64)
	if err1 != nil || err2 != nil {
		return at, storage.ErrBadCursor
	}
	at.Time, at.Seq = time.UnixMicro(us).UTC(), seq
	return at, nil
}

// cursor is the position behind r in the list of q.
func (r auditRow) cursor(q audit.Query) storage.Cursor {
	return storage.NewCursor(q.ListName(), strconv.FormatInt(r.Time.UnixMicro(), 10), strconv.FormatInt(r.Seq, 10))
}

func auditMatches(r *auditRow, q audit.Query) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return (q.Actor == "" || q.Actor == r.ActorID || q.Actor == r.ActingAs) &&
		is(q.Action, r.Action) &&
		is(q.ResourceType, r.ResourceType) &&
		is(q.ResourceID, r.ResourceID) &&
		is(string(q.Category), string(r.Category)) &&
		is(string(q.Outcome), string(r.Outcome)) &&
		is(q.SourceIP, r.SourceIP) &&
		is(q.RequestID, r.RequestID) &&
		(q.TraceID == "" || q.TraceID == r.TraceID || q.TraceID == r.LinkTraceID) &&
		(q.Order() == audit.ByTime || !r.RecordedAt.Before(q.Since))
}
