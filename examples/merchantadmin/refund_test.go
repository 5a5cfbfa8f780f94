package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// A delivered message as the merchant's own system got it.
type delivered struct {
	header http.Header
	body   []byte
}

// receive starts a receiver on the loopback and registers it for acme's orders. It
// returns the messages, and the secret that was shown once.
func (a *admin) receive() (<-chan delivered, string) {
	a.t.Helper()
	messages := make(chan delivered, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		messages <- delivered{r.Header.Clone(), body}
	}))
	a.t.Cleanup(server.Close)
	created := a.as("olivia", "POST", "/api/v1/webhooks/endpoints",
		`{"url":"`+server.URL+`/hook","event_types":["lumelle.orders.v1.*"],"description":"the shop's ERP"}`).want(http.StatusCreated)
	secret := created.text("secret")
	if !strings.HasPrefix(secret, "whsec_") || created.text("status") != "enabled" {
		a.t.Fatalf("the endpoint is %s", created.body)
	}
	again := a.as("olivia", "GET", "/api/v1/webhooks/endpoints/"+created.text("id"), "").want(http.StatusOK)
	if strings.Contains(string(again.body), "whsec_") {
		a.t.Errorf("the secret is shown twice: %s", again.body)
	}
	return messages, secret
}

// A requestState is what the inbox says of a change request.
type requestState struct {
	State    string `json:"state"`
	Revision int    `json:"revision"`
}

func (a *admin) request(id string) (r requestState) {
	a.t.Helper()
	a.as("marco", "GET", "/api/v1/approvals/requests/"+id, "").want(http.StatusOK).json(&r)
	return r
}

// decide sends a decision about revision 1.
func (a *admin) decide(person, id, decision string) answer {
	a.t.Helper()
	return a.as(person, "POST", "/api/v1/approvals/requests/"+id+"/decisions",
		`{"decision":"`+decision+`","comment":"seen","revision":1}`)
}

func (a *admin) refund(person, order, amount string, header ...string) answer {
	a.t.Helper()
	return a.as(person, "POST", "/api/v1/orders/"+order+"/refund",
		`{"amount":"`+amount+`","currency":"EUR","reason":"damaged"}`, header...)
}

// refunded returns what the order says was refunded of it.
func (a *admin) refunded(order string) string {
	a.t.Helper()
	var list struct{ Items []listedOrder }
	a.as("sam", "GET", "/api/v1/orders?limit=1000", "").want(http.StatusOK).json(&list)
	i := slices.IndexFunc(list.Items, func(o listedOrder) bool { return o.ID == order })
	return list.Items[i].Refunded
}

func TestRefundIsDecidedApprovedAppliedRecordedAndTold(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		messages, secret := a.receive()
		order := a.order(150_00).ID

		trace := correlation.New()
		asked := a.refund("sam", order, "150.00", "traceparent", trace.Traceparent()).want(http.StatusAccepted)
		if asked.text("status") != "awaiting_approval" {
			t.Fatalf("the refund is %s", asked.body)
		}
		if own, ok := correlation.Parse(asked.header.Get("Traceparent")); !ok || own.TraceID != trace.TraceID || own.SpanID == trace.SpanID {
			t.Errorf("Traceparent is %q, want a span of its own in %s", asked.header.Get("Traceparent"), trace.TraceID)
		}
		id := asked.text("request_id")
		if again := a.refund("sam", order, "150.00").want(http.StatusAccepted); again.text("request_id") != id {
			t.Errorf("asking again opened another request: %s", again.body)
		}

		a.decide("sam", id, "approve").want(http.StatusForbidden)
		a.send("GET", "/api/v1/approvals/requests/"+id, "", "Authorization", "Bearer demo-nina", "X-Tenant", "bloom").want(http.StatusNotFound)
		a.send("GET", "/api/v1/approvals/requests/"+id, "", "Authorization", "Bearer demo-nina", "X-Tenant", "acme").want(http.StatusNotFound)
		if got := a.refunded(order); got != "0.00" {
			t.Fatalf("%s was refunded before anybody agreed", got)
		}

		a.decide("marco", id, "approve").want(http.StatusOK)
		a.decide("olivia", id, "approve").want(http.StatusConflict)
		eventually(t, "the refund", func() bool { return a.request(id).State == "applied" })
		if got := a.refunded(order); got != "150.00" {
			t.Errorf("refunded is %s, want 150.00", got)
		}

		message := <-messages
		checkMessage(t, message, secret, trace.TraceID, order)
		a.checkTimeline(trace.TraceID)
		a.checkRecord(trace.TraceID, id, order)
	})
}

// checkMessage accepts what the receiver got as any Standard Webhooks receiver would.
func checkMessage(t *testing.T, m delivered, secret, traceID, order string) {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(m.body, m.header); err != nil {
		t.Errorf("the public library refuses the message: %v", err)
	}
	var event struct {
		SpecVersion string            `json:"specversion"`
		Type        string            `json:"type"`
		Data        map[string]string `json:"data"`
	}
	if err := json.Unmarshal(m.body, &event); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"order_id": order, "amount": "150.00", "currency": "EUR", "reason": "damaged"}
	if event.SpecVersion != "1.0" || event.Type != typeRefunded || len(event.Data) != len(want) {
		t.Errorf("the message is %s", m.body)
	}
	for name, value := range want {
		if event.Data[name] != value {
			t.Errorf("data.%s is %q, want %q", name, event.Data[name], value)
		}
	}
	if got, ok := correlation.Parse(m.header.Get("Traceparent")); !ok || got.TraceID != traceID {
		t.Errorf("the delivery's traceparent is %q, want trace %s", m.header.Get("Traceparent"), traceID)
	}
}

// checkTimeline wants the five kinds of entries in the order in which they first
// happened, each not before the one above it.
func (a *admin) checkTimeline(traceID string) {
	a.t.Helper()
	kinds := []string{"decision", "approval", "audit", "delivery", "attempt"}
	var first []string
	var timeline struct {
		Items []struct{ At, Kind, ID, Summary string }
	}
	eventually(a.t, "the attempt in the timeline", func() bool {
		a.as("audra", "GET", "/api/v1/timeline?trace_id="+traceID, "").want(http.StatusOK).json(&timeline)
		first = nil
		for _, e := range timeline.Items {
			if !slices.Contains(first, e.Kind) {
				first = append(first, e.Kind)
			}
		}
		return slices.Contains(first, "attempt")
	})
	if !slices.Equal(first, kinds) {
		a.t.Errorf("the kinds of the timeline first stand in the order %q, want %q", first, kinds)
	}
	if !slices.IsSortedFunc(timeline.Items, func(x, y struct{ At, Kind, ID, Summary string }) int { return strings.Compare(x.At, y.At) }) {
		a.t.Errorf("the timeline is out of order: %v", timeline.Items)
	}
	var elsewhere struct{ Items []any }
	a.send("GET", "/api/v1/timeline?trace_id="+traceID, "", "Authorization", "Bearer demo-nina").want(http.StatusOK).json(&elsewhere)
	if len(elsewhere.Items) != 0 {
		a.t.Errorf("another merchant sees %d entries of the trace", len(elsewhere.Items))
	}
}

// checkRecord wants one record of the applied refund, on behalf of sam.
func (a *admin) checkRecord(traceID, requestID, order string) {
	a.t.Helper()
	var log struct {
		Items []struct {
			Actor      struct{ Type, ID string }
			OnBehalfOf struct{ ID string }   `json:"on_behalf_of"`
			ApprovedBy []struct{ ID string } `json:"approved_by"`
			ApprovalID string                `json:"approval_id"`
			Resource   struct{ ID string }
			TraceID    string `json:"trace_id"`
		}
	}
	a.as("audra", "GET", "/api/v1/audit/events?action=orders.refund&outcome=success&trace_id="+traceID, "").want(http.StatusOK).json(&log)
	if len(log.Items) != 1 {
		a.t.Fatalf("the refund is recorded %d times, want once", len(log.Items))
	}
	e := log.Items[0]
	if e.Actor.Type != "system" || e.OnBehalfOf.ID != "sam" || len(e.ApprovedBy) != 1 || e.ApprovedBy[0].ID != "marco" ||
		e.ApprovalID != requestID || e.Resource.ID != order || e.TraceID != traceID {
		a.t.Errorf("the record is %+v", e)
	}
}

func TestLargeRefundAsksForStepUpFirst(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		order := a.order(1200_00).ID

		asked := a.refund("sam", order, "1200.00").want(http.StatusUnauthorized)
		if !strings.HasSuffix(asked.text("type"), "step_up_required") {
			t.Errorf("the problem is %s", asked.body)
		}
		challenge := asked.header.Get("WWW-Authenticate")
		if !strings.HasPrefix(challenge, "Bearer ") || !strings.Contains(challenge, `error="insufficient_user_authentication"`) ||
			!strings.Contains(challenge, `max_age="300"`) {
			t.Errorf("the challenge is %q", challenge)
		}

		id := a.refund("sam", order, "1200.00", "X-Demo-Step-Up", "now").want(http.StatusAccepted).text("request_id")
		a.decide("marco", id, "approve").want(http.StatusOK)
		eventually(t, "the refund", func() bool { return a.request(id).State == "applied" })
		if got := a.refunded(order); got != "1200.00" {
			t.Errorf("refunded is %s, want 1200.00", got)
		}
	})
}

func TestSmallRefundIsAppliedAtOnceAndOncePerKey(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		order := a.order(100_00).ID
		first := a.refund("sam", order, "100.00", "Idempotency-Key", "k1").want(http.StatusOK)
		again := a.refund("sam", order, "100.00", "Idempotency-Key", "k1").want(http.StatusOK)
		if first.text("status") != "applied" || first.text("refund_id") == "" || string(again.body) != string(first.body) {
			t.Errorf("the answers are %s and %s", first.body, again.body)
		}
		a.refund("sam", order, "99.00", "Idempotency-Key", "k1").want(http.StatusConflict)
		if got := a.refunded(order); got != "100.00" {
			t.Errorf("refunded is %s, want 100.00", got)
		}
	})
}

func TestRefusedRefundIsRecordedAndChangesNothing(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	order := a.order(100_00).ID
	for _, person := range []string{"audra", "dana"} {
		if refused := a.refund(person, order, "5.00").want(http.StatusForbidden); !strings.Contains(string(refused.body), "no_matching_rule") {
			t.Errorf("%s is told %s", person, refused.body)
		}
	}
	var log struct {
		Items []struct{ Actor struct{ ID string } }
	}
	a.as("audra", "GET", "/api/v1/audit/events?action=orders.refund&outcome=denied", "").want(http.StatusOK).json(&log)
	if len(log.Items) != 2 || a.refunded(order) != "0.00" {
		t.Errorf("%d denials are recorded and %s refunded, want 2 and 0.00", len(log.Items), a.refunded(order))
	}
}

func TestRequestWhoseOrderMovedFailsWithAConflict(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		order := a.order(300_00).ID
		id := a.refund("sam", order, "150.00").want(http.StatusAccepted).text("request_id")
		a.refund("sam", order, "20.00").want(http.StatusOK)
		a.decide("marco", id, "approve").want(http.StatusOK)
		eventually(t, "the failure", func() bool { return a.request(id).State == "failed" })
		if got := a.refunded(order); got != "20.00" {
			t.Errorf("refunded is %s, want 20.00", got)
		}
	})
}

func TestPublishedEventsAreTakenOnceAllOrNone(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		messages, _ := a.receive()
		const event = `{"specversion":"1.0","id":"%","source":"/erp","type":"lumelle.orders.v1.shipped","subject":"order/o-1","data":{"parcel":"7"}}`
		publish := func(person, body string) answer {
			return a.as(person, "POST", "/api/v1/events", body, "Content-Type", "application/cloudevents+json")
		}
		one := strings.Replace(event, "%", "one", 1)
		if got := string(publish("dana", one).want(http.StatusAccepted).body); got != `{"accepted":["one"]}`+"\n" {
			t.Errorf("the answer is %s", got)
		}
		publish("dana", one).want(http.StatusAccepted)
		publish("audra", strings.Replace(event, "%", "two", 1)).want(http.StatusForbidden)
		batch := "[" + strings.Replace(event, "%", "three", 1) + `,{"specversion":"1.0","id":"four","source":"/erp"}]`
		refused := a.as("dana", "POST", "/api/v1/events", batch, "Content-Type", "application/cloudevents-batch+json").want(http.StatusBadRequest)
		if !strings.Contains(string(refused.body), `"pointer":"/1/type"`) {
			t.Errorf("the problem is %s", refused.body)
		}
		a.as("dana", "POST", "/api/v1/events", `{"parcel":"8"}`, "ce-specversion", "1.0", "ce-id", "five", "ce-source", "/erp",
			"ce-type", "lumelle.orders.v1.shipped").want(http.StatusAccepted)

		var ids []string
		for range 2 {
			var got struct{ ID string }
			if err := json.Unmarshal((<-messages).body, &got); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, got.ID)
		}
		if slices.Sort(ids); !slices.Equal(ids, []string{"five", "one"}) {
			t.Errorf("the receiver was told of %q, want five and one", ids)
		}
		var log struct{ Items []struct{ ID string } }
		a.as("audra", "GET", "/api/v1/audit/events?category=domain", "").want(http.StatusOK).json(&log)
		if len(log.Items) != 2 {
			t.Errorf("%d events are recorded, want 2", len(log.Items))
		}
	})
}
