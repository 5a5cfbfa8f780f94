package main

import (
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
)

// The roles of the demo policy.
const (
	owner     = "owner"
	manager   = "manager"
	support   = "support"
	auditor   = "auditor"
	developer = "developer"
)

// merchants are the demo tenants.
var merchants = []string{"acme", "bloom", "cobalt"}

// A person is somebody who may sign in. A real host has these in its identity
// provider.
type person struct {
	ID   string
	Name string
	// Roles is the person's role at each merchant.
	Roles map[string]string
}

// demoPeople returns the people of the demo in the order of the login page.
func demoPeople() []person {
	everywhere := func(role string) map[string]string {
		return map[string]string{"acme": role, "bloom": role, "cobalt": role}
	}
	return []person{
		{"olivia", "Olivia Okafor", everywhere(owner)},
		{"marco", "Marco Moretti", map[string]string{"acme": manager}},
		{"sam", "Sam Sandoval", map[string]string{"acme": support}},
		{"audra", "Audra Adomaitis", everywhere(auditor)},
		{"dana", "Dana Dvorak", map[string]string{"acme": developer}},
		{"nina", "Nina Nakamura", map[string]string{"bloom": manager}},
	}
}

// Tenants are the merchants of the person, in order of name.
func (p person) Tenants() []string { return slices.Sorted(maps.Keys(p.Roles)) }

// Role is the person's role at a merchant, empty for none.
func (p person) Role(tenant string) string { return p.Roles[tenant] }

// A directory knows people and who sent a request.
type directory struct {
	people   []person
	sessions *sessions
	now      func() time.Time
}

func (d *directory) person(id string) (person, bool) {
	i := slices.IndexFunc(d.people, func(p person) bool { return p.ID == id })
	if i < 0 {
		return person{}, false
	}
	return d.people[i], true
}

const bearerPrefix = "Bearer demo-"

// identify implements httpapi.Identify: a script's bearer token with X-Tenant, or
// the session of a browser.
func (d *directory) identify(r *http.Request) (httpapi.Identity, error) {
	if values := r.Header.Values("Authorization"); len(values) > 0 {
		return d.identifyScript(r, values)
	}
	s, ok := d.sessions.read(r)
	if !ok {
		return httpapi.Identity{}, httpapi.ErrUnauthenticated
	}
	return d.identity(s.Person, s.Tenant, s.ProvedAt)
}

func (d *directory) identifyScript(r *http.Request, authorization []string) (httpapi.Identity, error) {
	id, ok := strings.CutPrefix(authorization[0], bearerPrefix)
	if !ok || len(authorization) > 1 || !fromLoopback(r) {
		return httpapi.Identity{}, httpapi.ErrUnauthenticated
	}
	p, ok := d.person(id)
	if !ok {
		return httpapi.Identity{}, httpapi.ErrUnauthenticated
	}
	tenant := ""
	switch values := r.Header.Values("X-Tenant"); {
	case len(values) == 1:
		tenant = values[0]
	case len(values) == 0 && len(p.Roles) == 1:
		tenant = p.Tenants()[0]
	default:
		return httpapi.Identity{}, httpapi.BadRequest("X-Tenant", "must name one merchant")
	}
	var proved time.Time
	if r.Header.Get("X-Demo-Step-Up") == "now" {
		proved = d.now()
	}
	return d.identity(p.ID, tenant, proved)
}

// identity is the person as an actor for one merchant. A merchant that the person
// has no part in does not exist for it.
func (d *directory) identity(id, tenant string, proved time.Time) (httpapi.Identity, error) {
	p, ok := d.person(id)
	if !ok {
		return httpapi.Identity{}, httpapi.ErrUnauthenticated
	}
	if p.Role(tenant) == "" {
		return httpapi.Identity{}, storage.ErrNotFound
	}
	actor := audit.Actor{Type: audit.User, ID: p.ID, Name: p.Name}
	if !proved.IsZero() {
		actor.Authn = &audit.Authn{At: proved.UTC()}
	}
	return httpapi.Identity{Tenant: tenant, Actor: actor}, nil
}

// fromLoopback reports whether a request came from this machine and was meant for
// it: the Host must be a loopback name too, or a web page elsewhere could reach the
// demo by pointing its own name at 127.0.0.1.
func fromLoopback(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}
