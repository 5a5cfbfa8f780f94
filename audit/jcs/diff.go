package jcs

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// A Difference is one value that two documents do not have in common.
type Difference struct {
	// Path is a JSON pointer (RFC 6901), empty for the whole document.
	Path string `json:"path"`
	// Before and After are the values in canonical form, nil where there is none.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Diff lists what differs between two JSON documents, in order of the paths: members
// of objects and elements of lists one by one, everything else as a whole. Nil is no
// document. Values that are written differently and mean the same do not differ. Where
// one of the two has no canonical form they are compared byte by byte.
func Diff(before, after []byte) []Difference {
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

func canonicalOrNil(doc []byte) (json.RawMessage, error) {
	if doc == nil {
		return nil, nil
	}
	return Canonicalize(doc)
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
			ds = diff(ds, path+"/"+pointerEscaper.Replace(key), b[key], a[key])
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
