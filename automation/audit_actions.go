package automation

import "github.com/lumelle/adminkit/audit"

// The actions of this package, as gates and the audit log see them.
const (
	ActionCreate  = "automation.rule.created"
	ActionUpdate  = "automation.rule.updated"
	ActionEnable  = "automation.rule.enabled"
	ActionDisable = "automation.rule.disabled"
	ActionRerun   = "automation.run.rerun"
	ActionCancel  = "automation.run.cancelled"
	// The ends of runs, but for those that were filtered, which changed nothing.
	ActionSucceeded = "automation.run.succeeded"
	ActionFailed    = "automation.run.failed"
	ActionTimedOut  = "automation.run.timed_out"
)

// actionPrefix begins the actions of this package, and webhooksPrefix those of package
// webhooks. Events under them start no runs: a rule about rules would feed itself.
const (
	actionPrefix   = "automation."
	webhooksPrefix = "webhooks."
)

// The types of the resources that the actions are about.
const (
	ResourceRule = "automation_rule"
	ResourceRun  = "automation_run"
)

// Actions returns the catalogue entries of this package. A host adds them to its
// audit.Catalog.
func Actions() []audit.Action {
	rule, run := []string{ResourceRule}, []string{ResourceRun}
	return []audit.Action{
		{Name: ActionCreate, Label: "Automation created", Description: "A rule was written, disabled at first.", ResourceTypes: rule},
		{Name: ActionUpdate, Label: "Automation changed", Description: "A new version of a rule was written; runs that go on keep theirs.", ResourceTypes: rule},
		{Name: ActionEnable, Label: "Automation enabled", Description: "A rule starts runs from now on.", ResourceTypes: rule},
		{Name: ActionDisable, Label: "Automation disabled", Description: "A rule starts no runs any more; those that go on are not ended.", ResourceTypes: rule},
		{Name: ActionRerun, Label: "Run repeated", Description: "A run was started with the inputs of an earlier one.", ResourceTypes: run},
		{Name: ActionCancel, Label: "Run cancelled", Description: "A run was ended before its last step.", ResourceTypes: run},
		{Name: ActionSucceeded, Label: "Run succeeded", Description: "A run came to the end of its steps.", Category: audit.System, ResourceTypes: run},
		{Name: ActionFailed, Label: "Run failed", Description: "A step of a run failed for good.", Category: audit.System, ResourceTypes: run},
		{Name: ActionTimedOut, Label: "Run timed out", Description: "A run, or a step of it, took too long.", Category: audit.System, ResourceTypes: run},
	}
}
