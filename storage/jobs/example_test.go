package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

// open returns an empty store and a queue over it.
func open() (*memory.Backend, *jobs.Queue) {
	backend, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	queue, err := jobs.NewQueue(backend.Jobs(), jobs.Config{})
	if err != nil {
		panic(err)
	}
	return backend, queue
}

// work starts a worker and returns what closes it.
func work(queue *jobs.Queue, handlers map[string]jobs.Handler, config jobs.WorkerConfig) (closing func()) {
	worker, err := jobs.NewWorker(queue, handlers, config)
	if err != nil {
		panic(err)
	}
	if err := worker.Start(context.Background()); err != nil {
		panic(err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := worker.Close(ctx); err != nil {
			panic(err)
		}
	}
}

// A change asks for work in its own transaction, and a worker does it after the commit.
func Example() {
	ctx := context.Background()
	backend, queue := open()
	sent := make(chan string)
	defer work(queue, map[string]jobs.Handler{
		"mail.receipt": func(ctx context.Context, task *jobs.Task) error {
			sent <- fmt.Sprintf("receipt for order %s", task.Job.Payload)
			return nil
		},
	}, jobs.WorkerConfig{})()

	pay := func(order string, fails error) error {
		return backend.InTx(ctx, func(ctx context.Context) error {
			if err := queue.Enqueue(ctx, jobs.Job{
				Tenant: "acme", Lane: "mail", Kind: "mail.receipt", Payload: []byte(order),
			}); err != nil {
				return err
			}
			return fails // the rest of the change
		})
	}
	fmt.Println("17:", pay("17", errors.New("the card was refused")))
	fmt.Println("18:", pay("18", nil))
	fmt.Println(<-sent)
	// Output:
	// 17: the card was refused
	// 18: <nil>
	// receipt for order 18
}

// The effect and the end of its job commit together. An attempt that fails in between
// leaves neither.
func ExampleTask_Complete() {
	ctx := context.Background()
	backend, queue := open()
	balance, done := 100, make(chan struct{})
	defer work(queue, map[string]jobs.Handler{
		"payout": func(ctx context.Context, task *jobs.Task) error {
			defer func() {
				if task.Job.Attempt == 1 {
					close(done)
				}
			}()
			return backend.InTx(ctx, func(ctx context.Context) error {
				balance -= 30
				if err := backend.OnRollback(ctx, func() { balance += 30 }); err != nil {
					return err
				}
				if task.Job.Attempt == 0 {
					return errors.New("the process stumbles")
				}
				return task.Complete(ctx)
			})
		},
	}, jobs.WorkerConfig{Backoff: func(int) time.Duration { return time.Millisecond }})()

	if err := queue.Enqueue(ctx, jobs.Job{Tenant: "acme", Lane: "payouts", Kind: "payout"}); err != nil {
		panic(err)
	}
	<-done
	fmt.Println("balance:", balance)
	// Output:
	// balance: 70
}

// A handler knows best when to try again and when to give up.
func ExampleRetryAt() {
	ctx := context.Background()
	_, queue := open()
	buried := make(chan jobs.Event)
	defer work(queue, map[string]jobs.Handler{
		"ping": func(ctx context.Context, task *jobs.Task) error {
			fmt.Println("attempt", task.Job.Attempt)
			if task.Job.Attempt < 2 {
				return jobs.RetryAt(time.Now().Add(time.Millisecond), errors.New("busy"))
			}
			return jobs.Bury(errors.New("gone"))
		},
	}, jobs.WorkerConfig{OnEvent: func(e jobs.Event) { buried <- e }})()

	if err := queue.Enqueue(ctx, jobs.Job{Tenant: "acme", Lane: "pings", Kind: "ping"}); err != nil {
		panic(err)
	}
	e := <-buried
	fmt.Println(e.Kind, e.Job.Kind, "because", e.Reason)
	// Output:
	// attempt 0
	// attempt 1
	// attempt 2
	// buried ping because gone
}

// Dead letters are looked at and, once their cause is mended, made jobs again.
func ExampleQueue_Requeue() {
	ctx := context.Background()
	_, queue := open()
	mended, buried, done := false, make(chan jobs.Event), make(chan struct{})
	defer work(queue, map[string]jobs.Handler{
		"export": func(ctx context.Context, task *jobs.Task) error {
			if !mended {
				return jobs.Bury(errors.New("the bucket does not exist"))
			}
			close(done)
			return nil
		},
	}, jobs.WorkerConfig{OnEvent: func(e jobs.Event) { buried <- e }})()

	if err := queue.Enqueue(ctx, jobs.Job{Tenant: "acme", Lane: "exports", Kind: "export"}); err != nil {
		panic(err)
	}
	<-buried
	page, err := queue.DeadJobs(ctx, "acme", jobs.DeadQuery{})
	if err != nil {
		panic(err)
	}
	for _, dead := range page.Items {
		fmt.Println(dead.Kind, "died because", dead.Reason)
		mended = true
		fmt.Println("by another tenant:", errors.Is(queue.Requeue(ctx, "bloom", dead.ID), storage.ErrNotFound))
		fmt.Println("by its own:", queue.Requeue(ctx, "acme", dead.ID))
	}
	<-done
	// Output:
	// export died because the bucket does not exist
	// by another tenant: true
	// by its own: <nil>
}

// An endpoint that cannot take more than one request at a time gets a cap of one.
func ExampleQueue_SetLane() {
	ctx := context.Background()
	_, queue := open()
	if err := queue.SetLane(ctx, "acme", "endpoint-1", jobs.LaneConfig{Cap: 1}); err != nil {
		panic(err)
	}
	err := queue.SetLane(ctx, "acme", "endpoint-1", jobs.LaneConfig{Cap: -1})
	fmt.Println(err)
	// Output:
	// invalid input: /cap: must be between 0 and 10000
}
