package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
)

func TestIfMatchIsAnETagOrNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, match string
		inBody      int64
		want, made  int64
		bad         bool
	}{
		{"no header", "", 7, 0, 7, false},
		{"no header and no revision in the body", "", 0, 0, 0, false},
		{"any revision, whatever the body says", "*", 7, 0, 0, false},
		{"the ETag of a revision goes before the body", `"3"`, 7, 3, 3, false},
		{"a number without quotes", "3", 7, 0, 0, true},
		{"half a pair of quotes", `"3`, 7, 0, 0, true},
		{"a weak ETag", `W/"3"`, 7, 0, 0, true},
		{"a list", `"3", "4"`, 7, 0, 0, true},
		{"revision zero", `"0"`, 7, 0, 0, true},
		{"a number that is too large", `"9223372036854775808"`, 7, 0, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("PUT", "/", nil)
			if c.match != "" {
				r.Header.Set("If-Match", c.match)
			}
			revision, err := httpapi.IfMatch(r)
			made, madeErr := httpapi.MadeFor(r, c.inBody)
			if c.bad {
				for _, err := range []error{err, madeErr} {
					if p, ok := errors.AsType[*httpapi.Problem](err); !ok || p.Status != http.StatusBadRequest {
						t.Errorf("got %v, want a 400", err)
					}
				}
				return
			}
			if err != nil || madeErr != nil || revision != c.want || made != c.made {
				t.Errorf("got %d (%v) and %d (%v), want %d and %d", revision, err, made, madeErr, c.want, c.made)
			}
		})
	}
	_, err := httpapi.MadeFor(httptest.NewRequest("PUT", "/", nil), -1)
	if _, ok := errors.AsType[*storage.InvalidError](err); !ok {
		t.Errorf("a revision below zero: got %v", err)
	}
}

func TestSetETagIsWhatIfMatchReads(t *testing.T) {
	t.Parallel()
	w, r := httptest.NewRecorder(), httptest.NewRequest("PUT", "/", nil)
	httpapi.SetETag(w, 42)
	r.Header.Set("If-Match", w.Header().Get("ETag"))
	if revision, err := httpapi.IfMatch(r); err != nil || revision != 42 {
		t.Errorf("got %d, %v", revision, err)
	}
}

func TestAnIDThatCannotBeOneIsNotFound(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{"too long": strings.Repeat("x", storage.MaxID+1), "a NUL": "a\x00", "not UTF-8": "\xff", "empty": ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetPathValue("key", id)
		if _, err := httpapi.PathID(r, "key"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.SetPathValue("key", "checkout")
	if id, err := httpapi.PathID(r, "key"); err != nil || id != "checkout" {
		t.Errorf("got %q, %v", id, err)
	}
}

func TestABodyMayBeLeftOut(t *testing.T) {
	t.Parallel()
	var in input
	if err := httpapi.DecodeOptional(httptest.NewRequest("POST", "/", nil), &in); err != nil {
		t.Error(err)
	}
	if err := httpapi.DecodeOptional(httptest.NewRequest("POST", "/", strings.NewReader(`{"amount":"1"}`)), &in); err != nil || in.Amount != "1" {
		t.Errorf("got %+v, %v", in, err)
	}
	if err := httpapi.DecodeOptional(httptest.NewRequest("POST", "/", strings.NewReader(`{"amount":1}`)), &in); err == nil {
		t.Error("a body of the wrong type was taken")
	}
}

func TestAListHasItsItemsAndTheNextCursor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		page storage.Page[int]
		want string
	}{
		{"an empty list", storage.Page[int]{}, `{"items":[],"next":""}`},
		{"a page", storage.Page[int]{Items: []int{1, 2}, Next: "c"}, `{"items":["1","2"],"next":"c"}`},
	} {
		got, err := json.Marshal(httpapi.ListOf(c.page, strconv.Itoa))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
		}
	}
}

// A refusal is an error of a gate that waits for approval, or does not.
type refusal struct{ outcome audit.Outcome }

func (r refusal) Error() string          { return "refused" }
func (r refusal) Refused() audit.Outcome { return r.outcome }

func TestAChangeThatWaitsForApprovalIsAccepted(t *testing.T) {
	t.Parallel()
	name := func(error) string { return "req-1" }
	for _, c := range []struct {
		name       string
		approvalID func(error) string
		err        error
		status     int
		body       string
	}{
		{"waits, with a request", name, refusal{audit.Pending}, 202, `{"request_id":"req-1","status":"awaiting_approval"}`},
		{"waits, where nobody names requests", nil, refusal{audit.Pending}, 202, `{"request_id":"","status":"awaiting_approval"}`},
		{"is denied", name, refusal{audit.Denied}, 0, ""},
		{"fails", name, storage.ErrConflict, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			h := httpapi.Changing(c.approvalID, func(http.ResponseWriter, *http.Request, httpapi.Identity) error { return c.err })
			err := h(w, httptest.NewRequest("POST", "/", nil), httpapi.Identity{})
			if c.status == 0 {
				if !errors.Is(err, c.err) || w.Body.Len() > 0 {
					t.Errorf("got %v and %q, want the error", err, w.Body)
				}
				return
			}
			if got := canonical(t, w.Body.Bytes()); err != nil || w.Code != c.status || got != c.body {
				t.Errorf("got %d %s, %v, want %d %s", w.Code, got, err, c.status, c.body)
			}
		})
	}
}

// canonical returns a JSON object with its members in order.
func canonical(t *testing.T, b []byte) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestWhoMayNotReadIsNotAnswered(t *testing.T) {
	t.Parallel()
	read := 0
	h := func(http.ResponseWriter, *http.Request, httpapi.Identity) error { read++; return nil }
	authorize := func(_ context.Context, who httpapi.Identity) error {
		if who.Tenant == "acme" {
			return nil
		}
		return &audit.DeniedError{}
	}
	for _, c := range []struct {
		name      string
		authorize func(context.Context, httpapi.Identity) error
		tenant    string
		want      int
	}{{"nobody is asked", nil, "bloom", 1}, {"who may", authorize, "acme", 1}, {"who may not", authorize, "bloom", 0}} {
		read = 0
		err := httpapi.Reading(c.authorize, h)(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), httpapi.Identity{Tenant: c.tenant})
		if read != c.want || (err == nil) != (c.want == 1) {
			t.Errorf("%s: read %d times, %v", c.name, read, err)
		}
	}
}
