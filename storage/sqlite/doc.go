// Package sqlite keeps the records of all domains in one SQLite database, by default
// through the pure Go driver modernc.org/sqlite: nothing to install, no cgo.
//
//	backend, err := sqlite.Open(ctx, "admin.db", sqlite.Config{})
//	if err != nil {
//		return err
//	}
//	defer backend.Close(ctx)
//
// Open makes the file where there is none and brings its tables up to date. The path
// [Memory] is a database in memory. [New] works inside a host's own *sql.DB, whatever
// its driver. A [Backend] has a method for the Store of each domain (Audit, Authz,
// Approvals, Webhooks, Flags, Automation, Jobs, Idempotency, Credentials, SavedFilters) and is the
// storage.Transactor that services ask for. All tables begin with adminkit_. SQLite has no
// schemas and the names no prefix of the host's choice: kits that are to share nothing have
// a file each. One kit and the host's own tables go well together in one.
//
// # Transactions
//
// InTx runs a function in a transaction that its ctx carries; package storage has the
// rules. The host's own tables take part through [Backend.Conn]:
//
//	err := backend.InTx(ctx, func(ctx context.Context) error {
//		c, err := backend.Conn(ctx)
//		if err != nil {
//			return err
//		}
//		if _, err := c.Exec(ctx, `UPDATE orders SET refunded = $2 WHERE id = $1`, id, amount); err != nil {
//			return err
//		}
//		return log.Append(ctx, event)
//	})
//
// A host that has begun a transaction joins it: ctx = backend.WithTx(ctx, tx). The
// kit's writes are then durable when the host commits.
//
// # One writer, one commit for many
//
// SQLite has one writer at a time, and a durable commit waits for the disk. So
// functions given to InTx at the same time run one after another inside one SQLite
// transaction, each undone alone where it fails, and are answered together after one
// commit. A writer that is alone loses nothing by that; 32 of them make several times
// as many changes a second as with a transaction each.
//
// What follows from it for functions given to InTx:
//
//   - Keep them short, and do nothing slow in them, such as a call over the network:
//     all writers of the process wait. A function that runs longer than
//     Config.TxTimeout loses its transaction.
//   - Do not begin another transaction inside one with a detached ctx. It waits for the
//     one around it, until that loses its transaction.
//   - A function may be undone although it succeeded: when SQLite ends the transaction
//     of the group, as it does on a full disk, or another function of the group breaks a
//     deferred foreign key, all of them answer storage.ErrUnavailable, and none of their
//     changes is stored.
//   - A ctx that ends does not interrupt a statement, because SQLite would undo the
//     others' changes with it. It is looked at before each statement, and before the
//     commit.
//
// Reads outside of a transaction see what is committed, do not wait for writers and do
// not make them wait; with [Memory] they wait for each other.
//
// # Durability
//
// InTx returns after the change is on disk: the database uses the write-ahead log with
// synchronous=FULL, so that neither a killed process nor a power cut loses what was
// acknowledged. A commit whose outcome cannot be known is storage.ErrCommitUnknown.
// Several processes on one machine may share a file; one that finds it locked waits for
// Config.BusyTimeout. Network file systems do not work with the write-ahead log.
//
// # Other processes
//
// What one process commits the others learn through a file beside the database, whose
// name ends in -signal: whoever listens makes it, whoever commits appends to it, and it is
// emptied when it is long. Linux reports each write; elsewhere the file is looked at
// every 5 ms. It may be removed at any time, and needs no backup.
//
// # Backup
//
// A copy of the file that is made while a process writes is torn. SQLite makes a whole one,
// from any process and without stopping anybody, of one moment between two commits:
//
//	VACUUM INTO 'backup.db'
//
// or with its online backup (.backup in the sqlite3 shell). The files beside the database
// (-wal, -shm, -signal) are no part of it. To restore, stop every process that has the
// database open, remove its -wal and -shm, put the backup in its place and start again.
//
//   - Whoever polls the audit log goes on with the cursor it has, also one from after the
//     backup, and misses nothing that is recorded from now on. For that, the clock of the
//     machine must not be set to before the last events.
//   - Deliveries, runs and jobs that the backup holds go on. What was done after the backup
//     is done once more, under the same ids.
//   - Keys of secrets are not in the database: keep them, apart from its backups. Without
//     them secrets answer *secrets.UnknownKeyError, which names the key, a delivery that
//     needs one fails and is tried again, and the rest works. With the key found, they do too.
//
// # Errors
//
// A taken key is storage.ErrConflict. A database that is locked for too long, full, not
// writable or closed is storage.ErrUnavailable: the change did not happen. A full one is
// storage.ErrNoSpace too, and goes on by itself when there is space. The driver's own
// error stays within reach of errors.As.
//
// # Tenants that leave
//
// The method Tenants returns the store of package tenants. It exports all rows of a tenant from
// one read transaction, and deletes them in batches. While an export goes on, the
// write-ahead log grows.
//
// # Migrations
//
// Open and New call [Backend.Migrate]. Hosts with a tool of their own set Config.NoMigrate and feed the files
// of [Migrations] to it. Migrations only go forward.
//
// Upgrade by starting the new release beside the old one: the first process of the new one
// migrates, and processes of the release before go on working on its tables, and start on
// them. A program refuses a database that a release after the next has migrated, or one
// whose release says that it leaves no older program working: the error names the
// migration, and the CHANGELOG says so of the release. Then stop the old program first.
// Going back by one release works in the same way, with the tables as they are.
package sqlite
