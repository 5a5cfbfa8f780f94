package approvals

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Difference is one value that a change makes another.
type Difference struct {
	// Path is a JSON pointer into the resource, empty for the whole of it.
	Path string
	// Before and After are the values, nil where there is none.
	Before, After json.RawMessage
}

// Diff lists what differs between a request's Before and After, in order of the
// paths: members of objects and elements of lists one by one, everything else as a
// whole. Values that are written differently and mean the same do not differ. JSON
// without a canonical form is compared byte by byte.
func Diff(before, after json.RawMessage) []Difference {
	b, errBefore := canonicalOrNil(before)
	a, errAfter := canonicalOrNil(after)
	if errBefore != nil || errAfter != nil {
		if bytes.Equal(before, after) {
			return nil
		}
		return []Difference{{Before: before, After: after}}
	}
	return diff(nil, "", b, a)
}

func canonicalOrNil(doc json.RawMessage) (json.RawMessage, error) {
	if doc == nil {
		return nil, nil
	}
	return canonical(doc)
}

// diff appends the differences of two canonical values.
func diff(ds []Difference, path string, before, after json.RawMessage) []Difference {
	switch {
	case bytes.Equal(before, after):
		return ds
	case begins(before, '{') && begins(after, '{'):
		var b, a map[string]json.RawMessage
		if json.Unmarshal(before, &b) != nil || json.Unmarshal(after, &a) != nil {
			break
		}
		both := maps.Clone(b)
		maps.Copy(both, a)
		for _, key := range slices.Sorted(maps.Keys(both)) {
			ds = diff(ds, path+"/"+pointerEscape.Replace(key), b[key], a[key])
		}
		return ds
	case begins(before, '[') && begins(after, '['):
		var b, a []json.RawMessage
		if json.Unmarshal(before, &b) != nil || json.Unmarshal(after, &a) != nil {
			break
		}
		for i := range max(len(b), len(a)) {
			ds = diff(ds, path+"/"+strconv.Itoa(i), element(b, i), element(a, i))
		}
		return ds
	}
	return append(ds, Difference{Path: path, Before: before, After: after})
}

func begins(v json.RawMessage, c byte) bool { return len(v) > 0 && v[0] == c }

func element(list []json.RawMessage, i int) json.RawMessage {
	if i < len(list) {
		return list[i]
	}
	return nil
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")
