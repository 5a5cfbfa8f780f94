package targeting_test

import (
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags/targeting"
)

func TestAValueIsReadAsWhatItIs(t *testing.T) {
	t.Parallel()
	type reads struct {
		b     bool
		isB   bool
		s     string
		isS   bool
		i     int64
		isInt bool
		f     float64
		isNum bool
	}
	for name, c := range map[string]struct {
		value targeting.Value
		want  reads
	}{
		"nothing":     {targeting.Value{}, reads{}},
		"true":        {targeting.Bool(true), reads{b: true, isB: true}},
		"false":       {targeting.Bool(false), reads{isB: true}},
		"a text":      {targeting.String("pro"), reads{s: "pro", isS: true}},
		"an integer":  {targeting.Number(7), reads{i: 7, isInt: true, f: 7, isNum: true}},
		"an odd huge": {targeting.Int(1<<53 + 1), reads{i: 1<<53 + 1, isInt: true, f: 1 << 53, isNum: true}},
		"a fraction":  {targeting.Number(-0.5), reads{f: -0.5, isNum: true}},
		"beyond 64":   {targeting.Number(1e300), reads{f: 1e300, isNum: true}},
		"a time":      {targeting.Time(time.Unix(1, 0)), reads{}},
		"a list":      {targeting.List(targeting.Bool(true)), reads{}},
	} {
		var got reads
		got.b, got.isB = c.value.AsBool()
		got.s, got.isS = c.value.AsString()
		got.i, got.isInt = c.value.AsInt()
		got.f, got.isNum = c.value.AsFloat()
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// A match takes a short way through flat trees, and Explain never does.
func TestTheShortWayOfFlatTreesIsTheSame(t *testing.T) {
	t.Parallel()
	text := targeting.String
	values := []targeting.Value{{}, text("a"), text("A"), text("b"), targeting.Int(1), targeting.Bool(true), targeting.List(text("a"), text("c")), targeting.List()}
	var clauses []targeting.Condition
	for _, op := range []targeting.Op{targeting.Equal, targeting.NotEqual} {
		clauses = append(clauses, targeting.Condition{Path: "x", Op: op, Value: text("a")}, targeting.Condition{Path: "x", Op: op, Value: targeting.Int(1)},
			targeting.Condition{Path: "x", Op: op, Value: text("a"), FoldCase: true}, targeting.Condition{Path: "x", Op: op, Value: text("a"), OnMissing: targeting.MissingMatch})
	}
	for _, op := range []targeting.Op{targeting.In, targeting.NotIn} {
		clauses = append(clauses, targeting.Condition{Path: "x", Op: op, Value: targeting.List(text("a"), text("b"))},
			targeting.Condition{Path: "x", Op: op, Value: targeting.List(text("a"), text("b"), text("c"), text("d"), text("e"))},
			targeting.Condition{Path: "x", Op: op, Value: targeting.List(text("A")), FoldCase: true}, targeting.Condition{Path: "x", Op: op, Value: targeting.List(targeting.Int(1))})
	}
	clauses = append(clauses, targeting.Condition{Path: "x", Op: targeting.Exists}, targeting.Condition{Path: "x", Op: targeting.StartsWith, Value: text("a")})
	always := targeting.Condition{Path: "y", Op: targeting.Equal, Value: text("y")}
	for _, clause := range clauses {
		for _, tree := range []targeting.Condition{clause, {All: []targeting.Condition{always, clause}}, {All: []targeting.Condition{{Any: []targeting.Condition{clause}}}}} {
			m, err := targeting.Compile(tree, targeting.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				s := targeting.Attributes{"x": v, "y": text("y")}
				if got, want := m.Match(s), m.Explain(s).Holds; got != want {
					t.Errorf("%+v over %s: matched %t, explained %t", tree, v, got, want)
				}
			}
			if got, want := m.Match(targeting.Attributes{"y": text("y")}), m.Explain(targeting.Attributes{"y": text("y")}).Holds; got != want {
				t.Errorf("%+v over nothing: matched %t, explained %t", tree, got, want)
			}
		}
	}
}
