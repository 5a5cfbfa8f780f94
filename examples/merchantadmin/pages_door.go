package main

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/storage"
)

// doorPages are signing in and out, choosing the merchant, and the step-up.
func (a *app) doorPages(mux *http.ServeMux) {
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { a.loginPage(w, r, nil) })
	mux.HandleFunc("POST /login", a.login)
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		a.people.sessions.end(w)
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	})
	a.page(mux, "GET /{$}", func(w http.ResponseWriter, r *http.Request, _ httpapi.Identity) error {
		http.Redirect(w, r, "/orders", http.StatusSeeOther)
		return nil
	})
	a.page(mux, "POST /merchant", a.chooseMerchant)
	a.page(mux, "GET /step-up", a.stepUpPage)
	a.page(mux, "POST /step-up", a.stepUp)
}

type loginData struct {
	People   []person
	ReturnTo string
}

func (a *app) loginPage(w http.ResponseWriter, r *http.Request, problem *httpapi.Problem) {
	v := view{Title: "Sign in", Problem: problem, Data: loginData{a.people.people, webpage.Local(r.FormValue("return_to"))}}
	if err := a.show(w, r, httpapi.Identity{}, "login", v); err != nil {
		a.pageError(w, r, httpapi.Identity{}, err)
	}
}

// login takes the browser's word for who is there, which only a demo may do, and
// only for browsers on this machine.
func (a *app) login(w http.ResponseWriter, r *http.Request) {
	if !fromLoopback(r) {
		a.loginPage(w, r, httpapi.NewProblem(http.StatusForbidden, "denied",
			"The demo lets people in without a password, and therefore only from the machine it runs on."))
		return
	}
	p, ok := a.people.person(r.PostFormValue("person"))
	if !ok {
		a.loginPage(w, r, httpapi.NewProblem(http.StatusUnprocessableEntity, "invalid", "There is no such person."))
		return
	}
	a.people.sessions.write(w, session{Person: p.ID, Tenant: p.Tenants()[0]})
	http.Redirect(w, r, webpage.Local(r.PostFormValue("return_to")), http.StatusSeeOther)
}

func (a *app) chooseMerchant(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	p, ok := a.people.person(who.Actor.ID)
	tenant := r.PostFormValue("tenant")
	if !ok || !slices.Contains(p.Tenants(), tenant) {
		return storage.ErrNotFound
	}
	s, _ := a.people.sessions.read(r)
	s.Person, s.Tenant = p.ID, tenant
	a.people.sessions.write(w, s)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

type stepUpData struct {
	ReturnTo string
	MaxAge   string
}

func (a *app) stepUpPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	data := stepUpData{ReturnTo: webpage.Local(r.FormValue("return_to")), MaxAge: "five minutes"}
	return a.show(w, r, who, "stepup", view{Title: "Is it still you?", Data: data})
}

func (a *app) stepUp(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	a.people.sessions.write(w, session{Person: who.Actor.ID, Tenant: who.Tenant, ProvedAt: a.people.now()})
	http.Redirect(w, r, webpage.Local(r.PostFormValue("return_to")), http.StatusSeeOther)
	return nil
}

// stepUpURL is where a person proves who it is, to go on at back.
func stepUpURL(back string) string { return "/step-up?return_to=" + url.QueryEscape(back) }
