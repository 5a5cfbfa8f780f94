// Package webhookstest holds what tests of webhooks need: a receiver that answers as
// it is told, and the conformance suites of webhooks.Deliverer and webhooks.Store.
//
// # A receiver
//
//	r := webhookstest.NewReceiver(t)
//	r.Reply(webhookstest.Reply{Status: 503}, webhookstest.Reply{Drop: true})
//	... register r.URL(), make something happen ...
//	got, err := r.Wait(t.Context(), 3)
//	err = got[2].Verify(secret)
//
// It listens on the loopback interface over plain http, so the sender has to allow
// that: egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}.
//
// # Writing a Deliverer
//
// A webhooks.Deliverer makes one attempt and says what came of it. Everything around it
// is the Service's: when to try, how often, what is recorded, when to give up:
//
//	func (d *Deliverer) Deliver(ctx context.Context, r webhooks.Request) webhooks.Result {
//		ctx, cancel := context.WithTimeout(ctx, r.Timeout)
//		defer cancel()
//		signature, err := signing.Sign(r.Keys, r.MessageID, r.At, r.Body) // what is sent
//		...
//		resp, err := d.transport.RoundTrip(req) // follows nothing, repeats nothing
//		...
//		return classify(resp)
//	}
//
// The contract, with the rules of the suite:
//
//   - One call is one request. It is never repeated (WD-001), whatever came of it, and a
//     redirect is an answer and no instruction (WD-002).
//   - The message id goes out as it is (WD-003), the timestamp is that of the attempt
//     (WD-004), and every live key signs the bytes that are sent, after the last change
//     to them (WD-005, WD-006). The trace goes on (WD-007).
//   - 2xx is Accepted (WD-008), whatever becomes of the body behind it (WD-009). 410 is
//     Gone (WD-010). Anything else is Retry (WD-011). 429, 502, 504 and silence throttle
//     (WD-012), and Retry-After is handed on (WD-013) unless it says nothing (WD-014):
//     a date, or seconds, whose fraction is rounded up.
//   - It returns when the receiver's time is over (WD-015) and when its ctx ends
//     (WD-016).
//   - A destination that may not be reached is Blocked (WD-017), and so is one that it
//     does not know how to reach (WD-018): another scheme, no host, a user before it.
//   - At most webhooks.MaxResponse bytes of an answer are kept (WD-019). What failed is
//     said in a class and a sentence without addresses (WD-020).
//   - It is called from many goroutines at once (WD-021).
//
// Checklist:
//
//   - Sign the very bytes that go out, with all of Request.Keys.
//   - Check the address that is dialled, not the name that was registered: names change
//     what they point to.
//   - Use a transport and no client; bound the head of the answer, its body and its time.
//   - Answer Accepted when the receiver has the message for good, and not before.
//   - Say what failed in the words of the kit's classes, for the owner of the endpoint.
//
// Common mistakes:
//
//   - To use an http.Client with its default policy, which follows redirects and so
//     reaches what was never checked.
//   - To sign a value and send its re-encoding.
//   - To make an id in the Deliverer. Every retry is then a new message.
//   - To read a body to its end. Some have none.
//   - To hand err.Error() to the owner of the endpoint. It names what is inside.
//
// Reference: package egress. In examples/customprovider a deliverer to listed hosts is
// one, in a module that knows the public API only.
//
// # Running the suite
//
//	func TestDeliverer(t *testing.T) {
//		webhookstest.Run(t, webhookstest.Options{New: func(t testing.TB) webhooks.Deliverer {
//			return mydeliverer.New(mydeliverer.AllowLoopback)
//		}})
//	}
//
// It is for Deliverers that speak HTTP. To others, such as one that hands messages to a
// broker, the rules WD-003 to WD-006, WD-016, WD-018, WD-020 and WD-021 apply in spirit,
// and their tests are their own. WD-017 tries one forbidden address; a guard of
// destinations wants a table of them (every notation, every range that is not public)
// beside the suite, or package egress, which has one. Each case has a rule and a sentence
// that explains it, which stand first where it fails.
//
// # Writing a Store
//
// [RunStore] holds a webhooks.Store to the rules MS, each of which is a promise that
// stands in the documentation of that interface. They share one backend and have a tenant
// of their own each, and every one of them is shown to find a store that breaks it.
//
// Checklist:
//
//   - Does the tenant stand in every WHERE and in every key (MS-008, MS-084)?
//   - Do insertion, secret and subscriptions of an endpoint happen together (MS-005)?
//   - Does one statement compare the revision and write (MS-016), and one insert a
//     message or learn that it is known (MS-071)?
//   - Does a lock hold until the transaction ends, also for a count, which has no row to
//     lock yet (MS-028, MS-087, MS-132)?
//   - Do lists end with the id in their order, compared by its bytes (MS-030, MS-089)?
//   - Does every list make the Plan of its query and go by it, so that each filter and each
//     order it declares is kept (MS-133, MS-134)? A store that has the rows of a tenant at
//     hand is done with the plan's Select.
//   - Are bodies and sealed secrets columns of bytes (MS-040, MS-066)?
//
// Common mistakes:
//
//   - To delete secrets before the new ones are known to fit (MS-039).
//   - To keep a patterns' table that nobody clears when an endpoint is disabled, updated
//     or deleted (MS-060 to MS-062).
//   - To let a message stay whose deliveries were refused (MS-072).
//   - To cut a page before the filter is applied (MS-096).
//
// Reference: storage/memory, and storage/sqlite and storage/postgres over one body of
// SQL.
package webhookstest
