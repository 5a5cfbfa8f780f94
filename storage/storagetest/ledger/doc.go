// Package ledger is a workload for tests that break the machine under a backend, and
// the check of what is left of it.
//
// Each writer makes entries one after another, numbered and chained to the one before.
// An entry is two rows in one transaction, the second in a savepoint. It is
// acknowledged by a line of text once InTx has answered. Whatever happens then, a kill,
// a power cut, a full disk, a crashed server, [Check] knows what has to be there: every
// acknowledged entry, every entry whole, and of each writer the first so and so many,
// with no gap.
//
//	ledger.Create(ctx, backend)
//	w := ledger.NewWriter(backend, "writer-1")
//	line, err := w.Write(ctx) // again after an error: the same entry
//	...
//	got, err := ledger.Check(ctx, reopened, lines)
//
// The table is a host's own, reached through the backend's connection; its name is
// ledger.
package ledger
