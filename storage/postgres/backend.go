package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
)

// A Config adjusts a Backend. The zero value is ready to use.
type Config struct {
	// Now is the clock of stored times, time.Now where nil.
	Now func() time.Time

	// NoMigrate leaves the tables as they are. Without it Open and New call Migrate.
	NoMigrate bool

	// CommitTimeout is how long a commit or rollback waits for its answer. A commit
	// without an answer is storage.ErrCommitUnknown. Zero is 10 s.
	CommitTimeout time.Duration
}

// A Backend keeps the records of all domains in one Postgres database. It is safe for
// concurrent use.
type Backend struct {
	*sqlstore.Stores

	cfg   Config
	pool  *pgxpool.Pool
	begin string // opens a transaction
	owned bool

	closed atomic.Bool
}

var (
	_ storage.Transactor = (*Backend)(nil)
	_ sqlstore.DB        = seam{}
)

// Open connects to the database that dsn names, as a URL (postgres://...) or in
// keywords, and brings its tables up to date. The parameters of pgxpool, such as
// pool_max_conns, are part of dsn.
func Open(ctx context.Context, dsn string, cfg Config) (*Backend, error) {
	pc, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: the data source name does not parse: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, unavailable(err)
	}
	b, err := New(ctx, pool, cfg)
	if err != nil {
		pool.Close()
		return nil, err
	}
	b.owned = true
	return b, nil
}

// New returns a Backend in the host's own database. The host keeps the pool and
// closes it after the Backend.
func New(ctx context.Context, pool *pgxpool.Pool, cfg Config) (*Backend, error) {
	switch {
	case pool == nil:
		return nil, errors.New("postgres: the pool is nil")
	case cfg.CommitTimeout < 0:
		return nil, errors.New("postgres: CommitTimeout must not be negative")
	case cfg.CommitTimeout == 0:
		cfg.CommitTimeout = 10 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	b := &Backend{cfg: cfg, pool: pool, begin: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"}
	b.Stores = sqlstore.NewStores(seam{b})
	if err := b.durable(ctx); err != nil {
		return nil, err
	}
	if !cfg.NoMigrate {
		if err := b.Migrate(ctx); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// durable sees to it that a commit is answered only when it is on disk, whatever the
// role or the database have as their default. Servers that ask for more keep that.
func (b *Backend) durable(ctx context.Context) error {
	var setting string
	if err := b.pool.QueryRow(ctx, "SELECT current_setting('synchronous_commit')").Scan(&setting); err != nil {
		return translate(err)
	}
	if setting == "off" {
		b.begin += "; SET LOCAL synchronous_commit = on"
	}
	return nil
}

// Close makes every later transaction and read answer storage.ErrUnavailable. It
// closes the pool that Open made, once its connections are given back, and leaves a
// host's pool alone. When ctx ends first it returns its error; the pool still
// closes as soon as it can.
func (b *Backend) Close(ctx context.Context) error {
	b.closed.Store(true)
	if !b.owned {
		return nil
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		b.pool.Close()
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ping reports whether the database answers: nil, or storage.ErrUnavailable.
func (b *Backend) Ping(ctx context.Context) error { return translate(b.pool.Ping(ctx)) }

// InTx implements storage.Transactor.
func (b *Backend) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	h, err := b.tx(ctx)
	if err != nil {
		return err
	}
	if h != nil {
		return h.Nest(ctx, fn)
	}
	tx, err := b.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: b.begin})
	if err != nil {
		return fmt.Errorf("begin: %w", translate(err))
	}
	h = sqlstore.NewTx(b, session{tx})
	returned := false
	defer func() {
		if !returned { // a panic, or runtime.Goexit: it goes on after the rollback
			b.rollback(ctx, tx)
		}
	}()
	err = h.Run(ctx, fn)
	returned = true
	if err != nil {
		b.rollback(ctx, tx)
		return err
	}
	if err := b.commit(ctx, tx); err != nil {
		return err
	}
	h.Committed()
	return nil
}

// rollback gives the connection back, or closes it where that cannot be done cleanly.
func (b *Backend) rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.cfg.CommitTimeout)
	defer cancel()
	tx.Rollback(ctx) // an error has closed the connection, and that rolls back too
}

// commit commits. Where the answer is lost nobody knows what it was.
func (b *Backend) commit(ctx context.Context, tx pgx.Tx) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.cfg.CommitTimeout)
	defer cancel()
	err := tx.Commit(ctx)
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return fmt.Errorf("postgres: commit: a statement had failed and the function did not return its error: %w", err)
	case errors.As(err, &pg) && pg.Severity == "ERROR": // a deferred constraint, a serialization failure
		return fmt.Errorf("commit: %w", translate(err))
	}
	return fmt.Errorf("postgres: commit: %w: %w", storage.ErrCommitUnknown, err)
}

// WithTx returns a ctx in which the Backend works inside the host's own transaction:
// its writes are durable when the host commits. InTx sets savepoints in it. The host
// ends tx, and must not use tx and the ctx at the same time. tx must belong to the
// database of the Backend.
func (b *Backend) WithTx(ctx context.Context, tx pgx.Tx) context.Context {
	return storage.WithTx(ctx, sqlstore.JoinTx(b, session{tx}))
}

// Conn returns the connection of the transaction that ctx carries, for statements on
// the host's own tables. It returns storage.ErrNoTx where ctx carries none.
func (b *Backend) Conn(ctx context.Context) (storage.Conn, error) {
	h, err := b.tx(ctx)
	if err != nil {
		return nil, err
	}
	if h == nil {
		return nil, storage.ErrNoTx
	}
	return h, nil
}

// Reader returns the connection of the transaction that ctx carries, else one for
// single reading statements on what is committed.
func (b *Backend) Reader(ctx context.Context) (storage.Conn, error) {
	h, err := b.tx(ctx)
	if err != nil {
		return nil, err
	}
	if h == nil {
		return conn{b.pool}, nil
	}
	return h, nil
}

func (b *Backend) tx(ctx context.Context) (*sqlstore.Tx, error) {
	tx, err := storage.TxFor(ctx, b)
	if err != nil {
		return nil, err
	}
	if tx == nil {
		if b.closed.Load() {
			return nil, fmt.Errorf("%w: the backend was closed", storage.ErrUnavailable)
		}
		return nil, nil
	}
	return tx.(*sqlstore.Tx), nil
}

// seam is what the shared SQL sees of a Backend.
type seam struct{ *Backend }

// Dialect implements sqlstore.DB.
func (seam) Dialect() *sqlstore.Dialect { return dialect }

var dialect = &sqlstore.Dialect{
	Postgres:   true,
	SkipLocked: " FOR UPDATE SKIP LOCKED",
	ForUpdate:  " FOR UPDATE",
	ForShare:   " FOR SHARE",
	In:         func(n int) string { return "= ANY($" + strconv.Itoa(n) + ")" },
	List:       func(list any) any { return list },
}
