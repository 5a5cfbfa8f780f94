package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/listing/saved"
)

// TypePrefix begins the type of every problem of the kit.
const TypePrefix = "urn:adminkit:problem:"

// A Problem is an RFC 9457 problem document. It is an error, so that a handler can
// return one that the standard table does not know.
type Problem struct {
	// Type is [TypePrefix] and a stable word.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Errors names the fields that are wrong.
	Errors []storage.FieldError `json:"errors,omitempty"`
	// Limit is the limit that the request would pass.
	Limit *storage.LimitError `json:"limit,omitempty"`
	// Reason is the code and text of a refusal.
	Reason *audit.Reason `json:"reason,omitempty"`
	// RequestID is the request the problem belongs to, for the operator's logs.
	RequestID string `json:"request_id,omitempty"`
	// Header is sent with the document.
	Header map[string]string `json:"-"`
	// Cause is for the operator's log and is never sent.
	Cause error `json:"-"`
}

// NewProblem returns a problem of the kit: word is the end of its type.
func NewProblem(status int, word, detail string) *Problem {
	return &Problem{Type: TypePrefix + word, Title: http.StatusText(status), Status: status, Detail: detail}
}

// Error implements error.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// ErrUnauthenticated reports a request that names nobody. It is answered 401.
var ErrUnauthenticated = errors.New("the request names nobody")

// BadRequest is the problem of a request that cannot be read: pointer is a JSON
// pointer into the body, or the name of a query parameter or header.
func BadRequest(pointer, message string) *Problem {
	p := NewProblem(http.StatusBadRequest, "bad_request", "The request could not be read.")
	p.Errors = []storage.FieldError{{Pointer: pointer, Message: message}}
	return p
}

// ProblemOf returns the problem that err is told as. It never returns nil.
func ProblemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		p := NewProblem(http.StatusUnprocessableEntity, "invalid", "The input was refused.")
		p.Errors = invalid.Fields
		return p
	}
	if outdated, ok := errors.AsType[*saved.OutdatedError](err); ok {
		p := NewProblem(http.StatusConflict, "saved_filter_outdated",
			"The saved filter does not fit its list any more. Change it first.")
		p.Errors = outdated.Fields
		return p
	}
	if limit, ok := errors.AsType[*storage.LimitError](err); ok {
		p := NewProblem(http.StatusConflict, "limit",
			"There may be at most "+strconv.FormatInt(limit.Limit, 10)+" "+limit.What+". Nothing was changed.")
		p.Limit = limit
		return p
	}
	if stepUp, ok := errors.AsType[*audit.StepUpError](err); ok {
		return stepUpProblem(stepUp.Verdict)
	}
	if denied, ok := errors.AsType[*audit.DeniedError](err); ok {
		p := NewProblem(http.StatusForbidden, "denied", "You may not do this.")
		p.Reason = &denied.Verdict.Reason
		p.Cause = denied.Err
		return p
	}
	for _, row := range table {
		if errors.Is(err, row.err) {
			p := NewProblem(row.status, row.word, row.detail)
			if row.err == storage.ErrBadCursor {
				p.Errors = []storage.FieldError{{Pointer: "after", Message: "is no cursor of this list"}}
			}
			if row.status == http.StatusServiceUnavailable {
				p.Header = map[string]string{"Retry-After": "1"}
				p.Cause = err
			}
			if row.status == http.StatusUnauthorized {
				p.Header = map[string]string{"WWW-Authenticate": "Bearer"}
			}
			return p
		}
	}
	p := NewProblem(http.StatusInternalServerError, "internal", "Something went wrong on our side.")
	p.Cause = err
	return p
}

var table = []struct {
	err    error
	status int
	word   string
	detail string
}{
	{ErrUnauthenticated, http.StatusUnauthorized, "unauthenticated", "The request names nobody."},
	{storage.ErrInvalid, http.StatusUnprocessableEntity, "invalid", "The input was refused."},
	{storage.ErrLimit, http.StatusConflict, "limit", "A limit was reached. Nothing was changed."},
	{storage.ErrBadCursor, http.StatusBadRequest, "bad_cursor", "The cursor was changed or belongs to another list."},
	{storage.ErrNotFound, http.StatusNotFound, "not_found", "There is no such object."},
	{idempotency.ErrMismatch, http.StatusConflict, "idempotency_mismatch", "The Idempotency-Key was used for another request."},
	{audit.ErrAlreadyRecorded, http.StatusConflict, "already_recorded", "This change was made before."},
	{storage.ErrConflict, http.StatusConflict, "conflict", "The object is not in the state this change was made for."},
	{storage.ErrCommitUnknown, http.StatusServiceUnavailable, "commit_unknown", "It is unknown whether the change was stored. Repeat the request under the same Idempotency-Key."},
	{storage.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "The store cannot be reached. Nothing was changed."},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout", "The request took too long. Nothing was changed."},
	{context.Canceled, http.StatusServiceUnavailable, "canceled", "The request was given up. Nothing was changed."},
}

// stepUpProblem carries the challenge of RFC 9470 section 3.
func stepUpProblem(v audit.Verdict) *Problem {
	p := NewProblem(http.StatusUnauthorized, "step_up_required", "Prove again who you are and repeat the request.")
	p.Reason = &v.Reason
	var b strings.Builder
	b.WriteString(`Bearer error="insufficient_user_authentication", error_description="A fresher authentication is required"`)
	if o := v.Obligations.StepUp; o != nil {
		if len(o.ACRValues) > 0 {
			b.WriteString(`, acr_values="` + quoted(strings.Join(o.ACRValues, " ")) + `"`)
		}
		if o.MaxAge > 0 {
			b.WriteString(`, max_age="` + strconv.FormatInt(int64(o.MaxAge.Seconds()), 10) + `"`)
		}
	}
	p.Header = map[string]string{"WWW-Authenticate": b.String()}
	return p
}

// quoted escapes the inside of a quoted-string of RFC 9110.
func quoted(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
}
