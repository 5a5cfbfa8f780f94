package egress_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/webhooks/egress"
)

func TestDoGoesOnlyWhereAttemptsMayGo(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/secret", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "hello "+r.Method)
	}))
	t.Cleanup(inside.Close)
	open, closed := deliverer(t, egress.Config{Allow: loopback}), deliverer(t, egress.Config{})
	for _, c := range []struct {
		name   string
		d      *egress.Deliverer
		url    string
		status int
		body   string
	}{
		{"an allowed address answers", open, inside.URL, http.StatusOK, "hello POST"},
		{"a redirect is an answer", open, inside.URL + "/redirect", http.StatusFound, ""},
		{"a loopback address is refused", closed, inside.URL, 0, ""},
		{"a name that leads inside is refused", closed, "https://localhost/", 0, ""},
		{"a user in the URL is refused", open, strings.Replace(inside.URL, "http://", "http://u:p@", 1), 0, ""},
		{"another scheme is refused", open, "file:///etc/passwd", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := c.d.Do(r)
			if c.status == 0 {
				permanent, ok := errors.AsType[interface {
					error
					Permanent() bool
				}](err)
				if !errors.Is(err, egress.ErrBlocked) || !ok || !permanent.Permanent() {
					t.Fatalf("got %v, want ErrBlocked for good", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != c.status || string(body) != c.body {
				t.Errorf("got %d %q %v, want %d %q", answer.StatusCode, body, err, c.status, c.body)
			}
		})
	}
}
