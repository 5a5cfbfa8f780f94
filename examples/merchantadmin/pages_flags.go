package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagform"
	"github.com/lumelle/adminkit/storage"
)

// flagPages are the registry, the page of a flag, and the draft of its next version.
func (a *app) flagPages(mux *http.ServeMux) {
	page := func(pattern string, h pageHandler) { a.page(mux, pattern, a.readable(readFlags, h)) }
	page("GET /flags", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		return a.flagsPage(w, r, who, nil)
	})
	page("POST /flags", a.createFlag)
	page("GET /flags/{key}", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		return a.flagPage(w, r, who, nil)
	})
	page("GET /flags/{key}/draft", a.flagDraft)
	page("POST /flags/{key}/draft", a.flagDraft)
	page("POST /flags/{key}/kill", a.changeFlag(func(r *http.Request, tenant, key, env string) error {
		_, err := a.flags.Kill(r.Context(), tenant, key, env, r.PostFormValue("reason"))
		return err
	}))
	page("POST /flags/{key}/restore", a.changeFlag(func(r *http.Request, tenant, key, env string) error {
		_, err := a.flags.Restore(r.Context(), tenant, key, env, r.PostFormValue("reason"))
		return err
	}))
	page("POST /flags/{key}/overrides", a.changeFlag(func(r *http.Request, tenant, key, env string) error {
		o := flags.Override{
			Kind: r.PostFormValue("kind"), Attribute: r.PostFormValue("attribute"), Subject: r.PostFormValue("subject"),
			Variant: r.PostFormValue("variant"), Reason: r.PostFormValue("reason"),
		}
		if days, err := strconv.Atoi(r.PostFormValue("days")); err == nil && o.Kind == flags.OverrideQA {
			until := a.catalog.Now().Add(time.Duration(days) * 24 * time.Hour)
			o.Until = &until
		}
		_, err := a.flags.SetOverride(r.Context(), tenant, key, env, o)
		return err
	}))
	page("POST /flags/{key}/overrides/{id}/clear", a.changeFlag(func(r *http.Request, tenant, key, env string) error {
		_, err := a.flags.ClearOverride(r.Context(), tenant, key, env, r.PathValue("id"), r.PostFormValue("reason"))
		return err
	}))
}

const (
	flagsOnPage    = 50
	versionsOnPage = 10
)

type flagsData struct {
	Environments []string
	Types        []flags.Type
	Items        []flags.FlagVersion
	Next         storage.Cursor
	// Form is what was typed of a new flag.
	Form url.Values
}

func (a *app) flagsPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity, problem *httpapi.Problem) error {
	page, err := a.flags.List(r.Context(), who.Tenant, flags.FlagQuery{Limit: flagsOnPage, After: storage.Cursor(r.FormValue("after"))})
	if err != nil {
		return err
	}
	data := flagsData{Environments: a.flags.Environments(), Types: flags.Types(), Items: page.Items, Next: page.Next, Form: r.PostForm}
	return a.show(w, r, who, "flags", view{Title: "Flags", Current: "/flags", Problem: problem, Data: data})
}

func (a *app) createFlag(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	f := flags.Flag{Key: r.PostFormValue("key"), Type: flags.Type(r.PostFormValue("type")), ValueType: flags.ValueType(r.PostFormValue("value_type"))}
	f, err := flagform.Read(r.PostForm, f, a.cfg.env).Apply(f)
	if err == nil {
		_, err = a.flags.Create(r.Context(), who.Tenant, f, r.PostFormValue("reason"))
	}
	return a.after(w, r, err, flagPath(f.Key, a.cfg.env), func(problem *httpapi.Problem) error { return a.flagsPage(w, r, who, problem) })
}

func flagPath(key, env string) string {
	return "/flags/" + url.PathEscape(key) + "?environment=" + url.QueryEscape(env)
}

// A flagVersion is a version of a flag, with what it made another.
type flagVersion struct {
	flags.FlagVersion
	Diff []jcs.Difference
}

type flagData struct {
	Flag         flags.FlagVersion
	Environment  string
	Environments []string
	State        flags.State
	Warnings     []flags.Warning
	Versions     []flagVersion
	Next         string
}

// environment is the one that a page of flags is about.
func (a *app) environment(r *http.Request) string {
	if env := r.FormValue("environment"); slices.Contains(a.flags.Environments(), env) {
		return env
	}
	return a.cfg.env
}

func (a *app) flagPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity, problem *httpapi.Problem) error {
	key, env := r.PathValue("key"), a.environment(r)
	f, err := a.flags.Get(r.Context(), who.Tenant, key)
	if err != nil {
		return err
	}
	page, err := a.flags.Versions(r.Context(), who.Tenant, key, flags.VersionQuery{
		Limit: versionsOnPage + 1, After: storage.Cursor(r.FormValue("after")),
	})
	if err != nil {
		return err
	}
	data := flagData{
		Flag: f, Environment: env, Environments: a.flags.Environments(), State: f.Environments[env],
		Warnings: flags.Warnings(f.Flag, a.catalog.Now()), Next: webpage.Next(r, page.Next),
	}
	for i, v := range page.Items {
		var before json.RawMessage
		if i+1 < len(page.Items) {
			before = flagJSON(page.Items[i+1])
		}
		data.Versions = append(data.Versions, flagVersion{v, webpage.Changes(before, flagJSON(v))})
	}
	return a.show(w, r, who, "flag", view{Title: key, Current: "/flags", Problem: problem, Data: data})
}

// flagJSON is the definition of a version, none where the flag was deleted.
func flagJSON(v flags.FlagVersion) json.RawMessage {
	b, err := json.Marshal(v.Flag)
	if err != nil || v.Deleted {
		return nil
	}
	return b
}

// changeFlag is a small change from the page of a flag, which ends there.
func (a *app) changeFlag(change func(r *http.Request, tenant, key, env string) error) pageHandler {
	return func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		key, env := r.PathValue("key"), a.environment(r)
		return a.after(w, r, change(r, who.Tenant, key, env), flagPath(key, env), func(problem *httpapi.Problem) error {
			return a.flagPage(w, r, who, problem)
		})
	}
}

type draftData struct {
	Flag   flags.FlagVersion
	Form   flagform.Form
	Reason string
	// Revision is the one that the draft was begun at.
	Revision int64
	// Impact and Diff are set once the draft was previewed.
	Impact *flags.Impact
	Diff   []jcs.Difference
}

// flagDraft is the builder: it shows the form, does what its buttons say, previews the
// draft, and publishes it. The draft lives in the form alone.
func (a *app) flagDraft(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	ctx, key, env := r.Context(), r.PathValue("key"), a.environment(r)
	f, err := a.flags.Get(ctx, who.Tenant, key)
	if err != nil {
		return err
	}
	data := draftData{Flag: f, Form: flagform.Of(f.Flag, env), Revision: f.Revision, Reason: r.FormValue("reason")}
	show := func(problem *httpapi.Problem) error {
		return a.show(w, r, who, "draft", view{Title: "Draft of " + key, Current: "/flags", Problem: problem, Data: data})
	}
	if r.Method == http.MethodGet {
		return show(nil)
	}
	if data.Revision, err = strconv.ParseInt(r.PostFormValue("revision"), 10, 64); err != nil {
		return httpapi.BadRequest("revision", "must be a number")
	}
	do, form := r.PostFormValue("do"), flagform.Read(r.PostForm, f.Flag, env)
	next, changed := form.Do(do)
	data.Form = next
	if changed {
		return show(nil)
	}
	draft, err := form.Apply(f.Flag)
	if err == nil && do == "publish" {
		_, err = a.flags.Update(ctx, who.Tenant, draft, data.Revision, data.Reason)
		return a.after(w, r, err, flagPath(key, env), show)
	}
	if err == nil {
		var impact flags.Impact
		if impact, err = a.flags.Preview(ctx, who.Tenant, key, env, draft); err == nil {
			data.Impact, data.Diff = &impact, webpage.Changes(flagJSON(f), flagJSON(flags.FlagVersion{Flag: draft}))
		}
	}
	if problem := shown(err); problem != nil || err == nil {
		return show(problem)
	}
	return err
}
