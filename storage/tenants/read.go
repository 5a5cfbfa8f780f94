package tenants

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/lumelle/adminkit/storage"
)

// ErrCut reports an export that ends before its trailer, or whose rows are not as many as
// the trailer says: it was cut off, or something was taken out.
var ErrCut = errors.New("tenants: the export is not complete")

// MaxLine is how long a line of an export may be for [Read], in bytes.
const MaxLine = 64 << 20

// A Row is one line of an export.
type Row struct {
	// Table is the Name of one of [Tables].
	Table string
	// Columns are the values by column, as they stand in the export. They are the
	// receiver's to keep.
	Columns map[string]json.RawMessage
}

// Read reads an export, calls each, where it is not nil, for every row, and returns its
// header and the counts of its trailer. It holds one row at a time in memory. What each
// was given counts only once Read has returned nil: before, the export may turn out to be
// cut off.
//
// Its errors are [ErrCut], a *storage.InvalidError that names the line, that of r and that
// of each. An export of a newer version or schema is invalid.
func Read(r io.Reader, each func(row Row) error) (Header, Counts, error) {
	in := &reading{lines: bufio.NewScanner(r)}
	in.lines.Buffer(make([]byte, 0, 64<<10), MaxLine)
	header, err := in.header()
	if err != nil {
		return Header{}, nil, err
	}
	counts, err := in.rows(each)
	if err != nil {
		return Header{}, nil, err
	}
	return header, counts, nil
}

type reading struct {
	lines *bufio.Scanner
	n     int // of the line that was read last, from 1
}

// next reads a line, and ErrCut where there is none.
func (in *reading) next() ([]byte, error) {
	if !in.lines.Scan() {
		err := in.lines.Err()
		switch {
		case errors.Is(err, bufio.ErrTooLong):
			in.n++
			return nil, in.invalid("is too long")
		case err != nil:
			return nil, fmt.Errorf("tenants: read an export: %w", err)
		}
		return nil, ErrCut
	}
	in.n++
	return in.lines.Bytes(), nil
}

func (in *reading) invalid(message string) error {
	return storage.Invalid(fmt.Sprintf("/lines/%d", in.n), message)
}

func (in *reading) header() (h Header, err error) {
	line, err := in.next()
	if err != nil {
		return h, err
	}
	switch err := strict(line, &h); {
	case err != nil || h.Format != Format || h.Tenant == "":
		return h, in.invalid("is not the header of an export")
	case h.Version != Version || h.Schema < 1 || h.Schema > Schema:
		return h, in.invalid(fmt.Sprintf("is of version %d and schema %d, which this release does not know", h.Version, h.Schema))
	}
	return h, nil
}

// rows reads the rows up to the trailer, and that there is nothing behind it.
func (in *reading) rows(each func(row Row) error) (Counts, error) {
	seen := Counts{}
	for {
		line, err := in.next()
		if err != nil {
			return nil, err
		}
		var l struct {
			Table string                     `json:"table"`
			Row   map[string]json.RawMessage `json:"row"`
			trailer
		}
		if strict(line, &l) != nil {
			return nil, in.invalid("is neither a row nor the trailer")
		}
		switch isRow := l.Table != "" && l.Row != nil; {
		case l.Total != nil && l.Table == "" && l.Row == nil:
			return in.end(l.trailer, seen)
		case !isRow || l.Total != nil || l.Rows != nil:
			return nil, in.invalid("is neither a row nor the trailer")
		case !slices.ContainsFunc(tables, func(t Table) bool { return t.Name == l.Table && !t.Internal }):
			return nil, in.invalid("is of an unknown table")
		}
		seen[l.Table]++
		if each == nil {
			continue
		}
		if err := each(Row{l.Table, l.Row}); err != nil {
			return nil, err
		}
	}
}

// end compares what was seen with the trailer.
func (in *reading) end(t trailer, seen Counts) (Counts, error) {
	told := maps.Clone(t.Rows)
	maps.DeleteFunc(told, func(_ string, n int64) bool { return n == 0 })
	if !maps.Equal(told, seen) || *t.Total != seen.Total() {
		return nil, ErrCut
	}
	switch _, err := in.next(); {
	case err == nil:
		return nil, in.invalid("stands behind the trailer")
	case !errors.Is(err, ErrCut):
		return nil, err
	}
	return t.Rows, nil
}

// strict decodes one JSON object without unknown keys.
func strict(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
