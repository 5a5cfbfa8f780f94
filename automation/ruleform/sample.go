package ruleform

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/flags/targeting"
)

// Sample returns an event to test the form with: the sample of its trigger, in which the
// clauses that say "is", alone or joined by "and", have their values. It is nil where the
// trigger has no sample, and the sample as it stands where the condition cannot be read.
func (f Form) Sample(triggers []automation.TriggerDescriptor) json.RawMessage {
	i := slices.IndexFunc(triggers, func(t automation.TriggerDescriptor) bool { return t.Name == f.Trigger })
	if i < 0 || triggers[i].Sample == nil {
		return nil
	}
	sample := triggers[i].Sample
	condition, err := f.When.Condition()
	if err != nil {
		return sample
	}
	clauses := condition.All
	if clauses == nil {
		clauses = []targeting.Condition{condition}
	}
	for _, c := range clauses {
		path, ok := strings.CutPrefix(c.Path, "/")
		value, err := json.Marshal(c.Value)
		if !ok || err != nil || c.Op != targeting.Equal {
			continue
		}
		if with, ok := put(sample, strings.Split(path, "/"), value); ok {
			sample = with
		}
	}
	return sample
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// put returns doc with a value at a path through objects, and false where something else
// is in its way.
func put(doc json.RawMessage, path []string, value json.RawMessage) (json.RawMessage, bool) {
	if len(path) == 0 {
		return value, true
	}
	members := map[string]json.RawMessage{}
	if doc != nil && json.Unmarshal(doc, &members) != nil || members == nil {
		return nil, false
	}
	key := unescape.Replace(path[0])
	inner, ok := put(members[key], path[1:], value)
	if !ok {
		return nil, false
	}
	members[key] = inner
	with, err := json.Marshal(members)
	return with, err == nil
}
