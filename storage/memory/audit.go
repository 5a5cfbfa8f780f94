package memory

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"iter"
	"math"
	"strconv"
	"unique"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

type (
	// An auditRow is an event under its place in the order of recording. Transactions
	// run one at a time, so that this order is the order of commits.
	auditRow struct {
		tenant, source      name
		ID                  string
		Seq                 int64
		at, recordedAt      moment
		canonical           []byte
		leaf                [sha256.Size]byte
		about               unique.Handle[auditAbout]
		resourceID, traceID string
		more                *auditMore
	}
	// auditAbout is what an event has in common with many others.
	auditAbout struct {
		action            string
		category          audit.Category
		outcome           audit.Outcome
		actorID, actingAs string
		resourceType      string
	}
	// auditMore is what comes with requests and with links.
	auditMore struct{ sourceIP, requestID, linkTraceID string }
)

var auditTable = table[auditRow]{
	func(a, b *auditRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), compareNames(a.source, b.source), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *auditRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.Seq, b.Seq))
	},
	func(a, b *auditRow) int {
		return cmp.Or(compareNames(a.tenant, b.tenant), cmp.Compare(a.at, b.at), cmp.Compare(a.Seq, b.Seq))
	},
}

const (
	auditBySeq  = 1
	auditByTime = 2
)

type auditStore struct{ *Backend }

// Audit returns the store of audit records.
func (b *Backend) Audit() audit.Store { return auditStore{b} }

func (s auditStore) Insert(ctx context.Context, tenant string, rows ...audit.Row) error {
	return s.write(ctx, "audit.Insert", func(v view) error {
		for _, row := range rows {
			r := rowOfEvent(tenant, row)
			if old, ok := auditTable.get(v, r); ok {
				if old.leaf != r.leaf {
					return storage.ErrConflict
				}
				continue
			}
			r.Seq = nextID(v, "audit")
			if err := auditTable.insert(v, r); err != nil {
				return err
			}
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
	return auditRow{tenant: unique.Make(tenant), source: unique.Make(source), ID: id}
}

// rowOfEvent returns an event as it is kept, without its place.
func rowOfEvent(tenant string, e audit.Row) auditRow {
	r := auditRow{
		tenant: unique.Make(tenant), source: unique.Make(e.Source), ID: e.ID, at: momentOf(e.Time), recordedAt: momentOf(e.RecordedAt),
		canonical: bytes.Clone(e.Canonical), leaf: e.Leaf,
		about:      unique.Make(auditAbout{e.Action, e.Category, e.Outcome, e.ActorID, e.ActingAs, e.ResourceType}),
		resourceID: e.ResourceID, traceID: e.TraceID,
	}
	if e.SourceIP != "" || e.RequestID != "" || e.LinkTraceID != "" {
		r.more = &auditMore{e.SourceIP, e.RequestID, e.LinkTraceID}
	}
	return r
}

// event returns the event of a row. It shares its canonical form with the row.
func (r *auditRow) event() audit.Row {
	about := r.about.Value()
	e := audit.Row{
		Record: audit.Record{Canonical: r.canonical, Leaf: r.leaf, RecordedAt: r.recordedAt.time()},
		Source: r.source.Value(), ID: r.ID, Time: r.at.time(),
		Action: about.action, Category: about.category, Outcome: about.outcome, ActorID: about.actorID, ActingAs: about.actingAs,
		ResourceType: about.resourceType, ResourceID: r.resourceID, TraceID: r.traceID,
	}
	if r.more != nil {
		e.SourceIP, e.RequestID, e.LinkTraceID = r.more.sourceIP, r.more.requestID, r.more.linkTraceID
	}
	return e
}

func (r *auditRow) record() audit.Record {
	return audit.Record{Canonical: bytes.Clone(r.canonical), Leaf: r.leaf, RecordedAt: r.recordedAt.time()}
}

func (s auditStore) List(ctx context.Context, tenant string, q audit.Query) (page storage.Page[audit.Record], err error) {
	at, err := auditPosition(q)
	if err != nil {
		return page, err
	}
	at.tenant = unique.Make(tenant)
	since, until := momentOf(q.Since), momentOf(q.Until)
	err = s.read(ctx, "audit.List", func(v view) error {
		last := at
		for r := range auditList(v, q, at) {
			if r.tenant != at.tenant || q.Order() == audit.ByTime && (r.at < since || r.at >= until) {
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
	order := auditBySeq
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
			at.at = momentOf(q.Since)
		case q.Order() == audit.ByTime:
			at.at = momentOf(q.Until)
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
	at.at, at.Seq = moment(us), seq
	return at, nil
}

// cursor is the position behind r in the list of q.
func (r auditRow) cursor(q audit.Query) storage.Cursor {
	return storage.NewCursor(q.ListName(), strconv.FormatInt(int64(r.at), 10), strconv.FormatInt(r.Seq, 10))
}

func auditMatches(row *auditRow, q audit.Query) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	r := row.event()
	return (q.Actor == "" || q.Actor == r.ActorID || q.Actor == r.ActingAs) &&
		is(q.Action, r.Action) &&
		is(q.ResourceType, r.ResourceType) &&
		is(q.ResourceID, r.ResourceID) &&
		is(string(q.Category), string(r.Category)) &&
		is(string(q.Outcome), string(r.Outcome)) &&
		is(q.SourceIP, r.SourceIP) &&
		is(q.RequestID, r.RequestID) &&
		(q.TraceID == "" || q.TraceID == r.TraceID || q.TraceID == r.LinkTraceID) &&
		(q.Order() == audit.ByTime || q.Since.IsZero() || row.recordedAt >= momentOf(q.Since))
}
