package webpage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
)

// Config adjusts a [Set]. Its zero value works.
type Config struct {
	// Funcs are what templates may call beside the functions of the package, which they
	// may replace but for asset.
	Funcs template.FuncMap
}

// A Set holds the pages of a program. It does not change and is safe for concurrent use.
type Set struct {
	pages  map[string]*template.Template
	static http.Handler
}

// New reads the pages in files. A template that cannot be parsed is an error.
func New(files fs.FS, cfg Config) (*Set, error) {
	versions, err := versionsOf(files)
	if err != nil {
		return nil, err
	}
	asset := func(name string) (string, error) {
		if versions[name] == "" {
			return "", fmt.Errorf("webpage: there is no static file %q", name)
		}
		return "/static/" + name + "?v=" + versions[name], nil
	}
	layout, err := template.New("layout.html").Funcs(functions()).Funcs(cfg.Funcs).Funcs(template.FuncMap{"asset": asset}).ParseFS(files, "templates/layout.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	s := &Set{pages: map[string]*template.Template{}}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" {
			continue
		}
		page, err := layout.Clone()
		if err == nil {
			page, err = page.ParseFS(files, file)
		}
		if err != nil {
			return nil, err
		}
		s.pages[name] = page
	}
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, err
	}
	s.static = http.StripPrefix("/static/", cached(versions, http.FileServerFS(static)))
	return s, nil
}

// versionsOf maps each static file to the beginning of its hash.
func versionsOf(files fs.FS) (map[string]string, error) {
	versions := map[string]string{}
	err := fs.WalkDir(files, "static", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, file)
		sum := sha256.Sum256(b)
		versions[strings.TrimPrefix(file, "static/")] = hex.EncodeToString(sum[:6])
		return err
	})
	return versions, err
}

// cached serves the files that have a version, for good, and nothing else: no listing
// and no name that is none.
func cached(versions map[string]string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if versions[r.URL.Path] == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		next.ServeHTTP(w, r)
	})
}

// Names returns the names of the pages, in order.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.pages)) }

// Static serves the static files below /static/.
func (s *Set) Static() http.Handler { return s.static }

// Whole reports whether a request asks for a whole page and not for a part of it. What
// only the layout shows need not be looked up for a part.
func (s *Set) Whole(r *http.Request, name string) bool { return s.block(r, name) == "layout" }

// block returns the template of a page that a request asks for.
func (s *Set) block(r *http.Request, name string) string {
	page := s.pages[name]
	if _, id, ok := strings.Cut(r.Header.Get("HX-Target"), "#"); ok && page != nil && page.Lookup(id) != nil {
		return id
	}
	return "layout"
}

// Render answers with a page, or with the part of it that the request asks for. Where it
// fails, nothing was written. Nobody keeps a copy: a page shows what one person may see.
func (s *Set) Render(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	page := s.pages[name]
	if page == nil {
		return fmt.Errorf("webpage: there is no page %q", name)
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, s.block(r, name), data); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "HX-Target")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// Policy is the Content-Security-Policy of [Secured]. It allows what the program serves
// itself and nothing else, but for pictures in data URLs.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Secured gives every answer of next the headers that keep a page to its own site.
func Secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", Policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
