// Package credentialstest holds implementations of credentials.Store to their contract.
//
//	func TestStore(t *testing.T) {
//		credentialstest.RunStore(t, func(t *testing.T) credentialstest.StoreUnderTest { return open(t) })
//	}
//
// Every rule is a subtest named by its id, such as CV-008, and prints what it is for when
// it fails. Each rule is itself shown to find an implementation that breaks it.
//
// # Writing a Store
//
// A Store keeps rows; it decides nothing and never sees a value that is not sealed.
//
// The contract: that of every method stands in the documentation of credentials.Store. The
// name is the key, and a name that begins with a dot is one like any other but for Count
// and for the limit of Insert. Insert looks for the name first and counts itself: with
// three of at most three, a fourth is refused, a taken name is a conflict, and a name that
// begins with a dot goes in.
//
// Checklist:
//
//   - The tenant stands in every WHERE (CV-002), and the kind in the cursor (CS-011).
//   - A name that is taken is a conflict and leaves the transaction usable (CV-004).
//   - A revision, or sealed bytes, are compared and replaced in one statement (CV-005,
//     CV-008, CV-009).
//   - Touch and ReplaceSealed leave the revision alone (CV-007, CV-008).
//   - Lists continue behind a name (CV-010).
//   - Insert counts behind a lock, after the name was found free (CV-012, CS-021).
//   - Sealed bytes are bytes, of any length that a service allows (CS-002).
//
// Common mistakes:
//
//   - To let ReplaceSealed compare the revision. A value that was rotated and one that was
//     only sealed again are then mixed up, and a rotation of keys loses a secret.
//   - To let an INSERT fail on an engine where a failed statement ends the transaction.
//     Insert with ON CONFLICT DO NOTHING and count.
//
// Reference: storage/memory, and storage/sqlite and storage/postgres over one body of SQL.
package credentialstest
