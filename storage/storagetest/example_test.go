package storagetest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest"
)

// A backend of one's own is tested by one function in a _test.go file.
func ExampleRun() {
	TestConformance := func(t *testing.T) {
		storagetest.Run(t, storagetest.Options{
			New: func(t *testing.T) storagetest.Backend {
				b, err := memory.New(memory.Config{}) // yours
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
				return b
			},
		})
	}
	_ = TestConformance
}

// The rules that hold of every store, by their ids, which failures and reviews cite.
func ExampleRules() {
	subject := func(id string) bool { return strings.Contains("TX HJ TN ID PG RV MG", id[:2]) }
	for _, r := range storagetest.Rules() {
		if subject(r.ID) {
			fmt.Println(r)
		}
	}
	// Output:
	// TX-001 what one transaction wrote into all stores is there after its commit
	// TX-002 a function that fails leaves nothing in any store, and its error comes back as it is
	// TX-003 a panic undoes the transaction and goes on
	// TX-004 a goroutine that ends inside a transaction undoes it
	// TX-005 a transaction sees its own writes
	// TX-006 nobody else sees what is not committed
	// TX-007 a nested transaction that fails undoes its own part only
	// TX-008 a nested transaction that succeeded is undone with the outer one
	// TX-009 savepoints nest and are undone level by level
	// TX-010 a ctx that outlived its transaction is refused
	// TX-011 a ctx that outlived its savepoint is refused
	// TX-012 an outer ctx is refused while a savepoint is open inside it
	// TX-013 two goroutines on one ctx are told so or served one after another, and no write is lost
	// TX-014 a ctx that carries another backend's transaction is refused
	// TX-015 a ctx that is cancelled before the commit undoes the transaction
	// TX-016 a function is not run for a ctx that is done
	// TX-017 AfterCommit runs once, after the writes can be seen, and not at all when they are undone
	// TX-018 AfterCommit of a savepoint that was undone is forgotten
	// TX-019 transactions from many goroutines are all kept
	// TX-020 a failure among concurrent transactions undoes that one only
	// TX-021 a closed backend refuses transactions and may be closed again
	// TX-022 a backend that was closed and opened again has what was committed
	// TX-023 AfterCommit belongs to the level whose ctx registered it, wherever that was
	// HJ-001 what the kit wrote in a host's transaction is there once the host commits
	// HJ-002 what the kit wrote in a host's transaction goes when the host rolls back
	// HJ-003 a failing InTx inside a host's transaction leaves the host's usable
	// HJ-004 AfterCommit answers false in a host's transaction and never runs
	// HJ-005 a ctx joined to a host's transaction writes nothing after the host ended it
	// TN-001 the same id in two tenants is two records
	// TN-002 another tenant's record is not found, cannot be changed and cannot be deleted
	// TN-003 what is not there is storage.ErrNotFound
	// TN-004 no method that takes a tenant shows or changes anything of another, whatever ids it is given
	// ID-001 identifiers are kept byte for byte and told apart by case, spaces, accents and encoding
	// ID-002 tenants are told apart byte for byte
	// ID-003 unfit identifiers are refused and leave nothing
	// ID-004 lists order identifiers by their bytes
	// PG-001 pages of every length put together are the whole list in its order
	// PG-002 a list holds nothing of another tenant
	// PG-003 records that stay are listed once while others are added and deleted
	// PG-004 a list goes on behind a position whose record was deleted
	// PG-005 cursors that were changed, cut or made for another list are refused
	// PG-006 a page is as long as was asked for, and Next is empty at the end only
	// RV-001 an update that was made for another revision is refused and changes nothing
	// RV-002 of many updates for one revision exactly one succeeds
	// RV-003 a refused update leaves its transaction usable
	// MG-001 migrating again changes nothing, and nothing is pending after it
	// MG-002 many processes that start at once on an empty place all start, and share it
}
