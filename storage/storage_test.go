package storage_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
)

func TestNewIDIsAVersion7UUIDInTheOrderOfItsMaking(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		before := time.Now().UnixMilli()
		id := storage.NewID()
		after := time.Now().UnixMilli()
		if !form.MatchString(id) {
			t.Fatalf("%q is no UUID of version 7", id)
		}
		if seen[id] {
			t.Fatalf("%q was made twice", id)
		}
		seen[id] = true
		var ms int64
		if _, err := fmt.Sscanf(strings.ReplaceAll(id, "-", "")[:12], "%x", &ms); err != nil {
			t.Fatal(err)
		}
		if ms < before || ms > after {
			t.Errorf("%q says %d, want between %d and %d", id, ms, before, after)
		}
	}
}

func TestCheckID(t *testing.T) {
	for _, tc := range []struct {
		name, id, message string
	}{
		{"an ordinary one", "order-7", ""},
		{"spaces, case and accents", " Ä a\u0308 ", ""},
		{"an emoji", "😀", ""},
		{"one of the longest", strings.Repeat("x", storage.MaxID), ""},
		{"an empty one", "", "must not be empty"},
		{"one byte too long", strings.Repeat("x", storage.MaxID+1), "must be at most 255 bytes long"},
		{"too long in bytes though not in letters", strings.Repeat("ä", storage.MaxID/2+1), "must be at most 255 bytes long"},
		{"a NUL", "a\x00b", "must not contain a NUL"},
		{"broken UTF-8", "a\xffb", "must be UTF-8"},
	} {
		err := storage.CheckID("/id", tc.id)
		if tc.message == "" {
			if err != nil {
				t.Errorf("%s: got %v, want nil", tc.name, err)
			}
			continue
		}
		var invalid *storage.InvalidError
		if !errors.As(err, &invalid) || !slices.Equal(invalid.Fields, []storage.FieldError{{Pointer: "/id", Message: tc.message}}) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.message)
		}
		if !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("%s: %v is not ErrInvalid", tc.name, err)
		}
	}
}

func TestCheckTextAllowsTheEmptyText(t *testing.T) {
	if err := storage.CheckText("/reason", "", 3); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if err := storage.CheckText("/reason", "four", 3); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
}

func TestInvalidErrorCollectsFields(t *testing.T) {
	var e *storage.InvalidError
	if e.Err() != nil {
		t.Errorf("nothing collected: got %v, want nil", e.Err())
	}
	if (&storage.InvalidError{}).Err() != nil {
		t.Error("no field named: want nil")
	}
	e = e.Add("/amount", "must be positive")
	e = e.Add("", "is too long")
	err := fmt.Errorf("refund: %w", e.Err())
	if got, want := err.Error(), "refund: invalid input: /amount: must be positive; is too long"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, storage.ErrInvalid) || errors.Is(err, storage.ErrConflict) {
		t.Errorf("%v: want ErrInvalid and nothing else", err)
	}
}

func TestLimit(t *testing.T) {
	for n, want := range map[int]int{0: storage.DefaultLimit, 1: 1, 999: 999, storage.MaxLimit: storage.MaxLimit, 1 << 40: storage.MaxLimit} {
		if got, err := storage.Limit(n); got != want || err != nil {
			t.Errorf("Limit(%d): got %d, %v, want %d", n, got, err, want)
		}
	}
	if _, err := storage.Limit(-1); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("Limit(-1): got %v, want ErrInvalid", err)
	}
}

func TestCursorOpensInItsOwnListOnly(t *testing.T) {
	for _, key := range [][]string{{"a"}, {"", ""}, {"1700000000000000", "id"}, {"\x01", "ä", strings.Repeat("x", 1000)}} {
		c := storage.NewCursor("list", key...)
		if got, err := c.Key("list", len(key)); err != nil || !slices.Equal(got, key) {
			t.Errorf("%q: got %q, %v", key, got, err)
		}
		for what, open := range map[string]func() ([]string, error){
			"in another list":       func() ([]string, error) { return c.Key("lists", len(key)) },
			"with more keys":        func() ([]string, error) { return c.Key("list", len(key)+1) },
			"with fewer keys":       func() ([]string, error) { return c.Key("list", len(key)-1) },
			"cut":                   func() ([]string, error) { return c[:len(c)-1].Key("list", len(key)) },
			"with a letter changed": func() ([]string, error) { return ("AA" + c[2:]).Key("list", len(key)) },
			"with padding":          func() ([]string, error) { return (c + "=").Key("list", len(key)) },
			"with a line break":     func() ([]string, error) { return (c[:4] + "\n" + c[4:]).Key("list", len(key)) },
		} {
			if got, err := open(); !errors.Is(err, storage.ErrBadCursor) {
				t.Errorf("%.20q %s: got %.20q, %v, want ErrBadCursor", key, what, got, err)
			}
		}
	}
}

// The sum of a cursor has no key: who knows the name of a list makes what cursors she likes.
func TestACursorWithAKeyThatIsNoTextIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		key  []string
	}{
		{"a NUL", []string{"a\x00b", "id"}},
		{"nothing but a NUL", []string{"\x00", "id"}},
		{"broken UTF-8", []string{"a\xffb", "id"}},
		{"half a letter", []string{"ä"[:1], "id"}},
		{"half a surrogate pair", []string{"\xed\xa0\x80", "id"}},
		{"a NUL in the last key", []string{"name", "i\x00d"}},
		{"broken UTF-8 in the last key", []string{"name", "id\xff"}},
	} {
		got, err := storage.NewCursor("list", tc.key...).Key("list", len(tc.key))
		if got != nil || !errors.Is(err, storage.ErrBadCursor) {
			t.Errorf("%s: got %q, %v, want ErrBadCursor", tc.name, got, err)
		}
	}
}

func TestEmptyCursorIsTheStart(t *testing.T) {
	if got, err := storage.Cursor("").Key("list", 2); got != nil || err != nil {
		t.Errorf("got %q, %v, want nil", got, err)
	}
}

func TestListNameAndKeyDoNotRunTogether(t *testing.T) {
	if storage.NewCursor("a", "b", "c") == storage.NewCursor("a", "bc", "") {
		t.Error("two keys have one cursor")
	}
	if _, err := storage.NewCursor("ab", "").Key("a", 1); !errors.Is(err, storage.ErrBadCursor) {
		t.Errorf("got %v, want ErrBadCursor", err)
	}
}

func FuzzCursorKey(f *testing.F) {
	f.Add(string(storage.NewCursor("list", "a", "b")), 2)
	f.Add("AQ", 0)
	f.Add("", 1)
	f.Fuzz(func(t *testing.T, text string, n int) {
		n &= 7
		c := storage.Cursor(text)
		key, err := c.Key("list", n)
		switch {
		case err != nil && (!errors.Is(err, storage.ErrBadCursor) || key != nil):
			t.Errorf("got %q, %v", key, err)
		case err == nil && text != "" && storage.NewCursor("list", key...) != c:
			t.Errorf("%q opens as %q, which makes another cursor", text, key)
		}
	})
}

func FuzzCursorRoundTrip(f *testing.F) {
	f.Add("list", "a", "b")
	f.Add("list", "a\x00", "b\xff")
	f.Fuzz(func(t *testing.T, list, a, b string) {
		c := storage.NewCursor(list, a, b)
		if _, err := base64.RawURLEncoding.DecodeString(string(c)); err != nil {
			t.Errorf("%q cannot stand in a URL: %v", c, err)
		}
		if len(c) > 4096 {
			return // longer than any list's key; refused when it comes back
		}
		if storage.CheckText("", a, 4096) != nil || storage.CheckText("", b, 4096) != nil {
			return // no text, and refused
		}
		if key, err := c.Key(list, 2); err != nil || key[0] != a || key[1] != b {
			t.Errorf("got %q, %v, want %q", key, err, []string{a, b})
		}
	})
}

// A handle is the least that a transaction in ctx can be.
type handle struct {
	owner  any
	after  []func()
	hosted bool
}

func (h *handle) Owner() any { return h.owner }

func (h *handle) AfterCommit(fn func()) bool {
	if !h.hosted {
		h.after = append(h.after, fn)
	}
	return !h.hosted
}

func TestTxForTellsOwnersApart(t *testing.T) {
	mine, other := new(int), new(int)
	h := &handle{owner: mine}
	ctx := storage.WithTx(t.Context(), h)
	if tx, err := storage.TxFor(t.Context(), mine); tx != nil || err != nil {
		t.Errorf("without a transaction: got %v, %v", tx, err)
	}
	if tx, err := storage.TxFor(ctx, mine); tx != storage.Tx(h) || err != nil {
		t.Errorf("its owner: got %v, %v", tx, err)
	}
	if tx, err := storage.TxFor(ctx, other); tx != nil || !errors.Is(err, storage.ErrForeignTx) {
		t.Errorf("another owner: got %v, %v, want ErrForeignTx", tx, err)
	}
	if tx, err := storage.TxFor(context.WithoutCancel(ctx), mine); tx == nil || err != nil {
		t.Errorf("without cancel: got %v, %v, want the transaction still", tx, err)
	}
}

func TestDetachDropsTheTransactionAndKeepsTheRest(t *testing.T) {
	type key struct{}
	plain := context.WithValue(t.Context(), key{}, "kept")
	if storage.Detach(plain) != plain {
		t.Error("a ctx without a transaction was changed")
	}
	owner := new(int)
	ctx := storage.Detach(storage.WithTx(plain, &handle{owner: owner}))
	if tx, err := storage.TxFor(ctx, owner); tx != nil || err != nil {
		t.Errorf("got %v, %v, want no transaction", tx, err)
	}
	if ctx.Value(key{}) != "kept" {
		t.Error("the rest of ctx is gone")
	}
	if tx, _ := storage.TxFor(storage.WithTx(ctx, &handle{owner: owner}), owner); tx == nil {
		t.Error("a detached ctx cannot carry a transaction again")
	}
}

func TestAfterCommitWithoutATransactionRunsAtOnce(t *testing.T) {
	ran := 0
	if !storage.AfterCommit(t.Context(), func() { ran++ }) || ran != 1 {
		t.Errorf("without a transaction: ran %d times, want once", ran)
	}
	h := &handle{}
	if !storage.AfterCommit(storage.WithTx(t.Context(), h), func() { ran++ }) || ran != 1 || len(h.after) != 1 {
		t.Errorf("in a transaction: ran %d times, registered %d", ran, len(h.after))
	}
	hosted := &handle{hosted: true}
	if storage.AfterCommit(storage.WithTx(t.Context(), hosted), func() { ran++ }) || ran != 1 {
		t.Errorf("in a host's transaction: ran %d times", ran)
	}
	if !storage.AfterCommit(storage.Detach(storage.WithTx(t.Context(), hosted)), func() { ran++ }) || ran != 2 {
		t.Errorf("detached: ran %d times, want once more", ran)
	}
}

// rows answers a fixed table, and errors where it is told to.
type rows struct {
	values   []int
	scan     error
	end      error
	closed   int
	position int
}

func (r *rows) Next() bool { r.position++; return r.position <= len(r.values) }
func (r *rows) Scan(dest ...any) error {
	if r.scan == nil {
		*dest[0].(*int) = r.values[r.position-1]
	}
	return r.scan
}
func (r *rows) Err() error   { return r.end }
func (r *rows) Close() error { r.closed++; return nil }

type conn struct {
	rows *rows
	err  error
}

func (c conn) Exec(context.Context, string, ...any) (int64, error) { return 0, errors.ErrUnsupported }
func (c conn) Query(context.Context, string, ...any) (storage.Rows, error) {
	return c.rows, c.err
}

func TestQueryRow(t *testing.T) {
	broken := errors.New("broken")
	for _, tc := range []struct {
		name string
		conn conn
		want error
		got  int
	}{
		{"one row", conn{rows: &rows{values: []int{7}}}, nil, 7},
		{"the first of two", conn{rows: &rows{values: []int{7, 8}}}, nil, 7},
		{"no row", conn{rows: &rows{}}, storage.ErrNotFound, 0},
		{"an error instead of the first row", conn{rows: &rows{end: broken}}, broken, 0},
		{"a row that does not scan", conn{rows: &rows{values: []int{7}, scan: broken}}, broken, 0},
		{"a query that fails", conn{rows: &rows{}, err: broken}, broken, 0},
	} {
		got := 0
		err := storage.QueryRow(t.Context(), tc.conn, "SELECT", nil, &got)
		if !errors.Is(err, tc.want) || got != tc.got {
			t.Errorf("%s: got %d, %v, want %d, %v", tc.name, got, err, tc.got, tc.want)
		}
		if tc.conn.err == nil && tc.conn.rows.closed == 0 {
			t.Errorf("%s: the rows were left open", tc.name)
		}
	}
}
