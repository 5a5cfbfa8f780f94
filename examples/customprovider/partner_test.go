package customprovider

import (
	"testing"

	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

func TestPartner(t *testing.T) {
	webhookstest.Run(t, webhookstest.Options{New: func(t testing.TB) webhooks.Deliverer {
		p, err := NewPartner("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if planted(t) {
			return forgetful{p}
		}
		return p
	}})
}

func TestPartnerNeedsItsHosts(t *testing.T) {
	for _, hosts := range [][]string{nil, {""}, {"a.example.com", ""}} {
		if _, err := NewPartner(hosts...); err == nil {
			t.Errorf("a partner with the hosts %q was made", hosts)
		}
	}
}
