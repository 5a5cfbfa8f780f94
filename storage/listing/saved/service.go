package saved

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// The actions of a [Change].
const (
	ActionCreate = "saved_filters.created"
	ActionUpdate = "saved_filters.updated"
	ActionDelete = "saved_filters.deleted"
)

// A Change is what is about to happen to a shared filter.
type Change struct {
	// Action is one of the constants of the package.
	Action string
	Tenant string
	// ID is the filter's. A creation has list/name in its place, which is the same however
	// often it is asked for; the id of a try is that of After.
	ID string
	// Before and After are the filter as it was and as it will be, nil where there is none.
	Before, After *Filter
}

// Config adjusts a [Service]. Its zero value holds the defaults.
type Config struct {
	// Govern decides about a change of a shared filter and calls apply, once and in its own
	// transaction, or returns why not. nil calls apply.
	Govern func(ctx context.Context, c Change, apply func(ctx context.Context) error) error
	// Quotas says how many objects a tenant may have; nil is the defaults for everybody.
	// It is asked when a filter is created.
	Quotas func(ctx context.Context, tenant string) (Quotas, error)
	// Now defaults to the clock.
	Now func() time.Time
}

// A Service keeps the filters of tenants. It is safe for concurrent use.
type Service struct {
	store Store
	lists map[string]List
	cfg   Config
}

// New makes a Service for lists, of which there is at least one.
func New(store Store, lists []List, cfg Config) (*Service, error) {
	switch {
	case store == nil:
		return nil, errors.New("saved: no store")
	case len(lists) == 0:
		return nil, errors.New("saved: no lists")
	}
	s := &Service{store: store, lists: make(map[string]List, len(lists)), cfg: cfg}
	for _, l := range lists {
		if err := storage.CheckID("/list", l.name); err != nil {
			return nil, fmt.Errorf("saved: the name of a list: %w", err)
		}
		if len(l.name) > MaxListName {
			return nil, fmt.Errorf("saved: the name of the list %s is longer than %d bytes", l.name, MaxListName)
		}
		if _, ok := s.lists[l.name]; ok {
			return nil, fmt.Errorf("saved: the list %s is given twice", l.name)
		}
		s.lists[l.name] = l
	}
	if s.cfg.Now == nil {
		s.cfg.Now = time.Now
	}
	if s.cfg.Govern == nil {
		s.cfg.Govern = func(ctx context.Context, _ Change, apply func(ctx context.Context) error) error { return apply(ctx) }
	}
	return s, nil
}

// Create keeps a filter of a list for owner, or for everybody of the tenant where owner is
// empty.
//
// Errors: a *storage.InvalidError that names the field, storage.ErrNotFound for a list that
// is none of the Service, storage.ErrConflict where the owner has a filter of that name in
// the list, a *storage.LimitError where the tenant has all it may, see [Quotas], and those
// of Govern. Repeat a creation whose commit was storage.ErrCommitUnknown: a conflict says
// that it had happened.
func (s *Service) Create(ctx context.Context, tenant, owner, list string, in Input) (Filter, error) {
	if err := storage.CheckID("/tenant", tenant); err != nil {
		return Filter{}, err
	}
	if err := storage.CheckText("/owner", owner, storage.MaxID); err != nil {
		return Filter{}, err
	}
	l, ok := s.lists[list]
	if !ok {
		return Filter{}, storage.ErrNotFound
	}
	if err := in.check(l); err != nil {
		return Filter{}, err
	}
	now := s.now()
	f := in.onto(Filter{ID: storage.NewID(), Tenant: tenant, List: list, Owner: owner, Revision: 1, CreatedAt: now, UpdatedAt: now})
	err := s.change(ctx, ActionCreate, nil, &f, func(ctx context.Context) error {
		q, err := s.quota(ctx, tenant)
		if err != nil {
			return err
		}
		return s.store.Insert(ctx, tenant, f, q.Limit)
	})
	if err != nil {
		return Filter{}, err
	}
	return f, nil
}

// Get returns a filter that viewer sees, also one that is outdated. It is
// storage.ErrNotFound where there is no such one.
func (s *Service) Get(ctx context.Context, tenant, viewer, id string) (Filter, error) {
	if storage.CheckID("", id) != nil {
		return Filter{}, storage.ErrNotFound
	}
	f, err := s.store.Get(ctx, tenant, id)
	if err == nil && !f.seen(viewer) {
		err = storage.ErrNotFound
	}
	if err != nil {
		return Filter{}, err
	}
	return f, nil
}

// List returns the filters of q.List that q.Viewer sees, by name. It is
// storage.ErrNotFound for a list that is none of the Service.
func (s *Service) List(ctx context.Context, tenant string, q Query) (storage.Page[Filter], error) {
	if _, ok := s.lists[q.List]; !ok {
		return storage.Page[Filter]{}, storage.ErrNotFound
	}
	return s.store.List(ctx, tenant, q)
}

// Update replaces the name, the conditions and the order of a filter that viewer sees.
// revision is the one that the caller saw, zero for whichever is current; a later one is
// storage.ErrConflict. Other errors are those of Create.
func (s *Service) Update(ctx context.Context, tenant, viewer, id string, revision int64, in Input) (Filter, error) {
	before, err := s.at(ctx, tenant, viewer, id, revision)
	if err != nil {
		return Filter{}, err
	}
	l, ok := s.lists[before.List]
	if !ok {
		return Filter{}, storage.ErrNotFound
	}
	if err := in.check(l); err != nil {
		return Filter{}, err
	}
	after := in.onto(before)
	after.Revision, after.UpdatedAt = before.Revision+1, s.now()
	err = s.change(ctx, ActionUpdate, &before, &after, func(ctx context.Context) error {
		return s.store.Update(ctx, tenant, after, before.Revision)
	})
	if err != nil {
		return Filter{}, err
	}
	return after, nil
}

// Delete removes a filter that viewer sees. revision as in Update.
func (s *Service) Delete(ctx context.Context, tenant, viewer, id string, revision int64) error {
	before, err := s.at(ctx, tenant, viewer, id, revision)
	if err != nil {
		return err
	}
	return s.change(ctx, ActionDelete, &before, nil, func(ctx context.Context) error {
		return s.store.Delete(ctx, tenant, id, before.Revision)
	})
}

// Query returns what a filter asks list for, without a place in it. It is
// storage.ErrNotFound where viewer sees no filter of that id or it is one of another list,
// and an *[OutdatedError] where it does not fit the list any more.
func (s *Service) Query(ctx context.Context, tenant, viewer, list, id string) (listing.Query, error) {
	f, err := s.Get(ctx, tenant, viewer, id)
	if err != nil {
		return listing.Query{}, err
	}
	l, ok := s.lists[list]
	if !ok || f.List != list {
		return listing.Query{}, storage.ErrNotFound
	}
	q := listing.Query{Filters: f.Filters, Sort: f.Sort}
	err = l.check(q)
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		return listing.Query{}, &OutdatedError{ID: f.ID, Name: f.Name, Fields: invalid.Fields}
	}
	if err != nil {
		return listing.Query{}, err
	}
	return q, nil
}

// ErrOutdated reports a filter that does not fit its list any more: the program declares
// the list otherwise by now.
var ErrOutdated = errors.New("the saved filter does not fit its list any more")

// An OutdatedError is [ErrOutdated] with what does not fit.
type OutdatedError struct {
	ID, Name string
	// Fields are the conditions, or the sort, with pointers such as /filter/status/eq.
	Fields []storage.FieldError
}

// Error implements error.
func (e *OutdatedError) Error() string {
	return fmt.Sprintf("%v: %s: %v", ErrOutdated, e.ID, &storage.InvalidError{Fields: e.Fields})
}

// Is reports whether target is [ErrOutdated].
func (e *OutdatedError) Is(target error) bool { return target == ErrOutdated }

// onto returns f as the input says.
func (in Input) onto(f Filter) Filter {
	f.Name, f.Sort = in.Name, in.Sort
	f.Filters = make([]listing.Filter, len(in.Filters))
	for i, one := range in.Filters {
		one.Values = slices.Clone(one.Values)
		f.Filters[i] = one
	}
	return f
}

// at returns the filter that a change is made for.
func (s *Service) at(ctx context.Context, tenant, viewer, id string, revision int64) (Filter, error) {
	f, err := s.Get(ctx, tenant, viewer, id)
	if err == nil && revision != 0 && f.Revision != revision {
		err = storage.ErrConflict
	}
	return f, err
}

// change applies a change, asking Govern where others see the filter.
func (s *Service) change(ctx context.Context, action string, before, after *Filter, apply func(ctx context.Context) error) error {
	of := cmp.Or(before, after)
	if !of.Shared() {
		return apply(ctx)
	}
	id := of.ID
	if before == nil {
		id = of.List + "/" + of.Name
	}
	return s.cfg.Govern(ctx, Change{Action: action, Tenant: of.Tenant, ID: id, Before: before, After: after}, apply)
}

// now returns the time as it is stored.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }
