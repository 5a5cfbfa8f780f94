package main

import (
	"bytes"
	"encoding/json"

	"github.com/lumelle/adminkit/audit/jcs"
)

// diffFields lists the fields that a change makes another. A resource that was made
// or removed is told field by field too.
func diffFields(before, after json.RawMessage) []jcs.Difference {
	if before == nil && after == nil {
		return nil
	}
	for _, side := range []*json.RawMessage{&before, &after} {
		if *side == nil {
			*side = json.RawMessage("{}")
		}
	}
	return jcs.Diff(before, after)
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
