package automation

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// A RuleInput is what a caller says of a rule.
type RuleInput struct {
	// ID is the id of the rule to be created, for callers that repeat a creation
	// safely; empty is a fresh one.
	ID         string
	Definition Definition
}

// Create writes a rule, disabled, with its first version. Whoever writes it owns it: its
// runs use that person's rights.
//
// Until the rule is made, the resource of the change is the id that is named, else the
// name of the rule: who asks again for a creation that waits for approval asks for the
// same.
//
// Errors are those of audit.Governor.Change, a *storage.InvalidError for what is wrong
// with in, and a *storage.LimitError where the tenant has all it may, see [Quotas].
func (s *Service) Create(ctx context.Context, tenant string, in RuleInput) (Rule, error) {
	if in.ID != "" {
		if err := storage.CheckID("/id", in.ID); err != nil {
			return Rule{}, err
		}
	}
	d, err := s.draft(ctx, tenant, in.Definition)
	if err != nil {
		return Rule{}, err
	}
	return s.create(ctx, audit.Event{Tenant: tenant, Action: ActionCreate}, in.ID, d)
}

// create writes a rule through the governor, under a fresh id where none is named.
func (s *Service) create(ctx context.Context, e audit.Event, id string, d draft) (Rule, error) {
	r := Rule{ID: orDefault(id, s.cfg.NewID()), Tenant: e.Tenant, Revision: 1, CreatedAt: s.now()}
	e.Resource.ID, e.Payload = orDefault(id, d.identity()), d.payload(id)
	return s.write(ctx, e, Rule{}, r, d)
}

// Update writes a new version of a rule, which becomes the current one. Whoever writes
// it owns the rule from then on, so that nobody acts with the rights of another. Runs
// that have started keep their version. revision is the one the update was made for,
// zero for whichever is current; a later one is storage.ErrConflict.
//
// An enabled rule stays enabled, unless the new version is for [Draft]: that is
// [ErrDraft].
func (s *Service) Update(ctx context.Context, tenant, id string, revision int64, d Definition) (Rule, error) {
	before, err := s.current(ctx, tenant, id, revision)
	if err != nil {
		return Rule{}, err
	}
	drafted, err := s.draft(ctx, tenant, d)
	if err != nil {
		return Rule{}, err
	}
	return s.update(ctx, audit.Event{Tenant: tenant, Action: ActionUpdate}, before, drafted)
}

// update writes a new version of a rule through the governor.
func (s *Service) update(ctx context.Context, e audit.Event, before Rule, d draft) (Rule, error) {
	if before.Enabled && d.Environment == Draft {
		return Rule{}, ErrDraft
	}
	after := before
	after.Revision++
	e.Resource.ID, e.Payload = before.ID, d.payload("")
	e.Before, e.BaseRevision = before.record(""), strconv.FormatInt(before.Revision, 10)
	return s.write(ctx, e, before, after, d)
}

// A draft is a definition that can be written.
type draft struct {
	// Definition is resolved.
	Definition
	document   json.RawMessage
	hash       string
	eventTypes []string
}

// draft checks a definition for a tenant. What is wrong with it is a
// *storage.InvalidError.
func (s *Service) draft(ctx context.Context, tenant string, d Definition) (draft, error) {
	d, err := s.catalog.Resolve(d)
	if err != nil {
		return draft{}, err
	}
	program, err := s.catalog.Compile(d)
	if err != nil {
		return draft{}, err
	}
	if err := s.knowsAudiences(ctx, tenant, program); err != nil {
		return draft{}, err
	}
	document, hash, err := d.Document()
	return draft{d, document, hash, program.EventTypes()}, err
}

// identity is what a rule goes by until it is made, where nobody has named an id: who
// asks again for a creation that waits for approval asks for the same. It is the name,
// or where that is unfit for an id, what tells the definition from others.
func (d *draft) identity() string {
	unfit := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.TrimSpace(d.Name) == "" || strings.ContainsFunc(d.Name, unfit) {
		return d.hash
	}
	return d.Name
}

// payload is what a change to d is asked for with: the definition, and for a creation
// the id that was named.
func (d *draft) payload(id string) json.RawMessage {
	if id == "" {
		return d.document
	}
	return slices.Concat([]byte(`{"id":`), encode(id), []byte(`,`), d.document[1:])
}

// write stores a new version of a rule through the governor. e has the resource's id and
// what was asked for.
func (s *Service) write(ctx context.Context, e audit.Event, before, after Rule, d draft) (Rule, error) {
	after.Name, after.Environment, after.EventTypes = d.Name, d.Environment, d.eventTypes
	after.Version, after.UpdatedAt = before.Version+1, s.now()
	e.After = after.record(d.hash)
	_, err := s.governor.Change(ctx, ruleEvent(e, after, d.hash), func(ctx context.Context, e *audit.Event) error {
		e.Resource.ID = after.ID
		after.Owner = e.Subject()
		after.Owner.Authn = nil
		v := Version{
			Tenant: after.Tenant, RuleID: after.ID, Number: after.Version, Document: d.document, Hash: d.hash,
			CreatedBy: after.Owner, CreatedAt: after.UpdatedAt,
		}
		if err := s.store.SaveRule(ctx, after.Tenant, after, &v); err != nil || before.ID != "" {
			return err
		}
		return s.withinQuota(ctx, after.Tenant)
	})
	if err != nil {
		return Rule{}, err
	}
	return after, nil
}

// Enable has a rule start runs. Events of the time before are gone. Enabling an enabled
// rule does nothing, for those who may. A rule of the environment draft is [ErrDraft].
func (s *Service) Enable(ctx context.Context, tenant, id, reason string) (Rule, error) {
	return s.turn(ctx, tenant, id, ActionEnable, reason)
}

// Disable has a rule start no runs any more, those neither that an event has asked for
// and that have not begun. Runs that go on are not ended. Disabling a disabled rule does
// nothing, for those who may.
func (s *Service) Disable(ctx context.Context, tenant, id, reason string) (Rule, error) {
	return s.turn(ctx, tenant, id, ActionDisable, reason)
}

// errUnchanged undoes what the gate of a change wrote that turned out to be none.
var errUnchanged = errors.New("nothing to change")

// turn enables or disables a rule, whichever version of it is current.
func (s *Service) turn(ctx context.Context, tenant, id, action, reason string) (Rule, error) {
	if err := storage.CheckText("/reason", reason, audit.MaxReason); err != nil {
		return Rule{}, err
	}
	before, err := s.current(ctx, tenant, id, 0)
	if err != nil {
		return Rule{}, err
	}
	after, err := s.turned(ctx, audit.Event{Tenant: tenant, Action: action, Reason: reason}, before)
	if errors.Is(err, errUnchanged) {
		return before, nil
	}
	return after, err
}

// turned enables or disables a rule through the governor. Where it is that already, the
// answer to those who may is errUnchanged.
func (s *Service) turned(ctx context.Context, e audit.Event, before Rule) (Rule, error) {
	on := e.Action == ActionEnable
	if on && before.Environment == Draft {
		return Rule{}, ErrDraft
	}
	after := before
	if before.Enabled != on {
		after.Enabled, after.UpdatedAt = on, s.now()
		after.Revision++
	}
	e.Resource.ID, e.Payload = before.ID, encode(turnPayload{Version: before.Version})
	e.Before, e.After, e.BaseRevision = before.record(""), after.record(""), strconv.FormatInt(before.Revision, 10)
	_, err := s.governor.Change(ctx, ruleEvent(e, after, ""), func(ctx context.Context, _ *audit.Event) error {
		if before.Enabled == on {
			return errUnchanged
		}
		return s.store.SaveRule(ctx, before.Tenant, after, nil)
	})
	if err != nil {
		return Rule{}, err
	}
	return after, nil
}

// Get returns a rule with its current definition. It is storage.ErrNotFound where the
// tenant has no such one.
func (s *Service) Get(ctx context.Context, tenant, id string) (Rule, Definition, error) {
	r, err := s.store.GetRule(ctx, tenant, id, false)
	if err != nil {
		return Rule{}, Definition{}, err
	}
	v, err := s.store.GetVersion(ctx, tenant, id, r.Version)
	if err != nil {
		return Rule{}, Definition{}, err
	}
	d, err := ParseDefinition(v.Document)
	return r, d, err
}

// List returns the tenant's rules in order of creation.
func (s *Service) List(ctx context.Context, tenant string, q RuleQuery) (storage.Page[Rule], error) {
	return s.store.ListRules(ctx, tenant, q)
}

// Versions returns the versions of a rule, the newest first.
func (s *Service) Versions(ctx context.Context, tenant, id string, q VersionQuery) (storage.Page[Version], error) {
	if _, err := s.store.GetRule(ctx, tenant, id, false); err != nil {
		return storage.Page[Version]{}, err
	}
	return s.store.ListVersions(ctx, tenant, id, q)
}

// Version returns one version of a rule, or storage.ErrNotFound.
func (s *Service) Version(ctx context.Context, tenant, id string, number int) (Version, error) {
	return s.store.GetVersion(ctx, tenant, id, number)
}

// current returns a rule at revision, at any where that is zero.
func (s *Service) current(ctx context.Context, tenant, id string, revision int64) (Rule, error) {
	r, err := s.store.GetRule(ctx, tenant, id, false)
	if err == nil && revision != 0 && revision != r.Revision {
		return Rule{}, storage.ErrConflict
	}
	return r, err
}

// ruleMetadata is what the event of a change says of a rule beside the change. It stays
// as it was when the change was asked for, whoever revises the request.
type ruleMetadata struct {
	Environment string `json:"environment"`
	// Hash is that of the definition that is written.
	Hash string `json:"hash,omitempty"`
}

// ruleEvent completes the event of a change of r, whose resource has its id.
func ruleEvent(e audit.Event, r Rule, hash string) audit.Event {
	e.Resource.Type, e.Resource.Name = ResourceRule, r.Name
	e.Metadata = encode(ruleMetadata{Environment: r.Environment, Hash: hash})
	return e
}

// ruleJSON is a rule as audit events keep it.
type ruleJSON struct {
	Name        string   `json:"name"`
	Environment string   `json:"environment"`
	EventTypes  []string `json:"event_types"`
	Enabled     bool     `json:"enabled"`
	Version     int      `json:"version"`
	Hash        string   `json:"hash,omitempty"`
	Revision    int64    `json:"revision"`
}

// record returns the rule as the before or after of an event.
func (r Rule) record(hash string) json.RawMessage {
	return encode(ruleJSON{
		Name: r.Name, Environment: r.Environment, EventTypes: r.EventTypes, Enabled: r.Enabled,
		Version: r.Version, Hash: hash, Revision: r.Revision,
	})
}
