package flags

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// faults collects what is wrong with a definition, at most targeting.MaxErrors places.
type faults struct{ invalid *storage.InvalidError }

func (f *faults) add(pointer, message string) {
	if f.invalid == nil || len(f.invalid.Fields) < targeting.MaxErrors {
		f.invalid = f.invalid.Add(pointer, message)
	}
}

// include takes over the fields of an error that points into the part at pointer. An
// error without fields becomes one field that says message.
func (f *faults) include(pointer string, err error, message string) {
	if err == nil {
		return
	}
	if inner, ok := errors.AsType[*targeting.InvalidError](err); ok {
		for _, field := range inner.Fields {
			f.add(pointer+field.Pointer, field.Message)
		}
		return
	}
	if inner, ok := errors.AsType[*storage.InvalidError](err); ok {
		for _, field := range inner.Fields {
			f.add(pointer+field.Pointer, field.Message)
		}
		return
	}
	f.add(pointer, message)
}

func (f *faults) any() bool { return f.invalid != nil }

func (f *faults) err() error { return f.invalid.Err() }

// join appends a reference token to a JSON pointer.
func join(pointer, token string) string {
	if strings.ContainsAny(token, "~/") {
		token = strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	}
	return pointer + "/" + token
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
