// Package httpapi is what the HTTP surfaces of the kit have in common: who asks, how
// a body is read, how an error is told, how a repeated POST is recognised.
//
// A surface is an http.Handler made from a [Config]:
//
//	api, err := httpapi.New(httpapi.Config{
//		Identify: identify, Tx: backend, Idempotency: backend.Idempotency(), Vault: vault,
//	})
//	mux := http.NewServeMux()
//	api.Handle(mux, "POST /endpoints", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
//		var in endpointInput
//		if err := httpapi.Decode(r, &in); err != nil {
//			return err
//		}
//		...
//		return httpapi.WriteJSON(w, http.StatusCreated, out)
//	})
//
// A handler answers or returns an error, never both. Errors become RFC 9457 problem
// documents through one table ([ProblemOf]); what has no entry is a 500 without
// detail, whose cause goes to the Logger.
//
// Bodies are read by the rules of RFC 7493 (I-JSON) and of the kit: unknown,
// duplicate and case-variant names are refused, as are more than [MaxBody] bytes and
// more than [MaxDepth] levels. So what a reviewer saw is what a handler reads.
//
// A POST with an Idempotency-Key runs in one transaction with the record of its
// answer. An answer below 400 is kept, sealed, and given again; a refusal commits its own
// record and leaves the key free; any other error leaves nothing.
//
// What the surfaces of objects do alike is here once: [PathID], [SetETag] and [IfMatch]
// for the revision that a change is made for, [ListOf], and [Reading] and [Changing] around
// handlers, for who may read and for changes that wait for approval. A list that package
// listing declares is asked for with [ParseQuery], and [Bulk] changes many of its objects
// in one request. With [Config].Saved both take a saved filter; package savedfilters is the
// surface that people keep them by.
//
// [Edge] is the middleware that a host puts around everything once: it continues the
// caller's trace, names the request and turns a panic into a 500.
package httpapi
