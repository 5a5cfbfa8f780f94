package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

// A change asks for work in its own transaction, and a worker does it after the commit.
func Example() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	queue, err := jobs.NewQueue(backend.Jobs(), jobs.Config{})
	if err != nil {
		panic(err)
	}

	done := make(chan string)
	worker, err := jobs.NewWorker(queue, map[string]jobs.Handler{
		"mail.receipt": func(ctx context.Context, task *jobs.Task) error {
			done <- fmt.Sprintf("receipt for order %s", task.Job.Payload)
			return nil
		},
	}, jobs.WorkerConfig{})
	if err != nil {
		panic(err)
	}
	if err := worker.Start(ctx); err != nil {
		panic(err)
	}

	order := func(id string, fails error) error {
		return backend.InTx(ctx, func(ctx context.Context) error {
			if err := queue.Enqueue(ctx, jobs.Job{
				Tenant: "acme", Lane: "mail", Kind: "mail.receipt", Payload: []byte(id),
			}); err != nil {
				return err
			}
			return fails // the rest of the change
		})
	}
	fmt.Println("17:", order("17", errors.New("out of stock")))
	fmt.Println("18:", order("18", nil))
	fmt.Println(<-done)

	closing, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	fmt.Println("closed:", worker.Close(closing))
	// Output:
	// 17: out of stock
	// 18: <nil>
	// receipt for order 18
	// closed: <nil>
}
