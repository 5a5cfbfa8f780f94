package casbinengine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/casbin/casbin/v2/effector"
	"github.com/casbin/govaluate"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

// Config adjusts an Engine of the governance model. Its zero value is ready for use.
type Config struct {
	// Rules hold in every tenant: the part of the policy that is code. A tenant's
	// own rows add to them.
	Rules []Rule
}

// An Engine is an [authz.Authorizer] over the rows of an [authz.Store]. It is safe
// for concurrent use.
//
// Each decision first asks the store at which change the tenant's policy is, in the
// transaction of ctx, and decides by exactly that policy; it reads the rows anew only
// when the change is not the one it has. A revocation therefore holds for the next
// decision of every process, and a store that does not answer allows nothing.
type Engine struct {
	store authz.Store
	def   *definition
	base  []authz.Row
	// request turns a question into the values that the model's r asks for.
	request func(r authz.Request) ([]any, error)
	// functions are those of the model beyond casbin's.
	functions map[string]govaluate.ExpressionFunction
	// vocabulary is nil for custom models.
	vocabulary *Vocabulary
	ruleless   bool

	// shared decides for tenants that have no rows.
	shared *snapshot
	// known holds the snapshots of tenants that have some.
	mu    sync.RWMutex
	known map[string]*snapshot
}

var (
	_ authz.Authorizer = (*Engine)(nil)
	_ authz.RowChecker = (*Engine)(nil)
)

// A snapshot is the policy of a tenant as one change left it.
type snapshot struct {
	head    authz.Head
	policy  *policy
	version string
	rows    int
}

// New makes an Engine of the [GovernanceModel]. Rules of the Config that the
// vocabulary does not know are an error.
func New(store authz.Store, vocabulary Vocabulary, config Config) (*Engine, error) {
	if store == nil {
		return nil, errors.New("casbinengine: no store")
	}
	if err := vocabulary.check(); err != nil {
		return nil, err
	}
	vocabulary.Roles, vocabulary.Actions = slices.Clone(vocabulary.Roles), slices.Clone(vocabulary.Actions)
	def, err := define(GovernanceModel)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		store:      store,
		def:        def,
		vocabulary: &vocabulary,
		request: func(r authz.Request) ([]any, error) {
			return []any{r.Subject.Key(), r.Tenant, r.Action, r.Resource.Type, r.Resource.ID, Attributes{&r}}, nil
		},
		known: map[string]*snapshot{},
	}
	ids := map[string]bool{}
	for i, rule := range config.Rules {
		if storage.CheckID("", rule.ID) != nil || ids[rule.ID] {
			return nil, fmt.Errorf("casbinengine: Config.Rules[%d]: needs an ID of its own", i)
		}
		ids[rule.ID] = true
		e.base = append(e.base, rule.Row())
	}
	if err := vocabulary.checkRules(config.Rules); err != nil {
		return nil, fmt.Errorf("casbinengine: Config: %w", err)
	}
	if err := e.compileShared(); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Engine) compileShared() error {
	p, err := e.compile(e.base)
	if err != nil {
		return err
	}
	e.shared = &snapshot{policy: p, version: version(authz.Head{}, p), rows: len(e.base)}
	return nil
}

// version names a policy by the number of its last change and its content.
func version(h authz.Head, p *policy) string {
	return strconv.FormatInt(h.Sequence, 10) + "-" + p.hash
}

// compile builds the policy of some rows. In the governance model the columns that
// casbin does not know are read here, once.
func (e *Engine) compile(rows []authz.Row) (*policy, error) {
	if e.vocabulary == nil {
		return compile(e.def, rows, e.functions, nil)
	}
	conditions := map[string]condition{}
	functions := map[string]govaluate.ExpressionFunction{
		"when": func(args ...any) (any, error) {
			if len(args) != 2 {
				return nil, errEvaluate
			}
			text, _ := args[0].(string)
			c, known := conditions[text]
			a, ok := args[1].(Attributes)
			if !known || !ok {
				return nil, errEvaluate
			}
			return c.holds(a)
		},
	}
	return compile(e.def, rows, functions, func(r *rule) error {
		var bad error
		parsed := parseRule(r.values, func(column int, message string) {
			bad = fmt.Errorf("column %d %s", column, message)
		})
		conditions[r.values[columnWhen]] = parsed.when
		r.obligations = parsed.obligations
		return bad
	})
}

// CheckRows implements [authz.RowChecker]. A row of the governance model may speak
// only of the vocabulary's roles and actions and of the tenant itself; one of a
// custom model must have the columns that the model defines.
func (e *Engine) CheckRows(tenant string, rows []authz.Row) error {
	var bad *storage.InvalidError
	for i, row := range rows {
		if slices.ContainsFunc(e.base, func(b authz.Row) bool { return b.ID == row.ID }) {
			bad = bad.Add(fmt.Sprintf("/add/%d/id", i), "is the id of a rule of all tenants")
		}
	}
	if err := bad.Err(); err != nil {
		return err
	}
	if e.vocabulary != nil {
		return e.vocabulary.checkRows(tenant, rows)
	}
	return e.def.checkRows(rows)
}

// snapshot returns the tenant's policy as ctx sees it.
func (e *Engine) snapshot(ctx context.Context, tenant string) (*snapshot, error) {
	head, err := e.store.Head(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if head == (authz.Head{}) {
		return e.shared, nil
	}
	e.mu.RLock()
	s := e.known[tenant]
	e.mu.RUnlock()
	if s != nil && s.head.Same(head) {
		return s, nil
	}
	if s, err = e.load(ctx, tenant, head); err != nil {
		return nil, err
	}
	// A snapshot is used only where a head names it, so one of a transaction that is
	// rolled back later does no harm here.
	e.mu.Lock()
	e.known[tenant] = s
	e.mu.Unlock()
	return s, nil
}

// maxLoads is how often a policy that changes while it is read is read again.
const maxLoads = 8

// load reads and compiles the tenant's rows. The head is read before and after:
// every change of rows moves it, so rows between two equal heads belong together on
// every level of isolation.
func (e *Engine) load(ctx context.Context, tenant string, head authz.Head) (*snapshot, error) {
	for range maxLoads {
		rows, err := e.rows(ctx, tenant)
		if err != nil {
			return nil, err
		}
		after, err := e.store.Head(ctx, tenant)
		if err != nil {
			return nil, err
		}
		if !after.Same(head) {
			head = after
			continue
		}
		p, err := e.compile(rows)
		if err != nil {
			return nil, err
		}
		return &snapshot{head: head, policy: p, version: version(head, p), rows: len(rows)}, nil
	}
	return nil, fmt.Errorf("casbinengine: the policy changes faster than it is read: %w", storage.ErrConflict)
}

// rows returns the rules of all tenants and the rows of this one.
func (e *Engine) rows(ctx context.Context, tenant string) ([]authz.Row, error) {
	rows := slices.Clone(e.base)
	var after storage.Cursor
	for {
		page, err := e.store.Rows(ctx, tenant, after, storage.MaxLimit)
		if err != nil {
			return nil, err
		}
		rows = append(rows, page.Items...)
		if after = page.Next; after == "" {
			return rows, nil
		}
	}
}

// Authorize implements [authz.Authorizer]. The error is the cause of a denial with
// the code policy_unavailable.
func (e *Engine) Authorize(ctx context.Context, r authz.Request) (authz.Decision, error) {
	if err := r.Check(); err != nil {
		reason := authz.Explain(authz.CodeInvalidInput)
		reason.Detail = err.Error()
		return authz.Decision{Reason: reason}, nil
	}
	s, err := e.snapshot(ctx, r.Tenant)
	if err != nil {
		return unavailable(""), fmt.Errorf("casbinengine: read the policy of the tenant: %w", err)
	}
	if e.vocabulary != nil && !slices.Contains(e.vocabulary.Actions, r.Action) {
		return authz.Decision{Reason: authz.Explain(authz.CodeUnknownAction), PolicyVersion: s.version}, nil
	}
	if s.rows == 0 && !e.ruleless {
		return authz.Decision{Reason: authz.Explain(authz.CodePolicyEmpty), PolicyVersion: s.version}, nil
	}
	values, err := e.request(r)
	if err != nil {
		return unavailable(s.version), fmt.Errorf("casbinengine: read the request: %w", err)
	}
	res, err := s.policy.enforce(values...)
	var missing *missingError
	switch {
	case errors.As(err, &missing):
		reason := authz.Explain(authz.CodeMissingAttribute)
		reason.Detail = missing.Error()
		return authz.Decision{Reason: reason, PolicyVersion: s.version}, nil
	case err != nil:
		return unavailable(s.version), err
	}
	if names := res.approvalPolicies(); len(names) > 1 {
		return unavailable(s.version), fmt.Errorf("casbinengine: rules that match ask for different approval policies: %s", strings.Join(names, ", "))
	}
	d := s.decide(r, res)
	if d.Effect == audit.Deny && d.Reason.Code == "" {
		d.Reason = e.explain(s, r)
	}
	return d.Settle(r), nil
}

func unavailable(version string) authz.Decision {
	return authz.Decision{Reason: authz.Explain(authz.CodePolicyUnavailable), PolicyVersion: version}
}

// approvalPolicies returns the approval policies that the matching rules name. Nobody
// knows which of two is the stricter, so no more than one can be asked for.
func (res result) approvalPolicies() []string {
	var names []string
	for _, rule := range res.required {
		own := rule.obligations.Approval
		if own != nil && own.Policy != "" && !slices.Contains(names, own.Policy) {
			names = append(names, own.Policy)
		}
	}
	return names
}

// decide turns the answer of the policy into a decision.
func (s *snapshot) decide(r authz.Request, res result) authz.Decision {
	d := authz.Decision{PolicyVersion: s.version}
	for _, rule := range res.decisive {
		d.Rules = append(d.Rules, rule.id)
	}
	if !res.allowed {
		if len(res.decisive) > 0 {
			d.Reason = authz.Explain(authz.CodeExplicitDeny)
		}
		return d
	}
	d.Effect = audit.Allow
	for _, rule := range res.required {
		if demand(&d.Obligations, rule, r) {
			d.Rules = append(d.Rules, rule.id)
		}
	}
	return d
}

// demand adds what a rule asks for, and reports whether anything of it is open.
func demand(o *audit.Obligations, rule *rule, r authz.Request) bool {
	if rule.requirement == audit.NeedsApproval {
		if o.Approval == nil {
			o.Approval = &audit.ApprovalObligation{}
		}
		if own := rule.obligations.Approval; own != nil && o.Approval.Policy == "" {
			o.Approval.Policy = own.Policy
		}
		return true
	}
	var own audit.StepUpObligation
	if rule.obligations.StepUp != nil {
		own = *rule.obligations.StepUp
	}
	if authz.Fresh(r.Authn, r.Time, own) {
		return false
	}
	if o.StepUp == nil {
		o.StepUp = &audit.StepUpObligation{MaxAge: own.MaxAge, ACRValues: slices.Clone(own.ACRValues)}
		return true
	}
	o.StepUp.MaxAge = shorter(o.StepUp.MaxAge, own.MaxAge)
	if len(o.StepUp.ACRValues) == 0 {
		o.StepUp.ACRValues = slices.Clone(own.ACRValues)
	}
	return true
}

// shorter returns the shorter of two ages, of which zero is none.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// explain finds out why no rule allowed r: whether the subject lacks a role, or has
// it and something else does not fit.
func (e *Engine) explain(s *snapshot, r authz.Request) audit.Reason {
	if e.vocabulary == nil {
		return authz.Explain(authz.CodeNoMatchingRule)
	}
	var roles, near []string
	for _, place := range s.policy.index[r.Action] {
		rule := &s.policy.rules[place]
		if rule.effect != effector.Allow {
			continue
		}
		role := rule.values[columnRole]
		if held, _ := s.policy.links[kindAssignment].HasLink(r.Subject.Key(), role, r.Tenant); held {
			near = append(near, rule.id)
		} else if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	if len(near) > 0 {
		reason := authz.Explain(authz.CodeConditionNotMet)
		reason.Detail = "the resource or the condition does not fit: " + strings.Join(near, ", ")
		return reason
	}
	reason := authz.Explain(authz.CodeNoMatchingRule)
	if len(roles) > 0 {
		reason.Detail = "missing one of the roles " + strings.Join(roles, ", ")
	} else {
		reason.Detail = "no rule allows the action to any role"
	}
	return reason
}

// Roles returns the roles that the tenant's rows give to a subject, directly and by
// inheritance; none for a stranger. The order is that of distance, then of the rows.
//
// It reads the role definition g, so it is of use with the [GovernanceModel] and
// with custom models whose g takes subjects, roles and domains in this order.
func (e *Engine) Roles(ctx context.Context, tenant string, subject authz.Entity) ([]string, error) {
	s, err := e.snapshot(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("casbinengine: read the policy of the tenant: %w", err)
	}
	g, ok := s.policy.links[kindAssignment].(roleGraph)
	if !ok {
		return nil, errors.New("casbinengine: the model's g has no plain roles to list")
	}
	domain := tenant
	if e.def.roles[kindAssignment].names < 3 {
		domain = ""
	}
	return g.all(subject.Key(), domain), nil
}
