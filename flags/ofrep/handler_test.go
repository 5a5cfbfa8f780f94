package ofrep_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/ofrep"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

// answers is a provider that has one answer a flag, and sees who asked.
type answers struct {
	flags   map[string]flags.Evaluation
	err     error
	subject *flags.Subject
}

func (a *answers) Evaluate(_ context.Context, key string, s *flags.Subject) flags.Evaluation {
	a.subject = s
	if e, ok := a.flags[key]; ok {
		return e
	}
	return flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: flags.CodeFlagNotFound, Message: "there is no such flag"}}
}

func (a *answers) EvaluateAll(_ context.Context, s *flags.Subject, yield func(string, flags.Evaluation) bool) (int64, error) {
	a.subject = s
	if a.err != nil {
		return 0, a.err
	}
	keys := []string{}
	for key := range a.flags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		e := a.flags[key]
		if who, ok := s.Attribute("color"); ok && key == "bool" {
			e.Value = who
		}
		if !yield(key, e) {
			break
		}
	}
	return 7, nil
}

func failed(code flags.ErrorCode) flags.Evaluation {
	return flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: code, Message: "why"}}
}

func someFlags() map[string]flags.Evaluation {
	object, err := targeting.Of(map[string]any{"a": 1.5})
	if err != nil {
		panic(err)
	}
	return map[string]flags.Evaluation{
		"bool":    {Value: targeting.Bool(true), Variant: "on", Reason: flags.ReasonTargetingMatch, Rule: "british", Version: 3},
		"text":    {Value: targeting.String("blue"), Variant: "b", Reason: flags.ReasonStatic, Version: 1, Metadata: map[string]any{"team": "web"}},
		"whole":   {Value: targeting.Int(42), Variant: "n", Reason: flags.ReasonSplit, Version: 1},
		"float":   {Value: targeting.Number(0.5), Variant: "n", Reason: flags.ReasonDisabled, Version: 1},
		"object":  {Value: object, Variant: "o", Reason: flags.ReasonStale, Version: 1},
		"default": {Reason: flags.ReasonDefault, Version: 1},
		"nokey":   failed(flags.CodeTargetingKeyMissing),
		"corrupt": failed(flags.CodeParseError),
		"early":   failed(flags.CodeNotReady),
	}
}

func identify(r *http.Request) (httpapi.Identity, error) {
	if r.Header.Get("Authorization") == "" {
		return httpapi.Identity{}, httpapi.ErrUnauthenticated
	}
	return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}}, nil
}

// surface returns the handler as a host mounts it.
func surface(t *testing.T, p ofrep.Provider) http.Handler {
	t.Helper()
	return http.StripPrefix("/ofrep/v1", unmounted(t, p))
}

func unmounted(t *testing.T, p ofrep.Provider) http.Handler {
	t.Helper()
	h, err := ofrep.New(p, ofrep.Config{
		Config: httpapi.Config{Identify: identify},
		Authorize: func(_ context.Context, who httpapi.Identity) error {
			if who.Actor.ID == "mallory" {
				return &audit.DeniedError{Verdict: audit.Verdict{Reason: audit.Reason{Code: "stranger"}}}
			}
			return nil
		},
		Throttle: func(_ *http.Request, who httpapi.Identity) time.Duration {
			if who.Actor.ID == "hasty" {
				return 1500 * time.Millisecond
			}
			return 0
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// An exchange is a request and the status and body that it gets.
type exchange struct {
	name, key, who, body string
	status               int
	want                 string // JSON, empty for no body of the protocol
}

func exchanges() []exchange {
	const ctx = `{"context":{"targetingKey":"m-1","country":"GB"}}`
	nested := `{"context":{"targetingKey":"m-1","x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}}`
	return []exchange{
		{"a truth value", "bool", "sam", ctx, 200, `{"key":"bool","value":true,"reason":"TARGETING_MATCH","variant":"on","metadata":{"version":3,"rule":"british"}}`},
		{"a text with metadata", "text", "sam", ctx, 200, `{"key":"text","value":"blue","reason":"STATIC","variant":"b","metadata":{"version":1,"team":"web"}}`},
		{"an integer", "whole", "sam", ctx, 200, `{"key":"whole","value":42,"reason":"SPLIT","variant":"n","metadata":{"version":1}}`},
		{"a fraction", "float", "sam", ctx, 200, `{"key":"float","value":0.5,"reason":"DISABLED","variant":"n","metadata":{"version":1}}`},
		{"an object, stale", "object", "sam", ctx, 200, `{"key":"object","value":{"a":1.5},"reason":"UNKNOWN","variant":"o","metadata":{"version":1,"reason":"STALE"}}`},
		{"no value means the client's default", "default", "sam", ctx, 200, `{"key":"default","reason":"UNKNOWN","metadata":{"version":1,"reason":"DEFAULT"}}`},
		{"a merchant in place of the key", "bool", "sam", `{"context":{"merchantId":"m-1"}}`, 200, `{"key":"bool","value":true,"reason":"TARGETING_MATCH","variant":"on","metadata":{"version":3,"rule":"british"}}`},
		{"what the protocol may add later", "bool", "sam", `{"context":{"targetingKey":"m-1"},"later":1}`, 200, `{"key":"bool","value":true,"reason":"TARGETING_MATCH","variant":"on","metadata":{"version":3,"rule":"british"}}`},
		{"an unknown flag", "nope", "sam", ctx, 404, `{"key":"nope","errorCode":"FLAG_NOT_FOUND","errorDetails":"there is no such flag"}`},
		{"a missing key", "nokey", "sam", ctx, 400, `{"key":"nokey","errorCode":"TARGETING_KEY_MISSING","errorDetails":"why"}`},
		{"a corrupt flag", "corrupt", "sam", ctx, 400, `{"key":"corrupt","errorCode":"PARSE_ERROR","errorDetails":"why"}`},
		{"a provider that is not ready", "early", "sam", ctx, 500, `{"errorDetails":"why"}`},
		{"no context", "bool", "sam", `{}`, 400, `{"key":"bool","errorCode":"INVALID_CONTEXT","errorDetails":"the context is missing"}`},
		{"no JSON", "bool", "sam", `context`, 400, `{"key":"bool","errorCode":"PARSE_ERROR","errorDetails":"the body must be a JSON object with a context, in which no name stands twice"}`},
		{"a name that stands twice", "bool", "sam", `{"context":{"plan":"a","plan":"b"}}`, 400, `{"key":"bool","errorCode":"PARSE_ERROR","errorDetails":"the body must be a JSON object with a context, in which no name stands twice"}`},
		{"a key that is no text", "bool", "sam", `{"context":{"targetingKey":7}}`, 400, `{"key":"bool","errorCode":"INVALID_CONTEXT","errorDetails":"the attribute \"targetingKey\" must be a text"}`},
		{"another tenant", "bool", "sam", `{"context":{"targetingKey":"m-1","tenant":"bloom"}}`, 400, `{"key":"bool","errorCode":"INVALID_CONTEXT","errorDetails":"the tenant must be the one that the request is made for"}`},
		{"a deep body", "bool", "sam", nested, 400, `{"key":"bool","errorCode":"PARSE_ERROR","errorDetails":"the body is longer or deeper than a context may be"}`},
		{"a long body", "bool", "sam", `{"context":{"targetingKey":"` + strings.Repeat("k", ofrep.MaxContext) + `"}}`, 400, `{"key":"bool","errorCode":"PARSE_ERROR","errorDetails":"the body is longer or deeper than a context may be"}`},
		{"nobody", "bool", "", ctx, 401, ""},
		{"somebody who may not", "bool", "mallory", ctx, 403, ""},
		{"somebody who asks too often", "bool", "hasty", ctx, 429, ""},
		{"all without a context", "", "sam", `{}`, 400, `{"errorCode":"INVALID_CONTEXT","errorDetails":"the context is missing"}`},
		{"all by nobody", "", "", ctx, 401, ""},
		{"all", "", "sam", ctx, 200, `{"flags":[
			{"key":"bool","value":true,"reason":"TARGETING_MATCH","variant":"on","metadata":{"version":3,"rule":"british"}},
			{"key":"corrupt","errorCode":"PARSE_ERROR","errorDetails":"why"},
			{"key":"default","reason":"UNKNOWN","metadata":{"version":1,"reason":"DEFAULT"}},
			{"key":"early","errorCode":"GENERAL","errorDetails":"why"},
			{"key":"float","value":0.5,"reason":"DISABLED","variant":"n","metadata":{"version":1}},
			{"key":"nokey","errorCode":"TARGETING_KEY_MISSING","errorDetails":"why"},
			{"key":"object","value":{"a":1.5},"reason":"UNKNOWN","variant":"o","metadata":{"version":1,"reason":"STALE"}},
			{"key":"text","value":"blue","reason":"STATIC","variant":"b","metadata":{"version":1,"team":"web"}},
			{"key":"whole","value":42,"reason":"SPLIT","variant":"n","metadata":{"version":1}}],"metadata":{"version":"7"}}`},
	}
}

// send makes the exchange and returns the answer.
func (x exchange) send(h http.Handler, header ...string) *httptest.ResponseRecorder {
	path := "/ofrep/v1/evaluate/flags"
	if x.key != "" {
		path += "/" + x.key
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(x.body))
	r.Header.Set("Content-Type", "application/json")
	if x.who != "" {
		r.Header.Set("Authorization", "Bearer "+x.who)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswersAreThoseOfTheProtocol(t *testing.T) {
	doc := httpapitest.Load(t, ofrep.OpenAPI())
	upstream := upstreamDocument(t)
	h := surface(t, &answers{flags: someFlags()})
	doc.Covers(t, unmounted(t, &answers{}))
	for _, x := range exchanges() {
		t.Run(x.name, func(t *testing.T) {
			w := x.send(h)
			if w.Code != x.status {
				t.Fatalf("answered %d, want %d: %s", w.Code, x.status, w.Body)
			}
			path := "/ofrep/v1/evaluate/flags"
			if x.key != "" {
				path += "/" + x.key
			}
			doc.Check(t, http.MethodPost, path, w.Code, w.Header(), w.Body.Bytes())
			if x.want == "" {
				return
			}
			upstream.Check(t, http.MethodPost, path, w.Code, w.Header(), w.Body.Bytes())
			if got, want := normal(t, w.Body.Bytes()), normal(t, []byte(x.want)); got != want {
				t.Errorf("answered\n%s\nwant\n%s", got, want)
			}
		})
	}
	if w := (exchange{key: "bool", who: "hasty", body: `{}`}).send(h); w.Header().Get("Retry-After") != "2" {
		t.Errorf("Retry-After is %q, want 2", w.Header().Get("Retry-After"))
	}
}

func TestAPackedBodyIs415(t *testing.T) {
	doc := httpapitest.Load(t, ofrep.OpenAPI())
	h := surface(t, &answers{flags: someFlags()})
	for key, path := range map[string]string{"bool": "/ofrep/v1/evaluate/flags/bool", "": "/ofrep/v1/evaluate/flags"} {
		x := exchange{key: key, who: "sam", body: `{"context":{"targetingKey":"m-1"}}`}
		w := x.send(h, "Content-Encoding", "gzip")
		if w.Code != http.StatusUnsupportedMediaType || w.Header().Get("Accept-Encoding") != "identity" {
			t.Errorf("%s: answered %d %s, want 415 and what is accepted", path, w.Code, w.Body)
		}
		doc.Check(t, http.MethodPost, path, w.Code, w.Header(), w.Body.Bytes())
		if w := x.send(h, "Content-Encoding", "identity"); w.Code != http.StatusOK {
			t.Errorf("%s: a plain body is answered %d %s", path, w.Code, w.Body)
		}
	}
}

func normal(t *testing.T, raw []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// upstreamDocument is the protocol's own OpenAPI document. As it stands, no value passes
// it: it wants exactly one type to fit, but the one for the client's default fits every
// object, and an integer is a number too. So one of these is read as any of them.
func upstreamDocument(t *testing.T) *httpapitest.Document {
	t.Helper()
	raw := suitetest.Read(t, suitetest.Dir(t, "ofrep"), "openapi.yaml")
	var doc map[string]any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	success := doc["components"].(map[string]any)["schemas"].(map[string]any)["evaluationSuccess"].(map[string]any)
	parts := success["allOf"].([]any)
	types := parts[1].(map[string]any)
	types["anyOf"] = types["oneOf"]
	delete(types, "oneOf")
	items := doc["components"].(map[string]any)["schemas"].(map[string]any)["bulkEvaluationSuccess"].(map[string]any)["properties"].(map[string]any)["flags"].(map[string]any)["items"].(map[string]any)
	items["anyOf"] = items["oneOf"]
	delete(items, "oneOf")
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return httpapitest.Load(t, out)
}

func TestTheTenantIsThatOfTheCaller(t *testing.T) {
	p := &answers{flags: someFlags()}
	h := surface(t, p)
	for _, key := range []string{"bool", ""} {
		exchange{key: key, who: "sam", body: `{"context":{"targetingKey":"m-1","plan":"pro"}}`}.send(h)
		plan, _ := p.subject.Attribute("plan")
		if p.subject.Tenant != "acme" || p.subject.Key != "m-1" || plan.Any() != "pro" {
			t.Errorf("%q was evaluated for %+v", key, p.subject)
		}
	}
}

func TestAnAnswerThatTheCallerHasIsNotSentAgain(t *testing.T) {
	p := &answers{flags: someFlags()}
	h := surface(t, p)
	all := exchange{who: "sam", body: `{"context":{"targetingKey":"m-1"}}`}
	etag := all.send(h).Header().Get("ETag")
	if etag == "" {
		t.Fatal("no ETag")
	}
	for _, condition := range []string{etag, "W/" + etag, `"other", ` + etag, strings.Trim(etag, `"`), "*"} {
		if w := all.send(h, "If-None-Match", condition); w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("ETag") != etag {
			t.Errorf("%s: answered %d with %d bytes", condition, w.Code, w.Body.Len())
		}
	}
	other := exchange{who: "sam", body: `{"context":{"targetingKey":"m-1","color":"red"}}`}
	if w := other.send(h, "If-None-Match", etag); w.Code != http.StatusOK || w.Header().Get("ETag") == etag {
		t.Errorf("another context was answered %d with %s", w.Code, w.Header().Get("ETag"))
	}
	p.flags["text"] = flags.Evaluation{Value: targeting.String("red"), Variant: "r", Reason: flags.ReasonStatic, Version: 2}
	if w := all.send(h, "If-None-Match", etag); w.Code != http.StatusOK || w.Header().Get("ETag") == etag {
		t.Errorf("after a change the answer is %d with %s", w.Code, w.Header().Get("ETag"))
	}
	p.err = &flags.Error{Code: flags.CodeNotReady, Message: "secret cause"}
	if w := all.send(h); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") || w.Header().Get("ETag") != "" {
		t.Errorf("a provider that fails was answered %d: %s", w.Code, w.Body)
	}
}

func TestNewWantsWhatItNeeds(t *testing.T) {
	if _, err := ofrep.New(nil, ofrep.Config{Config: httpapi.Config{Identify: identify}}); err == nil {
		t.Error("no provider is accepted")
	}
	if _, err := ofrep.New(&answers{}, ofrep.Config{}); err == nil {
		t.Error("no Identify is accepted")
	}
}

func Example() {
	provider := &answers{flags: map[string]flags.Evaluation{
		"new_checkout": {Value: targeting.Bool(true), Variant: "on", Reason: flags.ReasonTargetingMatch, Rule: "british", Version: 3},
	}}
	h, err := ofrep.New(provider, ofrep.Config{Config: httpapi.Config{Identify: identify}})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(http.StripPrefix("/ofrep/v1", h))
	defer server.Close()

	r, err := http.NewRequest(http.MethodPost, server.URL+"/ofrep/v1/evaluate/flags/new_checkout",
		strings.NewReader(`{"context":{"targetingKey":"m-1","country":"GB"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Header.Set("Authorization", "Bearer sam")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Println(answer.Status, string(body), err)
	// Output:
	// 200 OK {"key":"new_checkout","value":true,"reason":"TARGETING_MATCH","variant":"on","metadata":{"rule":"british","version":3}} <nil>
}

func FuzzBody(f *testing.F) {
	for _, x := range exchanges() {
		f.Add(x.body)
	}
	provider := &answers{flags: someFlags()}
	h, err := ofrep.New(provider, ofrep.Config{Config: httpapi.Config{Identify: identify}})
	if err != nil {
		f.Fatal(err)
	}
	h = http.StripPrefix("/ofrep/v1", h)
	f.Fuzz(func(t *testing.T, body string) {
		for _, key := range []string{"bool", ""} {
			w := exchange{key: key, who: "sam", body: body}.send(h)
			if w.Code != http.StatusOK && w.Code != http.StatusBadRequest || !json.Valid(w.Body.Bytes()) {
				t.Errorf("answered %d: %s", w.Code, w.Body)
			}
		}
	})
}
