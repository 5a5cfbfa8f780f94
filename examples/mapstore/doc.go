// Package mapstore is a storage backend on Go maps: a worked example for authors of
// adapters. It was written from the guide "Writing a storage adapter" of package
// storagetest, by the public API alone, and the suite of that package is its one test.
//
// It is for reading. Programs and tests that want a backend in memory take
// storage/memory, which does the same with indexes and lets hosts take part. Here a list
// goes over all rows, and nothing outlives the process.
//
//	b, err := mapstore.New()
//	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
//
// # How it is made
//
// A [Backend] has a table for each kind of record, a turn that one writer has at a time,
// and a lock for what is committed.
//
// A transaction is a layer above the tables, and a savepoint is a layer above another
// (tx.go). What is written goes into the top layer; what is read is looked for from the
// top down (table.go). A layer that ends well is moved into the one below it, the lowest
// one into the tables; a layer that fails is dropped. So rolling back undoes nothing, and
// whoever reads outside of a transaction never sees what is not committed.
//
// Each method that writes makes a layer of its own. That is why none of them has to check
// everything before its first write: a refusal takes the layer with it.
//
// Rows are values that nobody changes. keep.go copies them on their way in and out, and
// does what all stores have in common on the way: times to the microsecond in UTC, nil
// for what is empty.
//
// With that done a store is little more than its documentation: a key, a match, an order
// and a cursor for each list. Files are named by what they keep.
//
// # What it leaves out
//
// Signals between processes, transactions that a host began, tables of the host
// (Conn), tenants that leave, migrations and a place that outlives the process: a backend
// may leave out what it does not have, and the suite says so.
package mapstore
