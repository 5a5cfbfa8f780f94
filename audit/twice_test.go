package audit_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// Who repeats a change to the letter, its time and trace included, leaves nothing by
// which the log could tell the second record from the first.
func TestAChangeThatIsRepeatedWhileItIsMadeHappensOnce(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := audit.NewCatalog(audit.CatalogConfig{}, audit.Action{Name: "orders.refund"})
		if err != nil {
			t.Fatal(err)
		}
		governor, err := audit.NewGovernor(b, audit.Ungated, log, catalog)
		if err != nil {
			t.Fatal(err)
		}
		e := audit.Event{
			ID: "import-1", Tenant: "acme", Action: "orders.refund", Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
			Actor: audit.Actor{Type: audit.User, ID: "sam"}, Resource: audit.Resource{Type: "order", ID: "1001"},
			Trace: correlation.New(),
		}
		var made atomic.Int32
		change := func(meanwhile func()) error {
			_, err := governor.Change(t.Context(), e, func(ctx context.Context, _ *audit.Event) error {
				storage.AfterCommit(ctx, func() { made.Add(1) })
				meanwhile()
				return nil
			})
			return err
		}
		entered, done := make(chan struct{}), make(chan error, 1)
		first := change(func() {
			go func() { done <- change(func() { close(entered) }) }()
			select {
			case <-entered: // the second is being made at the same time
			case <-time.After(200 * time.Millisecond): // or waits for the first
			}
		})
		if again := <-done; first != nil || !errors.Is(again, audit.ErrAlreadyRecorded) || made.Load() != 1 {
			t.Errorf("the change happened %d times and answered %v and %v, want once and ErrAlreadyRecorded", made.Load(), first, again)
		}
	})
}
