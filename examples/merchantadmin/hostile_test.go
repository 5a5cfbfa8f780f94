package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// flagWith is a release flag with one rule.
func flagWith(rule string) string {
	return `{"key":"hostile","type":"release","value_type":"bool","variants":{"on":true,"off":false},"environments":{"prod":{
		"enabled":true,"default_variant":"off","off_variant":"off","rules":[` + rule + `]}}}`
}

// ruleWith is a rule of automations with these members beside the ones that each has.
func ruleWith(members string) string {
	return `{"name":"hostile","automation_environment":"prod","trigger":{"type":"event","event_type":"lumelle.orders.v1.refunded"},` + members + `}`
}

// times joins n texts by commas.
func times(n int, text func(i int) string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = text(i)
	}
	return strings.Join(all, ",")
}

// nest puts inner into n pairs of before and after.
func nest(n int, before, inner, after string) string {
	return strings.Repeat(before, n) + inner + strings.Repeat(after, n)
}

// hostileConditions are conditions that cost more than they may, with where the error
// points in each. Flags, audiences and automations read the same ones.
func hostileConditions() []badInput {
	const clause = `{"path":"/plan","op":"eq","value":"pro"}`
	value := func(int) string { return `"x"` }
	matches := func(pattern string) string {
		return `{"path":"/plan","op":"matches","value":` + strconv.Quote(pattern) + `}`
	}
	return []badInput{
		{name: "a tree of 17 levels", body: nest(16, `{"all":[`, clause, `]}`), pointer: strings.Repeat("/all/0", 16)},
		{name: "a tree of 28 levels", body: nest(27, `{"none":[`, clause, `]}`), pointer: strings.Repeat("/none/0", 16)},
		{name: "a list of 5,001 values", body: `{"path":"/plan","op":"in","value":[` + times(5001, value) + `]}`, pointer: "/value/5000"},
		{name: "a pattern that is none", body: matches(`(`), pointer: "/value"},
		{name: "a pattern of 100,000 states", body: matches(`(a{1000}){100}`), pointer: "/value"},
		{name: "a pattern of repeats of repeats", body: matches(`((((a{10}){10}){10}){10}){10}`), pointer: "/value"},
		{name: "a pattern that refers back", body: matches(`(a+)\1`), pointer: "/value"},
		{name: "a pattern that looks ahead", body: matches(`(?=a)b`), pointer: "/value"},
		{name: "a pattern that is too long", body: matches(strings.Repeat("a", 513)), pointer: "/value"},
		{name: "a value that is too long", body: `{"path":"/plan","op":"eq","value":"` + strings.Repeat("a", 1025) + `"}`, pointer: "/value"},
		{name: "a number that no double holds", body: `{"path":"/plan","op":"gt","value":1e999}`, pointer: "/value"},
		{name: "a path that is too long", body: `{"path":"/` + strings.Repeat("p", 256) + `","op":"exists"}`, pointer: "/path"},
	}
}

const (
	flagsPath  = "/api/v1/flags"
	rulesPath  = "/api/v1/automation/rules"
	circlePath = "/api/v1/audiences/circle-0"
)

// hostileFlags are flags and audiences that nobody writes in good faith.
func hostileFlags() []badInput {
	const clause = `{"path":"plan","op":"eq","value":"pro"}`
	const prod, first = "/environments/prod", "/environments/prod/rules/0"
	var cases []badInput
	for _, c := range hostileConditions() {
		// Paths of flags are names.
		condition := strings.ReplaceAll(c.body, `"path":"/`, `"path":"`)
		if strings.HasPrefix(c.name, "a path") {
			condition = c.body
		}
		cases = append(cases,
			badInput{name: c.name + " in a flag", path: flagsPath, body: flagWith(`{"name":"r","when":` + condition + `,"serve":{"variant":"on"}}`), status: 422, pointer: first + "/when" + c.pointer},
			badInput{name: c.name + " in an audience", method: "PUT", path: "/api/v1/audiences/hostile", body: `{"when":` + condition + `}`, status: 422, pointer: "/when" + c.pointer},
		)
	}
	flag := func(name, body, pointer string) {
		cases = append(cases, badInput{name: name, path: flagsPath, body: body, status: 422, pointer: pointer})
	}
	with := func(old, new string) string { return strings.Replace(flagWith(``), old, new, 1) }
	serve := func(serve string) string { return flagWith(`{"name":"r","serve":` + serve + `}`) }
	numbered := func(format string) func(int) string { return func(i int) string { return fmt.Sprintf(format, i) } }
	flag("a list of 240,000 values in a flag", flagWith(`{"name":"r","when":{"path":"plan","op":"in","value":[`+times(240_000, func(int) string { return `"x"` })+`]},"serve":{"variant":"on"}}`), first+"/when")
	flag("1,001 clauses in a flag", flagWith(`{"name":"r","when":{"any":[`+times(1001, func(int) string { return clause })+`]},"serve":{"variant":"on"}}`), first+"/when/any/999")
	flag("101 rules", flagWith(times(101, numbered(`{"name":"r%d","serve":{"variant":"on"}}`))), prod+"/rules")
	flag("10,000 rules", flagWith(times(10_000, numbered(`{"name":"r%d","serve":{"variant":"on"}}`))), prod+"/rules")
	flag("10,000 variants", with(`"on":true`, times(10_000, numbered(`"v%d":true`))), "/variants")
	flag("101 variants", with(`"on":true`, times(101, numbered(`"v%d":true`))), "/variants")
	flag("1,000 environments", with(`"environments":{`, `"environments":{`+times(1000, numbered(`"e%d":{}`))+`,`), "/environments")
	flag("1,001 overrides", with(`"rules":[]`, `"overrides":[`+times(1001, numbered(`{"id":"o%d"}`))+`]`), prod+"/overrides")
	flag("a split of infinite weight", serve(`{"split":{"by":["merchantId"],"weights":{"on":1e308,"off":1e308}}}`), first+"/serve/split/weights/on")
	flag("a split by nine attributes", serve(`{"split":{"by":[`+times(9, func(int) string { return `"merchantId"` })+`],"weights":{"on":1}}}`), first+"/serve/split/by/8")
	flag("a split of 101 parts", serve(`{"split":{"by":["merchantId"],"weights":{`+times(101, numbered(`"v%d":1`))+`}}}`), first+"/serve/split/weights")
	flag("a bucket without an end", flagWith(`{"name":"r","when":{"bucket":{"by":["merchantId"],"salt":"s","from":0,"to":1e300}},"serve":{"variant":"on"}}`), first+"/when/bucket/to")
	flag("a strategy with 5,001 values", flagWith(`{"name":"r","strategy":{"name":"attribute_match","parameters":{"attribute":"plan","values":[`+times(5001, func(int) string { return `"x"` })+`]}}}`), first+"/strategy/parameters/values")
	cases = append(cases,
		badInput{name: "a variant of 300 KiB", path: flagsPath, body: strings.Replace(with(`"on":true,"off":false`, `"on":"`+strings.Repeat("x", 300<<10)+`","off":""`), `"bool"`, `"string"`, 1), status: 422, says: "bytes"},
		badInput{name: "a flag of 36 KiB", path: flagsPath, body: with(`"key"`, `"metadata":{`+times(32, func(i int) string { return fmt.Sprintf(`"m%d":"%s"`, i, strings.Repeat("x", 1000)) })+`},"description":"`+strings.Repeat("d", 4000)+`","key"`), status: 422, says: "longer than 32768 bytes"},
		badInput{name: "a tree of 10,000 levels in a flag", path: flagsPath, body: flagWith(`{"name":"r","when":` + nest(10_000, `{"all":[`, clause, `]}`) + `}`), status: 400, says: "deeper than 64 levels"},
		badInput{name: "a flag of 10 MiB", path: flagsPath, body: with(`"key"`, `"description":"`+strings.Repeat("d", 10<<20)+`","key"`), status: 413, says: "longer than 1 MiB"},
		badInput{name: "an audience of itself", method: "PUT", path: "/api/v1/audiences/self", body: `{"when":{"audience":"self"}}`, status: 422, pointer: "/when/audience", says: "circle"},
		badInput{name: "audiences in a circle", method: "PUT", path: circlePath, body: `{"when":{"audience":"circle-3"}}`, status: 422, says: "goes in a circle: circle-0"},
		badInput{name: "nine audiences in a row", method: "PUT", path: "/api/v1/audiences/circle-8", body: `{"when":{"audience":"circle-7"}}`, status: 422, says: "more than 8 audiences in a row"},
		badInput{name: "an audience of 10,001 members", method: "PUT", path: "/api/v1/audiences/many", body: `{"include":[` + times(10_001, numbered(`"m%d"`)) + `]}`, status: 422, pointer: "/include/10000"},
	)
	for i := range cases {
		cases[i].person = "dana"
	}
	return cases
}

// hostileRules are rules of automations of the same kind.
func hostileRules() []badInput {
	step := func(i int) string {
		return fmt.Sprintf(`{"name":"s%d","action":"notify.log","with":{"message":"m"}}`, i)
	}
	steps := func(steps string) string { return ruleWith(`"steps":[` + steps + `]`) }
	note := func(message string) string {
		return steps(`{"name":"s","action":"notify.log","with":{"message":` + strconv.Quote(message) + `}}`)
	}
	post := func(body string) string {
		return steps(`{"name":"s","action":"http.post","with":{"url":"https://example.com/","body":` + body + `}}`)
	}
	deep := ""
	for i := range 9 {
		deep += fmt.Sprintf(`{"name":"i%d","if":{"path":"/data/x","op":"exists"},"then":[`, i)
	}
	deep = steps(deep + step(1) + strings.Repeat(`]}`, 9))
	var cases []badInput
	for _, c := range hostileConditions() {
		cases = append(cases, badInput{name: c.name + " in a rule", body: ruleWith(`"conditions":` + c.body + `,"steps":[` + step(1) + `]`), pointer: "/conditions" + c.pointer})
	}
	cases = append(cases,
		badInput{name: "10,000 steps", body: steps(times(10_000, step)), says: "longer than 48 KiB"},
		badInput{name: "101 steps", body: steps(times(101, step)), pointer: "/steps/100"},
		badInput{name: "nine choices in each other", body: deep, pointer: "/steps/0" + strings.Repeat("/then/0", 8) + "/then"},
		badInput{name: "a choice of 21 cases", body: steps(`{"name":"w","switch":[` + times(21, func(i int) string { return `{"when":{"path":"/data/x","op":"exists"},"steps":[` + step(i) + `]}` }) + `]}`), pointer: "/steps/0/switch"},
		badInput{name: "a list of 240,000 values in a rule", body: ruleWith(`"conditions":{"path":"/plan","op":"in","value":[` + times(240_000, func(int) string { return `"x"` }) + `]},"steps":[` + step(1) + `]`), says: "longer than 48 KiB"},
		badInput{name: "a template in a template", body: note(`{{ {{ /data/x }} }}`), pointer: "/steps/0/with/message"},
		badInput{name: "20,000 braces", body: note(strings.Repeat("{{", 10_000)), pointer: "/steps/0/with/message"},
		badInput{name: "201 references", body: note(strings.Repeat(`{{ /id }}`, 201)), pointer: "/steps/0/with"},
		badInput{name: "a step that refers to itself", body: note(`{{ /steps/s/output/x }}`), pointer: "/steps/0/with"},
		badInput{name: "steps that refer to each other", body: steps(`{"name":"a","action":"notify.log","with":{"message":"{{ /steps/b/output }}"}},{"name":"b","action":"notify.log","with":{"message":"{{ /steps/a/output }}"}}`), pointer: "/steps/0/with"},
		badInput{name: "a reference in a reference", body: post(`{"$ref":"/data","x":{"$ref":"/data"}}`), pointer: "/steps/0/with/body/x"},
		badInput{name: "an input of 58 levels", body: post(nest(58, "[", "1", "]")), pointer: "/steps/0/with"},
		badInput{name: "an input of 10,000 levels", body: post(nest(10_000, "[", "1", "]")), status: 400, says: "deeper than 64 levels"},
		badInput{name: "a million attempts", body: ruleWith(`"steps":[` + step(1) + `],"retry":{"attempts":1000000,"delay":"1ns"}`), pointer: "/retry/attempts"},
		badInput{name: "a timeout of ten thousand years", body: ruleWith(`"steps":[` + step(1) + `],"timeout":"99999999h"`), pointer: "/timeout"},
		badInput{name: "an output that is not the action's", path: rulesPath + "/test", body: `{"definition":` + steps(step(1)) + `,"outputs":{"s1":"` + strings.Repeat("x", 300<<10) + `"}}`, pointer: "/outputs/s1"},
		badInput{name: "an output of 10 MiB in a test", path: rulesPath + "/test", body: `{"definition":` + steps(step(1)) + `,"outputs":{"s1":"` + strings.Repeat("x", 10<<20) + `"}}`, status: 413, says: "longer than 1 MiB"},
	)
	for i := range cases {
		c := &cases[i]
		c.person = "dana"
		if c.path == "" {
			c.path = rulesPath
		}
		if c.status == 0 {
			c.status = 422
		}
	}
	return cases
}

// prepareCircle makes eight audiences in a row, each of the one before it.
func (a *admin) prepareCircle() {
	a.t.Helper()
	a.as("dana", "PUT", circlePath, `{"include":["m"]}`).want(http.StatusOK)
	for i := range 7 {
		a.as("dana", "PUT", fmt.Sprintf("/api/v1/audiences/circle-%d", i+1), fmt.Sprintf(`{"when":{"audience":"circle-%d"}}`, i)).want(http.StatusOK)
	}
}

func TestHostileDefinitionsAreRefusedAndLeaveNothing(t *testing.T) {
	t.Parallel()
	onEachDurableDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db, "-workers=false")
		a.prepareCircle()
		before := dump(t, db)
		for _, c := range slices.Concat(hostileFlags(), hostileRules()) {
			t.Run(c.name, func(t *testing.T) { a.refuses(t, places{}, c) })
		}
		compare(t, before, dump(t, db))
	})
}

// BenchmarkHostileDefinition measures a refusal as a client sees it: p50-ms is its median
// time, min-ms its time where nothing else ran, and B/op is what client and admin allocate
// for it together.
func BenchmarkHostileDefinition(b *testing.B) {
	a := startAdmin(b, sqlite.Memory, "-workers=false")
	a.prepareCircle()
	for _, c := range slices.Concat(hostileFlags(), hostileRules()) {
		if c.method == "" {
			c.method = http.MethodPost
		}
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				began := time.Now()
				req, err := http.NewRequestWithContext(b.Context(), c.method, a.base+c.path, strings.NewReader(c.body))
				if err != nil {
					b.Fatal(err)
				}
				req.Header = http.Header{"Authorization": {"Bearer demo-dana"}, "X-Tenant": {"acme"}, "Content-Type": {"application/json"}}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != c.status {
					b.Fatal(resp.StatusCode, err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[0].Microseconds())/1000, "min-ms")
		})
	}
}

// TestHostileRunsAreStopped lets rules run that are well formed and still do harm: one
// feeds itself, one gets 10 MiB for an answer, one blows up its input.
func TestHostileRunsAreStopped(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		flood := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			chunk := bytes.Repeat([]byte("x"), 64<<10)
			for range 160 {
				if _, err := w.Write(chunk); err != nil {
					return // the reader has enough
				}
			}
		}))
		t.Cleanup(flood.Close)
		enable := func(definition string) string {
			rule := a.as("olivia", "POST", rulesPath, definition).want(http.StatusCreated).text("id")
			a.as("olivia", "POST", rulesPath+"/"+rule+"/enable", `{}`).want(http.StatusOK)
			return rule
		}
		on := func(event, steps string) string {
			return `{"name":"hostile","automation_environment":"prod","trigger":{"type":"event","event_type":"` + event + `"},"steps":[` + steps + `]}`
		}
		const published = "lumelle.audit.v1.events.publish"
		loop := enable(on(published, `{"name":"again","action":"publish.event","with":{"action":"events.publish","resource":{"type":"order","id":"1"}}}`))
		swallow := enable(on("test.flood", `{"name":"swallow","action":"http.post","with":{"url":"`+flood.URL+`"}}`))
		grow := enable(on("test.grow", `{"name":"grow","action":"notify.log","with":{"message":"`+strings.Repeat(`{{ /data }}`, 200)+`"}}`))
		quote := enable(on("test.quote", `{"name":"quote","action":"http.post","with":{"url":"`+newSink(t).url+`","body":"{{ /data }}"}}`))
		publish := func(id, kind, data string) {
			a.as("olivia", "POST", "/api/v1/events", `{"specversion":"1.0","id":"`+id+`","source":"/test","type":"`+kind+`","data":`+data+`}`,
				"Content-Type", "application/cloudevents+json").want(http.StatusAccepted)
		}
		publish("1", published, `{}`)
		publish("2", "test.flood", `{}`)
		publish("3", "test.grow", `"`+strings.Repeat("x", 32<<10)+`"`)
		publish("4", "test.quote", `"{{ /data }}{{ /data }}"`)

		ended := func(rule string, n int) (runs []stoppedRun) {
			eventually(t, "the end of the runs", func() bool {
				var list struct{ Items []stoppedRun }
				a.as("dana", "GET", "/api/v1/automation/runs?rule_id="+rule, "").want(http.StatusOK).json(&list)
				runs = list.Items
				return len(runs) >= n && !slices.ContainsFunc(runs, func(r stoppedRun) bool { return r.Status == "running" })
			})
			return runs
		}
		runs := ended(loop, audit.MaxHops+1)
		classes := map[string]int{}
		for _, r := range runs {
			classes[r.Error.Class]++
		}
		if len(runs) != audit.MaxHops+1 || classes[automation.ClassLoop] != 1 || classes[""] != audit.MaxHops {
			t.Errorf("the rule that feeds itself ran %d times, and the runs failed so: %v", len(runs), classes)
		}
		for rule, want := range map[string]stoppedRun{
			swallow: {Status: "failed", Error: stopped{"swallow", automation.ClassPermanent, "the answer is longer than 64 KiB"}},
			grow:    {Status: "failed", Error: stopped{"grow", automation.ClassInvalid, "the input is longer than 256 KiB"}},
			quote:   {Status: "succeeded"},
		} {
			if got := ended(rule, 1); len(got) != 1 || got[0] != want {
				t.Errorf("the runs are %+v, want %+v", got, want)
			}
		}
	})
}

// A stoppedRun is how a run ended, and why.
type stoppedRun struct {
	Status string
	Error  stopped
}

type stopped struct{ Step, Class, Message string }
