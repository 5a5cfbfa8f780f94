package audit

import (
	"encoding/json"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
)

// A Category says which kind of record an event is. Retention, export and
// subscription choose by it.
type Category string

// The categories of the kit.
const (
	// Activity is a change that somebody made or tried to make.
	Activity Category = "activity"
	// DataAccess is a read that is worth a record.
	DataAccess Category = "data_access"
	// System is something the system did by itself.
	System Category = "system"
	// Policy is a decision: allowed, denied, or allowed under a condition.
	Policy Category = "policy"
	// Domain is a fact of the host's own business that changed nothing here.
	Domain Category = "domain"
)

// Categories returns every category.
func Categories() []Category { return []Category{Activity, DataAccess, System, Policy, Domain} }

// An Outcome says how what the event records ended.
type Outcome string

// The outcomes of an event.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Denied  Outcome = "denied"
	Pending Outcome = "pending"
)

// Outcomes returns every outcome.
func Outcomes() []Outcome { return []Outcome{Success, Failure, Denied, Pending} }

// The types of actors. A host may use others.
const (
	User           = "user"
	ServiceAccount = "service_account"
	SystemActor    = "system"
)

// An Actor is who does something. ID is stable: never an e-mail address, never a
// display name.
type Actor struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// ActingAs is the identity that the actor took on: the store that a person
	// manages, or the person a worker acts for.
	ActingAs string `json:"acting_as,omitempty"`
	// Authn says how fresh the actor's proof of identity is, nil where nobody knows.
	Authn *Authn `json:"authn,omitempty"`
}

// Same reports whether a and b are the same principal.
func (a Actor) Same(b Actor) bool { return a.Type == b.Type && a.ID == b.ID }

// Authn is how and when an actor proved who it is.
type Authn struct {
	// At is when the actor last proved it.
	At time.Time `json:"at"`
	// ACR is the authentication context class that was reached (RFC 9470).
	ACR string `json:"acr,omitempty"`
	// AMR are the methods that were used (RFC 8176).
	AMR []string `json:"amr,omitempty"`
}

// A Resource is what something is done to.
type Resource struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// An Origin is where a request came from.
type Origin struct {
	SourceIP  string `json:"source_ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

// An Event is the one envelope of the kit: a change, an attempt, a decision, a fact.
// Its fields stay; what is particular to an action goes into Payload and Metadata.
//
// A caller fills Tenant, Action, Resource and what it knows of the change. The
// [Catalog] completes the rest from ctx and from the action's entry.
type Event struct {
	// ID is unique with Tenant and Source. Appending the same event again is a no-op.
	ID string
	// Source is the service the event comes from, a URI reference such as "/orders".
	Source string
	// Type is the event's name outside, "<prefix>.<domain>.v<major>.<what happened>":
	// the CloudEvents type, and what subscriptions match.
	Type string
	// Action is the event's name inside, as the catalogue lists it: "orders.refund".
	Action   string
	Category Category
	Tenant   string
	// Time is when it happened, with microseconds.
	Time time.Time
	// RecordedAt is when the log stored it. The log sets it.
	RecordedAt time.Time

	Actor Actor
	// OnBehalfOf is whom the actor acts for, nil where it acts for itself.
	OnBehalfOf *Actor
	// ApprovedBy lists who agreed, in order.
	ApprovedBy []Actor
	Resource   Resource
	Outcome    Outcome
	// Reason is the actor's own text, or of a refused attempt the code of the refusal.
	Reason string
	Origin Origin

	// Trace is the trace the work began under and keeps for good.
	Trace correlation.Trace
	// Link is the trace of who acted later: the approver's request, the worker.
	Link correlation.Trace

	// Before and After are the resource around the change, JSON or nil.
	Before, After json.RawMessage
	// Payload is what the action was asked to do, JSON or nil. An approval is bound
	// to it; the action's schema checks it.
	Payload json.RawMessage
	// BaseRevision is the revision of the resource that the change was made for.
	BaseRevision string
	// Metadata is anything else worth keeping, a JSON object or nil.
	Metadata json.RawMessage
	// Schema names the catalogue's schema that Payload was checked against.
	Schema string

	// DecisionID and ApprovalID lead to what allowed the change.
	DecisionID, ApprovalID string
	// CausationID is the id of the event that led to this one, and Hops how many
	// such steps there were since the first.
	CausationID string
	Hops        int
}

// MaxHops is how long a chain of causation may grow. A longer one is a loop.
const MaxHops = 8

// Subject returns who answers for the event: whom the actor acts for, else the actor.
func (e *Event) Subject() Actor {
	if e.OnBehalfOf != nil {
		return *e.OnBehalfOf
	}
	return e.Actor
}
