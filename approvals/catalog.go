package approvals

import (
	"slices"

	"github.com/lumelle/adminkit/audit"
)

const (
	// ActionPrefix begins the actions that record transitions; the verb of the
	// [Transition] follows.
	ActionPrefix = "approvals.request."
	// ActionRefused records an attempt to decide, revise or cancel by somebody who
	// may not.
	ActionRefused = "approvals.request.refused"
	// ResourceType is the type of the resource in all of them; its id is the request's.
	ResourceType = "approval_request"
)

// verbs says what each verb of the transitions means, for the catalogue.
var verbs = map[string]string{
	"drafted":           "A draft was written",
	"submitted":         "Approval was asked for",
	"commented":         "Somebody commented",
	"endorsed":          "One of several approvals was given",
	"approved":          "The last approval was given",
	"changes_requested": "An approver asked for changes",
	"resubmitted":       "The request was put forward again unchanged",
	"rejected":          "An approver declined",
	"revised":           "The request was changed and asks again",
	"cancelled":         "The request was taken back",
	"expired":           "The request was undecided at its timeout",
	"started":           "Applying began",
	"applied":           "The approved change was made",
	"failed":            "The approved change could not be made",
}

// Actions returns the catalogue entries of the package: one for each verb of the
// [Transitions], and [ActionRefused].
func Actions() []audit.Action {
	actions := []audit.Action{{
		Name: ActionRefused, Label: "Somebody tried what they may not", Category: audit.Activity,
		ResourceTypes: []string{ResourceType},
	}}
	for _, tr := range transitions {
		name := ActionPrefix + tr.Verb
		if slices.ContainsFunc(actions, func(a audit.Action) bool { return a.Name == name }) {
			continue
		}
		actions = append(actions, audit.Action{
			Name: name, Label: verbs[tr.Verb], Category: audit.Activity, ResourceTypes: []string{ResourceType},
		})
	}
	return actions
}
