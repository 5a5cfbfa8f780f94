package webpage_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lumelle/adminkit/audit/httpapi/webpage"
)

// site is a program with one page.
func site() fstest.MapFS {
	return fstest.MapFS{
		"templates/layout.html": {Data: []byte(`{{define "layout"}}<link href="{{asset "app.css"}}"><main>{{template "main" .}}</main>{{end}}{{define "shared"}}shared{{end}}`)},
		"templates/orders.html": {Data: []byte(`{{define "main"}}<h1>{{shout "orders"}}</h1>{{template "list" .}}{{end}}{{define "list"}}<ul id="list"><li>{{.}}</ul>{{end}}`)},
		"templates/lost.html":   {Data: []byte(`{{define "main"}}{{asset "nowhere.css"}}{{end}}`)},
		"static/app.css":        {Data: []byte("a{}")},
		"static/img/a.svg":      {Data: []byte("<svg/>")},
	}
}

var funcs = map[string]any{"shout": strings.ToUpper}

func open(t *testing.T) *webpage.Set {
	t.Helper()
	s, err := webpage.New(site(), webpage.Config{Funcs: funcs})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPageIsShownInItsLayoutAndItsPartAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	if got := s.Names(); !slices.Equal(got, []string{"lost", "orders"}) {
		t.Errorf("the pages are %v", got)
	}
	for _, c := range []struct {
		target, want string
		whole        bool
	}{
		{"", `<main><h1>ORDERS</h1><ul id="list"><li>&lt;b&gt;</ul></main>`, true},
		{"ul#list", `<ul id="list"><li>&lt;b&gt;</ul>`, false},
		{"div#other", `<main>`, true},
		{"list", `<main>`, true},
	} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("HX-Target", c.target)
		w := httptest.NewRecorder()
		if err := s.Render(w, r, http.StatusTeapot, "orders", "<b>"); err != nil {
			t.Fatal(err)
		}
		body := w.Body.String()
		if w.Code != http.StatusTeapot || !strings.Contains(body, c.want) || strings.Contains(body, "<main>") != c.whole || s.Whole(r, "orders") != c.whole {
			t.Errorf("for %q it answers %d %s", c.target, w.Code, body)
		}
		if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "HX-Target" || !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
			t.Errorf("the headers are %v", h)
		}
	}
}

func TestPageThatFailsWritesNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, name := range []string{"nowhere", "lost"} {
		w := httptest.NewRecorder()
		if err := s.Render(w, httptest.NewRequest("GET", "/", nil), http.StatusOK, name, nil); err == nil || w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("%s: the error is %v and the answer %q", name, err, w.Body)
		}
	}
}

func TestStaticFilesAreCachedForGoodAndNothingElseIsServed(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := httptest.NewRecorder()
	if err := s.Render(w, httptest.NewRequest("GET", "/", nil), http.StatusOK, "orders", "x"); err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`/static/app\.css\?v=[0-9a-f]{12}`).FindString(w.Body.String())
	if link == "" {
		t.Fatalf("the page links no version of its style: %s", w.Body)
	}
	for path, want := range map[string]int{
		link: http.StatusOK, "/static/img/a.svg": http.StatusOK, "/static/": http.StatusNotFound, "/static/img/": http.StatusNotFound,
		"/static/../templates/orders.html": http.StatusNotFound, "/static/no.css": http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		s.Static().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want || (want == http.StatusOK) != strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s answers %d %v", path, w.Code, w.Header())
		}
	}
}

func TestSetRefusesFilesThatAreNoPages(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(files fstest.MapFS){
		"no layout":          func(files fstest.MapFS) { delete(files, "templates/layout.html") },
		"no static files":    func(files fstest.MapFS) { delete(files, "static/app.css"); delete(files, "static/img/a.svg") },
		"a page that is bad": func(files fstest.MapFS) { files["templates/bad.html"] = &fstest.MapFile{Data: []byte("{{")} },
	} {
		files := site()
		change(files)
		if _, err := webpage.New(files, webpage.Config{Funcs: funcs}); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}

func TestAnswersAreSecuredAndSignInsLeadToTheSite(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	webpage.Secured(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Header().Get("Content-Security-Policy") != webpage.Policy || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the headers are %v", w.Header())
	}
	for address, want := range map[string]string{
		"/orders?after=x#top": "/orders?after=x#top", "": "/", "orders": "/", "//evil.example": "/", "https://evil.example": "/",
		`/\evil.example`: "/", "/\t/evil.example": "/", "/a\r\nb": "/", "/%zz": "/",
	} {
		if got := webpage.Local(address); got != want {
			t.Errorf("%q leads to %q, want %q", address, got, want)
		}
	}
}
