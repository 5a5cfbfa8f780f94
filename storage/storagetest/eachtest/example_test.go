package eachtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A test says once what has to hold of every store. Run gives it each in turn.
func ExampleRun() {
	_ = func(t *testing.T) { // TestALogIsEmptyAtFirst
		eachtest.Run(t, func(t *testing.T, b eachtest.Backend) { emptyAtFirst(t, b) })
	}
	// ... which is, for the first of them:
	failures := ruletest.Try(context.Background(), func(t testing.TB) { emptyAtFirst(t, eachtest.Memory(t)) })
	fmt.Printf("%d failures\n", len(failures))
	// Output:
	// 0 events
	// 0 failures
}

func emptyAtFirst(t testing.TB, b eachtest.Backend) {
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := log.Query(t.Context(), "acme", audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%d events\n", len(page.Items))
}

// A backend lives as long as the test that asked for it.
func ExampleMemory() {
	var b eachtest.Backend
	ruletest.Try(context.Background(), func(t testing.TB) {
		b = eachtest.Memory(t)
		fmt.Println(b.Ping(t.Context()))
	})
	fmt.Println(errors.Is(b.Ping(context.Background()), storage.ErrUnavailable))
	// Output:
	// <nil>
	// true
}
