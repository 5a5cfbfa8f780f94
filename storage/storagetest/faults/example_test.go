package faults_test

import (
	"database/sql"
	"fmt"
	"log"

	driversqlite "modernc.org/sqlite"

	"github.com/lumelle/adminkit/storage/storagetest/faults"
)

// A refund and its record are written together. The sweep interrupts that at every
// call and finds both or neither.
func ExampleSweep() {
	half, faulted := 0, 0
	for plan := range faults.Sweep() {
		c, err := driversqlite.NewConnector("file:example?mode=memory&cache=shared")
		if err != nil {
			log.Fatal(err)
		}
		clean, db := sql.OpenDB(c), sql.OpenDB(plan.Connector(c))
		if _, err := clean.Exec(`CREATE TABLE refund (id TEXT); CREATE TABLE audit (id TEXT)`); err != nil {
			log.Fatal(err)
		}

		plan.Arm()
		refund(db) // its error is part of the experiment
		plan.Disarm()

		if _, ok := plan.Fired(); ok {
			faulted++
		}
		db.Close()
		var refunds, audits int
		if err := clean.QueryRow(`SELECT (SELECT COUNT(*) FROM refund), (SELECT COUNT(*) FROM audit)`).Scan(&refunds, &audits); err != nil {
			log.Fatal(err)
		}
		if refunds != audits {
			half++
		}
		clean.Close()
	}
	fmt.Printf("%d faults, %d changes half done\n", faulted, half)
	// Output: 20 faults, 0 changes half done
}

func refund(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`INSERT INTO refund (id) VALUES ('a')`); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO audit (id) VALUES ('a')`); err != nil {
		return err
	}
	return tx.Commit()
}
