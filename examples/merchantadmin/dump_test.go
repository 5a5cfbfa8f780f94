package main

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// dump reads every row of every table of a database, past the admin.
func dump(t *testing.T, db string) map[string][]string {
	t.Helper()
	if isPostgres(db) {
		return dumpPostgres(t, db)
	}
	conn, err := sql.Open("sqlite", "file:"+db+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	query := func(query string) [][]any {
		rows, err := conn.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		var all [][]any
		for rows.Next() {
			row, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range row {
				into[i] = &row[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			all = append(all, row)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return all
	}
	return dumpTables(query, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
}

func dumpPostgres(t *testing.T, dsn string) map[string][]string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	query := func(query string) [][]any {
		rows, err := conn.Query(ctx, query)
		if err != nil {
			t.Fatal(err)
		}
		all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	return dumpTables(query, `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()`)
}

func dumpTables(query func(string) [][]any, tables string) map[string][]string {
	dumped := map[string][]string{}
	for _, table := range query(tables) {
		name := fmt.Sprint(table[0])
		dumped[name] = []string{}
		for _, row := range query(`SELECT * FROM ` + name) {
			text := ""
			for _, value := range row {
				if b, ok := value.([]byte); ok {
					value = string(b)
				}
				text += fmt.Sprintf("%q|", fmt.Sprint(value))
			}
			dumped[name] = append(dumped[name], text)
		}
	}
	return dumped
}
