package signal_test

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/signal"
)

// Who listens under the origin that signals knows already; everybody else is told.
func ExampleHub() {
	hub := signal.New(nil) // a backend without other processes
	defer hub.Close(context.Background())

	queue, other := "the queue", "another queue"
	defer hub.Listen("jobs", queue, func([]storage.Signal) { fmt.Println("not told") })()
	defer hub.Listen("jobs", other, func(signals []storage.Signal) { fmt.Println(signals) })()

	hub.Signal("jobs", queue, storage.Signal{Tenant: "acme", Name: "mail"})
	// Output: [{acme mail}]
}
