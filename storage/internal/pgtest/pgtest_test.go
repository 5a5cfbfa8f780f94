package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage/internal/pgtest"
)

func TestEachCallGivesADatabaseOfItsOwn(t *testing.T) {
	for range 2 {
		c, err := pgx.Connect(t.Context(), pgtest.DSN(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		if _, err := c.Exec(t.Context(), `CREATE TABLE t (id TEXT)`); err != nil {
			t.Error(err)
		}
		for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "server_encoding": "UTF8"} {
			var got string
			if err := c.QueryRow(t.Context(), `SELECT current_setting($1)`, setting).Scan(&got); err != nil || got != want {
				t.Errorf("%s = %q, %v; want %q", setting, got, err, want)
			}
		}
	}
}
