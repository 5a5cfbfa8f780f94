package flags

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// Create defines a flag, completed with the [Defaults] of its type. reason is kept with
// the version. A key that is taken is [ErrExists]; that of a deleted flag is free, and
// its revisions count on. Where the tenant has all it may, see [Quotas], it is a
// *storage.LimitError.
//
// Errors are those of audit.Governor.Change, and a *storage.InvalidError with pointers
// into the flag for what is wrong with it. That holds for every change.
func (s *Service) Create(ctx context.Context, tenant string, f Flag, reason string) (FlagVersion, error) {
	if _, ok := DefaultsOf(f.Type); !ok {
		return FlagVersion{}, storage.Invalid("/type", "is none of the types")
	}
	f = f.complete(s.now())
	return s.changeFlag(ctx, flagEvent(ActionCreate, tenant, f.Key, 0, reason), payload{Flag: &f})
}

// Get returns a flag. It is storage.ErrNotFound where the tenant has no such one.
func (s *Service) Get(ctx context.Context, tenant, key string) (FlagVersion, error) {
	v, err := s.store.Get(ctx, tenant, KindFlag, key)
	if err == nil && v.Deleted {
		err = storage.ErrNotFound
	}
	if err != nil {
		return FlagVersion{}, err
	}
	return ReadFlag(v)
}

// Update replaces the definition of a flag. revision is the one the update was made
// for, zero for whichever is current; a later one is storage.ErrConflict, and a flag that
// is not there storage.ErrNotFound.
//
// The type and the type of the values stay, because gates and readers go by them. Kill
// switches and overrides for QA stay as well, whatever f says of an environment: they
// have changes of their own. A definition that is as it was is no new version.
func (s *Service) Update(ctx context.Context, tenant string, f Flag, revision int64, reason string) (FlagVersion, error) {
	return s.changeFlag(ctx, flagEvent(ActionUpdate, tenant, f.Key, revision, reason), payload{Flag: &f})
}

// Delete removes a flag; readers get defaults of their own. Its versions stay.
// revision is as in [Service.Update].
func (s *Service) Delete(ctx context.Context, tenant, key string, revision int64, reason string) error {
	_, err := s.changeFlag(ctx, flagEvent(ActionDelete, tenant, key, revision, reason), payload{})
	return err
}

// changeFlag makes a change of a flag and returns the flag as it is afterwards.
func (s *Service) changeFlag(ctx context.Context, e audit.Event, p payload) (FlagVersion, error) {
	v, err := s.change(ctx, e, p)
	if err != nil && !errors.Is(err, errUnchanged) {
		return FlagVersion{}, s.absent(ctx, e, KindFlag, err)
	}
	return ReadFlag(v)
}

// absent tells a change that came late from one of what is not there: by its revision
// alone both are conflicts.
func (s *Service) absent(ctx context.Context, e audit.Event, kind Kind, err error) error {
	if e.BaseRevision == "" || !errors.Is(err, storage.ErrConflict) {
		return err
	}
	if last, unread := s.last(ctx, e.Tenant, kind, e.Resource.ID); unread != nil || standing(last) != nil {
		return err
	}
	return storage.ErrNotFound
}

func flagEvent(action, tenant, key string, revision int64, reason string) audit.Event {
	return audit.Event{
		Tenant: tenant, Action: action, Resource: audit.Resource{Type: ResourceFlag, ID: key},
		BaseRevision: baseOf(revision), Reason: reason,
	}
}

func (s *Service) created(ctx context.Context, e *audit.Event, p payload, before *Version) (draft, error) {
	if before != nil {
		return draft{}, ErrExists
	}
	f, err := p.flag(e.Resource.ID)
	if err != nil {
		return draft{}, err
	}
	var bad faults
	for _, name := range slices.Sorted(maps.Keys(f.Environments)) {
		state := f.Environments[name]
		at := join("/environments", name)
		if state.Killed != nil {
			bad.add(at+"/killed", "has a change of its own")
		}
		for i, o := range state.Overrides {
			if o.Kind == OverrideQA {
				bad.add(at+"/overrides/"+strconv.Itoa(i), "for QA has a change of its own")
			}
		}
	}
	if err := bad.err(); err != nil {
		return draft{}, err
	}
	f.Environments = keep(nil, f.Environments, actorOf(ctx, e).ID)
	return s.draftFlag(ctx, e.Tenant, nil, f, payload{Flag: &f})
}

func (s *Service) updated(ctx context.Context, e *audit.Event, p payload, before *Version) (draft, error) {
	old, err := flagBefore(before)
	if err != nil {
		return draft{}, err
	}
	f, err := p.flag(e.Resource.ID)
	if err != nil {
		return draft{}, err
	}
	var bad faults
	if f.Type != old.Type {
		bad.add("/type", "cannot change: make another flag")
	}
	if f.ValueType != old.ValueType {
		bad.add("/value_type", "cannot change: make another flag")
	}
	if err := bad.err(); err != nil {
		return draft{}, err
	}
	f.Environments = keep(old.Environments, f.Environments, actorOf(ctx, e).ID)
	said := f.stated()
	return s.draftFlag(ctx, e.Tenant, &old, f, payload{Flag: &said})
}

// keep returns the states of an update with what only changes of its own may change, and
// with the overrides of tenants signed by who set them.
func keep(before, after map[string]State, by string) map[string]State {
	kept := make(map[string]State, len(after))
	maps.Copy(kept, after)
	for name := range before {
		if _, ok := kept[name]; !ok && (before[name].Killed != nil || slices.ContainsFunc(before[name].Overrides, forQA)) {
			kept[name] = State{}
		}
	}
	for name, state := range kept {
		overrides := slices.DeleteFunc(slices.Clone(before[name].Overrides), func(o Override) bool { return !forQA(o) })
		for _, o := range state.Overrides {
			if !forQA(o) {
				overrides = append(overrides, signed(o, before[name].Overrides, by))
			}
		}
		state.Killed, state.Overrides = before[name].Killed, overrides
		kept[name] = state
	}
	return kept
}

// signed returns an override as it stands in before, else as one that is set now.
func signed(o Override, before []Override, by string) Override {
	o.By = by
	for _, old := range before {
		again := old
		if again.By = by; again == o {
			return old
		}
	}
	return o
}

func forQA(o Override) bool { return o.Kind == OverrideQA }

// stated returns f without what only changes of its own may change.
func (f Flag) stated() Flag {
	states := make(map[string]State, len(f.Environments))
	for name, state := range f.Environments {
		state.Killed = nil
		if slices.ContainsFunc(state.Overrides, forQA) {
			state.Overrides = slices.DeleteFunc(slices.Clone(state.Overrides), forQA)
		}
		states[name] = state
	}
	f.Environments = states
	return f
}

func (s *Service) deleted(_ context.Context, _ *audit.Event, _ payload, before *Version) (draft, error) {
	old, err := flagBefore(before)
	if err != nil {
		return draft{}, err
	}
	environments, err := touched(&old, nil)
	return draft{
		body: before.Body, deleted: true, audiences: before.Audiences, payload: payload{Type: old.Type, Environments: environments},
	}, err
}

// draftFlag checks a flag that is to follow old, nil for none, and drafts it. p is
// completed with what gates go by.
func (s *Service) draftFlag(ctx context.Context, tenant string, old *Flag, f Flag, p payload) (d draft, err error) {
	deps, err := s.deps(ctx, tenant)
	if err != nil {
		return d, err
	}
	if err := check(f, deps); err != nil {
		return d, err
	}
	said, err := canonicalJSON(f.stated())
	if err != nil {
		return d, err
	}
	if err := checkLength(said); err != nil {
		return d, err
	}
	d = draft{audiences: uses(f, deps), payload: p}
	if d.body, err = canonicalJSON(f); err != nil {
		return d, err
	}
	d.payload.Type = f.Type
	d.payload.Environments, err = touched(old, &f)
	return d, err
}

// flag returns a copy of the flag of a payload as its JSON says it, for a key.
func (p payload) flag(key string) (f Flag, err error) {
	if p.Flag == nil {
		return f, storage.Invalid("/payload", "has no flag")
	}
	if p.Flag.Key != key {
		return f, storage.Invalid("/key", "is not that of the flag")
	}
	c := &compiler{flag: *p.Flag, bad: &faults{}}
	if c.checkCounts(); c.bad.any() {
		return f, c.bad.err() // before it is copied
	}
	raw, err := canonicalJSON(p.Flag)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, storage.Invalid("", "cannot be read back from its JSON")
	}
	return f, nil
}

// flagBefore returns the flag that a change is about, or storage.ErrNotFound.
func flagBefore(before *Version) (Flag, error) {
	if before == nil {
		return Flag{}, storage.ErrNotFound
	}
	v, err := ReadFlag(*before)
	return v.Flag, err
}

func list[T any](ctx context.Context, s Store, tenant string, kind Kind, after storage.Cursor, n int, read func(Version) (T, error)) (storage.Page[T], error) {
	name := "flags." + string(kind) + "\x00" + tenant
	limit, err := storage.Limit(n)
	if err != nil {
		return storage.Page[T]{}, err
	}
	at, err := after.Key(name, 1)
	if err != nil {
		return storage.Page[T]{}, err
	}
	q := ListQuery{Kind: kind, Limit: limit + 1}
	if at != nil {
		q.After = at[0]
	}
	found, err := s.List(ctx, tenant, q)
	if err != nil {
		return storage.Page[T]{}, err
	}
	return pageOf(found, limit, read, func(last Version) storage.Cursor { return storage.NewCursor(name, last.Key) })
}
