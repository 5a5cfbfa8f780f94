package automation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// An ask is a condition of a definition that names audiences.
type ask struct {
	pointer   string
	condition targeting.Condition
}

// standIns returns audiences that hold for the members that a run has noted, see
// [Run.Audiences]. A program is compiled against them, so that it stays what it is
// whatever becomes of the audiences, as the run's members do.
func standIns(keys []string) *targeting.Library {
	var all []targeting.Audience
	for _, key := range keys {
		path := audiencesPath + escapeToken(key)
		if len(path) > targeting.MaxPath {
			continue // compiling says that it is not known
		}
		all = append(all, targeting.Audience{Key: key, When: &targeting.Condition{Path: path, Op: targeting.Exists, Value: targeting.Bool(true)}})
	}
	library, err := targeting.NewLibrary(all, targeting.Options{})
	if err != nil {
		return nil // an ill-formed key, which is not known either
	}
	return library
}

// audiencesPath begins the pointers by which conditions read [Run.Audiences].
const audiencesPath = "/audiences/"

// knowsAudiences reports which audiences of a program the tenant does not have.
func (s *Service) knowsAudiences(ctx context.Context, tenant string, p *Program) error {
	library, err := s.library(ctx, tenant, p)
	if err != nil {
		return err
	}
	var bad *storage.InvalidError
	for _, a := range p.asks {
		_, err := targeting.Compile(a.condition, targeting.Options{Audiences: library})
		if invalid, ok := errors.AsType[*targeting.InvalidError](err); ok {
			bad = belowTargeting(bad, a.pointer, invalid)
		}
	}
	return bad.Err()
}

// library returns the audiences of a tenant, nil where p asks for none or there are none.
func (s *Service) library(ctx context.Context, tenant string, p *Program) (*targeting.Library, error) {
	if len(p.asks) == 0 || s.cfg.Audiences == nil {
		return nil, nil
	}
	library, err := s.cfg.Audiences(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("automation: read the audiences: %w", err)
	}
	return library, nil
}

// noteAudiences notes in a state that begins which audiences of its program its event is
// of. One that is gone is an error: a condition over it neither holds nor does not.
func (s *Service) noteAudiences(ctx context.Context, p *Program, state *State) error {
	library, err := s.library(ctx, state.Run.Tenant, p)
	if err != nil {
		return err
	}
	for _, key := range p.Audiences() {
		m, err := targeting.Compile(targeting.Condition{Audience: key}, targeting.Options{Audiences: library})
		if err != nil {
			return fmt.Errorf("automation: a condition asks for the audience %q: %w", key, err)
		}
		if m.Match(member{state}) {
			state.Run.Audiences = append(state.Run.Audiences, key)
		}
	}
	return nil
}

// Audiences returns the keys of the audiences that the conditions of the program name,
// each once and in order.
func (p *Program) Audiences() []string {
	var keys []string
	for _, a := range p.asks {
		keys = append(keys, a.condition.References().Audiences...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// A member is an event as audiences ask for it: by the names of attributes, as they ask
// for the subject of a flag.
type member struct{ *State }

var _ targeting.Subject = member{}

// Attribute implements targeting.Subject.
func (m member) Attribute(path string) (targeting.Value, bool) {
	if strings.HasPrefix(path, "/") || path == "tenant" {
		return m.State.Attribute("/" + strings.TrimPrefix(path, "/"))
	}
	if v, ok := m.State.Attribute("/data/" + escapeToken(path)); ok {
		return v, true
	}
	switch path {
	case "merchantId":
		return m.State.Attribute("/tenant")
	case "environment":
		return m.State.Attribute("/run/environment")
	}
	return targeting.Value{}, false
}

// AudienceUsers names the rules, enabled or not, whose current version names an audience:
// "automation <id>", at most a hundred. It is what flags.Config.InUse wants to know, so
// that no audience is deleted that a rule asks for. Runs that have started need it no
// more.
func (s *Service) AudienceUsers(ctx context.Context, tenant, audience string) ([]string, error) {
	var users []string
	q := RuleQuery{Limit: storage.MaxLimit}
	for {
		page, err := s.store.ListRules(ctx, tenant, q)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Items {
			uses, err := s.uses(ctx, r, audience)
			if err != nil {
				return nil, err
			}
			if !uses {
				continue
			}
			if users = append(users, "automation "+r.ID); len(users) == maxUsers {
				return users, nil
			}
		}
		if page.Next == "" {
			return users, nil
		}
		q.After = page.Next
	}
}

// maxUsers is how many users of an audience are named.
const maxUsers = 100

// uses reports whether the current version of a rule names an audience.
func (s *Service) uses(ctx context.Context, r Rule, audience string) (bool, error) {
	v, err := s.store.GetVersion(ctx, r.Tenant, r.ID, r.Version)
	if err != nil || !bytes.Contains(v.Document, []byte(`"audience"`)) {
		return false, err
	}
	d, err := ParseDefinition(v.Document)
	if err != nil {
		return false, err
	}
	return d.names(audience), nil
}

// names reports whether a condition of d names an audience. It needs no catalogue, so
// that a rule counts that this process cannot run.
func (d *Definition) names(audience string) bool {
	return slices.Contains(d.Conditions.References().Audiences, audience) ||
		stepsName(d.Steps, audience) || stepsName(d.OnFailure, audience)
}

func stepsName(steps []Step, audience string) bool {
	return slices.ContainsFunc(steps, func(s Step) bool {
		if s.If != nil && slices.Contains(s.If.References().Audiences, audience) {
			return true
		}
		for _, c := range s.Switch {
			if slices.Contains(c.When.References().Audiences, audience) || stepsName(c.Steps, audience) {
				return true
			}
		}
		return slices.ContainsFunc([][]Step{s.OnDecline, s.OnTimeout, s.Then, s.Else, s.Default}, func(route []Step) bool {
			return stepsName(route, audience)
		})
	})
}
