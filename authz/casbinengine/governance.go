package casbinengine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

// GovernanceModel is the casbin model that [New] decides by. A rule says what a role
// may do to which resources; an assignment gives a role to a subject in a tenant.
//
// Rules of effect allow and deny are casbin's own; deny wins. Rules of effect
// needs_approval and step_up are indeterminate to casbin: they allow nothing by
// themselves and add their obligation to what is allowed.
const GovernanceModel = `[request_definition]
r = sub, dom, act, type, id, attr

[policy_definition]
p = role, act, type, id, eft, when, then

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.act == p.act && (p.type == "*" || r.type == p.type) && (p.id == "*" || keyMatch(r.id, p.id)) && (p.role == "*" || g(r.sub, p.role, r.dom)) && when(p.when, r.attr)
`

// Everyone is the role that every subject has. It may be denied something, or asked
// for something, but never allowed anything.
const Everyone = "*"

// Any is the resource type, and the resource id, that stands for all of them.
const Any = "*"

// The columns of a rule in [GovernanceModel].
const (
	columnRole = iota
	columnAction
	columnType
	columnID
	columnEffect
	columnWhen
	columnThen
	ruleColumns
)

// The kinds of rows in [GovernanceModel].
const (
	kindRule       = "p"
	kindAssignment = "g"
)

// A Vocabulary is what the rows of a policy may speak of. A row with another word is
// a typo, and refused.
type Vocabulary struct {
	// Roles are words of a-z, 0-9, "_" and "-".
	Roles []string
	// Actions are the names in the host's catalogue that rules may name. A decision
	// about any other is a denial.
	Actions []string
}

func (v Vocabulary) check() error {
	if len(v.Roles) == 0 || len(v.Actions) == 0 {
		return errors.New("casbinengine: a vocabulary has roles and actions")
	}
	for _, r := range v.Roles {
		if r == "" || strings.Trim(r, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return fmt.Errorf("casbinengine: role %q is not a word of a-z, 0-9, _ and -", r)
		}
	}
	for _, a := range v.Actions {
		if err := storage.CheckID("/action", a); err != nil || a == Any {
			return fmt.Errorf("casbinengine: %q is not an action", a)
		}
	}
	return nil
}

// A Rule is a row of kind "p" in [GovernanceModel].
type Rule struct {
	// ID names the rule in decisions.
	ID string
	// Role is whom the rule is about; [Everyone] for rules that allow nothing.
	Role   string
	Action string
	// ResourceType is compared as a whole; empty is [Any].
	ResourceType string
	// ResourceID is an id, or a prefix followed by "*"; empty is [Any].
	ResourceID string
	// Effect says what the rule does where it matches. The zero value denies.
	Effect audit.Effect
	// When is the condition under which the rule matches, such as
	// "/payload/amount > 100.00". Empty is always.
	When string
	// Obligations is what a rule of effect NeedsApproval or StepUp asks for.
	Obligations audit.Obligations
}

// Row returns the rule as a row of a policy.
func (r Rule) Row() authz.Row {
	return authz.Row{ID: r.ID, Kind: kindRule, Values: []string{
		r.Role, r.Action, orAny(r.ResourceType), orAny(r.ResourceID),
		r.Effect.String(), r.When, formatObligations(r.Obligations),
	}}
}

func orAny(s string) string {
	if s == "" {
		return Any
	}
	return s
}

// Assign returns the row that gives a role to a subject in a tenant. The row's id is
// left to [authz.Policies].
func Assign(tenant string, subject authz.Entity, role string) authz.Row {
	return authz.Row{Kind: kindAssignment, Values: []string{subject.Key(), role, tenant}}
}

// A parsedRule is what a row of kind "p" says beyond casbin's columns.
type parsedRule struct {
	effect      audit.Effect
	obligations audit.Obligations
	when        condition
}

// parseRule reads the columns of a rule as far as they decide how it is evaluated.
// Problems are reported at the index of their column.
func parseRule(values []string, bad func(column int, message string)) parsedRule {
	var p parsedRule
	var ok bool
	if p.effect, ok = parseEffect(values[columnEffect]); !ok {
		bad(columnEffect, "must be allow, deny, needs_approval or step_up")
	}
	var err error
	if p.when, err = parseCondition(values[columnWhen]); err != nil {
		bad(columnWhen, err.Error())
	}
	if p.obligations, err = parseObligations(p.effect, values[columnThen]); err != nil {
		bad(columnThen, err.Error())
	}
	return p
}

func parseEffect(word string) (audit.Effect, bool) {
	for _, e := range []audit.Effect{audit.Deny, audit.Allow, audit.NeedsApproval, audit.StepUp} {
		if e.String() == word {
			return e, true
		}
	}
	return audit.Deny, false
}

// checkRule reports every field of a rule that the vocabulary does not know or the
// model cannot read.
func (v Vocabulary) checkRule(values []string, bad func(column int, message string)) {
	if len(values) != ruleColumns {
		bad(-1, fmt.Sprintf("must have %d columns: role, act, type, id, eft, when, then", ruleColumns))
		return
	}
	for i, s := range values {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			bad(i, "must be UTF-8 without a NUL")
		}
	}
	p := parseRule(values, bad)
	switch role := values[columnRole]; {
	case role == Everyone && p.effect == audit.Allow:
		bad(columnRole, "must name a role: nothing is allowed to everyone")
	case role != Everyone && !slices.Contains(v.Roles, role):
		bad(columnRole, "is not a known role")
	}
	if !slices.Contains(v.Actions, values[columnAction]) {
		bad(columnAction, "is not a known action")
	}
	if t := values[columnType]; t != Any && (storage.CheckID("", t) != nil || strings.ContainsAny(t, ":*")) {
		bad(columnType, "must be a type of resource, or *")
	}
	if id := values[columnID]; storage.CheckID("", id) != nil || strings.Contains(strings.TrimSuffix(id, Any), Any) {
		bad(columnID, "must be an id, a prefix followed by *, or *")
	}
}

// checkAssignment reports every field of an assignment that is not exactly a
// subject or role, a known role, and the tenant itself.
func (v Vocabulary) checkAssignment(tenant string, values []string, bad func(column int, message string)) {
	if len(values) != 3 {
		bad(-1, "must have 3 columns: subject, role, tenant")
		return
	}
	subject, role, domain := values[0], values[1], values[2]
	kind, id, ok := strings.Cut(subject, ":")
	if !slices.Contains(v.Roles, subject) && (!ok || storage.CheckID("", kind) != nil || storage.CheckID("", id) != nil) {
		bad(0, `must be a subject such as "user:sam", or a known role`)
	}
	switch {
	case !slices.Contains(v.Roles, role):
		bad(1, "is not a known role")
	case role == subject:
		bad(1, "must differ from the role that inherits it")
	}
	if domain != tenant {
		bad(2, "must be the tenant itself")
	}
}

// checkRules reports what is wrong with the rules of a Config, by the names of their
// fields: whoever wrote a Rule knows no columns.
func (v Vocabulary) checkRules(rules []Rule) error {
	names := [ruleColumns]string{
		columnRole: "Role", columnAction: "Action", columnType: "ResourceType", columnID: "ResourceID",
		columnEffect: "Effect", columnWhen: "When", columnThen: "Obligations",
	}
	var fields *storage.InvalidError
	for i, rule := range rules {
		v.checkRule(rule.Row().Values, func(column int, message string) {
			fields = fields.Add(fmt.Sprintf("/Rules/%d/%s", i, names[column]), message)
		})
	}
	return fields.Err()
}

// checkRows reports what is wrong with rows that are to be added.
func (v Vocabulary) checkRows(tenant string, rows []authz.Row) error {
	var fields *storage.InvalidError
	for i, row := range rows {
		bad := func(column int, message string) {
			pointer := fmt.Sprintf("/add/%d/values", i)
			if column >= 0 {
				pointer = fmt.Sprintf("%s/%d", pointer, column)
			}
			fields = fields.Add(pointer, message)
		}
		switch row.Kind {
		case kindRule:
			v.checkRule(row.Values, bad)
		case kindAssignment:
			v.checkAssignment(tenant, row.Values, bad)
		default:
			fields = fields.Add(fmt.Sprintf("/add/%d/kind", i), "must be p or g")
		}
	}
	return fields.Err()
}

// formatObligations writes the column "then": "max_age=5m0s acr=phr,phrh policy=refunds".
func formatObligations(o audit.Obligations) string {
	var words []string
	if s := o.StepUp; s != nil {
		if s.MaxAge != 0 {
			words = append(words, "max_age="+s.MaxAge.String())
		}
		if len(s.ACRValues) > 0 {
			words = append(words, "acr="+strings.Join(s.ACRValues, ","))
		}
	}
	if a := o.Approval; a != nil && a.Policy != "" {
		words = append(words, "policy="+a.Policy)
	}
	return strings.Join(words, " ")
}

// parseObligations reads the column "then" of a rule with the given effect.
func parseObligations(effect audit.Effect, text string) (audit.Obligations, error) {
	var o audit.Obligations
	var stepUp audit.StepUpObligation
	var approval audit.ApprovalObligation
	seen := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, "=")
		if value == "" || seen[key] {
			return o, fmt.Errorf("wants each of its words once and with a value, not %.20q", word)
		}
		seen[key] = true
		switch {
		case key == "max_age" && effect == audit.StepUp:
			age, err := time.ParseDuration(value)
			if err != nil || age <= 0 {
				return o, fmt.Errorf("wants a duration such as max_age=5m, not %.20q", word)
			}
			stepUp.MaxAge = age
		case key == "acr" && effect == audit.StepUp:
			stepUp.ACRValues = strings.Split(value, ",")
			if slices.Contains(stepUp.ACRValues, "") {
				return o, errors.New("has an empty class in acr")
			}
		case key == "policy" && effect == audit.NeedsApproval:
			approval.Policy = value
		default:
			return o, fmt.Errorf("has a word that its effect does not take: %.20q", word)
		}
	}
	switch effect {
	case audit.StepUp:
		if len(seen) == 0 {
			return o, errors.New("must say max_age or acr")
		}
		o.StepUp = &stepUp
	case audit.NeedsApproval:
		o.Approval = &approval
	}
	return o, nil
}
