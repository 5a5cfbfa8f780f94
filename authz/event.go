package authz

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// The actions of this package in the catalogue.
const (
	// ActionDecision records a decision.
	ActionDecision = "authz.decision"
	// ActionPolicyChange is a change of a tenant's policy.
	ActionPolicyChange = "authz.policy.change"
)

// Actions returns the entries of this package for [audit.NewCatalog].
func Actions() []audit.Action {
	return []audit.Action{
		{
			Name:        ActionDecision,
			Label:       "Permission decided",
			Description: "A protected action was allowed, denied, or allowed under a condition.",
			Category:    audit.Policy,
		},
		{
			Name:          ActionPolicyChange,
			Label:         "Policy changed",
			Description:   "Rules or role assignments of the tenant were added or removed.",
			Category:      audit.Activity,
			ResourceTypes: []string{ResourcePolicy},
		},
	}
}

// A decisionRecord is the metadata of a decision's event.
type decisionRecord struct {
	Action        string           `json:"action"`
	EventID       string           `json:"event_id,omitempty"`
	Subject       string           `json:"subject"`
	Decision      string           `json:"decision"`
	Code          string           `json:"code"`
	Text          string           `json:"text"`
	Rules         []string         `json:"rules"`
	PolicyVersion string           `json:"policy_version"`
	StepUp        *stepUpRecord    `json:"step_up,omitempty"`
	Approval      *approvalOptions `json:"approval,omitempty"`
}

type stepUpRecord struct {
	MaxAgeSeconds int64    `json:"max_age_seconds,omitempty"`
	ACRValues     []string `json:"acr_values,omitempty"`
}

type approvalOptions struct {
	Policy string `json:"policy,omitempty"`
}

// decisionEvent is the record of a decision about e: the same actor, resource and
// trace, under the action of this package. Its time is when it is completed: e may have
// another, that of a change which is decided again when it is approved.
func decisionEvent(e audit.Event, action string, subject audit.Actor, d Decision) (audit.Event, error) {
	m := decisionRecord{
		Action:        action,
		EventID:       e.ID,
		Subject:       subject.Type + ":" + subject.ID,
		Decision:      d.Effect.String(),
		Code:          d.Reason.Code,
		Text:          d.Reason.Text,
		Rules:         d.Rules,
		PolicyVersion: d.PolicyVersion,
	}
	if m.Rules == nil {
		m.Rules = []string{}
	}
	if o := d.Obligations.StepUp; o != nil {
		m.StepUp = &stepUpRecord{MaxAgeSeconds: int64(o.MaxAge.Seconds()), ACRValues: o.ACRValues}
	}
	if o := d.Obligations.Approval; o != nil {
		m.Approval = &approvalOptions{Policy: o.Policy}
	}
	metadata, err := json.Marshal(m)
	if err != nil {
		return audit.Event{}, err
	}
	outcome := audit.Denied
	switch d.Effect {
	case audit.Allow:
		outcome = audit.Success
	case audit.NeedsApproval:
		outcome = audit.Pending
	}
	return audit.Event{
		Action:     ActionDecision,
		Tenant:     e.Tenant,
		Actor:      e.Actor,
		OnBehalfOf: e.OnBehalfOf,
		Resource:   e.Resource,
		Outcome:    outcome,
		Reason:     d.Reason.Code,
		Origin:     e.Origin,
		Trace:      e.Trace,
		Link:       e.Link,
		Metadata:   metadata,
		Hops:       e.Hops,
	}, nil
}

// requestOf is the question that an event asks.
func requestOf(e audit.Event) (Request, error) {
	payload, err := decodePayload(e.Payload)
	if err != nil {
		return Request{}, err
	}
	s := e.Subject()
	r := Request{
		Tenant:   e.Tenant,
		Subject:  Entity{Type: s.Type, ID: s.ID, Properties: map[string]any{}},
		Action:   e.Action,
		Resource: Entity{Type: e.Resource.Type, ID: e.Resource.ID, Properties: map[string]any{}},
		Payload:  payload,
		Context:  map[string]any{},
		Authn:    s.Authn,
		Time:     e.Time,
	}
	if s.ActingAs != "" {
		r.Subject.Properties["acting_as"] = s.ActingAs
	}
	return r, nil
}

// maxPayloadDepth bounds the nesting of a payload.
const maxPayloadDepth = 32

// decodePayload reads a payload for conditions. Names that are the same but for
// their case are refused: a handler may read the other of the two.
func decodePayload(raw []byte) (map[string]any, error) {
	if len(raw) == 0 {
		return map[string]any{}, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	v, err := decodeValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, storage.Invalid("/payload", "must be one JSON value")
	}
	if o, ok := v.(map[string]any); ok {
		return o, nil
	}
	if v == nil {
		return map[string]any{}, nil
	}
	return nil, storage.Invalid("/payload", "must be an object")
}

func decodeValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxPayloadDepth {
		return nil, storage.Invalid("/payload", "is nested too deeply")
	}
	t, err := dec.Token()
	if err != nil {
		return nil, storage.Invalid("/payload", "must be JSON")
	}
	switch t {
	case json.Delim('{'):
		return decodeObject(dec, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := decodeValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return t, nil
}

func decodeObject(dec *json.Decoder, depth int) (any, error) {
	object, folded := map[string]any{}, map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, storage.Invalid("/payload", "must be JSON")
		}
		name, _ := t.(string)
		key := strings.Map(foldRune, name)
		if folded[key] {
			return nil, storage.Invalid("/payload", "has names that differ in nothing but case")
		}
		folded[key] = true
		if object[name], err = decodeValue(dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return object, err
}

// foldRune maps the runes that encoding/json takes for the same to one of them.
func foldRune(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}
