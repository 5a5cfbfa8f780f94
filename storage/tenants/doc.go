// Package tenants lets a tenant leave: it writes all that the kit keeps of one to a file,
// and deletes it.
//
//	service, err := tenants.New(backend.Tenants(), tenants.Config{})
//	...
//	counts, err := service.Export(ctx, "acme", file)
//	...
//	counts, err = service.Delete(ctx, "acme", tenants.Deletion{})
//
// The Service asks nobody whether that may be done, and records nothing: make it an action
// of your catalogue, and call the Service when an audit.Governor has let it pass. The
// host's own tables are the host's to export and delete.
//
// # The format of an export
//
// An export is JSON lines in UTF-8: a header, the rows, a trailer.
//
//	{"format":"adminkit-tenant","version":1,"schema":2,"tenant":"acme","exported_at":"2026-03-01T12:00:00Z"}
//	{"table":"jobs_lane","row":{"tenant":"acme","lane":"orders","cap":2, ...}}
//	{"rows":{"audit_event":0,"jobs_lane":1, ...},"total":1}
//
// version is that of the lines, schema that of the rows: [Tables] says which there are,
// what their columns are and in which order they come. Every column of a table stands in
// every row of it. The trailer has the count of each table, zero too. A file without a
// trailer, or with other counts, was cut off: [Read] answers [ErrCut].
//
// All rows are of one state of the database. It is read in a transaction that writes
// nothing and is open until the last row was taken. Meanwhile Postgres keeps old versions
// of rows, and SQLite cannot shorten its write-ahead log, so write to a file first where
// the receiver is slow. One row is in memory at a time.
//
// The same rows are the same lines whichever backend they were in, with these exceptions:
// numbers that a database gives (seq of audit_event, ids of jobs, lanes' owners) are its
// own.
//
// # Secrets
//
// No secret leaves, sealed or not. A sealed one is of use to nobody without the keys of the
// vault, and in a file it is out of reach of every rotation: whoever got an old key would
// open it. So the signing secrets of endpoints, the values of credentials and the stored
// answers of idempotent requests, which may have shown a secret once, stay behind; what
// surrounds them (names, kinds, times) does not. What hosts put into payloads and bodies
// is exported as it is.
//
// # Deletion
//
// A deletion goes through the tables in batches, each a transaction of its own, so that it
// stops nobody for long. It may be stopped at any of them, by an error, a cancelled ctx or
// the end of the process: another Delete goes on with what is left. First goes what makes
// work out of events, then the work, then what the work is about.
//
// Stop the tenant's own doings before: no more requests and no more changes of it. What is
// written while a deletion runs is found by its next pass through the tables, and where
// there is no end of it the answer is [ErrInUse].
//
// Jobs are cancelled: those that wait never start, and the outcome of one that runs is
// refused, as if it had been taken away by jobs.Queue.Cancel, with all that its handler
// wrote in the same transaction. Its handler is not interrupted. Lanes go with their
// leases, and the workers that held them find them gone at their next round.
//
// # Evidence
//
// The audit log stays unless [Deletion].Evidence asks for it. Some laws want it kept for
// years after the customer has left, others want every trace of a person gone; which it is
// the host knows. A log that stays can be exported, or deleted by another Delete, at any
// later time.
//
// What was deleted is gone from the tables. It may still be in backups, in the free pages
// of a SQLite file (VACUUM), in rows that Postgres has not vacuumed yet, and in memory of
// processes that have cached it. Give the name of a tenant that left to nobody else.
package tenants
