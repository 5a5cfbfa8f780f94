package casbinengine

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/authz"
)

// A missingError says which attribute a condition could not read. It makes the
// decision a denial, whatever the other rules say.
type missingError struct{ pointer string }

func (e *missingError) Error() string {
	return "the request has no usable " + e.pointer
}

// Attributes are what conditions see of a request: the value of the request token
// "attr", and the first argument of the matcher function attr.
type Attributes struct{ request *authz.Request }

// Lookup returns the attribute at a JSON pointer (RFC 6901) and reports whether
// there is one. The roots are
//
//	/tenant  /action
//	/subject/type   /subject/id   /subject/properties/...
//	/resource/type  /resource/id  /resource/properties/...
//	/payload/...    what the action is asked to do
//	/context/...    the environment
//	/authn/acr      the class of the proof of identity
//	/authn/age      its age in seconds, rounded up
func (a Attributes) Lookup(pointer string) (any, bool) {
	path, ok := splitPointer(pointer)
	if !ok || a.request == nil {
		return nil, false
	}
	r := a.request
	switch path[0] {
	case "tenant":
		return r.Tenant, len(path) == 1
	case "action":
		return r.Action, len(path) == 1
	case "subject":
		return entity(r.Subject, path[1:])
	case "resource":
		return entity(r.Resource, path[1:])
	case "payload":
		return walk(r.Payload, path[1:])
	case "context":
		return walk(r.Context, path[1:])
	case "authn":
		return authn(r, path[1:])
	}
	return nil, false
}

func entity(e authz.Entity, path []string) (any, bool) {
	if len(path) == 0 {
		return nil, false
	}
	switch path[0] {
	case "type":
		return e.Type, len(path) == 1
	case "id":
		return e.ID, len(path) == 1
	case "properties":
		return walk(e.Properties, path[1:])
	}
	return nil, false
}

func authn(r *authz.Request, path []string) (any, bool) {
	if r.Authn == nil || len(path) != 1 {
		return nil, false
	}
	switch path[0] {
	case "acr":
		return r.Authn.ACR, r.Authn.ACR != ""
	case "age":
		if r.Authn.At.IsZero() {
			return nil, false
		}
		age := r.Time.Sub(r.Authn.At)
		if age < -authz.MaxSkew {
			return nil, false
		}
		// Rounded up: half a second too old must not pass for fresh.
		return int64((max(age, 0) + time.Second - 1) / time.Second), true
	}
	return nil, false
}

func walk(object map[string]any, path []string) (any, bool) {
	if len(path) == 0 {
		return nil, false
	}
	var v any = object
	for _, name := range path {
		switch node := v.(type) {
		case map[string]any:
			next, ok := node[name]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(node) || strconv.Itoa(i) != name {
				return nil, false
			}
			v = node[i]
		default:
			return nil, false
		}
	}
	return v, v != nil
}

// splitPointer returns the reference tokens of a JSON pointer, at least one.
func splitPointer(pointer string) ([]string, bool) {
	rest, ok := strings.CutPrefix(pointer, "/")
	if !ok {
		return nil, false
	}
	path := strings.Split(rest, "/")
	for i, token := range path {
		if !strings.Contains(token, "~") {
			continue
		}
		if strings.Contains(strings.ReplaceAll(strings.ReplaceAll(token, "~0", ""), "~1", ""), "~") {
			return nil, false
		}
		path[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return path, true
}

// checkPointer reports what is wrong with the pointer of a condition, so that a typo
// is refused when it is written and not met at each decision.
func checkPointer(pointer string) error {
	path, ok := splitPointer(pointer)
	if !ok {
		return errors.New("is no JSON pointer")
	}
	below := len(path) - 1
	switch path[0] {
	case "tenant", "action":
		ok = below == 0
	case "subject", "resource":
		ok = below == 1 && (path[1] == "type" || path[1] == "id") || below >= 2 && path[1] == "properties"
	case "payload", "context":
		ok = below >= 1
	case "authn":
		ok = below == 1 && (path[1] == "acr" || path[1] == "age")
	default:
		ok = false
	}
	if !ok {
		return errors.New("names nothing that a request has")
	}
	for _, token := range path {
		if token == "" {
			return errors.New("has an empty name")
		}
	}
	return nil
}

// attrFunction is attr(r.attr, "/payload/amount") for the matchers of custom models.
func attrFunction(args ...any) (any, error) {
	if len(args) != 2 {
		return nil, errors.New("attr wants the attributes and a pointer")
	}
	a, ok := args[0].(Attributes)
	pointer, text := args[1].(string)
	if !ok || !text {
		return nil, errors.New("attr wants the attributes and a pointer")
	}
	v, ok := a.Lookup(pointer)
	if !ok {
		return nil, &missingError{pointer}
	}
	return v, nil
}
