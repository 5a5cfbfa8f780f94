package approvalstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// save writes a request as its step leads to it.
func (e *env) save(ctx context.Context, r approvals.Request) error {
	w := approvals.Write{Request: r, Step: step(r)}
	if r.Version == 1 {
		w.Revision = revision(r)
	}
	return e.Store.Save(ctx, e.Tenant, w)
}

// get reads a request that has to be there.
func (e *env) get(id string) approvals.Request {
	e.Helper()
	r, err := e.Store.Get(e.Ctx, e.Tenant, id)
	e.Must(err, "get "+id)
	return r
}

// absent holds a request not to be there, by all ways to look for it.
func (e *env) absent(r approvals.Request) {
	e.Helper()
	_, err := e.Store.Get(e.Ctx, e.Tenant, r.ID)
	e.WantErr(err, storage.ErrNotFound, "get "+r.ID)
	if h := e.historyOf(r.ID); len(h.Steps)+len(h.Revisions)+len(h.Decisions) > 0 {
		e.Errorf("%s has a history: %+v", r.ID, h)
	}
	if ids := e.tab(e.Ctx, r.State.Tab()); slices.Contains(ids, r.ID) {
		e.Errorf("%s is listed", r.ID)
	}
}

func (e *env) historyOf(id string) approvals.History {
	e.Helper()
	h, err := e.Store.History(e.Ctx, e.Tenant, id)
	e.Must(err, "history of "+id)
	return h
}

// tab returns the ids of a tab.
func (e *env) tab(ctx context.Context, tab approvals.Tab) []string {
	e.Helper()
	list, err := e.Store.List(ctx, e.Tenant, approvals.StoreQuery{Tab: tab, Limit: 1000})
	e.Must(err, "list")
	ids := []string{}
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids
}

// decision returns a decision on the revision that r has.
func decision(r approvals.Request, id string) *approvals.Decision {
	return &approvals.Decision{
		ID: id, Revision: r.Revision, Choice: approvals.Approve, Actor: r.Requester, Comment: "fine",
		ContentHash: r.ContentHash, At: noon, Trace: r.Trace,
	}
}

// grant returns the grant of the revision that r has.
func grant(r approvals.Request) approvals.Grant {
	return approvals.Grant{RequestID: r.ID, Revision: r.Revision, ContentHash: r.ContentHash, EventID: r.EventID, At: noon}
}

var writeRules = []storeRule{
	{"QS-001", "a later version of a request that is not there is refused", "Whoever writes version 2 has read version 1. Where that is not there, something is wrong that a new request would hide. storage.ErrConflict.", func(e *env) {
		r := e.request(id(1))
		r.Version = 2
		e.WantErr(e.save(e.Ctx, r), storage.ErrConflict, "version 2 of nothing")
		e.absent(r)
	}},
	{"QS-002", "a refused write leaves nothing of what came with it", "A decision on record that never counted, or a grant of a request that was never approved, is worse than none.", func(e *env) {
		r := e.request(id(1))
		e.insert(r)
		before := e.historyOf(r.ID)
		late := r
		late.Version, late.Revision, late.State = 3, 2, approvals.StateApproved
		g := grant(late)
		w := approvals.Write{Request: late, Step: step(late), Revision: revision(late), Decision: decision(late, "d"), Grant: &g}
		e.WantErr(e.Store.Save(e.Ctx, e.Tenant, w), storage.ErrConflict, "version 3 over version 1")
		e.equal("the history after the refused write", e.historyOf(r.ID), before)
		e.WantErr(e.Store.Consume(e.Ctx, e.Tenant, g, noon), storage.ErrConflict, "the use of the refused grant")
	}},
	{"QS-003", "a refused write leaves what its transaction wrote before and after it", "The gate goes on after a conflict: it finds the request that is there, and records the attempt.", func(e *env) {
		first, before, after := e.request(id(1)), e.request(id(2)), e.request(id(3))
		e.insert(first)
		e.Tx(func(ctx context.Context) error {
			e.Must(e.save(ctx, before), "a write before")
			late := first
			late.Version = 7
			e.WantErr(e.save(ctx, late), storage.ErrConflict, "version 7 over version 1")
			return e.save(ctx, after)
		})
		e.equal("what was written before", e.get(before.ID), before)
		e.equal("what was written after", e.get(after.ID), after)
	}},
	{"QS-004", "a savepoint that is rolled back takes its writes and leaves those around it", "A step that failed is undone, and the change goes on without it.", func(e *env) {
		r, inside := e.request(id(1)), e.request(id(2))
		e.Tx(func(ctx context.Context) error {
			e.Must(e.save(ctx, r), "the write before")
			in := *e
			in.Ctx = ctx
			in.Undone(func(ctx context.Context) error {
				next := r
				next.Version, next.State = 2, approvals.StateRejected
				return errors.Join(e.save(ctx, inside), e.save(ctx, next))
			})
			return nil
		})
		e.equal("what was written before", e.get(r.ID), r)
		e.absent(inside)
		if n := len(e.historyOf(r.ID).Steps); n != 1 {
			e.Errorf("there are %d steps, want 1", n)
		}
	}},
	{"QS-005", "JSON is kept byte for byte", "The approval is bound to a hash of the bytes. A column that understands JSON changes them, and the change is refused when it is applied.", func(e *env) {
		for n, doc := range []string{`{"b": 1, "a":  2.50}`, `{"big":123456789012345678901234567890,"e":1e2}`, `{"d":1,"d":2}`, `"\u00e9\u2028<&>"`, ` [ ] `, `null`} {
			r := e.request(id(n))
			r.Payload, r.Before, r.After, r.Metadata, r.Output = []byte(doc), []byte(doc+" "), []byte(" "+doc), []byte(doc), []byte(doc)
			e.insert(r)
			e.equal("the request with "+doc, e.get(r.ID), r)
			e.equal("its revision", e.historyOf(r.ID).Revisions, []approvals.Revision{*revision(r)})
		}
	}},
	{"QS-006", "texts are kept byte for byte", "Reasons and names are evidence. A database that trims, folds or escapes them shows something else than what people read.", func(e *env) {
		for n, text := range ruletest.Spellings() {
			r := e.request(id(n))
			r.Action, r.Source, r.BaseRevision, r.Reason, r.PolicyName, r.PreviousID, r.CausationID = text, text, text, text, text, text, text
			r.Resource, r.EventID, r.Failure = audit.Resource{Type: text, ID: text, Name: text}, text, &approvals.Failure{Code: text, Text: text}
			r.Requester.Name, r.Origin.UserAgent, r.Cause.Reason.Text = text, text, text
			s := step(r)
			s.Comment, s.Verb = text, text
			d := decision(r, "d")
			d.Comment, d.ContentHash = text, text
			e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: s, Revision: revision(r), Decision: d}), "save")
			e.equal(fmt.Sprintf("the request of %q", text), e.get(r.ID), r)
			e.equal(fmt.Sprintf("the history of %q", text), e.historyOf(r.ID), approvals.History{
				Revisions: []approvals.Revision{*revision(r)}, Decisions: []approvals.Decision{*d}, Steps: []approvals.Step{s},
			})
		}
	}},
	{"QS-007", "times come back in UTC, cut to the microsecond", "Two stores that round differently order the same requests differently.", func(e *env) {
		exact := noon.Add(123_456_999)
		given, want := exact.In(time.FixedZone("", 3*3600)), exact.Truncate(time.Microsecond)
		r := e.request(id(1))
		r.CreatedAt, r.UpdatedAt, r.SubmittedAt, r.TimeoutAt = given, given, given, given
		s, v, d := step(r), revision(r), decision(r, "d")
		s.At, v.At, d.At = given, given, given
		e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: s, Revision: v, Decision: d}), "save")
		got, h := e.get(r.ID), e.historyOf(r.ID)
		e.Same([]time.Time{got.CreatedAt, got.UpdatedAt, got.SubmittedAt, got.TimeoutAt}, []time.Time{want, want, want, want}, "the times of the request")
		if len(h.Steps) != 1 || len(h.Revisions) != 1 || len(h.Decisions) != 1 {
			e.Fatalf("the history is %+v", h)
		}
		e.Same([]time.Time{h.Steps[0].At, h.Revisions[0].At, h.Decisions[0].At}, []time.Time{want, want, want}, "the times of the history")
	}},
	{"QS-008", "a request belongs to the tenant that was given, whatever it says itself", "The parameter is what the caller was allowed to write for.", func(e *env) {
		r := e.request(id(1))
		r.Tenant = "somebody-else"
		e.insert(r)
		if got := e.get(r.ID); got.Tenant != e.Tenant {
			e.Errorf("the request says it is of %q, want %q", got.Tenant, e.Tenant)
		}
	}},
	{"QS-009", "a policy that requires no comments is told from one that does not say", "An empty list is a choice, nil is the default.", func(e *env) {
		for n, list := range [][]approvals.Trigger{nil, {}, {approvals.Approve}} {
			r := e.request(id(n))
			r.Policy.CommentRequired = list
			e.insert(r)
			e.Same(e.get(r.ID).Policy.CommentRequired, list, "the choices that need a comment")
		}
	}},
	{"QS-010", "a later version replaces all of the request", "Whatever the update leaves out keeps its old value, and nobody asked for that mixture.", func(e *env) {
		r := e.request(id(1))
		e.insert(r)
		next := approvals.Request{
			ID: r.ID, Tenant: r.Tenant, State: approvals.StateApproved, Revision: 5, Version: 2, Action: "orders.cancel",
			Resource: audit.Resource{Type: "basket", ID: "2", Name: "Two"}, EventID: "e2", Source: "/s2", Origin: audit.Origin{SourceIP: "192.0.2.2"},
			Requester: audit.Actor{Type: audit.User, ID: "eve"}, Content: approvals.Content{BaseRevision: "9", Reason: "other"}, ContentHash: "h2",
			SubmittedAt: noon.Add(time.Hour), PolicyName: "lax", Policy: approvals.Policy{Stages: []approvals.StageRule{{Name: "t"}}},
			Stages: []approvals.Stage{{Name: "t", Status: approvals.StageApproved, Required: 1}}, CreatedAt: r.CreatedAt,
			UpdatedAt: noon.Add(2 * time.Hour), TimeoutAt: noon.Add(3 * time.Hour), CausationID: "c2", Hops: 1, PreviousID: "p2", DedupeKey: "k2",
			Trace: correlation.Trace{TraceID: strings.Repeat("3c", 16), SpanID: strings.Repeat("4d", 8), Flags: 1},
		}
		e.must(e.save(e.Ctx, next))
		e.equal("the next version", e.get(r.ID), next)
	}},
	{"QS-011", "a large request is kept whole", "A payload may have hundreds of kilobytes, and a request many authors and stages.", func(e *env) {
		r := e.request(id(1))
		r.Payload = bytes.Repeat([]byte(`"0123456789abcde"`), 20_000)
		r.Reason = strings.Repeat("because ", 8_000)
		for n := range 300 {
			r.Authors = append(r.Authors, audit.Actor{Type: audit.User, ID: fmt.Sprint("author-", n)})
			r.Stages = append(r.Stages, approvals.Stage{Name: fmt.Sprint("stage-", n), Status: approvals.StagePending, Required: n})
		}
		e.insert(r)
		e.equal("the large request", e.get(r.ID), r)
	}},
	{"QS-012", "what a caller wrote of the history is its own", "A buffer that is used again must not rewrite what was said.", func(e *env) {
		r := e.request(id(1))
		written := func() approvals.Write {
			own := func() *audit.Authn { return &audit.Authn{At: noon, ACR: "gold", AMR: []string{"otp"}} }
			w := approvals.Write{Request: r, Step: step(r), Revision: revision(r), Decision: decision(r, "d")}
			w.Revision.Payload, w.Revision.Before, w.Revision.After = []byte(`[1]`), []byte(`[2]`), []byte(`[3]`)
			w.Step.Actor.Authn, w.Revision.Editor.Authn, w.Decision.Actor.Authn = own(), own(), own()
			return w
		}
		w := written()
		e.Must(e.Store.Save(e.Ctx, e.Tenant, w), "save")
		w.Revision.Payload[1], w.Revision.Before[1], w.Revision.After[1] = '9', '9', '9'
		for _, a := range []audit.Actor{w.Step.Actor, w.Revision.Editor, w.Decision.Actor} {
			a.Authn.ACR, a.Authn.AMR[0] = "spoiled", "spoiled"
		}
		want := written()
		e.equal("the history after the caller changed what it gave", e.historyOf(r.ID), approvals.History{
			Revisions: []approvals.Revision{*want.Revision}, Decisions: []approvals.Decision{*want.Decision}, Steps: []approvals.Step{want.Step},
		})
	}},
	{"QS-013", "a decision under an id that its request has is refused with all that came with it", "The Service makes nothing of a decision that is repeated. A store that leaves out half of a write has a request that moved without its reason. storage.ErrConflict.", func(e *env) {
		r, other := e.request(id(1)), e.request(id(2))
		e.insert(r)
		e.insert(other)
		decide := func(ctx context.Context, r approvals.Request, comment string) error {
			w := approvals.Write{Request: r, Step: step(r), Decision: decision(r, "d")}
			w.Decision.Comment = comment
			return e.Store.Save(ctx, e.Tenant, w)
		}
		r.Version, other.Version = 2, 2
		e.Must(decide(e.Ctx, r, "first"), "a decision")
		e.Must(decide(e.Ctx, other, "first"), "one of another request under the same id")
		before := e.historyOf(r.ID)
		again := r
		again.Version, again.State = 3, approvals.StateRejected
		e.WantErr(decide(e.Ctx, again, "second"), storage.ErrConflict, "a second decision under the id")
		e.Tx(func(ctx context.Context) error {
			e.WantErr(decide(ctx, again, "second"), storage.ErrConflict, "the same inside of a transaction")
			other.Version = 3
			return e.save(ctx, other)
		})
		e.equal("the request after the refused writes", e.get(r.ID), r)
		e.equal("its history", e.historyOf(r.ID), before)
		e.equal("what its transaction wrote", e.get(other.ID), other)
	}},
	{"QS-014", "a step, a revision or a grant that its request has is refused with all that came with it", "Each is evidence and is written once. Of two writers that take the same number one has not seen what the other wrote. storage.ErrConflict.", func(e *env) {
		r, other := e.request(id(1)), e.request(id(2))
		e.insert(r)
		e.insert(other)
		r.Version, r.State = 2, approvals.StateApproved
		first := grant(r)
		e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Grant: &first}), "a grant")
		before := e.historyOf(r.ID)
		next := r
		next.Version, next.State, next.Reason = 3, approvals.StateApplying, "again"
		taken, second, edited := step(r), grant(r), revision(r)
		taken.Comment, second.EventID, edited.Reason = "again", "another", "again"
		for what, w := range map[string]approvals.Write{
			"a step":     {Request: next, Step: taken},
			"a revision": {Request: next, Step: step(next), Revision: edited},
			"a grant":    {Request: next, Step: step(next), Grant: &second},
		} {
			e.WantErr(e.Store.Save(e.Ctx, e.Tenant, w), storage.ErrConflict, what+" under a number that is taken")
			e.Tx(func(ctx context.Context) error {
				e.WantErr(e.Store.Save(ctx, e.Tenant, w), storage.ErrConflict, what+" inside of a transaction")
				other.Version++
				return e.save(ctx, other)
			})
			e.equal("the request after "+what, e.get(r.ID), r)
			e.equal("its history after "+what, e.historyOf(r.ID), before)
			e.equal("what the transaction of "+what+" wrote", e.get(other.ID), other)
		}
		e.WantErr(e.Store.Consume(e.Ctx, e.Tenant, second, noon), storage.ErrConflict, "the use of the second grant")
		e.Must(e.Store.Consume(e.Ctx, e.Tenant, first, noon), "the use of the first")
	}},
	{"QS-015", "a grant is of the request that it comes with", "A grant that carries the id of another request would let somebody apply what nobody approved.", func(e *env) {
		r, other := e.request(id(1)), e.request(id(2))
		e.insert(r)
		e.insert(other)
		r.Version, r.State = 2, approvals.StateApproved
		g := grant(r)
		g.RequestID = other.ID
		e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Grant: &g}), "a grant that carries another id")
		e.WantErr(e.Store.Consume(e.Ctx, e.Tenant, g, noon), storage.ErrConflict, "its use for the other request")
		e.Must(e.Store.Consume(e.Ctx, e.Tenant, grant(r), noon), "its use for its own")
	}},
}

var keyRules = []storeRule{
	{"QS-020", "a request is open from its submission to its end, and under its tab", "Open and the tabs are how everybody finds a request; both follow from the state alone.", func(e *env) {
		for n, state := range approvals.States() {
			r := e.request(id(n))
			r.State = state
			e.insert(r)
			found, err := e.Store.Open(e.Ctx, e.Tenant, r.DedupeKey)
			if open := err == nil && found.ID == r.ID; open != state.Open() || !open && !errors.Is(err, storage.ErrNotFound) {
				e.Errorf("%s: Open got %q, %v", state, found.ID, err)
			}
			for _, tab := range approvals.Tabs() {
				if listed := slices.Contains(e.tab(e.Ctx, tab), r.ID); listed != (tab == state.Tab()) {
					e.Errorf("%s: listed under %s: %t", state, tab, listed)
				}
			}
		}
	}},
	{"QS-021", "every end gives the key free", "What was rejected, expired or failed may be asked for again, as well as what was applied.", func(e *env) {
		for n, state := range approvals.States() {
			if !state.Ended() {
				continue
			}
			r, again := e.request(id(2*n)), e.request(id(2*n+1))
			e.insert(r)
			e.advance(r, state)
			again.DedupeKey = r.DedupeKey
			e.Must(e.save(e.Ctx, again), "asking again after "+string(state))
		}
	}},
	{"QS-022", "a revision that asks for something else gives the first key free", "The key is that of the current revision; the one before is nobody's.", func(e *env) {
		r, other := e.request(id(1)), e.request(id(2))
		e.insert(r)
		next := r
		next.Version, next.DedupeKey = 2, "another"
		e.must(e.save(e.Ctx, next))
		_, err := e.Store.Open(e.Ctx, e.Tenant, r.DedupeKey)
		e.WantErr(err, storage.ErrNotFound, "open by the first key")
		found, err := e.Store.Open(e.Ctx, e.Tenant, "another")
		e.Must(err, "open by the second key")
		e.equal("the request that is open", found, next)
		other.DedupeKey = r.DedupeKey
		e.insert(other)
	}},
	{"QS-023", "a draft that is submitted is refused where another asks for the same", "The key counts from the submission on, so that is when two can meet.", func(e *env) {
		draft, open := e.request(id(1)), e.request(id(2))
		draft.State, draft.DedupeKey = approvals.StateDraft, open.DedupeKey
		e.insert(draft)
		e.insert(open)
		submitted := draft
		submitted.Version, submitted.State = 2, approvals.StateAwaitingApproval
		e.WantErr(e.save(e.Ctx, submitted), storage.ErrConflict, "the submission")
		e.equal("the draft", e.get(draft.ID), draft)
	}},
	{"QS-024", "keys are compared by their bytes", "Two keys that a database takes for each other are two changes, of which one would never be asked for.", func(e *env) {
		for n, key := range ruletest.Spellings() {
			r := e.request(id(n))
			r.DedupeKey = key
			e.insert(r)
		}
		for n, key := range ruletest.Spellings() {
			found, err := e.Store.Open(e.Ctx, e.Tenant, key)
			if err != nil || found.ID != id(n) {
				e.Errorf("the key %q opens %q, %v, want %s", key, found.ID, err, id(n))
			}
		}
	}},
	{"QS-025", "of many that ask for the same at once one is opened", "A double click makes two requests that are checked at the same time. The key decides, not a look before the write.", func(e *env) {
		errs := ruletest.Together(func(i int) error {
			r := e.request(id(i))
			r.DedupeKey = "one"
			return e.save(e.Ctx, r)
		})
		e.OneOf(errs, "asking for the same")
		if n := len(e.tab(e.Ctx, approvals.TabPending)); n != 1 {
			e.Errorf("%d requests wait, want 1", n)
		}
	}},
	{"QS-026", "Open shows the request as it is now", "The gate tells the person who asks again how far their request has come.", func(e *env) {
		r := e.request(id(1))
		e.insert(r)
		now := e.advance(r, approvals.StateChangesRequested)
		found, err := e.Store.Open(e.Ctx, e.Tenant, r.DedupeKey)
		e.Must(err, "open")
		e.equal("the open request", found, now)
	}},
	{"QS-027", "who locks a request reads it as the one before left it", "Decisions that come at the same time are counted one after another. Without the lock, or with what was read before it, some are lost.", func(e *env) {
		r := e.request(id(1))
		e.insert(r)
		errs := ruletest.Together(func(i int) error {
			return e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
				r, err := e.Store.Lock(ctx, e.Tenant, r.ID)
				if err != nil {
					return err
				}
				r.Version++
				return e.Store.Save(ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Decision: decision(r, fmt.Sprint("d", i))})
			})
		})
		e.Must(errors.Join(errs...), "a decision behind the lock")
		if got, n := e.get(r.ID).Version, len(e.historyOf(r.ID).Decisions); got != 1+ruletest.Writers || n != ruletest.Writers {
			e.Errorf("version %d with %d decisions, want %d with %d", got, n, 1+ruletest.Writers, ruletest.Writers)
		}
	}},
	{"QS-028", "a lock of what is not there is not found", "storage.ErrNotFound, as Get answers.", func(e *env) {
		e.Tx(func(ctx context.Context) error {
			_, err := e.Store.Lock(ctx, e.Tenant, "nothing")
			e.WantErr(err, storage.ErrNotFound, "lock")
			return nil
		})
	}},
	{"QS-030", "of many that use a grant at once one does", "Two workers with the same job. Looking first and marking then lets both make the change.", func(e *env) {
		g := e.granted()
		e.OneOf(ruletest.Together(func(int) error { return e.Store.Consume(e.Ctx, e.Tenant, g, noon) }), "the use of a grant")
	}},
	{"QS-031", "a grant that was used in a savepoint that is rolled back is not used", "The applier failed there, and its next attempt in the same transaction needs the grant.", func(e *env) {
		g := e.granted()
		e.Tx(func(ctx context.Context) error {
			in := *e
			in.Ctx = ctx
			in.Undone(func(ctx context.Context) error { return e.Store.Consume(ctx, e.Tenant, g, noon) })
			return e.Store.Consume(ctx, e.Tenant, g, noon)
		})
		e.WantErr(e.Store.Consume(e.Ctx, e.Tenant, g, noon), storage.ErrConflict, "the use after the transaction")
	}},
	{"QS-032", "each revision and each request has a grant of its own", "Using one must neither use nor give another.", func(e *env) {
		var all []approvals.Grant
		for n := 1; n <= 2; n++ {
			r := e.request(id(n))
			for v := 1; v <= 2; v++ {
				r.Version, r.Revision, r.State = int64(v), v, approvals.StateApproved
				g := grant(r)
				e.Must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Revision: revision(r), Grant: &g}), "save")
				all = append(all, g)
			}
		}
		for _, g := range all {
			e.Must(e.Store.Consume(e.Ctx, e.Tenant, g, noon), fmt.Sprintf("use the grant of %s, revision %d", g.RequestID, g.Revision))
		}
		for _, g := range all {
			e.WantErr(e.Store.Consume(e.Ctx, e.Tenant, g, noon), storage.ErrConflict, "use it again")
		}
	}},
	{"QS-033", "a grant of a transaction that was rolled back cannot be used", "Nobody approved what was undone.", func(e *env) {
		r := e.request(id(1))
		g := grant(r)
		e.Undone(func(ctx context.Context) error {
			return e.Store.Save(ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Revision: revision(r), Grant: &g})
		})
		e.WantErr(e.Store.Consume(e.Ctx, e.Tenant, g, noon), storage.ErrConflict, "the use")
	}},
}
