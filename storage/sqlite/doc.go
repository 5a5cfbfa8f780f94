// Package sqlite keeps the records of all domains in a SQLite database, through the
// pure Go driver modernc.org/sqlite or the host's own.
package sqlite
