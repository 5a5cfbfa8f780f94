package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage/sqlite"
)

func TestDecisionsAreAnsweredOverAuthZEN(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	question := func(person, amount string) string {
		return `{"subject":{"type":"user","id":"` + person + `"},"action":{"name":"orders.refund","properties":{"amount":"` + amount +
			`"}},"resource":{"type":"order","id":"acme-1200"}}`
	}
	for _, c := range []struct {
		name, person, amount string
		decision             bool
		says                 string
	}{
		{"support refunds little at once", "sam", "100.00", true, ""},
		{"more than 100.00 needs approval", "sam", "100.01", false, "approval"},
		{"more than 1,000.00 needs step-up", "marco", "1000.01", false, "step_up"},
		{"an auditor does not refund", "audra", "1.00", false, "no_matching_rule"},
		{"a stranger does not refund", "nina", "1.00", false, "no_matching_rule"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var answer struct{ Decision bool }
			got := a.as("olivia", "POST", "/access/v1/evaluation", question(c.person, c.amount)).want(http.StatusOK)
			got.json(&answer)
			if answer.Decision != c.decision || !strings.Contains(string(got.body), c.says) {
				t.Errorf("the answer is %s, want %t with %q", got.body, c.decision, c.says)
			}
		})
	}
	var batch struct{ Evaluations []struct{ Decision bool } }
	a.as("olivia", "POST", "/access/v1/evaluations", `{"evaluations":[`+question("sam", "5.00")+`,`+question("dana", "5.00")+`]}`).want(http.StatusOK).json(&batch)
	if len(batch.Evaluations) != 2 || !batch.Evaluations[0].Decision || batch.Evaluations[1].Decision {
		t.Errorf("the batch is answered with %+v", batch)
	}
}

func TestRequestThatIsTakenBackOrDeclinedChangesNothing(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		order := a.order(400_00).ID
		first := a.refund("sam", order, "150.00", "Idempotency-Key", "ask").want(http.StatusAccepted)
		again := a.refund("sam", order, "150.00", "Idempotency-Key", "ask").want(http.StatusAccepted)
		if string(first.body) != string(again.body) {
			t.Errorf("the same key is answered with %s and %s", first.body, again.body)
		}
		cancelled := first.text("request_id")
		a.as("sam", "POST", "/api/v1/approvals/requests/"+cancelled+"/cancel", `{"reason":"a mistake"}`).want(http.StatusOK)
		a.decide("marco", cancelled, "approve").want(http.StatusConflict)

		declined := a.refund("sam", order, "160.00").want(http.StatusAccepted).text("request_id")
		a.decide("marco", declined, "decline").want(http.StatusOK)
		a.decide("olivia", declined, "approve").want(http.StatusConflict)

		for id, want := range map[string]string{cancelled: "cancelled", declined: "rejected"} {
			if got := a.request(id).State; got != want {
				t.Errorf("the request is %s, want %s", got, want)
			}
		}
		var inbox struct{ Counts map[string]int }
		a.as("marco", "GET", "/api/v1/approvals/requests?tab=Done", "").want(http.StatusOK).json(&inbox)
		if inbox.Counts["Pending"] != 0 || inbox.Counts["Done"] != 2 {
			t.Errorf("the inbox counts %v, want 2 done", inbox.Counts)
		}
		if got := a.refunded(order); got != "0.00" {
			t.Errorf("refunded is %s, want 0.00", got)
		}
	})
}

func TestManagerMayNotApproveTheirOwnRefund(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	order := a.order(150_00).ID
	id := a.refund("marco", order, "150.00").want(http.StatusAccepted).text("request_id")
	a.decide("marco", id, "approve").want(http.StatusForbidden)
	a.decide("sam", id, "approve").want(http.StatusForbidden)
	a.decide("olivia", id, "approve").want(http.StatusOK)
	eventually(t, "the refund", func() bool { return a.request(id).State == "applied" })
}
