package approvalstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

var basicRules = []storeRule{
	{"CR-001", "a request is kept as it is",
		"What people approved is what is applied: every field comes back as it was saved, with times to the microsecond, and JSON byte for byte.", keptAsItIs},
	{"CR-002", "other tenants find nothing",
		"A request of another tenant does not exist: not by id, not in lists, counts or traces, not by its key, and its grant cannot be used.", otherTenants},
	{"CR-003", "a transaction that is rolled back leaves nothing",
		"The request is opened in the transaction of the attempt and applied in the one of the change. What is rolled back must not be seen again.", rollback},
	{"CR-004", "a write for another version is refused",
		"Save replaces exactly the version before its own. Whoever read an older one lost a race and has to decide anew.", staleVersion},
	{"CR-005", "an id is taken once",
		"Inserting under an id that exists is a conflict, changes nothing and leaves the transaction usable.", takenID},
	{"CR-006", "one change of one person is waiting once",
		"While a request is open its DedupeKey is taken, so that asking again finds it. The conflict leaves the transaction usable, because the gate goes on to find it.", openOnce},
	{"CR-007", "an ended request and a draft give the key free",
		"What was cancelled may be asked for again, and any number of drafts may exist.", keyIsFreed},
	{"CR-008", "what a caller holds is its own",
		"Changing a request that was saved or returned must not change what is stored.", aliasing},
	{"CR-009", "locking needs a transaction",
		"A lock that ends with the call protects nothing. Lock outside of a transaction is ErrNoTx.", lockNeedsTx},
	{"CR-010", "history is whole and in order",
		"Revisions, decisions and steps are never dropped, and come back in the order in which they were written.", historyInOrder},
	{"CR-011", "a tab is read page by page without gaps or repeats",
		"Pending is the oldest first, Done the newest first, by creation and then by id; requests made at the same instant are not skipped.", pages},
	{"CR-012", "counts are those of the lists",
		"A badge that says three over a list of two is a bug report.", countsMatch},
	{"CR-013", "a trace finds its own steps and those linked to it",
		"The timeline of the approver's trace must show the decision, although the request began under another.", traceAndLink},
}

// request returns a request of the env's tenant with every field set.
func (e *env) request(id string) approvals.Request {
	e.Helper()
	requester := audit.Actor{Type: audit.User, ID: "sam", Name: "Sam", ActingAs: "store-1", Authn: &audit.Authn{At: noon.Add(123 * time.Microsecond), ACR: "gold", AMR: []string{"otp"}}}
	marco := audit.Actor{Type: audit.User, ID: "marco"}
	return approvals.Request{
		ID: id, Tenant: e.Tenant, State: approvals.StateAwaitingApproval, Revision: 1, Version: 1,
		Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "order-1", Name: "Order 1"},
		EventID: "event-" + id, Source: "/orders", Origin: audit.Origin{SourceIP: "192.0.2.1", UserAgent: "ua", RequestID: "r"},
		Metadata: []byte(`{"m": 1}`), Requester: requester, Authors: []audit.Actor{requester, {Type: audit.User, ID: "editor"}},
		Content:     approvals.Content{Payload: []byte(`{"amount": 150}`), BaseRevision: "3", Before: []byte(`{"b":1}`), After: []byte(`{"b":2}`), Reason: "damaged"},
		ContentHash: strings.Repeat("ab", 32), SubmittedAt: noon.Add(time.Microsecond), PolicyName: "strict",
		Policy: approvals.Policy{
			Stages: []approvals.StageRule{
				{Name: "s", Required: 2, Roles: []string{"r"}, Users: []string{"u"}, Approver: "a"},
				{Name: "large", Required: 1, When: &targeting.Condition{Any: []targeting.Condition{
					{Path: "/payload/amount", Op: targeting.In, Value: targeting.List(targeting.Int(150), targeting.Number(0.5))},
					{Audience: "vip"}, {Bucket: &targeting.Bucket{By: []string{"tenant"}, Salt: "s", To: 10}},
				}}},
			},
			CommentRequired: []approvals.Trigger{approvals.Decline}, CancelRoles: []string{"c"}, Timeout: time.Hour,
		},
		Stages: []approvals.Stage{
			{Name: "s", Status: approvals.StagePending, Required: 2, ApprovedBy: []audit.Actor{marco}, OpenedAt: noon},
			{Name: "large", Status: approvals.StageSkipped, Required: 1, Reason: audit.Reason{Code: approvals.RoutedElsewhere, Text: "because"}},
		},
		Cause:     approvals.Cause{DecisionID: "d", Reason: audit.Reason{Code: "c", Text: "t"}, Rules: []string{"r1"}, PolicyVersion: "7"},
		CreatedAt: noon, UpdatedAt: noon.Add(2 * time.Microsecond), TimeoutAt: noon.Add(time.Hour),
		Trace:       correlation.Trace{TraceID: strings.Repeat("1a", 16), SpanID: strings.Repeat("2b", 8), Flags: 1, State: "k=v"},
		CausationID: "cause-" + id, Hops: 3, PreviousID: "before", DedupeKey: "key-" + id, Failure: &approvals.Failure{Code: "conflict", Text: "moved"}, Output: []byte(`{"refund": "r-1"}`),
	}
}

// step returns the step that led to the version of r.
func step(r approvals.Request) approvals.Step {
	return approvals.Step{
		Seq: r.Version, At: noon.Add(time.Duration(r.Version) * time.Microsecond), Trigger: approvals.Submit, Verb: "submitted",
		From: approvals.StateDraft, To: r.State, Revision: r.Revision, Actor: r.Requester, Comment: "c", TraceID: r.Trace.TraceID,
	}
}

// insert saves a new request with its first revision.
func (e *env) insert(r approvals.Request) {
	e.Helper()
	e.must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Revision: revision(r)}))
}

func revision(r approvals.Request) *approvals.Revision {
	return &approvals.Revision{Number: r.Revision, Content: r.Content, ContentHash: r.ContentHash, Editor: r.Requester, At: noon}
}

// advance saves the next version of r in a state and returns it.
func (e *env) advance(r approvals.Request, to approvals.State) approvals.Request {
	e.Helper()
	r.Version++
	r.State = to
	e.must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: step(r)}))
	return r
}

func (e *env) equal(what string, got, want any) {
	e.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	e.Errorf("%s\n got %s\nwant %s", what, g, w)
}

func keptAsItIs(e *env) {
	full := e.request(id(1))
	bare := approvals.Request{
		ID: id(2), Tenant: e.Tenant, State: approvals.StateDraft, Revision: 1, Version: 1, Action: "a", EventID: "e", Source: "/s",
		Resource: audit.Resource{Type: "t", ID: "i"}, Requester: audit.Actor{Type: audit.User, ID: "sam"}, CreatedAt: noon, UpdatedAt: noon,
		DedupeKey: "key", Trace: full.Trace,
	}
	for _, want := range []approvals.Request{full, bare} {
		e.insert(want)
		got, err := e.Store.Get(e.Ctx, e.Tenant, want.ID)
		e.must(err)
		e.equal("the request came back changed", got, want)
	}
	next := full
	next.Version, next.Revision, next.State = 2, 2, approvals.StateFailed
	next.Payload, next.ContentHash, next.Failure, next.Output = []byte(`[2]`), strings.Repeat("cd", 32), nil, nil
	next.Authors = append(slices.Clone(full.Authors), audit.Actor{Type: audit.User, ID: "third"})
	next.UpdatedAt = noon.Add(time.Minute)
	e.must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: next, Step: step(next)}))
	got, err := e.Store.Get(e.Ctx, e.Tenant, next.ID)
	e.must(err)
	e.equal("the next version came back changed", got, next)
}

func otherTenants(e *env) {
	r := e.request(id(1))
	r.State, r.ContentHash = approvals.StateApproved, "h"
	grant := approvals.Grant{RequestID: r.ID, Revision: 1, ContentHash: "h", EventID: r.EventID, At: noon}
	e.must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Revision: revision(r), Grant: &grant}))
	other := e.Tenant + "-other"
	notFound := func(what string, err error) {
		e.Helper()
		if !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("%s of another tenant got %v, want ErrNotFound", what, err)
		}
	}
	_, err := e.Store.Get(e.Ctx, other, r.ID)
	notFound("Get", err)
	_, err = e.Store.Open(e.Ctx, other, r.DedupeKey)
	notFound("Open", err)
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		_, err := e.Store.Lock(ctx, other, r.ID)
		notFound("Lock", err)
		return nil
	}))
	h, err := e.Store.History(e.Ctx, other, r.ID)
	e.must(err)
	list, err := e.Store.List(e.Ctx, other, approvals.StoreQuery{Tab: approvals.TabDone, Limit: 10})
	e.must(err)
	counts, err := e.Store.Counts(e.Ctx, other)
	e.must(err)
	traced, err := e.Store.Trace(e.Ctx, other, r.Trace.TraceID)
	e.must(err)
	if n := len(h.Steps) + len(h.Revisions) + len(h.Decisions) + len(list) + len(traced) + counts[approvals.TabDone]; n != 0 {
		e.Errorf("another tenant sees history %+v, list %+v, counts %v, trace %+v", h, list, counts, traced)
	}
	if err := e.Store.Consume(e.Ctx, other, grant, noon); !errors.Is(err, storage.ErrConflict) {
		e.Errorf("another tenant consumed the grant: %v", err)
	}
	stolen := r
	stolen.Tenant, stolen.Version = other, 2
	if err := e.Store.Save(e.Ctx, other, approvals.Write{Request: stolen, Step: step(stolen)}); !errors.Is(err, storage.ErrConflict) {
		e.Errorf("another tenant replaced the request: %v", err)
	}
	twin := r
	twin.Tenant = other
	e.must(e.Store.Save(e.Ctx, other, approvals.Write{Request: twin, Step: step(twin), Revision: revision(twin)}))
}

func rollback(e *env) {
	r := e.request(id(1))
	undone := errors.New("undone")
	err := e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		e.must(e.Store.Save(ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Revision: revision(r)}))
		if _, err := e.Store.Get(ctx, e.Tenant, r.ID); err != nil {
			e.Errorf("the transaction does not see its own write: %v", err)
		}
		return undone
	})
	if !errors.Is(err, undone) {
		e.Fatalf("InTx answered %v", err)
	}
	if _, err := e.Store.Get(e.Ctx, e.Tenant, r.ID); !errors.Is(err, storage.ErrNotFound) {
		e.Errorf("after the rollback Get got %v, want ErrNotFound", err)
	}
	if h, err := e.Store.History(e.Ctx, e.Tenant, r.ID); err != nil || len(h.Steps)+len(h.Revisions) > 0 {
		e.Errorf("after the rollback there is a history: %+v, %v", h, err)
	}
}

func staleVersion(e *env) {
	r := e.request(id(1))
	e.insert(r)
	current := e.advance(r, approvals.StateChangesRequested)
	for _, version := range []int64{2, 4, 9} {
		late := r
		late.Version, late.State = version, approvals.StateApproved
		if err := e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: late, Step: step(late)}); !errors.Is(err, storage.ErrConflict) {
			e.Errorf("version %d over version 2 got %v, want ErrConflict", version, err)
		}
	}
	got, err := e.Store.Get(e.Ctx, e.Tenant, r.ID)
	e.must(err)
	e.equal("the loser changed the request", got, current)
}

func takenID(e *env) {
	r := e.request(id(1))
	e.insert(r)
	again := e.request(id(1))
	again.DedupeKey, again.Action = "another", "other.action"
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		if err := e.Store.Save(ctx, e.Tenant, approvals.Write{Request: again, Step: step(again), Revision: revision(again)}); !errors.Is(err, storage.ErrConflict) {
			e.Errorf("a second request under the id got %v, want ErrConflict", err)
		}
		_, err := e.Store.Get(ctx, e.Tenant, r.ID)
		return err
	}))
	got, err := e.Store.Get(e.Ctx, e.Tenant, r.ID)
	e.must(err)
	e.equal("the first request was changed", got, r)
}

func openOnce(e *env) {
	r := e.request(id(1))
	e.insert(r)
	twin := e.request(id(2))
	twin.DedupeKey = r.DedupeKey
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		if err := e.Store.Save(ctx, e.Tenant, approvals.Write{Request: twin, Step: step(twin), Revision: revision(twin)}); !errors.Is(err, storage.ErrConflict) {
			e.Errorf("a second open request got %v, want ErrConflict", err)
		}
		found, err := e.Store.Open(ctx, e.Tenant, r.DedupeKey)
		if err == nil && found.ID != r.ID {
			e.Errorf("Open found %s, want %s", found.ID, r.ID)
		}
		return err
	}))
	if _, err := e.Store.Get(e.Ctx, e.Tenant, twin.ID); !errors.Is(err, storage.ErrNotFound) {
		e.Errorf("the refused request is there: %v", err)
	}
	other := e.request(id(3))
	e.insert(other)
	other.Version, other.DedupeKey = 2, r.DedupeKey
	if err := e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: other, Step: step(other)}); !errors.Is(err, storage.ErrConflict) {
		e.Errorf("revising to what another open request asks for got %v, want ErrConflict", err)
	}
}

func keyIsFreed(e *env) {
	ended := e.request(id(1))
	e.insert(ended)
	e.advance(ended, approvals.StateCancelled)
	for n := 2; n <= 3; n++ {
		draft := e.request(id(n))
		draft.State, draft.DedupeKey = approvals.StateDraft, ended.DedupeKey
		e.insert(draft)
	}
	if found, err := e.Store.Open(e.Ctx, e.Tenant, ended.DedupeKey); !errors.Is(err, storage.ErrNotFound) {
		e.Errorf("Open found %s, %v, where none is open", found.ID, err)
	}
	next := e.request(id(4))
	next.DedupeKey = ended.DedupeKey
	e.insert(next)
	if found, err := e.Store.Open(e.Ctx, e.Tenant, ended.DedupeKey); err != nil || found.ID != next.ID {
		e.Errorf("Open found %s, %v, want the new one", found.ID, err)
	}
}

// spoil overwrites what a request shares with its copies.
func spoil(r approvals.Request) {
	r.Payload[0], r.Before[0], r.Metadata[0], r.Output[0] = 'X', 'X', 'X', 'X'
	r.Authors[0].ID, r.Stages[0].Status, r.Stages[0].ApprovedBy[0].ID = "X", "X", "X"
	r.Policy.Stages[1].When.Any[0].Path, r.Policy.Stages[1].When.Any[2].Bucket.By[0] = "X", "X"
	r.Policy.Stages[0].Roles[0], r.Cause.Rules[0], r.Requester.Authn.ACR, r.Failure.Code = "X", "X", "X", "X"
}

func aliasing(e *env) {
	r := e.request(id(1))
	e.insert(r)
	spoil(r)
	for range 2 {
		got, err := e.Store.Get(e.Ctx, e.Tenant, r.ID)
		e.must(err)
		e.equal("the stored request changed with what a caller holds", got, e.request(id(1)))
		if !e.Failed() {
			spoil(got)
		}
	}
}

func lockNeedsTx(e *env) {
	r := e.request(id(1))
	e.insert(r)
	if _, err := e.Store.Lock(e.Ctx, e.Tenant, r.ID); !errors.Is(err, storage.ErrNoTx) {
		e.Errorf("Lock without a transaction got %v, want ErrNoTx", err)
	}
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		got, err := e.Store.Lock(ctx, e.Tenant, r.ID)
		e.equal("Lock answered another request", got, r)
		return err
	}))
}

func historyInOrder(e *env) {
	r := e.request(id(1))
	e.insert(r)
	want := approvals.History{Revisions: []approvals.Revision{*revision(r)}, Steps: []approvals.Step{step(r)}}
	for n := 2; n <= 12; n++ {
		r.Version = int64(n)
		s := step(r)
		s.LinkID = strings.Repeat("3c", 16)
		w := approvals.Write{Request: r, Step: s}
		if n%2 == 0 {
			r.Revision++
			w.Request, w.Revision = r, revision(r)
			want.Revisions = append(want.Revisions, *w.Revision)
		} else {
			// The ids count down: it is the order of writing that counts.
			w.Decision = &approvals.Decision{
				ID: fmt.Sprintf("decision-%02d", 50-n), Revision: r.Revision, Stage: 0, Choice: approvals.Comment, Actor: r.Requester,
				Comment: "c", ContentHash: r.ContentHash, At: noon, Trace: r.Trace,
			}
			want.Decisions = append(want.Decisions, *w.Decision)
		}
		want.Steps = append(want.Steps, s)
		e.must(e.Store.Save(e.Ctx, e.Tenant, w))
	}
	got, err := e.Store.History(e.Ctx, e.Tenant, r.ID)
	e.must(err)
	e.equal("the revisions", got.Revisions, want.Revisions)
	e.equal("the decisions", got.Decisions, want.Decisions)
	e.equal("the steps", got.Steps, want.Steps)
}

// inbox saves 24 requests over the states, three at each instant, and returns the
// ids of each tab in the order of their creation.
func (e *env) inbox() map[approvals.Tab][]string {
	e.Helper()
	ids := map[approvals.Tab][]string{}
	states := []approvals.State{approvals.StateAwaitingApproval, approvals.StateCancelled, approvals.StateChangesRequested, approvals.StateDraft, approvals.StateApplied}
	for n := range 24 {
		r := e.request(id(n))
		r.State = states[n%len(states)]
		r.CreatedAt = noon.Add(time.Duration(n/3) * time.Second)
		e.insert(r)
		ids[r.State.Tab()] = append(ids[r.State.Tab()], r.ID)
	}
	return ids
}

func pages(e *env) {
	ids := e.inbox()
	slices.Reverse(ids[approvals.TabDone])
	for _, tab := range approvals.Tabs() {
		for _, limit := range []int{1, 2, 3, 100} {
			var got []string
			var after *approvals.Position
			for {
				page, err := e.Store.List(e.Ctx, e.Tenant, approvals.StoreQuery{Tab: tab, After: after, Limit: limit})
				e.must(err)
				if len(page) == 0 || len(got) > 30 {
					break
				}
				if len(page) > limit {
					e.Errorf("%s: %d requests on a page of %d", tab, len(page), limit)
				}
				for _, r := range page {
					got = append(got, r.ID)
				}
				last := page[len(page)-1]
				after = &approvals.Position{CreatedAt: last.CreatedAt, ID: last.ID}
			}
			if !slices.Equal(got, ids[tab]) {
				e.Errorf("%s in pages of %d\n got %s\nwant %s", tab, limit, words(got), words(ids[tab]))
			}
		}
	}
}

func countsMatch(e *env) {
	ids := e.inbox()
	moved, err := e.Store.Get(e.Ctx, e.Tenant, ids[approvals.TabPending][0])
	e.must(err)
	e.advance(moved, approvals.StateRejected)
	counts, err := e.Store.Counts(e.Ctx, e.Tenant)
	e.must(err)
	for tab, want := range map[approvals.Tab]int{
		approvals.TabPending: len(ids[approvals.TabPending]) - 1, approvals.TabDone: len(ids[approvals.TabDone]) + 1, approvals.TabSnoozed: 0,
	} {
		if counts[tab] != want {
			e.Errorf("%s counts %d, want %d", tab, counts[tab], want)
		}
	}
}

func traceAndLink(e *env) {
	own, link := strings.Repeat("4d", 16), strings.Repeat("5e", 16)
	r := e.request(id(1))
	r.Trace.TraceID = own
	e.insert(r)
	r.Version, r.State = 2, approvals.StateApproved
	linked := step(r)
	linked.LinkID, linked.Verb = link, "approved"
	e.must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: linked}))
	for _, c := range []struct {
		what, trace string
		want        []int64
	}{{"its own trace", own, []int64{1, 2}}, {"the linked trace", link, []int64{2}}, {"an unknown trace", strings.Repeat("6f", 16), nil}, {"no trace", "", nil}} {
		steps, err := e.Store.Trace(e.Ctx, e.Tenant, c.trace)
		e.must(err)
		var got []int64
		for _, s := range steps {
			got = append(got, s.Step.Seq)
			e.equal("the request of the step", s.Request, r)
		}
		if !slices.Equal(got, c.want) {
			e.Errorf("%s finds steps %v, want %v", c.what, got, c.want)
		}
	}
}
