package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

// A policyHead is where the policy of a tenant stands.
type policyHead struct {
	Tenant string
	Head   authz.Head
}

var policyTable = table[policyHead]{
	func(a, b *policyHead) int { return cmp.Compare(a.Tenant, b.Tenant) },
}

// A policyRow is a row with the change that added it and its place in that change.
type policyRow struct {
	Tenant   string
	Sequence int64
	Position int
	Row      authz.Row
	Digest   [32]byte
}

// policyRowTable keeps rows by id, in their order, and by content.
var policyRowTable = table[policyRow]{
	func(a, b *policyRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Row.ID, b.Row.ID))
	},
	func(a, b *policyRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Position, b.Position))
	},
	func(a, b *policyRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), slices.Compare(a.Digest[:], b.Digest[:]))
	},
}

const (
	policyRowsInOrder   = 1
	policyRowsByContent = 2
)

type authzStore struct{ b *Backend }

var _ authz.Store = authzStore{}

// Authz returns the store of policies.
func (b *Backend) Authz() authz.Store { return authzStore{b} }

func (s authzStore) Head(ctx context.Context, tenant string) (head authz.Head, err error) {
	err = s.b.read(ctx, "authz.Head", func(v view) error {
		h, _ := policyTable.get(v, policyHead{Tenant: tenant})
		head = h.Head
		return nil
	})
	return head, err
}

func (s authzStore) Rows(ctx context.Context, tenant string, after storage.Cursor, limit int) (page storage.Page[authz.Row], err error) {
	limit, err = storage.Limit(limit)
	if err != nil {
		return page, err
	}
	sequence, position, err := authz.RowPosition(tenant, after)
	if err != nil {
		return page, err
	}
	err = s.b.read(ctx, "authz.Rows", func(v view) error {
		from := policyRow{Tenant: tenant, Sequence: sequence, Position: position + 1}
		for r := range policyRowTable.ascend(v, policyRowsInOrder, from) {
			if r.Tenant != tenant {
				break
			}
			if len(page.Items) == limit {
				page.Next = authz.RowCursor(tenant, sequence, position)
				break
			}
			r.Row.Values = slices.Clone(r.Row.Values)
			page.Items = append(page.Items, r.Row)
			sequence, position = r.Sequence, r.Position
		}
		return nil
	})
	return page, err
}

func (s authzStore) Change(ctx context.Context, tenant string, c authz.Change) (head authz.Head, err error) {
	err = s.b.write(ctx, "authz.Change", func(v view) error {
		h, _ := policyTable.get(v, policyHead{Tenant: tenant})
		switch {
		case h.Head.ChangeID == c.ID:
			head = h.Head
			return nil
		case c.Expected != authz.AnySequence && c.Expected != h.Head.Sequence:
			return storage.ErrConflict
		}
		head = authz.Head{Sequence: h.Head.Sequence + 1, ChangeID: c.ID, At: stored(c.At)}
		for _, id := range c.Remove {
			if !policyRowTable.delete(v, policyRow{Tenant: tenant, Row: authz.Row{ID: id}}) {
				return fmt.Errorf("row %s: %w", strconv.Quote(id), storage.ErrNotFound)
			}
		}
		for i, r := range c.Add {
			r.Values = slices.Clone(r.Values)
			row := policyRow{Tenant: tenant, Sequence: head.Sequence, Position: i, Row: r, Digest: r.Digest()}
			if hasContent(v, row) {
				return fmt.Errorf("add row %s to the policy: %w", strconv.Quote(r.ID), storage.ErrConflict)
			}
			if err := policyRowTable.insert(v, row); err != nil {
				return fmt.Errorf("add row %s to the policy: %w", strconv.Quote(r.ID), err)
			}
		}
		policyTable.put(v, policyHead{Tenant: tenant, Head: head})
		return nil
	})
	if err != nil {
		return authz.Head{}, err
	}
	return head, nil
}

// hasContent reports whether the tenant has a row of the same content.
func hasContent(v view, row policyRow) bool {
	for r := range policyRowTable.ascend(v, policyRowsByContent, row) {
		return r.Tenant == row.Tenant && r.Digest == row.Digest
	}
	return false
}
