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
		if len(key) > MaxText {
			return r.fail(pointer, "has a key that is too long")
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
func (r *reader) array(pointer string, element func(pointer string) bool) bool {
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
func (r *reader) elements(pointer string, element func(pointer string) bool) bool {
	for i := 0; r.d.More(); i++ {
		if !element(pointer + "/" + strconv.Itoa(i)) {
			return false
		}
	}
	_, ok := r.token(pointer)
	return ok
}

func (r *reader) text(into *string, pointer string) bool {
	t, ok := r.token(pointer)
	if !ok {
		return false
	}
	s, ok := t.(string)
	switch {
	case !ok:
		return r.fail(pointer, "must be a text")
	case len(s) > MaxText:
		return r.fail(pointer, "must be at most "+strconv.Itoa(MaxText)+" bytes long")
	}
	*into = s
	return true
}

func (r *reader) texts(into *[]string, pointer string, limit int) bool {
	list := []string{}
	ok := r.array(pointer, func(pointer string) bool {
		if len(list) == limit {
			return r.fail(pointer, "is one too many: the limit is "+strconv.Itoa(limit))
		}
		var s string
		ok := r.text(&s, pointer)
		list = append(list, s)
		return ok
	})
	*into = list
	return ok
}

// operand reads a bool, a number or a text, and where lists are wanted a list of these.
func (r *reader) operand(pointer string, lists bool) (Value, bool) {
	if r.values++; r.values > MaxValues {
		return Value{}, r.fail(pointer, "is one value too many: the limit is "+strconv.Itoa(MaxValues))
	}
	t, ok := r.token(pointer)
	if !ok {
		return Value{}, false
	}
	switch t := t.(type) {
	case nil:
		return Value{}, true
	case bool:
		return Bool(t), true
	case json.Number:
		n, ok := parseNumber(string(t))
		if !ok {
			return n, r.fail(pointer, "is a number beyond what 64 bits hold")
		}
		return n, true
	case string:
		if len(t) > MaxText {
			return Value{}, r.fail(pointer, "must be at most "+strconv.Itoa(MaxText)+" bytes long")
		}
		return String(t), true
	}
	if t != json.Delim('[') || !lists {
		return Value{}, r.fail(pointer, "must be a truth value, a number, a text, or one list of these")
	}
	var list []Value
	ok = r.elements(pointer, func(pointer string) bool {
		v, ok := r.operand(pointer, false)
		list = append(list, v)
		return ok
	})
	return List(list...), ok
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
			v, ok := r.operand(pointer, true)
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
		}
		return r.fail(pointer, "is not a known key")
	})
}

func (r *reader) group(into *[]Condition, pointer string, depth int) bool {
	*into = []Condition{}
	return r.array(pointer, func(pointer string) bool {
		var member Condition
		ok := r.condition(&member, pointer, depth+1)
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
