package ruleform_test

import (
	"fmt"
	"net/url"

	"github.com/lumelle/adminkit/automation/ruleform"
)

func Example() {
	// What a browser sends of a form with one clause and one step.
	sent := url.Values{
		"name": {"Large refunds"}, "automation_environment": {"prod"}, "trigger": {"order.refunded"},
		"when.path": {"/data/amount"}, "when.op": {"gte"}, "when.value": {"100"},
		"step.0.name": {"tell"}, "step.0.action": {"notify.log"}, "step.0.with": {`{"message": "{{ /data/order_id }}"}`},
	}
	definition, err := ruleform.Read(sent).Definition()
	if err != nil {
		fmt.Println(err)
		return
	}
	document, _, _ := definition.Document()
	fmt.Println(string(document))
	// Output:
	// {"automation_environment":"prod","conditions":{"op":"gte","path":"/data/amount","value":100},"name":"Large refunds","steps":[{"action":"notify.log","name":"tell","with":{"message":"{{ /data/order_id }}"}}],"trigger":{"type":"order.refunded"}}
}
