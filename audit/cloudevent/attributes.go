package cloudevent

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// The attributes of CloudEvents 1.0.
const (
	attrSpecVersion     = "specversion"
	attrID              = "id"
	attrSource          = "source"
	attrType            = "type"
	attrSubject         = "subject"
	attrTime            = "time"
	attrDataContentType = "datacontenttype"
	attrDataSchema      = "dataschema"
)

// The extensions that carry what CloudEvents has no attribute for. The first six
// follow the documented extensions of the specification (distributed tracing, auth
// context, recorded time, correlation).
const (
	// ExtTraceparent and ExtTracestate are the trace the event began under.
	ExtTraceparent = "traceparent"
	ExtTracestate  = "tracestate"
	// ExtAuthType and ExtAuthID are the kind and the id of the actor.
	ExtAuthType = "authtype"
	ExtAuthID   = "authid"
	// ExtRecordedTime is when the log took the event.
	ExtRecordedTime = "recordedtime"
	// ExtCausationID is the id of the event that led to this one.
	ExtCausationID = "causationid"
	ExtTenant      = "tenant"
	ExtAction      = "action"
	ExtCategory    = "category"
	ExtOutcome     = "outcome"
	ExtDecisionID  = "decisionid"
	ExtApprovalID  = "approvalid"
	// ExtContext is a JSON object, as text, with all else that an event knows: the
	// whole actor, on whose behalf, who approved, from where, before and after.
	ExtContext = "auditcontext"
)

const specVersion = "1.0"

// schemaURN begins the dataschema of events: an absolute URI, as the specification
// asks for, that names a schema of the catalogue.
const schemaURN = "urn:adminkit:schema:"

// timeForm is RFC 3339 with the microseconds that an event has.
const timeForm = "2006-01-02T15:04:05.999999Z07:00"

// attributes yields the attributes of e in the order they are written, without those
// about data, and without ExtContext where the envelope is public.
func attributes(e *audit.Event, public bool, yield func(name, value string)) error {
	some := func(name, value string) {
		if value != "" {
			yield(name, value)
		}
	}
	yield(attrSpecVersion, specVersion)
	yield(attrID, e.ID)
	yield(attrSource, e.Source)
	yield(attrType, e.Type)
	some(attrSubject, subject(e.Resource))
	some(attrTime, formatTime(e.Time))
	some(ExtTraceparent, e.Trace.Traceparent())
	if e.Trace.Valid() {
		some(ExtTracestate, e.Trace.State)
	}
	some(ExtTenant, e.Tenant)
	some(ExtAction, e.Action)
	some(ExtCategory, string(e.Category))
	some(ExtOutcome, string(e.Outcome))
	if e.Actor.ID != "" {
		yield(ExtAuthType, authType(e.Actor.Type))
		yield(ExtAuthID, e.Actor.ID)
	}
	some(ExtDecisionID, e.DecisionID)
	some(ExtApprovalID, e.ApprovalID)
	some(ExtCausationID, e.CausationID)
	some(ExtRecordedTime, formatTime(e.RecordedAt))
	if public {
		return nil
	}
	text, err := contextOf(e)
	if err != nil {
		return err
	}
	some(ExtContext, text)
	return nil
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeForm)
}

// authType is the word of the auth context extension for a type of actor.
func authType(actorType string) string {
	switch actorType {
	case "app_user", "user", "service_account", "api_key", "system", "unauthenticated":
		return actorType
	}
	return "unknown"
}

// subject is "<type>/<id>". A type is escaped so that the first slash parts the two.
func subject(r audit.Resource) string {
	if r.Type == "" && r.ID == "" {
		return ""
	}
	return typeEscaper.Replace(r.Type) + "/" + r.ID
}

var (
	typeEscaper   = strings.NewReplacer("%", "%25", "/", "%2F")
	typeUnescaper = strings.NewReplacer("%25", "%", "%2F", "/")
)

func resourceOf(subject string) audit.Resource {
	kind, id, ok := strings.Cut(subject, "/")
	if !ok {
		return audit.Resource{ID: subject}
	}
	return audit.Resource{Type: typeUnescaper.Replace(kind), ID: id}
}

// An auditContext is the content of ExtContext.
type auditContext struct {
	Actor        *audit.Actor       `json:"actor,omitempty"`
	OnBehalfOf   *audit.Actor       `json:"on_behalf_of,omitempty"`
	ApprovedBy   []audit.Actor      `json:"approved_by,omitempty"`
	ResourceName string             `json:"resource_name,omitempty"`
	Reason       string             `json:"reason,omitempty"`
	Origin       *audit.Origin      `json:"origin,omitempty"`
	Link         *correlation.Trace `json:"link,omitempty"`
	Before       json.RawMessage    `json:"before,omitempty"`
	After        json.RawMessage    `json:"after,omitempty"`
	BaseRevision string             `json:"base_revision,omitempty"`
	Metadata     json.RawMessage    `json:"metadata,omitempty"`
	Hops         int                `json:"hops,omitempty"`
}

// contextOf is ExtContext of e: JSON in plain ASCII, because the specification allows
// neither control characters nor noncharacters in an attribute. It is empty where
// the attributes say all.
func contextOf(e *audit.Event) (string, error) {
	c := auditContext{
		OnBehalfOf: e.OnBehalfOf, ApprovedBy: e.ApprovedBy, ResourceName: e.Resource.Name, Reason: e.Reason,
		Before: e.Before, After: e.After, BaseRevision: e.BaseRevision, Metadata: e.Metadata, Hops: e.Hops,
	}
	if a := e.Actor; a.Name != "" || a.ActingAs != "" || a.Authn != nil || authType(a.Type) != a.Type {
		c.Actor = &a
	}
	if e.Origin != (audit.Origin{}) {
		c.Origin = &e.Origin
	}
	if e.Link.Valid() {
		c.Link = &e.Link
	}
	text, err := json.Marshal(c)
	if err != nil {
		return "", storage.Invalid("", "has a field that is not JSON")
	}
	if string(text) == "{}" {
		return "", nil
	}
	return string(appendASCII(make([]byte, 0, len(text)), text)), nil
}

// appendASCII appends JSON with every character beyond ASCII, and DEL, escaped.
func appendASCII(dst, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r < 0x7f {
			dst = append(dst, byte(r))
		} else {
			for _, unit := range utf16Units(r) {
				dst = append(dst, '\\', 'u')
				for shift := 12; shift >= 0; shift -= 4 {
					dst = append(dst, "0123456789abcdef"[unit>>shift&15])
				}
			}
		}
		text = text[size:]
	}
	return dst
}

// apply sets what the context says into e.
func (c *auditContext) apply(e *audit.Event) {
	if c.Actor != nil {
		e.Actor = *c.Actor
	}
	e.OnBehalfOf, e.ApprovedBy = c.OnBehalfOf, c.ApprovedBy
	e.Resource.Name, e.Reason = c.ResourceName, c.Reason
	if c.Origin != nil {
		e.Origin = *c.Origin
	}
	if c.Link != nil {
		e.Link = *c.Link
	}
	e.Before, e.After, e.Metadata = c.Before, c.After, c.Metadata
	e.BaseRevision, e.Hops = c.BaseRevision, c.Hops
}

// parseContext reads ExtContext.
func parseContext(text string) (*auditContext, error) {
	canonical, err := jcs.Canonicalize([]byte(text))
	if err != nil {
		return nil, err
	}
	c := new(auditContext)
	return c, json.Unmarshal(canonical, c)
}
