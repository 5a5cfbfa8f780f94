package memory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage"
)

// A note is the row of the tests: two orders, one of them not by key.
type note struct {
	id   string
	rank int
}

var notes = table[note]{
	func(a, b *note) int { return cmp.Compare(a.id, b.id) },
	func(a, b *note) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.id, b.id)) },
}

const byRank = 1

func newBackend(t *testing.T, config Config) *Backend {
	t.Helper()
	b, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return b
}

func insert(ctx context.Context, b *Backend, n note) error {
	return b.write(ctx, "notes.Insert", func(v view) error { return notes.insert(v, n) })
}

func ids(t *testing.T, ctx context.Context, b *Backend, order int) []string {
	t.Helper()
	var got []string
	err := b.read(ctx, "notes.List", func(v view) error {
		for n := range notes.ascend(v, order, note{}) {
			got = append(got, n.id)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCommittedRowsAreSeenAndUncommittedOnesOnlyInside(t *testing.T) {
	b := newBackend(t, Config{})
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		if err := insert(ctx, b, note{"a", 2}); err != nil {
			return err
		}
		if got := ids(t, t.Context(), b, 0); len(got) != 0 {
			t.Errorf("outside: got %v, want none", got)
		}
		if got := ids(t, ctx, b, 0); !slices.Equal(got, []string{"a"}) {
			t.Errorf("inside: got %v, want a", got)
		}
		return insert(ctx, b, note{"b", 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(t, t.Context(), b, byRank); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("by rank: got %v, want b a", got)
	}
}

func TestSavepointRestoresOnlyItsOwnPart(t *testing.T) {
	b := newBackend(t, Config{})
	boom := errors.New("boom")
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		if err := insert(ctx, b, note{"a", 1}); err != nil {
			return err
		}
		err := b.InTx(ctx, func(ctx context.Context) error {
			return errors.Join(insert(ctx, b, note{"b", 2}), boom)
		})
		if !errors.Is(err, boom) {
			t.Errorf("got %v, want boom", err)
		}
		return insert(ctx, b, note{"c", 3})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(t, t.Context(), b, 0); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("got %v, want a c", got)
	}
}

func TestRowsMayBeWrittenWhileTheyAreRead(t *testing.T) {
	b := newBackend(t, Config{})
	err := b.write(t.Context(), "notes.Renumber", func(v view) error {
		for i := range 500 {
			notes.put(v, note{string(rune('a' + i)), i})
		}
		seen := 0
		for n := range notes.ascend(v, byRank, note{}) {
			seen++
			n.rank += 1000
			notes.put(v, n)
			notes.delete(v, note{id: string(rune('a' + 499))})
		}
		if seen != 500 {
			t.Errorf("saw %d rows, want the 500 of the start", seen)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(t, t.Context(), b, byRank); len(got) != 499 {
		t.Errorf("got %d rows, want 499: all but the deleted one", len(got))
	}
}

func TestReadersAndWritersRunSideBySide(t *testing.T) {
	b := newBackend(t, Config{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				if err := insert(t.Context(), b, note{string(rune('A'+w)) + string(rune('a'+i)), i}); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 100 {
				a, z := ids(t, t.Context(), b, 0), ids(t, t.Context(), b, byRank)
				if len(a) > len(z) {
					t.Errorf("the later snapshot has %d rows, the earlier %d", len(z), len(a))
				}
			}
		})
	}
	wg.Wait()
	if got := ids(t, t.Context(), b, 0); len(got) != 400 {
		t.Errorf("got %d rows, want 400", len(got))
	}
}

func TestUseAfterEndIsRefused(t *testing.T) {
	b := newBackend(t, Config{})
	var kept, inner context.Context
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		kept = ctx
		if err := b.InTx(ctx, func(ctx context.Context) error { inner = ctx; return nil }); err != nil {
			return err
		}
		if err := insert(inner, b, note{"x", 1}); !errors.Is(err, storage.ErrTxDone) {
			t.Errorf("savepoint: got %v, want ErrTxDone", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := insert(kept, b, note{"x", 1}); !errors.Is(err, storage.ErrTxDone) {
		t.Errorf("transaction: got %v, want ErrTxDone", err)
	}
}
