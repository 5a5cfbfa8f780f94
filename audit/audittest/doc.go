// Package audittest holds implementations of audit.AuditSink, audit.Gate and audit.Store
// to their contracts, and helps hosts to test what they record.
//
// # For hosts
//
// A [Recorder] is a sink that keeps what was committed:
//
//	sink := audittest.NewRecorder(t)
//	governor, err := audit.NewGovernor(backend, gate, sink, catalog)
//	...
//	e := sink.Require(t, audit.Event{Action: "orders.refund", Outcome: audit.Success})
//
// [CheckCatalog] holds a catalogue to the house rules of names and texts, and
// [CheckRecord] an event to the JSON Schema of its record.
//
// # Writing an AuditSink
//
// A sink writes what happened into the transaction in which it happened:
//
//	func (s *Sink) Append(ctx context.Context, events ...audit.Event) error {
//		return s.tx.InTx(ctx, func(ctx context.Context) error { // joins that of ctx
//			for _, e := range events {
//				record, err := audit.NewRecord(e)
//				if err != nil {
//					return err
//				}
//				if err := s.insert(ctx, e.Tenant, e.Source, e.ID, record.Canonical); err != nil {
//					return err
//				}
//			}
//			return nil
//		})
//	}
//
// The contract:
//
//   - Append writes into the transaction of ctx, or into one of its own where ctx
//     carries none: all events or none, in their order.
//   - It returns an error for anything it could not write, and the change is undone.
//   - It skips events whose tenant, source and id it knows, or refuses one that is
//     another event under them; what it holds is never replaced.
//   - It neither keeps nor changes the slices of an event.
//   - It may be called from many goroutines at once, and never panics.
//   - A sink may implement audit.Recorded too. It is what lets a Governor answer
//     audit.ErrAlreadyRecorded to a change that is repeated under its id; a Governor
//     none of whose sinks has it makes the change again. AS-019 and AS-022 hold a sink
//     to it and are skipped for others.
//
// Checklist:
//
//   - The tenant stands in every statement and in the unique key.
//   - Uniqueness is a constraint of the table. Looking first and writing then lets two
//     writers through.
//   - Nothing leaves the process in Append. What must reach the world starts from the
//     rows, after the commit.
//   - What reads outside of transactions, such as a list for a report, goes by the
//     backend's Reader: it sees what is committed and waits for no writer. Conn is
//     storage.ErrNoTx there, and InTx takes the turn of a writer.
//   - Texts are kept whole: reasons of 4 KiB, payloads up to the limit of a record.
//   - [audit.NewRecord] makes the bytes that are worth keeping, and audit.Record.Event
//     the event of them again.
//
// Common mistakes:
//
//   - To open a transaction of one's own though ctx carries one. The record then
//     survives a change that was rolled back, or waits for it forever: on a backend
//     with one writer such a sink costs each rule about transactions ten seconds.
//   - To log an error and return nil. Then there are changes without a record.
//   - To keep the events in a slice until a timer writes them. Append has to be
//     durable when it returns outside of a transaction.
//   - To keep e.Payload instead of a copy. The caller may use its buffer again.
//
// Reference: audit.Log. In examples/customprovider a table of a host's own is one, in a
// module that knows the public API only.
//
// # Writing a Gate
//
// A gate is asked before a change, with the event as it will be recorded:
//
//	func (f *Freeze) Check(ctx context.Context, e audit.Event) (audit.Verdict, error) {
//		frozen, err := f.store.Frozen(ctx, e.Tenant, e.Resource) // reads in the transaction of ctx
//		if err != nil {
//			return audit.Verdict{}, err // denies
//		}
//		if frozen {
//			return audit.Verdict{Reason: audit.Reason{Code: "frozen", Text: "Prices do not change today."}}, nil
//		}
//		return f.inner.Check(ctx, e)
//	}
//
// The contract:
//
//   - The zero Verdict denies. Every verdict has a reason with a stable code (GT-002),
//     and none that allows stands beside an error (GT-003).
//   - What the gate has no rule for it does not allow, and it panics over nothing
//     (GT-004). Asked again it says the same (GT-005).
//   - It leaves the event as it is (GT-006) and ends with ctx (GT-007).
//   - What it writes, it writes in the transaction of ctx (GT-008). A refusal that
//     carries more than a verdict is an error that is an audit.Refusal; the transaction
//     of the attempt then commits.
//
// Checklist:
//
//   - Decide by the event alone and what the store says under ctx, never by what the
//     process remembers.
//   - Text is for whoever asked, Detail for operators.
//   - A gate around another one asks it, and passes on what it does not change: rules,
//     policy version, decision.
//   - The gate may be asked twice about one change: when it is made, and when it was
//     approved.
//
// Common mistakes:
//
//   - To answer Allow with an error, because the error is looked at anyway.
//   - To open a transaction with a detached ctx. It waits for the one around it, or its
//     rows stay when the change is undone.
//   - To call another system without a deadline. The transaction is open meanwhile.
//   - To compare only the beginning of an action's name.
//
// Reference: authz.Guard, which asks a policy, and approvals.Gate, which is a gate
// around another.
//
// # Writing a Store
//
// A store is one table that grows at its end: tenant, source and id are its key, and no
// row is updated. [RunStore] holds one to its rules (LS); storagetest.Run does so beside
// all other stores of a backend.
//
// The contract: that of every method stands in the documentation of audit.Store. What is
// promised above it, that nothing is missed and nothing proven by other bytes, rests on
// this:
//
//   - The canonical record is bytes. A column that understands JSON changes them.
//   - A polled list never goes past a row that may still be committed.
//   - A list ends its order with the order of recording, so that no two rows tie.
//
// Checklist:
//
//   - The tenant stands in every WHERE, and columns of the key are compared by their
//     bytes.
//   - The unique key decides whether a row is there, and the leaf whether it is the same.
//   - Cursors are made for the query's ListName and hold a position, not a count.
//   - Recorded holds the key until the transaction ends, where writers do not take turns.
//
// Common mistakes:
//
//   - To poll by a sequence: a transaction that took a number early and commits late is
//     never seen.
//   - To end a polled list where it is empty.
//   - To compare times in seconds or milliseconds.
//
// Reference: storage/memory, and storage/sqlite and storage/postgres over one body of
// SQL.
//
// # Running the suites
//
//	func TestSink(t *testing.T) {
//		audittest.Run(t, audittest.Options{New: func(t *testing.T) audittest.Harness {
//			store := openStore(t)
//			return audittest.Harness{Tx: store, Sink: mysink.New(store), Events: store.Events}
//		}})
//	}
//
//	func TestFreeze(t *testing.T) {
//		audittest.RunGate(t, audittest.GateOptions{New: func(t testing.TB) audittest.GateHarness {
//			store := openStore(t)
//			return audittest.GateHarness{Gate: &Freeze{store, policy}, Tx: store, Events: []audit.Event{allowed, frozen}}
//		}})
//	}
//
//	func TestStore(t *testing.T) {
//		audittest.RunStore(t, func(t *testing.T) audittest.StoreUnderTest { return openStore(t) })
//	}
//
// Each rule is a subtest with an id, and prints why it exists where it fails. Of sinks
// RecordedAt is not compared, and what a sink does beyond the contract (query, fan-out) is
// not tested here.
package audittest
