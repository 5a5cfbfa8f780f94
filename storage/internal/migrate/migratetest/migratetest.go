// Package migratetest holds the migrations of an engine to what package migrate promises
// of them: databases of every earlier state arrive at the newest with their rows, and a
// program goes on working on what the next release adds.
//
// The databases are made by the test itself: the first migrations, and rows of made-up
// values in every table that there is by then.
package migratetest

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lumelle/adminkit/storage/internal/migrate"
	"github.com/lumelle/adminkit/storage/storagetest"
)

// A Backend is what an engine's backend offers to its migrations.
type Backend interface {
	storagetest.Backend
	// Migrate applies what is pending.
	Migrate(ctx context.Context) error
}

// Options says how to get at an engine.
type Options[B Backend] struct {
	// Place makes an empty database and returns what opens a backend on it, which migrates
	// it or leaves its tables alone, and is closed when the test ends.
	Place func(t *testing.T) func(migrates bool) (B, error)
	// Engine returns what the migration runner sees of a backend.
	Engine func(b B) migrate.Engine
	// Migrations are the files of the engine.
	Migrations fs.FS
	// Columns is a statement that returns table, column and type of all tables of the kit,
	// without columns that the engine fills by itself.
	Columns string
	// Schema is a statement that returns lines of text which describe all that is in the
	// database.
	Schema string
}

// Run runs the tests.
func Run[B Backend](t *testing.T, o Options[B]) {
	names, err := fs.Glob(o.Migrations, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	want := o.newestSchema(t)
	for n := 1; n < len(names); n++ {
		t.Run("from "+strings.TrimSuffix(names[n], ".sql"), func(t *testing.T) { o.upgrade(t, names[:n+1], want) })
	}
	t.Run("the next release adds", func(t *testing.T) { o.ahead(t) })
	t.Run("a release after the next is refused", func(t *testing.T) { o.tooFarAhead(t) })
}

func (o Options[B]) newestSchema(t *testing.T) string {
	b := must(o.Place(t)(true))(t)
	return strings.Join(lines(t, o.Engine(b), o.Schema, 1), "\n")
}

// upgrade migrates a database that has the named migrations, and rows, by several
// processes that start at once.
func (o Options[B]) upgrade(t *testing.T, names []string, want string) {
	open := o.Place(t)
	e := o.Engine(must(open(false))(t))
	earlier := fstest.MapFS{}
	for _, name := range names {
		earlier[name] = &fstest.MapFile{Data: must(fs.ReadFile(o.Migrations, name))(t)}
	}
	if err := migrate.Run(t.Context(), e, earlier, time.Now); err != nil {
		t.Fatal(err)
	}
	tables := o.tables(t, e)
	if len(tables) == 0 {
		t.Fatal("there are no tables to fill")
	}
	before := map[string][]string{}
	for name, columns := range tables {
		fill(t, e, name, columns)
		before[name] = content(t, e, name, columns)
		if len(before[name]) < rows {
			t.Errorf("%s was filled with %d rows, want %d", name, len(before[name]), rows)
		}
	}

	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := open(true); err != nil {
				t.Errorf("start: %v", err)
			}
		})
	}
	wg.Wait()
	for name, columns := range tables {
		// A backend that opens may add rows of its own.
		after := content(t, e, name, columns)
		for _, row := range before[name] {
			if !slices.Contains(after, row) {
				t.Errorf("%s held a row that the upgrade lost or changed:\n%s", name, row)
			}
		}
	}
	if got := strings.Join(lines(t, e, o.Schema, 1), "\n"); got != want {
		t.Errorf("the upgrade made\n%s\nand a new database is\n%s", got, want)
	}
}

// Next returns the migrations of a release after the one whose files are given. It adds
// what a migration may add that leaves programs of this one working: to each of the tables
// a column without a value, one with a default and an index, and a table.
func Next(migrations fs.FS, tables ...string) (fstest.MapFS, error) {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return nil, err
	}
	all, newest := fstest.MapFS{}, ""
	for _, name := range names {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			return nil, err
		}
		all[name] = &fstest.MapFile{Data: text}
		newest = max(newest, name[:4])
	}
	var text strings.Builder
	for _, name := range tables {
		fmt.Fprintf(&text, "ALTER TABLE %s ADD COLUMN note_of_next TEXT;\n", name)
		fmt.Fprintf(&text, "ALTER TABLE %s ADD COLUMN level_of_next INTEGER NOT NULL DEFAULT 7;\n", name)
		fmt.Fprintf(&text, "CREATE INDEX %s_of_next ON %s (level_of_next, note_of_next);\n", name, name)
	}
	text.WriteString("CREATE TABLE adminkit_of_next (id INTEGER NOT NULL PRIMARY KEY);\n")
	all["9998_next_serves_"+newest+".sql"] = &fstest.MapFile{Data: []byte(text.String())}
	return all, nil
}

// next returns the migrations of the release after this one.
func (o Options[B]) next(t *testing.T, e migrate.Engine) fstest.MapFS {
	t.Helper()
	return must(Next(o.Migrations, slices.Collect(maps.Keys(o.tables(t, e)))...))(t)
}

// ahead runs the whole suite of backends with this program on the tables of the next. The
// short form starts it on them.
func (o Options[B]) ahead(t *testing.T) {
	start := func(t *testing.T) storagetest.Backend {
		open := o.Place(t)
		e := o.Engine(must(open(true))(t))
		if err := migrate.Run(t.Context(), e, o.next(t, e), time.Now); err != nil {
			t.Fatal(err)
		}
		b := must(open(false))(t)
		if err := b.Migrate(t.Context()); err != nil {
			t.Fatalf("this program on the tables of the next: %v", err)
		}
		return b
	}
	if testing.Short() {
		start(t)
		return
	}
	storagetest.Run(t, storagetest.Options{New: start})
}

func (o Options[B]) tooFarAhead(t *testing.T) {
	open := o.Place(t)
	e := o.Engine(must(open(true))(t))
	next := o.next(t, e)
	next["9999_after_next_serves_9998.sql"] = &fstest.MapFile{Data: []byte(`CREATE TABLE adminkit_after_next (id INTEGER)`)}
	if err := migrate.Run(t.Context(), e, next, time.Now); err != nil {
		t.Fatal(err)
	}
	for _, migrates := range []bool{true, false} {
		if _, err := open(migrates); err == nil || !strings.Contains(err.Error(), "9999_after_next_serves_9998.sql") ||
			!strings.Contains(err.Error(), "newer release than this program") {
			t.Errorf("a program that migrates (%v) opens with %v, want an error that names the newer release", migrates, err)
		}
	}
}

// A column is one that fill writes.
type column struct{ name, kind string }

func (o Options[B]) tables(t *testing.T, e migrate.Engine) map[string][]column {
	t.Helper()
	tables := map[string][]column{}
	for _, line := range lines(t, e, o.Columns, 3) {
		f := strings.Split(line, "|")
		if f[0] != "adminkit_migration" {
			tables[f[0]] = append(tables[f[0]], column{f[1], strings.ToUpper(f[2])})
		}
	}
	return tables
}

// rows is how many fill writes: more than one, so that a migration which keeps one is found.
const rows = 3

// fill writes rows whose values differ in every column.
func fill(t *testing.T, e migrate.Engine, table string, columns []column) {
	t.Helper()
	for n := 1; n <= rows; n++ {
		var names, values []string
		var args []any
		for i, c := range columns {
			names = append(names, c.name)
			values = append(values, fmt.Sprintf("$%d", i+1))
			args = append(args, value(t, table, c, n*100+i))
		}
		query := "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"
		err := e.InTx(t.Context(), func(ctx context.Context) error {
			conn, err := e.Conn(ctx)
			if err != nil {
				return err
			}
			_, err = conn.Exec(ctx, query, args...)
			return err
		})
		if err != nil {
			t.Fatalf("fill %s: %v", table, err)
		}
	}
}

func value(t *testing.T, table string, c column, n int) any {
	t.Helper()
	switch {
	case c.kind == "TEXT":
		return fmt.Sprintf("%s of %s, %d: ü€🙂", c.name, table, n)
	case c.kind == "BYTEA", c.kind == "BLOB":
		return fmt.Appendf(nil, "\x00\xff%s %d", c.name, n)
	case c.kind == "BOOLEAN":
		return n/100%2 == 1
	case strings.HasPrefix(c.kind, "DOUBLE"), c.kind == "REAL":
		return float64(n) + 0.25
	case strings.Contains(c.kind, "INT"):
		return int64(n)
	}
	t.Fatalf("column %s of %s has the type %s, of which no value is known here", c.name, table, c.kind)
	return nil
}

// content returns the rows of a table.
func content(t *testing.T, e migrate.Engine, table string, columns []column) []string {
	t.Helper()
	var names []string
	for _, c := range columns {
		names = append(names, "CAST("+c.name+" AS TEXT)")
	}
	return lines(t, e, "SELECT "+strings.Join(names, ", ")+" FROM "+table, len(columns))
}

// lines returns what a query answers, a row a line.
func lines(t *testing.T, e migrate.Engine, query string, columns int) []string {
	t.Helper()
	conn, err := e.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rs, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rs.Close()
	var all []string
	for rs.Next() {
		values := make([]*string, columns)
		dest := make([]any, columns)
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rs.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		var fields []string
		for _, v := range values {
			if v == nil {
				fields = append(fields, "NULL")
			} else {
				fields = append(fields, *v)
			}
		}
		all = append(all, strings.Join(fields, "|"))
	}
	if err := rs.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// must returns a function that fails the test with the error, where there is one.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
