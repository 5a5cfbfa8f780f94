// Package faults makes database calls fail, one at a time, to find out what a change
// leaves behind when it is interrupted.
//
// A [Plan] counts the calls of a run and fails one of them: before it is made, after
// it was made but as if it had failed, or by losing the connection at either moment.
// [Sweep] yields the plans that fail call 1, 2, 3 ... in each mode until a run has no
// such call any more, so that a short loop tries every way in which a change can break:
//
//	for plan := range faults.Sweep() {
//		db := sql.OpenDB(plan.Connector(connector)) // a fresh database each time
//		prepare(db)
//		plan.Arm()
//		err := change(db)
//		plan.Disarm()
//		// Look with another connection: is all of the change there, or none of it?
//		// Is it there where err is nil? Does a repetition under the same id complete it?
//	}
//
// Faults are injected in two places: under database/sql with [Plan.Connector], which
// suits every driver, and under the network with [Plan.Dial], for drivers that do not
// go through database/sql, as pgx. The first knows what a call is and can fail a commit
// that the database has made; the second breaks connections as networks do.
//
// The order of calls must be the same in every run: let one goroutine make the change,
// fix clocks and ids, and take a fresh database, or a fresh tenant, each time.
package faults
