package webhooks

import "github.com/lumelle/adminkit/audit"

// The actions of this package, as gates and the audit log see them.
const (
	ActionCreate    = "webhooks.endpoint.created"
	ActionUpdate    = "webhooks.endpoint.updated"
	ActionDelete    = "webhooks.endpoint.deleted"
	ActionDisable   = "webhooks.endpoint.disabled"
	ActionEnable    = "webhooks.endpoint.enabled"
	ActionRotate    = "webhooks.endpoint.secret_rotated"
	ActionRedeliver = "webhooks.delivery.redelivered"
)

// The types of the resources that the actions are about.
const (
	ResourceEndpoint = "webhook_endpoint"
	ResourceDelivery = "webhook_delivery"
)

// Actions returns the catalogue entries of this package. A host adds them to its
// audit.Catalog.
func Actions() []audit.Action {
	endpoint, delivery := []string{ResourceEndpoint}, []string{ResourceDelivery}
	return []audit.Action{
		{Name: ActionCreate, Label: "Webhook endpoint created", Description: "A receiver was registered for a tenant's events.", ResourceTypes: endpoint},
		{Name: ActionUpdate, Label: "Webhook endpoint changed", Description: "The address, subscriptions or settings of a receiver were changed.", ResourceTypes: endpoint},
		{Name: ActionDelete, Label: "Webhook endpoint deleted", Description: "A receiver was removed; what it had waiting is cancelled.", ResourceTypes: endpoint},
		{Name: ActionDisable, Label: "Webhook endpoint disabled", Description: "A receiver was switched off, by a person or because it kept failing; what it had waiting is held.", ResourceTypes: endpoint},
		{Name: ActionEnable, Label: "Webhook endpoint enabled", Description: "A receiver was switched on again; what was held is resumed.", ResourceTypes: endpoint},
		{Name: ActionRotate, Label: "Webhook secret rotated", Description: "A receiver got a new signing secret; the old ones sign beside it for a while.", ResourceTypes: endpoint},
		{Name: ActionRedeliver, Label: "Webhook delivery repeated", Description: "A message was sent to a receiver once more, under the same id.", ResourceTypes: delivery},
	}
}
