// Package webpage serves pages that are rendered on the server, from files that the
// program embeds: html/template pages in one layout, static files that are cached for
// good, and the headers that keep a page to what it brings along.
//
//	//go:embed web
//	var web embed.FS
//
//	files, err := fs.Sub(web, "web")
//	pages, err := webpage.New(files, webpage.Config{Funcs: funcs})
//	mux.Handle("GET /static/", pages.Static())
//	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
//		err := pages.Render(w, r, http.StatusOK, "orders", data)
//	})
//	handler := webpage.Secured(mux)
//
// # Files
//
// templates/layout.html defines the template "layout", and what all pages share. Every
// other file templates/NAME.html is the page NAME and defines "main", which the layout
// shows. The function asset gives a static file's address, with the beginning of its
// hash, so that a browser asks again when it has changed.
//
// # Functions
//
// Beside asset, templates may call when and rfc3339 (a time in UTC for people and for
// machines), path (a segment of an address, escaped), inc (the next number), words (a name
// with spaces for underscores), indent (JSON on lines of its own) and plain (the same, but a
// string without its quotes) and place (a JSON pointer, with numbers counted from one).
//
// # Parts
//
// A script that asks for a part of a page names the id of the element that it fills in
// the header HX-Target, as "tag#id". Where the page defines a template of that name, the
// part is rendered alone. Without scripts the same address is the whole page.
package webpage
