package targeting

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// A reader reads definitions token by token, so that a hostile one costs no more than
// what comes before its first fault. Its methods report false after a fault.
type reader struct {
	complaints
	d             *json.Decoder
	nodes, values int
}

// newReader returns a reader over a text of at most limit bytes.
func newReader(data []byte, limit int) (*reader, error) {
	r := &reader{}
	if len(data) > limit {
		r.fail("", "must be at most "+strconv.Itoa(limit)+" bytes long")
		return nil, r.err()
	}
	r.d = json.NewDecoder(bytes.NewReader(data))
	r.d.UseNumber()
	return r, nil
}

func (r *reader) fail(pointer, message string) bool {
	r.add(pointer, message)
	return false
}

// token reads one token; it is nil for null and after a fault.
func (r *reader) token(pointer string) (json.Token, bool) {
	t, err := r.d.Token()
	if err != nil {
		return nil, r.fail(pointer, "must be JSON")
	}
	return t, true
}

// end makes sure that nothing follows.
func (r *reader) end() {
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		r.fail("", "must be one JSON document")
	}
}

// object reads an object; member reads the value of one key.
func (r *reader) object(pointer string, member func(key, pointer string) bool) bool {
	t, ok := r.token(pointer)
	if !ok {
		return false
	}
	if t != json.Delim('{') {
		return r.fail(pointer, "must be an object")
	}
	return r.members(pointer, member)
}

// members reads an object behind its brace.
func (r *reader) members(pointer string, member func(key, pointer string) bool) bool {
	var seen []string
	for r.d.More() {
		t, ok := r.token(pointer)
		if !ok {
			return false
		}
		key, _ := t.(string) // the decoder lets nothing else stand there
		if checkText(key) != "" {
			return r.fail(pointer, "has a key that is too long or no text")
		}
		at := join(pointer, key)
		for _, other := range seen {
			if other == key {
				return r.fail(at, "is given twice")
			}
		}
		if len(seen) == MaxVariants {
			return r.fail(pointer, "has too many keys")
		}
		seen = append(seen, key)
		if !member(key, at) {
			return false
		}
	}
	_, ok := r.token(pointer)
	return ok
}

// array reads an array; element reads one of its elements.
func (r *reader) array(pointer string, element func(i int) bool) bool {
	t, ok := r.token(pointer)
	if !ok {
		return false
	}
	if t != json.Delim('[') {
		return r.fail(pointer, "must be a list")
	}
	return r.elements(pointer, element)
}

// elements reads an array behind its bracket.
func (r *reader) elements(pointer string, element func(i int) bool) bool {
	for i := 0; r.d.More(); i++ {
		if !element(i) {
			return false
		}
	}
	_, ok := r.token(pointer)
	return ok
}

// at returns the pointer of an element. Long lists call it for the one at fault only.
func at(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }

func (r *reader) text(into *string, pointer string) bool {
	t, ok := r.token(pointer)
	if !ok {
		return false
	}
	s, message := textOf(t)
	if message != "" {
		return r.fail(pointer, message)
	}
	*into = s
	return true
}

func textOf(t json.Token) (s, message string) {
	s, ok := t.(string)
	if !ok {
		return "", "must be a text"
	}
	return s, checkText(s)
}

func (r *reader) texts(into *[]string, pointer string, limit int) bool {
	list := []string{}
	ok := r.array(pointer, func(i int) bool {
		if i == limit {
			return r.fail(at(pointer, i), "is one too many: the limit is "+strconv.Itoa(limit))
		}
		t, err := r.d.Token()
		if err != nil {
			return r.fail(at(pointer, i), "must be JSON")
		}
		s, message := textOf(t)
		if message != "" {
			return r.fail(at(pointer, i), message)
		}
		list = append(list, s)
		return true
	})
	*into = list
	return ok
}

// operand reads a bool, a number, a text, or a list of these.
func (r *reader) operand(pointer string) (Value, bool) {
	t, ok := r.token(pointer)
	if !ok {
		return Value{}, false
	}
	if t != json.Delim('[') {
		v, message := r.scalar(t)
		if message != "" {
			return v, r.fail(pointer, message)
		}
		return v, true
	}
	var list []Value
	ok = r.elements(pointer, func(i int) bool {
		t, err := r.d.Token()
		if err != nil {
			return r.fail(at(pointer, i), "must be JSON")
		}
		v, message := r.scalar(t)
		if message != "" {
			return r.fail(at(pointer, i), message)
		}
		list = append(list, v)
		return true
	})
	return List(list...), ok
}

// scalar returns the value of a token, or what is wrong with it.
func (r *reader) scalar(t json.Token) (Value, string) {
	if r.values++; r.values > MaxValues {
		return Value{}, "is one value too many: the limit is " + strconv.Itoa(MaxValues)
	}
	switch t := t.(type) {
	case nil:
		return Value{}, ""
	case bool:
		return Bool(t), ""
	case json.Number:
		if n, ok := parseNumber(string(t)); ok {
			return n, ""
		}
		return Value{}, "is a number beyond what 64 bits hold"
	case string:
		return String(t), checkText(t)
	}
	return Value{}, "must be a truth value, a number, a text, or one list of these"
}

// condition reads one node of a tree.
func (r *reader) condition(into *Condition, pointer string, depth int) bool {
	if depth > MaxDepth {
		return r.fail(pointer, "is nested too deep: the limit is "+strconv.Itoa(MaxDepth))
	}
	if r.nodes++; r.nodes > MaxNodes {
		return r.fail(pointer, "is one node too many: the limit is "+strconv.Itoa(MaxNodes))
	}
	return r.object(pointer, func(key, pointer string) bool {
		switch key {
		case "all":
			return r.group(&into.All, pointer, depth)
		case "any":
			return r.group(&into.Any, pointer, depth)
		case "none":
			return r.group(&into.None, pointer, depth)
		case "path":
			return r.text(&into.Path, pointer)
		case "op":
			return r.text((*string)(&into.Op), pointer)
		case "value":
			v, ok := r.operand(pointer)
			if ok && v.IsZero() {
				return r.fail(pointer, "must not be null: exists asks whether an attribute is there")
			}
			into.Value = v
			return ok
		case "fold_case":
			return r.truth(&into.FoldCase, pointer)
		case "on_missing":
			return r.text((*string)(&into.OnMissing), pointer)
		case "audience":
			return r.text(&into.Audience, pointer)
		case "bucket":
			return r.bucket(&into.Bucket, pointer)
		}
		return r.fail(pointer, "is not a known key")
	})
}

func (r *reader) group(into *[]Condition, pointer string, depth int) bool {
	*into = []Condition{}
	return r.array(pointer, func(i int) bool {
		var member Condition
		ok := r.condition(&member, at(pointer, i), depth+1)
		*into = append(*into, member)
		return ok
	})
}

func (r *reader) truth(into *bool, pointer string) bool {
	t, ok := r.token(pointer)
	if !ok {
		return false
	}
	b, ok := t.(bool)
	if !ok {
		return r.fail(pointer, "must be true or false")
	}
	*into = b
	return true
}
