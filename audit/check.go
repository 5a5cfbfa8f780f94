package audit

import (
	"encoding/json"

	"github.com/lumelle/adminkit/storage"
)

// Limits of an event. The canonical record of one stays below 64 KiB, so that a
// transparency log can serve it (its entry bundles count lengths in 16 bits).
const (
	// MaxRecord is the longest canonical record in bytes.
	MaxRecord = 1<<16 - 1
	// MaxReason is the longest reason in bytes.
	MaxReason = 4096
)

// check reports what is wrong with a completed event.
func (e *Event) check() error {
	var bad *storage.InvalidError
	id := func(pointer, s string) {
		if err := storage.CheckID(pointer, s); err != nil {
			bad = merge(bad, err)
		}
	}
	text := func(pointer, s string, max int) {
		if err := storage.CheckText(pointer, s, max); err != nil {
			bad = merge(bad, err)
		}
	}
	id("/id", e.ID)
	id("/source", e.Source)
	id("/type", e.Type)
	id("/tenant", e.Tenant)
	id("/actor/type", e.Actor.Type)
	id("/actor/id", e.Actor.ID)
	id("/resource/type", e.Resource.Type)
	id("/resource/id", e.Resource.ID)
	text("/actor/name", e.Actor.Name, storage.MaxID)
	text("/actor/acting_as", e.Actor.ActingAs, storage.MaxID)
	text("/resource/name", e.Resource.Name, storage.MaxID)
	text("/base_revision", e.BaseRevision, storage.MaxID)
	text("/reason", e.Reason, MaxReason)
	text("/user_agent", e.Origin.UserAgent, MaxReason)
	text("/source_ip", e.Origin.SourceIP, storage.MaxID)
	text("/request_id", e.Origin.RequestID, storage.MaxID)
	if e.Hops < 0 || e.Hops > MaxHops {
		bad = bad.Add("/hops", "is a chain of causation longer than eight steps")
	}
	for _, f := range []struct {
		pointer string
		raw     json.RawMessage
	}{{"/before", e.Before}, {"/after", e.After}, {"/payload", e.Payload}, {"/metadata", e.Metadata}} {
		if f.raw != nil && !json.Valid(f.raw) {
			bad = bad.Add(f.pointer, "must be JSON")
		}
	}
	return bad.Err()
}

// merge adds the fields of err, which storage's checks return, to bad.
func merge(bad *storage.InvalidError, err error) *storage.InvalidError {
	if e, ok := err.(*storage.InvalidError); ok {
		for _, f := range e.Fields {
			bad = bad.Add(f.Pointer, f.Message)
		}
	}
	return bad
}
