package schedule_test

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/jobs/schedule"
	"github.com/lumelle/adminkit/storage/memory"
)

// A report is made every second, until the program has seen two.
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
	scheduler, err := schedule.New(queue, backend, schedule.Config{})
	if err != nil {
		panic(err)
	}
	made := make(chan time.Time, 10)
	handlers := map[string]jobs.Handler{
		"report": func(ctx context.Context, task *jobs.Task) error {
			_, at, _ := schedule.Instant(task.Job)
			made <- at
			return nil
		},
	}
	maps.Copy(handlers, scheduler.Handlers())
	worker, err := jobs.NewWorker(queue, handlers, jobs.WorkerConfig{})
	if err != nil {
		panic(err)
	}
	if err := worker.Start(ctx); err != nil {
		panic(err)
	}
	defer func() {
		if err := worker.Close(ctx); err != nil {
			panic(err)
		}
	}()

	for range 2 { // as at every start: the second changes nothing
		if err := scheduler.Put(ctx, "acme", schedule.Schedule{
			Name: "report", Spec: schedule.Spec{Every: time.Second}, Job: jobs.Job{Lane: "reports", Kind: "report"},
		}); err != nil {
			panic(err)
		}
	}
	first, second := <-made, <-made
	fmt.Println("on the second:", first.Nanosecond() == 0, "and once each:", second.After(first))
	// Output:
	// on the second: true and once each: true
}

// What is old is deleted by one process of all. Here it is what package jobs keeps of
// attempts, and what anything else forgets.
func ExampleUpkeep() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	queue, err := jobs.NewQueue(backend.Jobs(), jobs.Config{})
	if err != nil {
		panic(err)
	}
	scheduler, err := schedule.New(queue, backend, schedule.Config{})
	if err != nil {
		panic(err)
	}
	swept := make(chan string, 10)
	upkeep, err := schedule.NewUpkeep(scheduler, "system",
		schedule.Chore{Name: "attempts", Spec: schedule.Spec{Cron: "15 3 * * *"}, Run: func(ctx context.Context) error {
			_, err := queue.Prune(ctx, queue.Now().AddDate(0, 0, -7))
			return err
		}},
		schedule.Chore{Name: "sweep", Spec: schedule.Spec{Every: time.Second}, Run: func(context.Context) error {
			swept <- "swept"
			return nil
		}},
	)
	if err != nil {
		panic(err)
	}
	handlers := upkeep.Handlers()
	maps.Copy(handlers, scheduler.Handlers())
	worker, err := jobs.NewWorker(queue, handlers, jobs.WorkerConfig{LeavePruning: true})
	if err != nil {
		panic(err)
	}
	if err := worker.Start(ctx); err != nil {
		panic(err)
	}
	defer func() {
		if err := worker.Close(ctx); err != nil {
			panic(err)
		}
	}()
	if err := upkeep.Put(ctx); err != nil {
		panic(err)
	}
	fmt.Println(<-swept)
	page, err := scheduler.List(ctx, "system", schedule.Query{})
	if err != nil {
		panic(err)
	}
	for _, s := range page.Items {
		fmt.Println(s.Name, s.Spec.Cron, s.Spec.Every)
	}
	// Output:
	// swept
	// upkeep/sweep  1s
	// upkeep/attempts 15 3 * * * 0s
}

// Clocks in Berlin go forward over half past two on 29 March: it runs when they do.
func ExampleSpec_Instants() {
	spec := schedule.Spec{Cron: "30 2 * * *", Zone: "Europe/Berlin"}
	instants, err := spec.Instants(time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC), 3)
	if err != nil {
		panic(err)
	}
	for _, at := range instants {
		fmt.Println(at.Format(time.RFC3339))
	}
	_, err = schedule.Spec{Cron: "0 0 30 2 *"}.Instants(time.Now(), 1)
	fmt.Println(err)
	// Output:
	// 2026-03-28T01:30:00Z
	// 2026-03-29T01:00:00Z
	// 2026-03-30T00:30:00Z
	// invalid input: /cron: means a day that does not exist
}
