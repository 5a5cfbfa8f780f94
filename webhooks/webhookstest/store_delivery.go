package webhookstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/webhooks"
)

var messageRules = []storeRule{
	{"MS-065", "a message comes back as it was inserted", "it was encoded once, and is sent byte for byte ever after", func(e *storeEnv) {
		want := e.message("m1")
		want.EventSource, want.EventID = strings.Join(spellings, ""), strings.Repeat("x", storage.MaxID)
		want.Trace.Flags, want.Trace.State = 255, "a=b,c=d"
		e.send(want)
		got, err := e.store.GetMessage(e.ctx, e.tenant, "m1")
		e.must(err, "get")
		e.same(got, want, "the message")
	}},
	{"MS-066", "a body is kept byte for byte", "what is signed and what is sent are these bytes. A database that reads JSON changes their order and their spaces", func(e *storeEnv) {
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		for i, body := range [][]byte{every, []byte(" {\"b\": 1.0,\n\"a\":\"\u00e9\",\"a\":1} \n"), bytes.Repeat([]byte("long "), 20_000)} {
			m := e.message(fmt.Sprint("m", i))
			m.Body = body
			e.send(m)
			got, err := e.store.GetMessage(e.ctx, e.tenant, m.ID)
			e.must(err, "get")
			if !bytes.Equal(got.Body, body) {
				e.Errorf("got a body of %d bytes, %.40q, want %d, %.40q", len(got.Body), got.Body, len(body), body)
			}
		}
	}},
	{"MS-067", "the body that is stored and the one that was answered are copies", "a caller's buffer is used again", func(e *storeEnv) {
		m := e.message("m1")
		want := string(m.Body)
		e.send(m)
		for range 2 {
			m.Body[0] = 'x'
			got, err := e.store.GetMessage(e.ctx, e.tenant, "m1")
			e.must(err, "get")
			e.same(string(got.Body), want, "the body")
			m = got
		}
	}},
	{"MS-068", "times of a message are kept to the microsecond in UTC", "a store that keeps more or less than the others compares differently", func(e *storeEnv) {
		m := e.message("m1")
		m.CreatedAt = morning.Add(789).In(time.FixedZone("", -3600))
		e.send(m)
		got, err := e.store.GetMessage(e.ctx, e.tenant, "m1")
		e.must(err, "get")
		e.same(got.CreatedAt, morning, "the time")
	}},
	{"MS-069", "a message is stored without deliveries too", "that nobody subscribed is no reason to forget which id was given", func(e *storeEnv) {
		e.send(e.message("m1"))
		if _, err := e.store.GetMessage(e.ctx, e.tenant, "m1"); err != nil {
			e.Errorf("get: %v", err)
		}
		ok, err := e.store.InsertMessage(e.ctx, e.tenant, e.message("m1"), nil)
		e.must(err, "insert again")
		e.same(ok, false, "what it reports")
	}},
	{"MS-070", "a message that is known is reported and changes nothing", "a change that is repeated after a lost answer must not be announced twice", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the second insertion", func() {
			m := e.message("m1")
			m.Body = []byte("other")
			ok, err := e.store.InsertMessage(e.ctx, e.tenant, m, []webhooks.Delivery{e.delivery(m, "d1", "e1"), e.delivery(m, "d2", "e2")})
			e.must(err, "insert again")
			e.same(ok, false, "what it reports")
		})
	}},
	{"MS-071", "of many insertions of one message exactly one happens", "two nodes may append the same event at once", func(e *storeEnv) {
		var won atomic.Int64
		errs := ruletest.Together(func(i int) error {
			m := e.message("m1")
			ok, err := e.store.InsertMessage(e.ctx, e.tenant, m, []webhooks.Delivery{e.delivery(m, fmt.Sprint("d", i), "e1")})
			if ok {
				won.Add(1)
			}
			return err
		})
		e.must(errors.Join(errs...), "insert")
		e.same(won.Load(), int64(1), "how many report true")
		e.same(len(e.deliveries(webhooks.DeliveryQuery{}, 100, nil)), 1, "the number of deliveries")
	}},
	{"MS-072", "two deliveries of a message to one endpoint are a conflict and leave nothing", "a receiver gets a message once, and half a fan-out is none", func(e *storeEnv) {
		e.unchanged("the refused message", func() {
			m := e.message("m1")
			_, err := e.store.InsertMessage(e.ctx, e.tenant, m, []webhooks.Delivery{e.delivery(m, "d1", "e1"), e.delivery(m, "d2", "e1")})
			e.wantErr(err, storage.ErrConflict, "insert")
		})
	}},
	{"MS-073", "a delivery whose id is taken is a conflict and leaves nothing", "the job of one delivery would make the attempts of another", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the refused message", func() {
			m := e.message("m2")
			_, err := e.store.InsertMessage(e.ctx, e.tenant, m, []webhooks.Delivery{e.delivery(m, "d2", "e2"), e.delivery(m, "d1", "e3")})
			e.wantErr(err, storage.ErrConflict, "insert")
		})
	}},
	{"MS-074", "one message id in two tenants is two messages", "a tenant must not learn that another's message exists, nor be kept from its own", func(e *storeEnv) {
		o := e.other()
		m, theirs := e.message("m1"), o.message("m1")
		theirs.Body = []byte("theirs")
		e.send(m, e.delivery(m, "d1", "e1"))
		o.send(theirs, o.delivery(theirs, "d1", "e1"))
		got, err := e.store.GetMessage(e.ctx, e.tenant, "m1")
		e.must(err, "get")
		e.same(got, m, "the first tenant's")
		got, err = o.store.GetMessage(o.ctx, o.tenant, "m1")
		e.must(err, "get")
		e.same(got, theirs, "the second tenant's")
	}},
	{"MS-075", "a message of none and of another tenant is not found", "not found, never forbidden", func(e *storeEnv) {
		e.send(e.message("m1"))
		_, err := e.store.GetMessage(e.ctx, e.tenant, "m2")
		e.wantErr(err, storage.ErrNotFound, "get none")
		_, err = e.store.GetMessage(e.ctx, e.other().tenant, "m1")
		e.wantErr(err, storage.ErrNotFound, "get another tenant's")
	}},
	{"MS-076", "ids of messages are told apart byte for byte", "a message that is taken for another is never sent", func(e *storeEnv) {
		for _, id := range spellings {
			e.send(e.message(id))
		}
		for _, id := range spellings {
			got, err := e.store.GetMessage(e.ctx, e.tenant, id)
			e.must(err, "get")
			e.same(got, e.message(id), "the message")
		}
	}},
}

// full returns a delivery whose every field says something.
func (e *storeEnv) full() webhooks.Delivery {
	return webhooks.Delivery{
		ID: "d1", Tenant: e.tenant, MessageID: "m1", EndpointID: "e1", EventType: "a.b", Status: webhooks.Failed, Held: true,
		Reason: webhooks.ReasonExhausted, Attempts: 12, Round: 2, Tries: 3, NextAttemptAt: morning.Add(time.Hour),
		TraceID: "t", CreatedAt: morning, UpdatedAt: morning.Add(time.Minute),
	}
}

var deliveryRules = []storeRule{
	{"MS-077", "a delivery comes back as it was inserted", "its status is shown to its owner and read by whoever makes the next attempt", func(e *storeEnv) {
		e.send(e.message("m1"), e.full())
		e.same(e.read("d1"), e.full(), "the delivery")
		d := e.delivery(e.message("m2"), "d2", "e1")
		d.NextAttemptAt, d.TraceID = time.Time{}, ""
		e.send(e.message("m2"), d)
		e.same(e.read("d2"), d, "one with little to say")
	}},
	{"MS-078", "all deliveries of a message are inserted", "every subscriber gets it, however many there are", func(e *storeEnv) {
		m := e.message("m1")
		var all []webhooks.Delivery
		for i := range 500 {
			all = append(all, e.delivery(m, fmt.Sprintf("d%03d", i), fmt.Sprint("e", i)))
		}
		e.send(m, all...)
		slices.Reverse(all)
		e.same(e.deliveries(webhooks.DeliveryQuery{}, storage.MaxLimit, nil), all, "the deliveries")
	}},
	{"MS-079", "times of a delivery are kept to the microsecond in UTC", "a store that keeps more or less than the others compares differently", func(e *storeEnv) {
		d := e.full()
		at := morning.Add(1789).In(time.FixedZone("", 3600))
		d.CreatedAt, d.UpdatedAt, d.NextAttemptAt = at, at, at
		e.send(e.message("m1"), d)
		got, want := e.read("d1"), morning.Add(time.Microsecond)
		e.same([]time.Time{got.CreatedAt, got.UpdatedAt, got.NextAttemptAt}, []time.Time{want, want, want}, "inserted")
		d.UpdatedAt, d.NextAttemptAt = at.Add(time.Second), at.Add(time.Second)
		e.must(e.store.PutDelivery(e.ctx, e.tenant, d), "put")
		got, want = e.read("d1"), want.Add(time.Second)
		e.same([]time.Time{got.UpdatedAt, got.NextAttemptAt}, []time.Time{want, want}, "put")
	}},
	{"MS-080", "what changes of a delivery is replaced", "the state of a delivery moves as a whole with each attempt", func(e *storeEnv) {
		e.send(e.message("m1"), e.full())
		want := e.full()
		want.Status, want.Held, want.Reason = webhooks.Pending, false, ""
		want.Attempts, want.Round, want.Tries = 13, 3, 0
		want.NextAttemptAt, want.UpdatedAt = time.Time{}, morning.Add(time.Hour)
		e.must(e.store.PutDelivery(e.ctx, e.tenant, want), "put")
		e.same(e.read("d1"), want, "the delivery")
	}},
	{"MS-081", "what does not change of a delivery is kept", "to whom a message goes and when it was made is settled", func(e *storeEnv) {
		e.send(e.message("m1"), e.full())
		d := e.full()
		d.Tenant, d.MessageID, d.EndpointID, d.EventType, d.TraceID, d.CreatedAt = "x", "m2", "e2", "x.y", "u", morning.AddDate(1, 0, 0)
		e.must(e.store.PutDelivery(e.ctx, e.tenant, d), "put")
		e.same(e.read("d1"), e.full(), "the delivery")
	}},
	{"MS-082", "a delivery that is not there cannot be put", "an update that changes nothing and says so lets its caller go on with a state that nobody has", func(e *storeEnv) {
		e.wantErr(e.store.PutDelivery(e.ctx, e.tenant, e.full()), storage.ErrNotFound, "put")
		_, err := e.store.GetDelivery(e.ctx, e.tenant, "d1", false)
		e.wantErr(err, storage.ErrNotFound, "get")
	}},
	{"MS-083", "another tenant's delivery cannot be put", "not found, never forbidden", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the stranger's update", func() {
			e.wantErr(e.store.PutDelivery(e.ctx, e.other().tenant, e.full()), storage.ErrNotFound, "put")
		})
	}},
	{"MS-084", "a put changes one delivery", "an UPDATE that forgets half of its key ends everything", func(e *storeEnv) {
		m, o := e.message("m1"), e.other()
		e.send(m, e.delivery(m, "d1", "e1"), e.delivery(m, "d2", "e2"))
		o.send(o.message("m1"), o.delivery(o.message("m1"), "d1", "e1"))
		e.must(e.store.PutDelivery(e.ctx, e.tenant, e.full()), "put")
		e.same(e.read("d2"), e.delivery(m, "d2", "e2"), "another delivery of the message")
		e.same(o.read("d1"), o.delivery(m, "d1", "e1"), "another tenant's of the same id")
	}},
	{"MS-085", "a delivery of none and of another tenant is not found", "not found, never forbidden", func(e *storeEnv) {
		e.furnish()
		_, err := e.store.GetDelivery(e.ctx, e.tenant, "d2", false)
		e.wantErr(err, storage.ErrNotFound, "get none")
		_, err = e.store.GetDelivery(e.ctx, e.other().tenant, "d1", false)
		e.wantErr(err, storage.ErrNotFound, "get another tenant's")
		e.tx(func(e *storeEnv) error {
			_, err := e.store.GetDelivery(e.ctx, e.tenant, "d2", true)
			e.wantErr(err, storage.ErrNotFound, "get none with lock")
			return nil
		})
	}},
	{"MS-086", "to lock a delivery without a transaction is an error", "a lock that ends with its statement guards nothing. storage.ErrNoTx", func(e *storeEnv) {
		e.furnish()
		_, err := e.store.GetDelivery(e.ctx, e.tenant, "d1", true)
		e.wantErr(err, storage.ErrNoTx, "get with lock")
	}},
	{"MS-087", "what is read of a delivery under lock stays until the transaction ends", "a redelivery and the end of an attempt may meet, and one of them must see the other", func(e *storeEnv) {
		m := e.message("m1")
		e.send(m, e.delivery(m, "d1", "e1"))
		errs := ruletest.Together(func(int) error {
			return e.b.InTx(e.ctx, func(ctx context.Context) error {
				d, err := e.store.GetDelivery(ctx, e.tenant, "d1", true)
				if err != nil {
					return err
				}
				d.Attempts++
				return e.store.PutDelivery(ctx, e.tenant, d)
			})
		})
		e.must(errors.Join(errs...), "count")
		e.same(e.read("d1").Attempts, ruletest.Writers, "the count")
	}},
}

// crowd inserts deliveries that differ in everything one can ask for, and returns them
// newest first: two of a time, and ids that are not in the order of the times.
func (e *storeEnv) crowd(n int) (all []webhooks.Delivery) {
	e.Helper()
	e.tx(func(e *storeEnv) error {
		for i := range n {
			id := fmt.Sprintf("d%03d", i*37%101)
			m := e.message(fmt.Sprint("m", i/3))
			d := e.delivery(m, id, fmt.Sprint("e", i%3))
			d.EventType, d.TraceID = fmt.Sprint("a.", i/7%2), fmt.Sprint("t", i/5%2)
			d.Status = webhooks.Statuses()[i*7%4]
			d.CreatedAt = morning.Add(time.Duration(i/2) * time.Microsecond)
			all = append(all, d)
		}
		for list := range slices.Chunk(all, 3) {
			m := e.message(list[0].MessageID)
			e.send(m, list...)
		}
		return nil
	})
	return slices.SortedFunc(slices.Values(all), func(a, b webhooks.Delivery) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
}

// passes is the reference of a query's filter.
func passes(q webhooks.DeliveryQuery, d webhooks.Delivery) bool {
	for want, got := range map[*string]string{
		&q.EndpointID: d.EndpointID, &q.EventType: d.EventType, &q.Status: d.Status, &q.TraceID: d.TraceID, &q.MessageID: d.MessageID,
	} {
		if *want != "" && *want != got {
			return false
		}
	}
	return true
}

// chosen returns the ids of what passes.
func chosen(q webhooks.DeliveryQuery, all []webhooks.Delivery) []string {
	return deliveryIDs(slices.DeleteFunc(slices.Clone(all), func(d webhooks.Delivery) bool { return !passes(q, d) }))
}

// asked returns the query for what a delivery is, by the bits of a mask.
func asked(d webhooks.Delivery, mask int) (q webhooks.DeliveryQuery) {
	for i, set := range []func(){
		func() { q.EndpointID = d.EndpointID },
		func() { q.EventType = d.EventType },
		func() { q.Status = d.Status },
		func() { q.TraceID = d.TraceID },
		func() { q.MessageID = d.MessageID },
	} {
		if mask&(1<<i) != 0 {
			set()
		}
	}
	return q
}

// filtered is the rule for one field of a query.
func filtered(bit int) func(e *storeEnv) {
	return func(e *storeEnv) {
		all := e.crowd(18)
		for _, d := range []webhooks.Delivery{all[0], all[7], all[17]} {
			q := asked(d, 1<<bit)
			e.same(deliveryIDs(e.deliveries(q, 100, nil)), chosen(q, all), fmt.Sprintf("%+v", q))
		}
	}
}

const whyFilter = "an owner looks for one delivery among thousands, and a filter that is not applied shows the others"

var deliveryListRules = []storeRule{
	{"MS-088", "deliveries are listed whole and newest first", "what happened last is looked for first", func(e *storeEnv) {
		want := e.crowd(9)
		e.same(e.deliveries(webhooks.DeliveryQuery{}, 100, nil), want, "the list")
	}},
	{"MS-089", "deliveries of one time are listed by the bytes of their ids, the greatest first", "the deliveries of a message all bear one time. An order without a tie-breaker drops some of them", func(e *storeEnv) {
		for _, id := range []string{"b", "B", "a", "ä", "_", "aa"} {
			e.deliver(e.delivery(e.message(id), id, "e1"))
		}
		e.same(deliveryIDs(e.deliveries(webhooks.DeliveryQuery{}, 100, nil)), []string{"ä", "b", "aa", "a", "_", "B"}, "the list")
	}},
	{"MS-090", "deliveries are chosen by endpoint", whyFilter, filtered(0)},
	{"MS-091", "deliveries are chosen by event type", whyFilter, filtered(1)},
	{"MS-092", "deliveries are chosen by status", whyFilter, filtered(2)},
	{"MS-093", "deliveries are chosen by trace", whyFilter, filtered(3)},
	{"MS-094", "deliveries are chosen by message", whyFilter, filtered(4)},
	{"MS-095", "fields of a query all have to agree", "two filters choose less than each of them", func(e *storeEnv) {
		all := e.crowd(18)
		for mask := range 32 {
			for _, d := range []webhooks.Delivery{all[1], all[8], all[16]} {
				q := asked(d, mask)
				e.same(deliveryIDs(e.deliveries(q, 100, nil)), chosen(q, all), fmt.Sprintf("%+v", q))
			}
		}
		e.same(len(e.deliveries(webhooks.DeliveryQuery{EndpointID: "E0"}, 10, nil)), 0, "what nobody has")
	}},
	{"MS-096", "pages of deliveries put together are the list, with and without a filter", "a page must begin where the last one ended", func(e *storeEnv) {
		e.same(len(e.deliveries(webhooks.DeliveryQuery{}, 3, nil)), 0, "the length of the empty list")
		all := e.crowd(13)
		for _, q := range []webhooks.DeliveryQuery{{}, {EndpointID: "e0"}, {TraceID: "t0"}, {EventType: "a.0"}, {Status: webhooks.Failed}} {
			for _, limit := range []int{1, 2, 5, 12, 13, 14} {
				e.same(deliveryIDs(e.deliveries(q, limit, nil)), chosen(q, all), fmt.Sprintf("%+v in pages of %d", q, limit))
			}
		}
	}},
	{"MS-097", "deliveries that stay are listed once while others are added", "deliveries are made all the time, and each new one stands before the first page", func(e *storeEnv) {
		all := e.crowd(12)
		got := e.deliveries(webhooks.DeliveryQuery{}, 3, func(page int) {
			for _, id := range []string{"new", "z"} {
				d := e.delivery(e.message("m"), fmt.Sprint(id, page), "e1")
				d.CreatedAt = morning.Add(time.Hour)
				e.deliver(d)
			}
			d := all[page]
			d.Attempts, d.UpdatedAt = 9, morning.Add(time.Hour)
			e.must(e.store.PutDelivery(e.ctx, e.tenant, d), "put")
		})
		e.same(deliveryIDs(got), deliveryIDs(all), "the list")
	}},
	{"MS-098", "a cursor of deliveries opens no other tenant's list and none of another filter", "it would show a page from somewhere in the middle. storage.ErrBadCursor", func(e *storeEnv) {
		e.crowd(4)
		o := e.other()
		o.crowd(4)
		page, err := e.store.ListDeliveries(e.ctx, e.tenant, webhooks.DeliveryQuery{Limit: 1})
		e.must(err, "list")
		_, err = o.store.ListDeliveries(o.ctx, o.tenant, webhooks.DeliveryQuery{After: page.Next})
		e.wantErr(err, storage.ErrBadCursor, "another tenant's list")
		for bit := range 5 {
			q := asked(page.Items[0], 1<<bit)
			q.After = page.Next
			_, err = e.store.ListDeliveries(e.ctx, e.tenant, q)
			e.wantErr(err, storage.ErrBadCursor, fmt.Sprintf("another filter, %+v", q))
		}
	}},
	{"MS-099", "deliveries of other tenants are not listed", "one WHERE without the tenant is enough for a leak", func(e *storeEnv) {
		all := e.crowd(6)
		o := e.other()
		o.crowd(6)
		e.same(e.deliveries(webhooks.DeliveryQuery{}, 4, nil), all, "the list")
		e.same(deliveryIDs(e.deliveries(webhooks.DeliveryQuery{EndpointID: "e0"}, 4, nil)), chosen(webhooks.DeliveryQuery{EndpointID: "e0"}, all), "those of an endpoint")
	}},
	{"MS-100", "a page without a limit has storage.DefaultLimit items, and none more than storage.MaxLimit", "one answer must not hold a year of deliveries", func(e *storeEnv) {
		m := e.message("m1")
		var all []webhooks.Delivery
		for i := range storage.MaxLimit + 1 {
			all = append(all, e.delivery(m, fmt.Sprint("d", i), fmt.Sprint("e", i)))
		}
		e.send(m, all...)
		for limit, want := range map[int]int{0: storage.DefaultLimit, storage.MaxLimit: storage.MaxLimit, 1 << 40: storage.MaxLimit} {
			page, err := e.store.ListDeliveries(e.ctx, e.tenant, webhooks.DeliveryQuery{Limit: limit})
			e.must(err, "list")
			if len(page.Items) != want || page.Next == "" {
				e.Errorf("asked for %d: got %d and a next page: %t, want %d and one", limit, len(page.Items), page.Next != "", want)
			}
		}
	}},
	{"MS-101", "held deliveries are read oldest first and up to the limit", "what waited longest goes on first, and so many at a time as one transaction can take", func(e *storeEnv) {
		e.hold()
		e.same(e.held("e1", 100), []string{"d5", "d3", "d4"}, "all of them")
		e.same(e.held("e1", 2), []string{"d5", "d3"}, "two of them")
	}},
	{"MS-102", "held deliveries are those of the endpoint and the tenant", "others stay held until their own endpoint is enabled", func(e *storeEnv) {
		e.hold()
		e.other().hold()
		e.same(e.held("e2", 100), []string{"d2"}, "another endpoint's")
		e.same(e.held("e3", 100), []string{}, "one's that has none")
		e.same(e.held("e1", 100), []string{"d5", "d3", "d4"}, "the tenant's")
	}},
	{"MS-103", "a delivery is held by its put and let go by another", "one that is held twice is resumed twice, and one that is not is never", func(e *storeEnv) {
		e.hold()
		d := e.read("d3")
		d.Held = false
		e.must(e.store.PutDelivery(e.ctx, e.tenant, d), "let go")
		d = e.read("d1")
		d.Held = true
		e.must(e.store.PutDelivery(e.ctx, e.tenant, d), "hold")
		e.same(e.held("e1", 100), []string{"d5", "d4", "d1"}, "the held ones")
	}},
}

// hold inserts deliveries d1 to d5, of which all but d1 are held, d2 for e2 and the others
// for e1: d5 is the oldest, d3 and d4 are of one time, and d1 is the latest.
func (e *storeEnv) hold() {
	e.Helper()
	for id, age := range map[string]int{"d1": 0, "d2": 1, "d3": 2, "d4": 2, "d5": 3} {
		d := e.delivery(e.message(id), id, "e1")
		d.Held, d.CreatedAt = id != "d1", morning.Add(-time.Duration(age)*time.Microsecond)
		if id == "d2" {
			d.EndpointID = "e2"
		}
		e.deliver(d)
	}
}
