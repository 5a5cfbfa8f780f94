package customprovider

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/audittest"
	"github.com/lumelle/adminkit/storage/sqlite"
)

func TestTable(t *testing.T) {
	audittest.Run(t, audittest.Options{New: func(t *testing.T) audittest.Harness {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "host.db"), sqlite.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close(context.WithoutCancel(t.Context())) })
		table, err := NewTable(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		var sink audit.AuditSink = table
		if planted(t) {
			sink = rash{table}
		}
		return audittest.Harness{Sink: sink, Tx: db, Events: table.Events}
	}})
}

func TestTableNeedsADatabase(t *testing.T) {
	if _, err := NewTable(t.Context(), nil); err == nil {
		t.Error("a table without a database was made")
	}
}
