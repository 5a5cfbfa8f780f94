package targeting

import (
	"errors"
	"strings"
)

// ErrInvalid reports a definition that was refused. [InvalidError] carries the places.
var ErrInvalid = errors.New("invalid targeting")

// A FieldError says what is wrong with one place of a definition. It has the fields of
// storage.FieldError and converts to it.
type FieldError struct {
	// Pointer is an RFC 6901 JSON pointer into the definition, such as "/all/1/value".
	// The empty pointer is the whole definition.
	Pointer string `json:"pointer"`
	// Message is a short sentence for the author of the definition.
	Message string `json:"message"`
}

// An InvalidError lists what is wrong with a definition, at most [MaxErrors] places in
// the order of the definition. It matches [ErrInvalid].
type InvalidError struct {
	Fields []FieldError
}

// Error implements error.
func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString(ErrInvalid.Error())
	for i, f := range e.Fields {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		if f.Pointer != "" {
			b.WriteString(f.Pointer)
			b.WriteString(": ")
		}
		b.WriteString(f.Message)
	}
	return b.String()
}

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// complaints collects what is wrong while a definition is walked.
type complaints struct{ fields []FieldError }

func (c *complaints) add(pointer, message string) {
	if len(c.fields) < MaxErrors {
		c.fields = append(c.fields, FieldError{Pointer: pointer, Message: message})
	}
}

// err returns the complaints as an error, nil where there are none.
func (c *complaints) err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &InvalidError{Fields: c.fields}
}

// join appends a reference token to a JSON pointer.
func join(pointer, token string) string {
	if strings.ContainsAny(token, "~/") {
		token = strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	}
	return pointer + "/" + token
}
