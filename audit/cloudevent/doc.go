// Package cloudevent writes events of the kit as CloudEvents 1.0 and reads
// CloudEvents of anybody.
//
// [Marshal] writes an event with all that it knows, [MarshalPublic] what may leave
// the house:
//
//	outbox, err := webhooks.NewOutbox(backend, store, queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{})
//
// Both append the envelope around the payload as it is stored, and encode nothing
// twice. The package links the standard library only; package sdk below it converts
// to and from the event type of cloudevents/sdk-go for hosts that use that.
//
// # The mapping
//
//	attribute        from
//	id, source, type ID, Source, Type
//	subject          Resource as "<type>/<id>"
//	time             Time
//	data             Payload, as application/json
//	dataschema       Schema as "urn:adminkit:schema:<name>", beside data
//	traceparent      Trace; its state is tracestate
//	authtype, authid Actor; a type that the extension does not know is "unknown"
//	tenant, action, category, outcome, decisionid, approvalid, causationid
//	recordedtime     RecordedAt, once the log has it
//	auditcontext     all else, as JSON in a string; never in a public envelope
//
// So id, source and type say which event it is, and traceparent which work it belongs
// to: events of one trace share the trace id and never the id.
//
// # Reading
//
// [Parse], [ParseBatch] and [Read] take what other producers send, strictly: a
// missing or ill-formed attribute, a key that stands twice, or a specification version
// other than 1.0 is a *storage.InvalidError with a pointer to it. [Envelope.Event]
// makes an event of it. An envelope proves nothing about its sender: set the tenant
// and the actor by what authenticated the request.
package cloudevent
