// Package savedtest holds implementations of saved.Store to their contract.
//
//	func TestStore(t *testing.T) {
//		savedtest.RunStore(t, func(t *testing.T) savedtest.StoreUnderTest { return open(t) })
//	}
//
// Every rule is a subtest named by its id, such as SF-007, and prints what it is for when
// it fails. Each rule is itself shown to find an implementation that breaks it.
//
// # Writing a Store
//
// A Store keeps rows; it decides nothing, and knows of no declaration of a list.
//
// The contract: that of every method stands in the documentation of saved.Store. The id is
// the key. A name is taken once for each list and owner, and no owner is an owner too. List
// shows what one person sees: her own filters and those without an owner, in one order.
//
// Checklist:
//
//   - The tenant stands in every WHERE (SF-002), and list and viewer in the cursor (SF-009).
//   - A name that is taken is a conflict, in Insert and in Update, and leaves the
//     transaction usable (SF-004, SF-007).
//   - A revision is compared and replaced in one statement (SF-005, SF-010).
//   - Update leaves the list, the owner and the time of creation alone (SF-006).
//   - Lists continue behind a name and an id: two filters may have one name (SF-009).
//   - Insert counts behind a lock, after the name was found free (SF-012, SF-013).
//
// Common mistakes:
//
//   - To let NULL stand for no owner. A unique index takes two NULLs for different, and so
//     a shared name is taken twice.
//   - To look for a name before the write and not in it. Two that look at once both find it
//     free.
//   - To let an UPDATE fail on an engine where a failed statement ends the transaction.
//     Run it in a savepoint.
//
// Reference: storage/memory, and storage/sqlite and storage/postgres over one body of SQL.
package savedtest
