package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
)

// Flags returns the store of flags and audiences.
func (b *Backend) Flags() flags.Store { return flagStore{b, b} }

type flagStore struct {
	storage.Signals
	b *Backend
}

var _ flags.Store = flagStore{}

type (
	// A flagRow is a version: in flagTable the current one of its key, in
	// flagVersionTable each.
	flagRow struct {
		tenant string
		flags.Version
	}
	flagHeadRow struct {
		tenant string
		change int64
	}
	// An audienceRow stands for one audience that a document uses.
	audienceRow struct {
		tenant, audience string
		kind             flags.Kind
		key              string
	}
	overrideUseRow struct {
		tenant string
		flags.OverrideUse
	}
)

var flagHeadTable = table[flagHeadRow]{
	func(a, b *flagHeadRow) int { return cmp.Compare(a.tenant, b.tenant) },
}

var flagTable = table[flagRow]{
	func(a, b *flagRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	},
	func(a, b *flagRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.Change, b.Change))
	},
}

const flagsByChange = 1

var flagVersionTable = table[flagRow]{
	func(a, b *flagRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Revision, b.Revision))
	},
}

var audienceTable = table[audienceRow]{
	func(a, b *audienceRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.audience, b.audience), cmp.Compare(a.kind, b.kind), cmp.Compare(a.key, b.key))
	},
}

var overrideUseTable = table[overrideUseRow]{
	func(a, b *overrideUseRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.Flag, b.Flag), cmp.Compare(a.Environment, b.Environment),
			cmp.Compare(a.Override, b.Override), cmp.Compare(a.Subject, b.Subject), a.Day.Compare(b.Day))
	},
}

// Lock is Head: transactions run one at a time.
func (s flagStore) Lock(ctx context.Context, tenant string) (change int64, err error) {
	if _, err := s.b.required(ctx); err != nil {
		return 0, err
	}
	err = s.b.read(ctx, "flags.Lock", func(v view) error {
		change = flagHead(v, tenant)
		return nil
	})
	return change, err
}

func (s flagStore) Head(ctx context.Context, tenant string) (change int64, err error) {
	err = s.b.read(ctx, "flags.Head", func(v view) error {
		change = flagHead(v, tenant)
		return nil
	})
	return change, err
}

func flagHead(v view, tenant string) int64 {
	row, _ := flagHeadTable.get(v, flagHeadRow{tenant: tenant})
	return row.change
}

func (s flagStore) Save(ctx context.Context, tenant string, version flags.Version) (change int64, err error) {
	err = s.b.write(ctx, "flags.Save", func(v view) error {
		row := flagRow{tenant, copyFlagVersion(version)}
		old, exists := flagTable.get(v, row)
		if exists != (row.Revision > 1) || exists && old.Revision != row.Revision-1 {
			return storage.ErrConflict
		}
		change = flagHead(v, tenant) + 1
		row.Change = change
		flagHeadTable.put(v, flagHeadRow{tenant, change})
		for _, audience := range old.Audiences {
			audienceTable.delete(v, audienceRow{tenant, audience, row.Kind, row.Key})
		}
		if !row.Deleted {
			for _, audience := range row.Audiences {
				audienceTable.put(v, audienceRow{tenant, audience, row.Kind, row.Key})
			}
		}
		flagTable.put(v, row)
		return flagVersionTable.insert(v, row)
	})
	return change, err
}

func (s flagStore) Get(ctx context.Context, tenant string, kind flags.Kind, key string) (version flags.Version, err error) {
	err = s.b.read(ctx, "flags.Get", func(v view) error {
		row, ok := flagTable.get(v, flagKey(tenant, kind, key))
		if !ok {
			return storage.ErrNotFound
		}
		version = copyFlagVersion(row.Version)
		return nil
	})
	return version, err
}

func (s flagStore) List(ctx context.Context, tenant string, q flags.ListQuery) (found []flags.Version, err error) {
	err = s.b.read(ctx, "flags.List", func(v view) error {
		for row := range flagTable.ascend(v, 0, flagKey(tenant, q.Kind, q.After)) {
			if row.tenant != tenant || row.Kind != q.Kind || len(found) == q.Limit {
				break
			}
			if !row.Deleted && row.Key != q.After {
				found = append(found, copyFlagVersion(row.Version))
			}
		}
		return nil
	})
	return found, err
}

func (s flagStore) Count(ctx context.Context, tenant string, kind flags.Kind) (n int64, err error) {
	err = s.b.read(ctx, "flags.Count", func(v view) error {
		for row := range flagTable.ascend(v, 0, flagKey(tenant, kind, "")) {
			if row.tenant != tenant || row.Kind != kind {
				break
			}
			if !row.Deleted {
				n++
			}
		}
		return nil
	})
	return n, err
}

func (s flagStore) Versions(ctx context.Context, tenant string, kind flags.Kind, key string, before int64, limit int) (found []flags.Version, err error) {
	from := flagKey(tenant, kind, key)
	from.Revision = cmp.Or(before, 1<<62) - 1
	err = s.b.read(ctx, "flags.Versions", func(v view) error {
		for row := range flagVersionTable.descend(v, 0, from) {
			if row.tenant != tenant || row.Kind != kind || row.Key != key || len(found) == limit {
				break
			}
			found = append(found, copyFlagVersion(row.Version))
		}
		return nil
	})
	return found, err
}

func (s flagStore) Users(ctx context.Context, tenant, audience string, limit int) (found []flags.Version, err error) {
	err = s.b.read(ctx, "flags.Users", func(v view) error {
		for use := range audienceTable.ascend(v, 0, audienceRow{tenant: tenant, audience: audience}) {
			if use.tenant != tenant || use.audience != audience || len(found) == limit {
				break
			}
			row, _ := flagTable.get(v, flagKey(tenant, use.kind, use.key))
			found = append(found, copyFlagVersion(row.Version))
		}
		return nil
	})
	return found, err
}

func (s flagStore) Changes(ctx context.Context, tenant string, after int64, limit int) (found []flags.Version, err error) {
	err = s.b.read(ctx, "flags.Changes", func(v view) error {
		from := flagRow{tenant: tenant}
		from.Change = after + 1
		for row := range flagTable.ascend(v, flagsByChange, from) {
			if row.tenant != tenant || len(found) == limit {
				break
			}
			found = append(found, copyFlagVersion(row.Version))
		}
		return nil
	})
	return found, err
}

func (s flagStore) Use(ctx context.Context, tenant string, u flags.OverrideUse) (first bool, err error) {
	err = s.b.write(ctx, "flags.Use", func(v view) error {
		u.Day = stored(u.Day)
		row := overrideUseRow{tenant, u}
		if first = !overrideUseTable.has(v, row); first {
			overrideUseTable.put(v, row)
		}
		return nil
	})
	return first, err
}

func flagKey(tenant string, kind flags.Kind, key string) flagRow {
	return flagRow{tenant, flags.Version{Kind: kind, Key: key}}
}

func copyFlagVersion(v flags.Version) flags.Version {
	v.Body, v.Hash = bytes.Clone(v.Body), bytes.Clone(v.Hash)
	if v.Audiences = slices.Clone(v.Audiences); len(v.Audiences) == 0 {
		v.Audiences = nil
	}
	v.Author, v.At, v.CreatedAt = copyActor(v.Author), stored(v.At), stored(v.CreatedAt)
	return v
}
