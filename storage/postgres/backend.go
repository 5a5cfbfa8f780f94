package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/signal"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
)

// A Config adjusts a Backend. The zero value is ready to use.
type Config struct {
	// Now is the clock of stored times, time.Now where nil.
	Now func() time.Time

	// NoMigrate leaves the tables as they are. Without it Open and New call Migrate. A
	// database that a newer release has migrated is refused either way.
	NoMigrate bool

	// CommitTimeout is how long a commit or rollback waits for its answer. A commit
	// without an answer is storage.ErrCommitUnknown. Zero is 10 s.
	CommitTimeout time.Duration

	// Schema is where the tables are, a name without quotes of at most 63 bytes. Migrate makes
	// it where there is none. Open makes it the whole search_path of its connections; a host
	// sets search_path on those that it gives to New or NewSQL, and is refused where it did
	// not. Empty is the schema that connections are in by themselves, mostly public.
	Schema string

	// ListenDSN, where not empty, is how the Backend connects to hear what other processes
	// signal, for hosts whose other connections cannot: those of NewSQL, and those behind a
	// pooler in transaction mode. It names the same database.
	ListenDSN string

	// NoListen spares the connection on which the Backend hears what other processes
	// signal. Set it, or ListenDSN, behind a pooler in transaction mode, where nothing
	// arrives there: services then find the changes of other processes by their polls.
	NoListen bool
}

// A Backend keeps the records of all domains in one Postgres database. It is safe for
// concurrent use.
type Backend struct {
	*sqlstore.Stores

	cfg     Config
	source  source
	signals *signal.Hub
	begin   []string // the statements that open a transaction
	close   func()   // closes what Open made, nil where the host keeps it
	closed  atomic.Bool
}

var (
	_ storage.Transactor = (*Backend)(nil)
	_ storage.Signals    = (*Backend)(nil)
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
	if cfg.Schema != "" {
		pc.ConnConfig.RuntimeParams["search_path"] = pgx.Identifier{cfg.Schema}.Sanitize()
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
	b.close = pool.Close
	return b, nil
}

// New returns a Backend in the host's own database. The host keeps the pool and
// closes it after the Backend.
func New(ctx context.Context, pool *pgxpool.Pool, cfg Config) (*Backend, error) {
	if pool == nil {
		return nil, errors.New("postgres: the pool is nil")
	}
	return start(ctx, pgxSource{pool, pool.Config().MaxConns}, cfg)
}

// NewSQL returns a Backend in a host's database that is reached through database/sql,
// whatever the driver: github.com/lib/pq, or pgx through its package stdlib. The host
// keeps db and closes it after the Backend.
func NewSQL(ctx context.Context, db *sql.DB, cfg Config) (*Backend, error) {
	if db == nil {
		return nil, errors.New("postgres: the database is nil")
	}
	return start(ctx, sqlSource{db}, cfg)
}

func start(ctx context.Context, src source, cfg Config) (*Backend, error) {
	if cfg.CommitTimeout < 0 {
		return nil, errors.New("postgres: CommitTimeout must not be negative")
	}
	if len(cfg.Schema) > maxIdentifier || strings.ContainsRune(cfg.Schema, 0) {
		return nil, fmt.Errorf("postgres: Schema must be a name of at most %d bytes", maxIdentifier)
	}
	dial := src.dial
	if cfg.ListenDSN != "" {
		c, err := pgx.ParseConfig(cfg.ListenDSN)
		if err != nil {
			return nil, fmt.Errorf("postgres: ListenDSN does not parse: %w", err)
		}
		dial = func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, c.Copy()) }
	}
	cfg.CommitTimeout = cmp.Or(cfg.CommitTimeout, 10*time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	b := &Backend{cfg: cfg, source: src, begin: []string{"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"}}
	b.signals = signal.New(&notifications{source: src, dial: dial, deaf: cfg.NoListen})
	b.Stores = sqlstore.NewStores(seam{b})
	if err := b.durable(ctx); err != nil {
		return nil, err
	}
	if err := b.tables(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// tables brings the tables up to date, or sees that they fit.
func (b *Backend) tables(ctx context.Context) error {
	fit := b.Migrate
	if b.cfg.NoMigrate {
		fit = b.check
	}
	if err := fit(ctx); err != nil {
		return err
	}
	return b.enter(ctx)
}

// durable sees to it that a commit is answered only when it is on disk, whatever the
// role or the database have as their default. Servers that ask for more keep that.
func (b *Backend) durable(ctx context.Context) error {
	var setting string
	err := storage.QueryRow(ctx, b.source.conn(), `SELECT current_setting('synchronous_commit')`, nil, &setting)
	if err != nil {
		return err
	}
	if setting == "off" {
		b.begin = append(b.begin, "SET LOCAL synchronous_commit = on")
	}
	return nil
}

// Close makes every later transaction and read answer storage.ErrUnavailable. It
// closes the pool that Open made, once its connections are given back, and leaves a
// host's pool alone. When ctx ends first it returns its error; the pool still
// closes as soon as it can.
func (b *Backend) Close(ctx context.Context) error {
	b.closed.Store(true)
	b.signals.Close(ctx)
	if b.close == nil {
		return nil
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		b.close()
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ping reports whether the database answers: nil, or storage.ErrUnavailable.
func (b *Backend) Ping(ctx context.Context) error {
	if _, err := b.tx(storage.Detach(ctx)); err != nil {
		return err
	}
	return b.source.ping(ctx)
}

// InTx implements storage.Transactor.
func (b *Backend) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	h, err := b.tx(ctx)
	if err != nil {
		return err
	}
	if h != nil {
		return h.Nest(ctx, fn)
	}
	tx, err := b.source.begin(ctx, b.begin...)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	h = sqlstore.NewTx(b, tx)
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

func (b *Backend) rollback(ctx context.Context, tx transaction) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.cfg.CommitTimeout)
	defer cancel()
	tx.rollback(ctx)
}

// commit commits. Where the answer is lost nobody knows what it was.
func (b *Backend) commit(ctx context.Context, tx transaction) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.cfg.CommitTimeout)
	defer cancel()
	err := tx.commit(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errHidden):
		return fmt.Errorf("postgres: commit: %w", err)
	case rolledBack(err):
		return fmt.Errorf("commit: %w", translate(err))
	}
	return fmt.Errorf("postgres: commit: %w: %w", storage.ErrCommitUnknown, err)
}

// WithTx returns a ctx in which the Backend works inside the host's own transaction:
// its writes are durable when the host commits. InTx sets savepoints in it. The host
// ends tx, and must not use tx and the ctx at the same time. tx must belong to the
// database of the Backend, and to its schema: where Config.Schema is set and the
// transaction works in another one, every statement of the kit is refused.
func (b *Backend) WithTx(ctx context.Context, tx pgx.Tx) context.Context {
	return storage.WithTx(ctx, sqlstore.JoinTx(b, b.joined(session{tx})))
}

// WithSQLTx is WithTx for hosts whose transactions come from database/sql.
func (b *Backend) WithSQLTx(ctx context.Context, tx *sql.Tx) context.Context {
	return storage.WithTx(ctx, sqlstore.JoinTx(b, b.joined(&sqlSession{on: tx})))
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
		return b.source.conn(), nil
	}
	return h, nil
}

func (b *Backend) tx(ctx context.Context) (*sqlstore.Tx, error) {
	tx, err := storage.TxFor(ctx, b)
	switch {
	case err != nil:
		return nil, err
	case tx != nil:
		return tx.(*sqlstore.Tx), nil
	case b.closed.Load():
		return nil, unavailable(errors.New("the backend was closed"))
	}
	return nil, nil
}

// seam is what the shared SQL sees of a Backend.
type seam struct{ *Backend }

// Snapshot implements sqlstore.DB.
func (s seam) Snapshot(ctx context.Context, fn func(ctx context.Context, conn storage.Conn) error) error {
	if _, err := s.tx(ctx); err != nil {
		return err
	}
	tx, err := s.source.begin(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer s.rollback(ctx, tx)
	h := sqlstore.NewTx(s.Backend, tx)
	defer h.End()
	return fn(ctx, h)
}

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
