package approvalstest

import (
	"fmt"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
)

var listRules = []storeRule{
	{"QS-063", "each tab is listed as its list declares", "Whoever filters by something that the store passes over acts on requests that were never meant: every field with every operator, in every order, is as a plain scan finds it, and what is not declared is refused.", func(e *env) {
		all := map[approvals.Tab][]approvals.Request{}
		for n := range 24 {
			r := e.request(id(n * 7 % 24))
			r.State = approvals.States()[1+n%9]
			r.Action = []string{"orders.refund", "orders.Refund", "flags.publish"}[n%3]
			r.Resource.Type, r.Resource.ID = []string{"order", "flag"}[n%2], fmt.Sprint("o-", n%4)
			r.Reason, r.PreviousID = []string{"", "damaged", "ä%", "a_"}[n%4], fmt.Sprint(n%2)
			r.CreatedAt, r.UpdatedAt = noon.Add(time.Duration(n/5)*time.Microsecond), noon.Add(-time.Duration(n)*time.Hour)
			if n%3 == 0 {
				r.TimeoutAt = time.Time{}
			}
			e.insert(r)
			all[r.State.Tab()] = append(all[r.State.Tab()], r)
		}
		for _, tab := range []approvals.Tab{approvals.TabPending, approvals.TabDone} {
			listingtest.Check(e, listingtest.Of(approvals.Requests(tab), func(q listing.Query) (storage.Page[approvals.Request], error) {
				return e.page(tab, q)
			}), all[tab])
		}
	}},
}

// page asks the store for a page as a Service does: for one request more than it has.
func (e *env) page(tab approvals.Tab, q listing.Query) (storage.Page[approvals.Request], error) {
	plan, err := approvals.Requests(tab).Plan(q, e.Tenant)
	if err != nil && q.After != "" {
		return storage.Page[approvals.Request]{}, err // the cursor is the Service's affair
	}
	asked := approvals.StoreQuery{Tab: tab, Filters: q.Filters, Sort: q.Sort, Limit: storage.MaxLimit}
	if err == nil {
		asked.Limit = plan.Limit + 1
		if v, id, ok := plan.After(); ok {
			us, _ := v.Arg().(int64)
			asked.After = &approvals.Position{CreatedAt: time.UnixMicro(us).UTC(), ID: id}
		}
	}
	found, listErr := e.Store.List(e.Ctx, e.Tenant, asked)
	if err != nil || listErr != nil {
		return storage.Page[approvals.Request]{}, listErr
	}
	return plan.Page(found), nil
}
