package automation

import "encoding/json"

// A Trigger is something that can start rules: step 0. It is an entry of the [Catalog];
// package automationtest holds implementations to the contract.
type Trigger interface {
	// Describe says what the trigger is. It answers the same every time.
	Describe() TriggerDescriptor
	// Fires reports whether an event of one of the trigger's types starts rules. event
	// is the CloudEvent as encoding/json decodes it, with numbers as json.Number. Fires
	// only looks: it reads no clock and nothing outside of the event, changes nothing,
	// and answers the same every time.
	Fires(event map[string]any) bool
}

// A TriggerDescriptor says what a trigger is, to people and to the [Catalog].
type TriggerDescriptor struct {
	// Name is dot-delimited: "inventory.low". The name "event" is taken.
	Name        string `json:"name"`
	Label       string `json:"label"`
	Description string `json:"description"`
	// EventTypes are the event types, or groups of them, that the trigger listens to: at
	// least one and at most [MaxEventTypes].
	EventTypes []string `json:"event_types"`
	// Schema is the JSON Schema (draft 7) of the event's data, nil for none, for those
	// who write conditions. The sample keeps to it; events were checked by the
	// audit.Catalog before.
	Schema json.RawMessage `json:"schema,omitempty"`
	// Sample is an event as a CloudEvent in JSON that fires the trigger.
	Sample json.RawMessage `json:"sample"`
}

// MaxEventTypes is how many event types a trigger listens to.
const MaxEventTypes = 20

// EventTrigger returns the trigger that fires on every event of its types.
func EventTrigger(d TriggerDescriptor) Trigger { return eventTrigger{d} }

type eventTrigger struct{ descriptor TriggerDescriptor }

func (t eventTrigger) Describe() TriggerDescriptor { return t.descriptor }

func (eventTrigger) Fires(map[string]any) bool { return true }
