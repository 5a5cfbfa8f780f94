package webhookstest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/webhooks"
)

// gotMessageAs returns a breaking that changes messages as they are read.
func gotMessageAs(change func(m *webhooks.Message)) func(a *animal) {
	return func(a *animal) {
		a.getMessage = func(ctx context.Context, tenant, id string) (webhooks.Message, error) {
			m, err := a.Store.GetMessage(ctx, tenant, id)
			change(&m)
			return m, err
		}
	}
}

var messageZoo = []storeMutant{
	{"MS-065", "forgets the state of the trace", gotMessageAs(func(m *webhooks.Message) { m.Trace.State = "" })},
	{"MS-065", "keeps few flags of the trace", gotMessageAs(func(m *webhooks.Message) { m.Trace.Flags &= 127 })},
	{"MS-065", "folds the case of sources", gotMessageAs(func(m *webhooks.Message) { m.EventSource = strings.ToLower(m.EventSource) })},
	{"MS-066", "compacts bodies", gotMessageAs(func(m *webhooks.Message) {
		var b bytes.Buffer
		if json.Compact(&b, m.Body) == nil {
			m.Body = b.Bytes()
		}
	})},
	{"MS-066", "cuts bodies", gotMessageAs(func(m *webhooks.Message) { m.Body = m.Body[:min(len(m.Body), 1<<16)] })},
	{"MS-066", "takes bodies for text", gotMessageAs(func(m *webhooks.Message) { m.Body = []byte(strings.ToValidUTF8(string(m.Body), "?")) })},
	{"MS-067", "keeps the body that it was given", func(a *animal) {
		var given []byte
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			a.remember(func() { given = m.Body })
			return a.Store.InsertMessage(ctx, tenant, m, deliveries)
		}
		a.getMessage = func(ctx context.Context, tenant, id string) (webhooks.Message, error) {
			m, err := a.Store.GetMessage(ctx, tenant, id)
			m.Body = given
			return m, err
		}
	}},
	{"MS-068", "keeps times of messages to the second", gotMessageAs(func(m *webhooks.Message) { m.CreatedAt = m.CreatedAt.Truncate(time.Second) })},
	{"MS-069", "does not store a message without deliveries", func(a *animal) {
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			if len(deliveries) == 0 {
				return true, nil
			}
			return a.Store.InsertMessage(ctx, tenant, m, deliveries)
		}
	}},
	{"MS-070", "reports a known message as fresh", func(a *animal) {
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			_, err := a.Store.InsertMessage(ctx, tenant, m, deliveries)
			return err == nil, err
		}
	}},
	{"MS-070", "adds deliveries to a known message", func(a *animal) {
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			ok, err := a.Store.InsertMessage(ctx, tenant, m, deliveries)
			if err == nil && !ok {
				m.ID += "+"
				_, err = a.Store.InsertMessage(ctx, tenant, m, deliveries[1:])
			}
			return ok, err
		}
	}},
	{"MS-070", "calls a known message a conflict", func(a *animal) {
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			ok, err := a.Store.InsertMessage(ctx, tenant, m, deliveries)
			if err == nil && !ok {
				err = storage.ErrConflict
			}
			return ok, err
		}
	}},
	{"MS-071", "reports one message to two who insert it at once", func(a *animal) {
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			ok, err := a.Store.InsertMessage(ctx, tenant, m, deliveries)
			if err != nil || ok || len(deliveries) != 1 {
				return ok, err
			}
			_, known := a.Store.GetDelivery(ctx, tenant, deliveries[0].ID, false)
			return errors.Is(known, storage.ErrNotFound), nil
		}
	}},
	{"MS-072", "inserts one of two deliveries to an endpoint", messageAs(func(_ *webhooks.Message, list []webhooks.Delivery) []webhooks.Delivery {
		return slices.CompactFunc(list, func(a, b webhooks.Delivery) bool { return a.EndpointID == b.EndpointID })
	})},
	{"MS-072", "leaves the message when its deliveries are refused", func(a *animal) {
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			ok, err := a.Store.InsertMessage(ctx, tenant, m, deliveries)
			if err != nil {
				_, err2 := a.Store.InsertMessage(ctx, tenant, m, nil)
				err = errors.Join(err, err2)
			}
			return ok, err
		}
	}},
	{"MS-073", "leaves out a delivery whose id is taken", func(a *animal) {
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			free := slices.DeleteFunc(slices.Clone(deliveries), func(d webhooks.Delivery) bool {
				_, err := a.Store.GetDelivery(ctx, tenant, d.ID, false)
				return err == nil
			})
			return a.Store.InsertMessage(ctx, tenant, m, free)
		}
	}},
	{"MS-074", "keeps messages without their tenant", func(a *animal) {
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			return a.Store.InsertMessage(ctx, owner(tenant), m, deliveries)
		}
	}},
	{"MS-075", "finds messages of other tenants", func(a *animal) {
		a.getMessage = func(ctx context.Context, tenant, id string) (webhooks.Message, error) {
			return a.Store.GetMessage(ctx, owner(tenant), id)
		}
	}},
	{"MS-075", "answers an empty message for none", func(a *animal) {
		a.getMessage = func(ctx context.Context, tenant, id string) (webhooks.Message, error) {
			m, err := a.Store.GetMessage(ctx, tenant, id)
			if errors.Is(err, storage.ErrNotFound) {
				err = nil
			}
			return m, err
		}
	}},
	{"MS-076", "trims ids of messages", messageAs(func(m *webhooks.Message, list []webhooks.Delivery) []webhooks.Delivery {
		m.ID = strings.TrimSpace(m.ID)
		return list
	})},
}

// insertedAs returns a breaking that changes deliveries before they are inserted.
func insertedAs(change func(d *webhooks.Delivery)) func(a *animal) {
	return messageAs(func(_ *webhooks.Message, list []webhooks.Delivery) []webhooks.Delivery {
		for i := range list {
			change(&list[i])
		}
		return list
	})
}

var deliveryZoo = []storeMutant{
	{"MS-077", "begins every delivery as pending", insertedAs(func(d *webhooks.Delivery) { d.Status = webhooks.Pending })},
	{"MS-077", "counts from nothing", insertedAs(func(d *webhooks.Delivery) { d.Attempts, d.Round, d.Tries = 0, 0, 0 })},
	{"MS-077", "answers the beginning of time where nothing is due", deliveryAs(func(d *webhooks.Delivery) {
		if d.NextAttemptAt.IsZero() {
			d.NextAttemptAt = time.Unix(0, 0).UTC()
		}
	})},
	{"MS-078", "inserts so many deliveries only", messageAs(func(_ *webhooks.Message, list []webhooks.Delivery) []webhooks.Delivery {
		return list[:min(len(list), 256)]
	})},
	{"MS-079", "keeps times of deliveries to the millisecond", deliveryAs(func(d *webhooks.Delivery) { d.CreatedAt = d.CreatedAt.Truncate(time.Millisecond) })},
	{"MS-079", "answers local times of deliveries", deliveryAs(func(d *webhooks.Delivery) { d.UpdatedAt = d.UpdatedAt.In(time.FixedZone("", 60)) })},
	{"MS-079", "keeps times of a put to the second", putAs(func(_ webhooks.Delivery, d *webhooks.Delivery) {
		d.NextAttemptAt = d.NextAttemptAt.Truncate(time.Second)
	})},
	{"MS-080", "keeps a reason when there is none", putAs(func(before webhooks.Delivery, d *webhooks.Delivery) { d.Reason = cmp.Or(d.Reason, before.Reason) })},
	{"MS-080", "keeps the time of the next attempt when there is none", putAs(func(before webhooks.Delivery, d *webhooks.Delivery) {
		if d.NextAttemptAt.IsZero() {
			d.NextAttemptAt = before.NextAttemptAt
		}
	})},
	{"MS-080", "never counts down", putAs(func(before webhooks.Delivery, d *webhooks.Delivery) { d.Tries = max(d.Tries, before.Tries) })},
	{"MS-081", "sends a delivery elsewhere", func(a *animal) {
		moved := map[string]string{}
		a.putDelivery = func(ctx context.Context, tenant string, d webhooks.Delivery) error {
			a.remember(func() { moved[d.ID] = d.EndpointID })
			return a.Store.PutDelivery(ctx, tenant, d)
		}
		a.getDelivery = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Delivery, error) {
			d, err := a.Store.GetDelivery(ctx, tenant, id, lock)
			a.remember(func() { d.EndpointID = cmp.Or(moved[id], d.EndpointID) })
			return d, err
		}
	}},
	{"MS-081", "takes the time of creation from the put", func(a *animal) {
		var created time.Time
		a.putDelivery = func(ctx context.Context, tenant string, d webhooks.Delivery) error {
			a.remember(func() { created = d.CreatedAt })
			return a.Store.PutDelivery(ctx, tenant, d)
		}
		a.getDelivery = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Delivery, error) {
			d, err := a.Store.GetDelivery(ctx, tenant, id, lock)
			a.remember(func() { d.CreatedAt = created })
			return d, err
		}
	}},
	{"MS-082", "puts what is not there", func(a *animal) {
		a.putDelivery = func(ctx context.Context, tenant string, d webhooks.Delivery) error {
			if err := a.Store.PutDelivery(ctx, tenant, d); !errors.Is(err, storage.ErrNotFound) {
				return err
			}
			return nil
		}
	}},
	{"MS-083", "puts without a look at the tenant", func(a *animal) {
		a.putDelivery = func(ctx context.Context, tenant string, d webhooks.Delivery) error {
			return a.Store.PutDelivery(ctx, owner(tenant), d)
		}
	}},
	{"MS-084", "puts all deliveries of the message", func(a *animal) {
		a.putDelivery = func(ctx context.Context, tenant string, d webhooks.Delivery) error {
			err := a.Store.PutDelivery(ctx, tenant, d)
			d.ID = "d2"
			return errors.Join(err, a.Store.PutDelivery(ctx, tenant, d))
		}
	}},
	{"MS-084", "puts the deliveries of all tenants", func(a *animal) {
		a.putDelivery = func(ctx context.Context, tenant string, d webhooks.Delivery) error {
			return errors.Join(a.Store.PutDelivery(ctx, tenant, d), a.Store.PutDelivery(ctx, tenant+"-other", d))
		}
	}},
	{"MS-085", "finds deliveries of other tenants", func(a *animal) {
		a.getDelivery = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Delivery, error) {
			return a.Store.GetDelivery(ctx, owner(tenant), id, lock)
		}
	}},
	{"MS-085", "answers an empty delivery for none", func(a *animal) {
		a.getDelivery = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Delivery, error) {
			d, err := a.Store.GetDelivery(ctx, tenant, id, lock)
			if errors.Is(err, storage.ErrNotFound) {
				err = nil
			}
			return d, err
		}
	}},
	{"MS-086", "locks a delivery for a statement", func(a *animal) {
		a.getDelivery = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Delivery, error) {
			return a.Store.GetDelivery(ctx, tenant, id, lock && inTx(ctx))
		}
	}},
	{"MS-087", "reads a delivery ahead of its lock", func(a *animal) {
		var once sync.Once
		var early webhooks.Delivery
		a.getDelivery = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Delivery, error) {
			d, err := a.Store.GetDelivery(ctx, tenant, id, lock)
			once.Do(func() { early = d })
			if lock {
				d = early
			}
			return d, err
		}
	}},
	{"MS-088", "lists deliveries oldest first", deliveryPage(nil, func(p *storage.Page[webhooks.Delivery]) { slices.Reverse(p.Items) })},
	{"MS-088", "lists deliveries without their reason to wait", deliveryPage(nil, func(p *storage.Page[webhooks.Delivery]) {
		for i := range p.Items {
			p.Items[i].NextAttemptAt = time.Time{}
		}
	})},
	{"MS-089", "lists deliveries of one time by their ids from the smallest on", deliveryPage(nil, func(p *storage.Page[webhooks.Delivery]) {
		slices.SortStableFunc(p.Items, func(a, b webhooks.Delivery) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
		})
	})},
	{"MS-089", "orders deliveries as people do", deliveryPage(nil, func(p *storage.Page[webhooks.Delivery]) {
		slices.SortStableFunc(p.Items, func(a, b webhooks.Delivery) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(strings.ToLower(b.ID), strings.ToLower(a.ID)))
		})
	})},
	{"MS-090", "does not choose by endpoint", blind(func(q *webhooks.DeliveryQuery) { q.EndpointID = "" })},
	{"MS-091", "does not choose by event type", blind(func(q *webhooks.DeliveryQuery) { q.EventType = "" })},
	{"MS-092", "does not choose by status", blind(func(q *webhooks.DeliveryQuery) { q.Status = "" })},
	{"MS-093", "does not choose by trace", blind(func(q *webhooks.DeliveryQuery) { q.TraceID = "" })},
	{"MS-094", "does not choose by message", blind(func(q *webhooks.DeliveryQuery) { q.MessageID = "" })},
	{"MS-095", "applies one filter of two", blind(func(q *webhooks.DeliveryQuery) {
		if q.EndpointID != "" {
			q.Status = ""
		}
	})},
	{"MS-095", "applies so many filters only", blind(func(q *webhooks.DeliveryQuery) {
		if q.EndpointID != "" && q.EventType != "" && q.Status != "" && q.TraceID != "" {
			q.EventType, q.TraceID = "", ""
		}
	})},
	{"MS-095", "folds the case of what is asked for", deliveryPage(func(q *webhooks.DeliveryQuery) { q.EndpointID = strings.ToLower(q.EndpointID) }, nil)},
	{"MS-096", "counts a page before it filters", func(a *animal) {
		a.listDeliveries = func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
			at, id, ok := placeOf(q.Plan(tenant))
			all := webhooks.DeliveryQuery{Limit: q.Limit}
			if ok {
				all.After = next(webhooks.Delivery{CreatedAt: at, ID: id})(all.Plan(tenant))
			}
			p, err := a.Store.ListDeliveries(ctx, tenant, all)
			p.Items = slices.DeleteFunc(p.Items, func(d webhooks.Delivery) bool { return !passes(q, d) })
			if p.Next = ""; len(p.Items) == q.Limit {
				p.Next = next(p.Items[len(p.Items)-1])(q.Plan(tenant))
			}
			return p, err
		}
	}},
	{"MS-096", "goes on behind a time of deliveries", func(a *animal) {
		a.listDeliveries = func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
			if at, _, ok := placeOf(q.Plan(tenant)); ok {
				q.After = next(webhooks.Delivery{CreatedAt: at, ID: "\x01"})(fresh(q).Plan(tenant))
			}
			return a.Store.ListDeliveries(ctx, tenant, q)
		}
	}},
	{"MS-097", "goes on by counting deliveries", func(a *animal) {
		seen := 0
		a.listDeliveries = func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
			all, err := a.Store.ListDeliveries(ctx, tenant, webhooks.DeliveryQuery{Limit: storage.MaxLimit})
			var p storage.Page[webhooks.Delivery]
			p.Items = all.Items[seen:min(seen+q.Limit, len(all.Items))]
			if seen += q.Limit; seen < len(all.Items) {
				p.Next = next(p.Items[len(p.Items)-1])(q.Plan(tenant))
			}
			return p, err
		}
	}},
	{"MS-098", "opens cursors of other tenants", func(a *animal) {
		a.listDeliveries = func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
			if at, id, ok := placeOf(q.Plan(owner(tenant))); ok {
				q.After = next(webhooks.Delivery{CreatedAt: at, ID: id})(fresh(q).Plan(tenant))
			}
			return a.Store.ListDeliveries(ctx, tenant, q)
		}
	}},
	{"MS-098", "opens cursors of other filters", func(a *animal) {
		a.listDeliveries = func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
			all := webhooks.DeliveryQuery{After: q.After}
			if at, id, ok := placeOf(all.Plan(tenant)); ok {
				q.After = next(webhooks.Delivery{CreatedAt: at, ID: id})(fresh(q).Plan(tenant))
			}
			return a.Store.ListDeliveries(ctx, tenant, q)
		}
	}},
	{"MS-099", "runs on into the deliveries of the next tenant", func(a *animal) {
		a.listDeliveries = func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
			p, err := a.Store.ListDeliveries(ctx, tenant, q)
			if err != nil || p.Next != "" {
				return p, err
			}
			more, err := a.Store.ListDeliveries(ctx, tenant+"-other", webhooks.DeliveryQuery{Limit: 1})
			p.Items = append(p.Items, more.Items...)
			return p, err
		}
	}},
	{"MS-100", "answers one more than the longest page", func(a *animal) {
		a.listDeliveries = func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
			p, err := a.Store.ListDeliveries(ctx, tenant, q)
			if err != nil || q.Limit <= storage.MaxLimit {
				return p, err
			}
			more, err := a.Store.ListDeliveries(ctx, tenant, webhooks.DeliveryQuery{After: p.Next, Limit: 1})
			p.Items = append(p.Items, more.Items...)
			return p, err
		}
	}},
	{"MS-100", "answers the longest page where none was asked for", deliveryPage(func(q *webhooks.DeliveryQuery) {
		q.Limit = cmp.Or(q.Limit, storage.MaxLimit)
	}, nil)},
	{"MS-101", "reads the latest of the held ones first", heldAs(func(list []webhooks.Delivery) []webhooks.Delivery {
		slices.Reverse(list)
		return list
	})},
	{"MS-101", "reads all held ones", func(a *animal) {
		a.heldDeliveries = func(ctx context.Context, tenant, endpointID string, _ int) ([]webhooks.Delivery, error) {
			return a.Store.HeldDeliveries(ctx, tenant, endpointID, storage.MaxLimit)
		}
	}},
	{"MS-102", "reads the held ones of all endpoints", func(a *animal) {
		a.heldDeliveries = func(ctx context.Context, tenant, endpointID string, limit int) ([]webhooks.Delivery, error) {
			one, err := a.Store.HeldDeliveries(ctx, tenant, "e1", limit)
			two, err2 := a.Store.HeldDeliveries(ctx, tenant, "e2", limit)
			return slices.Concat(one, two), errors.Join(err, err2)
		}
	}},
	{"MS-102", "reads the held ones of all tenants", func(a *animal) {
		a.heldDeliveries = func(ctx context.Context, tenant, endpointID string, limit int) ([]webhooks.Delivery, error) {
			one, err := a.Store.HeldDeliveries(ctx, tenant, endpointID, limit)
			two, err2 := a.Store.HeldDeliveries(ctx, tenant+"-other", endpointID, limit)
			return slices.Concat(one, two), errors.Join(err, err2)
		}
	}},
	{"MS-103", "holds for ever what was held once", putAs(func(before webhooks.Delivery, d *webhooks.Delivery) { d.Held = d.Held || before.Held })},
	{"MS-103", "holds nothing by a put", putAs(func(before webhooks.Delivery, d *webhooks.Delivery) { d.Held = d.Held && before.Held })},
}

// attemptEach returns a breaking that changes each attempt as it is read.
func attemptEach(change func(x *webhooks.Attempt)) func(a *animal) {
	return attemptsAs(func(all []webhooks.Attempt) []webhooks.Attempt {
		for i := range all {
			change(&all[i])
		}
		return all
	})
}

var attemptZoo = []storeMutant{
	{"MS-104", "keeps durations to the millisecond", attemptAs(func(x *webhooks.Attempt) { x.Duration = x.Duration.Truncate(time.Millisecond) })},
	{"MS-104", "cuts an answer at its first NUL", attemptAs(func(x *webhooks.Attempt) { x.Response, _, _ = bytes.Cut(x.Response, []byte{0}) })},
	{"MS-104", "forgets the span", attemptAs(func(x *webhooks.Attempt) { x.SpanID = "" })},
	{"MS-104", "answers when it was stored", attemptEach(func(x *webhooks.Attempt) { x.At = x.At.Add(time.Microsecond) })},
	{"MS-105", "answers an empty answer for none", attemptEach(func(x *webhooks.Attempt) {
		if x.Response == nil {
			x.Response = []byte{}
		}
	})},
	{"MS-106", "keeps the answer that it was given", func(a *animal) {
		var given []byte
		a.insertAttempt = func(ctx context.Context, tenant string, x webhooks.Attempt) error {
			a.remember(func() { given = x.Response })
			return a.Store.InsertAttempt(ctx, tenant, x)
		}
		attemptEach(func(x *webhooks.Attempt) { x.Response = given })(a)
	}},
	{"MS-107", "orders attempts as texts", attemptsAs(func(all []webhooks.Attempt) []webhooks.Attempt {
		return slices.SortedFunc(slices.Values(all), func(a, b webhooks.Attempt) int { return cmp.Compare(fmt.Sprint(a.N), fmt.Sprint(b.N)) })
	})},
	{"MS-107", "reads the latest attempt first", attemptsAs(func(all []webhooks.Attempt) []webhooks.Attempt {
		slices.Reverse(all)
		return all
	})},
	{"MS-108", "answers nil where a number is taken", func(a *animal) {
		a.insertAttempt = func(ctx context.Context, tenant string, x webhooks.Attempt) error {
			if err := a.Store.InsertAttempt(ctx, tenant, x); !errors.Is(err, storage.ErrConflict) {
				return err
			}
			return nil
		}
	}},
	{"MS-108", "gives an attempt whose number is taken the next one", func(a *animal) {
		a.insertAttempt = func(ctx context.Context, tenant string, x webhooks.Attempt) error {
			err := a.Store.InsertAttempt(ctx, tenant, x)
			if errors.Is(err, storage.ErrConflict) {
				x.N++
				return errors.Join(err, a.Store.InsertAttempt(ctx, tenant, x))
			}
			return err
		}
	}},
	{"MS-109", "looks for an attempt a moment before it inserts it", func(a *animal) {
		var mu sync.Mutex
		early := map[string]int{}
		a.insertAttempt = func(ctx context.Context, tenant string, x webhooks.Attempt) error {
			mu.Lock()
			defer mu.Unlock()
			err := a.Store.InsertAttempt(ctx, tenant, x)
			if early[x.DeliveryID]++; errors.Is(err, storage.ErrConflict) && early[x.DeliveryID] <= ruletest.Writers {
				return nil
			}
			return err
		}
	}},
	{"MS-110", "folds the case of deliveries", attemptAs(func(x *webhooks.Attempt) {
		if x.DeliveryID == "D1" {
			x.DeliveryID, x.N = "d1", 2
		}
	})},
	{"MS-110", "shows attempts of other tenants", func(a *animal) {
		a.attempts = func(ctx context.Context, tenant, deliveryID string) ([]webhooks.Attempt, error) {
			return a.Store.Attempts(ctx, owner(tenant), deliveryID)
		}
	}},
	{"MS-111", "reads the first attempts of very many", func(a *animal) {
		var first []webhooks.Attempt
		a.insertAttempt = func(ctx context.Context, tenant string, x webhooks.Attempt) error {
			a.remember(func() {
				if len(first) < storage.MaxLimit {
					first = append(first, x)
				}
			})
			return a.Store.InsertAttempt(ctx, tenant, x)
		}
		a.attempts = func(ctx context.Context, tenant, deliveryID string) ([]webhooks.Attempt, error) { return first, nil }
	}},
	{"MS-112", "cuts long answers", attemptAs(func(x *webhooks.Attempt) { x.Response = x.Response[:min(len(x.Response), 255)] })},
	{"MS-112", "cuts long errors", attemptAs(func(x *webhooks.Attempt) { x.Error = x.Error[:min(len(x.Error), 64)] })},
}

var transactionZoo = []storeMutant{
	{"MS-113", "inserts endpoints beside the transaction", func(a *animal) {
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			return a.afterwards(ctx, func(ctx context.Context) error { return a.Store.InsertEndpoint(ctx, tenant, p, s) })
		}
	}},
	{"MS-114", "updates endpoints beside the transaction", func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			return a.afterwards(ctx, func(ctx context.Context) error { return a.Store.UpdateEndpoint(ctx, tenant, p, revision) })
		}
	}},
	{"MS-115", "deletes endpoints beside the transaction", func(a *animal) {
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, revision int64) error {
			return a.afterwards(ctx, func(ctx context.Context) error { return a.Store.DeleteEndpoint(ctx, tenant, id, revision) })
		}
	}},
	{"MS-116", "sets secrets beside the transaction", func(a *animal) {
		a.setSecrets = func(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
			return a.afterwards(ctx, func(ctx context.Context) error { return a.Store.SetSecrets(ctx, tenant, endpointID, all) })
		}
	}},
	{"MS-117", "seals again beside the transaction", func(a *animal) {
		a.replaceSealed = func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
			return true, a.afterwards(ctx, func(ctx context.Context) error {
				_, err := a.Store.ReplaceSealed(ctx, tenant, s, fresh)
				return err
			})
		}
	}},
	{"MS-118", "sets health beside the transaction", func(a *animal) {
		a.setHealth = func(ctx context.Context, tenant, id string, h webhooks.Health) error {
			return a.afterwards(ctx, func(ctx context.Context) error { return a.Store.SetHealth(ctx, tenant, id, h) })
		}
	}},
	{"MS-119", "inserts messages beside the transaction", func(a *animal) {
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			return true, a.afterwards(ctx, func(ctx context.Context) error {
				_, err := a.Store.InsertMessage(ctx, tenant, m, deliveries)
				return err
			})
		}
	}},
	{"MS-120", "puts deliveries beside the transaction", func(a *animal) {
		a.putDelivery = func(ctx context.Context, tenant string, d webhooks.Delivery) error {
			return a.afterwards(ctx, func(ctx context.Context) error { return a.Store.PutDelivery(ctx, tenant, d) })
		}
	}},
	{"MS-121", "inserts attempts beside the transaction", insertsAttemptsLate},
	{"MS-122", "has its attempts seen after the transaction only", insertsAttemptsLate},
	{"MS-123", "reads endpoints past the transaction", func(a *animal) {
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			return a.Store.GetEndpoint(storage.Detach(ctx), tenant, id, false)
		}
	}},
	{"MS-123", "reads held deliveries past the transaction", func(a *animal) {
		a.heldDeliveries = func(ctx context.Context, tenant, endpointID string, limit int) ([]webhooks.Delivery, error) {
			return a.Store.HeldDeliveries(storage.Detach(ctx), tenant, endpointID, limit)
		}
	}},
	{"MS-123", "reads subscribers past the transaction", func(a *animal) {
		a.subscribers = func(ctx context.Context, tenant string, patterns []string) ([]string, error) {
			return a.Store.Subscribers(storage.Detach(ctx), tenant, patterns)
		}
	}},
	{"MS-124", "loses an attempt at the commit", func(a *animal) {
		var inside []webhooks.Attempt
		a.insertAttempt = func(ctx context.Context, tenant string, x webhooks.Attempt) error {
			a.remember(func() { inside = append(inside, x) })
			return nil
		}
		a.attempts = func(ctx context.Context, tenant, deliveryID string) ([]webhooks.Attempt, error) {
			if inTx(ctx) && deliveryID == "d1" {
				return inside, nil
			}
			return nil, nil
		}
	}},
	{"MS-125", "keeps what was written in a savepoint", insertsAttemptsLate},
	{"MS-126", "reads with plain statements once the transaction has ended", func(a *animal) {
		a.getMessage = func(ctx context.Context, tenant, id string) (webhooks.Message, error) {
			m, err := a.Store.GetMessage(ctx, tenant, id)
			if errors.Is(err, storage.ErrTxDone) {
				return a.Store.GetMessage(storage.Detach(ctx), tenant, id)
			}
			return m, err
		}
	}},
	{"MS-126", "writes with plain statements once the transaction has ended", func(a *animal) {
		a.setHealth = func(ctx context.Context, tenant, id string, h webhooks.Health) error {
			err := a.Store.SetHealth(ctx, tenant, id, h)
			if errors.Is(err, storage.ErrTxDone) {
				return a.Store.SetHealth(storage.Detach(ctx), tenant, id, h)
			}
			return err
		}
	}},
	{"MS-127", "writes in a transaction of its own beside another backend's", func(a *animal) {
		a.insertAttempt = func(ctx context.Context, tenant string, x webhooks.Attempt) error {
			err := a.Store.InsertAttempt(ctx, tenant, x)
			if errors.Is(err, storage.ErrForeignTx) {
				return a.Store.InsertAttempt(storage.Detach(ctx), tenant, x)
			}
			return err
		}
	}},
	{"MS-128", "ends its transaction with a refused write", func(a *animal) {
		var aborted error
		a.insertAttempt = func(ctx context.Context, tenant string, x webhooks.Attempt) error {
			err := a.Store.InsertAttempt(ctx, tenant, x)
			if err != nil {
				a.remember(func() { aborted = err })
			}
			return err
		}
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			if aborted != nil {
				return false, fmt.Errorf("the transaction is aborted: %w", aborted)
			}
			return a.Store.InsertMessage(ctx, tenant, m, deliveries)
		}
	}},
}

// insertsAttemptsLate breaks a store so that attempts are inserted beside the transaction.
func insertsAttemptsLate(a *animal) {
	a.insertAttempt = func(ctx context.Context, tenant string, x webhooks.Attempt) error {
		return a.afterwards(ctx, func(ctx context.Context) error { return a.Store.InsertAttempt(ctx, tenant, x) })
	}
}
