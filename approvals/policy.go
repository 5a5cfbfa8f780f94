package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// DefaultTimeout is how long a request waits where its policy does not say.
const DefaultTimeout = 7 * 24 * time.Hour

// MaxTimeout is the longest a policy may let a request wait.
const MaxTimeout = 365 * 24 * time.Hour

// A Policy says who must agree. The zero Policy asks for one approval, by anybody
// whom the [Directory] gives a role in the tenant.
type Policy struct {
	// Stages are asked one after another; empty is one stage named "approval".
	Stages []StageRule `json:"stages"`
	// CommentRequired lists the choices that need a comment. Nil is
	// [RequestChanges] and [Decline]; an empty list that is not nil is none.
	CommentRequired []Trigger `json:"comment_required"`
	// CancelRoles lists the roles that may cancel a request beside its authors.
	CancelRoles []string `json:"cancel_roles,omitempty"`
	// Timeout is how long a request may stay undecided: [DefaultTimeout] for zero, at
	// most [MaxTimeout]. A revision begins it anew.
	Timeout time.Duration `json:"timeout"`
}

// A StageRule says whose agreement a stage needs. Whoever matches Users, Roles or
// Approver is eligible; where all three are empty, anybody with a role is. Authors
// of the request never are.
type StageRule struct {
	// Name is shown to people. It is unique in the policy.
	Name string `json:"name"`
	// Required is how many different people must approve, 1 for zero.
	Required int `json:"required"`
	// Roles are what the [Directory] calls them: roles, teams, groups.
	Roles []string `json:"roles,omitempty"`
	// Users are ids of actors.
	Users []string `json:"users,omitempty"`
	// Approver names an [Approver] of the Config that is asked when the stage opens.
	// Its answer counts as one decision.
	Approver string `json:"approver,omitempty"`
	// When says which changes the stage is for, nil for all. It may name audiences. A
	// change for which it certainly does not hold skips the stage; [Route] has the rules.
	When *targeting.Condition `json:"when,omitempty"`
}

// ErrInfeasible reports a policy that the people of the request can never satisfy,
// because its authors are the ones who would have to approve.
var ErrInfeasible = errors.New("approvals: nobody is left who could approve")

// normalize fills in the defaults and reports what is wrong with a policy.
func (p Policy) normalize(cfg Config) (Policy, error) {
	var bad *storage.InvalidError
	if len(p.Stages) == 0 {
		p.Stages = []StageRule{{Name: "approval"}}
	}
	p.Stages = slices.Clone(p.Stages)
	names := map[string]bool{}
	for i := range p.Stages {
		s := &p.Stages[i]
		at := fmt.Sprintf("/stages/%d", i)
		if s.Required == 0 {
			s.Required = 1
		}
		if s.Required < 0 {
			bad = bad.Add(at+"/required", "must not be negative")
		}
		if storage.CheckID(at, s.Name) != nil || names[s.Name] {
			bad = bad.Add(at+"/name", "must be an identifier that no other stage has")
		}
		names[s.Name] = true
		if s.Approver != "" && cfg.Approvers[s.Approver] == nil {
			bad = bad.Add(at+"/approver", "is not an approver of the configuration")
		}
		if n, bounded := s.atMost(nil); bounded && n < s.Required {
			bad = bad.Add(at+"/required", "is more than could ever approve")
		}
		if s.When != nil {
			s.When, bad = checkWhen(s.When, at+"/when", cfg.Audiences != nil, bad)
		}
	}
	if p.CommentRequired == nil {
		p.CommentRequired = []Trigger{RequestChanges, Decline}
	}
	for i, c := range p.CommentRequired {
		if !choice(c) || c == Comment {
			bad = bad.Add(fmt.Sprintf("/comment_required/%d", i), "must be approve, request_changes or decline")
		}
	}
	switch {
	case p.Timeout == 0:
		p.Timeout = DefaultTimeout
	case p.Timeout < 0 || p.Timeout > MaxTimeout:
		bad = bad.Add("/timeout", "must be positive and at most 365 days")
	}
	return p, bad.Err()
}

// choice reports whether t is a word of a decision.
func choice(t Trigger) bool {
	switch t {
	case Approve, RequestChanges, Decline, Comment:
		return true
	}
	return false
}

// atMost returns how many could approve the stage at best, where its rule bounds
// that: a role may have any number of members.
func (s StageRule) atMost(authors []audit.Actor) (n int, bounded bool) {
	if len(s.Roles) > 0 || len(s.Users) == 0 && s.Approver == "" {
		return 0, false
	}
	seen := map[string]bool{}
	for _, id := range s.Users {
		if !slices.ContainsFunc(authors, func(a audit.Actor) bool { return a.ID == id }) {
			seen[id] = true
		}
	}
	n = len(seen)
	if s.Approver != "" {
		n++
	}
	return n, true
}

// feasible reports ErrInfeasible where the authors leave a stage that is asked without
// enough people.
func (p Policy) feasible(route []Stage, authors []audit.Actor) error {
	for i, s := range p.Stages {
		if p.skips(route, i) {
			continue
		}
		if n, bounded := s.atMost(authors); bounded && n < s.Required {
			return fmt.Errorf("%w: stage %q", ErrInfeasible, s.Name)
		}
	}
	return nil
}

// Evaluate says how far the decisions ds bring a revision of a request under p. It
// is a pure function: it reads nothing but its arguments, and the state of a request
// is always what it answers. route is the answer of [Route] for the revision, or an
// earlier one of Evaluate: who is skipped stays so. Nil skips nobody. OpenedAt is left to
// the caller.
//
// Counted are the decisions on this revision by others than the authors. Of one
// person in one stage only the last counts, comments aside, so nobody counts twice,
// and neither do somebody and whoever acts as them.
func Evaluate(p Policy, route []Stage, revision int, authors []audit.Actor, ds []Decision) []Stage {
	stages := make([]Stage, len(p.Stages))
	for i, rule := range p.Stages {
		st := Stage{Name: rule.Name, Status: StagePending, Required: rule.Required}
		if i < len(route) {
			st.Reason = route[i].Reason
		}
		if p.skips(route, i) {
			st.Status = StageSkipped
			stages[i] = st
			continue
		}
		for j, d := range ds {
			if d.Stage != i || d.Revision != revision || d.Choice == Comment || isAuthor(authors, d.Actor) {
				continue
			}
			switch {
			case d.Choice == Decline:
				st.Status = StageDeclined
			case d.Choice == Approve && lastVote(ds, j):
				st.ApprovedBy = append(st.ApprovedBy, d.Actor)
			}
		}
		if st.Status == StagePending && len(st.ApprovedBy) >= rule.Required {
			st.Status = StageApproved
		}
		stages[i] = st
	}
	return stages
}

// lastVote reports whether ds[j] is the last word of its actor in its stage.
func lastVote(ds []Decision, j int) bool {
	d := ds[j]
	for _, later := range ds[j+1:] {
		if later.Stage == d.Stage && later.Revision == d.Revision && later.Choice != Comment && onePerson(later.Actor, d.Actor) {
			return false
		}
	}
	return true
}

// onePerson reports whether two decisions are those of one: of the same actor, or of
// somebody and whoever acts as them.
func onePerson(a, b audit.Actor) bool {
	return a.Same(b) || a.ActingAs != "" && a.ActingAs == b.ID || b.ActingAs != "" && b.ActingAs == a.ID
}

// isAuthor reports whether a decision of a would be a decision of an author: by
// itself, or for somebody who is one.
func isAuthor(authors []audit.Actor, a audit.Actor) bool {
	for _, author := range authors {
		if author.ID == a.ID || author.ActingAs == a.ID || a.ActingAs != "" && a.ActingAs == author.ID {
			return true
		}
	}
	return false
}

// eligible reports whether the rule of a stage lets a decide.
func (s *Service) eligible(ctx context.Context, r *Request, stage int, a audit.Actor) (bool, error) {
	rule := r.Policy.Stages[stage]
	if slices.Contains(rule.Users, a.ID) || rule.Approver != "" && a.Same(approverActor(rule.Approver)) {
		return true, nil
	}
	anybody := len(rule.Roles) == 0 && len(rule.Users) == 0 && rule.Approver == ""
	if len(rule.Roles) == 0 && !anybody {
		return false, nil
	}
	roles, err := s.directory.Roles(ctx, r.Tenant, a)
	if err != nil {
		return false, fmt.Errorf("approvals: roles: %w", err)
	}
	if anybody {
		return len(roles) > 0, nil
	}
	return slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(rule.Roles, role) }), nil
}
