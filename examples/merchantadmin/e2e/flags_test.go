package e2e

import (
	"strconv"
	"testing"
)

func TestFlagThroughThePages(t *testing.T) {
	inEveryLook(t, func(t *testing.T, n int, l look) { flag(t, l, "checkout-"+strconv.Itoa(n)) })
}

// flag walks one flag: dana makes it, builds a rule, sees whom it means, publishes it,
// and kills it.
func flag(t *testing.T, l look, key string) {
	dana := open(t, l)
	dana.signIn("dana")
	dana.visit("/flags")
	dana.on("flags", "#flags .rows")
	dana.fill("#new input[name=key]", key)
	dana.fill("#new input[name=owner]", "web")
	dana.click("#new form > button")
	dana.on("flag that is new", "#kill")

	draft := "/flags/" + key + "/draft?environment=prod"
	dana.visit("/flags/" + key + "?environment=prod")
	dana.on("flag in production", "#rules a[role=button]")
	dana.click("#rules a[role=button]")
	dana.on("draft without rules", "#rule-add")
	dana.click("#rule-add")
	dana.on("draft with a rule", `.rule input[name="rule.0.name"]`)
	dana.fill(`input[name="rule.0.name"]`, "our own store")
	dana.fill(`input[name="rule.0.when.path"]`, "storeId")
	dana.fill(`select[name="rule.0.when.op"]`, "in")
	dana.fill(`input[name="rule.0.when.value"]`, "acme-online, acme-berlin")
	dana.click(`button[value="rule.0.when.add"]`)
	dana.on("draft with a second clause", ".clause:nth-of-type(2) input")
	dana.click(`button[value="rule.0.when.remove.1"]`)
	dana.on("draft with one clause", ".clause:first-of-type + .buttons")
	dana.fill(`select[name="rule.0.serve"]`, "on")
	dana.click("input[name=enabled]")
	dana.fill("select[name=default]", "off")
	dana.fill("select[name=off]", "off")
	dana.click("#preview")
	dana.on("draft with its impact", "#impact .pill.good")
	dana.fill("#publish input[name=reason]", "our own store first")
	dana.click("#publish button")
	dana.on("flag that was published", "#rules .sentences strong")
	dana.click("#history summary")
	dana.on("flag with a change", "#history details[open] .diff")

	dana.fill("#override input[name=subject]", "acme-milan")
	dana.fill("#override input[name=reason]", "to see it")
	dana.click("#override button")
	dana.on("flag with an override", "#overrides .rows")
	dana.fill("#kill input[name=reason]", "it burns")
	dana.click("#kill button")
	dana.on("flag that was killed", "#restore")
	dana.visit(draft)
	dana.click(`button[value="rule.0.json"]`)
	dana.on("draft with a rule as JSON", "textarea[name='rule.0.json']")
	dana.visit("/flags")
	dana.on("flags with warnings", "#flags .pill.bad")
}
