package audittest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

type (
	page   = storage.Page[audit.Record]
	rowKey struct{ tenant, source, id string }
)

// An animal is a store that is broken in one way. The methods that are set stand in front
// of those of a store that is right.
type animal struct {
	audit.Store
	inTx     func(ctx context.Context, fn func(ctx context.Context) error) error
	insert   func(ctx context.Context, tenant string, rows ...audit.Row) error
	get      func(ctx context.Context, tenant, source, id string) (audit.Record, error)
	recorded func(ctx context.Context, tenant, source, id string) (bool, error)
	list     func(ctx context.Context, tenant string, q audit.Query) (page, error)
}

func (a *animal) Audit() audit.Store { return a }

func (a *animal) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if a.inTx != nil {
		return a.inTx(ctx, fn)
	}
	return a.Store.InTx(ctx, fn)
}

func (a *animal) Insert(ctx context.Context, tenant string, rows ...audit.Row) error {
	if a.insert != nil {
		return a.insert(ctx, tenant, rows...)
	}
	return a.Store.Insert(ctx, tenant, rows...)
}

func (a *animal) Get(ctx context.Context, tenant, source, id string) (audit.Record, error) {
	if a.get != nil {
		return a.get(ctx, tenant, source, id)
	}
	return a.Store.Get(ctx, tenant, source, id)
}

func (a *animal) Recorded(ctx context.Context, tenant, source, id string) (bool, error) {
	if a.recorded != nil {
		return a.recorded(ctx, tenant, source, id)
	}
	return a.Store.Recorded(ctx, tenant, source, id)
}

func (a *animal) List(ctx context.Context, tenant string, q audit.Query) (page, error) {
	if a.list != nil {
		return a.list(ctx, tenant, q)
	}
	return a.Store.List(ctx, tenant, q)
}

// insertsAs returns a breaking that changes each row before it is stored.
func insertsAs(change func(r *audit.Row)) func(a *animal) {
	return batchesAs(func(rows []audit.Row) []audit.Row {
		for i := range rows {
			change(&rows[i])
		}
		return rows
	})
}

// batchesAs returns a breaking that changes batches before they are stored.
func batchesAs(change func(rows []audit.Row) []audit.Row) func(a *animal) {
	return func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			return a.Store.Insert(ctx, tenant, change(slices.Clone(rows))...)
		}
	}
}

// failsAs returns a breaking that changes the errors of Insert.
func failsAs(change func(err error) error) func(a *animal) {
	return func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			return change(a.Store.Insert(ctx, tenant, rows...))
		}
	}
}

// getsAs returns a breaking that changes records as they are read one by one.
func getsAs(change func(r *audit.Record)) func(a *animal) {
	return func(a *animal) {
		a.get = func(ctx context.Context, tenant, source, id string) (audit.Record, error) {
			r, err := a.Store.Get(ctx, tenant, source, id)
			change(&r)
			return r, err
		}
	}
}

// keysAs returns a breaking that stores under changed keys.
func keysAs(change func(k rowKey) rowKey) func(a *animal) {
	return func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			rows = slices.Clone(rows)
			for i, r := range rows {
				k := change(rowKey{tenant, r.Source, r.ID})
				tenant, rows[i].Source, rows[i].ID = k.tenant, k.source, k.id
			}
			return a.Store.Insert(ctx, tenant, rows...)
		}
		a.get = func(ctx context.Context, tenant, source, id string) (audit.Record, error) {
			k := change(rowKey{tenant, source, id})
			return a.Store.Get(ctx, k.tenant, k.source, k.id)
		}
	}
}

// asksAs returns a breaking that lists something else than it was asked for.
func asksAs(change func(q *audit.Query)) func(a *animal) {
	return func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			change(&q)
			return a.Store.List(ctx, tenant, q)
		}
	}
}

// pagesAs returns a breaking that changes pages.
func pagesAs(change func(p *page, q audit.Query)) func(a *animal) {
	return func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			p, err := a.Store.List(ctx, tenant, q)
			change(&p, q)
			return p, err
		}
	}
}

// unless returns a breaking that answers another page where List fails with an error.
func unless(failed error, instead func(q audit.Query) bool) func(a *animal) {
	return func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			p, err := a.Store.List(ctx, tenant, q)
			if errors.Is(err, failed) && instead(q) {
				q.After = ""
				return a.Store.List(ctx, tenant, q)
			}
			return p, err
		}
	}
}

// crowded returns a breaking that is told whether others are inserting at the same time.
func crowded(breaks func(a *animal, crowd func() bool)) func(a *animal) {
	return func(a *animal) {
		var under atomic.Int64
		breaks(a, func() bool { return under.Load() > 1 })
		inner := a.insert
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			under.Add(1)
			defer under.Add(-1)
			for range 20 {
				runtime.Gosched()
			}
			return inner(ctx, tenant, rows...)
		}
	}
}

// lookaround returns all records of a list in its order.
func (a *animal) lookaround(ctx context.Context, tenant string, q audit.Query) []audit.Record {
	var all []audit.Record
	for q.After, q.Limit = "", storage.MaxLimit; ; {
		p, err := a.Store.List(ctx, tenant, q)
		all = append(all, p.Items...)
		if q.After = p.Next; err != nil || q.After == "" {
			return all
		}
	}
}

// A storeMutant breaks a store so that a rule has to catch it.
type storeMutant struct {
	rule, name string
	breaks     func(a *animal)
}

var insertZoo = []storeMutant{
	{"LS-001", "cuts times to the second", getsAs(func(r *audit.Record) { r.RecordedAt = r.RecordedAt.Truncate(time.Second) })},
	{"LS-001", "answers local time", getsAs(func(r *audit.Record) { r.RecordedAt = r.RecordedAt.In(time.FixedZone("", 3600)) })},
	{"LS-001", "forgets the leaf", getsAs(func(r *audit.Record) { r.Leaf = [32]byte{} })},
	{"LS-002", "keeps records as it understands them", getsAs(func(r *audit.Record) {
		var b bytes.Buffer
		if json.Compact(&b, r.Canonical) == nil {
			r.Canonical = b.Bytes()
		}
	})},
	{"LS-003", "cuts long records", insertsAs(func(r *audit.Row) { r.Canonical = r.Canonical[:min(len(r.Canonical), 1<<15)] })},
	{"LS-004", "calls a repeated record a conflict", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			if len(rows) == 2 {
				for _, r := range rows {
					if known, _ := a.Store.Recorded(ctx, tenant, r.Source, r.ID); known {
						return storage.ErrConflict
					}
				}
			}
			return a.Store.Insert(ctx, tenant, rows...)
		}
	}},
	{"LS-005", "makes a repeated record younger", func(a *animal) {
		var mu sync.Mutex
		last := map[rowKey]time.Time{}
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			mu.Lock()
			for _, r := range rows {
				last[rowKey{tenant, r.Source, r.ID}] = r.RecordedAt.UTC().Truncate(time.Microsecond)
			}
			mu.Unlock()
			return a.Store.Insert(ctx, tenant, rows...)
		}
		a.get = func(ctx context.Context, tenant, source, id string) (audit.Record, error) {
			r, err := a.Store.Get(ctx, tenant, source, id)
			mu.Lock()
			defer mu.Unlock()
			r.RecordedAt = last[rowKey{tenant, source, id}]
			return r, err
		}
	}},
	{"LS-006", "keeps quiet about another record under a taken id", failsAs(func(err error) error {
		if errors.Is(err, storage.ErrConflict) {
			return nil
		}
		return err
	})},
	{"LS-007", "inserts row by row", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			for _, r := range rows {
				if err := a.Store.Insert(ctx, tenant, r); err != nil {
					return err
				}
			}
			return nil
		}
	}},
	{"LS-008", "refuses a batch in which a record stands twice", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			for i, r := range rows {
				if slices.ContainsFunc(rows[:i], func(prior audit.Row) bool { return prior.Leaf == r.Leaf }) {
					return storage.ErrConflict
				}
			}
			return a.Store.Insert(ctx, tenant, rows...)
		}
	}},
	{"LS-009", "takes the first of two records under one id in a batch", batchesAs(func(rows []audit.Row) []audit.Row {
		return slices.CompactFunc(rows, func(x, y audit.Row) bool { return x.ID == y.ID && x.Source == y.Source })
	})},
	{"LS-010", "refuses a batch of none", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			if len(rows) == 0 {
				return storage.Invalid("", "must not be empty")
			}
			return a.Store.Insert(ctx, tenant, rows...)
		}
	}},
	{"LS-011", "inserts whatever becomes of the transaction", func(a *animal) {
		type inside struct{}
		a.inTx = func(ctx context.Context, fn func(ctx context.Context) error) error {
			if ctx.Value(inside{}) != nil {
				return a.Store.InTx(ctx, fn)
			}
			var pending []func()
			err := a.Store.InTx(context.WithValue(ctx, inside{}, &pending), fn)
			for _, write := range pending {
				write()
			}
			return err
		}
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			if pending, ok := ctx.Value(inside{}).(*[]func()); ok {
				*pending = append(*pending, func() { _ = a.Store.Insert(storage.Detach(ctx), tenant, rows...) })
			}
			return a.Store.Insert(ctx, tenant, rows...)
		}
	}},
	{"LS-012", "has no savepoints", func(a *animal) {
		type inside struct{}
		a.inTx = func(ctx context.Context, fn func(ctx context.Context) error) error {
			if ctx.Value(inside{}) != nil {
				return fn(ctx)
			}
			return a.Store.InTx(context.WithValue(ctx, inside{}, true), fn)
		}
	}},
	{"LS-013", "gives the transaction up after a conflict", func(a *animal) {
		type inside struct{}
		a.inTx = func(ctx context.Context, fn func(ctx context.Context) error) error {
			if ctx.Value(inside{}) == nil {
				ctx = context.WithValue(ctx, inside{}, new(bool))
			}
			return a.Store.InTx(ctx, fn)
		}
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			aborted, _ := ctx.Value(inside{}).(*bool)
			if aborted != nil && *aborted {
				return errors.New("the transaction is aborted")
			}
			err := a.Store.Insert(ctx, tenant, rows...)
			if aborted != nil && errors.Is(err, storage.ErrConflict) {
				*aborted = true
			}
			return err
		}
	}},
	{"LS-014", "keeps the bytes it was given", func(a *animal) {
		var mu sync.Mutex
		kept := map[rowKey][]byte{}
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			mu.Lock()
			for _, r := range rows {
				if k := (rowKey{tenant, r.Source, r.ID}); kept[k] == nil {
					kept[k] = r.Canonical
				}
			}
			mu.Unlock()
			return a.Store.Insert(ctx, tenant, rows...)
		}
		a.get = func(ctx context.Context, tenant, source, id string) (audit.Record, error) {
			r, err := a.Store.Get(ctx, tenant, source, id)
			mu.Lock()
			defer mu.Unlock()
			if b := kept[rowKey{tenant, source, id}]; err == nil && len(b) == len(r.Canonical) {
				r.Canonical = b
			}
			return r, err
		}
	}},
	{"LS-015", "gives everybody the same bytes", func(a *animal) {
		var mu sync.Mutex
		given := map[rowKey]audit.Record{}
		a.get = func(ctx context.Context, tenant, source, id string) (audit.Record, error) {
			mu.Lock()
			defer mu.Unlock()
			if r, ok := given[rowKey{tenant, source, id}]; ok {
				return r, nil
			}
			r, err := a.Store.Get(ctx, tenant, source, id)
			if err == nil {
				given[rowKey{tenant, source, id}] = r
			}
			return r, err
		}
	}},
	{"LS-016", "calls a record that another writes a conflict", crowded(func(a *animal, crowd func() bool) {
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			if crowd() {
				return storage.ErrConflict
			}
			return a.Store.Insert(ctx, tenant, rows...)
		}
	})},
	{"LS-017", "tells all who came together that they succeeded", crowded(func(a *animal, crowd func() bool) {
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			err := a.Store.Insert(ctx, tenant, rows...)
			if errors.Is(err, storage.ErrConflict) && crowd() {
				return nil
			}
			return err
		}
	})},
	{"LS-018", "loses rows of writers that come too close", crowded(func(a *animal, crowd func() bool) {
		a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
			if crowd() {
				return nil
			}
			return a.Store.Insert(ctx, tenant, rows...)
		}
	})},
	{"LS-019", "sorts a batch by id", batchesAs(func(rows []audit.Row) []audit.Row {
		if len(rows) == 3 {
			slices.SortFunc(rows, func(x, y audit.Row) int { return strings.Compare(x.ID, y.ID) })
		}
		return rows
	})},
	{"LS-020", "folds the case of ids", keysAs(func(k rowKey) rowKey { k.id = strings.ToLower(k.id); return k })},
	{"LS-020", "trims ids", keysAs(func(k rowKey) rowKey { k.id = strings.TrimSpace(k.id); return k })},
	{"LS-021", "folds the case of sources", keysAs(func(k rowKey) rowKey { k.source = strings.ToLower(k.source); return k })},
	{"LS-022", "keeps the records of similar tenants together", keysAs(func(k rowKey) rowKey { k.tenant = strings.TrimSuffix(k.tenant, "-other"); return k })},
	{"LS-023", "runs a source and an id together", keysAs(func(k rowKey) rowKey {
		if len(k.source) < 4 && strings.HasPrefix(k.source, "/") {
			k.source, k.id = "", k.source+k.id
		}
		return k
	})},
	{"LS-024", "answers an empty record for what is not there", func(a *animal) {
		a.get = func(ctx context.Context, tenant, source, id string) (audit.Record, error) {
			r, err := a.Store.Get(ctx, tenant, source, id)
			if errors.Is(err, storage.ErrNotFound) {
				err = nil
			}
			return r, err
		}
	}},
	{"LS-030", "folds the case of ids in Recorded", func(a *animal) {
		a.recorded = func(ctx context.Context, tenant, source, id string) (bool, error) {
			return a.Store.Recorded(ctx, tenant, source, strings.ToLower(id))
		}
	}},
	{"LS-031", "tells of similar tenants' records", func(a *animal) {
		a.recorded = func(ctx context.Context, tenant, source, id string) (bool, error) {
			return a.Store.Recorded(ctx, strings.TrimSuffix(tenant, "-other"), source, id)
		}
	}},
	{"LS-032", "looks past its own transaction", func(a *animal) {
		a.recorded = func(ctx context.Context, tenant, source, id string) (bool, error) {
			return a.Store.Recorded(storage.Detach(ctx), tenant, source, id)
		}
	}},
	{"LS-033", "remembers what was rolled back", remembersInserts},
	{"LS-035", "takes for made what was undone", remembersInserts},
	{"LS-034", "answers before the others are done", func(a *animal) {
		var under atomic.Int64
		a.inTx = func(ctx context.Context, fn func(ctx context.Context) error) error {
			under.Add(1)
			defer under.Add(-1)
			return a.Store.InTx(ctx, func(ctx context.Context) error {
				for range 20 {
					runtime.Gosched()
				}
				return fn(ctx)
			})
		}
		a.recorded = func(ctx context.Context, tenant, source, id string) (bool, error) {
			known, err := a.Store.Recorded(ctx, tenant, source, id)
			return known && under.Load() < 2, err
		}
	}},
}

// remembersInserts breaks a store so that it remembers what it inserted beside its tables.
func remembersInserts(a *animal) {
	var inserted sync.Map
	a.insert = func(ctx context.Context, tenant string, rows ...audit.Row) error {
		for _, r := range rows {
			inserted.Store(rowKey{tenant, r.Source, r.ID}, true)
		}
		return a.Store.Insert(ctx, tenant, rows...)
	}
	a.recorded = func(ctx context.Context, tenant, source, id string) (bool, error) {
		if _, ok := inserted.Load(rowKey{tenant, source, id}); ok {
			return true, nil
		}
		return a.Store.Recorded(ctx, tenant, source, id)
	}
}

var filterZoo = []storeMutant{
	{"LS-040", "does not look at who was acted as", insertsAs(func(r *audit.Row) { r.ActingAs = "" })},
	{"LS-040", "ignores the actor", asksAs(func(q *audit.Query) { q.Actor = "" })},
	{"LS-041", "ignores the action", asksAs(func(q *audit.Query) { q.Action = "" })},
	{"LS-041", "folds the case of actions", insertsAs(func(r *audit.Row) { r.Action = strings.ToLower(r.Action) })},
	{"LS-042", "ignores the type of resources", asksAs(func(q *audit.Query) { q.ResourceType = "" })},
	{"LS-043", "ignores the id of resources", asksAs(func(q *audit.Query) { q.ResourceID = "" })},
	{"LS-044", "ignores the category", asksAs(func(q *audit.Query) { q.Category = "" })},
	{"LS-045", "ignores the outcome", asksAs(func(q *audit.Query) { q.Outcome = "" })},
	{"LS-046", "ignores the address", asksAs(func(q *audit.Query) { q.SourceIP = "" })},
	{"LS-047", "ignores the request", asksAs(func(q *audit.Query) { q.RequestID = "" })},
	{"LS-048", "ignores the trace", asksAs(func(q *audit.Query) { q.TraceID = "" })},
	{"LS-048", "does not look at links", insertsAs(func(r *audit.Row) { r.LinkTraceID = "" })},
	{"LS-049", "drops a filter where it has many", asksAs(func(q *audit.Query) {
		if q.Action != "" && q.Outcome != "" {
			q.Outcome = ""
		}
	})},
	{"LS-050", "does not find what has no action", insertsAs(func(r *audit.Row) {
		if r.Action == "" {
			r.Time, r.Canonical = r.Time.AddDate(1, 0, 0), []byte(`{"id":"?"}`)
		}
	})},
}

var listZoo = []storeMutant{
	{"LS-060", "orders everything by the events' times", asksAs(func(q *audit.Query) {
		if q.Order() == audit.ByRecord && !q.Descending && q.After == "" {
			q.Since, q.Until = noon.Add(-time.Hour), noon.Add(time.Hour)
		}
	})},
	{"LS-061", "does not reverse", asksAs(func(q *audit.Query) {
		if q.Until.IsZero() {
			q.Descending = false
		}
	})},
	{"LS-062", "cuts event times to the second", insertsAs(func(r *audit.Row) { r.Time = r.Time.Truncate(time.Second) })},
	{"LS-063", "orders events of one time by id", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			p, err := a.Store.List(ctx, tenant, q)
			if len(p.Items) == 4 && q.Order() == audit.ByTime && !q.Descending && p.Items[0].Leaf == row("c").Leaf {
				slices.SortFunc(p.Items, func(x, y audit.Record) int { return bytes.Compare(x.Canonical, y.Canonical) })
			}
			return p, err
		}
	}},
	{"LS-064", "does not reverse a bounded list", asksAs(func(q *audit.Query) {
		if !q.Until.IsZero() {
			q.Descending = false
		}
	})},
	{"LS-065", "begins behind Since", asksAs(func(q *audit.Query) {
		if q.Since.Equal(noon) && !q.Until.IsZero() {
			q.Since = q.Since.Add(time.Microsecond)
		}
	})},
	{"LS-066", "ends at Until", asksAs(func(q *audit.Query) {
		if q.Until.Equal(noon) {
			q.Until = q.Until.Add(time.Microsecond)
		}
	})},
	{"LS-067", "goes on one record too far", pagesAs(func(p *page, q audit.Query) {
		if q.After != "" && len(p.Items) > 1 && q.Order() != audit.Polled {
			p.Items = p.Items[1:]
		}
	})},
	{"LS-068", "always has a next page where one is full", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			p, err := a.Store.List(ctx, tenant, q)
			if p.Next == "" && len(p.Items) == q.Limit && err == nil {
				p.Next = storage.NewCursor(q.ListName(), "9999999999999999", "9999999")
				if q.Descending {
					p.Next = storage.NewCursor(q.ListName(), "0", "0")
				}
			}
			return p, err
		}
	}},
	{"LS-069", "ends a polled list where there is nothing", pagesAs(func(p *page, q audit.Query) {
		if len(p.Items) == 0 && q.After == "" {
			p.Next = ""
		}
	})},
	{"LS-070", "gives the last record again", func(a *animal) {
		var last atomic.Pointer[audit.Record]
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			p, err := a.Store.List(ctx, tenant, q)
			if q.Order() != audit.Polled {
				return p, err
			}
			again := last.Load()
			if n := len(p.Items); n > 0 {
				last.Store(&p.Items[n-1])
			}
			if q.After != "" && again != nil && len(p.Items) == 1 {
				p.Items = append([]audit.Record{*again}, p.Items...)
			}
			return p, err
		}
	}},
	{"LS-071", "polls from the start", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			p, err := a.Store.List(ctx, tenant, q)
			if q.Order() == audit.Polled && q.After == "" && err == nil && q.Since.Equal(noon) {
				p.Items = a.lookaround(ctx, tenant, audit.Query{})
			}
			return p, err
		}
	}},
	{"LS-072", "gives records again while others are written", func(a *animal) {
		var under atomic.Int64
		a.inTx = func(ctx context.Context, fn func(ctx context.Context) error) error {
			under.Add(1)
			defer under.Add(-1)
			return a.Store.InTx(ctx, fn)
		}
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			busy := under.Load() > 0
			p, err := a.Store.List(ctx, tenant, q)
			if n := len(p.Items); q.Order() == audit.Polled && (busy || under.Load() > 0 || n == q.Limit) && n == 3 {
				p.Items = append(p.Items, p.Items[n-1])
			}
			return p, err
		}
	}},
	{"LS-073", "starts over at the cursor of another query", unless(storage.ErrBadCursor, func(q audit.Query) bool {
		_, err := q.After.Key(audit.Query{}.ListName(), 2)
		return err == nil
	})},
	{"LS-074", "starts over at a bad cursor", unless(storage.ErrBadCursor, func(q audit.Query) bool {
		_, err := q.After.Key(audit.Query{}.ListName(), 2)
		return err != nil
	})},
	{"LS-075", "runs on into the next tenant", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			p, err := a.Store.List(ctx, tenant, q)
			if p.Next == "" {
				p.Items = append(p.Items, a.lookaround(ctx, tenant+"2", audit.Query{})...)
			}
			return p, err
		}
	}},
	{"LS-076", "does not find an empty list", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			p, err := a.Store.List(ctx, tenant, q)
			if err == nil && len(p.Items) == 0 && q.Limit == 10 {
				err = storage.ErrNotFound
			}
			return p, err
		}
	}},
	{"LS-077", "lists past its own transaction", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			return a.Store.List(storage.Detach(ctx), tenant, q)
		}
	}},
	{"LS-078", "lists records without their leaves", pagesAs(func(p *page, _ audit.Query) {
		for i := range p.Items {
			p.Items[i].Leaf = [32]byte{}
		}
	})},
	{"LS-079", "goes on by counting records", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q audit.Query) (page, error) {
			key, err := q.After.Key(q.ListName(), 2)
			if err != nil || q.Order() == audit.Polled {
				return a.Store.List(ctx, tenant, q)
			}
			from := 0
			if key != nil {
				from, _ = strconv.Atoi(key[1])
			}
			all := a.lookaround(ctx, tenant, q)
			all = all[min(from, len(all)):]
			if len(all) <= q.Limit {
				return page{Items: all}, nil
			}
			return page{Items: all[:q.Limit], Next: storage.NewCursor(q.ListName(), "0", strconv.Itoa(from+q.Limit))}, nil
		}
	}},
}

func TestEachBrokenStoreIsCaughtByItsRule(t *testing.T) {
	t.Parallel()
	var mutants []ruletest.Mutant
	for _, m := range slices.Concat(insertZoo, filterZoo, listZoo) {
		mutants = append(mutants, ruletest.Mutant{Rule: m.rule, Name: m.name, Check: func(tb testing.TB, id string) {
			a := &animal{Store: newMemory(tb).Audit()}
			m.breaks(a)
			all := storeRules()
			all[slices.IndexFunc(all, func(r storeRule) bool { return r.id == id })].Check(tb, a)
		}})
	}
	ruletest.Prove(t, StoreRules(), mutants, nil)
}

func TestRulesOfStoresHaveNoFalseAlarms(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 5 {
		b := newMemory(t) // shared by all rules, as in RunStore
		shuffled := storeRules()
		random.Shuffle(len(shuffled), reflect.Swapper(shuffled))
		for _, r := range shuffled {
			if failures := ruletest.Try(t.Context(), func(t testing.TB) { r.Check(t, b) }); len(failures) > 0 {
				t.Errorf("seed %d: %s: %q", seed, r.id, failures)
			}
		}
	}
}

func newMemory(t testing.TB) *memory.Backend {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
