// Package memory keeps the rows of every domain in memory: for tests, prototypes and
// as the model that the SQL backends are compared with. Nothing survives the
// process.
//
//	backend, err := memory.New(memory.Config{})
//	...
//	log, err := audit.NewLog(backend.Audit(), audit.LogConfig{})
//
// # Transactions
//
// [Backend.InTx] runs one transaction at a time, as SQLite does; the others wait.
// Readers outside of a transaction see what was committed last and wait for nobody.
// Inside they see their own writes. A nested InTx is a savepoint that restores only
// its own part. A panic rolls back and goes on; a ctx that is cancelled before the
// commit rolls back.
//
// The rules of package storage hold to the letter: a ctx that outlives its
// transaction, or its savepoint, answers storage.ErrTxDone; two goroutines on one
// ctx, or an outer ctx used while a savepoint is open inside it, answer
// storage.ErrTxBusy; another backend's ctx answers storage.ErrForeignTx.
//
// A host whose own state lives in memory beside the kit's undoes its part with
// [Backend.OnRollback].
//
// # Tenants that leave
//
// [Backend.Tenants] is the store of package tenants. An export reads what was committed
// when it began, and keeps nobody waiting.
//
// # Faults
//
// The hooks of [Config] see every call that reaches the backend and may fail it,
// before it took effect or after. A test counts the calls of a change once and then
// fails each of them in turn, to show that the change is whole or absent.
//
// # How it works
//
// Rows live in copy-on-write B-trees. A transaction clones the trees it writes to,
// which costs the same for one row and for a million, and a commit swaps one pointer.
package memory
