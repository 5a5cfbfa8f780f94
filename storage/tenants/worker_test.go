package tenants_test

import (
	"context"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/tenants"
)

// A worker is in the middle of a job when its tenant goes: what the handler writes goes
// with its outcome, and the worker works on for the others.
func TestADeletionTakesTheWorkFromItsWorker(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
		if err != nil {
			t.Fatal(err)
		}
		running, goOn, settled, others := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan struct{}, 1)
		worker, err := jobs.NewWorker(q, map[string]jobs.Handler{
			"slow": func(ctx context.Context, task *jobs.Task) error {
				close(running)
				<-goOn
				err := b.InTx(ctx, func(ctx context.Context) error {
					if err := q.Enqueue(ctx, jobs.Job{Tenant: "acme", Lane: "next", Kind: "slow"}); err != nil {
						return err
					}
					return task.Complete(ctx)
				})
				settled <- err
				return err
			},
			"quick": func(context.Context, *jobs.Task) error {
				others <- struct{}{}
				return nil
			},
		}, jobs.WorkerConfig{Poll: 5 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Enqueue(t.Context(), jobs.Job{Tenant: "acme", Lane: "orders", Kind: "slow"}); err != nil {
			t.Fatal(err)
		}
		if err := worker.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer worker.Close(context.Background())
		<-running
		if _, err := serviceOver(b.Tenants()).Delete(t.Context(), "acme", tenants.Deletion{Evidence: true}); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		if err := <-settled; err == nil {
			t.Error("the handler's transaction was committed")
		}
		if err := q.Enqueue(t.Context(), jobs.Job{Tenant: "bloom", Lane: "orders", Kind: "quick"}); err != nil {
			t.Fatal(err)
		}
		<-others
		if text, n := exportOf(t, b, "acme"); n != 0 {
			t.Errorf("the job that ran left\n%s", text)
		}
	})
}
