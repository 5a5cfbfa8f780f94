package main

import (
	"net/http"
	"strings"
	"testing"
)

// A database may hold no NUL and no bytes that are not UTF-8, and Postgres fails when
// it is asked for them.
func TestPagesRefuseWhatIsNoText(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		sam := startAdmin(t, db, "-workers=false").signIn("sam")
		want := func(status int, path string) {
			t.Helper()
			if got := sam.send("GET", path, "", "Cookie", sam.cookie); got.status != status {
				t.Errorf("%s answered %d, want %d", path, got.status, status)
			}
		}
		for _, raw := range []string{"%00", "a%00b", "%ff%fe", "%c0%af", "%ed%a0%80"} {
			for _, page := range []string{"/orders/", "/approvals/", "/webhooks/", "/deliveries/", "/static/"} {
				want(http.StatusNotFound, page+raw)
			}
			for page, filters := range map[string]string{
				"/orders": "after", "/approvals": "tab after", "/webhooks": "after", "/timeline": "trace_id",
				"/audit":      "actor action resource category outcome trace_id after",
				"/deliveries": "endpoint_id event_type status trace_id after",
			} {
				for filter := range strings.FieldsSeq(filters) {
					want(http.StatusBadRequest, page+"?"+filter+"="+raw)
				}
			}
		}
	})
}

func TestStaticFilesAreNotListed(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, "memory:")
	a.send("GET", "/static/app.css", "").want(http.StatusOK)
	for _, path := range []string{"/static/", "/static/none.css"} {
		if got := a.send("GET", path, ""); got.status != http.StatusNotFound || got.header.Get("Cache-Control") == "public, max-age=31536000, immutable" {
			t.Errorf("%s answered %d, to be cached as %q", path, got.status, got.header.Get("Cache-Control"))
		}
	}
}
