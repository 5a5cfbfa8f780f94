package httpapi

import "net/http"

// Document returns the handler that serves an embedded OpenAPI 3.1 document. It
// needs no identity: the document holds no data.
func Document(doc []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Write(doc)
	})
}
