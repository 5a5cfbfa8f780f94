package jobstest_test

import (
	"context"
	"database/sql"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/jobs/jobstest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKitKeepTheRules(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			jobstest.Run(t, jobstest.Options{New: func(t *testing.T) jobstest.Backend { return kind.Open(t) }})
		})
		if kind.Name == "postgres" {
			t.Run("postgres over database/sql", func(t *testing.T) {
				jobstest.Run(t, jobstest.Options{New: overDatabaseSQL})
			})
		}
	}
}

func overDatabaseSQL(t *testing.T) jobstest.Backend {
	db, err := sql.Open("pgx", pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := postgres.NewSQL(t.Context(), db, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
