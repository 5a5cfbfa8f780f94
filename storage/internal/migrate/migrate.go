// Package migrate brings the tables of a backend to the state that its embedded
// migrations describe: forward only, each file once, in the order of its name, and
// never past a file that was changed after it was applied.
package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// bookkeeping is the file that makes the runner's own table. It is the one file that
// runs every time, and says IF NOT EXISTS.
const bookkeeping = "0000_migration.sql"

// An Engine is what the runner needs of a backend.
type Engine interface {
	storage.Transactor
	// Conn returns the connection of the transaction that ctx carries.
	Conn(ctx context.Context) (storage.Conn, error)

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

// Run applies what is pending in one transaction: all of it or none.
func Run(ctx context.Context, e Engine, fsys fs.FS, now func() time.Time) error {
	files, err := read(fsys)
	if err != nil {
		return err
	}
	return e.InTx(ctx, func(ctx context.Context) error {
		pending, err := compare(ctx, e, files)
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
		pending, err := compare(ctx, e, files)
		for _, f := range pending {
			names = append(names, f.name)
		}
		return err
	})
	return names, err
}

// compare returns the files that are not applied, and an error where an applied one
// is not the file it was.
func compare(ctx context.Context, e Engine, files []file) ([]file, error) {
	if err := e.LockMigrations(ctx); err != nil {
		return nil, fmt.Errorf("lock migrations: %w", err)
	}
	if err := e.Script(ctx, files[0].text); err != nil {
		return nil, fmt.Errorf("migration %s: %w", files[0].name, err)
	}
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
	for name := range applied {
		return nil, fmt.Errorf("migration %s is applied but unknown here: the database belongs to a newer release than this program", name)
	}
	return pending, nil
}

// applied returns the checksums of the applied migrations by name.
func applied(ctx context.Context, e Engine) (map[string]string, error) {
	c, err := e.Conn(ctx)
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
		if path.Ext(e.Name()) != ".sql" {
			return nil, fmt.Errorf("migration %s: not an .sql file", e.Name())
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
	for i := 1; i < len(files); i++ {
		if number(files[i].name) == number(files[i-1].name) {
			return nil, fmt.Errorf("migrations %s and %s have the same number", files[i-1].name, files[i].name)
		}
	}
	return files, nil
}

func number(name string) string {
	n, _, _ := strings.Cut(name, "_")
	return n
}
