package flagadmin

import (
	"net/http"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/flags"
)

func (a admin) listAudiences(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	params, err := httpapi.ParseParams(r, "limit", "after")
	if err != nil {
		return err
	}
	limit, err := params.Limit()
	if err != nil {
		return err
	}
	page, err := a.service.ListAudiences(r.Context(), who.Tenant, flags.AudienceQuery{Limit: limit, After: params.After()})
	if err != nil {
		return err
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, httpapi.ListOf(page, audienceOf))
}

func (a admin) getAudience(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, err := httpapi.PathID(r, "key")
	if err != nil {
		return err
	}
	v, err := a.service.GetAudience(r.Context(), who.Tenant, key)
	if err != nil {
		return err
	}
	users, err := a.service.AudienceUsers(r.Context(), who.Tenant, key)
	if err != nil {
		return err
	}
	httpapi.SetETag(w, v.Revision)
	return httpapi.WriteJSON(w, http.StatusOK, usedAudience{audienceOf(v), orEmpty(users)})
}

func (a admin) saveAudience(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, revision, reason, err := target(r)
	if err != nil {
		return err
	}
	var in usedAudience
	if err := decode(r, &in); err != nil {
		return err
	}
	if err := sameKey("/key", &in.Key, key); err != nil {
		return err
	}
	if revision, err = httpapi.MadeFor(r, in.Revision); err != nil {
		return err
	}
	v, err := a.service.SaveAudience(r.Context(), who.Tenant, in.definition(), revision, reason)
	if err != nil {
		return err
	}
	httpapi.SetETag(w, v.Revision)
	return httpapi.WriteJSON(w, http.StatusOK, audienceOf(v))
}

func (a admin) deleteAudience(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	key, revision, reason, err := target(r)
	if err != nil {
		return err
	}
	if err := a.service.DeleteAudience(r.Context(), who.Tenant, key, revision, reason); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
