package casbinengine

import "slices"

// A linker answers whether one name has another as its role. casbin's role managers
// are linkers.
type linker interface {
	HasLink(name, role string, domain ...string) (bool, error)
}

// A node is a name in a domain.
type node struct{ name, domain string }

// A roleGraph answers casbin's g for definitions without patterns and conditions.
// It is immutable, so readers share it without a lock; it keeps nothing of the names
// it is asked for, follows chains of any length, and is at peace with cycles.
type roleGraph map[node][]string

var _ linker = roleGraph(nil)

func (g roleGraph) add(name, role, domain string) {
	from := node{name, domain}
	if !slices.Contains(g[from], role) {
		g[from] = append(g[from], role)
	}
}

// HasLink implements linker. As in casbin every name has itself as its role.
func (g roleGraph) HasLink(name, role string, domain ...string) (bool, error) {
	if name == role {
		return true, nil
	}
	in := ""
	if len(domain) > 0 {
		in = domain[0]
	}
	direct := g[node{name, in}]
	if slices.Contains(direct, role) {
		return true, nil
	}
	// Most assignments end here: a role that inherits nothing.
	var seen []string
	for queue := direct; len(queue) > 0; queue = queue[1:] {
		next := queue[0]
		if slices.Contains(seen, next) {
			continue
		}
		seen = append(seen, next)
		parents := g[node{next, in}]
		if slices.Contains(parents, role) {
			return true, nil
		}
		if len(parents) > 0 {
			queue = append(queue[:len(queue):len(queue)], parents...)
		}
	}
	return false, nil
}

// all returns every role that name has in a domain, inherited ones included, in the
// order of distance.
func (g roleGraph) all(name, domain string) []string {
	var roles []string
	for queue := g[node{name, domain}]; len(queue) > 0; queue = queue[1:] {
		if next := queue[0]; next != name && !slices.Contains(roles, next) {
			roles = append(roles, next)
			queue = append(queue[:len(queue):len(queue)], g[node{next, domain}]...)
		}
	}
	return roles
}
