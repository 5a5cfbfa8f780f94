package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
)

func TestAutomationThroughThePages(t *testing.T) {
	orders := largeOrders(t)
	inEveryLook(t, func(t *testing.T, n int, l look) { automate(t, l, orders[len(orders)-1-n]) })
}

// automate walks one automation: dana begins at an order, builds a rule that asks and
// then tells, tests it and enables it; sam refunds, marco agrees, and dana follows the
// run.
func automate(t *testing.T, l look, order string) {
	dana := open(t, l)
	dana.signIn("dana")
	dana.visit("/orders/" + order)
	dana.on("order that offers an automation", `a[href^="/automations/new"]`)
	dana.click(`a[href^="/automations/new"]`)
	dana.on("automation that begins with an order", `input[name="when.path"][value="/data/order_id"]`)
	dana.fill(`input[name="name"]`, "Ask, then tell, about "+order)
	dana.click(`button[value="step.add.approval.request"]`)
	dana.on("automation with a step", `textarea[name="step.0.with"]`)
	dana.click(`button[value="step.add.notify.log"]`)
	dana.on("automation with two steps", `textarea[name="step.1.with"]`)
	dana.fill(`textarea[name="step.1.with"]`, `{"message": "{{ /data/amount }} came back"}`)
	dana.click("#test")
	dana.on("automation that was tested", "#tested .steps")
	dana.fill(`textarea[name="step.1.with"]`, `{"massage": 1}`)
	dana.click("#save")
	dana.on("automation that is refused", ".note.bad")
	dana.fill(`textarea[name="step.1.with"]`, `{"message": "{{ /data/amount }} came back"}`)
	dana.click("#save")
	dana.on("automation", "#enable")
	rule := dana.address()
	dana.click("#enable button")
	dana.on("automation that is enabled", ".head .pill.good")
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
	request := dana.text(".note.wait a", "pathname")
	marco := open(t, l)
	marco.signIn("marco")
	marco.visit(request)
	marco.on("request of a step", "#decide button[value=approve]")
	marco.approve(request)
	dana.reload(run, "#rerun")
	dana.click("#steps details summary")
	dana.on("run that ended", "#steps details[open] pre")
	dana.visit("/runs?status=succeeded")
	dana.on("runs", "#runlist .rows")
	sam.click(`.note.good a[href^="/timeline"]`)
	sam.on("timeline that ends in a run", `.steps a[href^="/runs/"]`)
}

// text returns a property of the first element that the selector finds.
func (b *tab) text(selector, property string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector(`+quote(selector)+`).`+property))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}
