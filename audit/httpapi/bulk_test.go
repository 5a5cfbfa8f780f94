package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/memory"
)

var words = listing.List[string]{
	Name:   "test.words",
	ID:     func(s string) string { return s },
	Fields: []listing.Field[string]{listing.TextField("id", func(s string) string { return s }).Sortable()},
	Sort:   listing.Sort{Field: "id"},
}

// TestAFaultOfOurOwnEndsABulkRequest: what was done before it stays done, and is told;
// under a key nothing was.
func TestAFaultOfOurOwnEndsABulkRequest(t *testing.T) {
	t.Parallel()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	api, err := httpapi.New(httpapi.Config{
		Identify: func(*http.Request) (httpapi.Identity, error) {
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "sam"}}, nil
		},
		Tx: backend, Idempotency: backend.Idempotency(), Vault: vault(t), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	committed := map[string]bool{}
	bulk := httpapi.Bulk[string]{
		Of: words,
		Page: func(_ context.Context, _ string, q listing.Query) (storage.Page[string], error) {
			if q.After != "" {
				return storage.Page[string]{}, storage.ErrBadCursor
			}
			return storage.Page[string]{}, storage.ErrUnavailable
		},
		Actions: []httpapi.BulkAction{{Name: "print", Do: func(ctx context.Context, _, id, _ string) error {
			if id == "jam" {
				return errors.New("the printer is on fire")
			}
			storage.AfterCommit(ctx, func() { committed[id] = true })
			return nil
		}}},
	}
	mux := http.NewServeMux()
	api.Handle(mux, "POST /words/bulk", bulk.Handler(api))
	post := func(body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/words/bulk", strings.NewReader(body))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	const body = `{"ids":["a","jam","b"],"action":"print"}`

	w := post(body, "Idempotency-Key", "k1")
	if w.Code != 500 || len(committed) != 0 {
		t.Errorf("under a key: got %d %s, and %v", w.Code, w.Body, committed)
	}
	w = post(body)
	const want = `{"items":[{"id":"a","status":"done"},{"id":"jam","status":"failed","problem":{"type":"urn:adminkit:problem:internal",` +
		`"title":"Internal Server Error","status":500,"detail":"Something went wrong on our side."}},{"id":"b","status":"not_tried"}],"next":""}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want {
		t.Errorf("got %d %s, want %s", w.Code, got, want)
	}
	if !committed["a"] || committed["b"] {
		t.Errorf("committed %v", committed)
	}
	if strings.Contains(w.Body.String(), "fire") || strings.Count(log.String(), "the printer is on fire") != 2 {
		t.Errorf("the cause belongs in the log only: %s\n%s", w.Body, &log)
	}
	if w = post(`{"filter":{"id":{"eq":"a"}},"action":"print"}`); w.Code != 503 {
		t.Errorf("a list that cannot be read: got %d %s", w.Code, w.Body)
	}
	w = post(`{"filter":{"id":{"eq":"a"}},"after":"made up","action":"print"}`)
	if w.Code != 400 || !strings.Contains(w.Body.String(), `"pointer":"/after"`) {
		t.Errorf("a cursor that is none: got %d %s, want 400 that names /after", w.Code, w.Body)
	}
}
