package targeting

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Kind says what a [Value] is.
type Kind uint8

// The kinds. None is the kind of the zero Value; as the kind of a declared path it
// stands for any.
const (
	KindNone Kind = iota
	KindBool
	KindNumber
	KindString
	KindTime
	KindList
	KindObject
)

var kinds = [...]string{"none", "bool", "number", "string", "time", "list", "object"}

// String returns the name of the kind, such as "number".
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// A Value is what an attribute is: a bool, a number, a text, a time, a list of these,
// or an object, which no operator but exists reads. The zero Value is no value at all.
//
// Values are passed by value and hold small things without an allocation; making one of a
// list, an object or a time with a fraction of a second costs one. Numbers keep
// integers of 64 bits exactly and everything else as a float64; an integer is the same
// Value whether it came as an int or as a float64.
type Value struct {
	text string
	// bits holds a bool, an integer, a float64, or the Unix seconds of a time.
	bits uint64
	// shape says what the others hold; nil for no value. With it a Value is four words,
	// so that it travels in registers.
	shape *shape
}

// A shape is what values have in common that are read alike. Most share one of those
// below; a list, an object and a fraction of a second bring one of their own.
type shape struct {
	kind Kind
	// float says that the bits of a number are those of a float64 that is no int64.
	float bool
	nanos uint32
	// ref is a []Value, a []any, a []string or a map[string]any.
	ref any
}

var (
	boolShape    = shape{kind: KindBool}
	integerShape = shape{kind: KindNumber}
	floatShape   = shape{kind: KindNumber, float: true}
	textShape    = shape{kind: KindString}
	secondShape  = shape{kind: KindTime}
)

// String returns a text.
func String(s string) Value { return Value{text: s, shape: &textShape} }

// Bool returns a truth value.
func Bool(b bool) Value {
	v := Value{shape: &boolShape}
	if b {
		v.bits = 1
	}
	return v
}

// Int returns a number that is an integer.
func Int(i int64) Value { return Value{bits: uint64(i), shape: &integerShape} }

// Number returns a number. What is not finite is no value.
func Number(f float64) Value {
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		return Int(int64(f))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{bits: math.Float64bits(f), shape: &floatShape}
}

// Time returns an instant; the zone of t is not kept.
func Time(t time.Time) Value {
	v := Value{bits: uint64(t.Unix()), shape: &secondShape}
	if nanos := t.Nanosecond(); nanos != 0 {
		v.shape = &shape{kind: KindTime, nanos: uint32(nanos)}
	}
	return v
}

// List returns a list. It keeps elements and does not copy them.
func List(elements ...Value) Value { return Value{shape: &shape{kind: KindList, ref: elements}} }

// Of returns the Value of a Go value: nil, a bool, any integer or float, a
// json.Number, a string, a time.Time, a Value, a []string, a []Value, and the []any and
// map[string]any of decoded JSON, which are kept and not copied. Integers beyond int64
// become the nearest float64. The error says that v is of another type, or a
// json.Number that is no number.
func Of(v any) (Value, error) {
	switch v := v.(type) {
	case nil:
		return Value{}, nil
	case Value:
		return v, nil
	case bool:
		return Bool(v), nil
	case string:
		return String(v), nil
	case float64:
		return Number(v), nil
	case float32:
		return Number(float64(v)), nil
	case int:
		return Int(int64(v)), nil
	case int64:
		return Int(v), nil
	case int32:
		return Int(int64(v)), nil
	case int16:
		return Int(int64(v)), nil
	case int8:
		return Int(int64(v)), nil
	case uint8:
		return Int(int64(v)), nil
	case uint16:
		return Int(int64(v)), nil
	case uint32:
		return Int(int64(v)), nil
	case uint:
		return unsigned(uint64(v)), nil
	case uint64:
		return unsigned(v), nil
	case json.Number:
		if n, ok := parseNumber(string(v)); ok {
			return n, nil
		}
		return Value{}, fmt.Errorf("targeting: %.40q is not a number", string(v))
	case time.Time:
		return Time(v), nil
	case []any, []string, []Value:
		return Value{shape: &shape{kind: KindList, ref: v}}, nil
	case map[string]any:
		return Value{shape: &shape{kind: KindObject, ref: v}}, nil
	}
	return Value{}, fmt.Errorf("targeting: %T is not the type of an attribute", v)
}

func unsigned(u uint64) Value {
	if u <= math.MaxInt64 {
		return Int(int64(u))
	}
	return Number(float64(u))
}

// parseNumber reads a JSON number: an integer exactly where 64 bits hold it, else the
// nearest float64.
func parseNumber(s string) (Value, bool) {
	if !strings.ContainsAny(s, ".eE") {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return Int(i), true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Value{}, false
	}
	v := Number(f)
	return v, v.shape != nil
}

// Kind returns what v is.
func (v Value) Kind() Kind {
	if v.shape == nil {
		return KindNone
	}
	return v.shape.kind
}

// IsZero reports whether v is no value.
func (v Value) IsZero() bool { return v.shape == nil }

// isText reports whether v is a text.
func (v Value) isText() bool { return v.shape == &textShape }

// isInteger reports whether v is a number that is an integer.
func (v Value) isInteger() bool { return v.shape == &integerShape }

// isFloat reports whether v is a number that is no integer.
func (v Value) isFloat() bool { return v.shape == &floatShape }

// isBool reports whether v is a truth value.
func (v Value) isBool() bool { return v.shape == &boolShape }

// len returns how many elements a list has.
func (v Value) len() int {
	if v.shape == nil {
		return 0
	}
	switch list := v.shape.ref.(type) {
	case []Value:
		return len(list)
	case []any:
		return len(list)
	case []string:
		return len(list)
	}
	return 0
}

// element returns one element of a list. What [Of] refuses is no value.
func (v Value) element(i int) Value {
	switch list := v.shape.ref.(type) {
	case []Value:
		return list[i]
	case []any:
		e, err := Of(list[i])
		if err != nil {
			return Value{}
		}
		return e
	case []string:
		return String(list[i])
	}
	return Value{}
}

// Any returns v as a Go value: nil, bool, int64, float64, string, time.Time in UTC,
// []any or map[string]any.
func (v Value) Any() any {
	switch v.Kind() {
	case KindBool:
		return v.bits == 1
	case KindNumber:
		if v.isFloat() {
			return math.Float64frombits(v.bits)
		}
		return int64(v.bits)
	case KindString:
		return v.text
	case KindTime:
		return v.time()
	case KindList:
		list := make([]any, v.len())
		for i := range list {
			list[i] = v.element(i).Any()
		}
		return list
	case KindObject:
		return v.shape.ref
	}
	return nil
}

// AsBool returns the truth value that v is, and false, false for any other kind.
func (v Value) AsBool() (b, ok bool) { return v.isBool() && v.bits == 1, v.isBool() }

// AsString returns the text that v is, and false for any other kind.
func (v Value) AsString() (string, bool) { return v.text, v.isText() }

// AsInt returns the integer of 64 bits that v is, and false for other numbers and any
// other kind.
func (v Value) AsInt() (int64, bool) {
	if !v.isInteger() {
		return 0, false
	}
	return int64(v.bits), true
}

// AsFloat returns the number that v is, and false for any other kind. An integer beyond
// 2^53 becomes the nearest float64.
func (v Value) AsFloat() (float64, bool) {
	if v.Kind() != KindNumber {
		return 0, false
	}
	return v.number(), true
}

func (v Value) time() time.Time { return time.Unix(int64(v.bits), int64(v.shape.nanos)).UTC() }

// Equal reports whether two values are of one kind and equal. Lists are equal when
// their elements are; objects never are.
func (v Value) Equal(w Value) bool {
	switch kind := v.Kind(); {
	case kind != w.Kind() || kind == KindObject:
		return false
	case kind == KindNone:
		return true
	case kind != KindList:
		return v.shape.float == w.shape.float && v.bits == w.bits && v.shape.nanos == w.shape.nanos && v.text == w.text
	}
	if v.len() != w.len() {
		return false
	}
	for i := range v.len() {
		if !v.element(i).Equal(w.element(i)) {
			return false
		}
	}
	return true
}

// String returns v as JSON, for people to read.
func (v Value) String() string {
	b, err := v.MarshalJSON()
	if err != nil {
		return v.Kind().String()
	}
	return string(b)
}

// MarshalJSON writes v as JSON. A time becomes its RFC 3339 text, no value null.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.Kind() == KindTime {
		return json.Marshal(v.time().Format(time.RFC3339Nano))
	}
	return json.Marshal(v.Any())
}

// UnmarshalJSON reads a bool, a number, a text, or a list of these. Null is no value.
// Objects, lists in lists and whatever is beyond the limits of a condition are refused.
func (v *Value) UnmarshalJSON(data []byte) error {
	r, err := newReader(data, MaxBytes)
	if err != nil {
		return err
	}
	read, ok := r.operand("")
	if ok {
		r.end()
	}
	if err := r.err(); err != nil {
		return err
	}
	*v = read
	return nil
}
