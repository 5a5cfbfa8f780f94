package cloudevent_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
)

func ExampleMarshalPublic() {
	doc, err := cloudevent.MarshalPublic(audit.Event{
		ID: "0192f0c1", Source: "/orders", Type: "lumelle.orders.v1.refunded", Action: "orders.refund", Tenant: "acme",
		Time:    time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		Actor:   audit.Actor{Type: audit.User, ID: "sam"},
		Payload: json.RawMessage(`{"amount":"150.00","currency":"EUR"}`),
		Reason:  "damaged", // stays inside
	})
	fmt.Println(string(doc), err)
	// Output:
	// {"specversion":"1.0","id":"0192f0c1","source":"/orders","type":"lumelle.orders.v1.refunded","time":"2026-11-22T12:00:00Z","tenant":"acme","action":"orders.refund","authtype":"user","authid":"sam","datacontenttype":"application/json","data":{"amount":"150.00","currency":"EUR"}} <nil>
}

// A receiver takes any of the three modes of the HTTP binding.
func ExampleRead() {
	header := map[string][]string{
		"Content-Type":   {"application/json"},
		"Ce-Specversion": {"1.0"},
		"Ce-Id":          {"42"},
		"Ce-Source":      {"/shop"},
		"Ce-Type":        {"shop.order.v1.paid"},
	}
	envelopes, err := cloudevent.Read(header, []byte(`{"order": 7}`))
	fmt.Println(envelopes[0].Type, string(envelopes[0].Data), err)

	delete(header, "Ce-Id")
	_, err = cloudevent.Read(header, nil)
	fmt.Println(err)
	// Output:
	// shop.order.v1.paid {"order":7} <nil>
	// invalid input: /id: must not be blank
}
