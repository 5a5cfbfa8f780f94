// Package postgres keeps the records of all domains in a Postgres database, through
// pgx.
package postgres
