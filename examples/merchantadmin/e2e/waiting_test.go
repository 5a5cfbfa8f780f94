package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// A key may be as long as a line, and has no place to break.
func TestLongNamesStayWithinThePage(t *testing.T) {
	key := strings.Repeat("checkout", 12)
	var made any
	call(t, "dana", "POST", "/flags", `{"key": "`+key+`", "type": "release", "owner": "`+key+`", "description": "`+key+`"}`, &made)
	var rule struct{ ID string }
	call(t, "dana", "POST", "/automation/rules", `{"name": "`+key+`", "automation_environment": "prod", "trigger": {"type": "order.refunded"},
		"conditions": {"path": "/data/`+key+`", "op": "eq", "value": "`+key+`"}, "steps": [{"name": "say", "action": "notify.log", "with": {"message": "`+key+`"}}]}`, &rule)
	var asked struct {
		ID string `json:"request_id"`
	}
	call(t, "dana", "POST", "/flags?reason="+key, `{"key": "waits-with-a-reason", "type": "ops"}`, &asked)
	t.Cleanup(func() {
		var cancelled any
		call(t, "dana", "POST", "/approvals/requests/"+asked.ID+"/cancel", `{"reason": "it was a trial"}`, &cancelled)
	})
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			l := look{true, scheme, width}
			t.Run(l.String(), func(t *testing.T) {
				b := open(t, l)
				b.signIn("dana")
				for path, name := range map[string]string{
					"/flags": "flags with a long name", "/flags/" + key: "flag with a long name",
					"/automations": "automations with a long name", "/automations/" + rule.ID: "automation with a long name",
					"/approvals": "inbox with a long reason",
				} {
					b.visit(path)
					b.on(name, "main .card")
				}
			})
		}
	}
}

// oneLine tells whether the entries of the bar stand side by side.
const oneLine = `(() => {
	const box = s => document.querySelector(s).getBoundingClientRect();
	return new Set([...document.querySelectorAll(".bar nav li")].map(e => e.offsetTop)).size === 1 &&
		box(".bar nav").top < box(".brand").bottom && box(".who").top < box(".bar nav").bottom;
})()`

// The badge of the inbox is wider the more waits, and the owner of several merchants has
// the widest bar of all.
func TestNavigationStaysOnOneLineWhileManyWait(t *testing.T) {
	for i := range 12 {
		var asked struct {
			ID string `json:"request_id"`
		}
		call(t, "dana", "POST", "/flags", `{"key": "waits-`+strconv.Itoa(i)+`", "type": "ops"}`, &asked)
		t.Cleanup(func() {
			var cancelled any
			call(t, "dana", "POST", "/approvals/requests/"+asked.ID+"/cancel", `{"reason": "it was a trial"}`, &cancelled)
		})
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, person := range []string{"dana", "olivia"} {
			t.Run(person+", "+scheme, func(t *testing.T) {
				b := open(t, look{script: true, scheme: scheme, width: 1280})
				b.signIn(person)
				b.visit("/approvals")
				b.on("inbox of "+person, "#inbox .rows")
				if waiting, err := strconv.Atoi(b.text(".bar .count", "firstChild.data")); err != nil || waiting < 10 {
					t.Fatalf("the badge has no two digits: %d, %v", waiting, err)
				}
				one, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](oneLine))
				if err != nil {
					t.Fatal(err)
				}
				if !one {
					t.Error("the bar takes two lines")
				}
			})
		}
	}
}
