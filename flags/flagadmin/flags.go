package flagadmin

import (
	"context"
	"errors"
	"net/http"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

func (a admin) listFlags(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	q, _, err := httpapi.ParseQuery(r, flags.Flags())
	if err != nil {
		return err
	}
	page, err := a.flags(r.Context(), who.Tenant, q)
	if err != nil {
		return err
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, httpapi.ListOf(page, a.flagOf))
}

func (a admin) flags(ctx context.Context, tenant string, q listing.Query) (storage.Page[flags.FlagVersion], error) {
	return a.service.List(ctx, tenant, flags.FlagQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
}

// changeFlags returns what changes many flags.
func (a admin) changeFlags() httpapi.Bulk[flags.FlagVersion] {
	return httpapi.Bulk[flags.FlagVersion]{
		Of: flags.Flags(), Page: a.flags, ApprovalID: a.approvalID,
		Actions: []httpapi.BulkAction{{Name: "delete", Reasoned: true, Do: func(ctx context.Context, tenant, key, reason string) error {
			return a.service.Delete(ctx, tenant, key, 0, reason)
		}}},
	}
}

func (a admin) createFlag(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	params, err := httpapi.ParseParams(r, "reason")
	if err != nil {
		return err
	}
	var f flags.Flag
	if err := decode(r, &f); err != nil {
		return err
	}
	v, err := a.service.Create(r.Context(), who.Tenant, f, params["reason"])
	if err != nil {
		return err
	}
	httpapi.SetETag(w, v.Revision)
	return httpapi.WriteJSON(w, http.StatusCreated, a.flagOf(v))
}

func (a admin) getFlag(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, err := httpapi.PathID(r, "key")
	if err != nil {
		return err
	}
	v, err := a.service.Get(r.Context(), who.Tenant, key)
	return a.answer(w, v, err)
}

func (a admin) updateFlag(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, revision, reason, err := target(r)
	if err != nil {
		return err
	}
	var in flag
	if err := decode(r, &in); err != nil {
		return err
	}
	if err := sameKey("/key", &in.Key, key); err != nil {
		return err
	}
	if revision, err = httpapi.MadeFor(r, in.Revision); err != nil {
		return err
	}
	v, err := a.service.Update(r.Context(), who.Tenant, in.Flag, revision, reason)
	return a.answer(w, v, err)
}

func (a admin) deleteFlag(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, revision, reason, err := target(r)
	if err != nil {
		return err
	}
	if err := a.service.Delete(r.Context(), who.Tenant, key, revision, reason); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a admin) evaluate(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, err := httpapi.PathID(r, "key")
	if err != nil {
		return err
	}
	var in struct {
		Environment string         `json:"environment"`
		Context     map[string]any `json:"context"`
		Draft       *flags.Flag    `json:"draft"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	subject, err := flags.ReadSubject(in.Context)
	if bad, ok := errors.AsType[*flags.Error](err); ok {
		return storage.Invalid("/context", bad.Message)
	} else if err != nil {
		return err
	}
	if subject.Tenant == "" {
		subject.Tenant = who.Tenant
	}
	if in.Draft != nil {
		if err := sameKey("/draft/key", &in.Draft.Key, key); err != nil {
			return err
		}
	}
	x, err := a.service.Evaluate(r.Context(), who.Tenant, key, in.Environment, subject, in.Draft)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, explanationOf(key, in.Environment, x))
}

func (a admin) preview(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, err := httpapi.PathID(r, "key")
	if err != nil {
		return err
	}
	var in struct {
		Environment string     `json:"environment"`
		Draft       flags.Flag `json:"draft"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if err := sameKey("/draft/key", &in.Draft.Key, key); err != nil {
		return err
	}
	impact, err := a.service.Preview(r.Context(), who.Tenant, key, in.Environment, in.Draft)
	if err != nil {
		return inDraft(err)
	}
	return httpapi.WriteJSON(w, http.StatusOK, impactOf(impact))
}

// switching is the handler of Kill and Restore.
func (a admin) switching(change func(ctx context.Context, tenant, key, environment, reason string) (flags.FlagVersion, error)) httpapi.Handler {
	return func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		key, err := httpapi.PathID(r, "key")
		if err != nil {
			return err
		}
		var in struct {
			Environment string `json:"environment"`
			Reason      string `json:"reason"`
		}
		if err := httpapi.Decode(r, &in); err != nil {
			return err
		}
		v, err := change(r.Context(), who.Tenant, key, in.Environment, in.Reason)
		return a.answer(w, v, err)
	}
}

func (a admin) setOverride(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, err := httpapi.PathID(r, "key")
	if err != nil {
		return err
	}
	var in overrideInput
	if err := httpapi.Decode(r, &in); err != nil {
		return err
	}
	v, err := a.service.SetOverride(r.Context(), who.Tenant, key, in.Environment, in.override())
	return a.answer(w, v, err)
}

func (a admin) clearOverride(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, err := httpapi.PathID(r, "key")
	if err != nil {
		return err
	}
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	params, err := httpapi.ParseParams(r, "environment", "reason")
	if err != nil {
		return err
	}
	v, err := a.service.ClearOverride(r.Context(), who.Tenant, key, params["environment"], id, params["reason"])
	return a.answer(w, v, err)
}

func (a admin) listVersions(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, err := httpapi.PathID(r, "key")
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
	page, err := a.service.Versions(r.Context(), who.Tenant, key, flags.VersionQuery{Limit: limit, After: params.After()})
	if err != nil {
		return err
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, httpapi.ListOf(page, func(v flags.FlagVersion) version { return versionOf(v.Provenance) }))
}

func (a admin) getVersion(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, err := httpapi.PathID(r, "key")
	if err != nil {
		return err
	}
	revision, err := revisionOf("revision", r.PathValue("revision"))
	if err != nil {
		return storage.ErrNotFound
	}
	v, err := a.service.Version(r.Context(), who.Tenant, key, revision)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, versionedFlag{versionOf(v.Provenance), v.Flag})
}

func (a admin) diff(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, err := httpapi.PathID(r, "key")
	if err != nil {
		return err
	}
	params, err := httpapi.ParseParams(r, "from", "to")
	if err != nil {
		return err
	}
	from, err := revisionOf("from", params["from"])
	if err != nil {
		return err
	}
	to, err := revisionOf("to", params["to"])
	if err != nil {
		return err
	}
	found, err := a.service.Diff(r.Context(), who.Tenant, key, from, to)
	if err != nil {
		return err
	}
	out := differences{Key: key, From: from, To: to, Diff: make([]difference, len(found))}
	for i, d := range found {
		out.Diff[i] = difference{Op: operation(d), Path: d.Path, Before: d.Before, After: d.After}
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// operation names a difference as JSON Patch (RFC 6902) would.
func operation(d jcs.Difference) string {
	switch {
	case d.Before == nil:
		return "add"
	case d.After == nil:
		return "remove"
	}
	return "replace"
}

// answer writes a flag, or returns what kept it from being one.
func (a admin) answer(w http.ResponseWriter, v flags.FlagVersion, err error) error {
	if err != nil {
		return err
	}
	httpapi.SetETag(w, v.Revision)
	return httpapi.WriteJSON(w, http.StatusOK, a.flagOf(v))
}
