package httpapi

import (
	"errors"
	"maps"
	"net/http"
	"net/url"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// ParseQuery returns what r asks of a list, in the parameters that every list has: filters
// written as filter[field][op], "sort", "limit" and "after". The others are returned by the
// rules of [ParseParams]; where one of them bears the name of a field, it is that field's
// filter for what equals it. What the list does not declare is a 400 problem that names the
// parameter.
//
// Where [Config].Saved is there, "saved" is the id of a saved filter of the list and stands
// in place of filters and sort. One that the person does not see is a 400 problem, and one
// that does not fit the list any more a 409 problem that says so. A cursor is bound to what
// the filter asked for: where that was changed meanwhile, it is storage.ErrBadCursor.
func ParseQuery[T any](r *http.Request, list listing.List[T], known ...string) (listing.Query, Params, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return listing.Query{}, nil, BadRequest("", "the query cannot be read")
	}
	q, isSaved, err := takeSaved(r.Context(), list.Name, values)
	if err == nil && !isSaved {
		q, err = list.Parse(values)
	}
	if bad, ok := errors.AsType[*storage.InvalidError](err); ok {
		p := BadRequest("", "")
		p.Errors = bad.Fields
		return listing.Query{}, nil, p
	}
	if err != nil {
		return listing.Query{}, nil, err
	}
	maps.DeleteFunc(values, func(name string, _ []string) bool { return listing.Reads(name) })
	others, err := params(values, append([]string{"limit", "after"}, known...))
	if err != nil {
		return listing.Query{}, nil, err
	}
	for _, f := range q.Filters {
		if others[f.Field] != "" && f.Op == listing.Eq {
			if isSaved {
				return listing.Query{}, nil, BadRequest(f.Field, "is asked for by the saved filter already")
			}
			return listing.Query{}, nil, BadRequest(listing.Parameter(f.Field, f.Op), "is asked for by "+f.Field+" already")
		}
	}
	if q.Limit, err = others.Limit(); err != nil {
		return listing.Query{}, nil, err
	}
	q.After = others.After()
	return q, others, nil
}
