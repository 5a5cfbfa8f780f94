// Package idempotencytest is the conformance suite of [idempotency.Store]. Authors of a
// backend run it with one call, or have storagetest.Run do so beside all the others:
//
//	func TestIdempotency(t *testing.T) {
//		idempotencytest.RunStore(t, func(t *testing.T) idempotencytest.StoreUnderTest { return open(t) })
//	}
//
// A case carries a rule id and, where it fails, says what the rule is for. The suite is
// itself tested against stores that break one rule each.
//
// # Writing a Store
//
// A store is one table: tenant, actor and key are its primary key.
//
// The contract: that of every method stands in the documentation of idempotency.Store.
// What is promised above it, that a repeated request has one effect, rests on this:
//
//   - Begin writes the claim into the transaction that the effect is written in. What
//     undoes the one undoes the other.
//   - Who claims a key that another transaction holds waits for the end of it, and then
//     finds its answer or a free key.
//   - Answers come back byte for byte, to their own tenant, actor and key.
//
// Checklist:
//
//   - The tenant stands in every WHERE, and columns of the key are compared by their
//     bytes.
//   - The unique key decides who is first, not a query before the insert.
//   - Finish and Release name the claimed state in the statement that writes.
//   - Times come from the caller and are kept in microseconds.
//
// Common mistakes:
//
//   - To cache answers beside the transaction: what was rolled back is answered.
//   - To tell an empty header or body from none.
//   - To fold the case of keys, or to trim them.
//
// Reference: storage/memory, and storage/sqlite and storage/postgres over one body of
// SQL.
package idempotencytest
