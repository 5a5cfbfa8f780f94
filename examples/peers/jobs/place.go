package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"
)

// dsnEnv names the server of the databases for Postgres.
const dsnEnv = "ADMINKIT_POSTGRES_DSN"

// A place is an empty database: "sqlite PATH" or "postgres DSN".
type place string

func (p place) store() (kind, where string) {
	kind, where, _ = strings.Cut(string(p), " ")
	return kind, where
}

// newPlace makes an empty database, and returns what removes it.
func newPlace(ctx context.Context, store string) (p place, remove func(), err error) {
	if store == "sqlite" {
		dir, err := os.MkdirTemp("", "peers-jobs")
		if err != nil {
			return "", nil, err
		}
		return place("sqlite " + filepath.Join(dir, "jobs.db")), func() { os.RemoveAll(dir) }, nil
	}
	dsn := os.Getenv(dsnEnv)
	server, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", nil, err
	}
	defer server.Close(ctx)
	name := fmt.Sprintf("peers_jobs_%d", time.Now().UnixNano())
	if _, err := server.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme == "" {
		return "", nil, fmt.Errorf("%s must be a URL", dsnEnv)
	}
	u.Path = "/" + name
	return place("postgres " + u.String()), func() {
		ctx := context.WithoutCancel(ctx)
		if server, err := pgx.Connect(ctx, dsn); err == nil {
			defer server.Close(ctx)
			server.Exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
		}
	}, nil
}

// pool is how many connections each side has to Postgres in each process.
const pool = 20

// pooled returns a DSN with the size of the pool in it.
func pooled(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn
	}
	q := u.Query()
	q.Set("pool_max_conns", fmt.Sprint(pool))
	u.RawQuery = q.Encode()
	return u.String()
}

// openSQLite opens a file for a peer, with the settings that our own store has.
func openSQLite(path string, connections int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	return db, nil
}
