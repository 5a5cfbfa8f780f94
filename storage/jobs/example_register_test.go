package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// However often a report is asked for, it is made once.
func ExampleQueue_Lookup() {
	ctx := context.Background()
	_, queue := open()
	for range 3 {
		if err := queue.Enqueue(ctx, jobs.Job{
			Tenant: "acme", Lane: "reports", Kind: "report", Key: "report/2026-03", Due: time.Now().Add(time.Hour),
		}); err != nil {
			panic(err)
		}
	}
	page, err := queue.Jobs(ctx, "acme", jobs.JobQuery{Filter: jobs.Filter{Lane: "reports"}})
	if err != nil {
		panic(err)
	}
	job, err := queue.Lookup(ctx, "acme", "report/2026-03")
	fmt.Println(len(page.Items), "job of kind", job.Kind, err)
	// Output:
	// 1 job of kind report <nil>
}

// Work that is called off ends where it stands: its handler's ctx is done, and what it
// would settle no longer counts.
func ExampleQueue_Cancel() {
	ctx := context.Background()
	_, queue := open()
	started, stopped := make(chan int64), make(chan struct{})
	defer work(queue, map[string]jobs.Handler{
		"export": func(ctx context.Context, task *jobs.Task) error {
			started <- task.Job.ID
			<-ctx.Done()
			fmt.Println("stopped:", context.Cause(ctx))
			fmt.Println("completing:", task.Complete(context.WithoutCancel(ctx)))
			close(stopped)
			return ctx.Err()
		},
	}, jobs.WorkerConfig{})()

	if err := queue.Enqueue(ctx, jobs.Job{Tenant: "acme", Lane: "exports", Kind: "export"}); err != nil {
		panic(err)
	}
	id := <-started
	fmt.Println("by another tenant:", errors.Is(queue.Cancel(ctx, "bloom", id), storage.ErrNotFound))
	if err := queue.Cancel(ctx, "acme", id); err != nil {
		panic(err)
	}
	<-stopped
	attempts, err := queue.Attempts(ctx, "acme", id, 1)
	if err != nil {
		panic(err)
	}
	fmt.Println("recorded:", attempts[0].Result)
	// Output:
	// by another tenant: true
	// stopped: jobs: the job was cancelled
	// completing: jobs: the lease was lost
	// recorded: cancelled
}
