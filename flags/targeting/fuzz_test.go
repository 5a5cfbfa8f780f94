package targeting_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags/targeting"
)

// FuzzCondition reads a condition, compiles it and asks a document: nothing may panic,
// what is read has to survive being written, and Explain has to agree with Match.
func FuzzCondition(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"all":[{"path":"/a","op":"eq","value":"GB"},{"any":[{"none":[{"path":"b","op":"exists"}]}]}]}`,
		`{"path":"a","op":"in","value":["a",1,true],"fold_case":true,"on_missing":"match"}`,
		`{"path":"a","op":"matches","value":"^(a|b)*$"}`, `{"path":"a","op":"in_cidr","value":["10.0.0.0/8","::1"]}`,
		`{"path":"a","op":"semver_gte","value":"1.2.3-rc.1+b"}`, `{"path":"a","op":"before","value":1e9}`,
		`{"path":"a","op":"lt","value":-0.0}`, `{"audience":"vip"}`,
	} {
		f.Add([]byte(seed), []byte(`{"a":["x",1.5,null,{"b":[]}]}`), "12.50")
	}
	library, err := targeting.NewLibrary([]targeting.Audience{{Key: "vip", Include: []string{"m"}}}, targeting.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, definition, document []byte, word string) {
		c, err := targeting.ParseCondition(definition)
		if err != nil {
			field(t, err)
			return
		}
		written, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := targeting.ParseCondition(written); err != nil {
			t.Fatalf("%s was read, and written as %s: %v", definition, written, err)
		}
		m, err := targeting.Compile(c, targeting.Options{Audiences: library})
		if err != nil {
			field(t, err)
			return
		}
		var doc any
		if json.Unmarshal(document, &doc) != nil {
			doc = string(document)
		}
		s := targeting.Subjects{targeting.Document(doc), targeting.Attributes{"a": text(word), "b": list(text(word), integer(int64(len(word)))), "merchantId": text(word)}}
		if match, trace := m.Match(s), m.Explain(s); match != trace.Holds {
			t.Fatalf("Match says %v, Explain %v", match, trace)
		} else if _, err := json.Marshal(trace); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzSplit reads a split, compiles it and deals a key.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(`{"by":["merchantId"],"weights":{"on":40,"off":60}}`), "merchant-1001")
	f.Add([]byte(`{"weights":[{"variant":"b","weight":1},{"variant":"a","weight":99}],"scheme":"unleash","salt":"s"}`), "m")
	f.Add([]byte(`{"weights":{"a":1e-300,"b":1e12,"c":0,"d":0.1}}`), "m")
	f.Fuzz(func(t *testing.T, definition []byte, key string) {
		s, err := targeting.ParseSplit(definition)
		if err != nil {
			field(t, err)
			return
		}
		splitter, err := targeting.CompileSplit(s, "f", targeting.Options{})
		if err != nil {
			field(t, err)
			return
		}
		p, ok := splitter.Pick(targeting.Attributes{"merchantId": text(key), splitter.By()[0]: text(key)})
		if ok != (key != "") {
			t.Fatalf("the key %q was dealt: %v", key, ok)
		}
		if ok && (p.Slot < p.From || p.Slot >= p.To || p.To > p.Slots || s.Weights[p.Index].Weight == 0) {
			t.Fatalf("%s serve %+v", definition, p)
		}
	})
}

// FuzzAudience reads an audience and compiles it.
func FuzzAudience(f *testing.F) {
	f.Add([]byte(`{"key":"vip","by":["a"],"include":["m"],"exclude":["n"],"when":{"path":"a","op":"exists"}}`))
	f.Fuzz(func(t *testing.T, definition []byte) {
		a, err := targeting.ParseAudience(definition)
		if err != nil {
			field(t, err)
			return
		}
		if _, err := targeting.NewLibrary([]targeting.Audience{a}, targeting.Options{}); err != nil {
			field(t, err)
		}
	})
}

// FuzzReadings holds what operators read out of texts against other readers.
func FuzzReadings(f *testing.F) {
	for _, seed := range []string{"12.50", "2026-01-01T00:00:00Z", "1.2.3-rc.1+b", "-0", "1e9", "٣"} {
		f.Add(seed)
	}
	above := matcher(f, targeting.Condition{Any: []targeting.Condition{
		{Path: "a", Op: targeting.Less, Value: integer(0)}, {Path: "a", Op: targeting.GreaterEqual, Value: integer(0)}}}, targeting.Options{})
	instants := matcher(f, targeting.Condition{Path: "a", Op: targeting.After, Value: integer(0)}, targeting.Options{})
	f.Fuzz(func(t *testing.T, s string) {
		a := targeting.Attributes{"a": text(s)}
		if above.Match(a) {
			if _, err := json.Number(s).Float64(); err != nil {
				t.Errorf("%q was read as a number: %v", s, err)
			}
		}
		at, err := time.Parse(time.RFC3339, s)
		if got, want := instants.Match(a), err == nil && at.Unix() > 0; got && !want {
			t.Errorf("%q was read as an instant after 1970: %v", s, err)
		}
	})
}
