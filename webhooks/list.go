package webhooks

import (
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

var endpointList = listing.List[Endpoint]{
	Name: "webhooks.endpoints",
	ID:   func(e Endpoint) string { return e.ID },
	Fields: []listing.Field[Endpoint]{
		listing.TextField("id", func(e Endpoint) string { return e.ID }),
		listing.TextField("url", func(e Endpoint) string { return e.URL }),
		listing.TextField("description", func(e Endpoint) string { return e.Description }),
		listing.WordField("status", []string{Enabled, Disabled}, func(e Endpoint) string { return e.Status }),
		listing.TextField("disabled_reason", func(e Endpoint) string { return e.DisabledReason }),
		listing.TimeField("created_at", func(e Endpoint) time.Time { return e.CreatedAt }).Sortable(),
		listing.TimeField("updated_at", func(e Endpoint) time.Time { return e.UpdatedAt }).Sortable(),
	},
	Sort: listing.Sort{Field: "created_at"},
}

var deliveryList = listing.List[Delivery]{
	Name: "webhooks.deliveries",
	ID:   func(d Delivery) string { return d.ID },
	Fields: []listing.Field[Delivery]{
		listing.TextField("id", func(d Delivery) string { return d.ID }),
		listing.TextField("message_id", func(d Delivery) string { return d.MessageID }),
		listing.TextField("endpoint_id", func(d Delivery) string { return d.EndpointID }),
		listing.TextField("event_type", func(d Delivery) string { return d.EventType }),
		listing.WordField("status", Statuses(), func(d Delivery) string { return d.Status }),
		listing.FlagField("held", func(d Delivery) bool { return d.Held }),
		listing.TextField("reason", func(d Delivery) string { return d.Reason }),
		listing.TextField("trace_id", func(d Delivery) string { return d.TraceID }),
		listing.TimeField("next_attempt_at", func(d Delivery) time.Time { return d.NextAttemptAt }),
		// The one sort: each further index is a write more for every delivery.
		listing.TimeField("created_at", func(d Delivery) time.Time { return d.CreatedAt }).Sortable(),
	},
	Sort: listing.Sort{Field: "created_at", Descending: true},
}

// Endpoints returns the declaration of the list of endpoints.
func Endpoints() listing.List[Endpoint] { return clone(endpointList) }

// Deliveries returns the declaration of the list of deliveries. The ids of endpoints,
// messages and traces are what an index serves; other filters read through the tenant's
// deliveries in the order of the list until the page is full.
func Deliveries() listing.List[Delivery] { return clone(deliveryList) }

func clone[T any](l listing.List[T]) listing.List[T] {
	l.Fields = slices.Clone(l.Fields)
	return l
}

// EndpointQuery chooses endpoints, see [Endpoints].
type EndpointQuery struct {
	Filters []listing.Filter
	Sort    listing.Sort
	After   storage.Cursor
	Limit   int
}

// Plan returns what a store goes by, or what is wrong with the query: errors are those of
// listing.List.Plan.
func (q EndpointQuery) Plan(tenant string) (*listing.Plan[Endpoint], error) {
	return endpointList.Plan(listing.Query{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit}, tenant)
}

// DeliveryQuery chooses deliveries, see [Deliveries]. Empty fields choose all; one that
// is set is a filter for what equals it.
type DeliveryQuery struct {
	EndpointID string
	EventType  string
	Status     string
	TraceID    string
	MessageID  string
	Filters    []listing.Filter
	Sort       listing.Sort
	After      storage.Cursor
	Limit      int
}

// Plan returns what a store goes by, or what is wrong with the query: errors are those of
// listing.List.Plan.
func (q DeliveryQuery) Plan(tenant string) (*listing.Plan[Delivery], error) {
	filters := slices.Clone(q.Filters)
	for _, f := range []listing.Filter{
		listing.Is("endpoint_id", q.EndpointID), listing.Is("event_type", q.EventType), listing.Is("status", q.Status),
		listing.Is("trace_id", q.TraceID), listing.Is("message_id", q.MessageID),
	} {
		if f.Values[0] != "" {
			filters = append(filters, f)
		}
	}
	return deliveryList.Plan(listing.Query{Filters: filters, Sort: q.Sort, After: q.After, Limit: q.Limit}, tenant)
}
