package flags

import "github.com/lumelle/adminkit/audit"

// The actions of this package, as gates and the audit log see them.
const (
	ActionCreate         = "flags.flag.created"
	ActionUpdate         = "flags.flag.updated"
	ActionDelete         = "flags.flag.deleted"
	ActionKill           = "flags.flag.killed"
	ActionRestore        = "flags.flag.restored"
	ActionSetOverride    = "flags.flag.override_set"
	ActionClearOverride  = "flags.flag.override_cleared"
	ActionExpireOverride = "flags.flag.override_expired"
	ActionUseOverride    = "flags.flag.override_used"
	ActionSaveAudience   = "flags.audience.saved"
	ActionDeleteAudience = "flags.audience.deleted"
)

// The types of the resources that the actions are about. The id is the key.
const (
	ResourceFlag     = "flag"
	ResourceAudience = "flag_audience"
)

// Actions returns the catalogue entries of this package. A host adds them to its
// audit.Catalog.
func Actions() []audit.Action {
	flag, audience := []string{ResourceFlag}, []string{ResourceAudience}
	return []audit.Action{
		{Name: ActionCreate, Label: "Flag created", Description: "A flag was defined.", ResourceTypes: flag},
		{Name: ActionUpdate, Label: "Flag changed", Description: "The definition of a flag was changed.", ResourceTypes: flag},
		{Name: ActionDelete, Label: "Flag deleted", Description: "A flag was removed; its versions stay.", ResourceTypes: flag},
		{Name: ActionKill, Label: "Flag killed", Description: "A flag was switched off in an environment, above everything else.", ResourceTypes: flag},
		{Name: ActionRestore, Label: "Flag restored", Description: "The kill switch of a flag was taken back.", ResourceTypes: flag},
		{Name: ActionSetOverride, Label: "Flag override set", Description: "A variant of a flag was forced for one subject.", ResourceTypes: flag},
		{Name: ActionClearOverride, Label: "Flag override cleared", Description: "A forced variant was taken back before its time.", ResourceTypes: flag},
		{Name: ActionExpireOverride, Label: "Flag override expired", Description: "The time of a forced variant was over.", Category: audit.System, ResourceTypes: flag},
		{Name: ActionUseOverride, Label: "Flag override used", Description: "A forced variant was served, told once for a subject and a day.", Category: audit.System, ResourceTypes: flag},
		{Name: ActionSaveAudience, Label: "Audience saved", Description: "An audience was defined or changed, for all who use it.", ResourceTypes: audience},
		{Name: ActionDeleteAudience, Label: "Audience deleted", Description: "An audience that nobody uses was removed; its versions stay.", ResourceTypes: audience},
	}
}
