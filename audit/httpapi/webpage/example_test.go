package webpage_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing/fstest"

	"github.com/lumelle/adminkit/audit/httpapi/webpage"
)

func Example() {
	files := fstest.MapFS{ // a program embeds a folder instead
		"templates/layout.html": {Data: []byte(`{{define "layout"}}<main>{{template "main" .}}</main>{{end}}`)},
		"templates/orders.html": {Data: []byte(`{{define "main"}}Orders {{template "list" .}}{{end}}{{define "list"}}<p id="list">{{.}}</p>{{end}}`)},
		"static/app.css":        {Data: []byte(`a { color: teal }`)},
	}
	pages, err := webpage.New(files, webpage.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, target := range []string{"", "p#list"} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("HX-Target", target)
		w := httptest.NewRecorder()
		if err := pages.Render(w, r, http.StatusOK, "orders", "1001 <Ada>"); err != nil {
			fmt.Println(err)
		}
		fmt.Println(w.Body)
	}
	// Output:
	// <main>Orders <p id="list">1001 &lt;Ada&gt;</p></main>
	// <p id="list">1001 &lt;Ada&gt;</p>
}
