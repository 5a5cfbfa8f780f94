package automation

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

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
// Errors are those of audit.Governor.Change, a *storage.InvalidError for what is wrong
// with in, and a *storage.LimitError where the tenant has all it may, see [Quotas].
func (s *Service) Create(ctx context.Context, tenant string, in RuleInput) (Rule, error) {
	if in.ID != "" {
		if err := storage.CheckID("/id", in.ID); err != nil {
			return Rule{}, err
		}
	}
	r := Rule{ID: orDefault(in.ID, s.cfg.NewID()), Tenant: tenant, Revision: 1, CreatedAt: s.now()}
	return s.write(ctx, ActionCreate, Rule{}, r, in.Definition)
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
	if before.Enabled && d.Environment == Draft {
		return Rule{}, ErrDraft
	}
	after := before
	after.Revision++
	return s.write(ctx, ActionUpdate, before, after, d)
}

// write stores a new version of a rule through the governor.
func (s *Service) write(ctx context.Context, action string, before, after Rule, d Definition) (Rule, error) {
	d, err := s.catalog.Resolve(d)
	if err != nil {
		return Rule{}, err
	}
	program, err := s.catalog.Compile(d)
	if err != nil {
		return Rule{}, err
	}
	if err := s.knowsAudiences(ctx, after.Tenant, program); err != nil {
		return Rule{}, err
	}
	document, hash, err := d.Document()
	if err != nil {
		return Rule{}, err
	}
	after.Name, after.Environment, after.EventTypes = d.Name, d.Environment, program.EventTypes()
	after.Version, after.UpdatedAt = before.Version+1, s.now()
	event := ruleEvent(action, after)
	event.Payload, event.After = document, after.record(hash)
	if before.ID != "" {
		event.Before, event.BaseRevision = before.record(""), strconv.FormatInt(before.Revision, 10)
	}
	_, err = s.governor.Change(ctx, event, func(ctx context.Context, e *audit.Event) error {
		after.Owner = e.Subject()
		after.Owner.Authn = nil
		v := Version{
			Tenant: after.Tenant, RuleID: after.ID, Number: after.Version, Document: document, Hash: hash,
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
	return s.turn(ctx, tenant, id, ActionEnable, true, reason)
}

// Disable has a rule start no runs any more, those neither that an event has asked for
// and that have not begun. Runs that go on are not ended. Disabling a disabled rule does
// nothing, for those who may.
func (s *Service) Disable(ctx context.Context, tenant, id, reason string) (Rule, error) {
	return s.turn(ctx, tenant, id, ActionDisable, false, reason)
}

// errUnchanged undoes what the gate of a change wrote that turned out to be none.
var errUnchanged = errors.New("nothing to change")

func (s *Service) turn(ctx context.Context, tenant, id, action string, on bool, reason string) (Rule, error) {
	if err := storage.CheckText("/reason", reason, audit.MaxReason); err != nil {
		return Rule{}, err
	}
	before, err := s.store.GetRule(ctx, tenant, id, false)
	if err != nil {
		return Rule{}, err
	}
	if on && before.Environment == Draft {
		return Rule{}, ErrDraft
	}
	after := before
	if before.Enabled != on {
		after.Enabled, after.UpdatedAt = on, s.now()
		after.Revision++
	}
	event := ruleEvent(action, after)
	event.Before, event.After, event.Reason = before.record(""), after.record(""), reason
	event.BaseRevision = strconv.FormatInt(before.Revision, 10)
	_, err = s.governor.Change(ctx, event, func(ctx context.Context, _ *audit.Event) error {
		if before.Enabled == on {
			return errUnchanged
		}
		return s.store.SaveRule(ctx, tenant, after, nil)
	})
	if err != nil && !errors.Is(err, errUnchanged) {
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

func ruleEvent(action string, r Rule) audit.Event {
	return audit.Event{
		Tenant: r.Tenant, Action: action, Resource: audit.Resource{Type: ResourceRule, ID: r.ID, Name: r.Name},
		Metadata: encode(map[string]string{"environment": r.Environment}),
	}
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
