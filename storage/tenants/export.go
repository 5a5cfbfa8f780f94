package tenants

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

const (
	// Format is the word in the header of every export.
	Format = "adminkit-tenant"
	// Version is the version of the lines of an export, [Schema] that of its rows.
	Version = 1
)

// A Header is the first line of an export.
type Header struct {
	Format     string    `json:"format"`
	Version    int       `json:"version"`
	Schema     int       `json:"schema"`
	Tenant     string    `json:"tenant"`
	ExportedAt time.Time `json:"exported_at"`
}

// A trailer is the last line.
type trailer struct {
	Rows  Counts `json:"rows"`
	Total *int64 `json:"total"`
}

// Export writes all that the kit keeps of a tenant to w, as JSON lines, and returns how
// many rows it wrote of each table. The package documentation has the format. What was
// written before an error has no trailer, and [Read] refuses it.
//
// All rows are of one state, which the database keeps until w has taken the last: write
// to a file rather than to a slow peer. A tenant that has nothing is an export without
// rows. Its errors are a *storage.InvalidError, [ErrInTx], that of w, and those of the
// backend.
func (s *Service) Export(ctx context.Context, tenant string, w io.Writer) (Counts, error) {
	if err := checkTenant(tenant); err != nil {
		return nil, err
	}
	counts := Counts{}
	for _, t := range tables {
		if !t.Internal {
			counts[t.Name] = 0
		}
	}
	out := &lines{w: bufio.NewWriterSize(w, 16<<10)}
	header := Header{Format: Format, Version: Version, Schema: Schema, Tenant: tenant, ExportedAt: s.cfg.Now().UTC().Truncate(time.Microsecond)}
	if err := out.marshal(header); err != nil {
		return nil, fmt.Errorf("tenants: export: %w", err)
	}
	err := s.store.Rows(ctx, tenant, func(t Table, values []any) error {
		// The last chance to find out that a store mixes tenants up.
		if len(values) == 0 || values[0] != tenant {
			return fmt.Errorf("the store gave a row of %s that is not the tenant's", t.Name)
		}
		counts[t.Name]++
		return out.row(t, values)
	})
	if err != nil {
		return nil, fmt.Errorf("tenants: export: %w", err)
	}
	total := counts.Total()
	err = out.marshal(trailer{counts, &total})
	if err == nil {
		err = out.w.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("tenants: export: %w", err)
	}
	return counts, nil
}

// lines writes an export.
type lines struct {
	w    *bufio.Writer
	line []byte // used again for each row
}

// marshal writes v as a line.
func (l *lines) marshal(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = l.w.Write(append(line, '\n'))
	return err
}

// row writes a row. What is written by hand here is what encoding/json would change: JSON
// that stands for itself, byte for byte.
func (l *lines) row(t Table, values []any) error {
	exported := t.Exported()
	if len(values) != len(exported) {
		return fmt.Errorf("the store gave %d values for the %d columns of %s", len(values), len(exported), t.Name)
	}
	b := append(l.line[:0], `{"table":"`...)
	b = append(b, t.Name...)
	b = append(b, `","row":{`...)
	for i, c := range exported {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, c.Name...)
		b = append(b, `":`...)
		var err error
		if b, err = appendValue(b, c.Kind, values[i]); err != nil {
			return fmt.Errorf("%s.%s: %w", t.Name, c.Name, err)
		}
	}
	b = append(b, "}}\n"...)
	l.line = b
	_, err := l.w.Write(b)
	return err
}

// appendValue appends the JSON of a value of a column.
func appendValue(b []byte, kind Kind, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		if kind == Text {
			return appendText(b, v)
		}
	case int64:
		if kind == Integer {
			return strconv.AppendInt(b, v, 10), nil
		}
	case float64:
		if kind == Real && !math.IsNaN(v) && !math.IsInf(v, 0) {
			return strconv.AppendFloat(b, v, 'g', -1, 64), nil
		}
	case bool:
		if kind == Boolean {
			return strconv.AppendBool(b, v), nil
		}
	case []byte:
		switch kind {
		case Bytes:
			return appendBase64(b, v), nil
		case JSON:
			if standsForItself(v) {
				return append(b, v...), nil
			}
			return appendEncoded(b, v), nil
		}
	}
	return nil, fmt.Errorf("the store gave a %T", value)
}

func appendText(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return appendEncoded(b, []byte(s)), nil
	}
	quoted, err := json.Marshal(s)
	return append(b, quoted...), err
}

func appendBase64(b, v []byte) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, v)
	return append(b, '"')
}

// appendEncoded appends what could not be read back otherwise.
func appendEncoded(b, v []byte) []byte {
	b = append(b, `{"base64":`...)
	return append(appendBase64(b, v), '}')
}

// standsForItself reports whether a document can be a part of a line, and is not taken
// for one that was encoded.
func standsForItself(v []byte) bool {
	return utf8.Valid(v) && !bytes.ContainsAny(v, "\r\n") && json.Valid(v) && !bytes.HasPrefix(bytes.TrimSpace(v), []byte(`{"base64"`))
}
