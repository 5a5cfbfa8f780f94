package ruleform_test

import (
	"encoding/json"
	"testing"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/ruleform"
	"github.com/lumelle/adminkit/flags/targeting"
)

func TestSampleFitsTheCondition(t *testing.T) {
	t.Parallel()
	triggers := []automation.TriggerDescriptor{
		{Name: "other", Sample: json.RawMessage(`{}`)},
		{Name: "order.refunded", Sample: json.RawMessage(`{"data":{"amount":"150.00","order_id":"1"},"subject":"x"}`)},
		{Name: "bare"},
	}
	for _, c := range []struct{ name, trigger, condition, want string }{
		{"no condition", "order.refunded", `{}`, `{"data":{"amount":"150.00","order_id":"1"},"subject":"x"}`},
		{"one clause", "order.refunded", `{"path":"/data/order_id","op":"eq","value":"7"}`, `{"data":{"amount":"150.00","order_id":"7"},"subject":"x"}`},
		{"a number and a member that the sample lacks", "order.refunded",
			`{"all":[{"path":"/data/n","op":"eq","value":7},{"path":"/a~1b/c","op":"eq","value":true}]}`,
			`{"a/b":{"c":true},"data":{"amount":"150.00","n":7,"order_id":"1"},"subject":"x"}`},
		{"clauses that say something else", "order.refunded",
			`{"all":[{"path":"/data/order_id","op":"ne","value":"7"},{"any":[{"path":"/subject","op":"eq","value":"y"},{"path":"/subject","op":"eq","value":"z"}]}]}`,
			`{"data":{"amount":"150.00","order_id":"1"},"subject":"x"}`},
		{"a text in the way", "order.refunded", `{"path":"/subject/id","op":"eq","value":"7"}`, `{"data":{"amount":"150.00","order_id":"1"},"subject":"x"}`},
		{"an attribute that is no pointer", "order.refunded", `{"path":"subject","op":"eq","value":"7"}`, `{"data":{"amount":"150.00","order_id":"1"},"subject":"x"}`},
		{"a trigger without a sample", "bare", `{}`, ``},
		{"a trigger that is not there", "nothing", `{}`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var condition targeting.Condition
			if err := json.Unmarshal([]byte(c.condition), &condition); err != nil {
				t.Fatal(err)
			}
			f := ruleform.Of(automation.Definition{Trigger: automation.TriggerUse{Type: c.trigger}, Conditions: condition})
			if got := string(f.Sample(triggers)); got != c.want {
				t.Errorf("the sample is\n%s, want\n%s", got, c.want)
			}
		})
	}
	broken := ruleform.Read(map[string][]string{"trigger": {"order.refunded"}, "when.json": {"{oops"}})
	if got := string(broken.Sample(triggers)); got != string(triggers[1].Sample) {
		t.Errorf("of a condition that cannot be read the sample is %s", got)
	}
}
