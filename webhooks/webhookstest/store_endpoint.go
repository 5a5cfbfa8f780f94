package webhookstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/webhooks"
)

var endpointRules = []storeRule{
	{"MS-001", "an endpoint comes back as it was inserted", "what a tenant registered is what it is shown and what attempts go by", func(e *storeEnv) {
		want := e.endpoint("e1", "a.b", "a.c.*")
		want.Status, want.DisabledReason, want.Revision, want.UpdatedAt = webhooks.Disabled, "manual", 7, morning.Add(time.Hour)
		e.add(want)
		got, _ := e.get("e1")
		e.same(got, want, "the endpoint")
	}},
	{"MS-002", "a new endpoint has no health", "an endpoint that was never tried has not failed", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		_, h := e.get("e1")
		e.same(h, webhooks.Health{}, "the health")
	}},
	{"MS-003", "an endpoint is inserted with its first secret", "an endpoint without a secret would be sent what its receiver cannot verify", func(e *storeEnv) {
		want := webhooks.Secret{ID: "s1", Sealed: []byte{0, 1, 255}, CreatedAt: morning, ExpiresAt: morning.Add(time.Hour)}
		e.must(e.store.InsertEndpoint(e.ctx, e.tenant, e.endpoint("e1", "a.b"), want), "insert")
		e.same(e.secrets("e1"), []webhooks.Secret{want}, "the secrets")
	}},
	{"MS-004", "an endpoint whose id is taken is a conflict", "whoever repeats a creation has to learn that it happened", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		err := e.store.InsertEndpoint(e.ctx, e.tenant, e.endpoint("e1", "a.b"), secret("second"))
		e.wantErr(err, storage.ErrConflict, "insert the same id")
	}},
	{"MS-005", "a refused insertion changes nothing of the endpoint that is there", "a secret or a pattern of the refused one would belong to the other", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the refused insertion", func() {
			p := e.endpoint("e1", "a.c")
			p.URL = "https://elsewhere.example.test"
			if err := e.store.InsertEndpoint(e.ctx, e.tenant, p, secret("second")); err == nil {
				e.Errorf("the same id is inserted again")
			}
		})
	}},
	{"MS-006", "of many insertions under one id exactly one happens", "two requests with one id are one endpoint, whose secret was shown once", func(e *storeEnv) {
		e.oneOf(ruletest.Together(func(i int) error {
			return e.store.InsertEndpoint(e.ctx, e.tenant, e.endpoint("e1", "a.b"), secret(fmt.Sprint("s", i)))
		}), "insert")
		if got := e.secrets("e1"); len(got) != 1 {
			e.Errorf("got %d secrets, want that of the one insertion", len(got))
		}
	}},
	{"MS-007", "ids of endpoints are told apart byte for byte", "ids come from clients, and a database that folds case answers one with another", func(e *storeEnv) {
		ids := append([]string{strings.Repeat("x", storage.MaxID), strings.Repeat("x", storage.MaxID-1)}, spellings...)
		for _, id := range ids {
			p := e.endpoint(id, "a.b")
			p.Description = "of " + fmt.Sprint(slices.Index(ids, id))
			e.add(p)
		}
		for i, id := range ids {
			if got, _ := e.get(id); got.ID != id || got.Description != fmt.Sprint("of ", i) {
				e.Errorf("%q: got %q of %q", id, got.ID, got.Description)
			}
		}
	}},
	{"MS-008", "one id in two tenants is two endpoints", "one tenant's choice must not collide with another's", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		o := e.other()
		mine := o.endpoint("e1", "a.c")
		mine.Description = "another"
		o.add(mine)
		got, _ := e.get("e1")
		e.same(got, e.endpoint("e1", "a.b"), "the first tenant's")
		got, _ = o.get("e1")
		e.same(got, mine, "the second tenant's")
	}},
	{"MS-009", "texts of an endpoint are kept byte for byte and at their longest", "an address that was cut or folded is another address", func(e *storeEnv) {
		want := e.endpoint("e1")
		want.URL = "https://Hooks.Example.test/" + strings.Repeat("x", webhooks.MaxURL-27)
		want.Description = strings.Join(spellings, "")
		want.DisabledReason = strings.Repeat("ä", webhooks.MaxDescription/2)
		for i := range webhooks.MaxPatterns {
			want.EventTypes = append(want.EventTypes, fmt.Sprintf("A.b%03d.\u00e9*", i))
		}
		e.add(want)
		got, _ := e.get("e1")
		e.same(got, want, "the endpoint")
	}},
	{"MS-010", "times of an endpoint are kept to the microsecond in UTC, its timeout to the millisecond", "a store that keeps more or less than the others compares differently", func(e *storeEnv) {
		p := e.endpoint("e1", "a.b")
		p.CreatedAt = morning.Add(789).In(time.FixedZone("", 3600))
		p.UpdatedAt, p.Timeout = p.CreatedAt.Add(time.Microsecond), 1234*time.Millisecond+time.Microsecond
		e.add(p)
		got, _ := e.get("e1")
		e.same([]time.Time{got.CreatedAt, got.UpdatedAt}, []time.Time{morning, morning.Add(time.Microsecond)}, "the times")
		e.same(got.Timeout, 1234*time.Millisecond, "the timeout")
	}},
	{"MS-011", "what is stored and what was answered are copies", "a caller that goes on with its slice must not change what is stored", func(e *storeEnv) {
		given, sealed := []string{"a.b"}, []byte("sealed first")
		p := e.endpoint("e1")
		p.EventTypes = given
		e.must(e.store.InsertEndpoint(e.ctx, e.tenant, p, webhooks.Secret{ID: "first", Sealed: sealed, CreatedAt: morning}), "insert")
		given[0], sealed[0] = "x.y", 'x'
		got, _ := e.get("e1")
		e.same(got.EventTypes, []string{"a.b"}, "after the given slice changed")
		e.same(e.secrets("e1"), []webhooks.Secret{secret("first")}, "after the given bytes changed")
		got.EventTypes[0] = "x.y"
		e.secrets("e1")[0].Sealed[0] = 'x'
		got, _ = e.get("e1")
		e.same(got.EventTypes, []string{"a.b"}, "after the answered slice changed")
		e.same(e.secrets("e1"), []webhooks.Secret{secret("first")}, "after the answered bytes changed")
	}},
	{"MS-012", "an update replaces all but the time of creation", "what the caller did not see change would be kept for ever, and a list would change its order", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		want := webhooks.Endpoint{
			ID: "e1", Tenant: e.tenant, URL: "https://elsewhere.example.test", EventTypes: []string{"c.*", "d"}, Description: "moved",
			Timeout: 5 * time.Second, Status: webhooks.Disabled, DisabledReason: "manual", Revision: 9,
			CreatedAt: morning.AddDate(1, 0, 0), UpdatedAt: morning.Add(time.Hour),
		}
		e.must(e.store.UpdateEndpoint(e.ctx, e.tenant, want, 1), "update")
		want.CreatedAt = morning
		got, _ := e.get("e1")
		e.same(got, want, "the endpoint")
	}},
	{"MS-013", "an update that was made for another revision is a conflict", "the second of two who edit has to be told and not to win", func(e *storeEnv) {
		p := e.endpoint("e1", "a.b")
		p.Revision = 5
		e.add(p)
		e.unchanged("a refused update", func() {
			for _, revision := range []int64{0, 4, 6} {
				p.Revision, p.Description, p.EventTypes = 6, "late", []string{"a.c"}
				e.wantErr(e.store.UpdateEndpoint(e.ctx, e.tenant, p, revision), storage.ErrConflict, fmt.Sprint("update for revision ", revision))
			}
		})
	}},
	{"MS-014", "an update of what is not there is not found", "an endpoint must not come back from its deletion by an update", func(e *storeEnv) {
		p := e.endpoint("e1", "a.b")
		e.wantErr(e.store.UpdateEndpoint(e.ctx, e.tenant, p, 1), storage.ErrNotFound, "update")
		if _, _, err := e.store.GetEndpoint(e.ctx, e.tenant, "e1", false); !errors.Is(err, storage.ErrNotFound) {
			e.Errorf("after it: got %v, want ErrNotFound", err)
		}
	}},
	{"MS-015", "another tenant's endpoint cannot be updated", "not found, never forbidden", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the stranger's update", func() {
			p := e.endpoint("e1", "a.c")
			p.Revision = 2
			e.wantErr(e.store.UpdateEndpoint(e.ctx, e.other().tenant, p, 1), storage.ErrNotFound, "update")
		})
	}},
	{"MS-016", "of many updates for one revision exactly one happens", "a revision that is compared first and written later is a race", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		e.oneOf(ruletest.Together(func(i int) error {
			p := e.endpoint("e1", "a.b")
			p.Revision, p.Description = 2, fmt.Sprint(i)
			return e.store.UpdateEndpoint(e.ctx, e.tenant, p, 1)
		}), "update")
	}},
	{"MS-017", "an update leaves health and secrets", "to correct a description is no reason to forget failures", func(e *storeEnv) {
		e.furnish()
		_, before := e.get("e1")
		p := e.endpoint("e1", "a.b")
		p.Revision = 2
		e.must(e.store.UpdateEndpoint(e.ctx, e.tenant, p, 1), "update")
		_, after := e.get("e1")
		e.same(after, before, "the health")
		e.same(e.secrets("e1"), []webhooks.Secret{secret("first")}, "the secrets")
	}},
	{"MS-018", "a deleted endpoint is gone", "nothing may be sent to it any more", func(e *storeEnv) {
		e.furnish()
		e.must(e.store.DeleteEndpoint(e.ctx, e.tenant, "e1", 1), "delete")
		_, _, err := e.store.GetEndpoint(e.ctx, e.tenant, "e1", false)
		e.wantErr(err, storage.ErrNotFound, "get")
		e.same(len(e.endpoints(10, nil)), 0, "the length of the list")
	}},
	{"MS-019", "a deleted endpoint takes its secrets along", "a secret that nobody can revoke any more is one too many", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"), e.endpoint("e2", "a.b"))
		e.must(e.store.SetSecrets(e.ctx, e.tenant, "e1", []webhooks.Secret{secret("s1"), secret("s2")}), "set secrets")
		e.must(e.store.DeleteEndpoint(e.ctx, e.tenant, "e1", 1), "delete")
		e.same(len(e.secrets("e1")), 0, "its secrets")
		e.same(secretIDs(e.allSecrets(10, nil)), []string{"e2/first"}, "all secrets")
	}},
	{"MS-020", "a deleted endpoint keeps its deliveries", "what was sent is shown for as long as it is kept, whoever is gone", func(e *storeEnv) {
		e.furnish()
		before := e.picture()
		e.must(e.store.DeleteEndpoint(e.ctx, e.tenant, "e1", 1), "delete")
		after := e.picture()
		e.same(after.Deliveries, before.Deliveries, "the deliveries")
		e.same(after.Messages, before.Messages, "the messages")
		e.same(after.Attempts, before.Attempts, "the attempts")
	}},
	{"MS-021", "a deletion that was made for another revision is a conflict", "somebody changed what the other thinks to delete", func(e *storeEnv) {
		e.furnish()
		e.unchanged("a refused deletion", func() {
			for _, revision := range []int64{0, 2} {
				e.wantErr(e.store.DeleteEndpoint(e.ctx, e.tenant, "e1", revision), storage.ErrConflict, "delete")
			}
		})
	}},
	{"MS-022", "a deletion of what is not there is not found", "a deletion that always succeeds hides a wrong id", func(e *storeEnv) {
		e.wantErr(e.store.DeleteEndpoint(e.ctx, e.tenant, "e1", 1), storage.ErrNotFound, "delete")
		e.add(e.endpoint("e1", "a.b"))
		e.must(e.store.DeleteEndpoint(e.ctx, e.tenant, "e1", 1), "delete")
		e.wantErr(e.store.DeleteEndpoint(e.ctx, e.tenant, "e1", 1), storage.ErrNotFound, "delete again")
	}},
	{"MS-023", "another tenant's endpoint cannot be deleted", "not found, never forbidden", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the stranger's deletion", func() {
			e.wantErr(e.store.DeleteEndpoint(e.ctx, e.other().tenant, "e1", 1), storage.ErrNotFound, "delete")
		})
	}},
	{"MS-024", "an id can be used again and begins anew", "a receiver that is registered again is not the one that failed", func(e *storeEnv) {
		e.furnish()
		e.must(e.store.DeleteEndpoint(e.ctx, e.tenant, "e1", 1), "delete")
		e.must(e.store.InsertEndpoint(e.ctx, e.tenant, e.endpoint("e1", "a.c"), secret("second")), "insert again")
		_, h := e.get("e1")
		e.same(h, webhooks.Health{}, "the health")
		e.same(e.secrets("e1"), []webhooks.Secret{secret("second")}, "the secrets")
		e.same(len(e.subscribers("a.b")), 0, "the subscribers of what it had before")
	}},
	{"MS-025", "an endpoint that is not there is not found", "an empty one with a nil error would be acted upon", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		_, _, err := e.store.GetEndpoint(e.ctx, e.tenant, "e2", false)
		e.wantErr(err, storage.ErrNotFound, "get")
		e.tx(func(e *storeEnv) error {
			_, _, err := e.store.GetEndpoint(e.ctx, e.tenant, "e2", true)
			e.wantErr(err, storage.ErrNotFound, "get with lock")
			return nil
		})
	}},
	{"MS-026", "another tenant's endpoint is not found", "not found, never forbidden, and never shown", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		_, _, err := e.store.GetEndpoint(e.ctx, e.other().tenant, "e1", false)
		e.wantErr(err, storage.ErrNotFound, "get")
		e.same(len(e.other().endpoints(10, nil)), 0, "the length of the list")
	}},
	{"MS-027", "to lock an endpoint without a transaction is an error", "a lock that ends with its statement guards nothing. storage.ErrNoTx", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		_, _, err := e.store.GetEndpoint(e.ctx, e.tenant, "e1", true)
		e.wantErr(err, storage.ErrNoTx, "get with lock")
	}},
	{"MS-028", "what is read of an endpoint under lock stays until the transaction ends", "failures are counted by reading and writing, and a count that is lost keeps a dead endpoint alive", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		errs := ruletest.Together(func(int) error {
			return e.b.InTx(e.ctx, func(ctx context.Context) error {
				_, h, err := e.store.GetEndpoint(ctx, e.tenant, "e1", true)
				if err != nil {
					return err
				}
				h.Failures++
				return e.store.SetHealth(ctx, e.tenant, "e1", h)
			})
		})
		e.must(errors.Join(errs...), "count")
		if _, h := e.get("e1"); h.Failures != ruletest.Writers {
			e.Errorf("counted %d failures, want %d", h.Failures, ruletest.Writers)
		}
	}},
	{"MS-129", "endpoints are counted whatever their status", "a quota that leaves the disabled ones out is none", func(e *storeEnv) {
		e.wantCount(0, "before there are any")
		off := e.endpoint("e2", "a.b")
		off.Status = webhooks.Disabled
		e.add(e.endpoint("e1", "a.b"), off, e.endpoint("e3", "a.b"))
		e.wantCount(3, "after three")
		e.must(e.store.DeleteEndpoint(e.ctx, e.tenant, "e3", 1), "delete")
		e.wantCount(2, "after one was deleted")
		e.undone(func(e *storeEnv) error {
			e.add(e.endpoint("e4", "a.b"))
			e.wantCount(3, "in the transaction that adds one")
			return nil
		})
		e.wantCount(2, "after it was rolled back")
	}},
	{"MS-130", "endpoints are counted by tenant", "one tenant would use up what another may have", func(e *storeEnv) {
		o := e.other()
		e.add(e.endpoint("e1", "a.b"))
		o.add(o.endpoint("e1", "a.b"), o.endpoint("e2", "a.b"))
		e.wantCount(1, "of the first tenant")
		o.wantCount(2, "of the second tenant")
	}},
	{"MS-131", "to count under lock without a transaction is an error", "a lock that ends with its statement guards nothing. storage.ErrNoTx", func(e *storeEnv) {
		_, err := e.store.CountEndpoints(e.ctx, e.tenant, true)
		e.wantErr(err, storage.ErrNoTx, "count with lock")
	}},
	{"MS-132", "of many who count under lock and add up to a number none goes beyond it", "a quota that is counted first and used later is a race, also where there is no row to lock yet", func(e *storeEnv) {
		errs := ruletest.Together(func(i int) error {
			return e.b.InTx(e.ctx, func(ctx context.Context) error {
				n, err := e.store.CountEndpoints(ctx, e.tenant, true)
				if err != nil || n >= 2 {
					return err
				}
				return e.store.InsertEndpoint(ctx, e.tenant, e.endpoint(fmt.Sprint("e", i), "a.b"), secret("first"))
			})
		})
		e.must(errors.Join(errs...), "count and add")
		e.wantCount(2, "after all have tried")
	}},
}

// wantCount fails the rule unless the tenant has so many endpoints.
func (e *storeEnv) wantCount(want int64, when string) {
	e.Helper()
	got, err := e.store.CountEndpoints(e.ctx, e.tenant, false)
	e.must(err, "count")
	e.same(got, want, "the count "+when)
}

// created returns endpoints of which each two have one time of creation, and whose ids
// are not in the order of these times.
func (e *storeEnv) created(n int) (list []webhooks.Endpoint) {
	for i := range n {
		p := e.endpoint(fmt.Sprintf("e%03d", i*37%101), "a.b")
		p.CreatedAt = morning.Add(time.Duration(i/2) * time.Microsecond)
		list = append(list, p)
	}
	return list
}

// inOrder returns endpoints as they are listed.
func inOrder(list []webhooks.Endpoint) []webhooks.Endpoint {
	return slices.SortedFunc(slices.Values(list), func(a, b webhooks.Endpoint) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

var endpointListRules = []storeRule{
	{"MS-029", "endpoints are listed whole and in order of creation", "a list in no order cannot be read in pages", func(e *storeEnv) {
		list := e.created(9)
		slices.Reverse(list)
		e.add(list...)
		e.same(e.endpoints(100, nil), inOrder(list), "the list")
	}},
	{"MS-030", "endpoints of one time are listed by the bytes of their ids", "an order without a tie-breaker repeats some on the next page and drops others", func(e *storeEnv) {
		for _, id := range []string{"b", "B", "a", "ä", "_", "aa"} {
			e.add(e.endpoint(id, "a.b"))
		}
		e.same(endpointIDs(e.endpoints(100, nil)), []string{"B", "_", "a", "aa", "b", "ä"}, "the list")
	}},
	{"MS-031", "pages of endpoints put together are the list", "a page must begin where the last one ended", func(e *storeEnv) {
		e.same(len(e.endpoints(3, nil)), 0, "the length of the empty list")
		list := e.created(11)
		e.add(list...)
		for _, limit := range []int{1, 2, 3, 10, 11, 12} {
			e.same(endpointIDs(e.endpoints(limit, nil)), endpointIDs(inOrder(list)), fmt.Sprint("in pages of ", limit))
		}
	}},
	{"MS-032", "endpoints that stay are listed once while others come and go", "a position is a place and no number of rows", func(e *storeEnv) {
		list := inOrder(e.created(12))
		e.add(list...)
		got := e.endpoints(3, func(page int) {
			if page > 2 {
				return
			}
			for _, gone := range []webhooks.Endpoint{list[page*3], list[page*3+2]} {
				e.must(e.store.DeleteEndpoint(e.ctx, e.tenant, gone.ID, 1), "delete one of the page")
			}
			early := e.endpoint(fmt.Sprint("early", page), "a.b")
			early.CreatedAt = morning.Add(-time.Hour)
			e.add(early)
		})
		e.same(endpointIDs(got), endpointIDs(list), "the list")
	}},
	{"MS-033", "a cursor of endpoints opens no other tenant's list", "it would show a page from somewhere in the middle. storage.ErrBadCursor", func(e *storeEnv) {
		e.add(e.created(3)...)
		o := e.other()
		o.add(o.created(3)...)
		page, err := e.store.ListEndpoints(e.ctx, e.tenant, webhooks.EndpointQuery{Limit: 2})
		e.must(err, "list")
		for _, bad := range []storage.Cursor{page.Next, "hello", storage.NewCursor("another list", "1", "2")} {
			_, err = o.store.ListEndpoints(e.ctx, o.tenant, webhooks.EndpointQuery{After: bad})
			e.wantErr(err, storage.ErrBadCursor, "list")
		}
	}},
	{"MS-034", "a negative limit is invalid in every list", "a database takes it for none, and answers the whole table", func(e *storeEnv) {
		e.furnish()
		_, one := e.store.ListEndpoints(e.ctx, e.tenant, webhooks.EndpointQuery{Limit: -1})
		_, two := e.store.ListSecrets(e.ctx, e.tenant, webhooks.SecretQuery{Limit: -1})
		_, three := e.store.ListDeliveries(e.ctx, e.tenant, webhooks.DeliveryQuery{Limit: -1})
		for _, err := range []error{one, two, three} {
			e.wantErr(err, storage.ErrInvalid, "list")
		}
	}},
}
