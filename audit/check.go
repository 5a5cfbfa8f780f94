package audit

import (
	"encoding/json"
	"slices"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/internal/text"
	"github.com/lumelle/adminkit/audit/jcs"
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

// check reports what is wrong with a completed event, and brings its JSON fields
// into their canonical form, so that gate, approval, record and message all see the
// same bytes.
func (e *Event) check() error {
	c := checker{}
	c.id("/id", e.ID)
	if c.id("/source", e.Source); !text.URIReference(e.Source) && e.Source != "" {
		c.bad = c.bad.Add("/source", "must be a URI reference")
	}
	c.id("/type", e.Type)
	c.id("/action", e.Action)
	c.id("/tenant", e.Tenant)
	c.actor("/actor", e.Actor)
	if e.OnBehalfOf != nil {
		c.actor("/on_behalf_of", *e.OnBehalfOf)
	}
	for _, a := range e.ApprovedBy {
		c.actor("/approved_by", a)
	}
	c.id("/resource/type", e.Resource.Type)
	c.id("/resource/id", e.Resource.ID)
	c.text("/resource/name", e.Resource.Name, storage.MaxID)
	c.text("/base_revision", e.BaseRevision, storage.MaxID)
	c.text("/reason", e.Reason, MaxReason)
	c.text("/user_agent", e.Origin.UserAgent, MaxReason)
	c.text("/source_ip", e.Origin.SourceIP, storage.MaxID)
	c.text("/request_id", e.Origin.RequestID, storage.MaxID)
	c.text("/schema", e.Schema, storage.MaxID)
	c.text("/decision_id", e.DecisionID, storage.MaxID)
	c.text("/approval_id", e.ApprovalID, storage.MaxID)
	c.text("/causation_id", e.CausationID, storage.MaxID)
	if !slices.Contains(Categories(), e.Category) {
		c.bad = c.bad.Add("/category", "is none of the categories")
	}
	if !slices.Contains(Outcomes(), e.Outcome) {
		c.bad = c.bad.Add("/outcome", "is none of the outcomes")
	}
	if y := e.Time.Year(); y < 1970 || y > 9999 {
		c.bad = c.bad.Add("/time", "must lie in the years 1970 to 9999")
	}
	if !e.Trace.Valid() {
		c.bad = c.bad.Add("/trace", "must name a trace and a span")
	}
	if (e.Link != correlation.Trace{}) && !e.Link.Valid() {
		c.bad = c.bad.Add("/link", "must name a trace and a span")
	}
	if e.Hops < 0 || e.Hops > MaxHops {
		c.bad = c.bad.Add("/hops", "is a chain of causation longer than eight steps")
	}
	c.json("/before", &e.Before)
	c.json("/after", &e.After)
	c.json("/payload", &e.Payload)
	c.json("/metadata", &e.Metadata)
	if e.Metadata != nil && e.Metadata[0] != '{' {
		c.bad = c.bad.Add("/metadata", "must be a JSON object")
	}
	return c.bad.Err()
}

// A checker collects what is wrong with the fields of an event.
type checker struct{ bad *storage.InvalidError }

// id wants a name that stands alone: in a list, a log line, an attribute.
func (c *checker) id(pointer, s string) {
	if err := storage.CheckID(pointer, s); err != nil {
		c.merge(err)
	} else if message := text.Printable(s); message != "" {
		c.bad = c.bad.Add(pointer, message)
	}
}

func (c *checker) text(pointer, s string, max int) {
	if err := storage.CheckText(pointer, s, max); err != nil {
		c.merge(err)
	}
}

func (c *checker) actor(pointer string, a Actor) {
	c.id(pointer+"/type", a.Type)
	c.id(pointer+"/id", a.ID)
	c.text(pointer+"/name", a.Name, storage.MaxID)
	c.text(pointer+"/acting_as", a.ActingAs, storage.MaxID)
	if a.Authn == nil {
		return
	}
	c.text(pointer+"/authn/acr", a.Authn.ACR, storage.MaxID)
	for _, method := range a.Authn.AMR {
		c.text(pointer+"/authn/amr", method, storage.MaxID)
	}
	if y := a.Authn.At.UTC().Year(); y < 1 || y > 9999 {
		c.bad = c.bad.Add(pointer+"/authn/at", "must lie in the years 1 to 9999")
	}
}

// json brings a field into its canonical form. A field without bytes becomes nil, and
// so does null: it says as much.
func (c *checker) json(pointer string, field *json.RawMessage) {
	if len(*field) == 0 {
		*field = nil
		return
	}
	canonical, err := jcs.Canonicalize(*field)
	if err != nil {
		c.bad = addJSON(c.bad, pointer, err)
		return
	}
	if *field = canonical; string(canonical) == "null" {
		*field = nil
	}
}

// merge adds the fields of err, which storage's checks return.
func (c *checker) merge(err error) {
	if e, ok := err.(*storage.InvalidError); ok {
		for _, f := range e.Fields {
			c.bad = c.bad.Add(f.Pointer, f.Message)
		}
	}
}
