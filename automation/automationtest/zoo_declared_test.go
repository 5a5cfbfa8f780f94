package automationtest

import (
	"context"
	"slices"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// placeOf returns the time and the id of the place behind which a plan begins, and false
// for the start of the list.
func placeOf[T any](plan *listing.Plan[T]) (time.Time, string, bool) {
	v, id, ok := plan.After()
	us, _ := v.Arg().(int64)
	return time.UnixMicro(us).UTC(), id, ok
}

// rulesByOther lists rules by another query than was asked for, under the cursors of the
// right one.
func rulesByOther(change func(q *automation.RuleQuery)) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.listRules = func(ctx context.Context, tenant string, q automation.RuleQuery) (storage.Page[automation.Rule], error) {
			right, err := q.Plan(tenant)
			if err != nil {
				return s.Store.ListRules(ctx, tenant, q)
			}
			other := q
			other.After = ""
			change(&other)
			if at, id, ok := placeOf(right); ok {
				plan, err := other.Plan(tenant)
				if err != nil {
					return storage.Page[automation.Rule]{}, err
				}
				other.After = plan.Next(automation.Rule{ID: id, CreatedAt: at, UpdatedAt: at})
			}
			p, err := s.Store.ListRules(ctx, tenant, other)
			if p.Next != "" {
				p.Next = right.Next(p.Items[len(p.Items)-1])
			}
			return p, err
		}
	}
}

// runsByOther does the same with runs.
func runsByOther(change func(q *automation.RunQuery)) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.listRuns = func(ctx context.Context, tenant string, q automation.RunQuery) (storage.Page[automation.Run], error) {
			right, err := q.Plan(tenant)
			if err != nil {
				return s.Store.ListRuns(ctx, tenant, q)
			}
			other := q
			other.After = ""
			change(&other)
			if at, id, ok := placeOf(right); ok {
				other.After = other.Next(tenant, automation.Run{ID: id, StartedAt: at})
			}
			p, err := s.Store.ListRuns(ctx, tenant, other)
			if p.Next != "" {
				p.Next = right.Next(p.Items[len(p.Items)-1])
			}
			return p, err
		}
	}
}

// withFilters alters filters, and leaves out those of which alter reports false.
func withFilters(filters []listing.Filter, alter func(f *listing.Filter) bool) (altered []listing.Filter) {
	for _, f := range filters {
		f.Values = slices.Clone(f.Values)
		if alter(&f) {
			altered = append(altered, f)
		}
	}
	return altered
}

// seesRun has a store of runs see other filters.
func seesRun(alter func(f *listing.Filter) bool) func(s *brokenStore) {
	return runsByOther(func(q *automation.RunQuery) { q.Filters = withFilters(q.Filters, alter) })
}

// withoutUnknown drops what a list does not declare before it is looked at.
func withoutUnknown(filters []listing.Filter) []listing.Filter {
	return withFilters(filters, func(f *listing.Filter) bool { return f.Field != "no_such_field" })
}

// declaredZoo breaks the filters and orders that lists declare.
var declaredZoo = []storeMutant{
	{"RS-047", "passes over filters on rules", rulesByOther(func(q *automation.RuleQuery) { q.Filters = nil })},
	{"RS-047", "passes over the second filter on rules", rulesByOther(func(q *automation.RuleQuery) { q.Filters = q.Filters[:min(1, len(q.Filters))] })},
	{"RS-047", "sorts rules by creation whatever is asked for", rulesByOther(func(q *automation.RuleQuery) { q.Sort.Field = "" })},
	{"RS-047", "sorts rules upwards whatever is asked for", rulesByOther(func(q *automation.RuleQuery) { q.Sort.Descending = false })},
	{"RS-047", "does not see where a rule runs", rulesByOther(func(q *automation.RuleQuery) {
		q.Filters = withFilters(q.Filters, func(f *listing.Filter) bool { return f.Field != "automation_environment" })
	})},
	{"RS-047", "passes over fields of rules it does not know", func(s *brokenStore) {
		s.listRules = func(ctx context.Context, tenant string, q automation.RuleQuery) (storage.Page[automation.Rule], error) {
			q.Filters = withoutUnknown(q.Filters)
			return s.Store.ListRules(ctx, tenant, q)
		}
	}},
	{"RS-048", "passes over filters on runs", seesRun(func(*listing.Filter) bool { return false })},
	{"RS-048", "does not see how a run was triggered", seesRun(func(f *listing.Filter) bool { return f.Field != "trigger" })},
	{"RS-048", "sorts runs downwards whatever is asked for", runsByOther(func(q *automation.RunQuery) { q.Sort = listing.Sort{} })},
	{"RS-048", "looks at the first of several values", seesRun(func(f *listing.Filter) bool {
		f.Values = f.Values[:1]
		return true
	})},
	{"RS-048", "takes from for after", seesRun(func(f *listing.Filter) bool {
		if f.Op == listing.Gte {
			f.Op = listing.Gt
		}
		return true
	})},
	{"RS-048", "takes the beginning of a text for the whole", seesRun(func(f *listing.Filter) bool {
		if f.Op == listing.StartsWith {
			f.Op = listing.Eq
		}
		return true
	})},
	{"RS-048", "takes unlike for like", seesRun(func(f *listing.Filter) bool {
		if f.Op == listing.Ne {
			f.Op = listing.Eq
		}
		return true
	})},
	{"RS-048", "passes over fields of runs it does not know", runsAskedAs(func(q *automation.RunQuery) { q.Filters = withoutUnknown(q.Filters) })},
}
