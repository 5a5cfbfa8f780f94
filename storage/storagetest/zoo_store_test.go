package storagetest

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/webhooks"
)

// changesKeys stores audit records under other keys than it was given.
type changesKeys struct {
	*memory.Backend
	tenant, id func(string) string
}

func (b *changesKeys) Audit() audit.Store { return changedKeys{b.Backend.Audit(), b} }

type changedKeys struct {
	audit.Store
	b *changesKeys
}

func (s changedKeys) keys(tenant, id string) (string, string) {
	if s.b.tenant != nil {
		tenant = s.b.tenant(tenant)
	}
	if s.b.id != nil {
		id = s.b.id(id)
	}
	return tenant, id
}

func (s changedKeys) Insert(ctx context.Context, tenant string, rows ...audit.Row) error {
	for _, r := range rows {
		tenant, r.ID = s.keys(tenant, r.ID)
		if err := s.Store.Insert(ctx, tenant, r); err != nil {
			return err
		}
	}
	return nil
}

func (s changedKeys) Get(ctx context.Context, tenant, source, id string) (audit.Record, error) {
	tenant, id = s.keys(tenant, id)
	return s.Store.Get(ctx, tenant, source, id)
}

// findsOthers looks for endpoints by id alone.
type findsOthers struct{ *memory.Backend }

func (b *findsOthers) Webhooks() webhooks.Store {
	return foundAnywhere{b.Backend.Webhooks(), map[string]string{}}
}

type foundAnywhere struct {
	webhooks.Store
	of map[string]string // the tenant of an id
}

func (s foundAnywhere) InsertEndpoint(ctx context.Context, tenant string, e webhooks.Endpoint, secret webhooks.Secret) error {
	s.of[e.ID] = tenant
	return s.Store.InsertEndpoint(ctx, tenant, e, secret)
}

func (s foundAnywhere) GetEndpoint(ctx context.Context, _, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
	return s.Store.GetEndpoint(ctx, s.of[id], id, lock)
}

type showsDeliveries struct {
	*memory.Backend
	owner string
}

func (b *showsDeliveries) Webhooks() webhooks.Store { return shownDeliveries{b.Backend.Webhooks(), b} }

type shownDeliveries struct {
	webhooks.Store
	b *showsDeliveries
}

func (s shownDeliveries) InsertMessage(ctx context.Context, tenant string, m webhooks.Message, d []webhooks.Delivery) (bool, error) {
	s.b.owner = cmp.Or(s.b.owner, tenant)
	return s.Store.InsertMessage(ctx, tenant, m, d)
}

func (s shownDeliveries) HeldDeliveries(ctx context.Context, _, endpoint string, limit int) ([]webhooks.Delivery, error) {
	return s.Store.HeldDeliveries(ctx, s.b.owner, endpoint, limit)
}

type findsNothing struct{ *memory.Backend }

func (b *findsNothing) Webhooks() webhooks.Store { return nothingFound{b.Backend.Webhooks()} }

type nothingFound struct{ webhooks.Store }

func (s nothingFound) GetEndpoint(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
	e, h, err := s.Store.GetEndpoint(ctx, tenant, id, lock)
	if errors.Is(err, storage.ErrNotFound) {
		return webhooks.Endpoint{}, webhooks.Health{}, nil
	}
	return e, h, err
}

type cutsAtNUL struct{ *memory.Backend }

func (b *cutsAtNUL) Idempotency() idempotency.Store { return cutAtNUL{b.Backend.Idempotency()} }

type cutAtNUL struct{ idempotency.Store }

func (s cutAtNUL) Begin(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
	key, _, _ = strings.Cut(key, "\x00")
	return s.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
}

func (s cutAtNUL) Finish(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
	key, _, _ = strings.Cut(key, "\x00")
	return s.Store.Finish(ctx, tenant, actor, key, status, header, body)
}

// A list makes pages out of all endpoints of a tenant.
type list func(all []webhooks.Endpoint, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error)

// listed is a webhook store with its own list.
type listed struct {
	webhooks.Store
	list list
}

func (s listed) ListEndpoints(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
	all, err := s.Store.ListEndpoints(ctx, tenant, webhooks.EndpointQuery{Limit: storage.MaxLimit})
	if err != nil {
		return all, err
	}
	return s.list(all.Items, tenant, q)
}

// cut returns the page of all that begins at a row, and a cursor of key.
func cut(all []webhooks.Endpoint, from, limit int, key func(last int) storage.Cursor) storage.Page[webhooks.Endpoint] {
	from = min(from, len(all))
	to := min(from+limit, len(all))
	page := storage.Page[webhooks.Endpoint]{Items: all[from:to]}
	if to < len(all) {
		page.Next = key(to - 1)
	}
	return page
}

// behind returns the row to go on at: the first whose id is not before the cursor's.
func behind(all []webhooks.Endpoint, name string, after storage.Cursor, less func(a, b string) int) (int, error) {
	key, err := after.Key(name, 1)
	if err != nil || key == nil {
		return 0, err
	}
	i := slices.IndexFunc(all, func(e webhooks.Endpoint) bool { return less(e.ID, key[0]) > 0 })
	if i < 0 {
		i = len(all)
	}
	return i, nil
}

func byLetters(a, b string) int {
	return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
}

type ordersByLetters struct{ *memory.Backend }

func (b *ordersByLetters) Webhooks() webhooks.Store {
	return listed{b.Backend.Webhooks(), func(all []webhooks.Endpoint, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
		slices.SortFunc(all, func(a, b webhooks.Endpoint) int { return byLetters(a.ID, b.ID) })
		from, err := behind(all, tenant, q.After, byLetters)
		return cut(all, from, q.Limit, func(last int) storage.Cursor { return storage.NewCursor(tenant, all[last].ID) }), err
	}}
}

// unstableOrder has no tie-breaker: each page is cut from another order.
type unstableOrder struct{ *memory.Backend }

func (b *unstableOrder) Webhooks() webhooks.Store {
	return listed{b.Backend.Webhooks(), func(all []webhooks.Endpoint, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return byOffset(all, tenant, q)
	}}
}

type countsRows struct{ *memory.Backend }

func (b *countsRows) Webhooks() webhooks.Store { return listed{b.Backend.Webhooks(), byOffset} }

func byOffset(all []webhooks.Endpoint, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
	from := 0
	key, err := q.After.Key(tenant, 1)
	if err != nil {
		return storage.Page[webhooks.Endpoint]{}, err
	}
	if key != nil {
		if from, err = strconv.Atoi(key[0]); err != nil {
			return storage.Page[webhooks.Endpoint]{}, storage.ErrBadCursor
		}
	}
	return cut(all, from, q.Limit, func(last int) storage.Cursor {
		return storage.NewCursor(tenant, strconv.Itoa(last+1))
	}), nil
}

type looksForLast struct{ *memory.Backend }

func (b *looksForLast) Webhooks() webhooks.Store {
	return listed{b.Backend.Webhooks(), func(all []webhooks.Endpoint, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
		key, err := q.After.Key(tenant, 1)
		if err != nil {
			return storage.Page[webhooks.Endpoint]{}, err
		}
		from := 0
		if key != nil {
			from = slices.IndexFunc(all, func(e webhooks.Endpoint) bool { return e.ID == key[0] }) + 1
		}
		return cut(all, from, q.Limit, func(last int) storage.Cursor { return storage.NewCursor(tenant, all[last].ID) }), nil
	}}
}

type runsOn struct{ *memory.Backend }

func (b *runsOn) Webhooks() webhooks.Store { return ranOn{b.Backend.Webhooks(), map[string]bool{}} }

type ranOn struct {
	webhooks.Store
	tenants map[string]bool
}

func (s ranOn) InsertEndpoint(ctx context.Context, tenant string, e webhooks.Endpoint, secret webhooks.Secret) error {
	s.tenants[tenant] = true
	return s.Store.InsertEndpoint(ctx, tenant, e, secret)
}

// ListEndpoints fills a page that is not full from the tenants behind.
func (s ranOn) ListEndpoints(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
	page, err := s.Store.ListEndpoints(ctx, tenant, q)
	for other := range s.tenants {
		if err != nil || len(page.Items) >= q.Limit || other <= tenant {
			continue
		}
		more, err := s.Store.ListEndpoints(ctx, other, webhooks.EndpointQuery{Limit: q.Limit - len(page.Items)})
		if err != nil {
			return page, err
		}
		page.Items = append(page.Items, more.Items...)
	}
	return page, err
}

type startsOver struct{ *memory.Backend }

func (b *startsOver) Webhooks() webhooks.Store { return startedOver{b.Backend.Webhooks()} }

type startedOver struct{ webhooks.Store }

func (s startedOver) ListEndpoints(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
	page, err := s.Store.ListEndpoints(ctx, tenant, q)
	if errors.Is(err, storage.ErrBadCursor) {
		q.After = ""
		return s.Store.ListEndpoints(ctx, tenant, q)
	}
	return page, err
}

type neverEnds struct{ *memory.Backend }

func (b *neverEnds) Webhooks() webhooks.Store {
	return listed{b.Backend.Webhooks(), func(all []webhooks.Endpoint, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
		page, err := byOffset(all, tenant, q)
		page.Next = cmp.Or(page.Next, storage.NewCursor(tenant, strconv.Itoa(len(all))))
		return page, err
	}}
}

type ignoresRevision struct{ *memory.Backend }

func (b *ignoresRevision) Webhooks() webhooks.Store { return anyRevision{b.Backend.Webhooks()} }

type anyRevision struct{ webhooks.Store }

func (s anyRevision) UpdateEndpoint(ctx context.Context, tenant string, e webhooks.Endpoint, _ int64) error {
	stored, _, err := s.Store.GetEndpoint(ctx, tenant, e.ID, false)
	if err != nil {
		return err
	}
	return s.Store.UpdateEndpoint(ctx, tenant, e, stored.Revision)
}

// comparesFirst compares the revision, and lets others in before it writes.
type comparesFirst struct{ *memory.Backend }

func (b *comparesFirst) Webhooks() webhooks.Store { return comparedFirst{b.Backend.Webhooks()} }

type comparedFirst struct{ webhooks.Store }

func (s comparedFirst) UpdateEndpoint(ctx context.Context, tenant string, e webhooks.Endpoint, revision int64) error {
	stored, _, err := s.Store.GetEndpoint(ctx, tenant, e.ID, false)
	if err != nil {
		return err
	}
	if stored.Revision != revision {
		return storage.ErrConflict
	}
	runtime.Gosched()
	for range 100 { // the race is lost sooner or later
		err = s.Store.UpdateEndpoint(ctx, tenant, e, stored.Revision)
		if !errors.Is(err, storage.ErrConflict) {
			return err
		}
		if stored, _, err = s.Store.GetEndpoint(ctx, tenant, e.ID, false); err != nil {
			return err
		}
	}
	return err
}
