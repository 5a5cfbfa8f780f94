package jcs_test

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	oracle "github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

// TestSuite runs the documents, numbers and refusals of RFC 8785's test data.
func TestSuite(t *testing.T) {
	dir := suitetest.Dir(t, "jcs")
	documents, err := filepath.Glob(filepath.Join(dir, "input", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range documents {
		name := filepath.Base(path)
		want := string(suitetest.Read(t, dir, "output", name))
		got, err := jcs.Canonicalize(suitetest.Read(t, path))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
		if again, err := jcs.Canonicalize(got); err != nil || string(again) != want {
			t.Errorf("%s again: %s, %v; want it unchanged", name, again, err)
		}
	}
	numbers := suiteNumbers(t, dir)
	refusals := suiteRefusals(t, dir)
	if got := len(documents) + numbers + refusals; got != 408 {
		t.Errorf("ran %d documents, %d numbers and %d refusals, want 408 cases", len(documents), numbers, refusals)
	}
}

func suiteNumbers(t *testing.T, dir string) int {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(string(suitetest.Read(t, dir, "numbers.csv")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		bits, err := strconv.ParseUint(row[0], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		got, err := jcs.AppendNumber(nil, math.Float64frombits(bits))
		switch {
		case row[1] == "error" && err == nil:
			t.Errorf("%s: %s, want an error", row[0], got)
		case row[1] != "error" && (err != nil || string(got) != row[1]):
			t.Errorf("%s: %s, %v; want %s", row[0], got, err, row[1])
		}
	}
	return len(rows) - 1
}

func suiteRefusals(t *testing.T, dir string) int {
	t.Helper()
	var refuse struct {
		Cases []struct {
			ID    string
			Input []byte `json:"input_base64"`
			Why   string
		}
	}
	if err := json.Unmarshal(suitetest.Read(t, dir, "must_refuse.json"), &refuse); err != nil {
		t.Fatal(err)
	}
	for _, c := range refuse.Cases {
		if got, err := jcs.Canonicalize(c.Input); err == nil {
			t.Errorf("%s: %s, want it refused: %s", c.ID, got, c.Why)
		}
	}
	return len(refuse.Cases)
}

// TestNumbersEqualOracle compares random doubles with another implementation.
func TestNumbersEqualOracle(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200_000 {
		f := math.Float64frombits(r.Uint64())
		want, wantErr := oracle.NumberToJSON(f)
		got, err := jcs.AppendNumber(nil, f)
		if (err == nil) != (wantErr == nil) || err == nil && string(got) != want {
			t.Fatalf("seed %d: AppendNumber(%x) = %s, %v; the oracle says %s, %v", seed, math.Float64bits(f), got, err, want, wantErr)
		}
	}
}

// documents draws JSON of any shape, with keys and texts that are awkward to order
// and to escape.
func documents() *rapid.Generator[any] {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-c]{0,3}`),
		rapid.SampledFrom([]string{"\u20ac", "\ufb33", "😀", "é", "e\u0301", "\x00\x1f\"\\/\x7f", "\u2028"}))
	scalar := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(text, func(s string) any { return s }),
		rapid.Map(rapid.Float64Range(-1e15, 1e15), func(f float64) any { return f }),
		rapid.Map(rapid.Int64Range(-1<<53+1, 1<<53-1), func(n int64) any { return n }),
	)
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return scalar
		}
		inner := rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) })
		return rapid.OneOf(scalar,
			rapid.Map(rapid.SliceOfN(inner, 0, 5), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(text, inner, 0, 8), func(m map[string]any) any { return m }))
	}
	return value(4)
}

func TestDocumentsEqualOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		doc, err := json.MarshalIndent(documents().Draw(t, "document"), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		want, err := oracle.Transform(doc)
		if err != nil {
			t.Skip("the oracle takes objects and arrays only")
		}
		got, err := jcs.Canonicalize(doc)
		if err != nil || string(got) != string(want) {
			t.Fatalf("Canonicalize(%s)\n= %s, %v\nthe oracle says\n  %s", doc, got, err, want)
		}
	})
}

func FuzzCanonicalize(f *testing.F) {
	for _, seed := range []string{
		`{"b":1,"a":[true,null,"\ud83d\ude00"]}`, `[1e21,1e-7,-0,9007199254740991]`, `{"a":1,"\u0061":2}`, `"\ud800"`, "\"\xff\"", `{"a":`, `01`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := jcs.Canonicalize(doc)
		if err != nil {
			return
		}
		if !json.Valid(doc) {
			t.Errorf("accepted what is not JSON: %q", doc)
		}
		if again, err := jcs.Canonicalize(got); err != nil || string(again) != string(got) {
			t.Errorf("the canonical form %q of %q becomes %q, %v", got, doc, again, err)
		}
		if doc[0] == '{' || doc[0] == '[' {
			if want, err := oracle.Transform(doc); err == nil && string(want) != string(got) {
				t.Errorf("Canonicalize(%q) = %q; the oracle says %q", doc, got, want)
			}
		}
	})
}

// record is a document of some 680 bytes, as logs have it.
var record = []byte(`{"type":"lumelle.orders.v1.refunded","trace":{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","flags":1},` +
	`"tenant":"acme","time":"2026-11-22T12:00:00.000000Z","source":"/orders","schema":"lumelle.orders.v1.refunded","resource":{"type":"order","id":"1001","name":"Order 1001"},` +
	`"reason":"damaged","payload":{"order_id":"1001","amount":"150.00","currency":"EUR","lines":[1,2,3.5]},"outcome":"success","id":"0192f0c1-7a4e-7000-8000-000000000001",` +
	`"category":"activity","before":{"status":"paid"},"after":{"status":"refunded"},"actor":{"type":"user","id":"sam","name":"Sam \"S\" Ünlü"},"action":"orders.refund","padding":"` + strings.Repeat("x", 60) + `"}`)

func BenchmarkCanonicalize(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(record)))
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = jcs.Append(dst[:0], record); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCanonicalizeOracle is the other implementation on the same document.
func BenchmarkCanonicalizeOracle(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(record)))
	for b.Loop() {
		if _, err := oracle.Transform(record); err != nil {
			b.Fatal(err)
		}
	}
}
