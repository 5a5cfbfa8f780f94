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
