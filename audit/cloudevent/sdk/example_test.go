package sdk_test

import (
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent/sdk"
)

func ExampleFromEvent() {
	e, err := sdk.FromEvent(audit.Event{
		ID: "1", Source: "/orders", Type: "lumelle.orders.v1.refunded",
		Resource: audit.Resource{Type: "order", ID: "1001"},
		Payload:  []byte(`{"amount":"150.00"}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Validate(), e.Subject(), string(e.Data()))

	back, err := sdk.ToEvent(e)
	fmt.Println(back.Resource.ID, err)

	_, err = sdk.ToEvent(event.New())
	fmt.Println(err)
	// Output:
	// <nil> order/1001 {"amount":"150.00"}
	// 1001 <nil>
	// invalid input: /id: is not valid in a CloudEvent; /source: is not valid in a CloudEvent; /type: is not valid in a CloudEvent
}
