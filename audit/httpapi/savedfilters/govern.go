package savedfilters

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/lumelle/adminkit/audit"
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
