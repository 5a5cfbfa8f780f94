// Package audit holds the nouns of governance and records what is done with them: who
// did what to which resource, with what outcome, and what allowed it.
//
// # A governed change
//
// A [Governor] walks a change through its gate and into its sink, in one transaction:
//
//	governor, err := audit.NewGovernor(backend, gate, sink, catalog)
//	...
//	event, err := governor.Change(ctx, audit.Event{
//		Action: "orders.refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1001"},
//		Payload: payload, Reason: "damaged",
//	}, func(ctx context.Context, e *audit.Event) error {
//		return orders.MarkRefunded(ctx, "1001") // in the transaction of ctx
//	})
//
// The [Gate] answers with a [Verdict]. On Allow the change is made and the event
// appended, and both are committed or neither is. Everything else is a refusal, whose
// attempt is recorded: [ErrDenied], [ErrStepUp], or the gate's own [Refusal] such as a
// pending approval. A gate that fails or panics denies. Gates decorate each other: the
// guard of package authz decides, the gate of package approvals takes up what needs
// the agreement of others.
//
// # Events
//
// An [Event] is the one envelope of the kit. A caller fills in what it knows; the
// [Catalog] completes the rest from ctx and from the action's entry: who acts
// ([WithActor], set once at the edge), from where ([WithOrigin]) and under which trace
// (package correlation). An event without an actor is an error, and so is an action
// that the catalogue does not list. What is particular to an action stands in Payload,
// which the action's JSON Schema checks (package schema), and in Metadata; the fields
// of the envelope stay as they are.
//
// # Sinks
//
// An [AuditSink] takes events in the transaction of the change and only writes rows.
// The [Log] is one, the outbox of package webhooks another; [Tee] joins them, and one
// that fails undoes the change. There is no way to go without by accident: a nil sink
// is an error, [Disabled] a choice. Package audittest holds sinks to this contract.
//
// # The log
//
//	log, err := audit.NewLog(backend.Audit(), audit.LogConfig{})
//	page, err := log.Query(ctx, "acme", audit.Query{Actor: "sam", Descending: true})
//
// A [Record] is the canonical form of an event (RFC 8785) with its hash. Appending
// the same event again is a no-op; a different one under the same tenant, source and
// id is storage.ErrConflict. A [Query] reads by time, polls in the order of recording
// without ever missing an event, or lists all; its cursors stay good while others
// write. Package auditfeed serves it over HTTP, package cloudevent converts events to
// and from CloudEvents.
//
// # The life of a record
//
// A record is volatile until its transaction commits, and durable after. Outside of a
// transaction Append returns when it is durable. On [storage.ErrCommitUnknown] nobody
// knows: append the same events again, or repeat the change under the same id, which
// answers [ErrAlreadyRecorded] where it had happened.
//
// The package imports the standard library, package storage and the leaves below it.
package audit
