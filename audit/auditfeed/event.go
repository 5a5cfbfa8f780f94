package auditfeed

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/wI2L/jsondiff"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

type eventList struct {
	Items []event        `json:"items"`
	Next  storage.Cursor `json:"next,omitempty"`
}

// event is an event as the surface tells it. What every event has is never left out.
type event struct {
	ID         string         `json:"id"`
	Source     string         `json:"source"`
	Type       string         `json:"type"`
	Time       time.Time      `json:"time"`
	RecordedAt time.Time      `json:"recorded_at"`
	Tenant     string         `json:"tenant"`
	Category   audit.Category `json:"category"`
	Action     string         `json:"action"`
	Actor      audit.Actor    `json:"actor"`
	OnBehalfOf *audit.Actor   `json:"on_behalf_of,omitempty"`
	ApprovedBy []audit.Actor  `json:"approved_by,omitempty"`
	Resource   audit.Resource `json:"resource"`
	Outcome    audit.Outcome  `json:"outcome"`
	Reason     string         `json:"reason,omitempty"`
	audit.Origin
	TraceID      string          `json:"trace_id"`
	LinkTraceID  string          `json:"link_trace_id,omitempty"`
	Before       json.RawMessage `json:"before,omitempty"`
	After        json.RawMessage `json:"after,omitempty"`
	Diff         jsondiff.Patch  `json:"diff,omitempty"`
	Payload      json.RawMessage `json:"payload,omitempty"`
	BaseRevision string          `json:"base_revision,omitempty"`
	Metadata     json.RawMessage `json:"metadata,omitempty"`
	Schema       string          `json:"schema,omitempty"`
	DecisionID   string          `json:"decision_id,omitempty"`
	ApprovalID   string          `json:"approval_id,omitempty"`
	CausationID  string          `json:"causation_id,omitempty"`
}

func eventOf(e *audit.Event) (event, error) {
	out := event{
		ID: e.ID, Source: e.Source, Type: e.Type, Time: e.Time, RecordedAt: e.RecordedAt, Tenant: e.Tenant,
		Category: e.Category, Action: e.Action, Actor: e.Actor, OnBehalfOf: e.OnBehalfOf, ApprovedBy: e.ApprovedBy,
		Resource: e.Resource, Outcome: e.Outcome, Reason: e.Reason, Origin: e.Origin,
		TraceID: e.Trace.TraceID, LinkTraceID: e.Link.TraceID, Before: e.Before, After: e.After, Payload: e.Payload,
		BaseRevision: e.BaseRevision, Metadata: e.Metadata, Schema: e.Schema,
		DecisionID: e.DecisionID, ApprovalID: e.ApprovalID, CausationID: e.CausationID,
	}
	if e.Before != nil && e.After != nil {
		patch, err := jsondiff.CompareJSON(e.Before, e.After)
		if err != nil {
			return event{}, fmt.Errorf("auditfeed: diff of event %s: %w", e.ID, err)
		}
		out.Diff = patch
	}
	return out, nil
}
