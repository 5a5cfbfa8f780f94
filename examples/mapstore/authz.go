package mapstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

// An authzStore is the authz.Store of a Backend.
type authzStore struct {
	*Backend
	heads table[string, authz.Head] // by tenant
	rows  table[tenantID, policyRow]
	// contents has the digests of the rows.
	contents table[contentKey, struct{}]
}

// A policyRow is a row with the change that added it and its place in that change.
type policyRow struct {
	authz.Row
	Sequence int64
	Position int
}

type contentKey struct {
	tenant string
	digest [sha256.Size]byte
}

var _ authz.Store = (*authzStore)(nil)

// Authz returns the store of policies.
func (b *Backend) Authz() authz.Store { return b.authz }

// Head implements authz.Store.
func (s *authzStore) Head(ctx context.Context, tenant string) (authz.Head, error) {
	var head authz.Head
	err := s.read(ctx, func(t *tx) error {
		head, _ = s.heads.get(t, tenant)
		return nil
	})
	return head, err
}

// Rows implements authz.Store.
func (s *authzStore) Rows(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
	var none storage.Page[authz.Row]
	limit, err := storage.Limit(limit)
	if err != nil {
		return none, err
	}
	sequence, position, err := authz.RowPosition(tenant, after)
	if err != nil {
		return none, err
	}
	order := func(a, b policyRow) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Position, b.Position))
	}
	behind := policyRow{Sequence: sequence, Position: position}
	found, err := find(ctx, s.Backend, &s.rows, func(k tenantID, row policyRow) bool {
		return k.tenant == tenant && order(row, behind) > 0
	})
	if err != nil {
		return none, err
	}
	slices.SortFunc(found, order)
	p := page(found, limit, func(last policyRow) storage.Cursor { return authz.RowCursor(tenant, last.Sequence, last.Position) })
	rows := storage.Page[authz.Row]{Next: p.Next}
	for _, row := range p.Items {
		rows.Items = append(rows.Items, row.Row)
	}
	return rows, nil
}

// Change implements authz.Store.
func (s *authzStore) Change(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
	var head authz.Head
	err := s.write(ctx, func(t *tx) error {
		var known bool
		head, known = s.heads.get(t, tenant)
		switch {
		case known && head.ChangeID == c.ID:
			return nil
		case c.Expected != authz.AnySequence && c.Expected != head.Sequence:
			return storage.ErrConflict
		}
		head = authz.Head{Sequence: head.Sequence + 1, ChangeID: c.ID, At: micro(c.At)}
		s.heads.put(t, tenant, head)
		for _, id := range c.Remove {
			row, ok := s.rows.get(t, tenantID{tenant, id})
			if !ok {
				return storage.ErrNotFound
			}
			s.rows.delete(t, tenantID{tenant, id})
			s.contents.delete(t, contentKey{tenant, row.Digest()})
		}
		for i, row := range c.Add {
			k, content := tenantID{tenant, row.ID}, contentKey{tenant, row.Digest()}
			if s.rows.has(t, k) || s.contents.has(t, content) {
				return storage.ErrConflict
			}
			s.rows.put(t, k, policyRow{row, head.Sequence, i})
			s.contents.put(t, content, struct{}{})
		}
		return nil
	})
	if err != nil {
		return authz.Head{}, err
	}
	return head, nil
}
