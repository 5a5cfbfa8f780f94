package savedfilters

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
)

// ResourceFilter is the type of the resource that the actions are about.
const ResourceFilter = "saved_filter"

// Actions returns the catalogue entries of changes of shared filters. A host adds them to
// its audit.Catalog.
func Actions() []audit.Action {
	filter := []string{ResourceFilter}
	return []audit.Action{
		{Name: saved.ActionCreate, Label: "Saved filter created", Description: "A filter of a list was saved for everybody of the tenant.", ResourceTypes: filter},
		{Name: saved.ActionUpdate, Label: "Saved filter changed", Description: "The name, the conditions or the order of a shared filter were changed.", ResourceTypes: filter},
		{Name: saved.ActionDelete, Label: "Saved filter deleted", Description: "A shared filter was removed.", ResourceTypes: filter},
	}
}

// Govern returns the Govern of a saved.Config that makes changes through governor: its gate
// decides, and its sink has the record in the transaction of the change. The resource of a
// creation is list/name until it is made, so that who asks again for one that waits for
// approval asks for the same.
func Govern(governor *audit.Governor) func(ctx context.Context, c saved.Change, apply func(ctx context.Context) error) error {
	return func(ctx context.Context, c saved.Change, apply func(ctx context.Context) error) error {
		event, err := eventOf(c)
		if err != nil {
			return err
		}
		if approved, ok := ctx.Value(approvedKey{}).(audit.Event); ok {
			approved.Resource, approved.Payload, approved.BaseRevision = event.Resource, event.Payload, event.BaseRevision
			approved.Before, approved.After = event.Before, event.After
			event = approved
		}
		_, err = governor.Change(ctx, event, func(ctx context.Context, e *audit.Event) error {
			if c.Before == nil {
				e.Resource.ID = c.After.ID
			}
			return apply(ctx)
		})
		return err
	}
}

// content is what a person says of a filter: what an approval is bound to.
type content struct {
	List    string           `json:"list"`
	Name    string           `json:"name"`
	Filters []listing.Filter `json:"filters"`
	Sort    string           `json:"sort"`
}

func eventOf(c saved.Change) (e audit.Event, err error) {
	e = audit.Event{Tenant: c.Tenant, Action: c.Action, Resource: audit.Resource{Type: ResourceFilter, ID: c.ID}}
	if c.Before != nil {
		e.Resource.Name, e.BaseRevision = c.Before.Name, strconv.FormatInt(c.Before.Revision, 10)
		if e.Before, err = json.Marshal(c.Before); err != nil {
			return e, err
		}
	}
	if c.After != nil {
		e.Resource.Name = c.After.Name
		if e.After, err = json.Marshal(c.After); err != nil {
			return e, err
		}
		e.Payload, err = json.Marshal(content{c.After.List, c.After.Name, c.After.Filters, c.After.Sort.String()})
	}
	return e, err
}

// approvedKey is that of the event under which an approved change is made.
type approvedKey struct{}

// Apply makes a change of a shared filter that was approved, by filters whose Govern is
// [Govern]: e is the event of the request, whose payload the approval is bound to. A host
// registers it with the kit's approvals for each of [Actions]:
//
//	apply := approvals.ApplierFunc(func(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
//		return approvals.Result{}, savedfilters.Apply(ctx, filters, a.Event)
//	})
//
// A filter that moved since, and a name that was taken meanwhile, is storage.ErrConflict; a
// payload that is no filter of the list a *storage.InvalidError. Others are those of the
// Service.
func Apply(ctx context.Context, filters *saved.Service, e audit.Event) error {
	ctx = context.WithValue(ctx, approvedKey{}, e)
	var in content
	if e.Action != saved.ActionDelete {
		if err := json.Unmarshal(e.Payload, &in); err != nil {
			return storage.Invalid("/payload", "is no change of a saved filter")
		}
	}
	input := saved.Input{Name: in.Name, Filters: in.Filters, Sort: listing.ParseSort(in.Sort)}
	if e.Action == saved.ActionCreate {
		_, err := filters.Create(ctx, e.Tenant, "", in.List, input)
		return err
	}
	revision, err := strconv.ParseInt(e.BaseRevision, 10, 64)
	switch {
	case err != nil || revision < 1:
		return storage.Invalid("/base_revision", "is not that of a saved filter")
	case e.Action == saved.ActionUpdate:
		_, err = filters.Update(ctx, e.Tenant, "", e.Resource.ID, revision, input)
		return err
	case e.Action == saved.ActionDelete:
		return filters.Delete(ctx, e.Tenant, "", e.Resource.ID, revision)
	}
	return storage.Invalid("/action", "is no change of a saved filter")
}
