package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

// PathID returns the part of the path that a pattern calls name. No object has an id
// that cannot be one, so that is storage.ErrNotFound.
func PathID(r *http.Request, name string) (string, error) {
	id := r.PathValue(name)
	if storage.CheckID("", id) != nil {
		return "", storage.ErrNotFound
	}
	return id, nil
}

// SetETag says the revision of the object that is answered.
func SetETag(w http.ResponseWriter, revision int64) {
	w.Header().Set("ETag", `"`+strconv.FormatInt(revision, 10)+`"`)
}

// IfMatch returns the revision that a change is made for by its If-Match, which is an
// ETag of [SetETag]. It is zero, for whichever is current, where the header is missing or
// "*". Anything else is a 400 problem.
func IfMatch(r *http.Request) (int64, error) {
	match := r.Header.Get("If-Match")
	if match == "" || match == "*" {
		return 0, nil
	}
	text, ok := strings.CutPrefix(match, `"`)
	text, ok2 := strings.CutSuffix(text, `"`)
	revision, err := strconv.ParseInt(text, 10, 64)
	if !ok || !ok2 || err != nil || revision < 1 {
		return 0, BadRequest("If-Match", "must be the ETag of the object")
	}
	return revision, nil
}

// MadeFor returns the revision that a change is made for: that of [IfMatch], else inBody,
// the one in the document that was read and comes back. One below zero is a
// *storage.InvalidError at /revision.
func MadeFor(r *http.Request, inBody int64) (int64, error) {
	if r.Header.Get("If-Match") != "" {
		return IfMatch(r)
	}
	if inBody < 0 {
		return 0, storage.Invalid("/revision", "must be a revision")
	}
	return inBody, nil
}

// DecodeOptional is [Decode] for a body that may be left out, which leaves v as it is.
func DecodeOptional(r *http.Request, v any) error {
	if r.ContentLength == 0 {
		return nil
	}
	return Decode(r, v)
}

// A List is a page of a list as surfaces answer it.
type List[T any] struct {
	Items []T `json:"items"`
	// Next continues the list, empty at its end.
	Next storage.Cursor `json:"next"`
}

// ListOf returns a page with each item as of shows it.
func ListOf[T, U any](page storage.Page[T], of func(T) U) List[U] {
	out := List[U]{Items: make([]U, len(page.Items)), Next: page.Next}
	for i, item := range page.Items {
		out.Items[i] = of(item)
	}
	return out
}
