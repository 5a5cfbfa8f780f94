package authzen

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

// MaxEvaluations is how many evaluations one request may hold.
const MaxEvaluations = 256

// maxDepth is how deep a request may nest.
const maxDepth = 64

// An inputError is a status with a message that may be told.
type inputError struct {
	status  int
	message string
}

func (e *inputError) Error() string { return e.message }

func badInput(format string, args ...any) *inputError {
	return &inputError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// A question is one evaluation, or the defaults of several. Its parts stay raw until
// items and defaults are joined: an item replaces whole parts.
type question struct {
	Subject  jsontext.Value `json:"subject,omitzero"`
	Action   jsontext.Value `json:"action,omitzero"`
	Resource jsontext.Value `json:"resource,omitzero"`
	Context  jsontext.Value `json:"context,omitzero"`
}

type batch struct {
	question
	Evaluations []jsontext.Value `json:"evaluations"`
	Options     struct {
		Semantic string `json:"evaluations_semantic"`
	} `json:"options"`
}

// readBody reads a request's body, which must say that it is JSON.
func readBody(r *http.Request) ([]byte, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return nil, badInput("the Content-Type must be application/json")
	}
	body, err := httpapi.ReadBody(r)
	if p, ok := errors.AsType[*httpapi.Problem](err); ok {
		return nil, &inputError{p.Status, p.Detail}
	}
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, badInput("the body is empty")
	}
	return body, nil
}

// decode reads JSON into v. Names are matched exactly, duplicates are refused, and
// names that v does not have are ignored.
func decode(raw []byte, what string, v any) error {
	err := json.Unmarshal(raw, v)
	if err == nil {
		return nil
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return badInput("%s%s is given twice", what, syntactic.JSONPointer)
		}
		return badInput("%s is not valid JSON", what)
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return badInput("%s%s has the wrong type", what, semantic.JSONPointer)
	}
	return badInput("%s could not be read", what)
}

// checkDepth refuses what nests too deeply, before any type sees it.
func checkDepth(body []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		if _, err := d.ReadToken(); err != nil {
			return nil // malformed input is reported by decode
		}
		if d.StackDepth() > maxDepth {
			return badInput("the body is nested deeper than %d levels", maxDepth)
		}
	}
}

// over returns q with the parts that it lacks taken from defaults.
func (q question) over(defaults question) question {
	for _, part := range []struct{ own, other *jsontext.Value }{
		{&q.Subject, &defaults.Subject},
		{&q.Action, &defaults.Action},
		{&q.Resource, &defaults.Resource},
		{&q.Context, &defaults.Context},
	} {
		if len(*part.own) == 0 {
			*part.own = *part.other
		}
	}
	return q
}

type entity struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	Properties jsontext.Value `json:"properties"`
}

type action struct {
	Name       string         `json:"name"`
	Properties jsontext.Value `json:"properties"`
}

// request turns q into the question that the authorizer is asked.
func (q question) request(who httpapi.Identity) (authz.Request, error) {
	var r authz.Request
	r.Tenant = who.Tenant
	var err error
	if r.Subject, err = readEntity("subject", q.Subject); err != nil {
		return r, err
	}
	if r.Resource, err = readEntity("resource", q.Resource); err != nil {
		return r, err
	}
	var a action
	if err := readPart("action", q.Action, &a); err != nil {
		return r, err
	}
	if a.Name == "" {
		return r, badInput("action.name is missing")
	}
	r.Action = a.Name
	if r.Payload, err = readObject("action.properties", a.Properties); err != nil {
		return r, err
	}
	if r.Context, err = readObject("context", q.Context); err != nil {
		return r, err
	}
	if who.Actor.Type == r.Subject.Type && who.Actor.ID == r.Subject.ID {
		r.Authn = who.Actor.Authn
	}
	return r, nil
}

func readEntity(what string, raw jsontext.Value) (authz.Entity, error) {
	var e entity
	if err := readPart(what, raw, &e); err != nil {
		return authz.Entity{}, err
	}
	switch {
	case e.Type == "":
		return authz.Entity{}, badInput("%s.type is missing", what)
	case e.ID == "":
		return authz.Entity{}, badInput("%s.id is missing", what)
	}
	properties, err := readObject(what+".properties", e.Properties)
	return authz.Entity{Type: e.Type, ID: e.ID, Properties: properties}, err
}

func readPart(what string, raw jsontext.Value, v any) error {
	if len(raw) == 0 {
		return badInput("%s is missing", what)
	}
	if raw.Kind() != '{' {
		return badInput("%s must be an object", what)
	}
	return decode(raw, what, v)
}

// readObject reads an optional object and keeps its numbers as they were written.
func readObject(what string, raw jsontext.Value) (map[string]any, error) {
	object := map[string]any{}
	if len(raw) == 0 {
		return object, nil
	}
	if raw.Kind() != '{' {
		return nil, badInput("%s must be an object", what)
	}
	d := stdjson.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&object); err != nil {
		return nil, badInput("%s could not be read", what)
	}
	return object, nil
}

// An evaluation is the answer to one question.
type evaluation struct {
	Decision bool     `json:"decision"`
	Context  *details `json:"context,omitzero"`
}

type details struct {
	ID            string            `json:"id,omitzero"`
	Outcome       string            `json:"outcome,omitzero"`
	Code          string            `json:"code,omitzero"`
	ReasonUser    map[string]string `json:"reason_user,omitzero"`
	Rules         []string          `json:"rules,omitzero"`
	PolicyVersion string            `json:"policy_version,omitzero"`
	ACRValues     []string          `json:"acr_values,omitzero"`
	MaxAge        int64             `json:"max_age,omitzero"`
	Obligations   []obligation      `json:"obligations,omitzero"`
	Error         *itemError        `json:"error,omitzero"`
}

type obligation struct {
	Type   string `json:"type"`
	Policy string `json:"policy,omitzero"`
}

type itemError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

func answer(d authz.Decision) evaluation {
	c := &details{
		ID:            d.ID,
		Outcome:       d.Effect.String(),
		Code:          d.Reason.Code,
		ReasonUser:    map[string]string{"en": d.Reason.Text},
		Rules:         d.Rules,
		PolicyVersion: d.PolicyVersion,
	}
	if o := d.Obligations.StepUp; o != nil {
		c.ACRValues, c.MaxAge = o.ACRValues, int64(o.MaxAge.Seconds())
		c.Obligations = append(c.Obligations, obligation{Type: "step_up"})
	}
	if o := d.Obligations.Approval; o != nil {
		c.Obligations = append(c.Obligations, obligation{Type: "approval", Policy: o.Policy})
	}
	return evaluation{Decision: d.Effect == audit.Allow, Context: c}
}

// failure is what an error is told as.
func failure(err error) *inputError {
	if input, ok := errors.AsType[*inputError](err); ok {
		return input
	}
	switch {
	case errors.Is(err, httpapi.ErrUnauthenticated):
		return &inputError{http.StatusUnauthorized, "the request names nobody"}
	case errors.Is(err, storage.ErrNotFound):
		return &inputError{http.StatusNotFound, "there is no such tenant"}
	}
	return &inputError{http.StatusServiceUnavailable, "the decision could not be made"}
}
