package automation

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// A panicError is a panic of an action, with its stack.
type panicError struct {
	value any
	stack []byte
}

func newPanic(value any) error { return &panicError{value, debug.Stack()} }

// Error implements error.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// failureOf says what an error of an action means. timedOut is set where the time of the
// attempt was up.
func failureOf(err error, timedOut bool) (f Failure, action *ActionError) {
	if failed, ok := errors.AsType[*ActionError](err); ok {
		f = Failure{Class: failed.Class, Message: clip(failed.Message, MaxMessage)}
		if f.Class == "" {
			f.Class = ClassUnknown
		}
		return f, failed
	}
	if timedOut {
		return Failure{Class: ClassTimeout, Message: "the action took too long"}, nil
	}
	if refusal, ok := errors.AsType[audit.Refusal](err); ok {
		return Failure{Class: ClassDenied, Message: clip("the owner of the rule may not do this: "+refusal.Error(), MaxMessage)}, nil
	}
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		return Failure{Class: ClassInvalid, Message: clip(invalid.Error(), MaxMessage)}, nil
	}
	if _, ok := errors.AsType[*panicError](err); ok {
		return Failure{Class: ClassPermanent, Message: "the action broke down"}, nil
	}
	for _, known := range []struct {
		err     error
		class   string
		message string
	}{
		{storage.ErrNotFound, ClassPermanent, "there is no such thing"},
		{storage.ErrConflict, ClassTransient, "it conflicts with what others changed"},
		{storage.ErrUnavailable, ClassTransient, "a store cannot be reached"},
	} {
		if errors.Is(err, known.err) {
			return Failure{Class: known.class, Message: known.message}, nil
		}
	}
	return Failure{Class: ClassUnknown, Message: "the action failed"}, nil
}

// clip makes a text fit for every store: valid UTF-8 without NUL, of at most max bytes.
func clip(s string, max int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= max {
		return s
	}
	return strings.ToValidUTF8(s[:max], "")
}
