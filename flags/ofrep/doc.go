// Package ofrep serves evaluations of flags by the OpenFeature Remote Evaluation
// Protocol (OFREP) 0.3.0, so that any OpenFeature client, in any language, reads the
// flags of the host.
//
//	h, err := ofrep.New(provider, ofrep.Config{Config: httpapi.Config{Identify: identify}})
//	mux.Handle("/ofrep/v1/", http.StripPrefix("/ofrep/v1", h))
//
// The routes are
//
//	POST /evaluate/flags/{key}    one flag
//	POST /evaluate/flags          all flags, with an ETag that If-None-Match asks for
//	GET  /openapi.json
//
// The body is {"context":{"targetingKey":"..."}} with any attributes beside the key; a
// merchantId will do in place of it. The tenant is that of the identified caller: a
// context that names another one is refused. What else a context says is the caller's
// word, so rules that give permissions belong where the server makes the subject.
//
// # Answers
//
// A flag that could be evaluated is 200 with value, reason, variant and metadata. Without
// a value the client uses its own default. What a flag that could not be evaluated is
// told as follows from its error:
//
//	FLAG_NOT_FOUND                                                   404
//	PARSE_ERROR, TARGETING_KEY_MISSING, INVALID_CONTEXT, GENERAL     400
//	PROVIDER_NOT_READY and all else                                  500
//
// What is no matter of a flag is a problem document, as on the other surfaces: nobody is
// identified (401) or allowed (403), a body in a Content-Encoding (415), too many requests (429).
//
// The protocol's list of reasons is shorter than OpenFeature's. A reason that it does not
// have, such as DEFAULT and STALE, is told as UNKNOWN, and as it is in the metadata under
// "reason". The metadata has the rule and the version of the flag too.
//
// All flags are one answer, in order of their keys. Those that cannot be evaluated stand
// among the others with their error. The ETag is that of the answer, so it changes with
// the context as well as with the flags.
//
// Evaluations leave no exposure: the client that uses one tells of it.
package ofrep
