package approvalstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// traced returns the ids and numbers of the steps of a trace.
func (e *env) traced(ctx context.Context, trace string) []string {
	e.Helper()
	steps, err := e.Store.Trace(ctx, e.Tenant, trace)
	e.Must(err, "trace")
	all := []string{}
	for _, s := range steps {
		all = append(all, fmt.Sprint(s.Request.ID, "/", s.Step.Seq))
	}
	return all
}

var readRules = []storeRule{
	{"QS-040", "an unknown request has an empty history", "Who asks for it gets the error from Get. Here there is nothing to fail.", func(e *env) {
		h, err := e.Store.History(e.Ctx, e.Tenant, "nothing")
		e.Must(err, "history")
		e.equal("the history of nothing", h, approvals.History{})
	}},
	{"QS-041", "a history has nothing of another request", "Ids that begin alike, or differ in case, are others.", func(e *env) {
		for n, id := range []string{"r", "R", "r1", "r ", "%"} {
			r := e.request(id)
			r.Reason = fmt.Sprint("reason ", n)
			e.insert(r)
			e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: next(r), Step: step(next(r)), Decision: decision(r, "d")}), "save")
		}
		for n, id := range []string{"r", "R", "r1", "r ", "%"} {
			h := e.historyOf(id)
			if len(h.Steps) != 2 || len(h.Decisions) != 1 || len(h.Revisions) != 1 || h.Revisions[0].Reason != fmt.Sprint("reason ", n) {
				e.Errorf("the history of %q is %+v", id, h)
			}
		}
	}},
	{"QS-042", "every read sees what its transaction wrote", "A service reads what it wrote, and goes on with it.", func(e *env) {
		r := e.request(id(1))
		r.State = approvals.StateApproved
		e.Undone(func(ctx context.Context) error {
			e.Must(e.save(ctx, r), "save")
			in := *e
			in.Ctx = ctx
			e.equal("Get", in.get(r.ID), r)
			locked, err := e.Store.Lock(ctx, e.Tenant, r.ID)
			e.Must(err, "lock")
			e.equal("Lock", locked, r)
			open, err := e.Store.Open(ctx, e.Tenant, r.DedupeKey)
			e.Must(err, "open")
			e.equal("Open", open, r)
			e.equal("History", in.historyOf(r.ID).Steps, []approvals.Step{step(r)})
			e.Same(e.tab(ctx, approvals.TabDone), []string{r.ID}, "List")
			e.Same(e.traced(ctx, r.Trace.TraceID), []string{r.ID + "/1"}, "Trace")
			counts, err := e.Store.Counts(ctx, e.Tenant)
			e.Must(err, "counts")
			if counts[approvals.TabDone] != 1 {
				e.Errorf("Counts: got %v, want one that is done", counts)
			}
			return nil
		})
		e.absent(r)
	}},
	{"QS-043", "a request moves between tabs with its state", "What was decided is not found among what waits.", func(e *env) {
		r, stays := e.request(id(1)), e.request(id(2))
		e.insert(r)
		e.insert(stays)
		e.Same(e.tab(e.Ctx, approvals.TabPending), []string{r.ID, stays.ID}, "what waits")
		r = e.advance(r, approvals.StateApproved)
		e.Same(e.tab(e.Ctx, approvals.TabPending), []string{stays.ID}, "what waits after the decision")
		e.Same(e.tab(e.Ctx, approvals.TabDone), []string{r.ID}, "what is done")
		e.advance(r, approvals.StateAwaitingApproval)
		e.Same(e.tab(e.Ctx, approvals.TabPending), []string{r.ID, stays.ID}, "what waits after the revision")
		e.Same(e.tab(e.Ctx, approvals.TabDone), []string{}, "what is done after the revision")
		e.Same(e.tab(e.Ctx, approvals.TabSnoozed), []string{}, "a tab that nothing is in")
	}},
	{"QS-044", "a list goes on behind a request that has left its tab", "The one that a page ended with may be decided before the next page is read.", func(e *env) {
		var all []approvals.Request
		for n := range 6 {
			r := e.request(id(n))
			r.CreatedAt = noon.Add(time.Duration(n/2) * time.Second)
			e.insert(r)
			all = append(all, r)
		}
		last := all[2]
		e.advance(last, approvals.StateApproved)
		rest, err := e.Store.List(e.Ctx, e.Tenant, approvals.StoreQuery{
			Tab: approvals.TabPending, Limit: 10, After: &approvals.Position{CreatedAt: last.CreatedAt, ID: last.ID},
		})
		e.Must(err, "list")
		var ids []string
		for _, r := range rest {
			ids = append(ids, r.ID)
		}
		e.Same(ids, []string{id(3), id(4), id(5)}, "the next page")
	}},
	{"QS-045", "a list has requests whole and as they are now", "An inbox shows who asked, for what, and how far it has come.", func(e *env) {
		r := e.request(id(1))
		e.insert(r)
		now := e.advance(r, approvals.StateChangesRequested)
		list, err := e.Store.List(e.Ctx, e.Tenant, approvals.StoreQuery{Tab: approvals.TabPending, Limit: 10})
		e.Must(err, "list")
		e.equal("the list", list, []approvals.Request{now})
	}},
	{"QS-046", "a tenant without requests counts none", "A tab without any may be absent, and the answer is no error.", func(e *env) {
		draft := e.request(id(1))
		draft.State = approvals.StateDraft
		e.insert(draft)
		counts, err := e.Store.Counts(e.Ctx, e.Tenant)
		e.Must(err, "counts")
		for tab, n := range counts {
			if n != 0 {
				e.Errorf("%q counts %d, want 0", tab, n)
			}
		}
	}},
	{"QS-047", "a step whose link is its own trace is found once", "A timeline that shows it twice tells of two decisions.", func(e *env) {
		r := e.request(id(1))
		s := step(r)
		s.LinkID = s.TraceID
		e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: s, Revision: revision(r)}), "save")
		e.Same(e.traced(e.Ctx, s.TraceID), []string{r.ID + "/1"}, "the steps of the trace")
	}},
	{"QS-048", "steps of a trace come by time, then by request and number", "A timeline is read from top to bottom, over all requests.", func(e *env) {
		// The later request was made first, and steps 9 and 10 are told from texts.
		for _, n := range []int{2, 1} {
			r := e.request(id(n))
			for v := 1; v <= 10; v++ {
				r.Version = int64(v)
				s := step(r)
				s.At = noon.Add(time.Duration(v/5) * time.Second)
				e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: s}), "save")
			}
		}
		var want []string
		for _, versions := range [][]int{{1, 2, 3, 4}, {5, 6, 7, 8, 9}, {10}} {
			for n := 1; n <= 2; n++ {
				for _, v := range versions {
					want = append(want, fmt.Sprint(id(n), "/", v))
				}
			}
		}
		e.Same(e.traced(e.Ctx, strings.Repeat("1a", 16)), want, "the steps of the trace")
	}},
	{"QS-049", "a trace is found by all of its bytes", "A part of a trace id, or one in other letters, is another trace.", func(e *env) {
		r := e.request(id(1))
		s := step(r)
		s.LinkID = strings.Repeat("5e", 16)
		e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: s, Revision: revision(r)}), "save")
		for _, other := range []string{strings.Repeat("1a", 15), strings.Repeat("1A", 16), strings.Repeat("5E", 16), "%", strings.Repeat("1a", 16) + " "} {
			e.Same(e.traced(e.Ctx, other), []string{}, fmt.Sprintf("the steps of %q", other))
		}
	}},
	{"QS-050", "a trace answers steps whole", "The timeline shows who did what, and says why.", func(e *env) {
		r := e.request(id(1))
		s := step(r)
		s.LinkID = strings.Repeat("5e", 16)
		e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: s, Revision: revision(r)}), "save")
		for _, trace := range []string{s.TraceID, s.LinkID} {
			steps, err := e.Store.Trace(e.Ctx, e.Tenant, trace)
			e.Must(err, "trace")
			e.equal("the steps of "+trace, steps, []approvals.TracedStep{{Step: s, Request: r}})
		}
	}},
	{"QS-051", "what is answered is the caller's own, however it was read", "A handler that shortens a list for its page must not shorten what is stored.", func(e *env) {
		r := e.request(id(1))
		e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Revision: revision(r), Decision: decision(r, "d")}), "save")
		history := func() approvals.History {
			r := e.request(r.ID)
			return approvals.History{Revisions: []approvals.Revision{*revision(r)}, Decisions: []approvals.Decision{*decision(r, "d")}, Steps: []approvals.Step{step(r)}}
		}
		for range 2 {
			for name, got := range e.readAll(r) {
				e.equal(name, got, e.request(r.ID))
				if e.Failed() {
					return
				}
				spoil(got)
			}
			h := e.historyOf(r.ID)
			e.equal("History", h, history())
			if e.Failed() {
				return
			}
			h.Revisions[0].Payload[0] = 'X'
			for _, a := range []audit.Actor{h.Steps[0].Actor, h.Revisions[0].Editor, h.Decisions[0].Actor} {
				a.Authn.ACR, a.Authn.AMR[0] = "X", "X"
			}
		}
	}},
}

// next returns the next version of r.
func next(r approvals.Request) approvals.Request {
	r.Version++
	return r
}

// readAll reads an open request in all ways but for its history.
func (e *env) readAll(r approvals.Request) map[string]approvals.Request {
	e.Helper()
	all := map[string]approvals.Request{"Get": e.get(r.ID)}
	var err error
	e.Tx(func(ctx context.Context) (err error) {
		all["Lock"], err = e.Store.Lock(ctx, e.Tenant, r.ID)
		return err
	})
	all["Open"], err = e.Store.Open(e.Ctx, e.Tenant, r.DedupeKey)
	e.Must(err, "open")
	list, err := e.Store.List(e.Ctx, e.Tenant, approvals.StoreQuery{Tab: r.State.Tab(), Limit: 1})
	e.Must(err, "list")
	steps, err := e.Store.Trace(e.Ctx, e.Tenant, r.Trace.TraceID)
	e.Must(err, "trace")
	if len(list) != 1 || len(steps) != 1 {
		e.Fatalf("the list is %+v, the trace %+v", list, steps)
	}
	all["List"], all["Trace"] = list[0], steps[0].Request
	return all
}

// calls are the methods of a store.
func (e *env) calls() map[string]func(ctx context.Context) error {
	r := e.request(id(7))
	return map[string]func(ctx context.Context) error{
		"Save": func(ctx context.Context) error { return e.save(ctx, r) },
		"Get": func(ctx context.Context) error {
			_, err := e.Store.Get(ctx, e.Tenant, r.ID)
			return err
		},
		"Lock": func(ctx context.Context) error {
			_, err := e.Store.Lock(ctx, e.Tenant, r.ID)
			return err
		},
		"Open": func(ctx context.Context) error {
			_, err := e.Store.Open(ctx, e.Tenant, r.DedupeKey)
			return err
		},
		"History": func(ctx context.Context) error {
			_, err := e.Store.History(ctx, e.Tenant, r.ID)
			return err
		},
		"List": func(ctx context.Context) error {
			_, err := e.Store.List(ctx, e.Tenant, approvals.StoreQuery{Tab: approvals.TabPending, Limit: 1})
			return err
		},
		"Counts": func(ctx context.Context) error {
			_, err := e.Store.Counts(ctx, e.Tenant)
			return err
		},
		"Trace": func(ctx context.Context) error {
			_, err := e.Store.Trace(ctx, e.Tenant, r.Trace.TraceID)
			return err
		},
		"Consume": func(ctx context.Context) error { return e.Store.Consume(ctx, e.Tenant, grant(r), noon) },
	}
}

var transactionRules = []storeRule{
	{"QS-060", "no method works under a transaction that has ended", "A ctx that outlived its transaction must not write past it, nor read what was undone. storage.ErrTxDone.", func(e *env) {
		e.Refuses(e.Ended(), storage.ErrTxDone, e.calls())
		e.Same(e.tab(e.Ctx, approvals.TabPending), []string{}, "what was written")
	}},
	{"QS-061", "no method works under another backend's transaction", "A write that is not in the transaction it was meant for is not undone with it. storage.ErrForeignTx.", func(e *env) {
		e.Refuses(e.Foreign(), storage.ErrForeignTx, e.calls())
		e.Same(e.tab(e.Ctx, approvals.TabPending), []string{}, "what was written")
	}},
	{"QS-062", "what a transaction wrote is there after its commit as it was seen inside", "An answer of nil means that it is there.", func(e *env) {
		r := e.request(id(1))
		var inside approvals.History
		e.Tx(func(ctx context.Context) error {
			e.Must(e.save(ctx, r), "save")
			r = next(r)
			r.State = approvals.StateApproved
			e.Must(e.Store.Save(ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Decision: decision(r, "d")}), "save")
			in := *e
			in.Ctx = ctx
			inside = in.historyOf(r.ID)
			return nil
		})
		e.equal("the request", e.get(r.ID), r)
		e.equal("the history", e.historyOf(r.ID), inside)
		if len(inside.Steps) != 2 || !slices.Equal(e.tab(e.Ctx, approvals.TabDone), []string{r.ID}) {
			e.Errorf("the history is %+v, what is done %q", inside, e.tab(e.Ctx, approvals.TabDone))
		}
	}},
}
