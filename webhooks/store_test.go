package webhooks_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
)

var day = time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)

func endpoint(tenant, id string, types ...string) webhooks.Endpoint {
	return webhooks.Endpoint{
		ID: id, Tenant: tenant, URL: "https://hooks.example.test/" + id, EventTypes: types, Description: "the ERP",
		Timeout: 3 * time.Second, Status: webhooks.Enabled, Revision: 1, CreatedAt: day, UpdatedAt: day,
	}
}

func message(tenant, id string) webhooks.Message {
	return webhooks.Message{
		ID: id, Tenant: tenant, EventSource: "/orders", EventID: "e-" + id, EventType: "lumelle.orders.v1.refunded",
		Body: []byte(`{"id":"` + id + `"}`), CreatedAt: day,
		Trace: correlation.Trace{TraceID: "0af7651916cd43dd8448eb211c80319c", SpanID: "b7ad6b7169203331", Flags: 1, State: "a=b"},
	}
}

func delivery(m webhooks.Message, id, endpointID string, at time.Time) webhooks.Delivery {
	return webhooks.Delivery{
		ID: id, Tenant: m.Tenant, MessageID: m.ID, EndpointID: endpointID, EventType: m.EventType,
		Status: webhooks.Pending, NextAttemptAt: at, TraceID: m.Trace.TraceID, CreatedAt: at, UpdatedAt: at,
	}
}

var storeCases = []struct {
	name string
	run  func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store)
}{
	{"an endpoint comes back as it went in", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		want := endpoint("acme", "e1", "lumelle.orders.v1.*", "x.y")
		must(t, s.InsertEndpoint(ctx, "acme", want, webhooks.Secret{ID: "s1", Sealed: []byte{1, 2}, CreatedAt: day}))
		got, health, err := s.GetEndpoint(ctx, "acme", "e1", false)
		must(t, err)
		same(t, got, want)
		same(t, health, webhooks.Health{})
		secrets, err := s.Secrets(ctx, "acme", "e1")
		must(t, err)
		same(t, secrets, []webhooks.Secret{{ID: "s1", Sealed: []byte{1, 2}, CreatedAt: day}})
		wantErr(t, s.InsertEndpoint(ctx, "acme", want, webhooks.Secret{ID: "s2", Sealed: []byte{1}}), storage.ErrConflict)
	}},
	{"endpoints are counted by tenant, and locked in a transaction only", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		for _, id := range []string{"e1", "e2", "e3"} {
			must(t, s.InsertEndpoint(ctx, "acme", endpoint("acme", id, "a.b"), webhooks.Secret{ID: "s-" + id, Sealed: []byte{1}}))
		}
		must(t, s.InsertEndpoint(ctx, "acme2", endpoint("acme2", "e1", "a.b"), webhooks.Secret{ID: "s", Sealed: []byte{1}}))
		must(t, s.DeleteEndpoint(ctx, "acme", "e2", 1))
		for tenant, want := range map[string]int64{"acme": 2, "acme2": 1, "bloom": 0} {
			got, err := s.CountEndpoints(ctx, tenant, false)
			must(t, err)
			same(t, got, want)
		}
		_, err := s.CountEndpoints(ctx, "acme", true)
		wantErr(t, err, storage.ErrNoTx)
		must(t, b.InTx(ctx, func(ctx context.Context) error {
			got, err := s.CountEndpoints(ctx, "acme", true)
			same(t, got, 2)
			return err
		}))
	}},
	{"an update needs the revision it was made for", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		e := endpoint("acme", "e1", "a.b")
		must(t, s.InsertEndpoint(ctx, "acme", e, webhooks.Secret{ID: "s1", Sealed: []byte{1}}))
		e.Revision, e.Description = 2, "moved"
		wantErr(t, s.UpdateEndpoint(ctx, "acme", e, 7), storage.ErrConflict)
		must(t, s.UpdateEndpoint(ctx, "acme", e, 1))
		wantErr(t, s.UpdateEndpoint(ctx, "acme", e, 1), storage.ErrConflict)
		wantErr(t, s.UpdateEndpoint(ctx, "bloom", e, 2), storage.ErrNotFound)
		wantErr(t, s.DeleteEndpoint(ctx, "acme", "e1", 1), storage.ErrConflict)
		wantErr(t, s.DeleteEndpoint(ctx, "bloom", "e1", 2), storage.ErrNotFound)
		got, _, err := s.GetEndpoint(ctx, "acme", "e1", false)
		must(t, err)
		same(t, got, e)
	}},
	{"a deleted endpoint takes secrets and subscriptions with it", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		must(t, s.InsertEndpoint(ctx, "acme", endpoint("acme", "e1", "a.b"), webhooks.Secret{ID: "s1", Sealed: []byte{1}}))
		must(t, s.DeleteEndpoint(ctx, "acme", "e1", 1))
		_, _, err := s.GetEndpoint(ctx, "acme", "e1", false)
		wantErr(t, err, storage.ErrNotFound)
		secrets, err := s.Secrets(ctx, "acme", "e1")
		must(t, err)
		ids, err2 := s.Subscribers(ctx, "acme", []string{"a.b"})
		must(t, err2)
		if len(secrets)+len(ids) != 0 {
			t.Errorf("left behind: secrets %v, subscribers %v", secrets, ids)
		}
	}},
	{"subscribers are enabled endpoints of the tenant, each once and in order", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		for _, e := range []webhooks.Endpoint{
			endpoint("acme", "e2", "a.*", "a.b"), endpoint("acme", "e1", "a.b"), endpoint("acme", "e3", "a.c"), endpoint("bloom", "e9", "a.b"),
		} {
			must(t, s.InsertEndpoint(ctx, e.Tenant, e, webhooks.Secret{ID: "s" + e.ID, Sealed: []byte{1}}))
		}
		ids, err := s.Subscribers(ctx, "acme", []string{"*", "a.*", "a.b"})
		must(t, err)
		same(t, ids, []string{"e1", "e2"})
		off := endpoint("acme", "e1", "a.b")
		off.Status, off.Revision = webhooks.Disabled, 2
		must(t, s.UpdateEndpoint(ctx, "acme", off, 1))
		ids, err = s.Subscribers(ctx, "acme", []string{"*", "a.*", "a.b"})
		must(t, err)
		same(t, ids, []string{"e2"})
	}},
	{"health is kept beside the revision", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		e := endpoint("acme", "e1", "a.b")
		must(t, s.InsertEndpoint(ctx, "acme", e, webhooks.Secret{ID: "s1", Sealed: []byte{1}}))
		want := webhooks.Health{Failures: 3, FailingSince: day, QuietUntil: day.Add(time.Minute)}
		must(t, s.SetHealth(ctx, "acme", "e1", want))
		must(t, s.SetHealth(ctx, "acme", "none", want))
		must(t, s.SetHealth(ctx, "bloom", "e1", webhooks.Health{}))
		e.Revision = 2
		must(t, s.UpdateEndpoint(ctx, "acme", e, 1))
		got, health, err := s.GetEndpoint(ctx, "acme", "e1", false)
		must(t, err)
		same(t, got.Revision, 2)
		same(t, health, want)
	}},
	{"secrets are replaced as a whole and come back newest first", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		must(t, s.InsertEndpoint(ctx, "acme", endpoint("acme", "e1", "a.b"), webhooks.Secret{ID: "s1", Sealed: []byte{1}, CreatedAt: day}))
		want := []webhooks.Secret{
			{ID: "s2", Sealed: []byte{2}, CreatedAt: day.Add(time.Hour)},
			{ID: "s1", Sealed: []byte{1}, CreatedAt: day, ExpiresAt: day.Add(24 * time.Hour)},
		}
		must(t, s.SetSecrets(ctx, "acme", "e1", want))
		wantErr(t, s.SetSecrets(ctx, "bloom", "e1", nil), storage.ErrNotFound)
		got, err := s.Secrets(ctx, "acme", "e1")
		must(t, err)
		same(t, got, want)
	}},
	{"all secrets of a tenant are listed by endpoint and id, in pages", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		var want []string
		for _, tenant := range []string{"acme", "acme2", "bloom"} {
			for _, id := range []string{"e2", "e1", "e10"} {
				must(t, s.InsertEndpoint(ctx, tenant, endpoint(tenant, id, "a.b"), webhooks.Secret{ID: "first", Sealed: []byte(tenant + id), CreatedAt: day}))
			}
		}
		must(t, s.SetSecrets(ctx, "acme", "e1", []webhooks.Secret{{ID: "s2", Sealed: []byte{2}, CreatedAt: day}, {ID: "s1", Sealed: []byte{1}, CreatedAt: day, ExpiresAt: day.Add(time.Hour)}}))
		want = []string{"e1/s1", "e1/s2", "e10/first", "e2/first"}
		for _, limit := range []int{1, 3, 4, 0} {
			var got []string
			q := webhooks.SecretQuery{Limit: limit}
			for {
				page, err := s.ListSecrets(ctx, "acme", q)
				must(t, err)
				for _, secret := range page.Items {
					got = append(got, secret.EndpointID+"/"+secret.ID)
				}
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			same(t, got, want)
		}
		page, err := s.ListSecrets(ctx, "acme", webhooks.SecretQuery{Limit: 1})
		must(t, err)
		same(t, page.Items[0].Secret, webhooks.Secret{ID: "s1", Sealed: []byte{1}, CreatedAt: day, ExpiresAt: day.Add(time.Hour)})
		_, err = s.ListSecrets(ctx, "bloom", webhooks.SecretQuery{After: page.Next})
		wantErr(t, err, storage.ErrBadCursor)
	}},
	{"a secret is sealed again for the bytes that were read, and nothing else changes", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		old := webhooks.Secret{ID: "s1", Sealed: []byte{1}, CreatedAt: day, ExpiresAt: day.Add(time.Hour)}
		for _, tenant := range []string{"acme", "bloom"} {
			must(t, s.InsertEndpoint(ctx, tenant, endpoint(tenant, "e1", "a.b"), old))
		}
		replaced := func(tenant, endpointID, id string, was byte, want bool) {
			t.Helper()
			got, err := s.ReplaceSealed(ctx, tenant, webhooks.EndpointSecret{EndpointID: endpointID, Secret: webhooks.Secret{ID: id, Sealed: []byte{was}}}, []byte{9})
			must(t, err)
			same(t, got, want)
		}
		replaced("acme", "e1", "s1", 2, false)
		replaced("acme", "e1", "s2", 1, false)
		replaced("acme", "e2", "s1", 1, false)
		replaced("cobalt", "e1", "s1", 1, false)
		replaced("acme", "e1", "s1", 1, true)
		replaced("acme", "e1", "s1", 1, false)
		secrets, err := s.Secrets(ctx, "bloom", "e1")
		must(t, err)
		same(t, secrets, []webhooks.Secret{old})
		old.Sealed = []byte{9}
		secrets, err = s.Secrets(ctx, "acme", "e1")
		must(t, err)
		same(t, secrets, []webhooks.Secret{old})
		e, _, err := s.GetEndpoint(ctx, "acme", "e1", false)
		must(t, err)
		same(t, e, endpoint("acme", "e1", "a.b"))
	}},
	{"a lock needs a transaction", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		must(t, s.InsertEndpoint(ctx, "acme", endpoint("acme", "e1", "a.b"), webhooks.Secret{ID: "s1", Sealed: []byte{1}}))
		_, _, err := s.GetEndpoint(ctx, "acme", "e1", true)
		wantErr(t, err, storage.ErrNoTx)
		_, err = s.GetDelivery(ctx, "acme", "d1", true)
		wantErr(t, err, storage.ErrNoTx)
		must(t, b.InTx(ctx, func(ctx context.Context) error {
			_, _, err := s.GetEndpoint(ctx, "acme", "e1", true)
			return err
		}))
	}},
	{"a message is stored once with all of its deliveries", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		m := message("acme", "m1")
		want := delivery(m, "d1", "e1", day)
		fresh, err := s.InsertMessage(ctx, "acme", m, []webhooks.Delivery{want, delivery(m, "d2", "e2", day)})
		must(t, err)
		same(t, fresh, true)
		fresh, err = s.InsertMessage(ctx, "acme", m, []webhooks.Delivery{delivery(m, "d3", "e3", day)})
		must(t, err)
		same(t, fresh, false)
		_, err = s.GetDelivery(ctx, "acme", "d3", false)
		wantErr(t, err, storage.ErrNotFound)
		twice := message("acme", "m2")
		_, err = s.InsertMessage(ctx, "acme", twice, []webhooks.Delivery{delivery(twice, "d8", "e1", day), delivery(twice, "d9", "e1", day)})
		wantErr(t, err, storage.ErrConflict)
		got, err := s.GetMessage(ctx, "acme", "m1")
		must(t, err)
		same(t, got, m)
		d, err := s.GetDelivery(ctx, "acme", "d1", false)
		must(t, err)
		same(t, d, want)
		_, err = s.GetMessage(ctx, "bloom", "m1")
		wantErr(t, err, storage.ErrNotFound)
		_, err = s.GetDelivery(ctx, "bloom", "d1", false)
		wantErr(t, err, storage.ErrNotFound)
	}},
	{"a delivery keeps what it is about and changes the rest", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		m := message("acme", "m1")
		d := delivery(m, "d1", "e1", day)
		_, err := s.InsertMessage(ctx, "acme", m, []webhooks.Delivery{d})
		must(t, err)
		d.Status, d.Held, d.Reason, d.Attempts, d.Round, d.Tries = webhooks.Failed, true, "exhausted", 11, 1, 10
		d.NextAttemptAt, d.UpdatedAt = time.Time{}, day.Add(time.Hour)
		must(t, s.PutDelivery(ctx, "acme", d))
		got, err := s.GetDelivery(ctx, "acme", "d1", false)
		must(t, err)
		same(t, got, d)
		wantErr(t, s.PutDelivery(ctx, "bloom", d), storage.ErrNotFound)
	}},
	{"deliveries are listed newest first, filtered and in pages", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		for i := range 7 {
			m := message("acme", fmt.Sprint("m", i))
			if i%2 == 1 {
				m.Trace.TraceID, m.EventType = "1af7651916cd43dd8448eb211c80319c", "other.v1.x"
			}
			// Two of a time, so that the id has to break ties.
			at := day.Add(time.Duration(i/2) * time.Second)
			_, err := s.InsertMessage(ctx, "acme", m, []webhooks.Delivery{delivery(m, fmt.Sprint("d", i), fmt.Sprint("e", i%3), at)})
			must(t, err)
		}
		for _, c := range []struct {
			q    webhooks.DeliveryQuery
			want []string
		}{
			{webhooks.DeliveryQuery{}, []string{"d6", "d5", "d4", "d3", "d2", "d1", "d0"}},
			{webhooks.DeliveryQuery{EndpointID: "e0"}, []string{"d6", "d3", "d0"}},
			{webhooks.DeliveryQuery{EventType: "other.v1.x"}, []string{"d5", "d3", "d1"}},
			{webhooks.DeliveryQuery{TraceID: "1af7651916cd43dd8448eb211c80319c"}, []string{"d5", "d3", "d1"}},
			{webhooks.DeliveryQuery{MessageID: "m4"}, []string{"d4"}},
			{webhooks.DeliveryQuery{Status: webhooks.Failed}, nil},
			{webhooks.DeliveryQuery{Status: webhooks.Pending, EndpointID: "e1", EventType: "other.v1.x"}, []string{"d1"}},
		} {
			for limit := 1; limit < 8; limit += 3 {
				var got []string
				for q := c.q; ; {
					q.Limit = limit
					page, err := s.ListDeliveries(ctx, "acme", q)
					must(t, err)
					for _, d := range page.Items {
						got = append(got, d.ID)
					}
					if q.After = page.Next; page.Next == "" {
						break
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("%+v by %d: got %v, want %v", c.q, limit, got, c.want)
				}
			}
		}
		page, err := s.ListDeliveries(ctx, "acme", webhooks.DeliveryQuery{Limit: 2})
		must(t, err)
		_, err = s.ListDeliveries(ctx, "bloom", webhooks.DeliveryQuery{After: page.Next})
		wantErr(t, err, storage.ErrBadCursor)
		_, err = s.ListDeliveries(ctx, "acme", webhooks.DeliveryQuery{After: page.Next, Status: webhooks.Failed})
		wantErr(t, err, storage.ErrBadCursor)
		page, err = s.ListDeliveries(ctx, "bloom", webhooks.DeliveryQuery{})
		must(t, err)
		same(t, len(page.Items), 0)
	}},
	{"endpoints are listed in order of creation and in pages", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		for i, id := range []string{"e3", "e1", "e2", "e5", "e4"} {
			e := endpoint("acme", id, "a.b")
			e.CreatedAt = day.Add(time.Duration(i/2) * time.Second)
			must(t, s.InsertEndpoint(ctx, "acme", e, webhooks.Secret{ID: "s" + id, Sealed: []byte{1}}))
		}
		var got []string
		for q := (webhooks.EndpointQuery{Limit: 2}); ; {
			page, err := s.ListEndpoints(ctx, "acme", q)
			must(t, err)
			for _, e := range page.Items {
				got = append(got, e.ID)
			}
			if q.After = page.Next; page.Next == "" {
				break
			}
		}
		same(t, got, []string{"e1", "e3", "e2", "e5", "e4"})
	}},
	{"held deliveries are those of the endpoint, oldest first", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		for i := range 6 {
			m := message("acme", fmt.Sprint("m", i))
			d := delivery(m, fmt.Sprint("d", i), fmt.Sprint("e", i%2), day.Add(-time.Duration(i)*time.Second))
			d.Held = i != 2
			_, err := s.InsertMessage(ctx, "acme", m, []webhooks.Delivery{d})
			must(t, err)
		}
		for _, c := range []struct {
			tenant, endpoint string
			limit            int
			want             []string
		}{{"acme", "e0", 10, []string{"d4", "d0"}}, {"acme", "e1", 2, []string{"d5", "d3"}}, {"acme", "e7", 2, nil}, {"bloom", "e0", 2, nil}} {
			held, err := s.HeldDeliveries(ctx, c.tenant, c.endpoint, c.limit)
			must(t, err)
			var got []string
			for _, d := range held {
				got = append(got, d.ID)
			}
			same(t, got, c.want)
		}
	}},
	{"attempts are kept in order and never replaced", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		first := webhooks.Attempt{
			Tenant: "acme", DeliveryID: "d1", N: 1, At: day, Duration: 1500 * time.Microsecond, StatusCode: 503, Class: webhooks.ClassStatus,
			Error: "the receiver answered 503", Response: []byte("sorry"), TraceID: "t", SpanID: "s",
		}
		second := first
		second.N = 2
		must(t, s.InsertAttempt(ctx, "acme", second))
		must(t, s.InsertAttempt(ctx, "acme", first))
		wantErr(t, s.InsertAttempt(ctx, "acme", first), storage.ErrConflict)
		got, err := s.Attempts(ctx, "acme", "d1")
		must(t, err)
		same(t, got, []webhooks.Attempt{first, second})
		got, err = s.Attempts(ctx, "bloom", "d1")
		must(t, err)
		same(t, len(got), 0)
	}},
	{"a rolled-back transaction leaves nothing", func(t *testing.T, ctx context.Context, b eachtest.Backend, s webhooks.Store) {
		boom := errors.New("boom")
		m := message("acme", "m1")
		err := b.InTx(ctx, func(ctx context.Context) error {
			must(t, s.InsertEndpoint(ctx, "acme", endpoint("acme", "e1", "a.b"), webhooks.Secret{ID: "s1", Sealed: []byte{1}}))
			_, err := s.InsertMessage(ctx, "acme", m, []webhooks.Delivery{delivery(m, "d1", "e1", day)})
			must(t, err)
			must(t, s.InsertAttempt(ctx, "acme", webhooks.Attempt{DeliveryID: "d1", N: 1, At: day}))
			return boom
		})
		wantErr(t, err, boom)
		_, _, err = s.GetEndpoint(ctx, "acme", "e1", false)
		wantErr(t, err, storage.ErrNotFound)
		_, err = s.GetMessage(ctx, "acme", "m1")
		wantErr(t, err, storage.ErrNotFound)
		attempts, err := s.Attempts(ctx, "acme", "d1")
		must(t, err)
		same(t, len(attempts), 0)
	}},
}

func TestStore(t *testing.T) {
	for _, k := range eachtest.Kinds(t) {
		t.Run(k.Name, func(t *testing.T) {
			for _, c := range storeCases {
				t.Run(c.name, func(t *testing.T) {
					b := k.Open(t)
					c.run(t, t.Context(), b, b.Webhooks())
				})
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func same[T any](t *testing.T, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
