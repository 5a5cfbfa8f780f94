// Package postgres keeps the records of all domains in a Postgres database, through
// pgx or the driver of the host.
//
//	backend, err := postgres.Open(ctx, "postgres://app@db.internal/admin", postgres.Config{})
//	if err != nil {
//		return err
//	}
//	defer backend.Close(ctx)
//
// Open connects and brings the tables up to date. [New] works with a host's own
// *pgxpool.Pool, [NewSQL] with a host's own *sql.DB. A [Backend] has a method for the Store of each
// domain (Audit, Authz, Approvals, Webhooks, Flags, Automation, Jobs, Idempotency, Credentials, SavedFilters) and is
// the storage.Transactor that services ask for. All tables begin with adminkit_.
//
// # Schemas
//
// Config.Schema puts the tables into a schema of their own, which Migrate makes. Two kits in
// two schemas of one database share nothing: no rows, no signals. Its connections work in
// that schema alone, so an Applier names the schema of the host's tables (shop.orders) when
// it reaches them through [Backend.Conn]. A host's transaction that joins is refused where it
// works in another schema: begin it on connections with the same search_path, or say SET
// LOCAL search_path.
//
// # Transactions
//
// InTx runs a function in a transaction that its ctx carries; package storage has the
// rules. The host's own tables take part through [Backend.Conn]; a host that has begun
// a transaction joins it with [Backend.WithTx] (a pgx.Tx) or [Backend.WithSQLTx] (a
// *sql.Tx), and the kit's writes are then durable when the host commits.
//
// A statement that fails ends its transaction on Postgres: every later one fails too,
// up to the end of the innermost InTx. Where a failure is part of the plan, give the
// statement an InTx of its own, which is a savepoint. A function that hides such an
// error and returns nil is answered with an error, not with a commit.
//
// A ctx that ends interrupts the statement that is running, and with it the
// transaction.
//
// On connections of pgx a transaction opens in the round trip of its first statement and
// takes its connection then: one that asks nothing of the database never reaches it. A
// pgx.QueryTracer of the host sees the first statement in a batch behind BEGIN: let it be a
// pgx.BatchTracer too. Connections that were lost while they rested are replaced; one that
// is lost while the first statement runs is storage.ErrUnavailable, and the statement is not
// issued again.
//
// # Durability
//
// InTx returns after the change is on the server's disk. Where the role or the database
// have synchronous_commit=off as their default, transactions of the kit turn it on. A
// commit whose answer is lost, because the connection broke or the server crashed, is
// storage.ErrCommitUnknown: repeat the change under the same ids.
//
// # Errors
//
// A taken key is storage.ErrConflict. A connection that cannot be made or was lost, a
// server that is full or shuts down, a deadlock and a serialization failure are
// storage.ErrUnavailable: the change did not happen and may be repeated. A disk that is
// full is storage.ErrNoSpace too, and the next change succeeds when there is space. The
// *pgconn.PgError stays within reach of errors.As.
//
// # Other processes
//
// What one process commits the others learn by NOTIFY, sent after the commit, at most
// once a millisecond, in a transaction of its own. While somebody listens (a worker of
// package jobs does) a Backend holds one connection beside the pool; when it breaks it is
// made again, and listeners are told that they may have missed something. It is opened as
// the pool opens its own, with BeforeConnect and without AfterConnect, or by
// Config.ListenDSN. Whoever may connect to the database can listen too: what travels are ids
// of tenants and lanes. [NewSQL] sends, and listens where there is a ListenDSN.
//
// # PgBouncer
//
// Everything works behind PgBouncer in transaction mode, where the next transaction is on
// another connection of the server, but for two things:
//
//   - LISTEN needs a session. Say in Config.ListenDSN how to reach the server directly, for
//     one connection a process, or set Config.NoListen: services then find the changes of
//     other processes by their polls. What this process commits the others hear either way.
//   - Prepared statements need PgBouncer 1.21 and its max_prepared_statements. For others
//     add default_query_exec_mode=exec to the connection string.
//
// PgBouncer refuses the search_path of Config.Schema in a connection string. Tell the role
// instead (ALTER ROLE app SET search_path = adminkit) and let PgBouncer pass over it
// (ignore_startup_parameters = search_path): Open sees that connections work in the schema.
//
// # Backup
//
// Back the database up with pg_dump, or the cluster with whatever copies it (pg_basebackup,
// snapshots, an archive of its log), while processes write. To restore, stop all processes,
// restore into an empty database, of the same cluster or another, and start again. Where
// there are roles, make adminkit_runtime before pg_restore, or leave the privileges out
// (--no-privileges) and Grant.
//
//   - Whoever polls the audit log goes on with the cursor it has, also one from after the
//     backup and one from another cluster, and misses nothing that is recorded from now on:
//     the log does not order by the ids of transactions alone, which are the cluster's own.
//     For that, the clock of the server must not be behind the last events. Finish prepared
//     transactions (PREPARE TRANSACTION) that hold records before a server is restarted.
//   - Deliveries, runs and jobs that the backup holds go on. What was done after the backup
//     is done once more, under the same ids.
//   - Keys of secrets are not in the database: keep them, apart from its backups. Without
//     them secrets answer *secrets.UnknownKeyError, which names the key, a delivery that
//     needs one fails and is tried again, and the rest works. With the key found, they do too.
//
// # Roles
//
// Open under the zero Config does with one role that owns the tables. A program that is
// broken into should not be able to rewrite the evidence, so give it a role of its own:
//
//	owner, err := postgres.Open(ctx, ownerDSN, postgres.Config{}) // in the deployment: migrates
//	...
//	err = owner.Grant(ctx)
//
//	backend, err := postgres.Open(ctx, programDSN, postgres.Config{NoMigrate: true})
//
// where the program's role was made a member of adminkit_runtime once. [Roles] are the
// grants as a file: the audit log can be added to and read, the list of migrations read, the
// rest read and written, and no table changed. The server refuses everything else, whatever
// the program says. Grant again after each Migrate; a table that a migration brought is
// closed until then.
//
// # Tenants that leave
//
// The method Tenants returns the store of package tenants. It exports all rows of a tenant from
// one REPEATABLE READ transaction, and deletes them in batches.
//
// # Migrations
//
// Open and New call [Backend.Migrate], under an advisory lock, so that processes may
// start together. Hosts with a tool of their own set Config.NoMigrate and feed the files
// of [Migrations] to it. Migrations only go forward.
//
// Upgrade by starting the new release beside the old one: the first process of the new one
// migrates, and processes of the release before go on working on its tables, and start on
// them. A program refuses a database that a release after the next has migrated, or one
// whose release says that it leaves no older program working: the error names the
// migration, and the CHANGELOG says so of the release. Then stop the old program first.
// Going back by one release works in the same way, with the tables as they are.
package postgres
