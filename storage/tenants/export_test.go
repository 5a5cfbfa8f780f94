package tenants_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/tenants"
)

func TestExportWritesEachKindOfValue(t *testing.T) {
	t.Parallel()
	version := func(body any) []any {
		return []any{"acme", "flag", "checkout", int64(1), int64(7), false, body, []byte{0, 255}, []byte(`["vip"]`), "flags.publish", "", "e-1", []byte(`{"id":"sam"}`), int64(1), int64(0)}
	}
	for _, c := range []struct {
		name string
		row  fakeRow
		want string
	}{
		{"a document byte for byte", fakeRow{"flags_version", version([]byte(`{"b":1.0, "a":"<&>"}`))}, `"body":{"b":1.0, "a":"<&>"},"hash":"AP8="`},
		{"a document of several lines", fakeRow{"flags_version", version([]byte("{\n}"))}, `"body":{"base64":"ewp9"}`},
		{"what is no document", fakeRow{"flags_version", version([]byte(`{"a"`))}, `"body":{"base64":"eyJhIg=="}`},
		{"a document that looks like one that was encoded", fakeRow{"flags_version", version([]byte(`{"base64":""}`))}, `"body":{"base64":"eyJiYXNlNjQiOiIifQ=="}`},
		{"no document", fakeRow{"flags_version", version(nil)}, `"body":null`},
		{"text that JSON escapes", listener("acme", "a\"\n\u2028"), `"pattern":"a\"\n\u2028"`},
		{"text that is no UTF-8", listener("acme", "\xff"), `"pattern":{"base64":"/w=="}`},
		{"a real number", fakeRow{"jobs_lane", []any{"acme", "l", int64(1), 0.1, int64(0), true, int64(0), int64(0), false, int64(0), int64(0), "", int64(9007199254740993), false}}, `"rate":0.1,"burst":0,"fifo":true`},
		{"an integer that is no float", fakeRow{"flags_head", []any{"acme", int64(9007199254740993)}}, `"last_change":9007199254740993`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			counts, err := serviceOver(fake{rows: []fakeRow{c.row}}).Export(t.Context(), "acme", &out)
			if err != nil {
				t.Fatal(err)
			}
			if counts.Total() != 1 || counts[c.row.table] != 1 || !strings.Contains(out.String(), c.want) {
				t.Errorf("%d rows, want one with %s:\n%s", counts.Total(), c.want, &out)
			}
			if _, _, err := tenants.Read(&out, nil); err != nil {
				t.Errorf("the export is not read back: %v", err)
			}
		})
	}
}

// A store that is broken must not make an export that looks whole.
func TestExportRefusesWhatAStoreMustNotGive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		row  fakeRow
	}{
		{"a row of another tenant", listener("bloom", "a")},
		{"a row with too few values", fakeRow{"automation_listener", []any{"acme"}}},
		{"a row without values", fakeRow{"automation_listener", nil}},
		{"a number for a text", fakeRow{"automation_listener", []any{"acme", int64(1), "a", "b"}}},
		{"a time for an integer", fakeRow{"flags_head", []any{"acme", noon}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if _, err := serviceOver(fake{rows: []fakeRow{c.row}}).Export(t.Context(), "acme", &out); err == nil {
				t.Errorf("the export is\n%s\nwant an error", &out)
			}
			if _, _, err := tenants.Read(&out, nil); !errors.Is(err, tenants.ErrCut) {
				t.Errorf("what was written reads with %v, want ErrCut", err)
			}
		})
	}
}

// fullAfter takes so many bytes and no more.
type fullAfter struct{ left int }

func (w *fullAfter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, storage.ErrNoSpace
	}
	return len(b), nil
}

func TestExportAnswersTheErrorOfItsWriter(t *testing.T) {
	t.Parallel()
	var rows []fakeRow
	for range 1000 {
		rows = append(rows, listener("acme", strings.Repeat("a", 200)))
	}
	for _, space := range []int{0, 20_000, 200_000} {
		if _, err := serviceOver(fake{rows: rows}).Export(t.Context(), "acme", &fullAfter{space}); !errors.Is(err, storage.ErrNoSpace) {
			t.Errorf("with space for %d bytes the answer is %v, want ErrNoSpace", space, err)
		}
	}
}

func TestATenantNeedsAName(t *testing.T) {
	t.Parallel()
	s := serviceOver(fake{})
	if _, err := s.Export(t.Context(), "", &bytes.Buffer{}); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("an export of nobody answers %v, want ErrInvalid", err)
	}
	if _, err := s.Delete(t.Context(), "", tenants.Deletion{}); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("a deletion of nobody answers %v, want ErrInvalid", err)
	}
	if _, err := tenants.New(nil, tenants.Config{}); err == nil {
		t.Error("a service without a store was made")
	}
}
