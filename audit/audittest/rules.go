package audittest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lumelle/adminkit/audit"
)

func rules() []rule {
	return []rule{
		{id: "AS-001", name: "an appended event is kept", run: kept,
			explanation: "Outside of a transaction an event is durable when Append returns: a reader that comes next finds it."},
		{id: "AS-002", name: "a batch is kept whole and in its order", run: batchKept,
			explanation: "One Append may carry the events of one change. All of them are kept, the last too, in the order they were given."},
		{id: "AS-003", name: "appending nothing is no error", run: nothing,
			explanation: "A caller that has no event to record must not need a special case."},
		{id: "AS-004", name: "an event is kept once", run: once,
			explanation: "A change whose commit is unknown is repeated under the same ids. What is known by tenant, source and id is skipped without an error."},
		{id: "AS-005", name: "an event that stands twice in a batch is kept once", run: twiceInBatch,
			explanation: "Uniqueness holds inside one Append as well."},
		{id: "AS-006", name: "ten writers of one event leave one", run: concurrentOnce,
			explanation: "Looking first and writing then lets concurrent writers through; uniqueness has to be a constraint of the store."},
		{id: "AS-007", name: "an event appended in a rolled-back transaction is gone", run: rolledBack,
			explanation: "A change that did not happen must not leave a record that says it did. The sink joins the transaction of ctx."},
		{id: "AS-008", name: "an event is not seen before its transaction commits", run: unseen,
			explanation: "A reader that sees an event early may act on a change that is then rolled back."},
		{id: "AS-009", name: "a failed savepoint takes its own events only", run: savepoint,
			explanation: "Inside one transaction a part may fail and be undone while the rest goes on."},
		{id: "AS-010", name: "an ended transaction is an error", run: ended,
			explanation: "A ctx that outlives its transaction must not fall back to autocommit: the record would stand without its change."},
		{id: "AS-011", name: "a cancelled context is an error", run: cancelled,
			explanation: "What could not be written has to be reported. A sink that swallows errors makes changes without a record."},
		{id: "AS-012", name: "tenants do not share ids", run: tenants,
			explanation: "The same source and id in another tenant is another event, and readers of one tenant never see the other's."},
		{id: "AS-013", name: "sources do not share ids", run: sources,
			explanation: "An id is unique with its source: two services may count from one."},
		{id: "AS-014", name: "ids are compared byte for byte", run: bytewise,
			explanation: "Case, trailing blanks and combining characters distinguish ids. A store that folds them skips events as known that it never saw."},
		{id: "AS-015", name: "an event is kept whole", run: whole, content: true,
			explanation: "Every field comes back as it was given, long texts and large payloads too. Truncated evidence is none."},
		{id: "AS-016", name: "the caller's buffers are the caller's", run: buffers, content: true,
			explanation: "A sink neither changes the slices of an event nor keeps them: the caller may use its buffers again at once."},
		{id: "AS-017", name: "the other sinks see the event unchanged", run: unchanged,
			explanation: "Sinks stand side by side in a Tee. One that changes an event changes it for the next."},
		{id: "AS-018", name: "concurrent writers lose nothing", run: concurrent,
			explanation: "Requests append at the same time. Every event of each is kept, and each batch stays in its order."},
		{id: "AS-019", name: "a sink that can tell tells the truth", run: recorded, recorded: true,
			explanation: "Recorded says whether an event is durable or written in the transaction of ctx. A repeated change relies on it to be recognised."},
		{id: "AS-020", name: "an incomplete event does not panic", run: incomplete,
			explanation: "A sink may refuse an event that lacks fields. A panic would take the host's request with it."},
		{id: "AS-021", name: "outside of a transaction too a batch is all or nothing", run: allOrNothing,
			explanation: "A caller that gets an error appends the batch again or gives up. Half a batch is a record of something that, as far as the caller knows, was not recorded."},
		{id: "AS-022", name: "what a sink did not hold nobody else appends before the transaction ends", run: recordedHolds, recorded: true,
			explanation: "Two equal changes at the same time both ask first. The one that is told no makes the change; the other has to wait for its end and be told yes. Otherwise both make it."},
		{id: "AS-023", name: "what cannot be written is an error", run: unwritable,
			explanation: "A sink that leaves out what it cannot record, and says nothing, lets a change happen that nobody finds again. It is kept as it is, or refused with an error."},
		{id: "AS-024", name: "what is kept is not replaced", run: unreplaced, content: true,
			explanation: "Another event under a known id is skipped or refused. One that takes the place of the first rewrites history."},
	}
}

var errUndo = errors.New("undo")

func (e *env) wantKeys(tenant string, want ...string) {
	e.Helper()
	for i, id := range want {
		if !strings.Contains(id, " ") {
			want[i] = "/audittest " + id
		}
	}
	if got := e.keys(tenant); !slices.Equal(got, want) {
		e.Errorf("the sink holds %q, want %q", got, want)
	}
}

func kept(e *env) {
	e.append(e.ctx, e.event("1"))
	e.wantKeys(e.tenant, "1")
}

func batchKept(e *env) {
	var want []string
	events := e.batch(20)
	// Not the order of ids: a sink that sorts by them would pass by luck.
	slices.Reverse(events)
	for _, ev := range events {
		want = append(want, ev.ID)
	}
	e.append(e.ctx, events...)
	e.wantKeys(e.tenant, want...)
}

func nothing(e *env) {
	e.append(e.ctx)
	e.wantKeys(e.tenant)
}

func once(e *env) {
	e.append(e.ctx, e.event("1"))
	e.append(e.ctx, e.event("1"))
	e.append(e.ctx, e.event("0"), e.event("1"), e.event("2"))
	e.wantKeys(e.tenant, "1", "0", "2")
	err := e.Tx.InTx(e.ctx, func(ctx context.Context) error {
		e.append(ctx, e.event("1"))
		e.append(ctx, e.event("3"))
		return nil
	})
	if err != nil {
		e.Errorf("a transaction that appends a known event does not commit: %v", err)
	}
	e.wantKeys(e.tenant, "1", "0", "2", "3")
}

func twiceInBatch(e *env) {
	e.append(e.ctx, e.event("1"), e.event("2"), e.event("1"))
	e.wantKeys(e.tenant, "1", "2")
}

func concurrentOnce(e *env) {
	for round := range 10 {
		id := fmt.Sprintf("round-%d", round)
		e.together(10, func(int) error { return e.Sink.Append(e.ctx, e.event(id)) })
	}
	if got := e.keys(e.tenant); len(got) != 10 {
		e.Errorf("after 10 rounds of 10 writers of one event the sink holds %d events, want 10", len(got))
	}
}

// together runs fn on n goroutines at once.
func (e *env) together(n int, fn func(i int) error) {
	e.Helper()
	var ready, done sync.WaitGroup
	errs := make([]error, n)
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			errs[i] = fn(i)
		})
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		e.Fatalf("%d writers: %v", n, err)
	}
}

func rolledBack(e *env) {
	err := e.Tx.InTx(e.ctx, func(ctx context.Context) error {
		e.append(ctx, e.event("1"), e.event("2"))
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		e.Fatalf("InTx: %v", err)
	}
	e.wantKeys(e.tenant)
	// The id is free again.
	e.append(e.ctx, e.event("1"))
	e.wantKeys(e.tenant, "1")
}

func unseen(e *env) {
	err := e.Tx.InTx(e.ctx, func(ctx context.Context) error {
		e.append(ctx, e.event("1"))
		if got := e.keys(e.tenant); len(got) != 0 {
			e.Errorf("while the transaction is open a reader outside sees %q", got)
		}
		return nil
	})
	if err != nil {
		e.Fatalf("InTx: %v", err)
	}
	e.wantKeys(e.tenant, "1")
}

func savepoint(e *env) {
	err := e.Tx.InTx(e.ctx, func(ctx context.Context) error {
		e.append(ctx, e.event("1"))
		err := e.Tx.InTx(ctx, func(ctx context.Context) error {
			e.append(ctx, e.event("2"))
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			return fmt.Errorf("the savepoint: %w", err)
		}
		e.append(ctx, e.event("3"))
		return nil
	})
	if err != nil {
		e.Fatalf("InTx: %v", err)
	}
	e.wantKeys(e.tenant, "1", "3")
}

func ended(e *env) {
	var stale context.Context
	err := e.Tx.InTx(e.ctx, func(ctx context.Context) error {
		stale = ctx
		return nil
	})
	if err != nil {
		e.Fatalf("InTx: %v", err)
	}
	if err := e.Sink.Append(stale, e.event("1")); err == nil {
		e.Errorf("Append in a transaction that has ended returns nil")
	}
	e.wantKeys(e.tenant)
}

func cancelled(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	err := e.Tx.InTx(ctx, func(ctx context.Context) error {
		cancel()
		if err := e.Sink.Append(ctx, e.event("1")); err == nil {
			e.Errorf("Append under a cancelled context returns nil")
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) && !errors.Is(err, context.Canceled) {
		e.Fatalf("InTx: %v", err)
	}
	e.wantKeys(e.tenant)
}

func tenants(e *env) {
	ours, theirs := e.event("1"), e.event("1")
	theirs.Tenant = e.tenant + "-other"
	e.append(e.ctx, ours)
	e.append(e.ctx, theirs)
	e.wantKeys(ours.Tenant, "1")
	e.wantKeys(theirs.Tenant, "1")
	// One batch may carry both.
	ours.ID, theirs.ID = "2", "2"
	e.append(e.ctx, ours, theirs)
	e.wantKeys(ours.Tenant, "1", "2")
	e.wantKeys(theirs.Tenant, "1", "2")
}

func sources(e *env) {
	other := e.event("1")
	other.Source = "/elsewhere"
	e.append(e.ctx, e.event("1"))
	e.append(e.ctx, other)
	e.wantKeys(e.tenant, "1", "/elsewhere 1")
}

func bytewise(e *env) {
	ids := []string{"a", "A", "a ", "\u00e9", "e\u0301", "😀"}
	for _, id := range ids {
		e.append(e.ctx, e.event(id))
	}
	want := make([]string, len(ids))
	for i, id := range ids {
		want[i] = "/audittest " + id
	}
	e.wantKeys(e.tenant, want...)
}

// rich returns an event with long texts and every field set.
func (e *env) rich() audit.Event {
	ev := e.event("rich")
	ev.Actor = audit.Actor{Type: audit.SystemActor, ID: "approvals", Name: strings.Repeat("é", 127), ActingAs: "sam"}
	ev.OnBehalfOf = &audit.Actor{Type: audit.User, ID: "sam", Authn: &audit.Authn{At: ev.Time, ACR: "urn:mfa", AMR: []string{"pwd", "otp"}}}
	ev.ApprovedBy = []audit.Actor{{Type: audit.User, ID: "marco"}, {Type: audit.User, ID: "olivia"}}
	ev.Resource.Name = "Order \"1001\" \\ <&>\u2028"
	ev.Reason = strings.Repeat("damaged\n", audit.MaxReason/8)
	ev.Origin = audit.Origin{SourceIP: "2001:db8::1", UserAgent: strings.Repeat("u", audit.MaxReason), RequestID: "r-1"}
	ev.Trace.State = "vendor=value"
	ev.Link = ev.Trace
	ev.Link.TraceID = "0af7651916cd43dd8448eb211c80319c"
	ev.Before = json.RawMessage(`{"a":[1,2.5,1e+21,null,true],"é":"😀"}`)
	ev.After = json.RawMessage(`"text"`)
	ev.Payload = json.RawMessage(`{"note":"` + strings.Repeat("x", 40<<10) + `"}`)
	ev.Metadata = json.RawMessage(`{"deep":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`)
	ev.BaseRevision, ev.Schema = "7", "lumelle.audittest.v1.happened"
	ev.DecisionID, ev.ApprovalID, ev.CausationID, ev.Hops = "d", "a", "c", audit.MaxHops
	return ev
}

func whole(e *env) {
	want := []audit.Event{e.rich(), e.event("plain")}
	e.append(e.ctx, want...)
	got, err := e.Events(e.ctx, e.tenant)
	if err != nil || len(got) != len(want) {
		e.Fatalf("Events: %d events, %v; want %d", len(got), err, len(want))
	}
	for i := range want {
		e.sameEvent(got[i], want[i])
	}
}

// sameEvent compares field by field, so that a difference names its field.
func (e *env) sameEvent(got, want audit.Event) {
	e.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for _, field := range differing(got, want) {
		e.Errorf("%s of event %q comes back as %.200v, want %.200v", field, want.ID, g.FieldByName(field), w.FieldByName(field))
	}
}

// differing names the fields in which two events differ, but for RecordedAt, which is
// the sink's own.
func differing(got, want audit.Event) []string {
	want.RecordedAt = got.RecordedAt
	var names []string
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			names = append(names, g.Type().Field(i).Name)
		}
	}
	return names
}

func buffers(e *env) {
	ev, want := e.rich(), e.rich()
	e.append(e.ctx, ev)
	before, err := e.Events(e.ctx, e.tenant)
	if err != nil || len(before) != 1 {
		e.Fatalf("Events: %d events, %v; want 1", len(before), err)
	}
	// What is lost on the way in is for AS-015. What is read may share the caller's
	// buffers, so look before they change.
	lost := differing(before[0], want)
	for _, raw := range []json.RawMessage{ev.Before, ev.After, ev.Payload, ev.Metadata} {
		for i := range raw {
			raw[i] = '!'
		}
	}
	ev.ApprovedBy[0].ID, ev.OnBehalfOf.ID, ev.OnBehalfOf.Authn.AMR[0] = "mallory", "mallory", "none"
	got, err := e.Events(e.ctx, e.tenant)
	if err != nil || len(got) != 1 {
		e.Fatalf("Events: %d events, %v; want 1", len(got), err)
	}
	for _, field := range differing(got[0], want) {
		if !slices.Contains(lost, field) {
			e.Errorf("%s of the event changes with the caller's buffers", field)
		}
	}
}

func unchanged(e *env) {
	events, want := []audit.Event{e.rich(), e.event("plain")}, []audit.Event{e.rich(), e.event("plain")}
	e.append(e.ctx, events...)
	if !reflect.DeepEqual(events, want) {
		e.Errorf("Append changed the events it was given")
	}
}

func concurrent(e *env) {
	const writers, rounds = 8, 5
	e.together(writers, func(i int) error {
		for round := range rounds {
			id := fmt.Sprintf("%d-%d", i, round)
			if err := e.Sink.Append(e.ctx, e.event(id+"-a"), e.event(id+"-b")); err != nil {
				return err
			}
		}
		return nil
	})
	got := e.keys(e.tenant)
	if len(got) != writers*rounds*2 {
		e.Errorf("the sink holds %d events, want %d", len(got), writers*rounds*2)
	}
	for i := range writers {
		last := -1
		for round := range rounds {
			for _, part := range []string{"a", "b"} {
				at := slices.Index(got, fmt.Sprintf("/audittest %d-%d-%s", i, round, part))
				if at <= last {
					e.Errorf("event %d-%d-%s is missing or out of order", i, round, part)
				}
				last = at
			}
		}
	}
}

func recorded(e *env) {
	r := e.Sink.(audit.Recorded)
	want := func(ctx context.Context, tenant, source, id string, want bool) {
		e.Helper()
		if got, err := r.Recorded(ctx, tenant, source, id); err != nil || got != want {
			e.Errorf("Recorded(%s, %s, %s) = %t, %v; want %t", tenant, source, id, got, err, want)
		}
	}
	want(e.ctx, e.tenant, "/audittest", "1", false)
	err := e.Tx.InTx(e.ctx, func(ctx context.Context) error {
		e.append(ctx, e.event("1"))
		want(ctx, e.tenant, "/audittest", "1", true)
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		e.Fatalf("InTx: %v", err)
	}
	want(e.ctx, e.tenant, "/audittest", "1", false)
	e.append(e.ctx, e.event("1"))
	want(e.ctx, e.tenant, "/audittest", "1", true)
	want(e.ctx, e.tenant+"-other", "/audittest", "1", false)
	want(e.ctx, e.tenant, "/elsewhere", "1", false)
}

func incomplete(e *env) {
	for _, ev := range []audit.Event{{}, {Tenant: e.tenant}, {Tenant: e.tenant, ID: "1", Payload: json.RawMessage("{")}} {
		func() {
			defer func() {
				if p := recover(); p != nil {
					e.Errorf("Append of %+v panics: %v", ev, p)
				}
			}()
			// Refused or kept, both are fine.
			_ = e.Sink.Append(e.ctx, ev)
		}()
	}
}

func allOrNothing(e *env) {
	e.append(e.ctx, e.event("known"))
	other := e.event("known")
	other.Payload = json.RawMessage(`{"amount":"99.00"}`)
	unreadable := e.event("unreadable")
	unreadable.Payload = json.RawMessage("{")
	gone, cancel := context.WithCancel(e.ctx)
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		middle audit.Event
	}{
		{"an event that lacks most fields", e.ctx, audit.Event{Tenant: e.tenant, Source: "/audittest", ID: "incomplete"}},
		{"another event under a known id", e.ctx, other},
		{"an event whose payload is no JSON", e.ctx, unreadable},
		{"a ctx that is done", gone, e.event("late")},
	} {
		// A sink may take what is odd; then it takes all.
		first, last := "first, "+c.name, "last, "+c.name
		err := e.Sink.Append(c.ctx, e.event(first), c.middle, e.event(last))
		keys := e.keys(e.tenant)
		for _, id := range []string{first, last} {
			if kept := slices.Contains(keys, "/audittest "+id); kept != (err == nil) {
				e.Errorf("a batch with %s: Append = %v, and the %s event is kept: %t", c.name, err, id, kept)
			}
		}
	}
}

func unwritable(e *env) {
	unreadable, long := e.event("a payload that is no JSON"), e.event("a payload that no record holds")
	unreadable.Payload = json.RawMessage("{")
	long.Payload = json.RawMessage(`{"note":"` + strings.Repeat("x", audit.MaxRecord) + `"}`)
	for _, ev := range []audit.Event{unreadable, long} {
		// A sink may take what is odd; then it keeps it.
		err := e.Sink.Append(e.ctx, ev)
		if kept := slices.Contains(e.keys(e.tenant), "/audittest "+ev.ID); kept != (err == nil) {
			e.Errorf("%s: Append = %v, and the event is kept: %t", ev.ID, err, kept)
		}
	}
}

func unreplaced(e *env) {
	e.append(e.ctx, e.event("1"))
	read := func() (reason, payload string) {
		got, err := e.Events(e.ctx, e.tenant)
		if err != nil || len(got) != 1 {
			e.Fatalf("Events: %d events, %v; want 1", len(got), err)
		}
		return got[0].Reason, string(got[0].Payload)
	}
	reason, payload := read()
	other := e.event("1")
	other.Reason, other.Payload = "another", json.RawMessage(`{"amount":"99.00"}`)
	err := e.Sink.Append(e.ctx, other) // an error is as good
	if r, p := read(); r != reason || p != payload {
		e.Errorf("after another event under its id (Append = %v) the event has reason %q and payload %s, and had %q and %s", err, r, p, reason, payload)
	}
}

func recordedHolds(e *env) {
	r := e.Sink.(audit.Recorded)
	for round := range 5 {
		id := fmt.Sprintf("round-%d", round)
		var made atomic.Int32
		e.together(6, func(int) error {
			return e.Tx.InTx(e.ctx, func(ctx context.Context) error {
				known, err := r.Recorded(ctx, e.tenant, "/audittest", id)
				if err != nil || known {
					return err
				}
				made.Add(1)
				return e.Sink.Append(ctx, e.event(id))
			})
		})
		if n := made.Load(); n != 1 {
			e.Errorf("of 6 equal changes at the same time %d were told that they are the first", n)
		}
	}
}
