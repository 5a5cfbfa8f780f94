package memory

import (
	"bytes"
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
)

var credentialTable = table[credentials.Record]{
	func(a, b *credentials.Record) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Name, b.Name))
	},
}

type credentialStore struct{ b *Backend }

var _ credentials.Store = credentialStore{}

// Credentials returns the store of package credentials.
func (b *Backend) Credentials() credentials.Store { return credentialStore{b} }

func credentialKey(tenant, name string) credentials.Record {
	return credentials.Record{Credential: credentials.Credential{Tenant: tenant, Name: name}}
}

// storedCredential returns what a SQL backend keeps of a record.
func storedCredential(tenant string, r credentials.Record) credentials.Record {
	r.Tenant, r.Sealed = tenant, bytes.Clone(r.Sealed)
	r.CreatedAt, r.UpdatedAt, r.LastUsedAt = stored(r.CreatedAt), stored(r.UpdatedAt), stored(r.LastUsedAt)
	return r
}

// credentialAt returns the record of a name that has the revision.
func credentialAt(v view, tenant, name string, revision int64) (credentials.Record, error) {
	r, ok := credentialTable.get(v, credentialKey(tenant, name))
	switch {
	case !ok:
		return r, storage.ErrNotFound
	case r.Revision != revision:
		return r, storage.ErrConflict
	}
	return r, nil
}

func (s credentialStore) Insert(ctx context.Context, tenant string, r credentials.Record, most int64) error {
	return s.b.write(ctx, "credentials.Insert", func(v view) error {
		row := storedCredential(tenant, r)
		if credentialTable.has(v, row) {
			return storage.ErrConflict
		}
		if most != storage.Unlimited {
			q := storage.Quota{What: credentials.What, Limit: most, Used: countCredentials(v, tenant)}
			if counts(row) {
				q.Used++
			}
			if err := q.Check(); err != nil {
				return err
			}
		}
		return credentialTable.insert(v, row)
	})
}

func (s credentialStore) Count(ctx context.Context, tenant string) (n int64, err error) {
	err = s.b.read(ctx, "credentials.Count", func(v view) error {
		n = countCredentials(v, tenant)
		return nil
	})
	return n, err
}

func countCredentials(v view, tenant string) (n int64) {
	for r := range credentialTable.ascend(v, 0, credentialKey(tenant, "")) {
		if r.Tenant != tenant {
			break
		}
		if counts(r) {
			n++
		}
	}
	return n
}

// counts reports whether a credential is one of those that a quota counts.
func counts(r credentials.Record) bool { return !strings.HasPrefix(r.Name, ".") }

func (s credentialStore) Update(ctx context.Context, tenant string, r credentials.Record, revision int64) error {
	return s.b.write(ctx, "credentials.Update", func(v view) error {
		old, err := credentialAt(v, tenant, r.Name, revision)
		if err != nil {
			return err
		}
		r := storedCredential(tenant, r)
		r.CreatedAt, r.LastUsedAt = old.CreatedAt, old.LastUsedAt
		credentialTable.put(v, r)
		return nil
	})
}

func (s credentialStore) Delete(ctx context.Context, tenant, name string, revision int64) error {
	return s.b.write(ctx, "credentials.Delete", func(v view) error {
		old, err := credentialAt(v, tenant, name, revision)
		if err != nil {
			return err
		}
		credentialTable.delete(v, old)
		return nil
	})
}

func (s credentialStore) Get(ctx context.Context, tenant, name string) (r credentials.Record, err error) {
	err = s.b.read(ctx, "credentials.Get", func(v view) error {
		row, ok := credentialTable.get(v, credentialKey(tenant, name))
		if !ok {
			return storage.ErrNotFound
		}
		r = storedCredential(tenant, row)
		return nil
	})
	return r, err
}

func (s credentialStore) List(ctx context.Context, tenant string, q credentials.Query) (page storage.Page[credentials.Record], err error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return page, err
	}
	after, err := q.Position(tenant)
	if err != nil {
		return page, err
	}
	err = s.b.read(ctx, "credentials.List", func(v view) error {
		for r := range credentialTable.ascend(v, 0, credentialKey(tenant, after)) {
			if r.Tenant != tenant {
				break
			}
			if r.Name == after || q.Kind != "" && r.Kind != q.Kind {
				continue
			}
			if len(page.Items) == limit {
				page.Next = q.Next(tenant, page.Items[limit-1])
				break
			}
			page.Items = append(page.Items, storedCredential(tenant, r))
		}
		return nil
	})
	return page, err
}

func (s credentialStore) Touch(ctx context.Context, tenant, name string, at time.Time) error {
	return s.b.write(ctx, "credentials.Touch", func(v view) error {
		r, ok := credentialTable.get(v, credentialKey(tenant, name))
		if at = stored(at); ok && r.LastUsedAt.Before(at) {
			r.LastUsedAt = at
			credentialTable.put(v, r)
		}
		return nil
	})
}

func (s credentialStore) ReplaceSealed(ctx context.Context, tenant string, r credentials.Record, fresh []byte, keyID string) (replaced bool, err error) {
	err = s.b.write(ctx, "credentials.ReplaceSealed", func(v view) error {
		row, ok := credentialTable.get(v, credentialKey(tenant, r.Name))
		if !ok || !bytes.Equal(row.Sealed, r.Sealed) {
			return nil
		}
		row.Sealed, row.KeyID = bytes.Clone(fresh), keyID
		credentialTable.put(v, row)
		replaced = true
		return nil
	})
	return replaced && err == nil, err
}
