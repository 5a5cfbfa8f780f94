package httpapi

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// SavedFilters finds what people ask lists for. A saved.Service is one.
type SavedFilters interface {
	// Query returns what the filter of an id asks list for, without a place in it. It is
	// storage.ErrNotFound where viewer, an [Identity.Person], sees no such filter of list,
	// and a *saved.OutdatedError where it does not fit the list any more.
	Query(ctx context.Context, tenant, viewer, list, id string) (listing.Query, error)
}

type savedKey struct{}

// A finder finds the filters that the person of a request sees.
type finder struct {
	filters SavedFilters
	who     Identity
}

// withSaved returns ctx with the filters that who sees. It is carried there because lists
// are read from the request alone: a surface need not know whether its host keeps filters.
func (a *API) withSaved(ctx context.Context, who Identity) context.Context {
	if a.cfg.Saved == nil {
		return ctx
	}
	return context.WithValue(ctx, savedKey{}, finder{a.cfg.Saved, who})
}

// errNoneSaved reports a filter that the person does not see, or that is none.
var errNoneSaved = errors.New("no such saved filter")

// savedQuery returns what a saved filter asks list for.
func savedQuery(ctx context.Context, list, id string) (listing.Query, error) {
	f, ok := ctx.Value(savedKey{}).(finder)
	if !ok {
		return listing.Query{}, errNoneSaved
	}
	q, err := f.filters.Query(ctx, f.who.Tenant, f.who.Person(), list, id)
	if errors.Is(err, storage.ErrNotFound) {
		err = errNoneSaved
	}
	return q, err
}

// noneSaved is what people are told of errNoneSaved.
const noneSaved = "is no saved filter of this list that you see"

// takeSaved returns what the parameter "saved" asks list for, and takes it out of values.
// It reports false where there is none, or the host keeps no filters.
func takeSaved(ctx context.Context, list string, values url.Values) (q listing.Query, ok bool, err error) {
	ids := values["saved"]
	if _, kept := ctx.Value(savedKey{}).(finder); !kept || ids == nil {
		return q, false, nil
	}
	if len(ids) > 1 {
		return q, false, BadRequest("saved", "is given twice")
	}
	var beside []string
	for name := range values {
		if listing.Reads(name) {
			beside = append(beside, name)
		}
	}
	if len(beside) > 0 {
		return q, false, BadRequest(slices.Min(beside), "does not go with saved")
	}
	delete(values, "saved")
	q, err = savedQuery(ctx, list, ids[0])
	if errors.Is(err, errNoneSaved) {
		err = BadRequest("saved", noneSaved)
	}
	return q, err == nil, err
}
