package cloudevent

import (
	"encoding/json"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/internal/text"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

const jsonType = "application/json"

// An Envelope is any CloudEvent 1.0, ours or another producer's.
type Envelope struct {
	// ID, Source and Type are required.
	ID, Source, Type string
	Subject          string
	// Time is zero where the event has none.
	Time time.Time
	// DataSchema is an absolute URI, empty for none.
	DataSchema string
	// DataContentType is the media type of Data. Data without one is JSON.
	DataContentType string
	// Extensions are the other attributes, in the text form of their type.
	Extensions map[string]string
	// Data is nil for an event without. Data that is JSON is in canonical form.
	Data []byte
}

// FromEvent returns the envelope of e, with all that e knows.
func FromEvent(e audit.Event) (Envelope, error) {
	v := Envelope{Extensions: map[string]string{}}
	err := attributes(&e, false, func(name, value string) {
		switch name {
		case attrSpecVersion:
		case attrID:
			v.ID = value
		case attrSource:
			v.Source = value
		case attrType:
			v.Type = value
		case attrSubject:
			v.Subject = value
		case attrTime:
			v.Time = e.Time
		default:
			v.Extensions[name] = value
		}
	})
	if err != nil {
		return Envelope{}, err
	}
	if len(e.Payload) > 0 {
		v.Data, v.DataContentType = e.Payload, jsonType
		if e.Schema != "" {
			v.DataSchema = schemaURI(e.Schema)
		}
	}
	return v, v.check()
}

func schemaURI(schema string) string { return schemaURN + url.PathEscape(schema) }

// Event returns the event that the envelope carries: for the envelope of an event,
// that event. Of another producer's envelope it fills what the envelope says; the
// caller gives the event its Action and, unless it trusts the producer, its Tenant
// and its Actor. Data that is not JSON is a *storage.InvalidError.
func (v Envelope) Event() (audit.Event, error) {
	e := audit.Event{
		ID: v.ID, Source: v.Source, Type: v.Type, Time: v.Time, Resource: resourceOf(v.Subject),
		Tenant:     v.Extensions[ExtTenant],
		Action:     v.Extensions[ExtAction],
		Category:   audit.Category(v.Extensions[ExtCategory]),
		Outcome:    audit.Outcome(v.Extensions[ExtOutcome]),
		Actor:      audit.Actor{Type: v.Extensions[ExtAuthType], ID: v.Extensions[ExtAuthID]},
		DecisionID: v.Extensions[ExtDecisionID], ApprovalID: v.Extensions[ExtApprovalID],
		CausationID: v.Extensions[ExtCausationID],
		Trace:       v.Trace(),
	}
	if recorded := v.Extensions[ExtRecordedTime]; recorded != "" {
		var err error
		if e.RecordedAt, err = parseTime(recorded); err != nil {
			return audit.Event{}, storage.Invalid("/"+ExtRecordedTime, "must be a time of RFC 3339")
		}
	}
	if v.Data != nil {
		if !isJSON(v.DataContentType) {
			return audit.Event{}, storage.Invalid("/datacontenttype", "must be JSON to become an event of the log")
		}
		e.Payload = json.RawMessage(v.Data)
	}
	if schema, ok := strings.CutPrefix(v.DataSchema, schemaURN); ok {
		e.Schema, _ = url.PathUnescape(schema)
	}
	if context := v.Extensions[ExtContext]; context != "" {
		c, err := parseContext(context)
		if err != nil {
			return audit.Event{}, storage.Invalid("/"+ExtContext, "is not a context of the kit")
		}
		c.apply(&e)
	}
	return e, nil
}

// Trace returns the trace that the envelope carries, the zero Trace where there is
// none or it is unusable.
func (v Envelope) Trace() correlation.Trace {
	t, ok := correlation.Parse(v.Extensions[ExtTraceparent])
	if ok {
		t.State, _ = correlation.ParseState(v.Extensions[ExtTracestate])
	}
	return t
}

// check reports what keeps the envelope from being a CloudEvent.
func (v *Envelope) check() error {
	var bad *storage.InvalidError
	add := func(name, value string) {
		if message := checkAttribute(name, value); message != "" {
			bad = bad.Add("/"+name, message)
		}
	}
	add(attrID, v.ID)
	add(attrSource, v.Source)
	add(attrType, v.Type)
	if v.Subject != "" {
		add(attrSubject, v.Subject)
	}
	if v.DataSchema != "" && !text.URI(v.DataSchema) {
		bad = bad.Add("/dataschema", "must be an absolute URI")
	}
	if v.DataContentType != "" {
		if _, _, err := mime.ParseMediaType(v.DataContentType); err != nil {
			bad = bad.Add("/datacontenttype", "must be a media type")
		}
	}
	for name, value := range v.Extensions {
		if !validName(name) {
			bad = bad.Add("/"+name, "is not named by lower-case letters and digits")
		} else {
			add(name, value)
		}
	}
	if v.Data != nil && isJSON(v.DataContentType) {
		canonical, err := jcs.Canonicalize(v.Data)
		if err != nil {
			bad = addJSON(bad, "/data", err)
		}
		v.Data = canonical
	}
	if bad != nil {
		// Extensions come from a map: the same input shall get the same answer.
		slices.SortStableFunc(bad.Fields, func(a, b storage.FieldError) int { return strings.Compare(a.Pointer, b.Pointer) })
	}
	return bad.Err()
}

// validName wants the lower-case letters and digits of an attribute's name.
func validName(name string) bool {
	return name != "" && name != "data" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// isJSON reports whether data of a content type is JSON. Without one it is.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == jsonType || media == "text/json" || strings.HasSuffix(media, "+json"))
}

func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err
}
