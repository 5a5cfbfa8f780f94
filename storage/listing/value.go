package listing

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A Kind is what the values of a field are.
type Kind string

// The kinds of fields.
const (
	Text    Kind = "text"
	Word    Kind = "word"
	Integer Kind = "integer"
	Time    Kind = "time"
	Flag    Kind = "flag"
)

// A Value is the value of a field: a text, or a number that stands for an integer, a time
// or a flag.
type Value struct {
	kind   Kind
	text   string
	number int64
}

func isText(k Kind) bool { return k == Text || k == Word }

// Arg returns the value as a statement binds it: a string, an int64 (a time is in
// microseconds since 1970 UTC, no time is zero), or a bool.
func (v Value) Arg() any {
	switch {
	case isText(v.kind):
		return v.text
	case v.kind == Flag:
		return v.number != 0
	}
	return v.number
}

// compare orders values of one kind: texts by their bytes.
func (v Value) compare(w Value) int {
	return cmp.Or(cmp.Compare(v.number, w.number), strings.Compare(v.text, w.text))
}

// key is the value in a cursor.
func (v Value) key() string {
	if isText(v.kind) {
		return v.text
	}
	return strconv.FormatInt(v.number, 10)
}

// valueOfKey is the inverse of key.
func valueOfKey(k Kind, key string) (Value, error) {
	if isText(k) {
		return Value{kind: k, text: key}, nil
	}
	n, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		return Value{}, storage.ErrBadCursor
	}
	return Value{kind: k, number: n}, nil
}

// micros is how a time is compared: as stores keep it.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// read returns the value that a text stands for, or what is wrong with the text.
func (f Field[T]) read(text string) (v Value, wrong string) {
	v.kind = f.kind
	switch f.kind {
	case Text:
		v.text = text
	case Word:
		for _, w := range f.words {
			if w == text {
				v.text = text
				return v, ""
			}
		}
		return v, "must be " + either(f.words)
	case Integer:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return v, "must be an integer"
		}
		v.number = n
	case Time:
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return v, "must be an RFC 3339 time"
		}
		v.number = micros(t)
	case Flag:
		switch text {
		case "true":
			v.number = 1
		case "false":
		default:
			return v, "must be true or false"
		}
	}
	return v, ""
}

// either joins words for a sentence.
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
