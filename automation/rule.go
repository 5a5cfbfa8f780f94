package automation

import (
	"encoding/json"
	"time"

	"github.com/lumelle/adminkit/audit"
)

// The environments that there are by default. A host may name others in
// [Config.Environments].
const (
	// Draft rules are written and tested. They cannot be enabled.
	Draft = "draft"
	// Staging rules fire on events of the environment of the same name.
	Staging = "staging"
	// Prod rules fire on events of production, which is where an event belongs
	// unless [OutboxConfig.Environment] says otherwise.
	Prod = "prod"
)

// A Rule is an automation of a tenant: which of its versions is current, whether it
// is enabled, and whose rights it uses. What it does is written in the [Definition]
// of its version.
type Rule struct {
	ID     string
	Tenant string
	// Name, Environment and EventTypes are those of the current version. EventTypes
	// are the event types, or groups of them such as "lumelle.orders.v1.*", that its
	// trigger listens to.
	Name        string
	Environment string
	EventTypes  []string
	// Enabled rules start runs.
	Enabled bool
	// Owner is whose rights the runs of the rule use.
	Owner audit.Actor
	// Version is the number of the current version, from 1.
	Version int
	// Revision counts the changes of the rule, from 1. An update names the one it was
	// made for.
	Revision  int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// A Version is one state of a rule's definition. It is never changed.
type Version struct {
	Tenant string
	RuleID string
	// Number counts the versions of the rule from 1.
	Number int
	// Document is the [Definition] in canonical JSON (RFC 8785), and Hash its SHA-256
	// in hexadecimal digits.
	Document  json.RawMessage
	Hash      string
	CreatedBy audit.Actor
	CreatedAt time.Time
}
