package sqlite_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/ledger"
	"github.com/lumelle/adminkit/storage/storagetest/process"
)

func TestMain(m *testing.M) {
	process.Main(process.Roles{"ledger": keepLedger, "careless ledger": keepCarelessLedger})
	goleak.VerifyTestMain(m)
}

// writers is how many goroutines of a child write at the same time.
const writers = 4

// keepLedger makes entries in the file that its argument names.
func keepLedger(ctx context.Context, args []string) error {
	b, err := sqlite.Open(ctx, args[0], sqlite.Config{NoMigrate: true})
	if err != nil {
		return err
	}
	return errors.Join(ledger.Run(ctx, b, writers, process.Say), b.Close(context.WithoutCancel(ctx)))
}

// keepCarelessLedger is keepLedger in a host's database that does not wait for the disk.
func keepCarelessLedger(ctx context.Context, args []string) error {
	db, err := hostOf(args[0], "&_pragma=synchronous(normal)", nil)
	if err != nil {
		return err
	}
	defer db.Close()
	b, err := sqlite.New(ctx, db, sqlite.Config{NoMigrate: true})
	if err != nil {
		return err
	}
	return errors.Join(ledger.Run(ctx, b, writers, process.Say), b.Close(context.WithoutCancel(ctx)))
}
