package e2e

import (
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestFlagsAndConfigPages(t *testing.T) {
	inEveryLook(t, func(t *testing.T, n int, l look) {
		flag(t, l, "checkout-"+strconv.Itoa(n))
		config(t, l, "limit-"+strconv.Itoa(n))
	})
}

// flag walks one flag: dana makes it, builds a rule, sees whom it means, publishes it,
// forces a variant, and kills it and takes that back.
func flag(t *testing.T, l look, key string) {
	dana := open(t, l)
	dana.signIn("dana")
	dana.visit("/flags")
	dana.on("flags", "#flags .rows")
	dana.fill("#new input[name=key]", key)
	dana.fill("#new input[name=owner]", "web")
	dana.click("#new form > button")
	dana.on("flag that is new", "#kill")
	dana.took(1, "create a flag")
	api := "/flags/" + key
	dana.reads(api, map[string]string{
		"type": `"release"`, "owner": `"web"`, "variants": `{"on": true, "off": false}`, "revision": `1`, "environments/prod/enabled": `false`,
	})

	dana.click("#rules a[role=button]")
	dana.on("draft without rules", "#rule-add")
	dana.click("#rule-add")
	dana.on("draft with a rule", `.rule input[name="rule.0.name"]`)
	dana.fill(`input[name="rule.0.name"]`, "our own stores")
	dana.fill(`input[name="rule.0.when.path"]`, "storeId")
	dana.fill(`select[name="rule.0.when.op"]`, "in")
	dana.fill(`input[name="rule.0.when.value"]`, "acme-online, acme-berlin")
	dana.fill(`select[name="rule.0.serve"]`, "on")
	dana.fill("select[name=default]", "off")
	dana.fill("select[name=off]", "off")
	dana.click("input[name=enabled]")
	dana.click("#preview")
	dana.on("draft with its impact", "#impact .pill.good")
	dana.reads(api, map[string]string{"revision": `1`, "environments/prod/enabled": `false`}) // a preview changes nothing
	dana.fill("#publish input[name=reason]", "our own stores first")
	dana.click("#publish button")
	dana.on("flag that was published", "#rules .sentences strong")
	dana.took(5, "publish a first rule")
	dana.reads(api, map[string]string{
		"revision": `2`, "environments/prod/enabled": `true`, "environments/prod/default_variant": `"off"`, "environments/prod/off_variant": `"off"`,
		"environments/prod/rules": `[{"name": "our own stores", "when": {"path": "storeId", "op": "in", "value": ["acme-online", "acme-berlin"]}, "serve": {"variant": "on"}}]`,
	})
	dana.reads(api+"/versions", map[string]string{"items/0/reason": `"our own stores first"`, "items/0/author/id": `"dana"`})
	dana.click("#history summary")
	dana.on("flag with a change", "#history details[open] .diff")
	dana.took(1, "see what a version changed")

	dana.fill("#override input[name=subject]", "acme-milan")
	dana.fill("#override select[name=variant]", "on")
	dana.fill("#override input[name=reason]", "to see it")
	dana.click("#override button")
	dana.on("flag with an override", "#overrides .rows")
	dana.took(1, "override a store")
	dana.reads(api, map[string]string{
		"environments/prod/overrides/0/kind": `"qa"`, "environments/prod/overrides/0/attribute": `"storeId"`, "environments/prod/overrides/0/subject": `"acme-milan"`,
		"environments/prod/overrides/0/variant": `"on"`, "environments/prod/overrides/0/reason": `"to see it"`, "environments/prod/overrides/1": `null`,
	})
	dana.serves(key, "acme-milan", "true")

	dana.fill("#kill input[name=reason]", "it burns")
	dana.click("#kill button")
	dana.on("flag that was killed", "#restore")
	dana.took(1, "kill a flag")
	dana.reads(api, map[string]string{"environments/prod/killed/reason": `"it burns"`, "environments/prod/killed/by": `"dana"`})
	dana.serves(key, "acme-milan", "false")

	dana.click("#rules a[role=button]")
	dana.on("draft of a flag that is killed", ".rule")
	dana.click(`button[value="rule.0.when.add"]`)
	dana.on("draft with a second clause", ".clause:nth-of-type(2) input")
	if l.script && dana.text(":focus", "id") != "rule.0.when.add" {
		t.Error("whoever adds a clause loses the place in the form")
	}
	dana.click(`button[value="rule.0.when.remove.1"]`)
	dana.on("draft with one clause", ".clause:first-of-type + .buttons")
	dana.click(`button[value="rule.0.json"]`)
	dana.on("draft with a rule as JSON", "textarea[name='rule.0.json']")
	dana.click(`button[value="rule.0.fields"]`)
	dana.on("draft with a rule as fields again", `input[name="rule.0.name"]`)
	dana.visit("/flags")
	dana.on("flags with warnings", "#flags .pill.bad")
	dana.click(`a[href="/flags/` + key + `?environment=prod"]`)
	dana.on("flag to restore", "#restore")
	dana.fill("#restore input[name=reason]", "mended")
	dana.click("#restore button")
	dana.on("flag that was restored", "#kill")
	dana.took(2, "restore a flag")
	dana.reads(api, map[string]string{"environments/prod/killed": `null`, "revision": `5`})
	dana.serves(key, "acme-online", "true")
}

// config walks one config key: dana asks for it, for what all stores get, and for an
// override of one; marco agrees.
func config(t *testing.T, l look, key string) {
	dana, marco := open(t, l), open(t, l)
	dana.signIn("dana")
	marco.signIn("marco")
	dana.visit("/flags")
	dana.fill("#new input[name=key]", key)
	dana.fill("#new select[name=type]", "config")
	dana.click("#new details summary")
	dana.fill("#new select[name=value_type]", "number")
	dana.fill("#new textarea[name=variants]", `{"small": 10, "large": 50}`)
	dana.fill("#new input[name=reason]", "limits differ by store")
	dana.click("#new form > button")
	dana.on("request of a config key", "#request")
	dana.took(2, "ask for a config key")
	marco.agree(dana.address())

	dana.visit("/flags")
	dana.click(`a[href="/flags/` + key + `?environment=prod"]`)
	dana.on("config key", "#override")
	dana.click("#rules a[role=button]")
	dana.on("draft of a config key", "input[name=enabled]")
	dana.fill("select[name=default]", "small")
	dana.click("input[name=enabled]")
	dana.click("#preview")
	dana.on("draft of a config key with its impact", "#publish")
	dana.fill("#publish input[name=reason]", "small is enough")
	dana.click("#publish button")
	dana.on("request of a default", "#request")
	dana.took(5, "ask for a default of all stores")
	dana.reads("/flags/"+key, map[string]string{"environments/prod/enabled": `false`, "revision": `1`})
	marco.agree(dana.address())

	dana.visit("/flags")
	dana.click(`a[href="/flags/` + key + `?environment=prod"]`)
	dana.on("config key with a default", "#override")
	dana.fill("#override input[name=subject]", "acme-milan")
	dana.fill("#override select[name=variant]", "large")
	dana.fill("#override select[name=kind]", "tenant")
	dana.fill("#override input[name=reason]", "a large store")
	dana.click("#override button")
	dana.on("request of an override", "#request")
	dana.took(2, "ask for an override")
	dana.reads("/flags/"+key, map[string]string{"environments/prod/overrides": `null`})
	marco.agree(dana.address())
	dana.visit("/flags/" + key + "?environment=prod")
	dana.on("config key with an override", "#overrides .rows")
	dana.reads("/flags/"+key, map[string]string{
		"type": `"config"`, "value_type": `"number"`, "variants": `{"small": 10, "large": 50}`, "revision": `3`,
		"environments/prod/enabled": `true`, "environments/prod/default_variant": `"small"`, "environments/prod/overrides/0/kind": `"tenant"`, "environments/prod/overrides/0/attribute": `"storeId"`,
		"environments/prod/overrides/0/subject": `"acme-milan"`, "environments/prod/overrides/0/variant": `"large"`,
	})
	dana.serves(key, "acme-milan", "50")
	dana.serves(key, "acme-online", "10")
}

// agree approves a request from the inbox.
func (b *tab) agree(request string) {
	b.t.Helper()
	b.visit("/approvals")
	b.click(`a[href="` + request + `"]`)
	b.on("request of a flag", "#decide button[value=approve]")
	b.click("#decide button[value=approve]")
	b.took(2, "agree")
	b.do(chromedp.WaitNotPresent(chromedp.CSS("#decide")))
	b.reload(request, "#request .head .pill.good")
}

// serves wants a flag to have a value for a store.
func (b *tab) serves(key, store, value string) {
	b.t.Helper()
	b.says("POST", "/flags/"+key+"/evaluate", `{"environment": "prod", "context": {"targetingKey": "`+store+`", "storeId": "`+store+`"}}`,
		map[string]string{"value": value})
}
