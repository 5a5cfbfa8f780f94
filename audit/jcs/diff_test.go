package jcs_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/audit/jcs"
)

func FuzzDiff(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":[1,2]}`), []byte(`{"a":2,"b":[1],"c~/":null}`))
	f.Add([]byte(`[1]`), []byte(`{"0":1}`))
	f.Add([]byte(`{"a":1,"a":2}`), []byte(`null`))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		if ds := jcs.Diff(before, before); len(ds) != 0 {
			t.Errorf("%s differs from itself: %+v", before, ds)
		}
		ds := jcs.Diff(before, after)
		back := jcs.Diff(after, before)
		if len(ds) != len(back) {
			t.Errorf("%d differences one way, %d the other", len(ds), len(back))
		}
		for i, d := range ds {
			if bytes.Equal(d.Before, d.After) {
				t.Errorf("%s is listed and does not differ: %s", d.Path, d.Before)
			}
			if !bytes.Equal(d.Before, back[i].After) || d.Path != back[i].Path {
				t.Errorf("the way back differs at %s", d.Path)
			}
			if json.Valid(before) && json.Valid(after) && d.Before == nil && d.After == nil {
				t.Errorf("%s has no value on either side", d.Path)
			}
		}
	})
}

// TestADiffAppliedToTheOneDocumentIsTheOther rebuilds a document from another and
// their differences.
func TestADiffAppliedToTheOneDocumentIsTheOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before := documents().Draw(t, "before")
		after := varied(t, before)
		rawBefore, rawAfter := canonical(t, before), canonical(t, after)
		var doc any
		if err := json.Unmarshal(rawBefore, &doc); err != nil {
			t.Fatal(err)
		}
		ds := jcs.Diff(rawBefore, rawAfter)
		// From the last on, so that an element of a list goes before those ahead of it.
		for _, d := range slices.Backward(ds) {
			doc = applied(t, doc, pointer(d.Path), d)
		}
		if got := canonical(t, doc); !bytes.Equal(got, rawAfter) {
			t.Fatalf("%s and %+v make\n%s, want\n%s", rawBefore, ds, got, rawAfter)
		}
		if len(ds) == 0 != bytes.Equal(rawBefore, rawAfter) {
			t.Fatalf("%d differences between\n%s and\n%s", len(ds), rawBefore, rawAfter)
		}
	})
}

// varied returns doc with something else at a few of its places.
func varied(t *rapid.T, doc any) any {
	switch v := doc.(type) {
	case map[string]any:
		v = maps.Clone(v)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				delete(v, key)
			case 1:
				v[key+"/~"] = "new"
			case 2:
				v[key] = varied(t, v[key])
			}
		}
		return v
	case []any:
		v = slices.Clone(v)
		for i := range v {
			v[i] = varied(t, v[i])
		}
		return append(v[:rapid.IntRange(0, len(v)).Draw(t, "length")], rapid.SliceOfN(rapid.Just[any]("new"), 0, 2).Draw(t, "more")...)
	}
	return rapid.SampledFrom([]any{doc, "new", nil}).Draw(t, "value")
}

func canonical(t *rapid.T, doc any) []byte {
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	c, err := jcs.Canonicalize(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pointer(path string) []string {
	if path == "" {
		return nil
	}
	var keys []string
	for key := range strings.SplitSeq(path[1:], "/") {
		keys = append(keys, strings.NewReplacer("~1", "/", "~0", "~").Replace(key))
	}
	return keys
}

func applied(t *rapid.T, doc any, path []string, d jcs.Difference) any {
	if len(path) == 0 {
		var v any
		if err := json.Unmarshal(d.After, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	gone := len(path) == 1 && d.After == nil
	switch v := doc.(type) {
	case map[string]any:
		if gone {
			delete(v, path[0])
		} else {
			v[path[0]] = applied(t, v[path[0]], path[1:], d)
		}
		return v
	case []any:
		i, err := strconv.Atoi(path[0])
		switch {
		case err != nil || i > len(v)+8:
			t.Fatalf("%q is no place in a list of %d", path[0], len(v))
		case gone:
			return v[:i]
		}
		for i >= len(v) {
			v = append(v, nil)
		}
		v[i] = applied(t, v[i], path[1:], d)
		return v
	}
	t.Fatalf("nothing at %v", path)
	return nil
}
