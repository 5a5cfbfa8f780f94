package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/ledger"
)

// fresh returns a backend with a ledger of two writers and five entries each, and their
// acknowledgements.
func fresh(t *testing.T, b ledger.Backend) (lines []string) {
	t.Helper()
	if err := ledger.Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		w := ledger.NewWriter(b, name)
		w.Pad(10)
		for range 5 {
			line, err := w.Write(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func TestASoundLedgerPasses(t *testing.T) {
	for _, k := range eachtest.Kinds(t) {
		b, ok := k.Open(t).(ledger.Backend)
		if !ok {
			continue // memory has no rows of a host's own
		}
		lines := fresh(t, b)
		got, err := ledger.Check(t.Context(), b, lines)
		if want := (ledger.Count{Acknowledged: 10, Stored: 10}); err != nil || got != want || got.Err() != nil {
			t.Errorf("%s: %+v, %v; want %+v", k.Name, got, err, want)
		}
	}
}

func TestEachDamageIsFound(t *testing.T) {
	for _, damage := range []struct {
		name, statement string
		want            ledger.Count
	}{
		{"the last entry is gone", `DELETE FROM ledger WHERE writer = 'a' AND seq = 5`, ledger.Count{Stored: 9, Lost: 1}},
		{"all of a writer is gone", `DELETE FROM ledger WHERE writer = 'a'`, ledger.Count{Stored: 5, Lost: 5}},
		{"half of the last entry is gone", `DELETE FROM ledger WHERE writer = 'b' AND seq = 5 AND part = 2`, ledger.Count{Stored: 10, Lost: 1, Halved: 1}},
		{"an entry in the middle is gone", `DELETE FROM ledger WHERE writer = 'b' AND seq = 4`, ledger.Count{Stored: 9, Lost: 1, Broken: 1}},
		{"an entry was changed", `UPDATE ledger SET chain = 'x' WHERE writer = 'a' AND seq = 5`, ledger.Count{Stored: 10, Broken: 1}},
	} {
		t.Run(damage.name, func(t *testing.T) {
			b := eachtest.SQLite(t).(*sqlite.Backend)
			lines := fresh(t, b)
			if err := b.InTx(t.Context(), func(ctx context.Context) error {
				c, err := b.Conn(ctx)
				if err != nil {
					return err
				}
				_, err = c.Exec(ctx, damage.statement)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			damage.want.Acknowledged = 10
			if got, err := ledger.Check(t.Context(), b, lines); err != nil || got != damage.want || got.Err() == nil {
				t.Errorf("%+v, %v, %v; want %+v", got, err, got.Err(), damage.want)
			}
		})
	}
}

func TestAnEntryThatFailedIsMadeAgain(t *testing.T) {
	own := errors.New("own")
	b := &failing{Backend: eachtest.SQLite(t).(*sqlite.Backend)}
	if err := ledger.Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	w := ledger.NewWriter(b, "a")
	b.err = own
	if _, err := w.Write(t.Context()); err != own {
		t.Fatalf("Write = %v", err)
	}
	b.err = nil
	line, err := w.Write(t.Context())
	if line != "a 1" || err != nil {
		t.Errorf("Write = %q, %v; want the first entry", line, err)
	}
	if got, err := ledger.Check(t.Context(), b, []string{line}); err != nil || got != (ledger.Count{Acknowledged: 1, Stored: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ledger.Check(t.Context(), b, []string{"nonsense"}); err != nil || got.Lost != 1 {
		t.Errorf("a line that acknowledges nothing: %+v, %v; want it to be missed", got, err)
	}
}

func TestWritersRunUntilTheyAreStopped(t *testing.T) {
	b := eachtest.SQLite(t).(*sqlite.Backend)
	if err := ledger.Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var lines []string
	if err := ledger.Run(ctx, b, 4, func(line string) {
		mu.Lock()
		defer mu.Unlock()
		if lines = append(lines, line); len(lines) == 20 {
			cancel()
		}
	}); err != nil {
		t.Error(err)
	}
	if got, err := ledger.Check(t.Context(), b, lines); err != nil || got.Err() != nil || got.Stored != len(lines) || len(lines) < 20 {
		t.Errorf("%+v, %v; %d lines", got, err, len(lines))
	}
	own := errors.New("own")
	if err := ledger.Run(t.Context(), &failing{b, own}, 4, func(string) {}); err != own {
		t.Errorf("Run = %v, want the writers' error", err)
	}
}

// failing commits and says that it failed, where err is set.
type failing struct {
	*sqlite.Backend
	err error
}

func (f *failing) InTx(ctx context.Context, fn func(context.Context) error) error {
	if err := f.Backend.InTx(ctx, fn); err != nil {
		return err
	}
	return f.err
}

func Example() {
	ctx := context.Background()
	b, err := sqlite.Open(ctx, sqlite.Memory, sqlite.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close(ctx)
	if err := ledger.Create(ctx, b); err != nil {
		fmt.Println(err)
		return
	}
	w := ledger.NewWriter(b, "writer-1")
	line, err := w.Write(ctx)
	fmt.Println(line, err)
	// As if more had been promised than is there:
	got, err := ledger.Check(ctx, b, []string{line, "writer-1 2"})
	fmt.Println(got.Stored, got.Lost, err)
	// Output:
	// writer-1 1 <nil>
	// 1 1 <nil>
}
