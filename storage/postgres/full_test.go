package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

func TestAFullDiskIsNoSpace(t *testing.T) {
	b := open(t, postgres.Config{})
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		return tabletest.Exec(ctx, b, `DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$`)
	})
	if !errors.Is(err, storage.ErrNoSpace) || !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a full disk answers %v, want ErrNoSpace and ErrUnavailable", err)
	}
	err = b.InTx(t.Context(), func(ctx context.Context) error {
		return tabletest.Exec(ctx, b, `DO $$ BEGIN RAISE EXCEPTION 'out of memory' USING ERRCODE = 'out_of_memory'; END $$`)
	})
	if errors.Is(err, storage.ErrNoSpace) || !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a server without memory answers %v, want ErrUnavailable alone", err)
	}
}

// A server whose tables lie on a file system that is full. Only those who may mount one
// can have one; elsewhere the test above stands alone.
func TestAFullTablespaceKeepsWhatWasAcknowledged(t *testing.T) {
	b, pool := hosted(t)
	disk := smallDisk(t, pool)
	if disk == nil {
		return
	}
	stored := 0
	for size := 2; size <= 4; size++ {
		disk.resize(t, size)
		for {
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				return tabletest.Exec(ctx, b, `INSERT INTO big (id, body) SELECT $1, string_agg(md5(i::text), '') FROM generate_series(1, 60) i`, fmt.Sprint(stored+1))
			})
			if errors.Is(err, storage.ErrNoSpace) && errors.Is(err, storage.ErrUnavailable) {
				break
			}
			if err != nil {
				t.Fatalf("a full disk answers %v, want ErrNoSpace and ErrUnavailable", err)
			}
			stored++
		}
		c, err := b.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := storage.QueryRow(t.Context(), c, `SELECT COUNT(*) FROM big`, nil, &n); err != nil || n != stored {
			t.Errorf("%d MiB: %d rows stored, %d acknowledged, %v", size, n, stored, err)
		}
		t.Logf("%d MiB: %d rows", size, n)
	}
	disk.resize(t, 16)
	if err := b.InTx(t.Context(), func(ctx context.Context) error {
		return tabletest.Exec(ctx, b, `INSERT INTO big (id, body) VALUES ('room', 'again')`)
	}); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
