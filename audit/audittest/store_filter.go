package audittest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit"
)

var filterRules = []storeRule{
	{"LS-040", "Actor finds who acted and who was acted as", "what a person did under another name is found under both",
		filtered(audit.Query{Actor: "dana"}, "x b c", func(r *audit.Row) { r.ActorID = "dana" }, func(r *audit.Row) { r.ActingAs = "dana" }, func(r *audit.Row) { r.ActorID, r.ActingAs = "Dana", "dana " })},
	{"LS-041", "Action finds the exact name", "a prefix would mix the refund with its refusal",
		filtered(audit.Query{Action: "orders.cancel"}, "x b", func(r *audit.Row) { r.Action = "orders.cancel" }, func(r *audit.Row) { r.Action = "orders.cancelled" }, func(r *audit.Row) { r.Action = "Orders.cancel" })},
	{"LS-042", "ResourceType finds the exact type", "payouts are not orders",
		filtered(audit.Query{ResourceType: "payout"}, "x b", func(r *audit.Row) { r.ResourceType = "payout" }, func(r *audit.Row) { r.ResourceType = "payouts" }, func(r *audit.Row) { r.ResourceID = "payout" })},
	{"LS-043", "ResourceID finds the exact id", "order 7 is not order 77",
		filtered(audit.Query{ResourceID: "7"}, "x b", func(r *audit.Row) { r.ResourceID = "7" }, func(r *audit.Row) { r.ResourceID = "77" }, func(r *audit.Row) { r.ResourceType = "7" })},
	{"LS-044", "Category finds its own", "retention goes by it",
		filtered(audit.Query{Category: audit.Policy}, "x b", func(r *audit.Row) { r.Category = audit.Policy }, func(r *audit.Row) { r.Category = audit.System }, func(r *audit.Row) { r.Category = audit.Domain })},
	{"LS-045", "Outcome finds its own", "who looks for refusals must not see successes",
		filtered(audit.Query{Outcome: audit.Denied}, "x b", func(r *audit.Row) { r.Outcome = audit.Denied }, func(r *audit.Row) { r.Outcome = audit.Failure }, func(r *audit.Row) { r.Outcome = audit.Pending })},
	{"LS-046", "SourceIP finds the exact address", "192.0.2.1 is not 192.0.2.10",
		filtered(audit.Query{SourceIP: "192.0.2.1"}, "x b", func(r *audit.Row) { r.SourceIP = "192.0.2.1" }, func(r *audit.Row) { r.SourceIP = "192.0.2.10" }, func(r *audit.Row) { r.RequestID = "192.0.2.1" })},
	{"LS-047", "RequestID finds the exact request", "one line of a log leads to its events",
		filtered(audit.Query{RequestID: "r-1"}, "x b", func(r *audit.Row) { r.RequestID = "r-1" }, func(r *audit.Row) { r.RequestID = "R-1" }, func(r *audit.Row) { r.SourceIP = "r-1" })},
	{"LS-048", "TraceID finds what began under a trace and what is linked to it", "an approval joins the trace of a request to that of its approver",
		filtered(audit.Query{TraceID: "aa"}, "x b c", func(r *audit.Row) { r.TraceID = "aa" }, func(r *audit.Row) { r.LinkTraceID = "aa" }, func(r *audit.Row) { r.TraceID, r.LinkTraceID = "a", "aaa" })},
	{"LS-049", "all fields of a query must match", "random queries are compared with a scan of random records", func(e *storeEnv) {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0))
		pick := func(from ...string) string { return from[r.IntN(len(from))] }
		maybe := func(from ...string) string { return pick("", "", pick(from...)) }
		draw := func(pick func(...string) string) audit.Query {
			return audit.Query{
				Actor: pick("sam", "dana"), Action: pick("a", "b"), ResourceType: pick("order", "payout"), ResourceID: pick("1", "2"),
				Category: audit.Category(pick("activity", "policy")), Outcome: audit.Outcome(pick("success", "denied")),
				SourceIP: pick("192.0.2.1", "192.0.2.2"), RequestID: pick("r1", "r2"), TraceID: pick("t1", "t2"),
			}
		}
		var all []audit.Row
		for i := range 60 {
			q := draw(pick)
			all = append(all, with(row(fmt.Sprint(i)), func(row *audit.Row) {
				row.ActorID, row.Action, row.ResourceType, row.ResourceID = q.Actor, q.Action, q.ResourceType, q.ResourceID
				row.Category, row.Outcome, row.SourceIP, row.RequestID, row.TraceID = q.Category, q.Outcome, q.SourceIP, q.RequestID, q.TraceID
				row.ActingAs, row.LinkTraceID = pick("", "dana"), pick("", "t2")
				row.Time = noon.Add(time.Duration(r.IntN(10)) * time.Second)
			}))
		}
		e.insert(all...)
		for range 60 {
			q := draw(maybe)
			q.Limit, q.Descending = 1+r.IntN(30), r.IntN(2) == 0
			if r.IntN(2) == 0 {
				q.Since = noon.Add(time.Duration(r.IntN(5)) * time.Second)
				q.Until = q.Since.Add(time.Duration(r.IntN(6)) * time.Second)
			}
			if got, want := e.list(q), scan(all, q); !slices.Equal(got, want) {
				e.Fatalf("seed %d: %+v: got %q, want %q", seed, q, got, want)
			}
		}
	}},
	{"LS-050", "empty fields of a query match everything", "records without an address or a request are events too", func(e *storeEnv) {
		bare := audit.Row{Record: row("bare").Record, Source: "/orders", ID: "bare", Time: noon}
		e.insert(row("a"), bare)
		e.lists(audit.Query{}, "a", "bare")
	}},
}

// filtered holds a query to find the records of these ids, of x, which has all that q asks
// for, a, which has none of it, and b, c and d, each a changed.
func filtered(q audit.Query, want string, b, c, d func(r *audit.Row)) func(e *storeEnv) {
	return func(e *storeEnv) {
		plain := row("a")
		x := with(row("x"), func(r *audit.Row) { b(r) })
		e.insert(x, plain, with(row("b"), b), with(row("c"), c), with(row("d"), d))
		var ids []string
		for _, id := range []string{"x", "a", "b", "c", "d"} {
			if slices.Contains([]byte(want), id[0]) {
				ids = append(ids, id)
			}
		}
		e.lists(q, ids...)
	}
}

// scan is what a query that is not polled means, in its plainest form.
func scan(all []audit.Row, q audit.Query) []string {
	is := func(want, have string) bool { return want == "" || want == have }
	var found []audit.Row
	for _, r := range all {
		if (is(q.Actor, r.ActorID) || is(q.Actor, r.ActingAs)) && is(q.Action, r.Action) &&
			is(q.ResourceType, r.ResourceType) && is(q.ResourceID, r.ResourceID) &&
			is(string(q.Category), string(r.Category)) && is(string(q.Outcome), string(r.Outcome)) &&
			is(q.SourceIP, r.SourceIP) && is(q.RequestID, r.RequestID) &&
			(is(q.TraceID, r.TraceID) || is(q.TraceID, r.LinkTraceID)) &&
			(q.Until.IsZero() || !r.Time.Before(q.Since) && r.Time.Before(q.Until)) {
			found = append(found, r)
		}
	}
	if !q.Until.IsZero() {
		slices.SortStableFunc(found, func(a, b audit.Row) int { return a.Time.Compare(b.Time) })
	}
	if q.Descending {
		slices.Reverse(found)
	}
	ids := []string{}
	for _, r := range found {
		ids = append(ids, r.ID)
	}
	return ids
}
