package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A badInput is a request that must be refused with a problem that says where it is
// wrong, and must leave nothing behind.
type badInput struct {
	name           string
	person         string // sam where it is empty, nobody where it is "-"
	method, path   string // POST to the refund of an order where both are empty
	body           string
	header         []string
	status         int
	pointer        string // what one of the errors points at, where there are any
	says           string // what stands in the answer
	code           string // of OFREP, whose errors are no problem documents
	recordedDenial bool
}

// places are the objects of acme and of others that the cases point at.
type places struct {
	order, foreignOrder     string
	pending, foreignPending string
	endpoint, delivery      string
	foreignFlag             string
	rule, foreignRule       string
}

// refundCases are about the body of a refund.
func refundCases() []badInput {
	const good = `{"amount":"5.00","currency":"EUR","reason":"damaged"}`
	cases := []badInput{
		{name: "no body", status: 400},
		{name: "a body that is not JSON", body: "amount=5", status: 400},
		{name: "a body that is cut off", body: good[:20], status: 400},
		{name: "an array for an object", body: `[]`, status: 400},
		{name: "a string for an object", body: `"5.00"`, status: 400},
		{name: "null for an object", body: `null`, status: 422, pointer: "/amount"},
		{name: "two documents", body: good + good, status: 400},
		{name: "a byte order mark", body: "\ufeff" + good, status: 400},
		{name: "a comment", body: `{/*5*/"amount":"5.00"}`, status: 400},
		{name: "a trailing comma", body: `{"amount":"5.00",}`, status: 400},
		{name: "bytes that are not UTF-8", body: `{"amount":"5.00","currency":"EUR","reason":"` + "\xff" + `"}`, status: 400},
		{name: "half of a surrogate pair", body: `{"amount":"5.00","currency":"EUR","reason":"\ud800"}`, status: 400},
		{name: "a control character in a string", body: "{\"amount\":\"5.00\",\"reason\":\"a\tb\"}", status: 400},
		{name: "an unknown field", body: `{"amount":"5.00","currency":"EUR","reason":"r","approved":true}`, status: 400, pointer: "/approved"},
		{name: "a field that stands twice", body: `{"amount":"5.00","amount":"500.00","currency":"EUR","reason":"r"}`, status: 400, pointer: "/amount"},
		{name: "a field in another case", body: `{"Amount":"5.00","currency":"EUR","reason":"r"}`, status: 400, pointer: "/Amount"},
		{name: "a field under its alphabet's twin", body: `{"аmount":"5.00","currency":"EUR","reason":"r"}`, status: 400},
		{name: "objects in objects in objects", body: strings.Repeat(`{"amount":`, 10_000) + `1` + strings.Repeat(`}`, 10_000), status: 400},
		{name: "arrays in arrays in arrays", body: `{"amount":` + strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100) + `}`, status: 400},
		{name: "more than a mebibyte", body: `{"reason":"` + strings.Repeat("a", 1<<20) + `"}`, status: 413},
		{name: "plain text by its content type", body: good, header: []string{"Content-Type", "text/plain"}, status: 415},
		{name: "a form by its content type", body: good, header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415},
		{name: "a body that is packed", body: good, header: []string{"Content-Encoding", "gzip"}, status: 415, pointer: "Content-Encoding"},
		{name: "a content type that is none", body: good, header: []string{"Content-Type", "json;;"}, status: 415},
		{name: "an amount that is missing", body: `{"currency":"EUR","reason":"r"}`, status: 422, pointer: "/amount"},
		{name: "a currency that is missing", body: `{"amount":"5.00","reason":"r"}`, status: 422, pointer: "/currency"},
		{name: "a reason that is missing", body: `{"amount":"5.00","currency":"EUR"}`, status: 422, pointer: "/reason"},
		{name: "a reason with a NUL", body: `{"amount":"5.00","currency":"EUR","reason":"a\u0000b"}`, status: 422, pointer: "/reason"},
		{name: "a reason that is too long", body: `{"amount":"5.00","currency":"EUR","reason":"` + strings.Repeat("a", 501) + `"}`, status: 422, pointer: "/reason"},
		{name: "a reason that is an object", body: `{"amount":"5.00","currency":"EUR","reason":{}}`, status: 400, pointer: "/reason"},
		{name: "another currency", body: `{"amount":"5.00","currency":"USD","reason":"r"}`, status: 422, pointer: "/currency"},
		{name: "the currency in another case", body: `{"amount":"5.00","currency":"eur","reason":"r"}`, status: 422, pointer: "/currency"},
		{name: "a currency that is a number", body: `{"amount":"5.00","currency":978,"reason":"r"}`, status: 400, pointer: "/currency"},
	}
	for _, amount := range []struct{ name, json string }{
		{"a number", `5.00`}, {"a boolean", `true`}, {"an object", `{"value":"5.00"}`}, {"a list", `["5.00"]`},
	} {
		cases = append(cases, badInput{
			name: "an amount that is " + amount.name, status: 400, pointer: "/amount",
			body: `{"amount":` + amount.json + `,"currency":"EUR","reason":"r"}`,
		})
	}
	for _, amount := range []struct{ name, text string }{
		{"empty", ""}, {"negative", "-5.00"}, {"zero", "0"}, {"zero with decimals", "0.00"}, {"negative zero", "-0.00"},
		{"signed", "+5.00"}, {"an exponent", "5e1"}, {"finer than a cent", "5.001"}, {"led by a zero", "05.00"},
		{"not a number", "NaN"}, {"infinite", "Infinity"}, {"hexadecimal", "0x5"}, {"parted by a comma", "5,00"},
		{"grouped", "1,000.00"}, {"underscored", "5_0"}, {"in Arabic digits", "٥.٠٠"}, {"in wide digits", "５.００"},
		{"led by a blank", " 5.00"}, {"followed by a blank", "5.00 "}, {"with a currency", "€5.00"}, {"without digits", "."},
		{"without decimals behind its point", "5."}, {"a fraction", "1/2"}, {"of thirty digits", strings.Repeat("9", 30)},
		{"above what is left", "99999.00"}, {"an injection", "5.00'; DROP TABLE shop_order; --"},
	} {
		text, _ := json.Marshal(amount.text)
		cases = append(cases, badInput{
			name: "an amount that is " + amount.name, status: 422, pointer: "/amount",
			body: `{"amount":` + string(text) + `,"currency":"EUR","reason":"r"}`,
		})
	}
	return cases
}

// edgeCases are about who asks, for what, and how.
func edgeCases(at places) []badInput {
	const good = `{"amount":"5.00","currency":"EUR","reason":"damaged"}`
	refund := func(order string) string { return "/api/v1/orders/" + order + "/refund" }
	orders := "/api/v1/orders"
	return []badInput{
		{name: "an order that is not there", path: refund("acme-9"), body: good, status: 404},
		{name: "an order of another merchant", path: refund(at.foreignOrder), body: good, status: 404},
		{name: "an order that climbs", path: refund("..%2f..%2fetc%2fpasswd"), body: good, status: 404},
		{name: "an order with a NUL", path: refund("acme%00"), body: good, status: 404},
		{name: "an order that is not UTF-8", path: refund("%ff%fe"), body: good, status: 404},
		{name: "an order with a long name", path: refund(strings.Repeat("a", 2000)), body: good, status: 404},
		{name: "no token", person: "-", body: good, status: 401},
		{name: "a token of nobody", body: good, header: []string{"Authorization", "Bearer demo-mallory"}, status: 401},
		{name: "a token of another kind", body: good, header: []string{"Authorization", "Basic c2FtOnNhbQ=="}, status: 401},
		{name: "a token with nothing behind it", body: good, header: []string{"Authorization", "Bearer demo-"}, status: 401},
		{name: "no merchant for somebody who has three", person: "olivia", body: good, header: []string{"X-Tenant", ""}, status: 400, pointer: "X-Tenant"},
		{name: "a merchant that is not there", body: good, header: []string{"X-Tenant", "dune"}, status: 404},
		{name: "a merchant of others", body: good, header: []string{"X-Tenant", "bloom"}, status: 404},
		{name: "a merchant in another case", body: good, header: []string{"X-Tenant", "ACME"}, status: 404},
		{name: "a role that may not refund", person: "audra", body: good, status: 403, recordedDenial: true},
		{name: "a role of another trade", person: "dana", body: good, status: 403, recordedDenial: true},
		{name: "a refund that asks for step-up", body: `{"amount":"1100.00","currency":"EUR","reason":"r"}`, status: 401, recordedDenial: true},
		{name: "a step-up that is not now", body: `{"amount":"1100.00","currency":"EUR","reason":"r"}`, header: []string{"X-Demo-Step-Up", "yesterday"}, status: 401, recordedDenial: true},
		{name: "an idempotency key that is too long", body: good, header: []string{"Idempotency-Key", strings.Repeat("k", 256)}, status: 400, pointer: "Idempotency-Key"},
		{name: "an idempotency key of another request", body: good, header: []string{"Idempotency-Key", "taken"}, status: 409},
		{name: "a path that is not there", method: "GET", path: "/api/v2/orders", status: 404},
		{name: "a method that the path lacks", method: "DELETE", path: orders, status: 405},
		{name: "a limit of zero", method: "GET", path: orders + "?limit=0", status: 400, pointer: "limit"},
		{name: "a negative limit", method: "GET", path: orders + "?limit=-1", status: 400, pointer: "limit"},
		{name: "a limit in words", method: "GET", path: orders + "?limit=ten", status: 400, pointer: "limit"},
		{name: "a limit that overflows", method: "GET", path: orders + "?limit=99999999999999999999", status: 400, pointer: "limit"},
		{name: "a parameter that is not there", method: "GET", path: orders + "?limt=5", status: 400, pointer: "limt"},
		{name: "a parameter that stands twice", method: "GET", path: orders + "?limit=5&limit=6", status: 400, pointer: "limit"},
		{name: "a query that cannot be read", method: "GET", path: orders + "?limit=%zz", status: 400},
		{name: "a cursor that is none", method: "GET", path: orders + "?after=next", status: 400},
		{name: "a cursor that was cut", method: "GET", path: orders + "?after=AQEEMTE5", status: 400},
		{name: "a cursor of another list", method: "GET", path: "/api/v1/audit/events?after=AQEEMTE5OU1suoNlRinG", status: 400},
	}
}

// governanceCases are about approvals, audit and decisions.
func governanceCases(at places) []badInput {
	decisions := "/api/v1/approvals/requests/" + at.pending + "/decisions"
	return []badInput{
		{name: "a decision on a request that is not there", person: "marco", path: "/api/v1/approvals/requests/none/decisions", body: `{"decision":"approve","revision":1}`, status: 404},
		{name: "a decision on a request of others", person: "marco", path: "/api/v1/approvals/requests/" + at.foreignPending + "/decisions", body: `{"decision":"approve","revision":1}`, status: 404},
		{name: "a decision of the author", path: decisions, body: `{"decision":"approve","revision":1}`, status: 403, recordedDenial: true},
		{name: "a decision of somebody who is not asked", person: "dana", path: decisions, body: `{"decision":"approve","revision":1}`, status: 403, recordedDenial: true},
		{name: "a decision about another revision", person: "marco", path: decisions, body: `{"decision":"approve","revision":2}`, status: 409},
		{name: "a decision about no revision", person: "marco", path: decisions, body: `{"decision":"approve"}`, status: 422, pointer: "/revision"},
		{name: "a revision that is a string", person: "marco", path: decisions, body: `{"decision":"approve","revision":"1"}`, status: 400, pointer: "/revision"},
		{name: "a word that is no decision", person: "marco", path: decisions, body: `{"decision":"bless","revision":1}`, status: 422, pointer: "/decision"},
		{name: "declining without a comment", person: "marco", path: decisions, body: `{"decision":"decline","revision":1}`, status: 422, pointer: "/comment"},
		{name: "cancelling the request of somebody else", person: "dana", path: "/api/v1/approvals/requests/" + at.pending + "/cancel", body: `{}`, status: 403, recordedDenial: true},
		{name: "a tab that is not there", method: "GET", path: "/api/v1/approvals/requests?tab=Open", status: 400},
		{name: "a bounded query of more than 30 days", method: "GET", path: "/api/v1/audit/events?since=2026-01-01T00:00:00Z&until=2026-03-01T00:00:00Z", status: 400},
		{name: "a time that is none", method: "GET", path: "/api/v1/audit/events?since=yesterday", status: 400, pointer: "since"},
		{name: "an order of sorting that is none", method: "GET", path: "/api/v1/audit/events?sortOrder=UP", status: 400, pointer: "sortOrder"},
		{name: "a trace that is none", method: "GET", path: "/api/v1/timeline?trace_id=xyz", status: 400},
		{name: "no trace", method: "GET", path: "/api/v1/timeline", status: 400},
		{name: "an action that is not in the catalogue", method: "GET", path: "/api/v1/audit/actions/orders.burn/schemas", status: 404},
	}
}

// webhookCases are about endpoints, deliveries and published events.
func webhookCases(at places) []badInput {
	endpoints, events := "/api/v1/webhooks/endpoints", "/api/v1/events"
	register := func(name, url string) badInput {
		text, _ := json.Marshal(url)
		return badInput{
			name: "a receiver at " + name, person: "olivia", path: endpoints, status: 422, pointer: "/url",
			body: `{"url":` + string(text) + `,"event_types":["lumelle.orders.v1.*"]}`,
		}
	}
	event := func(name, body, pointer string) badInput {
		return badInput{
			name: "an event " + name, path: events, status: 400, pointer: pointer, body: body,
			header: []string{"Content-Type", "application/cloudevents+json"},
		}
	}
	return []badInput{
		register("no address", ""),
		register("a relative address", "/hook"),
		register("a script", "javascript:alert(1)"),
		register("a file", "file:///etc/passwd"),
		register("another protocol", "gopher://example.com/_"),
		register("an address with a password", "https://me:secret@example.com/hook"),
		register("the metadata service", "http://169.254.169.254/latest/meta-data/"),
		register("a private address", "https://10.0.0.1/hook"),
		register("a private address as one number", "https://167772161/hook"),
		register("a private address in octal", "https://012.0.0.1/hook"),
		register("a private address inside IPv6", "https://[::ffff:10.0.0.1]/hook"),
		register("a local IPv6 address", "https://[fd00::1]/hook"),
		register("an address with a line break", "https://example.com/\r\nX-Evil: 1"),
		register("a public address without encryption", "http://93.184.216.34/hook"),
		{name: "a receiver of nothing", person: "olivia", path: endpoints, body: `{"url":"https://example.com/","event_types":[]}`, status: 422, pointer: "/event_types"},
		{name: "a pattern with a star in front", person: "olivia", path: endpoints, body: `{"url":"https://example.com/","event_types":["*.refunded"]}`, status: 422, pointer: "/event_types/0"},
		{name: "event types that are no list", person: "olivia", path: endpoints, body: `{"url":"https://example.com/","event_types":"*"}`, status: 400, pointer: "/event_types"},
		{name: "a description that is too long", person: "olivia", path: endpoints, body: `{"url":"https://example.com/","event_types":["*"],"description":"` + strings.Repeat("a", 1025) + `"}`, status: 422, pointer: "/description"},
		{name: "an endpoint of a role that may not", path: endpoints, body: `{"url":"https://example.com/","event_types":["*"]}`, status: 403, recordedDenial: true},
		{name: "disabling the endpoint of others", person: "nina", path: endpoints + "/" + at.endpoint + "/disable", body: `{}`, header: []string{"X-Tenant", "bloom"}, status: 404},
		{name: "an endpoint that is not there", person: "audra", method: "GET", path: endpoints + "/none", status: 404},
		{name: "endpoints that a role may not read", method: "GET", path: endpoints, status: 403},
		{name: "delivering again what was never sent", person: "olivia", path: "/api/v1/webhooks/deliveries/none/redeliver", status: 404},
		{name: "delivering again as somebody who may not", path: "/api/v1/webhooks/deliveries/" + at.delivery + "/redeliver", status: 403, recordedDenial: true},
		{name: "a status that no delivery has", person: "audra", method: "GET", path: "/api/v1/webhooks/deliveries?status=lost", status: 400},

		event("without a version", `{"id":"1","source":"/s","type":"t"}`, "/specversion"),
		event("of another version", `{"specversion":"0.3","id":"1","source":"/s","type":"t"}`, "/specversion"),
		event("without an id", `{"specversion":"1.0","source":"/s","type":"t"}`, "/id"),
		event("at no time", `{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"noon"}`, "/time"),
		event("with its data twice", `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1,"data_base64":"MQ=="}`, "/data_base64"),
		event("in the name of the admin", `{"specversion":"1.0","id":"1","source":"/merchantadmin","type":"t"}`, "/source"),
		event("with an id that stands twice", `{"specversion":"1.0","id":"1","id":"2","source":"/s","type":"t"}`, "/id"),
		{name: "a batch that is no list", path: events, body: `{}`, header: []string{"Content-Type", "application/cloudevents-batch+json"}, status: 400},
		{name: "a batch with one bad event", path: events, body: `[{"specversion":"1.0","id":"1","source":"/s","type":"t"},{}]`, header: []string{"Content-Type", "application/cloudevents-batch+json"}, status: 400, pointer: "/1/id"},
		{name: "an event in headers without an id", path: events, body: `{}`, header: []string{"ce-specversion", "1.0", "ce-source", "/s", "ce-type", "t"}, status: 400, pointer: "/id"},
		{name: "an event in another format", path: events, body: `x`, header: []string{"Content-Type", "application/cloudevents+protobuf"}, status: 400},
		{name: "an event of a role that may not", person: "audra", path: events, body: `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`, header: []string{"Content-Type", "application/cloudevents+json"}, status: 403, recordedDenial: true},
	}
}

// internals are words that no answer may hold: of the database, of Go, of the host.
var internals = regexp.MustCompile(`(?i)\bsql|sqlite|postgres|pgx|\bselect\b|\binsert into\b|goroutine|\.go:|panic|runtime error|casbin|jsontext|unmarshal|Go value|/tmp/|127\.0\.0\.1|\bstack\b`)

// prepare makes what the cases point at, and a record under the key "taken".
func (a *admin) prepare() places {
	a.t.Helper()
	var foreign struct{ Items []listedOrder }
	nina := []string{"Authorization", "Bearer demo-nina", "X-Tenant", "bloom"}
	a.send("GET", "/api/v1/orders?limit=1000", "", nina...).want(http.StatusOK).json(&foreign)
	i := slices.IndexFunc(foreign.Items, func(o listedOrder) bool { return o.cents() > 200_00 })
	at := places{order: a.order(1200_00).ID, foreignOrder: foreign.Items[i].ID}

	refund := `{"amount":"150.00","currency":"EUR","reason":"late"}`
	at.foreignPending = a.send("POST", "/api/v1/orders/"+at.foreignOrder+"/refund", refund, nina...).want(http.StatusAccepted).text("request_id")
	at.endpoint = a.as("olivia", "POST", "/api/v1/webhooks/endpoints",
		`{"url":"https://example.com/hook","event_types":["lumelle.orders.v1.*"]}`).want(http.StatusCreated).text("id")
	at.pending = a.refund("sam", at.order, "150.00").want(http.StatusAccepted).text("request_id")
	a.refund("sam", at.order, "1.00", "Idempotency-Key", "taken").want(http.StatusOK)
	var deliveries struct{ Items []struct{ ID string } }
	a.as("olivia", "GET", "/api/v1/webhooks/deliveries", "").want(http.StatusOK).json(&deliveries)
	if len(deliveries.Items) != 1 {
		a.t.Fatalf("%d deliveries are under way, want one", len(deliveries.Items))
	}
	at.delivery = deliveries.Items[0].ID
	a.prepareRules(&at)
	return at
}

func TestBadInputIsToldWhereItIsWrongAndLeavesNothing(t *testing.T) {
	t.Parallel()
	onEachDurableDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db, "-workers=false")
		at := a.prepare()
		before := dump(t, db)
		denials := a.denials()

		cases := slices.Concat(refundCases(), edgeCases(at), governanceCases(at), webhookCases(at),
			flagCases(at), ruleCases(at), evaluationCases(at))
		names := map[string]bool{}
		recorded := 0
		for _, c := range cases {
			if names[c.name] {
				t.Errorf("two cases are called %q", c.name)
			}
			names[c.name] = true
			if c.recordedDenial {
				recorded++
			}
			t.Run(c.name, func(t *testing.T) { a.refuses(t, at, c) })
		}
		if got := a.denials() - denials; got < recorded {
			t.Errorf("%d denials were recorded, want at least %d", got, recorded)
		}
		compare(t, before, dump(t, db))
	})
}

// refuses sends the request of a case and checks what it is told.
func (a *admin) refuses(t *testing.T, at places, c badInput) {
	b := *a
	b.t = t
	if c.path == "" {
		c.path = "/api/v1/orders/" + at.order + "/refund"
	}
	if c.method == "" {
		c.method = http.MethodPost
	}
	person := c.person
	if person == "" {
		person = "sam"
	}
	header := c.header
	if person == "-" {
		header = append([]string{"Authorization", ""}, header...)
	}
	got := b.as(person, c.method, c.path, c.body, header...).want(c.status)
	if leak := internals.Find(got.body); leak != nil {
		t.Errorf("the problem names an internal, %q: %s", leak, got.body)
	}
	if c.code != "" {
		if got.text("errorCode") != c.code || got.text("errorDetails") == "" {
			t.Errorf("the error is %s, want %s", got.body, c.code)
		}
		return
	}
	if ct := got.header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("Content-Type is %q", ct)
	}
	var problem struct {
		Type, Title, Detail string
		Status              int
		Errors              []struct{ Pointer, Message string }
	}
	got.json(&problem)
	if problem.Status != c.status || problem.Type == "" || problem.Title == "" {
		t.Errorf("the problem is %s", got.body)
	}
	if !strings.Contains(string(got.body), c.says) {
		t.Errorf("%q is not said: %s", c.says, got.body)
	}
	if c.pointer == "" {
		return
	}
	for _, e := range problem.Errors {
		if e.Pointer == c.pointer && e.Message != "" {
			return
		}
	}
	t.Errorf("no error points at %q: %s", c.pointer, got.body)
}

// denials counts the events that record a refusal.
func (a *admin) denials() int {
	a.t.Helper()
	var log struct{ Items []struct{ Outcome string } }
	a.as("audra", "GET", "/api/v1/audit/events?outcome=denied&limit=1000", "").want(http.StatusOK).json(&log)
	return len(log.Items)
}

// compare wants every table as it was, but for records of denials in the log.
func compare(t *testing.T, before, after map[string][]string) {
	t.Helper()
	for table, rows := range after {
		was := map[string]int{}
		for _, row := range before[table] {
			was[row]++
		}
		var added []string
		for _, row := range rows {
			if was[row]--; was[row] < 0 {
				added = append(added, row)
			}
		}
		if len(rows)-len(added) != len(before[table]) {
			t.Errorf("%s lost rows: it had %d, and has %d of them", table, len(before[table]), len(rows)-len(added))
		}
		for _, row := range added {
			if !strings.HasPrefix(table, "adminkit_audit_") || !strings.Contains(row, "denied") {
				t.Errorf("%s has a row more: %s", table, row)
			}
		}
	}
	if len(before) != len(after) {
		t.Errorf("there were %d tables and are %d", len(before), len(after))
	}
}
