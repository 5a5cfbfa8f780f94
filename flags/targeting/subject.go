package targeting

import (
	"strconv"
	"strings"
)

// A Subject answers the attributes of who or what is asked about. Attribute is called
// by many goroutines at a time, and must give the same answers for as long as a match
// takes. It reports false for an attribute that is not there; the zero [Value] means
// the same.
type Subject interface {
	Attribute(path string) (Value, bool)
}

// Attributes is a Subject that answers by name. A name is looked up as it is: dots and
// slashes in it mean nothing.
type Attributes map[string]Value

var _ Subject = Attributes(nil)

// Attribute implements [Subject].
func (a Attributes) Attribute(path string) (Value, bool) {
	v, ok := a[path]
	return v, ok
}

// Subjects is a Subject that asks several in order and answers with the first that has
// the attribute: the attributes of a merchant, then the document of an event.
type Subjects []Subject

var _ Subject = Subjects(nil)

// Attribute implements [Subject].
func (s Subjects) Attribute(path string) (Value, bool) {
	for _, subject := range s {
		if v, ok := subject.Attribute(path); ok && !v.IsZero() {
			return v, true
		}
	}
	return Value{}, false
}

// Document returns a Subject over decoded JSON, as encoding/json makes it of nil, bool,
// float64 or json.Number, string, []any and map[string]any. It answers paths that are
// JSON pointers (RFC 6901), such as "/data/amount" or "/items/0/sku", and no others.
// doc is read in place: it must not change while matches go on. A list or an object that
// is asked for costs one small allocation.
func Document(doc any) Subject { return &document{doc} }

type document struct{ root any }

func (d *document) Attribute(path string) (Value, bool) {
	node := d.root
	for path != "" {
		if path[0] != '/' {
			return Value{}, false
		}
		token, rest := path[1:], ""
		if i := strings.IndexByte(token, '/'); i >= 0 {
			token, rest = token[:i], token[i:]
		}
		if strings.IndexByte(token, '~') >= 0 {
			token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		}
		switch at := node.(type) {
		case map[string]any:
			next, ok := at[token]
			if !ok {
				return Value{}, false
			}
			node = next
		case []any:
			i, ok := index(token)
			if !ok || i >= len(at) {
				return Value{}, false
			}
			node = at[i]
		default:
			return Value{}, false
		}
		path = rest
	}
	v, err := Of(node)
	return v, err == nil && !v.IsZero()
}

// index reads an array index as RFC 6901 wants it: digits without a leading zero.
func index(token string) (int, bool) {
	if token == "" || len(token) > 9 || (token[0] == '0' && token != "0") {
		return 0, false
	}
	for _, c := range []byte(token) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	i, err := strconv.Atoi(token)
	return i, err == nil
}

// checkPath reports what makes path unfit for a clause, empty when nothing does.
func checkPath(path string) string {
	switch {
	case path == "":
		return "must name an attribute"
	case len(path) > MaxPath:
		return "must be at most " + strconv.Itoa(MaxPath) + " bytes long"
	}
	for _, r := range path {
		if r < ' ' || r == '\uFFFD' {
			return "must be printable text"
		}
	}
	if path[0] == '/' {
		for i := range len(path) {
			if path[i] == '~' && (i+1 == len(path) || path[i+1] != '0' && path[i+1] != '1') {
				return "begins with / and must be a JSON pointer: ~ is written ~0"
			}
		}
	}
	return ""
}
