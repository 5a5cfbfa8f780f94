// Package automationtest holds implementations of package automation to their
// contracts: stores with [RunStore].
//
//	func TestStore(t *testing.T) {
//		automationtest.RunStore(t, automationtest.StoreOptions{
//			New: func(t *testing.T) automationtest.Backend { return open(t) },
//		})
//	}
//
// Every rule is a subtest named by its id, such as AU-007, and prints what it is for
// when it fails. Each rule is itself shown to find an implementation that breaks it.
//
// # Writing a Store
//
// A Store keeps rows; it decides nothing. Contract and order of every method are in the
// documentation of automation.Store. The parts that go wrong first:
//
//   - SaveRule and Save compare the revision or version and replace in one statement.
//     Reading it first loses races (AU-003, AU-008).
//   - A conflict leaves the transaction usable: on an engine where a failed statement
//     ends it, insert with ON CONFLICT DO NOTHING and count (AU-009, AU-010).
//   - Listeners are those of enabled rules, in the environment of their current version
//     (AU-005).
//   - Lists continue behind (time, id), never behind a time or an offset (AU-012).
//   - PutSignal and Save with a WaitKey lock the key where transactions run side by
//     side (AU-016).
package automationtest
