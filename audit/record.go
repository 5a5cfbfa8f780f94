package audit

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// A Record is an event as a [Store] keeps it.
type Record struct {
	// Canonical is the event in the canonical form of RFC 8785. Equal events have
	// equal bytes. RecordedAt is not part of it.
	Canonical []byte
	// Leaf is SHA-256(0x00 || Canonical), the leaf hash of RFC 6962.
	Leaf [sha256.Size]byte
	// RecordedAt is when the log took the event.
	RecordedAt time.Time
}

// A Row is a record with the columns that a [Query] asks for.
type Row struct {
	Record
	Source, ID               string
	Time                     time.Time
	Action                   string
	Category                 Category
	Outcome                  Outcome
	ActorID, ActingAs        string
	ResourceType, ResourceID string
	SourceIP, RequestID      string
	TraceID, LinkTraceID     string
}

// NewRecord makes the record of a completed event. The error is a
// *storage.InvalidError where the event cannot be recorded: a JSON field has no
// canonical form, or the whole is longer than [MaxRecord].
func NewRecord(e Event) (Record, error) {
	// The byte in front makes the leaf.
	leaf, err := appendRecord(append(make([]byte, 0, 1024), 0), &e)
	if err != nil {
		return Record{}, err
	}
	canonical := leaf[1:]
	if len(canonical) > MaxRecord {
		return Record{}, storage.Invalid("", fmt.Sprintf(
			"is too long to record: %d bytes of at most %d", len(canonical), MaxRecord))
	}
	return Record{Canonical: canonical, Leaf: sha256.Sum256(leaf), RecordedAt: e.RecordedAt}, nil
}

// row returns r with the columns of e.
func (r Record) row(e *Event) Row {
	return Row{
		Record: r, Source: e.Source, ID: e.ID, Time: e.Time,
		Action: e.Action, Category: e.Category, Outcome: e.Outcome,
		ActorID: e.Actor.ID, ActingAs: e.Actor.ActingAs,
		ResourceType: e.Resource.Type, ResourceID: e.Resource.ID,
		SourceIP: e.Origin.SourceIP, RequestID: e.Origin.RequestID,
		TraceID: e.Trace.TraceID, LinkTraceID: e.Link.TraceID,
	}
}

//go:embed record.schema.json
var recordSchema []byte

// RecordSchema returns the JSON Schema (draft 7) of [Record.Canonical].
func RecordSchema() []byte { return bytes.Clone(recordSchema) }

// recordTime is how times stand in a record: UTC, always six digits of a second.
const recordTime = "2006-01-02T15:04:05.000000Z"

// appendRecord appends the canonical form of e. It writes the keys in their order,
// leaves out what is empty, and so never has to sort.
func appendRecord(dst []byte, e *Event) ([]byte, error) {
	w := encoder{b: append(dst, '{')}
	w.text("action", e.Action)
	w.actor("actor", &e.Actor)
	w.json("after", e.After)
	w.text("approval_id", e.ApprovalID)
	w.actors("approved_by", e.ApprovedBy)
	w.text("base_revision", e.BaseRevision)
	w.json("before", e.Before)
	w.text("category", string(e.Category))
	w.text("causation_id", e.CausationID)
	w.text("decision_id", e.DecisionID)
	w.integer("hops", e.Hops)
	w.text("id", e.ID)
	w.trace("link", e.Link)
	w.json("metadata", e.Metadata)
	w.actor("on_behalf_of", e.OnBehalfOf)
	w.text("outcome", string(e.Outcome))
	w.json("payload", e.Payload)
	w.text("reason", e.Reason)
	w.text("request_id", e.Origin.RequestID)
	w.open("resource")
	w.text("id", e.Resource.ID)
	w.text("name", e.Resource.Name)
	w.text("type", e.Resource.Type)
	w.close('}')
	w.text("schema", e.Schema)
	w.text("source", e.Source)
	w.text("source_ip", e.Origin.SourceIP)
	w.text("tenant", e.Tenant)
	w.time("time", e.Time)
	w.trace("trace", e.Trace)
	w.text("type", e.Type)
	w.text("user_agent", e.Origin.UserAgent)
	w.close('}')
	return w.b, w.bad.Err()
}

// An encoder appends members to canonical JSON. The caller names them in order.
type encoder struct {
	b   []byte
	bad *storage.InvalidError
}

func (w *encoder) key(name string) {
	w.comma()
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *encoder) comma() {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' {
		w.b = append(w.b, ',')
	}
}

func (w *encoder) open(name string) {
	w.key(name)
	w.b = append(w.b, '{')
}

func (w *encoder) close(c byte) { w.b = append(w.b, c) }

func (w *encoder) text(name, s string) {
	if s != "" {
		w.key(name)
		w.b = jcs.AppendString(w.b, s)
	}
}

func (w *encoder) integer(name string, n int) {
	if n != 0 {
		w.key(name)
		w.b = strconv.AppendInt(w.b, int64(n), 10)
	}
}

func (w *encoder) time(name string, t time.Time) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = t.UTC().AppendFormat(w.b, recordTime)
	w.b = append(w.b, '"')
}

// json appends a document of the caller's, and notes what keeps it from a canonical
// form under the pointer of the field.
func (w *encoder) json(name string, doc json.RawMessage) {
	if len(doc) == 0 {
		return
	}
	w.key(name)
	var err error
	if w.b, err = jcs.Append(w.b, doc); err != nil {
		w.bad = addJSON(w.bad, "/"+name, err)
	}
}

// addJSON adds the error of package jcs about the field at pointer to bad.
func addJSON(bad *storage.InvalidError, pointer string, err error) *storage.InvalidError {
	if e, ok := errors.AsType[*jcs.Error](err); ok {
		return bad.Add(pointer+e.Pointer, e.Message)
	}
	return bad.Add(pointer, "must be JSON")
}

func (w *encoder) trace(name string, t correlation.Trace) {
	if !t.Valid() {
		return
	}
	w.open(name)
	w.integer("flags", int(t.Flags))
	w.text("span_id", t.SpanID)
	w.text("state", t.State)
	w.text("trace_id", t.TraceID)
	w.close('}')
}

func (w *encoder) actors(name string, actors []Actor) {
	if len(actors) == 0 {
		return
	}
	w.key(name)
	w.b = append(w.b, '[')
	for i := range actors {
		w.comma()
		w.actorObject(&actors[i])
	}
	w.close(']')
}

func (w *encoder) actor(name string, a *Actor) {
	if a != nil {
		w.key(name)
		w.actorObject(a)
	}
}

func (w *encoder) actorObject(a *Actor) {
	w.b = append(w.b, '{')
	w.text("acting_as", a.ActingAs)
	if a.Authn != nil {
		w.open("authn")
		w.text("acr", a.Authn.ACR)
		if len(a.Authn.AMR) > 0 {
			w.key("amr")
			w.b = append(w.b, '[')
			for _, method := range a.Authn.AMR {
				w.comma()
				w.b = jcs.AppendString(w.b, method)
			}
			w.close(']')
		}
		w.time("at", a.Authn.At)
		w.close('}')
	}
	w.text("id", a.ID)
	w.text("name", a.Name)
	w.text("type", a.Type)
	w.close('}')
}

// recordForm is the shape of a record for reading.
type recordForm struct {
	Action       string          `json:"action"`
	Actor        Actor           `json:"actor"`
	After        json.RawMessage `json:"after"`
	ApprovalID   string          `json:"approval_id"`
	ApprovedBy   []Actor         `json:"approved_by"`
	BaseRevision string          `json:"base_revision"`
	Before       json.RawMessage `json:"before"`
	Category     Category        `json:"category"`
	CausationID  string          `json:"causation_id"`
	DecisionID   string          `json:"decision_id"`
	Hops         int             `json:"hops"`
	ID           string          `json:"id"`
	Link         traceForm       `json:"link"`
	Metadata     json.RawMessage `json:"metadata"`
	OnBehalfOf   *Actor          `json:"on_behalf_of"`
	Outcome      Outcome         `json:"outcome"`
	Payload      json.RawMessage `json:"payload"`
	Reason       string          `json:"reason"`
	Resource     Resource        `json:"resource"`
	Schema       string          `json:"schema"`
	Source       string          `json:"source"`
	Tenant       string          `json:"tenant"`
	Time         time.Time       `json:"time"`
	Trace        traceForm       `json:"trace"`
	Type         string          `json:"type"`
	Origin
}

type traceForm struct {
	Flags   byte   `json:"flags"`
	SpanID  string `json:"span_id"`
	State   string `json:"state"`
	TraceID string `json:"trace_id"`
}

// Event returns the event that the record holds.
func (r Record) Event() (Event, error) {
	var f recordForm
	if err := json.Unmarshal(r.Canonical, &f); err != nil {
		return Event{}, fmt.Errorf("audit: a stored record does not read: %w", err)
	}
	trace := func(t traceForm) correlation.Trace {
		return correlation.Trace{TraceID: t.TraceID, SpanID: t.SpanID, Flags: t.Flags, State: t.State}
	}
	return Event{
		ID: f.ID, Source: f.Source, Type: f.Type, Action: f.Action, Category: f.Category, Tenant: f.Tenant,
		Time: f.Time, RecordedAt: r.RecordedAt,
		Actor: f.Actor, OnBehalfOf: f.OnBehalfOf, ApprovedBy: f.ApprovedBy, Resource: f.Resource,
		Outcome: f.Outcome, Reason: f.Reason, Origin: f.Origin, Trace: trace(f.Trace), Link: trace(f.Link),
		Before: f.Before, After: f.After, Payload: f.Payload, BaseRevision: f.BaseRevision,
		Metadata: f.Metadata, Schema: f.Schema, DecisionID: f.DecisionID, ApprovalID: f.ApprovalID,
		CausationID: f.CausationID, Hops: f.Hops,
	}, nil
}
