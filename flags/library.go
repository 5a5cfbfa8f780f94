package flags

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// deps returns what a tenant's definitions mean something in.
func (s *Service) deps(ctx context.Context, tenant string) (deps, error) {
	return s.depsWith(ctx, tenant, nil)
}

// depsWith is deps with one audience as it is to be, nil for none.
func (s *Service) depsWith(ctx context.Context, tenant string, changed *targeting.Audience) (deps, error) {
	var all []targeting.Audience
	if changed != nil {
		all = append(all, *changed) // first, so that pointers to it begin with /0
	}
	q := ListQuery{Kind: KindAudience, Limit: storage.MaxLimit}
	for {
		found, err := s.store.List(ctx, tenant, q)
		if err != nil {
			return deps{}, err
		}
		for _, v := range found {
			if changed != nil && v.Key == changed.Key {
				continue
			}
			a, err := ReadAudience(v)
			if err != nil {
				return deps{}, err
			}
			all = append(all, a.Audience)
		}
		if len(found) < q.Limit {
			break
		}
		q.After = found[q.Limit-1].Key
	}
	library, err := targeting.NewLibrary(all, targeting.Options{})
	if err != nil {
		return deps{}, libraryError(err, all)
	}
	return deps{
		environments: s.cfg.Environments, attributes: s.cfg.Attributes, library: library, strategies: s.strategies, scoped: true,
	}, nil
}

// libraryError points at what is wrong with the audience that changes, which is the
// first. What is wrong with another one is so because of it.
func libraryError(err error, all []targeting.Audience) error {
	invalid, ok := errors.AsType[*targeting.InvalidError](err)
	if !ok {
		return err
	}
	var bad faults
	for _, f := range invalid.Fields {
		place, rest, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "/"), "/")
		i, err := strconv.Atoi(place)
		switch {
		case err != nil || i >= len(all):
			bad.add("", f.Message)
		case i == 0:
			bad.add(strings.TrimSuffix("/"+rest, "/"), f.Message)
		default:
			bad.add("", "would break the audience "+strconv.Quote(all[i].Key)+" at /"+rest+", which "+f.Message)
		}
	}
	return bad.err()
}
