// Package receiver verifies webhooks at the other end: that they come from who holds
// the secret, are unchanged, and are recent.
//
//	verifier, err := receiver.NewVerifier([]string{os.Getenv("WEBHOOK_SECRET")}, receiver.Config{})
//
//	http.Handle("POST /hooks", verifier.Handler(func(w http.ResponseWriter, r *http.Request, m receiver.Message) {
//		if err := queue.Put(r.Context(), m.ID, m.Body); err != nil {
//			w.WriteHeader(http.StatusServiceUnavailable) // it will be sent again
//			return
//		}
//		w.WriteHeader(http.StatusNoContent)
//	}))
//
// It speaks Standard Webhooks 1.0.0 and verifies what any sender of it signed; see
// package signing for the kinds of secrets. While a secret is rotated, give both.
//
// # What a receiver has to do
//
//   - Verify the body as it came, before it is parsed, and never a re-encoded one.
//   - Answer 2xx as soon as the message is safe, within ten seconds, and work on it
//     afterwards.
//   - Remember [Message.ID]: a message may come more than once, always under the same
//     id. Keep ids for longer than the sender retries, which is four days by default.
//   - Answer 410 to be left alone for good, 429 with Retry-After to be left alone for
//     a while, and any other status to get the message again.
//
// A signature alone does not stop somebody from sending a copy of an attempt. The
// tolerance stops what is older than five minutes, and a [Memory] the rest: it refuses
// the same message at the same timestamp. That is no substitute for remembering ids,
// since a sender that tries again does so at another time.
//
// The package imports no other part of the kit but package signing.
package receiver
