package flagstest

import (
	"fmt"
	"math"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// splitRules are about the flag half.
var splitRules = []rule{
	{id: "FP-015", name: "a split gives each variant its share", run: shares,
		explanation: "Half is half: of many merchants, each arm gets as many as chance allows for, and nobody gets something else."},
	{id: "FP-016", name: "the unit of a split is the merchant, and the key where there is none", run: units,
		explanation: "All people of a merchant see the same. A split by whatever else is at hand shows two of them two admins."},
	{id: "FP-017", name: "a split without a unit is an error", run: unitless,
		explanation: "TARGETING_KEY_MISSING says that the host forgot something. A random arm would hide it, and change with every request."},
}

func shares(e *env) {
	const n = 4000
	got := map[string]int{}
	for i := range n {
		got[e.ask(e.ctx, "half", subject(fmt.Sprintf("subject-%d", i), fmt.Sprintf("merchant-%d", i))).Variant]++
	}
	// Four standard deviations of a fair coin: one provider of 16,000 is unlucky, and
	// as its hash is fixed it always is or never.
	if off := math.Abs(float64(got["on"]) - n/2); off > 4*math.Sqrt(n/4) || got["on"]+got["off"] != n {
		e.Errorf("of %d merchants the arms got %v, want %d each", n, got, n/2)
	}
}

func units(e *env) {
	arms := map[string]bool{}
	for i := range 100 {
		merchant := fmt.Sprintf("merchant-%d", i)
		first := e.ask(e.ctx, "half", subject("ann", merchant))
		for _, key := range []string{"bob", "cyd", ""} {
			if got := e.ask(e.ctx, "half", subject(key, merchant)); got.Variant != first.Variant || got.Err != nil {
				e.Fatalf("for %q of %s half is %s, for ann of the same merchant %s", key, merchant, told(got), told(first))
			}
		}
		arms[e.ask(e.ctx, "half", subject(fmt.Sprintf("subject-%d", i), "")).Variant] = true
	}
	if !arms["on"] || !arms["off"] {
		e.Errorf("100 subjects without a merchant all get %v", arms)
	}
}

func unitless(e *env) {
	empty := subject("", "")
	empty.Attributes[flags.AttrMerchant] = targeting.String("")
	for name, s := range map[string]*flags.Subject{"without a key": subject("", ""), "whose merchant is empty": empty} {
		if got := e.ask(e.ctx, "half", s); got.Err == nil || got.Err.Code != flags.CodeTargetingKeyMissing {
			e.Errorf("half for a subject %s is %s, want TARGETING_KEY_MISSING", name, told(got))
		}
	}
}
