package postgres_test

import (
	"context"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
)

// What the turn of an event costs beside the id of its transaction alone. Each operation is
// a statement that asks for a thousand of them.
func BenchmarkTurn(b *testing.B) {
	backend, err := postgres.Open(b.Context(), pgtest.DSN(b), postgres.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer backend.Close(context.Background())
	for name, query := range map[string]string{
		"turn": `SELECT COUNT(adminkit_audit_turn()) FROM generate_series(1, 1000)`,
		"id":   `SELECT COUNT(pg_current_xact_id()) FROM generate_series(1, 1000)`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			c, err := backend.Reader(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			var n int
			for b.Loop() {
				if err := storage.QueryRow(b.Context(), c, query, nil, &n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
