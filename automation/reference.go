package automation

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/audit/jcs"
)

// A template is the input of a step, read once when its definition is compiled. What is
// put in for a reference is data and is never read as a template again.
//
// An object of the form {"$ref": "/steps/lookup/output/id"}, with an optional "default",
// stands for the value that the JSON pointer leads to. In strings, {{ /data/amount }}
// does; a string that is one reference and nothing else keeps the type of the value.
// {{ /data/note ?? "none" }} has a default, any JSON scalar, and {{ "{{" }} is the text
// in the quotes.
type template struct {
	kind templateKind
	// text is a literal, in JSON.
	text []byte
	ref  reference
	// parts are those of a text, elements those of a list, members those of an object.
	parts    []template
	elements []template
	keys     []string
}

type templateKind uint8

const (
	literalTemplate templateKind = iota
	refTemplate
	textTemplate
	listTemplate
	objectTemplate
)

// A reference is a JSON pointer into what a run knows.
type reference struct {
	pointer string
	// fallback is a JSON scalar, or any JSON after "$ref", nil for none.
	fallback []byte
}

// MaxReferences is how many references the input of a step has.
const MaxReferences = 200

// parseTemplate reads the input of a step. What is wrong is told to add, with a pointer.
func parseTemplate(with []byte, add func(pointer, message string)) template {
	if len(with) == 0 {
		return template{text: []byte("{}")}
	}
	d := stdjson.NewDecoder(bytes.NewReader(with))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		add("", "must be JSON")
		return template{}
	}
	return readTemplate(value, "", add)
}

func readTemplate(value any, pointer string, add func(pointer, message string)) template {
	switch v := value.(type) {
	case map[string]any:
		if _, ok := v["$ref"]; ok {
			return readRef(v, pointer, add)
		}
		t := template{kind: objectTemplate}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			t.keys = append(t.keys, key)
			t.elements = append(t.elements, readTemplate(v[key], pointer+"/"+escapeToken(key), add))
		}
		return t
	case []any:
		t := template{kind: listTemplate}
		for i, element := range v {
			t.elements = append(t.elements, readTemplate(element, pointer+"/"+strconv.Itoa(i), add))
		}
		return t
	case string:
		t, message := readText(v)
		if message != "" {
			add(pointer, message)
		}
		return t
	}
	return template{text: encodeValue(value)}
}

func readRef(v map[string]any, pointer string, add func(pointer, message string)) template {
	ref, ok := v["$ref"].(string)
	if message := checkPointer(ref); !ok || message != "" {
		add(pointer+"/$ref", "must be a JSON pointer such as /steps/lookup/output/id")
	}
	t := template{kind: refTemplate, ref: reference{pointer: ref}}
	if fallback, ok := v["default"]; ok {
		t.ref.fallback = encodeValue(fallback)
	}
	for key := range v {
		if key != "$ref" && key != "default" {
			add(pointer+"/"+escapeToken(key), `stands beside "$ref", which only "default" may`)
		}
	}
	return t
}

// readText reads a string with references between {{ and }}.
func readText(s string) (t template, message string) {
	rest := s
	for {
		before, after, found := strings.Cut(rest, "{{")
		if before != "" {
			t.parts = append(t.parts, template{text: encodeValue(before)})
		}
		if !found {
			break
		}
		part, tail, message := readExpression(after)
		if message != "" {
			return t, message
		}
		t.parts = append(t.parts, part)
		rest = tail
	}
	switch {
	case len(t.parts) == 0:
		return template{text: []byte(`""`)}, ""
	case len(t.parts) == 1:
		return t.parts[0], ""
	}
	t.kind = textTemplate
	return t, ""
}

const badExpression = `has a {{ }} that is not a JSON pointer with an optional default, as {{ /data/note ?? "none" }}; {{ "{{" }} stands for the braces themselves`

// readExpression reads what stands behind {{, and returns what comes behind its }}.
func readExpression(s string) (t template, tail, message string) {
	s = strings.TrimLeft(s, " ")
	if strings.HasPrefix(s, `"`) {
		text, tail, ok := readScalar(s)
		if tail, closed := strings.CutPrefix(strings.TrimLeft(tail, " "), "}}"); ok && closed {
			return template{text: text}, tail, ""
		}
		return t, "", badExpression
	}
	pointer := s
	for i := range len(s) {
		if s[i] == ' ' || s[i] == '?' || s[i] == '}' {
			pointer = s[:i]
			break
		}
	}
	s = strings.TrimLeft(s[len(pointer):], " ")
	t = template{kind: refTemplate, ref: reference{pointer: pointer}}
	if after, ok := strings.CutPrefix(s, "??"); ok {
		fallback, tail, ok := readScalar(strings.TrimLeft(after, " "))
		if !ok {
			return t, "", badExpression
		}
		t.ref.fallback, s = fallback, strings.TrimLeft(tail, " ")
	}
	tail, closed := strings.CutPrefix(s, "}}")
	if !closed || checkPointer(pointer) != "" {
		return t, "", badExpression
	}
	return t, tail, ""
}

// readScalar reads a JSON string, number, true, false or null at the start of s.
func readScalar(s string) (scalar []byte, tail string, ok bool) {
	d := stdjson.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if s == "" || s[0] == '{' || s[0] == '[' {
		return nil, "", false
	}
	if s[0] != '"' {
		// The decoder would read on into the braces.
		end := strings.IndexAny(s, " }")
		if end < 0 {
			return nil, "", false
		}
		scalar = []byte(s[:end])
		return scalar, s[end:], stdjson.Valid(scalar)
	}
	var text string
	if err := d.Decode(&text); err != nil {
		return nil, "", false
	}
	return encodeValue(text), s[d.InputOffset():], true
}

// checkPointer says what keeps s from being a pointer that a reference may have.
func checkPointer(s string) string {
	if s == "" || s[0] != '/' || len(s) > 512 {
		return "must be a JSON pointer"
	}
	for i := range len(s) {
		if s[i] == '~' && (i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1') {
			return "must be a JSON pointer"
		}
	}
	return ""
}

// references calls fn for every reference of t.
func (t *template) references(fn func(r reference)) {
	if t.kind == refTemplate {
		fn(t.ref)
	}
	for i := range t.parts {
		t.parts[i].references(fn)
	}
	for i := range t.elements {
		t.elements[i].references(fn)
	}
}

// constant reports whether t has no references.
func (t *template) constant() bool {
	constant := true
	t.references(func(reference) { constant = false })
	return constant
}

// literal returns t without the members of objects that have references in them, nil where
// nothing is left.
func (t *template) literal() *template {
	if t.kind != objectTemplate {
		if !t.constant() {
			return nil
		}
		return t
	}
	kept := &template{kind: objectTemplate}
	for i, key := range t.keys {
		if element := t.elements[i].literal(); element != nil {
			kept.keys, kept.elements = append(kept.keys, key), append(kept.elements, *element)
		}
	}
	return kept
}

// A resolver answers what a JSON pointer leads to, in what a run knows.
type resolver interface {
	Resolve(pointer string) (any, bool)
}

// errTooLong reports an input that grew beyond [MaxOutput].
var errTooLong = errors.New("the input is longer than 256 KiB")

// A missingError reports a reference to what is not there.
type missingError struct{ pointer string }

func (e *missingError) Error() string { return e.pointer + " is not there, and has no default" }

// render returns t with the values that its references lead to, in JSON.
func (t *template) render(r resolver) ([]byte, error) {
	dst, err := t.append(make([]byte, 0, 256), r)
	if err != nil {
		return nil, err
	}
	if len(dst) > MaxOutput {
		return nil, errTooLong
	}
	return dst, nil
}

func (t *template) append(dst []byte, r resolver) ([]byte, error) {
	if len(dst) > MaxOutput {
		return dst, errTooLong
	}
	var err error
	switch t.kind {
	case literalTemplate:
		return append(dst, t.text...), nil
	case refTemplate:
		value, err := t.ref.json(r)
		return append(dst, value...), err
	case textTemplate:
		return t.appendText(dst, r)
	case listTemplate:
		dst = append(dst, '[')
		for i := range t.elements {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = t.elements[i].append(dst, r); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	dst = append(dst, '{')
	for i, key := range t.keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jcs.AppendString(dst, key), ':')
		if dst, err = t.elements[i].append(dst, r); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendText joins the parts to one JSON string.
func (t *template) appendText(dst []byte, r resolver) ([]byte, error) {
	var b strings.Builder
	for i := range t.parts {
		value := t.parts[i].text
		if t.parts[i].kind == refTemplate {
			var err error
			if value, err = t.parts[i].ref.json(r); err != nil {
				return dst, err
			}
		}
		var text string
		if stdjson.Unmarshal(value, &text) == nil && value[0] == '"' {
			b.WriteString(text)
		} else {
			b.Write(value)
		}
		if b.Len() > MaxOutput {
			return dst, errTooLong
		}
	}
	return jcs.AppendString(dst, b.String()), nil
}

// json returns what the reference leads to, in JSON.
func (f *reference) json(r resolver) ([]byte, error) {
	value, ok := r.Resolve(f.pointer)
	switch {
	case ok:
		return encodeValue(value), nil
	case f.fallback != nil:
		return f.fallback, nil
	}
	return nil, &missingError{f.pointer}
}

// encodeValue returns decoded JSON as JSON again.
func encodeValue(v any) []byte {
	var b bytes.Buffer
	e := stdjson.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// Decoded JSON always encodes.
		panic(fmt.Sprintf("automation: %v", err))
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// escapeToken writes a key as a token of a JSON pointer.
func escapeToken(key string) string {
	if strings.ContainsAny(key, "~/") {
		key = strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
	}
	return key
}

// nextToken splits the first token off a JSON pointer.
func nextToken(pointer string) (token, rest string) {
	token = pointer[1:]
	if i := strings.IndexByte(token, '/'); i >= 0 {
		token, rest = token[:i], token[i:]
	}
	if strings.IndexByte(token, '~') >= 0 {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return token, rest
}

// lookup follows a JSON pointer into decoded JSON.
func lookup(node any, pointer string) (any, bool) {
	for pointer != "" {
		token, rest := nextToken(pointer)
		switch at := node.(type) {
		case map[string]any:
			next, ok := at[token]
			if !ok {
				return nil, false
			}
			node = next
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(at) || strconv.Itoa(i) != token {
				return nil, false
			}
			node = at[i]
		default:
			return nil, false
		}
		pointer = rest
	}
	return node, true
}
