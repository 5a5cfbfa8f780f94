package webpage_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lumelle/adminkit/audit/httpapi/webpage"
)

func TestTemplatesHaveTheFunctionsOfThePackage(t *testing.T) {
	t.Parallel()
	for call, want := range map[string]string{
		`{{when .At}}`:              "2026-11-23 11:00:00",
		`{{rfc3339 .At}}`:           "2026-11-23T11:00:00Z",
		`{{path "a/b c"}}`:          "a%2Fb%20c",
		`{{inc 1}}`:                 "2",
		`{{words "needs_a_look"}}`:  "needs a look",
		`{{place "/steps/1/with"}}`: "steps 2, with",
		`{{place "/environments/a~1b/rules/0/when/all/1"}}`: "environments, a/b, rules 1, when, all 2",
		`{{place "/default_variant"}}`:                      "default variant",
		`{{place "/7"}}`:                                    "7",
		`{{place ""}}`:                                      "",
		`{{plain .Text}}`:                                   "it is",
		`{{plain .Doc}}`:                                    "{\n  &#34;a&#34;: 1\n}",
		`{{plain .Torn}}`:                                   "{",
		`{{indent .Doc}}`:                                   "{\n  &#34;a&#34;: 1\n}",
		`{{indent .Torn}}`:                                  "",
	} {
		s, err := webpage.New(fstest.MapFS{
			"templates/layout.html": {Data: []byte(`{{define "layout"}}{{template "main" .}}{{end}}`)},
			"templates/page.html":   {Data: []byte(`{{define "main"}}` + call + `{{end}}`)},
			"static/app.css":        {},
		}, webpage.Config{})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		err = s.Render(w, httptest.NewRequest("GET", "/", nil), http.StatusOK, "page", map[string]any{
			"At":   time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("CET", 3600)),
			"Text": json.RawMessage(`"it is"`), "Doc": json.RawMessage(`{"a":1}`), "Torn": json.RawMessage(`{`),
		})
		if err != nil || w.Body.String() != want {
			t.Errorf("%s says %q, %v, want %q", call, w.Body, err, want)
		}
	}
}

func TestChangesAreToldFieldByField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, before, after string
		want                []string
	}{
		{"nothing at all", "", "", nil},
		{"what was made", "", `{"a":1,"b":2}`, []string{"/a", "/b"}},
		{"what was removed", `{"a":1}`, "", []string{"/a"}},
		{"what became another", `{"a":1,"b":2}`, `{"a":1,"b":3}`, []string{"/b"}},
		{"what stayed", `{"a":1}`, `{"a":1.0}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := func(s string) json.RawMessage {
				if s == "" {
					return nil
				}
				return json.RawMessage(s)
			}
			got := webpage.Changes(doc(c.before), doc(c.after))
			if len(got) != len(c.want) {
				t.Fatalf("it tells %v, want %v", got, c.want)
			}
			for i, d := range got {
				if d.Path != c.want[i] {
					t.Errorf("it tells %v, want %v", got, c.want)
				}
			}
		})
	}
}
