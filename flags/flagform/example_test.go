package flagform_test

import (
	"fmt"
	"net/url"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagform"
)

func Example() {
	flag := flags.Flag{Key: "checkout", Variants: map[string]any{"on": true, "off": false}}

	// What a browser sends of a form with one rule.
	sent := url.Values{
		"enabled": {"on"}, "default": {"off"}, "off": {"off"}, "variants": {`{"on": true, "off": false}`},
		"rule.0.name": {"a quarter"}, "rule.0.serve": {flagform.Split},
		"rule.0.weight.variant": {"off", "on"}, "rule.0.weight": {"75", "25"},
		"rule.0.when.path": {"country"}, "rule.0.when.op": {"in"}, "rule.0.when.value": {"DE, AT"},
	}
	draft, err := flagform.Read(sent, flag, "prod").Apply(flag)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, rule := range draft.Environments["prod"].Rules {
		fmt.Printf("%s: if %s, serve %s\n", rule.Name, flagform.When(rule), flagform.Serves(rule))
	}
	// Output:
	// a quarter: if country is one of DE, AT, serve off 75 %, on 25 %
}
