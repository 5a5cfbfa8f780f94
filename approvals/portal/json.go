package portal

import (
	"encoding/json"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// The documents of the surface, as openapi.json describes them.
type (
	list struct {
		Items  []request             `json:"items"`
		Counts map[approvals.Tab]int `json:"counts"`
		Next   storage.Cursor        `json:"next"`
	}

	request struct {
		ID          string          `json:"id"`
		Action      string          `json:"action"`
		Resource    audit.Resource  `json:"resource"`
		RequestedBy person          `json:"requested_by"`
		State       approvals.State `json:"state"`
		Revision    int             `json:"revision"`
		Reason      string          `json:"reason"`
		CreatedAt   time.Time       `json:"created_at"`
		UpdatedAt   time.Time       `json:"updated_at"`
		TimeoutAt   *time.Time      `json:"timeout_at"`
		Stages      []stage         `json:"stages"`
		TraceID     string          `json:"trace_id"`
		PreviousID  string          `json:"previous_id,omitzero"`
		Failure     *failure        `json:"failure,omitzero"`
	}

	stage struct {
		Name       string                `json:"name"`
		Status     approvals.StageStatus `json:"status"`
		Reason     *audit.Reason         `json:"reason,omitzero"`
		Required   int                   `json:"required"`
		ApprovedBy []person              `json:"approved_by"`
	}

	// A person is an actor as others may see it: without their proof of identity.
	person struct {
		Type string `json:"type"`
		ID   string `json:"id"`
		Name string `json:"name,omitzero"`
	}

	failure struct {
		Code string `json:"code"`
		Text string `json:"text"`
	}

	detail struct {
		request
		BaseRevision string          `json:"base_revision"`
		ContentHash  string          `json:"content_hash"`
		Payload      json.RawMessage `json:"payload"`
		Diff         []difference    `json:"diff"`
		Timeline     []entry         `json:"timeline"`
		Output       json.RawMessage `json:"output"`
		You          you             `json:"you"`
	}

	difference struct {
		Op     string          `json:"op"`
		Path   string          `json:"path"`
		Before json.RawMessage `json:"before,omitempty"`
		After  json.RawMessage `json:"after,omitempty"`
	}

	entry struct {
		At       time.Time       `json:"at"`
		Verb     string          `json:"verb"`
		From     approvals.State `json:"from"`
		To       approvals.State `json:"to"`
		Revision int             `json:"revision"`
		Actor    person          `json:"actor"`
		Comment  string          `json:"comment"`
		Summary  string          `json:"summary"`
		TraceID  string          `json:"trace_id"`
	}

	you struct {
		MayDecide bool          `json:"may_decide"`
		Reason    *audit.Reason `json:"reason,omitzero"`
	}
)

func requestOf(r approvals.Request) request {
	out := request{
		ID: r.ID, Action: r.Action, Resource: r.Resource, RequestedBy: personOf(r.Requester), State: r.State,
		Revision: r.Revision, Reason: r.Reason, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		Stages: make([]stage, len(r.Stages)), TraceID: r.Trace.TraceID, PreviousID: r.PreviousID,
	}
	if !r.TimeoutAt.IsZero() {
		out.TimeoutAt = &r.TimeoutAt
	}
	if r.Failure != nil {
		out.Failure = &failure{r.Failure.Code, r.Failure.Text}
	}
	for i, st := range r.Stages {
		out.Stages[i] = stage{Name: st.Name, Status: st.Status, Required: st.Required, ApprovedBy: make([]person, len(st.ApprovedBy))}
		if st.Reason.Code != "" {
			out.Stages[i].Reason = &st.Reason
		}
		for j, a := range st.ApprovedBy {
			out.Stages[i].ApprovedBy[j] = personOf(a)
		}
	}
	return out
}

func detailOf(r approvals.Request, h approvals.History) detail {
	out := detail{
		request: requestOf(r), BaseRevision: r.BaseRevision, ContentHash: r.ContentHash, Payload: r.Payload,
		Output: r.Output, Diff: []difference{}, Timeline: make([]entry, len(h.Steps)),
	}
	for _, d := range jcs.Diff(r.Before, r.After) {
		out.Diff = append(out.Diff, difference{Op: operation(d), Path: d.Path, Before: d.Before, After: d.After})
	}
	for i, s := range h.Steps {
		trace := s.LinkID
		if trace == "" {
			trace = s.TraceID
		}
		out.Timeline[i] = entry{
			At: s.At, Verb: s.Verb, From: s.From, To: s.To, Revision: s.Revision, Actor: personOf(s.Actor),
			Comment: s.Comment, Summary: approvals.Summary(r, s), TraceID: trace,
		}
	}
	return out
}

// operation names a difference as JSON Patch (RFC 6902) would.
func operation(d jcs.Difference) string {
	switch {
	case d.Before == nil:
		return "add"
	case d.After == nil:
		return "remove"
	}
	return "replace"
}

func personOf(a audit.Actor) person { return person{Type: a.Type, ID: a.ID, Name: a.Name} }
