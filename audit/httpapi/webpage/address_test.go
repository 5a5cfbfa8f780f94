package webpage_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/storage"
)

func TestNextPageKeepsTheFilters(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/runs?status=failed&after=old&q=a%26b", nil)
	if got, want := webpage.Next(r, "new+1"), "/runs?after=new%2B1&q=a%26b&status=failed"; got != want {
		t.Errorf("the next page is %q, want %q", got, want)
	}
	if got := webpage.Next(r, ""); got != "" {
		t.Errorf("behind the end there is %q", got)
	}
}

func TestAddressThatIsNoTextIsRefused(t *testing.T) {
	t.Parallel()
	const limit = 20
	for _, c := range []struct {
		name, address string
		status        int
	}{
		{"plain", "/runs?status=failed", http.StatusOK},
		{"a NUL in the path", "/runs/%00", http.StatusNotFound},
		{"a path that is no UTF-8", "/runs/%ff", http.StatusNotFound},
		{"a path that is too long", "/" + strings.Repeat("a", limit), http.StatusNotFound},
		{"a NUL in a parameter", "/runs?status=a%00", http.StatusBadRequest},
		{"a second value that is no UTF-8", "/runs?status=a&status=%ff", http.StatusBadRequest},
		{"a parameter that is too long", "/runs?status=" + strings.Repeat("a", limit+1), http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := webpage.CheckText(httptest.NewRequest("GET", c.address, nil), limit)
			switch c.status {
			case http.StatusOK:
				if err != nil {
					t.Error(err)
				}
			case http.StatusNotFound:
				if !errors.Is(err, storage.ErrNotFound) {
					t.Errorf("the error is %v", err)
				}
			default:
				if p := httpapi.ProblemOf(err); err == nil || p.Status != c.status || len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Pointer, "status") {
					t.Errorf("the problem is %+v", p)
				}
			}
		})
	}
}

func TestFormThatWasDoneIsLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sentBy, location, redirect string
		status                           int
	}{
		{"a browser is sent on", "", "/runs/1", "", http.StatusSeeOther},
		{"htmx leaves the page as a whole", "true", "", "/runs/1", http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/runs", nil)
			r.Header.Set("HX-Request", c.sentBy)
			w := httptest.NewRecorder()
			webpage.Leave(w, r, "/runs/1")
			if w.Code != c.status || w.Header().Get("Location") != c.location || w.Header().Get("HX-Redirect") != c.redirect {
				t.Errorf("it answers %d %v", w.Code, w.Header())
			}
		})
	}
}
