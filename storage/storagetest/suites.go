package storagetest

import (
	"testing"

	"github.com/lumelle/adminkit/approvals/approvalstest"
	"github.com/lumelle/adminkit/audit/audittest"
	"github.com/lumelle/adminkit/authz/authztest"
	"github.com/lumelle/adminkit/automation/automationtest"
	"github.com/lumelle/adminkit/flags/flagstest"
	"github.com/lumelle/adminkit/storage/idempotency/idempotencytest"
	"github.com/lumelle/adminkit/storage/jobs/jobstest"
	"github.com/lumelle/adminkit/storage/listing/saved/savedtest"
	"github.com/lumelle/adminkit/storage/secrets/credentials/credentialstest"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

// A suite is the conformance suite of one domain's store.
type suite struct {
	name  string
	rules []ruletest.Rule
	// of returns what runs the suite over the store of b, nil where b has none.
	of func(b Backend) func(t *testing.T)
}

// suites returns the suites of the domains, in the order of the probes. A domain adds its
// line here.
func suites() []suite {
	return []suite{
		suiteOf("audit", audittest.StoreRules(), audittest.RunStore),
		suiteOf("jobs", jobstest.Rules(), func(t *testing.T, open func(t *testing.T) jobstest.Backend) {
			jobstest.Run(t, jobstest.Options{New: open})
		}),
		suiteOf("authz", authztest.StoreRules(), authztest.RunStore),
		suiteOf("webhooks", webhookstest.StoreRules(), webhookstest.RunStore),
		suiteOf("idempotency", idempotencytest.StoreRules(), idempotencytest.RunStore),
		suiteOf("approvals", approvalstest.StoreRules(), approvalstest.RunStore),
		suiteOf("flags", flagstest.StoreRules(), flagstest.RunStore),
		suiteOf("automation", automationtest.StoreRules(), automationtest.RunStore),
		suiteOf("credentials", credentialstest.StoreRules(), credentialstest.RunStore),
		suiteOf("saved filters", savedtest.StoreRules(), savedtest.RunStore),
	}
}

// suiteOf returns the suite that run is, for backends that are an S.
func suiteOf[S any](name string, rules []ruletest.Rule, run func(t *testing.T, open func(t *testing.T) S)) suite {
	return suite{name, rules, func(b Backend) func(t *testing.T) {
		s, ok := b.(S)
		if !ok {
			return nil
		}
		return func(t *testing.T) { run(t, func(*testing.T) S { return s }) }
	}}
}
