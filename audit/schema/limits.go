package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

// The limits of a schema.
const (
	// MaxBytes is the longest schema in bytes.
	MaxBytes = 64 << 10
	// MaxDepth is how deep its arrays and objects may nest.
	MaxDepth = 32
	// MaxSubschemas is how many objects it may have.
	MaxSubschemas = 2000
	// MaxRefs is how many references it may have.
	MaxRefs = 256
	// MaxList is the longest array in it.
	MaxList = 1000
	// MaxPattern is how many instructions its regular expressions may have in all.
	MaxPattern = 10000

	// maxDigits bounds numbers, which are computed exactly: 1e999999999 would be
	// written out.
	maxDigits = 400
)

// checkSchema holds a document against the limits before anything is compiled.
func checkSchema(doc []byte) error {
	if len(doc) > MaxBytes {
		return storage.Invalid("", "must be at most "+strconv.Itoa(MaxBytes)+" bytes long")
	}
	c := checker{d: json.NewDecoder(bytes.NewReader(doc))}
	c.d.UseNumber()
	if err := c.document(); err != nil {
		return err
	}
	return nil
}

// A checker reads a schema token by token.
type checker struct {
	d    *json.Decoder
	path []string
	// What was counted so far: objects, references, instructions of patterns, and the
	// squares of the lengths of arrays.
	objects, refs, instructions, squares int
}

func (c *checker) fail(message string) *storage.InvalidError {
	var pointer strings.Builder
	for _, token := range c.path {
		pointer.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
	}
	return storage.Invalid(pointer.String(), message)
}

func (c *checker) document() *storage.InvalidError {
	if err := c.value(""); err != nil {
		return err
	}
	if _, err := c.d.Token(); !errors.Is(err, io.EOF) {
		return c.fail("must be one JSON document")
	}
	return nil
}

// value reads a value; key is the member it stands under, "" in an array.
func (c *checker) value(key string) *storage.InvalidError {
	token, err := c.d.Token()
	if err != nil {
		return c.fail("must be JSON")
	}
	switch token := token.(type) {
	case json.Delim:
		if len(c.path) >= MaxDepth {
			return c.fail("is nested too deep")
		}
		if token == '{' {
			return c.object()
		}
		return c.array()
	case json.Number:
		if !boundedNumber(token) {
			return c.fail("is a number with too many digits")
		}
	case string:
		return c.text(key, token)
	}
	return nil
}

func (c *checker) object() *storage.InvalidError {
	if c.objects++; c.objects > MaxSubschemas {
		return c.fail("has too many subschemas")
	}
	seen := map[string]bool{}
	for c.d.More() {
		token, err := c.d.Token()
		if err != nil {
			return c.fail("must be JSON")
		}
		key := token.(string)
		c.path = append(c.path, key)
		if seen[key] {
			return c.fail("stands twice")
		}
		seen[key] = true
		if parent := len(c.path) - 2; parent >= 0 && c.path[parent] == "patternProperties" {
			if err := c.pattern(key); err != nil {
				return err
			}
		}
		if err := c.value(key); err != nil {
			return err
		}
		c.path = c.path[:len(c.path)-1]
	}
	return c.end()
}

func (c *checker) array() *storage.InvalidError {
	n := 0
	for ; c.d.More(); n++ {
		c.path = append(c.path, strconv.Itoa(n))
		if err := c.value(""); err != nil {
			return err
		}
		c.path = c.path[:len(c.path)-1]
	}
	// The meta-schema compares the elements of some lists with each other.
	if c.squares += n * n; n > MaxList || c.squares > MaxList*MaxList {
		return c.fail("has too many elements")
	}
	return c.end()
}

func (c *checker) end() *storage.InvalidError {
	if _, err := c.d.Token(); err != nil {
		return c.fail("must be JSON")
	}
	return nil
}

// text checks a string by the keyword it stands under. A property of that name makes
// it count too, which is harmless.
func (c *checker) text(key, s string) *storage.InvalidError {
	switch key {
	case "$ref":
		if c.refs++; c.refs > MaxRefs {
			return c.fail("is a reference too many")
		}
	case "pattern":
		return c.pattern(s)
	case "$schema":
		if len(c.path) == 1 && strings.TrimSuffix(s, "#") != "http://json-schema.org/draft-07/schema" {
			return c.fail("must be draft 7 of JSON Schema")
		}
	}
	return nil
}

// pattern counts the instructions that a regular expression compiles to. One that
// does not parse is left to the compiler, which knows whether it is a pattern at all.
func (c *checker) pattern(expression string) *storage.InvalidError {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil
	}
	if c.instructions += instructions(re); c.instructions > MaxPattern {
		return c.fail("is an expression that grows too large")
	}
	return nil
}

// instructions estimates the size of a compiled expression: repetitions are written
// out.
func instructions(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, MaxPattern+1)
}

// boundedNumber reports whether a number can be computed exactly at a bounded cost.
func boundedNumber(n json.Number) bool {
	mantissa, exponent := string(n), ""
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		mantissa, exponent = mantissa[:i], mantissa[i+1:]
	}
	if exponent != "" {
		if e, err := strconv.Atoi(exponent); err != nil || e > maxDigits || e < -maxDigits {
			return false
		}
	}
	return len(mantissa) <= maxDigits
}

func sortFields(fields []storage.FieldError) {
	slices.SortFunc(fields, func(a, b storage.FieldError) int {
		if c := strings.Compare(a.Pointer, b.Pointer); c != 0 {
			return c
		}
		return strings.Compare(a.Message, b.Message)
	})
}
