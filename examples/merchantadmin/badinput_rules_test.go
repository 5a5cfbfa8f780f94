package main

import (
	"fmt"
	"strings"
)

// flagCases are about flags and audiences.
func flagCases(at places) []badInput {
	const good = `{"key":"banner","type":"release","value_type":"bool","variants":{"on":true,"off":false},"environments":{"prod":{"enabled":true,"default_variant":"off"}}}`
	const flag, audience = "/api/v1/flags/" + newRefundForm, "/api/v1/audiences/" + knownAudience
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	put := func(old, new string) string {
		return strings.Replace(with(`"banner"`, `"`+newRefundForm+`"`), old, new, 1)
	}
	foreign := "/api/v1/flags/" + at.foreignFlag
	const override = `{"environment":"prod","attribute":"actor","subject":"sam","variant":"on","until":"2026-01-01T00:00:00Z","reason":"a demo"}`
	cases := []badInput{
		{name: "flags without a token", person: "-", method: "GET", path: flagsPath, status: 401},
		{name: "flags of a merchant of others", method: "GET", path: flagsPath, header: []string{"X-Tenant", "bloom"}, status: 404},
		{name: "a flag that is not there", method: "GET", path: flagsPath + "/none", status: 404},
		{name: "a flag of others", method: "GET", path: foreign, status: 404},
		{name: "changing a flag of others", method: "PUT", path: foreign, body: with(`"banner"`, `"`+at.foreignFlag+`"`), status: 404},
		{name: "killing a flag of others", path: foreign + "/kill", body: `{"environment":"prod","reason":"r"}`, status: 404},
		{name: "deleting a flag of others", method: "DELETE", path: foreign, status: 404},
		{name: "evaluating a flag of others", path: foreign + "/evaluate", body: `{"environment":"prod","context":{}}`, status: 404},
		{name: "versions of a flag of others", method: "GET", path: foreign + "/versions", status: 404},
		{name: "a flag with a NUL", method: "GET", path: flagsPath + "/a%00b", status: 404},
		{name: "a flag of a role that may not", person: "sam", path: flagsPath, body: good, status: 403, recordedDenial: true},
		{name: "a kill by a role that may not", person: "audra", path: flag + "/kill", body: `{"environment":"prod","reason":"r"}`, status: 403, recordedDenial: true},
		{name: "flags to a limit of zero", method: "GET", path: flagsPath + "?limit=0", status: 400, pointer: "limit"},
		{name: "flags behind a cursor that is none", method: "GET", path: flagsPath + "?after=x", status: 400},
		{name: "flags by a parameter that is not there", method: "GET", path: flagsPath + "?type=release", status: 400, pointer: "type"},
		{name: "a flag as text", body: good, header: []string{"Content-Type", "text/plain"}, path: flagsPath, status: 415},
		{name: "a flag that is there already", path: flagsPath, body: put("", ""), status: 409},
		{name: "a flag under a key of another request", path: flagsPath, body: good, header: []string{"Idempotency-Key", "taken by dana"}, status: 409},
		{name: "a flag for a revision that is past", method: "PUT", path: flag, body: put("", ""), header: []string{"If-Match", `"99"`}, status: 409},
		{name: "a flag for a revision in its body that is past", method: "PUT", path: flag, body: put(`"key"`, `"revision":99,"key"`), status: 409},
		{name: "a flag for a revision that is none", method: "PUT", path: flag, body: put("", ""), header: []string{"If-Match", "yesterday"}, status: 400, pointer: "If-Match"},
		{name: "a flag deleted for a revision that is past", method: "DELETE", path: flag, header: []string{"If-Match", `"99"`}, status: 409},
		{name: "a flag under another key", method: "PUT", path: flag, body: good, status: 422, pointer: "/key"},
		{name: "a flag that changes its type", method: "PUT", path: flag, body: put(`"release"`, `"ops"`), status: 422, pointer: "/type"},
		{name: "a kill without a reason", path: flag + "/kill", body: `{"environment":"prod"}`, status: 422, pointer: "/reason"},
		{name: "a kill in no environment", path: flag + "/kill", body: `{"environment":"moon","reason":"r"}`, status: 422, pointer: "/environment"},
		{name: "a kill with a field that stands twice", path: flag + "/kill", body: `{"environment":"prod","environment":"dev","reason":"r"}`, status: 400, pointer: "/environment"},
		{name: "an override that is over", path: flag + "/overrides", body: override, status: 422, pointer: "/until"},
		{name: "an override for years", path: flag + "/overrides", body: strings.Replace(override, "2026-01", "2036-01", 1), status: 422, pointer: "/until"},
		{name: "an override until a time that is none", path: flag + "/overrides", body: strings.Replace(override, "2026-01-01T00:00:00Z", "noon", 1), status: 400, pointer: "/until"},
		{name: "ending an override that is not there", method: "DELETE", path: flag + "/overrides/none?environment=prod", status: 404},
		{name: "a trial in no environment", path: flag + "/evaluate", body: `{"environment":"moon","context":{}}`, status: 422, pointer: "/environment"},
		{name: "a trial for a key that is a number", path: flag + "/evaluate", body: `{"environment":"prod","context":{"targetingKey":7}}`, status: 422, pointer: "/context"},
		{name: "a trial for another merchant", path: flag + "/evaluate", body: `{"environment":"prod","context":{"tenant":"bloom"}}`, status: 422, pointer: "/context/tenant"},
		{name: "a preview of another flag", path: flag + "/preview", body: `{"environment":"prod","draft":` + good + `}`, status: 422, pointer: "/draft/key"},
		{name: "a version that is none", method: "GET", path: flag + "/versions/one", status: 404},
		{name: "a version that is not yet", method: "GET", path: flag + "/versions/99", status: 404},
		{name: "a difference of nothing", method: "GET", path: flag + "/diff", status: 400, pointer: "from"},
		{name: "a difference to what is not yet", method: "GET", path: flag + "/diff?from=1&to=99", status: 404},

		{name: "an audience that is not there", method: "GET", path: "/api/v1/audiences/none", status: 404},
		{name: "an audience for a revision that is past", method: "PUT", path: audience, body: `{}`, header: []string{"If-Match", `"99"`}, status: 409},
		{name: "an audience under another key", method: "PUT", path: audience, body: `{"key":"other"}`, status: 422, pointer: "/key"},
		{name: "an audience with a member that is a number", method: "PUT", path: audience, body: `{"include":[7]}`, status: 400, pointer: "/include/0"},
		{name: "an audience with an unknown field", method: "PUT", path: audience, body: `{"members":[]}`, status: 400, pointer: "/members"},
		{name: "an audience of an unknown audience", method: "PUT", path: audience, body: `{"when":{"audience":"none"}}`, status: 422, pointer: "/when/audience"},
		{name: "an audience that a flag needs deleted", method: "DELETE", path: audience, status: 409},
		{name: "an audience of others deleted", person: "nina", method: "DELETE", path: audience, header: []string{"X-Tenant", "bloom"}, status: 404},
		{name: "an audience of a role that may not", person: "sam", method: "PUT", path: audience, body: `{}`, status: 403, recordedDenial: true},
	}
	for _, c := range []struct {
		name, body, pointer string
		status              int
	}{
		{"of no body", ``, "", 400},
		{"that is no JSON", `key=banner`, "", 400},
		{"that is cut off", good[:40], "", 400},
		{"that is a list", `[]`, "", 400},
		{"behind a byte order mark", "\ufeff" + good, "", 400},
		{"that is not UTF-8", with("banner", "\xff"), "", 400},
		{"with an unknown field", with(`"key"`, `"approved":true,"key"`), "/approved", 400},
		{"with a field that stands twice", with(`"key"`, `"key":"a","key"`), "/key", 400},
		{"with a field in another case", with(`"key"`, `"Key"`), "/Key", 400},
		{"with a variant that stands twice", with(`"on":true`, `"on":true,"on":false`), "/variants/on", 400},
		{"with a key that is a number", with(`"banner"`, `7`), "/key", 400},
		{"without a key", with(`"banner"`, `""`), "/key", 422},
		{"with a NUL in its key", with(`"banner"`, `"a\u0000b"`), "/key", 422},
		{"of a type that is none", with(`"release"`, `"toggle"`), "/type", 422},
		{"of values that are none", with(`"bool"`, `"boolean"`), "/value_type", 422},
		{"with a variant of another type", with(`true`, `"yes"`), "/variants/on", 422},
		{"in an environment that is none", with(`"prod"`, `"moon"`), "/environments/moon", 422},
		{"with a default that is no variant", with(`"default_variant":"off"`, `"default_variant":"none"`), "/environments/prod/default_variant", 422},
		{"that is switched on in words", with(`"enabled":true`, `"enabled":"yes"`), "/environments/prod/enabled", 400},
		{"that brings its own kill", with(`"enabled":true`, `"enabled":true,"Killed":{}`), "/environments/prod/Killed", 400},
		{"with a rule of an audience that is none", with(`"enabled":true`, `"rules":[{"name":"r","when":{"audience":"none"},"serve":{"variant":"on"}}]`), "/environments/prod/rules/0/when/audience", 422},
		{"with a rule of an operator that is none", with(`"enabled":true`, `"rules":[{"name":"r","when":{"path":"plan","op":"like","value":"x"},"serve":{"variant":"on"}}]`), "/environments/prod/rules/0/when/op", 422},
		{"with a rule that serves what is none", with(`"enabled":true`, `"rules":[{"name":"r","serve":{"variant":"none"}}]`), "/environments/prod/rules/0/serve/variant", 422},
		{"with a negative weight", with(`"enabled":true`, `"rules":[{"name":"r","serve":{"split":{"by":["merchantId"],"weights":{"on":-1,"off":1}}}}]`), "/environments/prod/rules/0/serve/split/weights/on", 422},
		{"by a strategy that is none", with(`"enabled":true`, `"rules":[{"name":"r","strategy":{"name":"luck"}}]`), "/environments/prod/rules/0/strategy/name", 422},
	} {
		cases = append(cases, badInput{name: "a flag " + c.name, path: flagsPath, body: c.body, status: c.status, pointer: c.pointer})
	}
	return asDana(cases)
}

// ruleCases are about rules of automations and their runs.
func ruleCases(at places) []badInput {
	const good = `{"name":"n","automation_environment":"prod","trigger":{"type":"event","event_type":"a.b"},"steps":[{"name":"s","action":"notify.log","with":{"message":"m"}}]}`
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	rule, foreign, runs := rulesPath+"/"+at.rule, rulesPath+"/"+at.foreignRule, "/api/v1/automation/runs"
	cases := []badInput{
		{name: "rules without a token", person: "-", method: "GET", path: rulesPath, status: 401},
		{name: "rules of a merchant of others", method: "GET", path: rulesPath, header: []string{"X-Tenant", "bloom"}, status: 404},
		{name: "a rule that is not there", method: "GET", path: rulesPath + "/none", status: 404},
		{name: "a rule of others", method: "GET", path: foreign, status: 404},
		{name: "changing a rule of others", method: "PUT", path: foreign, body: good, status: 404},
		{name: "turning on a rule of others", path: foreign + "/enable", body: `{}`, status: 404},
		{name: "turning off a rule of others", path: foreign + "/disable", body: `{}`, status: 404},
		{name: "testing a rule of others", path: foreign + "/test", body: `{}`, status: 404},
		{name: "versions of a rule of others", method: "GET", path: foreign + "/versions", status: 404},
		{name: "a rule of a role that may not", person: "sam", path: rulesPath, body: good, status: 403, recordedDenial: true},
		{name: "a rule turned on by a role that may not", person: "audra", path: rule + "/enable", body: `{}`, status: 403, recordedDenial: true},
		{name: "rules to a negative limit", method: "GET", path: rulesPath + "?limit=-1", status: 400, pointer: "limit"},
		{name: "a rule as a form", path: rulesPath, body: good, header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415},
		{name: "a rule under a key of another request", path: rulesPath, body: with(`"n"`, `"other"`), header: []string{"Idempotency-Key", "taken by dana"}, status: 409},
		{name: "a rule for a revision that is past", method: "PUT", path: rule, body: good, header: []string{"If-Match", `"99"`}, status: 409},
		{name: "a rule for a revision in its body that is past", method: "PUT", path: rule, body: with(`"name"`, `"revision":99,"name"`), status: 409},
		{name: "a rule for a revision that is none", method: "PUT", path: rule, body: good, header: []string{"If-Match", "yesterday"}, status: 400, pointer: "If-Match"},
		{name: "a rule with an id of another", method: "PUT", path: rule, body: with(`"name"`, `"id":"other","name"`), status: 422, pointer: "/id"},
		{name: "turning on with an unknown field", path: rule + "/enable", body: `{"now":true}`, status: 400, pointer: "/now"},
		{name: "a reason that is a number", path: rule + "/enable", body: `{"reason":7}`, status: 400, pointer: "/reason"},
		{name: "a reason with a NUL in it", path: rule + "/disable", body: `{"reason":"a\u0000b"}`, status: 422, pointer: "/reason"},
		{name: "a version of a rule that is none", method: "GET", path: rule + "/versions/one", status: 404},
		{name: "a version of a rule that is not yet", method: "GET", path: rule + "/versions/99", status: 404},
		{name: "a test with an outcome that is none", path: rule + "/test", body: `{"event":{"type":"a.b"},"outcomes":{"s":"perhaps"}}`, status: 422, pointer: "/outcomes/s"},
		{name: "a test of a step that is none", path: rule + "/test", body: `{"event":{"type":"a.b"},"outcomes":{"moon":"failed"}}`, status: 422, pointer: "/outcomes/moon"},
		{name: "a test with no event", path: rule + "/test", body: `{"event":7}`, status: 422, pointer: "/event"},
		{name: "a run that is not there", method: "GET", path: runs + "/none", status: 404},
		{name: "repeating a run that is not there", path: runs + "/none/rerun", body: `{}`, status: 404},
		{name: "cancelling a run that is not there", path: runs + "/none/cancel", body: `{}`, status: 404},
		{name: "runs of a status that is none", method: "GET", path: runs + "?status=done", status: 400, pointer: "status"},
		{name: "runs since a time that is none", method: "GET", path: runs + "?since=yesterday", status: 400, pointer: "since"},
		{name: "runs by a filter that is not there", method: "GET", path: runs + "?rule=x", status: 400, pointer: "rule"},
	}
	for _, c := range []struct {
		name, body, pointer string
		status              int
	}{
		{"of no body", ``, "", 400},
		{"that is no JSON", `name=n`, "", 400},
		{"that is cut off", good[:40], "", 400},
		{"that is null", `null`, "", 422},
		{"that is a list", `[]`, "", 422},
		{"that is not UTF-8", with(`"n"`, "\"\xff\""), "", 400},
		{"with an unknown field", with(`"name"`, `"approved":true,"name"`), "/approved", 422},
		{"with a field that stands twice", with(`"name"`, `"name":"a","name"`), "/name", 400},
		{"with a field in another case", with(`"name"`, `"Name"`), "/Name", 422},
		{"with an input that stands twice", with(`"message":"m"`, `"message":"m","message":"n"`), "/steps/0/with/message", 400},
		{"with a name that is a number", with(`"n"`, `7`), "/name", 422},
		{"in an environment that is none", with(`"prod"`, `"moon"`), "/automation_environment", 422},
		{"without a trigger", with(`"trigger":{"type":"event","event_type":"a.b"},`, ``), "/trigger/type", 422},
		{"on a trigger that is none", with(`"type":"event"`, `"type":"moon"`), "/trigger/type", 422},
		{"on events of no type", with(`"a.b"`, `"a.*.b"`), "/trigger/event_type", 422},
		{"without steps", with(`{"name":"s","action":"notify.log","with":{"message":"m"}}`, ``), "/steps", 422},
		{"with steps that are an object", with(`[{"name":"s","action":"notify.log","with":{"message":"m"}}]`, `{}`), "/steps", 422},
		{"with an action that is none", with(`notify.log`, `moon.log`), "/steps/0/action", 422},
		{"with an input of another type", with(`"m"}`, `7}`), "/steps/0/with/message", 422},
		{"with an input that is not asked for", with(`"message":"m"`, `"message":"m","to":"x"`), "/steps/0/with", 422},
		{"that publishes what is not its own", with(`"action":"notify.log","with":{"message":"m"}`, `"action":"publish.event","with":{"action":"orders.refund","resource":{"type":"order","id":"1"}}`), "/steps/0/with/action", 422},
		{"with a condition of an operator that is none", with(`"steps"`, `"conditions":{"path":"/data/x","op":"like","value":1},"steps"`), "/conditions/op", 422},
		{"with a retry that is none", with(`"action"`, `"retry":"often","action"`), "/steps/0/retry", 422},
		{"with a negative timeout", with(`"steps"`, `"timeout":"-1s","steps"`), "/timeout", 422},
	} {
		cases = append(cases, badInput{name: "a rule " + c.name, path: rulesPath, body: c.body, status: c.status, pointer: c.pointer})
	}
	return asDana(cases)
}

// asDana has dana make the requests that say nobody else.
func asDana(cases []badInput) []badInput {
	for i := range cases {
		if cases[i].person == "" {
			cases[i].person = "dana"
		}
	}
	return cases
}

// evaluationCases are about reading flags over OFREP, whose errors have a form of their
// own.
func evaluationCases(at places) []badInput {
	const all, one = "/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/" + newRefundForm
	const good = `{"context":{"targetingKey":"m-1"}}`
	cases := []badInput{
		{name: "an evaluation without a token", person: "-", path: one, body: good, status: 401},
		{name: "evaluations without a token", person: "-", path: all, body: good, status: 401},
		{name: "an evaluation at a merchant of others", path: one, body: good, header: []string{"X-Tenant", "bloom"}, status: 404},
		{name: "an evaluation by GET", method: "GET", path: one, status: 405},
		{name: "an evaluation of a flag that is not there", path: all + "/none", body: good, status: 404, code: "FLAG_NOT_FOUND"},
		{name: "an evaluation of a flag of others", path: all + "/" + at.foreignFlag, body: good, status: 404, code: "FLAG_NOT_FOUND"},
	}
	for _, c := range []struct{ name, body, code string }{
		{"of no body", ``, "PARSE_ERROR"},
		{"that is no JSON", `context`, "PARSE_ERROR"},
		{"that is cut off", good[:20], "PARSE_ERROR"},
		{"that is a list", `[]`, "PARSE_ERROR"},
		{"that is not UTF-8", "{\"context\":{\"targetingKey\":\"\xff\"}}", "PARSE_ERROR"},
		{"with an attribute that stands twice", `{"context":{"targetingKey":"a","targetingKey":"b"}}`, "PARSE_ERROR"},
		{"with a context that is a list", `{"context":[]}`, "PARSE_ERROR"},
		{"without a context", `{}`, "INVALID_CONTEXT"},
		{"of null", `{"context":null}`, "INVALID_CONTEXT"},
		{"for another merchant", `{"context":{"targetingKey":"m-1","tenant":"bloom"}}`, "INVALID_CONTEXT"},
		{"for a key that is a number", `{"context":{"targetingKey":7}}`, "INVALID_CONTEXT"},
		{"for nobody", `{"context":{}}`, "TARGETING_KEY_MISSING"},
		{"of 10,000 levels", `{"context":{"x":` + nest(10_000, "[", "1", "]") + `}}`, "PARSE_ERROR"},
		{"of ten mebibytes", `{"context":{"targetingKey":"` + strings.Repeat("k", 10<<20) + `"}}`, "PARSE_ERROR"},
	} {
		cases = append(cases, badInput{name: "an evaluation " + c.name, path: one, body: c.body, status: 400, code: c.code})
		if c.code != "TARGETING_KEY_MISSING" { // that is told flag by flag
			cases = append(cases, badInput{name: "evaluations " + c.name, path: all, body: c.body, status: 400, code: c.code})
		}
	}
	return cases
}

// knownAudience is an audience that a flag of acme uses.
const knownAudience = "vip"

// prepareRules makes what the cases about flags and rules point at.
func (a *admin) prepareRules(at *places) {
	a.t.Helper()
	const flag = `{"key":"%s","type":"release","value_type":"bool","variants":{"on":true},"environments":{"prod":{"enabled":true,"default_variant":"on"%s}}}`
	const rule = `{"name":"n","automation_environment":"prod","trigger":{"type":"event","event_type":"a.b"},"steps":[{"name":"s","action":"notify.log","with":{"message":"m"}}]}`
	nina := []string{"Authorization", "Bearer demo-nina", "X-Tenant", "bloom"}
	at.foreignFlag = "bloom_only"
	a.send("POST", flagsPath, fmt.Sprintf(flag, at.foreignFlag, ""), nina...).want(201)
	at.foreignRule = a.send("POST", rulesPath, rule, nina...).want(201).text("id")
	at.rule = a.as("dana", "POST", rulesPath, rule, "Idempotency-Key", "taken by dana").want(201).text("id")
	a.as("dana", "PUT", "/api/v1/audiences/"+knownAudience, `{"include":["m-1"]}`).want(200)
	a.as("dana", "POST", flagsPath, fmt.Sprintf(flag, "for_vips", `,"rules":[{"name":"r","when":{"audience":"vip"},"serve":{"variant":"on"}}]`)).want(201)
}
