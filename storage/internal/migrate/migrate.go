// Package migrate brings the tables of a backend to the state that its embedded
// migrations describe: forward only, each file once, in the order of its name, and
// never past a file that was changed after it was applied.
//
// # Names
//
// A file is named 0012_what_it_brings.sql. During a rolling upgrade programs of the
// previous release go on working on the tables that the first program of the next one
// has migrated. A migration that leaves them working says so in its name:
//
//	0013_saved_filters_serves_0012.sql
//
// serves every program whose newest migration is 0012 or a later one. The name is what the
// database remembers, so that a program which does not know the file knows this much of it.
// All migrations of one release name the newest migration of the release before: a program
// that is older than that is refused. Without the mark every program that does not know
// the file is refused.
//
// What leaves older programs working: new tables, new indexes that refuse no row they would
// write, new columns that may be NULL or have a default. What does not: to drop or rename
// anything, or to give a column another meaning. That takes two releases: the first writes
// both ways, the second drops the old one.
package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// bookkeeping is the file that makes the runner's own table. It is not kept in it.
const bookkeeping = "0000_migration.sql"

// An Engine is what the runner needs of a backend.
type Engine interface {
	storage.Transactor
	// Conn returns the connection of the transaction that ctx carries.
	Conn(ctx context.Context) (storage.Conn, error)
	// Reader returns the connection of the transaction that ctx carries, else one for
	// single reading statements.
	Reader(ctx context.Context) (storage.Conn, error)

	// Bookkeeping reports whether the table of applied migrations is there.
	Bookkeeping(ctx context.Context) (bool, error)

	// LockMigrations keeps other processes from migrating until the transaction of
	// ctx ends.
	LockMigrations(ctx context.Context) error
	// Script runs the statements of a file in the transaction of ctx.
	Script(ctx context.Context, text string) error
}

// A file is one migration.
type file struct {
	name, text, sum string
}

// Run applies what is pending in one transaction: all of it or none. Where nothing is, it
// writes nothing, so that a role which may not change tables can call it.
func Run(ctx context.Context, e Engine, fsys fs.FS, now func() time.Time) error {
	files, err := read(fsys)
	if err != nil {
		return err
	}
	return e.InTx(ctx, func(ctx context.Context) error {
		pending, err := locked(ctx, e, files)
		if err != nil {
			return err
		}
		c, err := e.Conn(ctx)
		if err != nil {
			return err
		}
		for _, f := range pending {
			if err := e.Script(ctx, f.text); err != nil {
				return fmt.Errorf("migration %s: %w", f.name, err)
			}
			if _, err := c.Exec(ctx, `INSERT INTO adminkit_migration (name, checksum, applied_at) VALUES ($1, $2, $3)`,
				f.name, f.sum, now().UnixMicro()); err != nil {
				return fmt.Errorf("migration %s: %w", f.name, err)
			}
		}
		return nil
	})
}

// Pending returns the names of the migrations that Run would apply, in order.
func Pending(ctx context.Context, e Engine, fsys fs.FS) ([]string, error) {
	files, err := read(fsys)
	if err != nil {
		return nil, err
	}
	var names []string
	err = e.InTx(ctx, func(ctx context.Context) error {
		pending, err := locked(ctx, e, files)
		for _, f := range pending {
			names = append(names, f.name)
		}
		return err
	})
	return names, err
}

// Check refuses a database that this program cannot work on, because a newer release has
// migrated it or an applied migration is not the file it was. It writes nothing and waits
// for nobody. What is pending it lets pass, and also a database that no runner has
// migrated: hosts with a tool of their own keep no books here.
func Check(ctx context.Context, e Engine, fsys fs.FS) error {
	files, err := read(fsys)
	if err != nil {
		return err
	}
	there, err := e.Bookkeeping(ctx)
	if err != nil || !there {
		return err
	}
	_, err = compare(ctx, e, files)
	return err
}

// locked returns the files that are not applied, in a transaction in which nobody else
// applies them.
func locked(ctx context.Context, e Engine, files []file) ([]file, error) {
	if err := e.LockMigrations(ctx); err != nil {
		return nil, fmt.Errorf("lock migrations: %w", err)
	}
	there, err := e.Bookkeeping(ctx)
	if err != nil {
		return nil, fmt.Errorf("read applied migrations: %w", err)
	}
	if !there {
		if err := e.Script(ctx, files[0].text); err != nil {
			return nil, fmt.Errorf("migration %s: %w", files[0].name, err)
		}
	}
	return compare(ctx, e, files)
}

// compare returns the files that are not applied, and an error where an applied one
// is not the file it was, or is one that this program neither knows nor can work with.
func compare(ctx context.Context, e Engine, files []file) ([]file, error) {
	applied, err := applied(ctx, e)
	if err != nil {
		return nil, err
	}
	var pending []file
	for _, f := range files[1:] {
		sum, ok := applied[f.name]
		switch {
		case !ok:
			pending = append(pending, f)
		case sum != f.sum:
			return nil, fmt.Errorf("migration %s was changed after it was applied: the database has checksum %.12s, this program %.12s",
				f.name, sum, f.sum)
		}
		delete(applied, f.name)
	}
	newest := number(files[len(files)-1].name)
	for _, name := range slices.Sorted(maps.Keys(applied)) {
		switch serves := serves(name); {
		case serves == "":
			return nil, fmt.Errorf("migration %s is applied but unknown here: the database belongs to a newer release than this program, whose newest migration is %s",
				name, newest)
		case serves > newest:
			return nil, fmt.Errorf("migration %s is applied but unknown here: the database belongs to a newer release than this program; it serves programs from migration %s on, and the newest of this one is %s",
				name, serves, newest)
		case len(pending) > 0:
			return nil, fmt.Errorf("migration %s is applied but unknown here, and %s is known here but not applied: the database belongs to another line of releases than this program",
				name, pending[0].name)
		}
	}
	return pending, nil
}

// applied returns the checksums of the applied migrations by name.
func applied(ctx context.Context, e Engine) (map[string]string, error) {
	c, err := e.Reader(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.Query(ctx, `SELECT name, checksum FROM adminkit_migration`)
	if err != nil {
		return nil, fmt.Errorf("read applied migrations: %w", err)
	}
	defer rows.Close()
	sums := map[string]string{}
	for rows.Next() {
		var name, sum string
		if err := rows.Scan(&name, &sum); err != nil {
			return nil, fmt.Errorf("read applied migrations: %w", err)
		}
		sums[name] = sum
	}
	return sums, rows.Err()
}

// read returns the files of fsys in order, the bookkeeping first.
func read(fsys fs.FS) ([]file, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	var files []file
	for _, e := range entries {
		if !named.MatchString(e.Name()) {
			return nil, fmt.Errorf("migration %s: the name is not like 0012_what_it_brings.sql", e.Name())
		}
		text, err := fs.ReadFile(fsys, e.Name())
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", e.Name(), err)
		}
		sum := sha256.Sum256(text)
		files = append(files, file{name: e.Name(), text: string(text), sum: hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	if len(files) == 0 || files[0].name != bookkeeping {
		return nil, fmt.Errorf("migrations: %s is missing", bookkeeping)
	}
	known := map[string]string{}
	for _, f := range files {
		if other := known[number(f.name)]; other != "" {
			return nil, fmt.Errorf("migrations %s and %s have the same number", other, f.name)
		}
		known[number(f.name)] = f.name
	}
	for _, f := range files {
		if n := serves(f.name); n != "" && (known[n] == "" || known[n] == f.name) {
			return nil, fmt.Errorf("migration %s serves programs of migration %s, which is not another one of this program", f.name, n)
		}
	}
	return files, nil
}

// named is what a file is called: its number, what it brings, and whom it serves.
var named = regexp.MustCompile(`^([0-9]{4})_[a-z0-9_]*?[a-z](?:_serves_([0-9]{4}))?\.sql$`)

func number(name string) string { return part(name, 1) }

// serves returns the oldest newest migration of programs that still work after this one,
// empty where no other program does.
func serves(name string) string { return part(name, 2) }

func part(name string, i int) string {
	m := named.FindStringSubmatch(name)
	if m == nil {
		return ""
	}
	return m[i]
}
