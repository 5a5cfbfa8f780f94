package adminkit_test

import (
	"strings"
	"testing"
)

// guides are the interfaces that authors implement, and the package whose
// documentation tells them how.
var guides = []struct{ heading, path string }{
	{"Writing an AuditSink", "audit/audittest"},
	{"Writing a Gate", "audit/audittest"},
	{"Writing a Store", "audit/audittest"},
	{"Writing an Authorizer", "authz/authztest"},
	{"Writing a Store", "approvals/approvalstest"},
	{"Writing an Applier", "approvals/approvalstest"},
	{"Writing an Approver", "approvals/approvalstest"},
	{"Writing a Deliverer", "webhooks/webhookstest"},
	{"Writing a FlagProvider", "flags/flagstest"},
	{"Writing an Action", "automation/automationtest"},
	{"Writing a Trigger", "automation/automationtest"},
	{"Writing a Store", "automation/automationtest"},
	{"Writing a Store", "storage/jobs/jobstest"},
	{"Writing a Store", "storage/idempotency/idempotencytest"},
	{"Writing a Store", "storage/secrets/credentials/credentialstest"},
	{"Writing a Store", "storage/listing/saved/savedtest"},
	{"Writing a Store", "flags/flagstest"},
	{"Writing a storage adapter", "storage/storagetest"},
}

// TestEveryProviderInterfaceHasAGuide holds the guides to one form: what has to hold,
// what to look at, what goes wrong first, and where it was done.
func TestEveryProviderInterfaceHasAGuide(t *testing.T) {
	t.Parallel()
	docs := map[string]string{}
	for _, p := range documentation(t) {
		docs[p.path] = p.doc.Doc
	}
	for _, g := range guides {
		_, guide, ok := strings.Cut(docs[g.path], "# "+g.heading+"\n")
		if !ok {
			t.Errorf("the documentation of %s has no heading %q", g.path, g.heading)
			continue
		}
		guide, _, _ = strings.Cut(guide, "\n# ")
		for _, part := range []string{"The contract", "Checklist", "Common mistakes", "Reference"} {
			if !strings.Contains(guide, "\n"+part) {
				t.Errorf("%q in %s has no paragraph %q", g.heading, g.path, part)
			}
		}
	}
}
