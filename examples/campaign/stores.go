package main

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/ledger"
	"github.com/lumelle/adminkit/webhooks"
)

// A store is what the proofs need of a backend.
type store interface {
	storage.Transactor
	Jobs() jobs.Store
	Webhooks() webhooks.Store
	Close(ctx context.Context) error
}

// A durable store gives hosts its connection, too.
type durable interface {
	store
	ledger.Backend
}

var (
	_ store   = (*memory.Backend)(nil)
	_ durable = (*sqlite.Backend)(nil)
	_ durable = (*postgres.Backend)(nil)
)

// open opens a place: a SQLite file, or a Postgres database where it is a URL.
func open(ctx context.Context, place string) (durable, error) {
	if strings.HasPrefix(place, "postgres:") {
		return postgres.Open(ctx, place, postgres.Config{})
	}
	return sqlite.Open(ctx, place, sqlite.Config{})
}

// sqlitePlace returns the path of a file that is not there yet.
func (r *round) sqlitePlace(context.Context) (string, error) {
	return filepath.Join(r.dir, "store.db"), nil
}

// postgresPlace returns the data source name of an empty database.
func (r *round) postgresPlace(ctx context.Context) (string, error) {
	server, err := r.campaign.postgres()
	if err != nil {
		return "", err
	}
	return database(ctx, server.DSN())
}

// database makes an empty database on a server. It ends with the server.
func database(ctx context.Context, dsn string) (string, error) {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer c.Close(ctx)
	name := "campaign_" + strings.ReplaceAll(storage.NewID(), "-", "")
	if _, err := c.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}
