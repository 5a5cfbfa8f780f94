package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	driversqlite "modernc.org/sqlite"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/signal"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
)

// Memory is the path of a database that lives in the memory of the process and ends
// with the Backend.
const Memory = "memory:"

// A Config adjusts a Backend. The zero value is ready to use.
type Config struct {
	// Now is the clock of stored times, time.Now where nil.
	Now func() time.Time

	// NoMigrate leaves the tables as they are. Without it Open and New call Migrate. A
	// database that a newer release has migrated is refused either way.
	NoMigrate bool

	// TxTimeout is how long the function given to InTx may run before it loses its
	// transaction: its later statements answer storage.ErrTxDone and its writes are
	// undone. It keeps one function that hangs from stopping all writers. A statement
	// that is running is waited for. Zero is 30 s, negative is no limit.
	TxTimeout time.Duration

	// BusyTimeout is how long InTx waits while another process holds the write lock,
	// before it answers storage.ErrUnavailable. Zero is 10 s.
	BusyTimeout time.Duration

	// Readers is how many connections serve reads outside of transactions. Zero is the
	// number of processors, at least 4. New ignores it: the pool is the host's.
	Readers int

	// Logger gets what an operator should see: that the program was built with another
	// driver than the one this release was tested with. Nil discards it. New, whose
	// driver is the host's, ignores it.
	Logger *slog.Logger

	// Connector, where not nil, wraps what opens the physical connections, to trace
	// them or to inject faults. New ignores it.
	Connector func(driver.Connector) driver.Connector
}

// A Backend keeps the records of all domains in one SQLite database. It is safe for
// concurrent use.
type Backend struct {
	*sqlstore.Stores

	cfg       Config
	committer *committer
	reader    *reader
	signals   *signal.Hub
	anchor    *sql.Conn // keeps a database in memory alive, nil for files
	owned     []*sql.DB
	release   func() error // closes what is open, once
}

var (
	_ storage.Transactor = (*Backend)(nil)
	_ storage.Signals    = (*Backend)(nil)
	_ sqlstore.DB        = seam{}
)

// Open opens the database file at path, makes it where there is none, and brings its
// tables up to date. [Memory] as path is a database in memory. The directory must
// exist and must not be on a network file system, where SQLite's WAL does not work.
func Open(ctx context.Context, path string, cfg Config) (*Backend, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, errors.New("sqlite: the path is empty")
	}
	warnOfBuild(cfg.Logger)
	file := uri(path)
	write, err := open(file, "synchronous(FULL)", cfg)
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	read, err := open(file, "query_only(1)&_pragma=busy_timeout(5000)", cfg)
	if err != nil {
		return nil, err
	}
	read.SetMaxOpenConns(cfg.Readers + 1) // the anchor
	read.SetMaxIdleConns(cfg.Readers + 1)

	b := newBackend(cfg, &writer{db: write, keep: true}, read)
	b.owned = []*sql.DB{write, read}
	if err := b.start(ctx, path != Memory); err != nil {
		b.Close(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return b, nil
}

// New returns a Backend in the host's own database, through any driver for SQLite.
// The host keeps db and closes it after the Backend; its connections keep the settings
// that the host gave them. For the promises of this package those are
// journal_mode=WAL, synchronous=FULL and foreign_keys=ON.
func New(ctx context.Context, db *sql.DB, cfg Config) (*Backend, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errors.New("sqlite: the database is nil")
	}
	b := newBackend(cfg, &writer{db: db}, db)
	if err := b.tables(ctx); err != nil {
		b.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return b, nil
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.BusyTimeout < 0 || cfg.Readers < 0 {
		return cfg, errors.New("sqlite: BusyTimeout and Readers must not be negative")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.TxTimeout = cmp.Or(cfg.TxTimeout, 30*time.Second)
	cfg.BusyTimeout = cmp.Or(cfg.BusyTimeout, 10*time.Second)
	cfg.Readers = cmp.Or(cfg.Readers, max(4, runtime.GOMAXPROCS(0)))
	return cfg, nil
}

func newBackend(cfg Config, w *writer, read *sql.DB) *Backend {
	b := &Backend{
		cfg:       cfg,
		committer: &committer{writer: w, busy: cfg.BusyTimeout},
		reader:    &reader{db: read},
	}
	b.signals = signal.New(&signalFile{locate: b.file, watch: watch})
	b.Stores = sqlstore.NewStores(seam{b})
	b.release = sync.OnceValue(b.closeAll)
	return b
}

// uri returns the name under which SQLite opens path.
func uri(path string) string {
	if path == Memory {
		// The name only has to be unlike that of any other Backend in the process.
		return "file:adminkit-" + storage.NewID() + "?mode=memory&cache=shared"
	}
	path = filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		path = "/" + path
	}
	return "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path) + "?mode=rwc"
}

func open(file, pragma string, cfg Config) (*sql.DB, error) {
	c, err := driversqlite.NewConnector(file + "&_pragma=foreign_keys(1)&_pragma=" + pragma)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if cfg.Connector != nil {
		c = cfg.Connector(c)
	}
	return sql.OpenDB(c), nil
}

// start makes the database ready for use.
func (b *Backend) start(ctx context.Context, wal bool) error {
	if wal {
		if err := b.committer.wal(ctx); err != nil {
			return err
		}
	}
	anchor, err := b.reader.db.Conn(ctx)
	if err != nil {
		return translate(err)
	}
	b.anchor = anchor
	return b.tables(ctx)
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
	return b.advance(ctx)
}

// Close waits for the transactions that are queued, refuses new ones, and closes the
// database unless it is the host's. When ctx ends first it returns its error and
// leaves the rest open; Close may be called again, and by several at the same time:
// each returns when all is closed.
func (b *Backend) Close(ctx context.Context) error {
	b.signals.Close(ctx)
	if err := b.committer.close(ctx); err != nil {
		return err
	}
	return b.release()
}

// closeAll closes what is open, now that nobody begins anything any more.
func (b *Backend) closeAll() error {
	b.committer.writer.close()
	b.reader.stmts.drop()
	if b.anchor != nil {
		b.anchor.Close()
	}
	var errs []error
	for _, db := range b.owned {
		errs = append(errs, db.Close())
	}
	return translate(errors.Join(errs...))
}

// Ping reports whether the database answers: nil, or storage.ErrUnavailable.
func (b *Backend) Ping(ctx context.Context) error {
	c, err := b.Reader(storage.Detach(ctx))
	if err != nil {
		return err
	}
	var one int
	return storage.QueryRow(ctx, c, `SELECT 1`, nil, &one)
}

// InTx implements storage.Transactor. Calls that wait for each other share one
// commit; see the package documentation.
func (b *Backend) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return b.inTx(ctx, b.cfg.TxTimeout, fn)
}

func (b *Backend) inTx(ctx context.Context, timeout time.Duration, fn func(ctx context.Context) error) error {
	h, err := b.tx(ctx)
	if err != nil {
		return err
	}
	if h != nil {
		return h.Nest(ctx, fn)
	}
	return b.committer.do(ctx, b, timeout, fn)
}

// WithTx returns a ctx in which the Backend works inside the host's own transaction:
// its writes are durable when the host commits. InTx sets savepoints in it. The host
// ends tx, and must not use tx and the ctx at the same time.
//
// tx must belong to the database of the Backend. Begin it with BEGIN IMMEDIATE where
// the driver can ("_txlock=immediate" in modernc.org/sqlite and mattn/go-sqlite3):
// SQLite refuses a deferred transaction its first write when another writer was
// faster.
func (b *Backend) WithTx(ctx context.Context, tx *sql.Tx) context.Context {
	return storage.WithTx(ctx, sqlstore.JoinTx(b, &session{on: tx}))
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
// single reading statements on what is committed. That one refuses to write, unless it
// comes from a host's database.
func (b *Backend) Reader(ctx context.Context) (storage.Conn, error) {
	h, err := b.tx(ctx)
	switch {
	case err != nil:
		return nil, err
	case h != nil:
		return h, nil
	case b.committer.isClosed():
		return nil, unavailable(errClosed)
	}
	return b.reader, nil
}

func (b *Backend) tx(ctx context.Context) (*sqlstore.Tx, error) {
	tx, err := storage.TxFor(ctx, b)
	if err != nil || tx == nil {
		return nil, err
	}
	return tx.(*sqlstore.Tx), nil
}

// seam is what the shared SQL sees of a Backend.
type seam struct{ *Backend }

// Snapshot implements sqlstore.DB.
func (s seam) Snapshot(ctx context.Context, fn func(ctx context.Context, conn storage.Conn) error) error {
	if s.committer.isClosed() {
		return unavailable(errClosed)
	}
	return s.reader.snapshot(ctx, fn)
}

// Dialect implements sqlstore.DB.
func (seam) Dialect() *sqlstore.Dialect { return dialect }

var dialect = &sqlstore.Dialect{
	In:   func(n int) string { return "IN (SELECT value FROM json_each($" + strconv.Itoa(n) + "))" },
	List: jsonList,
}

// jsonList is how a list of strings or integers reaches json_each.
func jsonList(list any) any {
	text, err := json.Marshal(list)
	if err != nil {
		panic(fmt.Sprintf("sqlite: a list of strings or integers, not %T: %v", list, err))
	}
	return string(text)
}
