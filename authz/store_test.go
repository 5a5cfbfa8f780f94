package authz_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)

func row(id string, values ...string) authz.Row {
	return authz.Row{ID: id, Kind: "p", Values: append([]string{id}, values...)}
}

func makeChange(id string, expected int64, add ...authz.Row) authz.Change {
	return authz.Change{ID: id, At: noon, Expected: expected, Add: add}
}

func mustChange(t *testing.T, s authz.Store, tenant string, c authz.Change) authz.Head {
	t.Helper()
	h, err := s.Change(t.Context(), tenant, c)
	if err != nil {
		t.Fatalf("change %s: %v", c.ID, err)
	}
	return h
}

// ids lists the rows of a tenant in pages of the given length.
func ids(t *testing.T, s authz.Store, tenant string, limit int) []string {
	t.Helper()
	var list []string
	var after storage.Cursor
	for {
		page, err := s.Rows(t.Context(), tenant, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Items {
			list = append(list, r.ID)
		}
		if after = page.Next; after == "" {
			return list
		}
	}
}

func TestRowsKeepTheOrderOfTheirAddition(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Authz()
		mustChange(t, s, "acme", makeChange("c1", 0, row("z"), row("a"), row("m")))
		mustChange(t, s, "acme", makeChange("c2", 1, row("b")))
		mustChange(t, s, "acme", authz.Change{ID: "c3", At: noon, Expected: 2, Remove: []string{"a"}, Add: []authz.Row{row("c")}})
		mustChange(t, s, "bloom", makeChange("c1", 0, row("z")))
		for limit := range 6 {
			if got, want := ids(t, s, "acme", limit), []string{"z", "m", "b", "c"}; !slices.Equal(got, want) {
				t.Errorf("limit %d: got %v, want %v", limit, got, want)
			}
		}
		if got := ids(t, s, "bloom", 0); !slices.Equal(got, []string{"z"}) {
			t.Errorf("got %v in the other tenant", got)
		}
		page, err := s.Rows(t.Context(), "acme", "", 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := page.Items[0]; got.Kind != "p" || !slices.Equal(got.Values, []string{"z"}) {
			t.Errorf("got row %+v", got)
		}
	})
}

func TestTheHeadMovesWithEachChange(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Authz()
		if h, err := s.Head(t.Context(), "acme"); err != nil || h != (authz.Head{}) {
			t.Errorf("got %+v, %v before any change", h, err)
		}
		got := mustChange(t, s, "acme", makeChange("c1", 0, row("a")))
		want := authz.Head{Sequence: 1, ChangeID: "c1", At: noon.Truncate(time.Microsecond)}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if h, err := s.Head(t.Context(), "acme"); err != nil || h != want {
			t.Errorf("got %+v, %v, want %+v", h, err, want)
		}
		if h, err := s.Head(t.Context(), "bloom"); err != nil || h != (authz.Head{}) {
			t.Errorf("got %+v, %v in the other tenant", h, err)
		}
	})
}

func TestAChangeIsAllOrNothing(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Authz()
		head := mustChange(t, s, "acme", makeChange("c1", 0, row("a"), row("b")))
		mustChange(t, s, "bloom", makeChange("c1", 0, row("x")))
		for _, tc := range []struct {
			name   string
			change authz.Change
			want   error
		}{
			{"a stale sequence", makeChange("c2", 0, row("c")), storage.ErrConflict},
			{"a sequence from the future", makeChange("c2", 2, row("c")), storage.ErrConflict},
			{"an id that is taken", makeChange("c2", 1, row("c"), authz.Row{ID: "a", Kind: "p", Values: []string{"other"}}), storage.ErrConflict},
			{"a content that is there", makeChange("c2", 1, row("c"), authz.Row{ID: "d", Kind: "p", Values: []string{"b"}}), storage.ErrConflict},
			{"the same content twice", makeChange("c2", 1, row("c"), authz.Row{ID: "d", Kind: "p", Values: []string{"c"}}), storage.ErrConflict},
			{"a row to remove that is not there", authz.Change{ID: "c2", Expected: 1, Remove: []string{"a", "nobody"}}, storage.ErrNotFound},
			{"a row of another tenant", authz.Change{ID: "c2", Expected: 1, Remove: []string{"x"}}, storage.ErrNotFound},
		} {
			t.Run(tc.name, func(t *testing.T) {
				if _, err := s.Change(t.Context(), "acme", tc.change); !errors.Is(err, tc.want) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
				if got := ids(t, s, "acme", 0); !slices.Equal(got, []string{"a", "b"}) {
					t.Errorf("got rows %v afterwards", got)
				}
				if h, err := s.Head(t.Context(), "acme"); err != nil || h != head {
					t.Errorf("got head %+v, %v afterwards, want %+v", h, err, head)
				}
			})
		}
		if got := ids(t, s, "bloom", 0); !slices.Equal(got, []string{"x"}) {
			t.Errorf("got rows %v in the other tenant", got)
		}
	})
}

func TestAChangeCanBeRepeated(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Authz()
		c := makeChange("c1", 0, row("a"))
		first := mustChange(t, s, "acme", c)
		if again := mustChange(t, s, "acme", c); again != first {
			t.Errorf("got %+v for the repeated change, want %+v", again, first)
		}
		if got := ids(t, s, "acme", 0); len(got) != 1 {
			t.Errorf("got rows %v", got)
		}
	})
}

func TestARowCanMoveToANewIDInOneChange(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Authz()
		mustChange(t, s, "acme", makeChange("c1", 0, row("a")))
		mustChange(t, s, "acme", authz.Change{
			ID: "c2", Expected: authz.AnySequence, Remove: []string{"a"},
			Add: []authz.Row{{ID: "b", Kind: "p", Values: []string{"a"}}},
		})
		if got := ids(t, s, "acme", 0); !slices.Equal(got, []string{"b"}) {
			t.Errorf("got rows %v", got)
		}
	})
}

func TestChangeRollsBackWithTheTransactionOfCtx(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Authz()
		undo := errors.New("undo")
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			if _, err := s.Change(ctx, "acme", makeChange("c1", 0, row("a"))); err != nil {
				return err
			}
			if h, err := s.Head(ctx, "acme"); err != nil || h.Sequence != 1 {
				t.Errorf("got %+v, %v inside the transaction", h, err)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		if h, err := s.Head(t.Context(), "acme"); err != nil || h != (authz.Head{}) {
			t.Errorf("got %+v, %v after the rollback", h, err)
		}
	})
}

func TestConcurrentChangesForOneSequenceHaveOneWinner(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Authz()
		const writers = 8
		errs := make([]error, writers)
		var writing sync.WaitGroup
		for i := range writers {
			writing.Go(func() {
				_, errs[i] = s.Change(t.Context(), "acme", makeChange(fmt.Sprint("c", i), 0, row(fmt.Sprint("r", i))))
			})
		}
		writing.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, storage.ErrConflict):
				t.Errorf("got %v, want a conflict", err)
			}
		}
		if won != 1 || len(ids(t, s, "acme", 0)) != 1 {
			t.Errorf("got %d winners and rows %v, want one", won, ids(t, s, "acme", 0))
		}
	})
}

func TestRowsRefusesTheCursorOfAnotherList(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for _, c := range []storage.Cursor{"x", storage.NewCursor("other", "1", "2"), storage.NewCursor("authz.rows", "one", "2")} {
			if _, err := b.Authz().Rows(t.Context(), "acme", c, 0); !errors.Is(err, storage.ErrBadCursor) {
				t.Errorf("got %v for %q", err, c)
			}
		}
		if _, err := b.Authz().Rows(t.Context(), "acme", "", -1); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("got %v for a negative limit", err)
		}
	})
}
