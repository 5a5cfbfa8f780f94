package webhookstest_test

import (
	"net/netip"
	"testing"

	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

// An author of a Deliverer holds it to the rules with one call.
func ExampleRun() {
	_ = func(t *testing.T) { // TestDeliverer
		webhookstest.Run(t, webhookstest.Options{New: func(t testing.TB) webhooks.Deliverer {
			d, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}})
	}
}
