package tenants_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/tenants"
)

// anExport is an export of two rows.
func anExport(t testing.TB) string {
	t.Helper()
	var out bytes.Buffer
	rows := []fakeRow{listener("acme", "a"), listener("acme", "b")}
	if _, err := serviceOver(fake{rows: rows}).Export(t.Context(), "acme", &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestReadGivesBackWhatWasExported(t *testing.T) {
	t.Parallel()
	var got []string
	header, counts, err := tenants.Read(strings.NewReader(anExport(t)), func(row tenants.Row) error {
		got = append(got, row.Table+" "+string(row.Columns["pattern"]))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if header.Tenant != "acme" || !header.ExportedAt.Equal(noon) || header.Schema != tenants.Schema {
		t.Errorf("the header is %+v", header)
	}
	if strings.Join(got, ", ") != `automation_listener "a", automation_listener "b"` || counts["automation_listener"] != 2 || counts.Total() != 2 {
		t.Errorf("the rows are %q, and %d by the trailer", got, counts.Total())
	}
	if _, ok := counts["audit_event"]; !ok {
		t.Error("the trailer does not say that there is no evidence")
	}
}

// Wherever a copy breaks off, nobody takes it for the whole.
func TestReadRefusesEveryBeginningOfAnExport(t *testing.T) {
	t.Parallel()
	whole := anExport(t)
	for n := range len(whole) - 1 { // the last byte ends the last line
		_, _, err := tenants.Read(strings.NewReader(whole[:n]), nil)
		if !errors.Is(err, tenants.ErrCut) && !errors.Is(err, storage.ErrInvalid) {
			t.Fatalf("the first %d of %d bytes read with %v", n, len(whole), err)
		}
	}
}

func TestReadRefusesWhatIsNoExport(t *testing.T) {
	t.Parallel()
	whole := anExport(t)
	lines := strings.SplitAfter(whole, "\n")
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", tenants.ErrCut},
		{"a row taken out", lines[0] + lines[1] + lines[3], tenants.ErrCut},
		{"a row twice", lines[0] + lines[1] + lines[1] + lines[2] + lines[3], tenants.ErrCut},
		{"a row of another table", strings.Replace(whole, `"table":"automation_listener"`, `"table":"flags_use"`, 1), tenants.ErrCut},
		{"a total that is not the sum", strings.Replace(whole, `"total":2`, `"total":3`, 1), tenants.ErrCut},
		{"no header", lines[1] + lines[2] + lines[3], storage.ErrInvalid},
		{"another format", strings.Replace(whole, tenants.Format, "other", 1), storage.ErrInvalid},
		{"a newer version", strings.Replace(whole, `"version":1`, `"version":2`, 1), storage.ErrInvalid},
		{"a newer schema", strings.Replace(whole, `"schema":2`, `"schema":1000`, 1), storage.ErrInvalid},
		{"an unknown table", strings.Replace(whole, "automation_listener", "strange", 1), storage.ErrInvalid},
		{"an unknown key", strings.Replace(whole, `{"table"`, `{"more":1,"table"`, 1), storage.ErrInvalid},
		{"two values in a line", strings.Replace(whole, "}}\n", "}} {}\n", 1), storage.ErrInvalid},
		{"an empty line", lines[0] + "\n" + lines[1] + lines[2] + lines[3], storage.ErrInvalid},
		{"a row that is a trailer too", strings.Replace(whole, `{"table"`, `{"total":2,"table"`, 1), storage.ErrInvalid},
		{"more behind the trailer", whole + lines[1], storage.ErrInvalid},
		{"a line without end", lines[0] + strings.Repeat(" ", tenants.MaxLine+1), storage.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.text == whole {
				t.Fatal("the case changes nothing")
			}
			if _, _, err := tenants.Read(strings.NewReader(c.text), nil); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestReadEndsWithTheErrorOfItsCaller(t *testing.T) {
	t.Parallel()
	own := errors.New("own")
	if _, _, err := tenants.Read(strings.NewReader(anExport(t)), func(tenants.Row) error { return own }); !errors.Is(err, own) {
		t.Errorf("got %v, want %v", err, own)
	}
}

// FuzzRead holds that what is read has as many rows as it says.
func FuzzRead(f *testing.F) {
	f.Add([]byte(anExport(f)))
	f.Add([]byte(`{"format":"adminkit-tenant","version":1,"schema":2,"tenant":"a","exported_at":"2026-03-01T12:00:00Z"}` + "\n" + `{"rows":{},"total":0}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var n int64
		_, counts, err := tenants.Read(bytes.NewReader(text), func(tenants.Row) error {
			n++
			return nil
		})
		if err == nil && n != counts.Total() {
			t.Errorf("%d rows, and %d by the trailer", n, counts.Total())
		}
	})
}
