// Package authzen serves decisions over HTTP: the evaluation endpoints of AuthZEN
// (OpenID Authorization API 1.0), and a middleware that puts a decision before any
// http.Handler.
//
// # The decision endpoints
//
// [New] returns a handler for POST /evaluation and POST /evaluations, which a host
// mounts below /access/v1:
//
//	h, err := authzen.New(guard, httpapi.Config{Identify: identify})
//	mux.Handle("/access/v1/", http.StripPrefix("/access/v1", h))
//
// The tenant is that of the identified caller; a caller cannot ask about another.
// Within it a caller may ask about every subject, as the services that enforce
// decisions must: identify those alone where people should not ask about each other.
// AuthZEN's information model maps to [authz.Request]: the properties of the action
// are the payload. The caller's own proof of identity counts where it asks about
// itself; nobody can claim one in a body.
//
// decision is true for allow alone. For needs_approval and step_up it is false, and
// the context says what is missing: outcome, obligations, and acr_values and max_age
// as in RFC 9470. A denial is status 200. Errors are 4xx and 5xx with a message as a
// JSON string, as AuthZEN has it, instead of the problem documents of the kit's other
// surfaces. Unknown fields are ignored; an X-Request-ID is sent back.
//
// # The middleware
//
// [Require] asks before it lets a request through. A denial is a 403 problem document
// with the reason, a missing step-up a 401 with the challenge of RFC 9470:
//
//	require, err := authzen.Require(guard, httpapi.Config{Identify: identify},
//		func(r *http.Request, who httpapi.Identity) (authz.Request, error) {
//			return authz.Request{
//				Action:   "orders.read",
//				Resource: authz.Entity{Type: "order", ID: r.PathValue("id")},
//			}, nil
//		})
//	mux.Handle("GET /orders/{id}", require(showOrder))
//
// Both take an [authz.Authorizer], and mean a [authz.Guard]: it contains failures
// and records what was decided.
package authzen
