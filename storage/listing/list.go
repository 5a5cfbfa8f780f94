package listing

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A List declares what a list of items of type T can be asked for.
type List[T any] struct {
	// Name is bound into the cursors of the list. No other list has it.
	Name string
	// ID returns what tells items of a tenant apart. Where sort values are equal, ids
	// decide by their bytes.
	ID func(T) string
	// Fields are what filters and sorts may name.
	Fields []Field[T]
	// Sort is the order where none is asked for.
	Sort Sort
}

// A Field is a part of an item that a list may be asked for. The functions named after
// the kinds make them.
type Field[T any] struct {
	name     string
	kind     Kind
	words    []string
	sortable bool
	of       func(T) Value
}

// TextField declares a field that holds a text.
func TextField[T any](name string, of func(T) string) Field[T] {
	return Field[T]{name: name, kind: Text, of: func(item T) Value { return Value{kind: Text, text: of(item)} }}
}

// WordField declares a field that holds one of a few words. Filters may name no other.
func WordField[T any, W ~string](name string, words []W, of func(T) W) Field[T] {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return Field[T]{name: name, kind: Word, words: all, of: func(item T) Value { return Value{kind: Word, text: string(of(item))} }}
}

// IntegerField declares a field that holds an integer.
func IntegerField[T any](name string, of func(T) int64) Field[T] {
	return Field[T]{name: name, kind: Integer, of: func(item T) Value { return Value{kind: Integer, number: of(item)} }}
}

// TimeField declares a field that holds a time, to the microsecond. The zero time is
// none, and is before every time since 1970.
func TimeField[T any](name string, of func(T) time.Time) Field[T] {
	return Field[T]{name: name, kind: Time, of: func(item T) Value { return Value{kind: Time, number: micros(of(item))} }}
}

// FlagField declares a field that is true or false.
func FlagField[T any](name string, of func(T) bool) Field[T] {
	return Field[T]{name: name, kind: Flag, of: func(item T) Value {
		v := Value{kind: Flag}
		if of(item) {
			v.number = 1
		}
		return v
	}}
}

// Sortable returns the field as one that the list can be sorted by. A store has an index
// in that order, or the list is a short one.
func (f Field[T]) Sortable() Field[T] {
	f.sortable = true
	return f
}

// A FieldInfo tells of a field of a list.
type FieldInfo struct {
	Name     string
	Kind     Kind
	Ops      []Op
	Words    []string // of a Word
	Sortable bool
}

// Info tells of the fields of the list, in the order of their declaration.
func (l List[T]) Info() []FieldInfo {
	all := make([]FieldInfo, len(l.Fields))
	for i, f := range l.Fields {
		all[i] = FieldInfo{f.name, f.kind, slices.Clone(opsOf(f.kind)), slices.Clone(f.words), f.sortable}
	}
	return all
}

// Check reports what is wrong with the declaration: a list without a name, ids or a
// default sort, or two fields of one name.
func (l List[T]) Check() error {
	var errs []error
	if l.Name == "" || l.ID == nil {
		errs = append(errs, errors.New("the list has no name or no ids"))
	}
	seen := map[string]bool{}
	for _, f := range l.Fields {
		if f.name == "" || f.of == nil || seen[f.name] {
			errs = append(errs, fmt.Errorf("the field %q is declared twice, or not by a function of the package", f.name))
		}
		seen[f.name] = true
	}
	if f, ok := l.field(l.Sort.Field); !ok || !f.sortable {
		errs = append(errs, fmt.Errorf("the list cannot be sorted by %q, its default", l.Sort.Field))
	}
	return errors.Join(errs...)
}

// Value returns what an item has in a field, as [Value.Arg] tells it, and nil for a field
// that is not declared.
func (l List[T]) Value(item T, field string) any {
	f, ok := l.field(field)
	if !ok {
		return nil
	}
	return f.of(item).Arg()
}

func (l List[T]) field(name string) (Field[T], bool) {
	for _, f := range l.Fields {
		if f.name == name {
			return f, true
		}
	}
	return Field[T]{}, false
}
