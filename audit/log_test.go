package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// noon is the time of the events in these tests.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// refund returns a completed event.
func refund(id string) audit.Event {
	return audit.Event{
		ID: id, Source: "/orders", Type: "lumelle.orders.v1.refunded", Action: "orders.refund",
		Category: audit.Activity, Tenant: "acme", Time: noon,
		Actor:    audit.Actor{Type: audit.User, ID: "sam"},
		Resource: audit.Resource{Type: "order", ID: "1001"},
		Outcome:  audit.Success,
		Trace:    correlation.New(),
	}
}

// full returns an event with every field set.
func full() audit.Event {
	e := refund("full")
	e.Actor = audit.Actor{Type: audit.SystemActor, ID: "approvals", Name: "Approvals", ActingAs: "sam"}
	e.OnBehalfOf = &audit.Actor{
		Type: audit.User, ID: "sam", Name: "Sam \"S\" Ünlü",
		Authn: &audit.Authn{At: noon.Add(-time.Minute), ACR: "urn:mfa", AMR: []string{"pwd", "otp"}},
	}
	e.ApprovedBy = []audit.Actor{{Type: audit.User, ID: "marco"}, {Type: audit.User, ID: "olivia", ActingAs: "store-7"}}
	e.Resource.Name = "Order 1001"
	e.Reason = "damaged\n\u2028<&>"
	e.Origin = audit.Origin{SourceIP: "192.0.2.7", UserAgent: "curl/8", RequestID: "req-1"}
	e.Trace.State = "vendor=1"
	e.Link = correlation.New()
	e.Before = json.RawMessage(`{"status":"paid"}`)
	e.After = json.RawMessage(`{"status":"refunded"}`)
	e.Payload = json.RawMessage(`{"amount":"150.00","currency":"EUR"}`)
	e.BaseRevision = "7"
	e.Metadata = json.RawMessage(`{"store":"berlin"}`)
	e.Schema = "lumelle.orders.v1.refunded"
	e.DecisionID, e.ApprovalID, e.CausationID, e.Hops = "d-1", "a-1", "c-1", 2
	return e
}

func newLog(t *testing.T, store audit.Store, cfg audit.LogConfig) *audit.Log {
	t.Helper()
	log, err := audit.NewLog(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func mustAppend(t *testing.T, log *audit.Log, events ...audit.Event) {
	t.Helper()
	if err := log.Append(t.Context(), events...); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// ids pages through q until its end and returns the ids in the order of the list.
func ids(t *testing.T, log *audit.Log, tenant string, q audit.Query) []string {
	t.Helper()
	all := []string{}
	for {
		page, err := log.Query(t.Context(), tenant, q)
		if err != nil {
			t.Fatalf("Query(%+v): %v", q, err)
		}
		for _, e := range page.Items {
			all = append(all, e.ID)
		}
		if q.After = page.Next; page.Next == "" || len(page.Items) == 0 {
			return all
		}
	}
}

func TestEventSurvivesItsRecord(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		recorded := noon.Add(time.Hour)
		log := newLog(t, b.Audit(), audit.LogConfig{Now: func() time.Time { return recorded.Add(999) }})
		for _, e := range []audit.Event{full(), refund("small")} {
			mustAppend(t, log, e)
			got, err := log.Get(t.Context(), "acme", "/orders", e.ID)
			if err != nil {
				t.Fatal(err)
			}
			e.RecordedAt = recorded
			if !reflect.DeepEqual(got, e) {
				t.Errorf("Get = %+v\nwant  %+v", got, e)
			}
			if known, err := log.Recorded(t.Context(), "acme", "/orders", e.ID); !known || err != nil {
				t.Errorf("Recorded = %t, %v; want true", known, err)
			}
		}
		for _, key := range [][3]string{{"bloom", "/orders", "full"}, {"acme", "/order", "full"}, {"acme", "/orders", "Full"}} {
			if _, err := log.Get(t.Context(), key[0], key[1], key[2]); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("Get(%q) = %v, want storage.ErrNotFound", key, err)
			}
			if known, err := log.Recorded(t.Context(), key[0], key[1], key[2]); known || err != nil {
				t.Errorf("Recorded(%q) = %t, %v; want false", key, known, err)
			}
		}
	})
}

func TestAppendingTenTimesAtOnceLeavesOneRow(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		log := newLog(t, b.Audit(), audit.LogConfig{})
		e := full()
		var wg sync.WaitGroup
		errs := make([]error, 10)
		for i := range errs {
			wg.Go(func() { errs[i] = log.Append(t.Context(), e) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, log, "acme", audit.Query{}); !slices.Equal(got, []string{"full"}) {
			t.Errorf("rows = %q, want one", got)
		}
	})
}

func TestAnotherEventUnderTheSameIDIsAConflict(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		log := newLog(t, b.Audit(), audit.LogConfig{})
		e := refund("1")
		mustAppend(t, log, e)
		changed := e
		changed.Reason = "other"
		err := log.Append(t.Context(), refund("2"), changed)
		if !errors.Is(err, storage.ErrConflict) {
			t.Fatalf("Append = %v, want storage.ErrConflict", err)
		}
		if got := ids(t, log, "acme", audit.Query{}); !slices.Equal(got, []string{"1"}) {
			t.Errorf("rows = %q, want the first only: a batch is all or none", got)
		}
		elsewhere := changed
		elsewhere.Source = "/returns"
		foreign := changed
		foreign.Tenant = "bloom"
		mustAppend(t, log, elsewhere, foreign)
	})
}

func TestAppendInHostTxRollsBackWithHost(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		log := newLog(t, b.Audit(), audit.LogConfig{})
		undo := errors.New("undo")
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			if err := log.Append(ctx, refund("1")); err != nil {
				return err
			}
			if known, err := log.Recorded(ctx, "acme", "/orders", "1"); !known || err != nil {
				t.Errorf("inside its transaction Recorded = %t, %v; want true", known, err)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		if known, err := log.Recorded(t.Context(), "acme", "/orders", "1"); known || err != nil {
			t.Errorf("after the rollback Recorded = %t, %v; want false", known, err)
		}
	})
}

func TestBatchOfSeveralTenantsIsAllOrNone(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		log := newLog(t, b.Audit(), audit.LogConfig{})
		mustAppend(t, log, refund("taken"))
		first, second, clash := refund("1"), refund("2"), refund("taken")
		second.Tenant = "bloom"
		clash.Reason = "other"
		if err := log.Append(t.Context(), first, second, clash); !errors.Is(err, storage.ErrConflict) {
			t.Fatalf("Append = %v, want storage.ErrConflict", err)
		}
		if got := ids(t, log, "bloom", audit.Query{}); len(got) != 0 {
			t.Errorf("rows of bloom = %q, want none", got)
		}
		mustAppend(t, log, first, second)
		if got := ids(t, log, "bloom", audit.Query{}); !slices.Equal(got, []string{"2"}) {
			t.Errorf("rows of bloom = %q, want its own", got)
		}
		mustAppend(t, log) // nothing
	})
}

// TestQueryEqualsReferenceScan asks random queries of random events and compares
// them with a scan, page by page.
func TestQueryEqualsReferenceScan(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		recorded := noon
		log := newLog(t, b.Audit(), audit.LogConfig{Now: func() time.Time { return recorded }})
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		traces := []correlation.Trace{correlation.New(), correlation.New(), correlation.New()}
		pick := func(from ...string) string { return from[r.IntN(len(from))] }
		actors, actions := []string{"sam", "marco", "Sam", "sam "}, []string{"orders.refund", "orders.cancel"}
		var all []audit.Event
		for i := range 120 {
			recorded = recorded.Add(time.Second)
			e := refund(fmt.Sprint(i))
			e.Tenant = pick("acme", "acme", "bloom")
			e.Time = noon.Add(time.Duration(r.IntN(20)) * time.Minute)
			e.Actor.ID, e.Actor.ActingAs = pick(actors...), pick("", "sam", "store-1")
			e.Action = pick(actions...)
			e.Resource = audit.Resource{Type: pick("order", "payout"), ID: pick("1", "2")}
			e.Category = audit.Category(pick("activity", "policy"))
			e.Outcome = audit.Outcome(pick("success", "denied"))
			e.Origin = audit.Origin{SourceIP: pick("", "192.0.2.1"), RequestID: pick("r1", "r2")}
			e.Trace = traces[r.IntN(3)]
			if r.IntN(2) == 0 {
				e.Link = traces[r.IntN(3)]
			}
			mustAppend(t, log, e)
			e.RecordedAt = recorded
			all = append(all, e)
		}
		maybe := func(s string) string { return pick("", "", "", s) }
		for range 150 {
			q := audit.Query{
				Actor: maybe(pick(actors...)), Action: maybe(pick(actions...)), ResourceType: maybe("order"), ResourceID: maybe("2"),
				Category: audit.Category(maybe("policy")), Outcome: audit.Outcome(maybe("denied")),
				SourceIP: maybe("192.0.2.1"), RequestID: maybe("r2"), TraceID: maybe(traces[0].TraceID),
				Limit: 1 + r.IntN(20), Descending: r.IntN(2) == 0,
			}
			switch r.IntN(3) {
			case 0:
				q.Since = noon.Add(time.Duration(r.IntN(10)) * time.Minute)
				q.Until = q.Since.Add(time.Duration(r.IntN(15)) * time.Minute)
			case 1:
				q.Since = noon.Add(time.Duration(r.IntN(120)) * time.Second)
			}
			tenant := pick("acme", "bloom")
			got, want := ids(t, log, tenant, q), scan(all, tenant, q)
			// Open transactions of other tests in the same cluster hold a polled list back.
			for waiting := time.Now(); q.Order() == audit.Polled && len(got) < len(want) && time.Since(waiting) < time.Minute; {
				got = ids(t, log, tenant, q)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: %s %+v\ngot  %q\nwant %q", seed, tenant, q, got, want)
			}
		}
	})
}

// scan is what a query means, in its plainest form.
func scan(all []audit.Event, tenant string, q audit.Query) []string {
	is := func(want, have string) bool { return want == "" || want == have }
	var found []audit.Event
	for _, e := range all {
		if e.Tenant == tenant &&
			(is(q.Actor, e.Actor.ID) || is(q.Actor, e.Actor.ActingAs)) && is(q.Action, e.Action) &&
			is(q.ResourceType, e.Resource.Type) && is(q.ResourceID, e.Resource.ID) &&
			is(string(q.Category), string(e.Category)) && is(string(q.Outcome), string(e.Outcome)) &&
			is(q.SourceIP, e.Origin.SourceIP) && is(q.RequestID, e.Origin.RequestID) &&
			(is(q.TraceID, e.Trace.TraceID) || is(q.TraceID, e.Link.TraceID)) {
			found = append(found, e)
		}
	}
	if q.Until.IsZero() {
		found = slices.DeleteFunc(found, func(e audit.Event) bool { return e.RecordedAt.Before(q.Since) })
	} else {
		found = slices.DeleteFunc(found, func(e audit.Event) bool { return e.Time.Before(q.Since) || !e.Time.Before(q.Until) })
		slices.SortStableFunc(found, func(a, b audit.Event) int { return a.Time.Compare(b.Time) })
	}
	if q.Descending {
		slices.Reverse(found)
	}
	names := []string{}
	for _, e := range found {
		names = append(names, e.ID)
	}
	return names
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		log := newLog(t, b.Audit(), audit.LogConfig{})
		mustAppend(t, log, refund("1"), refund("2"), refund("3"))
		first, err := log.Query(t.Context(), "acme", audit.Query{Limit: 1})
		if err != nil || first.Next == "" {
			t.Fatalf("first page: %q, %v", first.Next, err)
		}
		for _, c := range []struct {
			name    string
			q       audit.Query
			want    error
			message string
		}{
			{"31 days", audit.Query{Since: noon, Until: noon.AddDate(0, 0, 31)}, storage.ErrInvalid, "30 days"},
			{"until without since", audit.Query{Until: noon}, storage.ErrInvalid, "/since"},
			{"until before since", audit.Query{Since: noon, Until: noon.Add(-1e9)}, storage.ErrInvalid, "before since"},
			{"a negative limit", audit.Query{Limit: -1}, storage.ErrInvalid, "/limit"},
			{"a cursor that is none", audit.Query{After: "AAAA"}, storage.ErrBadCursor, ""},
			{"a cursor of another filter", audit.Query{After: first.Next, Actor: "sam"}, storage.ErrBadCursor, ""},
			{"a cursor of the other direction", audit.Query{After: first.Next, Descending: true}, storage.ErrBadCursor, ""},
			{"a cursor of another order", audit.Query{After: first.Next, Since: noon}, storage.ErrBadCursor, ""},
			{"a cursor without numbers", audit.Query{After: storage.NewCursor(audit.Query{}.ListName(), "0", "x")}, storage.ErrBadCursor, ""},
			{"a cursor with too many keys", audit.Query{After: storage.NewCursor(audit.Query{}.ListName(), "0", "1", "2")}, storage.ErrBadCursor, ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				_, err := log.Query(t.Context(), "acme", c.q)
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.message) {
					t.Errorf("Query = %v, want %v with %q", err, c.want, c.message)
				}
			})
		}
		if _, err := log.Query(t.Context(), "acme", audit.Query{Since: noon, Until: noon.AddDate(0, 0, 30)}); err != nil {
			t.Errorf("30 days: %v", err)
		}
		wide := newLog(t, b.Audit(), audit.LogConfig{Window: 90 * 24 * time.Hour})
		if _, err := wide.Query(t.Context(), "acme", audit.Query{Since: noon, Until: noon.AddDate(0, 0, 90)}); err != nil {
			t.Errorf("90 days where they are configured: %v", err)
		}
	})
}
