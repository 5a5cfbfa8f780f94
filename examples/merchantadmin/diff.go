package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/lumelle/adminkit/audit/jcs"
)

// A fieldDiff is one field of a change as people read it. A side is empty where the
// field is absent there.
type fieldDiff struct{ Field, Before, After string }

// diffFields lists the fields that a change makes another. A resource that was made
// or removed is told field by field too.
func diffFields(before, after json.RawMessage) []fieldDiff {
	if before == nil && after == nil {
		return nil
	}
	var fields []fieldDiff
	for _, d := range jcs.Diff(orEmpty(before), orEmpty(after)) {
		fields = append(fields, fieldDiff{strings.TrimPrefix(d.Path, "/"), plain(d.Before), plain(d.After)})
	}
	return fields
}

func orEmpty(doc json.RawMessage) json.RawMessage {
	if doc == nil {
		return json.RawMessage("{}")
	}
	return doc
}

// plain is a JSON value without the quotes of a string.
func plain(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// indented is JSON for people, empty for none.
func indented(doc json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, doc, "", "  ") != nil {
		return ""
	}
	return b.String()
}
