package authz

import (
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// An Entity is a subject or a resource with what is known of it.
type Entity struct {
	// Type is the kind: "user", "order". It has no colon, so that "type:id" names an
	// entity without doubt.
	Type string
	ID   string
	// Properties are what conditions may read: JSON values as encoding/json decodes
	// them, numbers preferably as json.Number.
	Properties map[string]any
}

// Key is "type:id", the one string that names the entity.
func (e Entity) Key() string { return e.Type + ":" + e.ID }

// A Request asks whether a subject may do an action to a resource. It has the shape
// of AuthZEN 1.0, and the kit's tenant, proof of identity and time.
type Request struct {
	// Tenant is whose policy is asked. It is never optional.
	Tenant  string
	Subject Entity
	// Action is the dot-delimited name of the action, compared as a whole.
	Action   string
	Resource Entity
	// Payload is what the action is asked to do: the amount of a refund. AuthZEN
	// calls it the properties of the action.
	Payload map[string]any
	// Context is anything else that conditions may read: the environment, the network.
	Context map[string]any
	// Authn is how and when the subject proved who it is, nil where nobody knows.
	Authn *audit.Authn
	// Time is when the action is tried. Freshness is measured against it.
	Time time.Time
}

// Check reports what is missing or ill-formed in r, as a *storage.InvalidError.
func (r *Request) Check() error {
	var bad *storage.InvalidError
	for _, f := range []struct{ pointer, value string }{
		{"/tenant", r.Tenant},
		{"/subject/type", r.Subject.Type},
		{"/subject/id", r.Subject.ID},
		{"/action", r.Action},
		{"/resource/type", r.Resource.Type},
		{"/resource/id", r.Resource.ID},
	} {
		if err, ok := storage.CheckID(f.pointer, f.value).(*storage.InvalidError); ok {
			bad = bad.Add(f.pointer, err.Fields[0].Message)
		}
	}
	for _, f := range []struct{ pointer, value string }{
		{"/subject/type", r.Subject.Type},
		{"/resource/type", r.Resource.Type},
	} {
		if strings.Contains(f.value, ":") {
			bad = bad.Add(f.pointer, "must not contain a colon")
		}
	}
	if r.Time.IsZero() {
		bad = bad.Add("/time", "must be set")
	}
	return bad.Err()
}
