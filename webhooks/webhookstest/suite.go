package webhookstest

import (
	"testing"

	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/webhooks"
)

// Options says what the suite runs on.
type Options struct {
	// New returns a Deliverer that may reach the loopback interface over plain http,
	// and no other address that is not public. It is called once a case.
	New func(t testing.TB) webhooks.Deliverer
	// Forbidden is a URL that the Deliverer must refuse; empty is the address where
	// clouds keep the credentials of a machine.
	Forbidden string
}

// Run holds a Deliverer to the rules, each as a subtest.
func Run(t *testing.T, o Options) {
	t.Helper()
	if o.New == nil {
		t.Fatal("webhookstest: Options.New is missing")
	}
	for _, c := range cases {
		t.Run(c.rule+" "+c.name, func(t *testing.T) {
			r := NewReceiver(t)
			if err := c.run(newSubject(t.Context(), o.New(t), r, o.Forbidden)); err != nil {
				t.Errorf("%s: %s\n%s\n%v", c.rule, c.name, c.explanation, err)
			}
		})
	}
}

// Rules returns the rules of [Run], in their order.
func Rules() []ruletest.Rule {
	var all []ruletest.Rule
	for _, c := range cases {
		all = append(all, ruletest.Rule{ID: c.rule, Name: c.name, Explanation: c.explanation})
	}
	return all
}
