package tenants_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/tenants"
)

// A column that only one engine has, and that says where that engine put the row.
var own = map[string]string{"audit_event": "xid"}

// No table of the kit that has a tenant is forgotten, and no column of one.
func TestTablesAreThoseOfTheDatabase(t *testing.T) {
	t.Parallel()
	const (
		ofSQLite = `
SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
WHERE m.type = 'table' AND m.name LIKE 'adminkit\_%' ESCAPE '\' ORDER BY m.name, c.name`
		ofPostgres = `
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name LIKE 'adminkit\_%' ORDER BY table_name, column_name`
	)
	for _, kind := range eachtest.Kinds(t) {
		query, ok := map[string]string{"sqlite": ofSQLite, "postgres": ofPostgres}[kind.Name]
		if !ok {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			stored := columnsOf(t, kind.Open(t), query)
			if len(stored) < 20 {
				t.Fatalf("the database has %d tables with a tenant", len(stored))
			}
			for _, declared := range tenants.Tables() {
				var names []string
				for _, c := range declared.Columns {
					names = append(names, c.Name)
				}
				if names[0] != "tenant" {
					t.Errorf("the first column of %s is %s", declared.Name, names[0])
				}
				slices.Sort(names)
				got := slices.DeleteFunc(stored[declared.Name], func(c string) bool { return c == own[declared.Name] })
				if !slices.Equal(got, names) {
					t.Errorf("%s has the columns %v, and Tables says %v", declared.Name, got, names)
				}
				delete(stored, declared.Name)
			}
			for name := range stored {
				t.Errorf("%s has rows of tenants, and Tables forgets it", name)
			}
		})
	}
}

// columnsOf returns the sorted columns of the kit's tables that have a tenant.
func columnsOf(t *testing.T, b eachtest.Backend, query string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		conn, err := b.(interface {
			Conn(ctx context.Context) (storage.Conn, error)
		}).Conn(ctx)
		if err != nil {
			return err
		}
		rows, err := conn.Query(ctx, query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var table, column string
			if err := rows.Scan(&table, &column); err != nil {
				return err
			}
			table = strings.TrimPrefix(table, "adminkit_")
			all[table] = append(all[table], column)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	for table, columns := range all {
		if !slices.Contains(columns, "tenant") {
			delete(all, table)
		}
		slices.Sort(columns)
	}
	return all
}

// What receivers have was written by some schema: a change of the tables is a new one.
func TestAChangeOfTheTablesIsANewSchema(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	fmt.Fprintf(&b, "schema %d\n", tenants.Schema)
	kinds := []string{"text", "integer", "real", "boolean", "bytes", "json", "secret"}
	for _, table := range tenants.Tables() {
		if table.Internal {
			continue
		}
		fmt.Fprintf(&b, "\n%s (%s)\n", table.Name, strings.Join(table.Key, ", "))
		for _, c := range table.Columns {
			fmt.Fprintf(&b, "\t%s %s\n", c.Name, kinds[c.Kind])
		}
	}
	golden, err := os.ReadFile("testdata/tables.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(golden) {
		t.Errorf("the tables are not those of testdata/tables.txt: raise Schema and write there\n%s", got)
	}
}
