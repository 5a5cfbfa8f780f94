package main

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/authz"
)

// What people read is decided by the policy as what they change is, but changes
// nothing: the engine is asked without a record of its decision.
const (
	readApprovals  = "approvals.read"
	readAudit      = "audit.read"
	readAutomation = "automation.read"
	readErrors     = "automation.read_errors" // with causes and stacks, which name hosts
	readFlags      = "flags.read"
	readWebhooks   = "webhooks.read"
)

// reading returns what surfaces and pages ask before they read.
func (a *app) reading(action string) func(ctx context.Context, who httpapi.Identity) error {
	return func(ctx context.Context, who httpapi.Identity) error {
		d, err := a.engine.Authorize(ctx, authz.Request{
			Tenant: who.Tenant, Subject: authz.Entity{Type: who.Actor.Type, ID: who.Actor.ID}, Action: action,
			Resource: authz.Entity{Type: "merchant", ID: who.Tenant}, Authn: who.Actor.Authn, Time: time.Now(),
		})
		if err == nil && d.Effect != audit.Allow {
			err = &audit.DeniedError{Verdict: d.Verdict()}
		}
		return err // without a policy it is to be asked again, not denied for good
	}
}
