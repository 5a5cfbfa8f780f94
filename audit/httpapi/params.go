package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// Params are the query parameters of a request.
type Params map[string]string

// ParseParams returns the parameters of r. One that is not in known or that stands
// twice is a 400 problem, so that a misspelt filter never lists everything.
func ParseParams(r *http.Request, known ...string) (Params, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, BadRequest("", "the query cannot be read")
	}
	return params(values, known)
}

func params(values url.Values, known []string) (Params, error) {
	p := make(Params, len(values))
	for name, v := range values {
		switch {
		case !slices.Contains(known, name):
			return nil, BadRequest(name, "is not a known parameter")
		case len(v) > 1:
			return nil, BadRequest(name, "is given twice")
		}
		if err := storage.CheckText(name, v[0], 4096); err != nil {
			return nil, BadRequest(name, "is too long or not text")
		}
		p[name] = v[0]
	}
	return p, nil
}

// Limit returns the parameter "limit", zero where it is absent.
func (p Params) Limit() (int, error) {
	s := p["limit"]
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, BadRequest("limit", "must be a positive number")
	}
	return n, nil
}

// After returns the parameter "after".
func (p Params) After() storage.Cursor { return storage.Cursor(p["after"]) }

// Time returns a parameter that holds an RFC 3339 time, the zero time where it is
// absent.
func (p Params) Time(name string) (time.Time, error) {
	s := p[name]
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, BadRequest(name, "must be an RFC 3339 time")
	}
	return t.UTC(), nil
}

// LinkNext sets the Link header that continues a list, nothing at the end of it.
func LinkNext(w http.ResponseWriter, r *http.Request, next storage.Cursor) {
	if next == "" {
		return
	}
	// The path the client used: a prefix that the host stripped is still there.
	u, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		u = &url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	}
	q := u.Query()
	q.Set("after", string(next))
	u.RawQuery = q.Encode()
	w.Header().Set("Link", "<"+u.RequestURI()+`>; rel="next"`)
}
