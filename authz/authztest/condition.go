package authztest

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/lumelle/adminkit/audit"
)

// conditionRules are about attributes.
var conditionRules = []rule{
	{
		id: "AU-012", name: "an amount at the threshold is not above it",
		explanation: "a threshold is a promise to the cent, on both of its sides",
		run: func(e *env) {
			e.want(refund(sam, "99.99"), audit.Allow)
			e.want(refund(sam, "100.00"), audit.Allow)
			e.want(refund(sam, "100.01"), audit.NeedsApproval)
		},
	},
	{
		id: "AU-013", name: "numbers compare exactly",
		explanation: "binary floating point takes an amount just above the threshold for the threshold itself",
		run: func(e *env) {
			e.want(refund(sam, "100.00000000000000000001"), audit.NeedsApproval)
			e.want(refund(sam, json.Number("100.00000000000000000001")), audit.NeedsApproval)
			e.want(refund(sam, "99.99999999999999999999"), audit.Allow)
		},
	},
	{
		id: "AU-014", name: "a number and its decimal string are the same amount",
		explanation: "money is written as a string and arrives as a number all the same; text order would put 99 above 100",
		run: func(e *env) {
			for _, amount := range []any{"100", "100.0000", "0100.00", json.Number("100"), json.Number("100.00"), json.Number("1e2"), 100.0} {
				e.want(refund(sam, amount), audit.Allow)
			}
			for _, amount := range []any{"101", json.Number("101"), json.Number("1.01e2"), 101.0} {
				e.want(refund(sam, amount), audit.NeedsApproval)
			}
		},
	},
	{
		id: "AU-015", name: "a missing attribute denies",
		explanation: "a condition that cannot be evaluated must not switch off the rule that asks for approval",
		run: func(e *env) {
			r := refund(sam, nil)
			e.want(r, audit.Deny)
			r.Payload = map[string]any{}
			e.want(r, audit.Deny)
			r.Payload = map[string]any{"Amount": "50.00"}
			e.want(r, audit.Deny)
			r.Payload = nil
			e.want(r, audit.Deny)
		},
	},
	{
		id: "AU-016", name: "an attribute that is no number denies",
		explanation: "what an engine cannot compare it must not let pass",
		run: func(e *env) {
			for _, amount := range []any{
				"", "lots", " 50", "50 ", "50,00", "0x10", "1e2", "+50", "5_0", "50.", ".5", "NaN", "Inf", "٥٠", "50.00 EUR",
				true, map[string]any{"value": "50"}, []any{"50"}, math.NaN(), math.Inf(1), math.Inf(-1),
				json.Number("1e999999999"), json.Number("NaN"), strings.Repeat("9", 100_000),
			} {
				if d := e.authorize(refund(sam, amount)); d.Effect == audit.Allow {
					e.Errorf("an amount of %.40v (%T) is allowed", amount, amount)
				}
			}
		},
	},
}
