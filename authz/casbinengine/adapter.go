package casbinengine

import (
	"context"
	"errors"
	"fmt"

	"github.com/casbin/casbin/v2/model"
	"github.com/casbin/casbin/v2/persist"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

// An Adapter lets casbin's own enforcers and tools read and write the policy of one
// tenant. Writes go through [authz.Policies]: they are checked, gated and recorded
// like any other change, and an enforcer's AddPolicy fails where they are refused.
//
// The methods without ctx, which casbin's plain enforcers call, use the ctx that the
// Adapter was made with.
type Adapter struct {
	ctx      context.Context
	policies *authz.Policies
	tenant   string
}

var (
	_ persist.BatchAdapter        = (*Adapter)(nil)
	_ persist.ContextBatchAdapter = (*Adapter)(nil)
)

// NewAdapter makes an Adapter for a tenant. ctx serves the methods that have none
// and names who acts.
func NewAdapter(ctx context.Context, policies *authz.Policies, tenant string) (*Adapter, error) {
	if policies == nil {
		return nil, errors.New("casbinengine: no policies")
	}
	if err := storage.CheckID("/tenant", tenant); err != nil {
		return nil, fmt.Errorf("casbinengine: %w", err)
	}
	return &Adapter{ctx: ctx, policies: policies, tenant: tenant}, nil
}

// all returns every row of the tenant.
func (a *Adapter) all(ctx context.Context) ([]authz.Row, error) {
	var rows []authz.Row
	var after storage.Cursor
	for {
		page, err := a.policies.Rows(ctx, a.tenant, after, storage.MaxLimit)
		if err != nil {
			return nil, err
		}
		rows = append(rows, page.Items...)
		if after = page.Next; after == "" {
			return rows, nil
		}
	}
}

// LoadPolicyCtx reads all rows into m.
func (a *Adapter) LoadPolicyCtx(ctx context.Context, m model.Model) error {
	rows, err := a.all(ctx)
	if err != nil {
		return err
	}
	return rowAdapter(rows).LoadPolicy(m)
}

// SavePolicyCtx replaces all rows by those of m.
func (a *Adapter) SavePolicyCtx(ctx context.Context, m model.Model) error {
	var want []authz.Row
	for _, section := range []string{"p", "g"} {
		for kind, ast := range m[section] {
			want = append(want, rowsOf(kind, ast.Policy)...)
		}
	}
	return a.change(ctx, func(rows []authz.Row) (remove, add []authz.Row) { return rows, want })
}

// AddPolicyCtx adds one row.
func (a *Adapter) AddPolicyCtx(ctx context.Context, section, kind string, values []string) error {
	return a.AddPoliciesCtx(ctx, section, kind, [][]string{values})
}

// AddPoliciesCtx adds rows, all or none.
func (a *Adapter) AddPoliciesCtx(ctx context.Context, _, kind string, rules [][]string) error {
	_, err := a.policies.Change(ctx, a.tenant, authz.Change{Expected: authz.AnySequence, Add: rowsOf(kind, rules)})
	return err
}

// RemovePolicyCtx removes one row.
func (a *Adapter) RemovePolicyCtx(ctx context.Context, section, kind string, values []string) error {
	return a.RemovePoliciesCtx(ctx, section, kind, [][]string{values})
}

// RemovePoliciesCtx removes rows, all or none. Rows that are not there are passed
// over, as casbin's other adapters do.
func (a *Adapter) RemovePoliciesCtx(ctx context.Context, _, kind string, rules [][]string) error {
	gone := map[[32]byte]bool{}
	for _, r := range rowsOf(kind, rules) {
		gone[r.Digest()] = true
	}
	return a.remove(ctx, func(r authz.Row) bool { return gone[r.Digest()] })
}

// RemoveFilteredPolicyCtx removes the rows whose columns from fieldIndex on have the
// given values; an empty value stands for any.
func (a *Adapter) RemoveFilteredPolicyCtx(ctx context.Context, _, kind string, fieldIndex int, fieldValues ...string) error {
	return a.remove(ctx, func(r authz.Row) bool {
		if r.Kind != kind || fieldIndex < 0 || fieldIndex+len(fieldValues) > len(r.Values) {
			return false
		}
		for i, v := range fieldValues {
			if v != "" && r.Values[fieldIndex+i] != v {
				return false
			}
		}
		return true
	})
}

func (a *Adapter) remove(ctx context.Context, gone func(authz.Row) bool) error {
	return a.change(ctx, func(rows []authz.Row) (remove, add []authz.Row) {
		for _, r := range rows {
			if gone(r) {
				remove = append(remove, r)
			}
		}
		return remove, nil
	})
}

// change makes the change that pick chooses from the rows as they are. Where the
// policy moves in between, the answer is storage.ErrConflict.
func (a *Adapter) change(ctx context.Context, pick func(rows []authz.Row) (remove, add []authz.Row)) error {
	head, err := a.policies.Head(ctx, a.tenant)
	if err != nil {
		return err
	}
	rows, err := a.all(ctx)
	if err != nil {
		return err
	}
	remove, add := pick(rows)
	if len(remove) == 0 && len(add) == 0 {
		return nil
	}
	c := authz.Change{Expected: head.Sequence, Add: add}
	for _, r := range remove {
		c.Remove = append(c.Remove, r.ID)
	}
	_, err = a.policies.Change(ctx, a.tenant, c)
	return err
}

func rowsOf(kind string, rules [][]string) []authz.Row {
	rows := make([]authz.Row, len(rules))
	for i, values := range rules {
		rows[i] = authz.Row{Kind: kind, Values: values}
	}
	return rows
}

// LoadPolicy implements persist.Adapter.
func (a *Adapter) LoadPolicy(m model.Model) error { return a.LoadPolicyCtx(a.ctx, m) }

// SavePolicy implements persist.Adapter.
func (a *Adapter) SavePolicy(m model.Model) error { return a.SavePolicyCtx(a.ctx, m) }

// AddPolicy implements persist.Adapter.
func (a *Adapter) AddPolicy(section, kind string, values []string) error {
	return a.AddPolicyCtx(a.ctx, section, kind, values)
}

// AddPolicies implements persist.BatchAdapter.
func (a *Adapter) AddPolicies(section, kind string, rules [][]string) error {
	return a.AddPoliciesCtx(a.ctx, section, kind, rules)
}

// RemovePolicy implements persist.Adapter.
func (a *Adapter) RemovePolicy(section, kind string, values []string) error {
	return a.RemovePolicyCtx(a.ctx, section, kind, values)
}

// RemovePolicies implements persist.BatchAdapter.
func (a *Adapter) RemovePolicies(section, kind string, rules [][]string) error {
	return a.RemovePoliciesCtx(a.ctx, section, kind, rules)
}

// RemoveFilteredPolicy implements persist.Adapter.
func (a *Adapter) RemoveFilteredPolicy(section, kind string, fieldIndex int, fieldValues ...string) error {
	return a.RemoveFilteredPolicyCtx(a.ctx, section, kind, fieldIndex, fieldValues...)
}
