package targeting_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags/targeting"
)

func TestValuesOfGoValues(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 2, 0, 0, 5, time.FixedZone("", 7200))
	for _, c := range []struct {
		name string
		from any
		want any
		kind targeting.Kind
	}{
		{"nil", nil, nil, targeting.KindNone},
		{"a truth value", true, true, targeting.KindBool},
		{"a text", "a", "a", targeting.KindString},
		{"an int", 1, int64(1), targeting.KindNumber},
		{"an int8", int8(-1), int64(-1), targeting.KindNumber},
		{"an int16", int16(-1), int64(-1), targeting.KindNumber},
		{"an int32", int32(-1), int64(-1), targeting.KindNumber},
		{"an int64", int64(math.MinInt64), int64(math.MinInt64), targeting.KindNumber},
		{"a uint", uint(1), int64(1), targeting.KindNumber},
		{"a uint8", uint8(255), int64(255), targeting.KindNumber},
		{"a uint16", uint16(1), int64(1), targeting.KindNumber},
		{"a uint32", uint32(1), int64(1), targeting.KindNumber},
		{"a uint64 beyond int64", uint64(math.MaxUint64), float64(math.MaxUint64), targeting.KindNumber},
		{"a float that is whole", 2.0, int64(2), targeting.KindNumber},
		{"a float", 2.5, 2.5, targeting.KindNumber},
		{"a float32", float32(0.5), 0.5, targeting.KindNumber},
		{"a float that is none", math.NaN(), nil, targeting.KindNone},
		{"a float without end", math.Inf(-1), nil, targeting.KindNone},
		{"a number of JSON", json.Number("9007199254740993"), int64(9007199254740993), targeting.KindNumber},
		{"a number of JSON with an exponent", json.Number("1e2"), int64(100), targeting.KindNumber},
		{"a number of JSON beyond int64", json.Number("1" + "0000000000000000000"), 1e19, targeting.KindNumber},
		{"a time", at, time.Date(2026, 1, 1, 0, 0, 0, 5, time.UTC), targeting.KindTime},
		{"a value", targeting.Int(3), int64(3), targeting.KindNumber},
		{"a list", []any{"a", 1.0, nil}, []any{"a", int64(1), nil}, targeting.KindList},
		{"a list with a channel", []any{make(chan int)}, []any{nil}, targeting.KindList},
		{"a list of texts", []string{"a"}, []any{"a"}, targeting.KindList},
		{"a list of values", []targeting.Value{targeting.Int(1)}, []any{int64(1)}, targeting.KindList},
		{"an object", map[string]any{"a": 1}, map[string]any{"a": 1}, targeting.KindObject},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := targeting.Of(c.from)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.Any(); !reflect.DeepEqual(got, c.want) || v.Kind() != c.kind || v.IsZero() != (c.kind == targeting.KindNone) {
				t.Errorf("%#v, a %s, want %#v, a %s", got, v.Kind(), c.want, c.kind)
			}
		})
	}
	for _, from := range []any{make(chan int), struct{}{}, json.Number("a"), json.Number("1e999"), map[string]string{}, []int{1}} {
		if v, err := targeting.Of(from); err == nil || !v.IsZero() {
			t.Errorf("%T became %v", from, v)
		}
	}
}

func TestValuesAreEqualByKind(t *testing.T) {
	t.Parallel()
	all := []targeting.Value{none, truth(true), truth(false), integer(0), integer(1), number(0.5), text(""), text("a"),
		instant("2026-01-01T00:00:00Z"), instant("2026-01-01T00:00:00.5Z"), list(), list(integer(1)), list(integer(1), text("a")), list(list())}
	for i, a := range all {
		for j, b := range all {
			if a.Equal(b) != (i == j) {
				t.Errorf("%v equals %v: %v", a, b, a.Equal(b))
			}
		}
	}
	decoded, err := targeting.Of([]any{1.0, "a"})
	if err != nil || !decoded.Equal(list(integer(1), text("a"))) {
		t.Error("a list differs by where it came from")
	}
	if object().Equal(object()) {
		t.Error("objects are compared")
	}
}

func TestValuesInJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, want string }{
		{`null`, `null`}, {`true`, `true`}, {`1.50`, `1.5`}, {`1e3`, `1000`}, {`9007199254740993`, `9007199254740993`}, {`"a"`, `"a"`}, {`[1,"a",false]`, `[1,"a",false]`}, {`[]`, `[]`},
	} {
		var v targeting.Value
		if err := json.Unmarshal([]byte(c.from), &v); err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(v); err != nil || string(got) != c.want || v.String() != c.want {
			t.Errorf("%s became %s, %v", c.from, got, err)
		}
	}
	for _, bad := range []string{`{}`, `[[]]`, `[{}]`, `1e999`, `"\ud800"`} {
		v := integer(1)
		if err := json.Unmarshal([]byte(bad), &v); err == nil || !v.Equal(integer(1)) {
			t.Errorf("%s became %v", bad, v)
		}
	}
	if got := instant("2026-01-01T00:00:00.5Z").String(); got != `"2026-01-01T00:00:00.5Z"` {
		t.Errorf("a time is %s", got)
	}
	unmarshalable, err := targeting.Of(map[string]any{"a": make(chan int)})
	if err != nil || unmarshalable.String() != "object" {
		t.Errorf("%v, %v", unmarshalable, err)
	}
}

func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	if got := targeting.KindNumber.String() + targeting.Kind(99).String(); got != "numberKind(99)" {
		t.Error(got)
	}
}

func TestPointersIntoADocument(t *testing.T) {
	t.Parallel()
	var doc any
	if err := json.Unmarshal([]byte(`{"":1,"a":{"b":[10,{"c":true},null]},"a/b":2,"m~n":3,"~1":4,"s":"text"}`), &doc); err != nil {
		t.Fatal(err)
	}
	s := targeting.Document(doc)
	for _, c := range []struct {
		path string
		want any // nil: not there
	}{
		{"/", int64(1)}, {"/a/b/0", int64(10)}, {"/a/b/1/c", true}, {"/a~1b", int64(2)}, {"/m~0n", int64(3)}, {"/~01", int64(4)},
		{"/a/b/2", nil}, {"/a/b/3", nil}, {"/a/b/00", nil}, {"/a/b/-", nil}, {"/a/b/-1", nil}, {"/a/b/ 1", nil}, {"/a/b/", nil},
		{"/a/b/9999999999999999999", nil}, {"/s/0", nil}, {"/x", nil}, {"/x/y", nil}, {"a", nil}, {"s", nil}, {"/a/b/1/c/", nil},
	} {
		v, ok := s.Attribute(c.path)
		if v.Any() != c.want || ok != (c.want != nil) {
			t.Errorf("%q is %v, %v, want %v", c.path, v, ok, c.want)
		}
	}
	if v, ok := s.Attribute(""); !ok || v.Kind() != targeting.KindObject {
		t.Errorf("the whole is %v, %v", v, ok)
	}
}

func TestSeveralSubjectsAnswerInOrder(t *testing.T) {
	t.Parallel()
	s := targeting.Subjects{targeting.Attributes{"a": none, "b": integer(1)}, targeting.Attributes{"a": integer(2), "b": integer(3)}}
	for path, want := range map[string]any{"a": int64(2), "b": int64(1), "c": nil} {
		if v, ok := s.Attribute(path); v.Any() != want || ok != (want != nil) {
			t.Errorf("%s is %v, %v, want %v", path, v, ok, want)
		}
	}
}
