package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestAutomationPages(t *testing.T) {
	orders := largeOrders(t)
	inEveryLook(t, func(t *testing.T, n int, l look) { automate(t, l, orders[len(orders)-1-n]) })
}

// automate walks one automation: dana begins at an order, builds a rule that asks and
// then tells, tests it and enables it; sam refunds, marco agrees, and dana follows the
// run, repeats it and ends both.
func automate(t *testing.T, l look, order string) {
	name := "Ask, then tell, about " + order
	dana := open(t, l)
	dana.signIn("dana")
	dana.visit("/orders/" + order)
	dana.on("order that offers an automation", `a[href^="/automations/new"]`)
	dana.click(`a[href^="/automations/new"]`)
	dana.on("automation that begins with an order", `input[name="when.path"][value="/data/order_id"]`)
	dana.fill(`input[name="name"]`, name)
	dana.click(`button[value="step.add.approval.request"]`)
	dana.on("automation with a step", `textarea[name="step.0.with"]`)
	dana.click(`button[value="step.add.notify.log"]`)
	dana.on("automation with two steps", `textarea[name="step.1.with"]`)
	dana.fill(`textarea[name="step.1.with"]`, `{"message": "{{ /data/amount }} came back"}`)
	dana.click("#test")
	dana.on("automation that was tested", "#tested .steps .good + .good")
	if dana.hasRule(name) {
		t.Error("a test keeps the rule")
	}
	dana.click("#save")
	dana.on("automation", "#enable")
	rule := dana.address()
	dana.click("#enable button")
	dana.on("automation that is enabled", ".head .pill.good")
	dana.took(6, "automate what follows refunds of an order")
	api := "/automation" + strings.Replace(rule, "automations", "rules", 1)
	dana.reads(api, map[string]string{
		"name": quoted(name), "enabled": `true`, "version": `1`, "owner/id": `"dana"`, "trigger/type": `"order.refunded"`,
		"conditions":     `{"path": "/data/order_id", "op": "eq", "value": "` + order + `"}`,
		"steps/0/action": `"approval.request"`, "steps/1/action": `"notify.log"`, "steps/1/with": `{"message": "{{ /data/amount }} came back"}`, "steps/2": `null`,
	})

	dana.click("#steps a[role=button]")
	dana.on("automation to edit", "#save")
	dana.fill(`textarea[name="step.1.with"]`, `{"massage": 1}`)
	dana.click("#save")
	dana.on("automation that is refused", "textarea[aria-invalid]")
	dana.reads(api, map[string]string{"version": `1`})
	dana.visit("/automations")
	dana.on("automations", "#rules .rows")

	sam := open(t, l)
	sam.signIn("sam")
	sam.visit("/orders/" + order)
	sam.ask("9.00", "late")
	sam.on("order that was refunded", ".note.good")
	dana.reload(rule, "#runs .pill.wait")
	dana.click("#runs th a")
	dana.on("run that waits", ".note.wait a")
	run := dana.address()
	dana.click(".note.wait a")
	dana.on("request of a step, of one's own", "#request")
	dana.took(2, "find what a run waits for")
	request := dana.address()
	marco := open(t, l)
	marco.signIn("marco")
	marco.visit("/approvals")
	marco.click(`a[href="` + request + `"]`)
	marco.on("request of a step", "#decide button[value=approve]")
	marco.approve(request)
	dana.reload(run, "#rerun")
	dana.click("#steps details summary")
	dana.on("run that ended", "#steps details[open] pre")
	dana.took(1, "see what a step was given and answered")
	id := strings.TrimPrefix(run, "/runs/")
	dana.reads("/automation"+run, map[string]string{
		"id": quoted(id), "status": `"succeeded"`, "rule_version": `1`, "owner/id": `"dana"`,
		"event/data/order_id": quoted(order), "event/data/amount": `"9.00"`,
		"steps/0/status": `"succeeded"`, "steps/0/output/decision": `"approved"`, "steps/0/output/request_id": quoted(strings.TrimPrefix(request, "/approvals/")),
		"steps/1/status": `"succeeded"`, "steps/1/input": `{"message": "9.00 came back"}`, "steps/2": `null`,
	})
	dana.visit("/runs?status=succeeded")
	dana.on("runs", "#runlist .rows")
	sam.click(`.note.good a[href^="/timeline"]`)
	sam.on("timeline that ends in a run", `.steps a[href="`+run+`"]`)

	dana.visit(run)
	dana.fill("#rerun input[name=reason]", "once more")
	dana.click("#rerun button")
	dana.on("run that repeats another", "#cancel")
	again := dana.address()
	dana.took(1, "repeat a run")
	dana.fill("#cancel input[name=reason]", "once was enough")
	dana.click("#cancel button")
	dana.on("run that was cancelled", "#rerun")
	dana.took(1, "cancel a run")
	dana.reads("/automation"+again, map[string]string{"parent_id": quoted(id), "status": `"cancelled"`, "event/data/order_id": quoted(order)})
	dana.visit(rule)
	dana.fill("#disable input[name=reason]", "it was a trial")
	dana.click("#disable button")
	dana.on("automation that is off again", "#enable")
	dana.took(1, "disable an automation")
	dana.reads(api, map[string]string{"enabled": `false`})
}

// hasRule reports whether the API knows a rule of that name.
func (b *tab) hasRule(name string) bool {
	b.t.Helper()
	var list struct{ Items []struct{ Name string } }
	call(b.t, "dana", "GET", "/automation/rules?limit=1000", "", &list)
	for _, rule := range list.Items {
		if rule.Name == name {
			return true
		}
	}
	return false
}

// quoted is a text as JSON.
func quoted(s string) string { return strconv.Quote(s) }

// text returns a property of the first element that the selector finds.
func (b *tab) text(selector, property string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector(`+quote(selector)+`).`+property))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}
