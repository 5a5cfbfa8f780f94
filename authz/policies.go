package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// ResourcePolicy is the type of the resource that a change of policy is about. Its
// id is the tenant.
const ResourcePolicy = "policy"

// A RowChecker knows what a row may say. Engines implement it.
type RowChecker interface {
	// CheckRows reports what is wrong with rows that are to be added to the tenant's
	// policy, as a *storage.InvalidError whose pointers begin with "/add/<index>".
	CheckRows(tenant string, rows []Row) error
}

// Limits of one change of policy.
const (
	// MaxChangeRows is how many rows one change may add, and how many it may remove.
	MaxChangeRows = 10_000
	// maxReportedRows is how many rows are listed in the event of a change. What a
	// larger one did is counted.
	maxReportedRows = 100
)

// Policies changes the policies of tenants: strictly checked, gated, recorded.
type Policies struct {
	store    Store
	checker  RowChecker
	governor *audit.Governor
}

// NewPolicies makes a Policies. The governor's catalogue must list the entries of
// [Actions]. A host that fills a new tenant before anybody has a role does it
// through a governor with [audit.Ungated].
func NewPolicies(store Store, checker RowChecker, governor *audit.Governor) (*Policies, error) {
	switch {
	case store == nil:
		return nil, errors.New("authz: no store")
	case checker == nil:
		return nil, errors.New("authz: no row checker")
	case governor == nil:
		return nil, errors.New("authz: no governor")
	}
	return &Policies{store: store, checker: checker, governor: governor}, nil
}

// Head returns the position of the tenant's policy.
func (p *Policies) Head(ctx context.Context, tenant string) (Head, error) {
	return p.store.Head(ctx, tenant)
}

// Rows lists the tenant's rows in the order of their addition.
func (p *Policies) Rows(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[Row], error) {
	return p.store.Rows(ctx, tenant, after, limit)
}

// Change applies c to the tenant's policy. Rows without an id get one; an empty ID
// or At of the change is filled in. The next decision sees the change, in every
// process that shares the store.
//
// A row that the engine cannot read exactly is refused with a *storage.InvalidError
// that names its field, and nothing is stored. Other errors are those of
// [Store] and of [audit.Governor.Change]. After [storage.ErrCommitUnknown] repeat the
// change under the same ID: where it was made, the answer is the present head.
func (p *Policies) Change(ctx context.Context, tenant string, c Change) (Head, error) {
	catalog := p.governor.Catalog()
	repeatable := c.ID != ""
	if !repeatable {
		c.ID = catalog.NewID()
	}
	if c.At.IsZero() {
		c.At = catalog.Now()
	}
	c.Add = append([]Row(nil), c.Add...)
	for i := range c.Add {
		if c.Add[i].ID == "" {
			c.Add[i].ID = catalog.NewID()
		}
	}
	if err := p.check(tenant, c); err != nil {
		return Head{}, err
	}
	payload, err := changePayload(c)
	if err != nil {
		return Head{}, err
	}
	e := audit.Event{
		Action:   ActionPolicyChange,
		Tenant:   tenant,
		Resource: audit.Resource{Type: ResourcePolicy, ID: tenant},
		Payload:  payload,
	}
	if repeatable {
		e.ID = c.ID
	}
	if c.Expected != AnySequence {
		e.BaseRevision = strconv.FormatInt(c.Expected, 10)
	}
	var head Head
	_, err = p.governor.Change(ctx, e, func(ctx context.Context, _ *audit.Event) error {
		var err error
		head, err = p.store.Change(ctx, tenant, c)
		return err
	})
	if errors.Is(err, audit.ErrAlreadyRecorded) {
		return p.store.Head(ctx, tenant)
	}
	return head, err
}

// check reports what is wrong with a change whatever the policy is.
func (p *Policies) check(tenant string, c Change) error {
	var bad *storage.InvalidError
	id := func(pointer, s string) {
		if err, ok := storage.CheckID(pointer, s).(*storage.InvalidError); ok {
			bad = bad.Add(pointer, err.Fields[0].Message)
		}
	}
	id("/tenant", tenant)
	id("/id", c.ID)
	switch {
	case len(c.Add) == 0 && len(c.Remove) == 0:
		bad = bad.Add("", "must add or remove something")
	case len(c.Add) > MaxChangeRows:
		bad = bad.Add("/add", fmt.Sprintf("must have at most %d rows", MaxChangeRows))
	case len(c.Remove) > MaxChangeRows:
		bad = bad.Add("/remove", fmt.Sprintf("must have at most %d ids", MaxChangeRows))
	}
	if c.Expected < AnySequence {
		bad = bad.Add("/expected", "must not be negative")
	}
	for i, r := range c.Add {
		id(fmt.Sprintf("/add/%d/id", i), r.ID)
	}
	for i, s := range c.Remove {
		id(fmt.Sprintf("/remove/%d", i), s)
	}
	if err := bad.Err(); err != nil {
		return err
	}
	return p.checker.CheckRows(tenant, c.Add)
}

// changePayload is what the event says of a change. It stays far below the longest
// record: the rows of a large change are counted, not listed.
func changePayload(c Change) (json.RawMessage, error) {
	type listed struct {
		Add    []Row    `json:"add"`
		Remove []string `json:"remove"`
	}
	if len(c.Add)+len(c.Remove) <= maxReportedRows {
		b, err := json.Marshal(listed{Add: append([]Row{}, c.Add...), Remove: append([]string{}, c.Remove...)})
		if err != nil || len(b) <= audit.MaxRecord/2 {
			return b, err
		}
	}
	return json.Marshal(struct {
		Added   int `json:"added"`
		Removed int `json:"removed"`
	}{len(c.Add), len(c.Remove)})
}
