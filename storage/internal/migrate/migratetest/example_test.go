package migratetest_test

import (
	"fmt"
	"log"
	"testing/fstest"

	"github.com/lumelle/adminkit/storage/internal/migrate/migratetest"
)

// What a next release may add without stopping this one.
func ExampleNext() {
	mine := fstest.MapFS{
		"0000_migration.sql": {},
		"0001_orders.sql":    {Data: []byte(`CREATE TABLE orders (id TEXT)`)},
	}
	next, err := migratetest.Next(mine, "orders")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(next["9998_next_serves_0001.sql"].Data))
	// Output:
	// ALTER TABLE orders ADD COLUMN note_of_next TEXT;
	// ALTER TABLE orders ADD COLUMN level_of_next INTEGER NOT NULL DEFAULT 7;
	// CREATE INDEX orders_of_next ON orders (level_of_next, note_of_next);
	// CREATE TABLE adminkit_of_next (id INTEGER NOT NULL PRIMARY KEY);
}
