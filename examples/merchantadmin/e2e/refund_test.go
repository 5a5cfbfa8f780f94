package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// signIn picks a person at the door.
func (b *tab) signIn(person string) {
	b.t.Helper()
	b.visit("/login")
	b.on("door", ".people")
	b.click(`form:has(input[value="` + person + `"]) button`)
	b.on("orders", "main .rows")
}

// largeOrders returns orders of acme above 1,200.00 that nobody refunded.
func largeOrders(t *testing.T) []string {
	t.Helper()
	var list struct {
		Items []struct{ ID, Total, Refunded string }
	}
	call(t, "sam", "GET", "/orders?limit=1000", "", &list)
	var ids []string
	for _, o := range list.Items {
		// Of amounts of four digits before the point, those from 1,300.00.
		if len(o.Total) == len("1300.00") && o.Total >= "1300.00" && o.Refunded == "0.00" {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

func TestRefundThroughThePages(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	orders := largeOrders(t)
	inEveryLook(t, func(t *testing.T, n int, l look) { refund(t, l, orders[n], receiver.URL) })
}

// refund walks one refund: dana lets the merchant's system be told, sam asks, marco
// agrees, and all that is known of it is looked at.
func refund(t *testing.T, l look, order, receiver string) {
	dana := open(t, l)
	dana.signIn("dana")
	dana.visit("/webhooks")
	dana.on("endpoints", "#new form")
	dana.fill("#new input[name=url]", receiver+"/"+order)
	dana.click("#new button")
	dana.on("endpoint with its secret", ".secret")

	sam := open(t, l)
	sam.signIn("sam")
	sam.visit("/inventory")
	sam.on("inventory", "main .rows tbody .pill")
	sam.visit("/payouts")
	sam.on("payouts", "main .rows tbody .pill")
	sam.visit("/orders/" + order)
	sam.on("order", "#refund form")
	sam.ask("0", "broken")
	sam.on("order with an error at its field", "#amount-error")
	sam.ask("1250.00", "broken")
	sam.on("step-up", `form[action="/step-up"]`)
	sam.click(`form[action="/step-up"] button`)
	sam.on("order after the step-up", `input[name=amount][value="1250.00"]`)
	sam.click("#refund button")
	sam.on("request of one's own", "#request")
	request := sam.address()

	marco := open(t, l)
	marco.signIn("marco")
	marco.visit("/approvals")
	marco.on("inbox", "#inbox .rows")
	marco.click(`a[href="` + request + `"]`)
	marco.on("request", "#decide button[value=approve]")
	marco.click("#decide button[value=decline]")
	marco.on("request with an error at its field", "#comment-error")
	marco.fill("#decide textarea", "It was broken.")
	marco.approve(request)
	marco.on("request that was applied", "#request .head .pill.good")

	marco.visit("/audit?action=orders.refund")
	marco.on("log", "#events .rows")
	marco.click("#events summary")
	marco.on("log with details", "#events details[open] .diff")
	marco.seeDelivery()
	marco.click(`a[href^="/timeline"]`)
	marco.on("timeline", ".steps")
	sam.visit("/orders/" + order)
	sam.on("order that was refunded", ".rows")
}

// ask fills in the form of a refund and sends it.
func (b *tab) ask(amount, reason string) {
	b.t.Helper()
	b.fill("#refund input[name=amount]", amount)
	b.fill("#refund input[name=reason]", reason)
	b.click("#refund button")
}

// approve agrees and waits until the change is made: with JavaScript on the same
// page, which looks again by itself.
func (b *tab) approve(request string) {
	b.t.Helper()
	b.click("#decide button[value=approve]")
	b.do(chromedp.WaitNotPresent(chromedp.CSS("#decide")))
	if b.look.script {
		return
	}
	b.reload(request, "#request .head .pill.good")
}

// seeDelivery looks at the list of deliveries and at one with its attempts.
func (b *tab) seeDelivery() {
	b.t.Helper()
	b.reload("/deliveries?status=succeeded", "#deliveries tbody a")
	b.on("deliveries", "#deliveries tbody a")
	b.click("#deliveries tbody th a")
	b.on("delivery", "main .facts")
}

// reload opens a page until it has an element, as a person would.
func (b *tab) reload(path, selector string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		b.visit(path)
		html, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.querySelector(`+quote(selector)+`) !== null`))
		if err != nil {
			b.t.Fatal(err)
		}
		if html {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s never has %s", path, selector)
		}
	}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }
