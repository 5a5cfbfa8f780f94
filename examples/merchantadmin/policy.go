package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi/savedfilters"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks"
)

// refundPolicy is the approval policy of refunds: one person who may refund as much
// and has no part in this one.
const refundPolicy = "refund"

// stepUpAge is how old a proof of identity may be for a large refund.
const stepUpAge = 5 * time.Minute

// namesOf returns the names of actions.
func namesOf(actions []audit.Action) (names []string) {
	for _, action := range actions {
		names = append(names, action.Name)
	}
	return names
}

// vocabulary is what rules of the demo may speak of.
func vocabulary() casbinengine.Vocabulary {
	return casbinengine.Vocabulary{
		Roles: []string{owner, manager, support, auditor, developer},
		Actions: slices.Concat(
			[]string{actionRefund, actionPublish, actionStep, readApprovals, readAudit, readAutomation, readErrors, readFlags, readWebhooks},
			namesOf(webhooks.Actions()), namesOf(flags.Actions()), namesOf(automation.Actions()), namesOf(savedfilters.Actions())),
	}
}

// policyRules hold for every merchant. Who refunds needs a second person
// above 100.00, and above 1,000.00 has to prove first who it is. Flags need one unless
// they are release flags, and so does every step of an automation that asks.
func policyRules() []casbinengine.Rule {
	rules := []casbinengine.Rule{
		{
			ID: "refund-above-100", Role: casbinengine.Everyone, Action: actionRefund,
			Effect: audit.NeedsApproval, When: "/payload/amount > 100.00",
			Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{Policy: refundPolicy}},
		},
		{
			ID: "refund-above-1000", Role: casbinengine.Everyone, Action: actionRefund,
			Effect: audit.StepUp, When: "/payload/amount > 1000.00",
			Obligations: audit.Obligations{StepUp: &audit.StepUpObligation{MaxAge: stepUpAge}},
		},
		{
			ID: "automation-step", Role: casbinengine.Everyone, Action: actionStep, Effect: audit.NeedsApproval,
			Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{Policy: automationPolicy}},
		},
	}
	for _, action := range approvedFlagActions {
		rules = append(rules, casbinengine.Rule{
			ID: "no-release-" + action, Role: casbinengine.Everyone, Action: action,
			Effect: audit.NeedsApproval, When: `/payload/type != "release"`,
			Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{Policy: flagPolicy}},
		})
	}
	allow := func(action string, roles ...string) {
		for _, role := range roles {
			rules = append(rules, casbinengine.Rule{
				ID: role + "-" + action, Role: role, Action: action, Effect: audit.Allow,
			})
		}
	}
	allow(actionRefund, owner, manager, support)
	allow(actionPublish, owner, manager, support, developer)
	allow(actionStep, owner, manager, developer)
	for _, action := range slices.Concat(namesOf(webhooks.Actions()), namesOf(flags.Actions()), namesOf(automation.Actions()), namesOf(savedfilters.Actions())) {
		allow(action, owner, manager, developer)
	}
	allow(readApprovals, owner, manager, support, auditor, developer)
	allow(readAudit, owner, manager, support, auditor, developer)
	allow(readAutomation, owner, manager, support, auditor, developer)
	allow(readErrors, owner, developer)
	allow(readFlags, owner, manager, support, auditor, developer)
	allow(readWebhooks, owner, manager, auditor, developer)
	return rules
}

// approvalPolicies are what the obligations of the rules name.
func approvalPolicies() map[string]approvals.Policy {
	second := approvals.Policy{Stages: []approvals.StageRule{{Name: "second person", Roles: []string{owner, manager}}}}
	return map[string]approvals.Policy{refundPolicy: second, flagPolicy: second, automationPolicy: second}
}

// approvers tells the approvals who has which role, from the one place that the
// decisions ask too: a role that is taken away counts nowhere any more.
func approvers(engine *casbinengine.Engine) approvals.Directory {
	return approvals.DirectoryFunc(func(ctx context.Context, tenant string, a audit.Actor) ([]string, error) {
		return engine.Roles(ctx, tenant, authz.Entity{Type: a.Type, ID: a.ID})
	})
}

// assignRoles writes the roles of the demo's people into the policy of each
// merchant that has none. The rules are code; who has which role is data.
func (a *app) assignRoles(ctx context.Context, engine *casbinengine.Engine, sink audit.AuditSink) error {
	// Before anybody has a role nobody could be allowed to give one.
	ungated, err := audit.NewGovernor(a.db, audit.Ungated, sink, a.catalog)
	if err != nil {
		return err
	}
	policies, err := authz.NewPolicies(a.db.Authz(), engine, ungated)
	if err != nil {
		return err
	}
	ctx = audit.WithActor(ctx, audit.Actor{Type: audit.SystemActor, ID: "demo"})
	for _, tenant := range merchants {
		var rows []authz.Row
		for _, p := range a.people.people {
			if role := p.Role(tenant); role != "" {
				row := casbinengine.Assign(tenant, authz.Entity{Type: audit.User, ID: p.ID}, role)
				row.ID = p.ID + "-" + role
				rows = append(rows, row)
			}
		}
		head, err := policies.Head(ctx, tenant)
		if err != nil {
			return err
		}
		if head.Sequence > 0 || len(rows) == 0 {
			continue
		}
		_, err = policies.Change(ctx, tenant, authz.Change{Expected: head.Sequence, Add: rows})
		if err != nil && !errors.Is(err, storage.ErrConflict) { // another process was first
			return fmt.Errorf("roles of %s: %w", tenant, err)
		}
	}
	return nil
}
