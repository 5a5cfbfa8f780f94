package automationadmin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

func (a admin) listRules(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	q, _, err := httpapi.ParseQuery(r, automation.Rules())
	if err != nil {
		return err
	}
	page, err := a.rules(r.Context(), who.Tenant, q)
	if err != nil {
		return err
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, httpapi.ListOf(page, listedRuleOf))
}

func (a admin) rules(ctx context.Context, tenant string, q listing.Query) (storage.Page[automation.Rule], error) {
	return a.service.List(ctx, tenant, automation.RuleQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
}

// changeRules returns what changes many rules.
func (a admin) changeRules() httpapi.Bulk[automation.Rule] {
	return httpapi.Bulk[automation.Rule]{
		Of: automation.Rules(), Page: a.rules, ApprovalID: a.approvalID, Told: told,
		Actions: []httpapi.BulkAction{
			{Name: "enable", Reasoned: true, Do: func(ctx context.Context, tenant, id, reason string) error {
				_, err := a.service.Enable(ctx, tenant, id, reason)
				return err
			}},
			{Name: "disable", Reasoned: true, Do: func(ctx context.Context, tenant, id, reason string) error {
				_, err := a.service.Disable(ctx, tenant, id, reason)
				return err
			}},
		},
	}
}

func (a admin) createRule(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	var in jsontext.Value
	if err := httpapi.Decode(r, &in); err != nil {
		return err
	}
	d, document, err := a.resolve(in)
	if err != nil {
		return err
	}
	rule, err := a.service.Create(r.Context(), who.Tenant, automation.RuleInput{Definition: d})
	if err != nil {
		return err
	}
	httpapi.SetETag(w, rule.Revision)
	return httpapi.WriteJSON(w, http.StatusCreated, ruleOf(rule, document))
}

func (a admin) getRule(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	rule, d, err := a.service.Get(r.Context(), who.Tenant, id)
	if err != nil {
		return err
	}
	document, _, err := d.Document()
	if err != nil {
		return err
	}
	httpapi.SetETag(w, rule.Revision)
	return httpapi.WriteJSON(w, http.StatusOK, ruleOf(rule, document))
}

func (a admin) updateRule(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	// A rule that was read may come back changed. What the answer added to its
	// definition says nothing now, but for the revision.
	var in rule
	if err := httpapi.Decode(r, &in); err != nil {
		return err
	}
	if in.ID != "" && in.ID != id {
		return storage.Invalid("/id", "is not the id in the path")
	}
	revision, err := httpapi.MadeFor(r, in.Revision)
	if err != nil {
		return err
	}
	d, document, err := a.resolve(in.Definition)
	if err != nil {
		return err
	}
	changed, err := a.service.Update(r.Context(), who.Tenant, id, revision, d)
	if err != nil {
		return err
	}
	httpapi.SetETag(w, changed.Revision)
	return httpapi.WriteJSON(w, http.StatusOK, ruleOf(changed, document))
}

// resolve reads a definition and returns it with the document that is stored of it, so
// that a change is answered without reading again what was written.
func (a admin) resolve(in jsontext.Value) (automation.Definition, jsontext.Value, error) {
	d, err := automation.ParseDefinition(in)
	if err != nil {
		return d, nil, err
	}
	if d, err = a.service.Catalog().Resolve(d); err != nil {
		return d, nil, err
	}
	document, _, err := d.Document()
	return d, jsontext.Value(document), err
}

// turning is the handler of Enable and Disable.
func (a admin) turning(turn func(ctx context.Context, tenant, id, reason string) (automation.Rule, error)) httpapi.Handler {
	return func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		id, err := httpapi.PathID(r, "id")
		if err != nil {
			return err
		}
		var in struct {
			Reason string `json:"reason"`
		}
		if err := httpapi.DecodeOptional(r, &in); err != nil {
			return err
		}
		rule, err := turn(r.Context(), who.Tenant, id, in.Reason)
		if err != nil {
			return err
		}
		httpapi.SetETag(w, rule.Revision)
		return httpapi.WriteJSON(w, http.StatusOK, listedRuleOf(rule))
	}
}

func (a admin) testRule(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	var in testInput
	if err := httpapi.DecodeOptional(r, &in); err != nil {
		return err
	}
	d, err := a.service.Test(r.Context(), who.Tenant, id, in.input())
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, a.detailOf(r.Context(), who, d))
}

func (a admin) testDefinition(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	var in definitionTest
	if err := httpapi.Decode(r, &in); err != nil {
		return err
	}
	definition, _, err := a.resolve(in.Definition)
	if err == nil {
		_, err = a.service.Catalog().Compile(definition)
	}
	if err != nil {
		return below("/definition", err)
	}
	d, err := a.service.TestDefinition(r.Context(), who.Tenant, definition, in.input())
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, a.detailOf(r.Context(), who, d))
}

// below moves the pointers of an error to where the definition stands in the body.
func below(pointer string, err error) error {
	invalid, ok := errors.AsType[*storage.InvalidError](err)
	if !ok {
		return err
	}
	var moved *storage.InvalidError
	for _, f := range invalid.Fields {
		moved = moved.Add(pointer+f.Pointer, f.Message)
	}
	return moved.Err()
}

func (a admin) listVersions(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	params, err := httpapi.ParseParams(r, "limit", "after")
	if err != nil {
		return err
	}
	limit, err := params.Limit()
	if err != nil {
		return err
	}
	page, err := a.service.Versions(r.Context(), who.Tenant, id, automation.VersionQuery{Limit: limit, After: params.After()})
	if err != nil {
		return err
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, httpapi.ListOf(page, versionOf))
}

func (a admin) getVersion(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	// A rule of so many versions is one that nobody has.
	number, err := strconv.ParseInt(r.PathValue("version"), 10, 32)
	if err != nil || number < 1 {
		return storage.ErrNotFound
	}
	v, err := a.service.Version(r.Context(), who.Tenant, id, int(number))
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, writtenVersion{versionOf(v), v.Document})
}
