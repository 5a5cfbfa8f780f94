package migrate_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"time"

	"github.com/lumelle/adminkit/storage/internal/migrate"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// A release brings a file. It runs once; changed afterwards, it is refused by every
// program that is started.
func ExampleRun() {
	ctx := context.Background()
	backend, err := sqlite.Open(ctx, sqlite.Memory, sqlite.Config{NoMigrate: true})
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close(ctx)
	start := func(release fs.FS) {
		names, err := migrate.Pending(ctx, engine{backend}, release)
		if err == nil {
			err = migrate.Run(ctx, engine{backend}, release, time.Now)
		}
		fmt.Println(names, err != nil)
	}

	start(files(map[string]string{"0001_orders.sql": `CREATE TABLE orders (id TEXT)`}))
	start(files(map[string]string{"0001_orders.sql": `CREATE TABLE orders (id TEXT)`, "0002_stock.sql": `CREATE TABLE stock (id TEXT)`}))
	start(files(map[string]string{"0001_orders.sql": `CREATE TABLE orders (id BIGINT)`, "0002_stock.sql": `CREATE TABLE stock (id TEXT)`}))
	// Output:
	// [0001_orders.sql] false
	// [0002_stock.sql] false
	// [] true
}
