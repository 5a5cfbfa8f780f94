package sqlstore

import (
	"fmt"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
	"github.com/lumelle/adminkit/webhooks"
)

// A Statement is one that a list runs.
type Statement struct {
	Name  string
	Query string
	Args  []any
}

// Statements returns the statements of every list in every order, each from a place in its
// middle, and fails for a field or an operator that a list declares and a table does not
// have.
func Statements(tenant string) ([]Statement, error) {
	var all []Statement
	for _, add := range []func() ([]Statement, error){
		func() ([]Statement, error) { return statements(endpointsListed, webhooks.Endpoints(), tenant) },
		func() ([]Statement, error) { return statements(deliveriesListed, webhooks.Deliveries(), tenant) },
		func() ([]Statement, error) {
			return statements(requestsListed, approvals.Requests(approvals.TabPending), tenant, string(approvals.TabPending))
		},
		func() ([]Statement, error) { return statements(rulesListed, automation.Rules(), tenant) },
		func() ([]Statement, error) {
			return statements(runsListed, automation.Runs(), tenant, "", int64(0), int64(0), int64(1))
		},
	} {
		some, err := add()
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func statements[T any](l listed, list listing.List[T], args ...any) (all []Statement, err error) {
	d := &Dialect{In: func(n int) string { return fmt.Sprintf("= ANY($%d)", n) }, List: func(list any) any { return list }}
	item := make([]T, 1)
	under := listingtest.Of(list, nil)
	for _, sort := range under.Sorts() {
		for _, filters := range append([][]listing.Filter{nil}, alone(under.Filters(item))...) {
			q := listing.Query{Filters: filters, Sort: sort}
			plan, err := list.Plan(q)
			if err != nil {
				return nil, err
			}
			q.After = plan.Next(item[0])
			if plan, err = list.Plan(q); err != nil {
				return nil, err
			}
			query, bound, err := statement(d, l, plan, args...)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list.Name, err)
			}
			if filters == nil {
				all = append(all, Statement{list.Name + " by " + sort.String(), query, bound})
			}
		}
	}
	return all, nil
}

// alone returns a list for each filter.
func alone(filters []listing.Filter) (all [][]listing.Filter) {
	for _, f := range filters {
		all = append(all, []listing.Filter{f})
	}
	return all
}
