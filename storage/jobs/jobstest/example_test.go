package jobstest_test

import (
	"context"
	"testing"

	"github.com/lumelle/adminkit/storage/jobs/jobstest"
	"github.com/lumelle/adminkit/storage/memory"
)

// An author of a backend proves its store with one call.
func ExampleRun() {
	_ = func(t *testing.T) { // TestJobs
		jobstest.Run(t, jobstest.Options{New: func(t *testing.T) jobstest.Backend {
			b, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close(context.Background()) })
			return b
		}})
	}
}
