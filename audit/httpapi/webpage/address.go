package webpage

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
)

// Local returns address where it leads to a page of the same site, else "/". It keeps
// links of others from using a sign-in to send people away.
func Local(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") ||
		strings.ContainsAny(address, "\\\r\n\t") {
		return "/"
	}
	return address
}

// Next is the address of r behind a cursor, in the parameter "after"; it is empty where
// the cursor is, which is the end of a list.
func Next(r *http.Request, cursor storage.Cursor) string {
	if cursor == "" {
		return ""
	}
	q := r.URL.Query()
	q.Set("after", string(cursor))
	return (&url.URL{Path: r.URL.Path, RawQuery: q.Encode()}).String()
}

// CheckText refuses an address that is no text of at most limit bytes a part: nothing is
// called so, and a database may fail on a NUL that it is asked for. The path of such an
// address is [storage.ErrNotFound], a parameter a bad request that names it.
func CheckText(r *http.Request, limit int) error {
	if storage.CheckText("", r.URL.Path, limit) != nil {
		return storage.ErrNotFound
	}
	for name, values := range r.URL.Query() {
		for _, v := range values {
			if storage.CheckText("", v, limit) != nil {
				return httpapi.BadRequest(name, "is not text")
			}
		}
	}
	return nil
}

// Leave ends a form that was done: the browser goes on with the page at path, which it
// may reload without sending the form again. A form that htmx sent for a part of its page
// leaves that page as a whole.
func Leave(w http.ResponseWriter, r *http.Request, path string) {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", path)
		return
	}
	http.Redirect(w, r, path, http.StatusSeeOther)
}
