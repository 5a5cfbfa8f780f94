package storage

import (
	"errors"
	"strings"
)

var (
	// ErrNotFound reports that no such object exists in the tenant that asked. An
	// object of another tenant is not found, never forbidden.
	ErrNotFound = errors.New("not found")

	// ErrConflict reports that the stored state is not the one the write was made
	// for: the revision moved, or the id is taken by something else. Read again and
	// decide anew; repeating the same write does not help.
	ErrConflict = errors.New("conflicts with the stored state")

	// ErrInvalid reports that the input was refused before anything was stored.
	// [InvalidError] carries the fields.
	ErrInvalid = errors.New("invalid input")

	// ErrLimit reports that the tenant would have more of something than it may. Nothing
	// was stored. [LimitError] carries the limit.
	ErrLimit = errors.New("limit reached")

	// ErrBadCursor reports a cursor that was changed, truncated or made for
	// another list.
	ErrBadCursor = errors.New("bad cursor")

	// ErrTxDone reports the use of a ctx whose transaction has ended.
	ErrTxDone = errors.New("the transaction of this context has ended")

	// ErrNoTx reports that an operation needs a transaction and ctx carries none.
	ErrNoTx = errors.New("the context carries no transaction")

	// ErrForeignTx reports a ctx that carries another backend's transaction.
	ErrForeignTx = errors.New("the context carries another backend's transaction")

	// ErrTxBusy reports that two goroutines used the transaction of one ctx at the
	// same time, or that a statement was issued while rows of an earlier one were
	// still open. A transaction serves one statement after another.
	ErrTxBusy = errors.New("the transaction is busy with another statement")

	// ErrCommitUnknown reports that a commit was sent and its answer was lost: all
	// of the transaction is durable or none of it is. Repeat the whole change under
	// the same ids; writes of the kit are idempotent by id.
	ErrCommitUnknown = errors.New("the outcome of the commit is unknown")

	// ErrUnavailable reports that the store cannot be reached or was closed. The
	// change did not happen and may be repeated.
	ErrUnavailable = errors.New("the store is unavailable")

	// ErrNoSpace reports that the store's disk is full. Such an error is
	// [ErrUnavailable] as well: the change did not happen, and the same change succeeds
	// as soon as there is space. Nothing needs to be restarted.
	ErrNoSpace = errors.New("the store has no space left")
)

// A FieldError says what is wrong with one field of an input.
type FieldError struct {
	// Pointer is an RFC 6901 JSON pointer into the input, such as "/amount". The
	// empty pointer is the whole input.
	Pointer string `json:"pointer"`
	// Message is a short sentence for the author of the input. It never quotes
	// secrets and never names internals.
	Message string `json:"message"`
}

// An InvalidError lists what is wrong with an input. It matches [ErrInvalid].
type InvalidError struct {
	Fields []FieldError
}

// Invalid returns an *InvalidError with one field.
func Invalid(pointer, message string) *InvalidError {
	return &InvalidError{Fields: []FieldError{{Pointer: pointer, Message: message}}}
}

// Add appends a field and returns e. It may be called on nil, which makes the first.
func (e *InvalidError) Add(pointer, message string) *InvalidError {
	if e == nil {
		return Invalid(pointer, message)
	}
	e.Fields = append(e.Fields, FieldError{Pointer: pointer, Message: message})
	return e
}

// Err returns e as an error, and nil when e is nil or names no field. It spares
// callers the trap of a typed nil in an error.
func (e *InvalidError) Err() error {
	if e == nil || len(e.Fields) == 0 {
		return nil
	}
	return e
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
