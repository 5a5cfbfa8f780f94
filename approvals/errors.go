package approvals

import (
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// ErrNotEligible reports somebody who may not do this to this request.
// [NotEligibleError] says why.
var ErrNotEligible = errors.New("not eligible")

// The codes of a [NotEligibleError].
const (
	// CodeAuthor: authors never decide on their own request.
	CodeAuthor = "author"
	// CodeNotApprover: the stage asks others.
	CodeNotApprover = "not_an_approver"
	// CodeNotAuthor: only the authors may.
	CodeNotAuthor = "not_an_author"
)

// A NotEligibleError says why somebody may not. It matches [ErrNotEligible]. It is an
// [audit.Refusal]: the attempt is on record, so a host that brought its transaction
// commits it.
type NotEligibleError struct {
	Code string
	// Text is a sentence for them.
	Text string
}

// Error implements error.
func (e *NotEligibleError) Error() string { return "approvals: " + e.Text }

// Is reports whether target is [ErrNotEligible].
func (e *NotEligibleError) Is(target error) bool { return target == ErrNotEligible }

// Refused implements [audit.Refusal].
func (e *NotEligibleError) Refused() audit.Outcome { return audit.Denied }

var _ audit.Refusal = (*NotEligibleError)(nil)

func notEligible(code string) *NotEligibleError {
	text := map[string]string{
		CodeAuthor:      "nobody decides on a request of their own",
		CodeNotApprover: "this request asks others for their decision",
		CodeNotAuthor:   "only its authors may do this to a request",
	}
	return &NotEligibleError{Code: code, Text: text[code]}
}

// A StaleRevisionError reports a decision or an edit that was made looking at another
// revision than the current one. It matches [storage.ErrConflict].
type StaleRevisionError struct{ Seen, Current int }

// Error implements error.
func (e *StaleRevisionError) Error() string {
	return fmt.Sprintf("revision %d was seen and the request is at revision %d", e.Seen, e.Current)
}

// Is reports whether target is [storage.ErrConflict].
func (e *StaleRevisionError) Is(target error) bool { return target == storage.ErrConflict }

// An AlreadyVotedError reports a second vote of one person in one stage. It matches
// [storage.ErrConflict].
type AlreadyVotedError struct{ Choice Trigger }

// Error implements error.
func (e *AlreadyVotedError) Error() string {
	return fmt.Sprintf("the choice %q was made before", e.Choice)
}

// Is reports whether target is [storage.ErrConflict].
func (e *AlreadyVotedError) Is(target error) bool { return target == storage.ErrConflict }
