package webpage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit/jcs"
)

// functions are what every template may call, see the package's doc.
func functions() template.FuncMap {
	return template.FuncMap{
		"when":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"rfc3339": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"path":    url.PathEscape,
		"inc":     func(i int) int { return i + 1 },
		"words":   func(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") },
		"place":   place,
		"plain":   plain,
		"indent":  Indented,
	}
}

// place is a JSON pointer for people, who count from one: "steps 2, with" for
// "/steps/1/with". It is empty for the whole document.
func place(pointer string) string {
	var b strings.Builder
	for i, segment := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		n, err := strconv.Atoi(segment)
		switch {
		case err == nil && i > 0:
			b.WriteString(" " + strconv.Itoa(n+1))
			continue
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(strings.ReplaceAll(unescape.Replace(segment), "_", " "))
	}
	return b.String()
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// plain is a JSON value for people: a string without its quotes, and what has members
// on lines of its own.
func plain(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	if lines := Indented(v); lines != "" {
		return lines
	}
	return string(v)
}

// Indented is a JSON document for people, empty for what is none.
func Indented(doc json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, doc, "", "  ") != nil {
		return ""
	}
	return b.String()
}

// Changes lists the fields that a change makes another. What was made or removed is told
// field by field too: nil is an object without any. Where both are nil, nothing changed.
func Changes(before, after json.RawMessage) []jcs.Difference {
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
