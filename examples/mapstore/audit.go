package mapstore

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// An auditStore is the audit.Store of a Backend: a map of records.
type auditStore struct {
	*Backend
	rows table[recordKey, recordRow]
	// last is the number of the last record. It is no part of the transaction, so that no
	// number is given twice: a list of a transaction that was rolled back may have told it.
	last int64
}

type recordKey struct{ tenant, source, id string }

type recordRow struct {
	audit.Row
	Number int64 // in the order of recording
}

var _ audit.Store = (*auditStore)(nil)

// Audit returns the store of audit records.
func (b *Backend) Audit() audit.Store { return b.audit }

// Insert implements audit.Store.
func (s *auditStore) Insert(ctx context.Context, tenant string, rows ...audit.Row) error {
	return s.write(ctx, func(t *tx) error {
		for _, row := range rows {
			k := recordKey{tenant, row.Source, row.ID}
			if known, ok := s.rows.get(t, k); ok {
				if known.Leaf != row.Leaf {
					return storage.ErrConflict
				}
				continue
			}
			s.last++
			s.rows.put(t, k, recordRow{row, s.last})
		}
		return nil
	})
}

// Get implements audit.Store.
func (s *auditStore) Get(ctx context.Context, tenant, source, id string) (audit.Record, error) {
	var record audit.Record
	err := s.read(ctx, func(t *tx) error {
		row, ok := s.rows.get(t, recordKey{tenant, source, id})
		if !ok {
			return storage.ErrNotFound
		}
		record = row.Record
		return nil
	})
	return record, err
}

// Recorded implements audit.Store. Inside a transaction nobody else asks until it ends,
// because writers take turns.
func (s *auditStore) Recorded(ctx context.Context, tenant, source, id string) (bool, error) {
	recorded := false
	err := s.read(ctx, func(t *tx) error {
		recorded = s.rows.has(t, recordKey{tenant, source, id})
		return nil
	})
	return recorded, err
}

// List implements audit.Store.
func (s *auditStore) List(ctx context.Context, tenant string, q audit.Query) (storage.Page[audit.Record], error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return storage.Page[audit.Record]{}, err
	}
	after, err := openRecordPlace(tenant, q)
	if err != nil {
		return storage.Page[audit.Record]{}, err
	}
	order := func(a, b recordPlace) int { return a.compare(b, q) }
	var found []recordRow
	err = s.read(ctx, func(t *tx) error {
		if q.Order() == audit.Polled {
			t = nil // what is not committed may be undone, and the cursor would be behind it
		}
		found = s.rows.find(t, func(k recordKey, row recordRow) bool {
			return k.tenant == tenant && matches(q, row) && (after == nil || order(row.place(), *after) > 0)
		})
		return nil
	})
	if err != nil {
		return storage.Page[audit.Record]{}, err
	}
	slices.SortFunc(found, func(a, b recordRow) int { return order(a.place(), b.place()) })
	p := page(found, limit, func(row recordRow) storage.Cursor { return row.place().cursor(tenant, q) })
	if q.Order() == audit.Polled {
		switch {
		case len(p.Items) > 0:
			p.Next = p.Items[len(p.Items)-1].place().cursor(tenant, q)
		case q.After != "":
			p.Next = q.After
		default:
			p.Next = recordPlace{}.cursor(tenant, q)
		}
	}
	records := storage.Page[audit.Record]{Next: p.Next}
	for _, row := range p.Items {
		records.Items = append(records.Items, row.Record)
	}
	return records, nil
}

// matches reports whether a query lists a row.
func matches(q audit.Query, row recordRow) bool {
	is := func(want string, got ...string) bool { return want == "" || slices.Contains(got, want) }
	at := row.RecordedAt
	if q.Order() == audit.ByTime {
		at = row.Time
	}
	return is(q.Actor, row.ActorID, row.ActingAs) && is(q.Action, row.Action) &&
		is(q.ResourceType, row.ResourceType) && is(q.ResourceID, row.ResourceID) &&
		is(string(q.Category), string(row.Category)) && is(string(q.Outcome), string(row.Outcome)) &&
		is(q.SourceIP, row.SourceIP) && is(q.RequestID, row.RequestID) &&
		is(q.TraceID, row.TraceID, row.LinkTraceID) &&
		(q.Since.IsZero() || !at.Before(q.Since)) &&
		(q.Until.IsZero() || at.Before(q.Until))
}

// A recordPlace is where a record stands in a list.
type recordPlace struct {
	at     time.Time
	number int64
}

func (row recordRow) place() recordPlace { return recordPlace{row.Time, row.Number} }

// compare compares in the order of a query.
func (p recordPlace) compare(o recordPlace, q audit.Query) int {
	c := cmp.Compare(p.number, o.number)
	if q.Order() == audit.ByTime {
		c = cmp.Or(p.at.Compare(o.at), c)
	}
	if q.Descending {
		return -c
	}
	return c
}

// recordList names the list of a tenant and a query for its cursors. No tenant has a NUL.
func recordList(tenant string, q audit.Query) string { return tenant + "\x00" + q.ListName() }

func (p recordPlace) cursor(tenant string, q audit.Query) storage.Cursor {
	return storage.NewCursor(recordList(tenant, q), p.at.Format(time.RFC3339Nano), strconv.FormatInt(p.number, 10))
}

// openRecordPlace returns the place behind which a query goes on, nil for its start.
func openRecordPlace(tenant string, q audit.Query) (*recordPlace, error) {
	key, err := q.After.Key(recordList(tenant, q), 2)
	if err != nil || key == nil {
		return nil, err
	}
	at, err := time.Parse(time.RFC3339Nano, key[0])
	if err != nil {
		return nil, storage.ErrBadCursor
	}
	number, err := strconv.ParseInt(key[1], 10, 64)
	if err != nil {
		return nil, storage.ErrBadCursor
	}
	return &recordPlace{at, number}, nil
}
