package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
)

type input struct {
	Amount string   `json:"amount"`
	Tags   []string `json:"tags,omitzero"`
	Inner  struct {
		N int `json:"n"`
	} `json:"inner,omitzero"`
}

func TestUnmarshalRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, pointer, message string }{
		{"an empty body", " ", "", "must not be empty"},
		{"an unknown field", `{"amount":"1","more":1}`, "/more", "is not a known field"},
		{"a duplicate field", `{"amount":"1","amount":"2"}`, "/amount", "is given twice"},
		{"another case of a known field", `{"amount":"1","AMOUNT":"2"}`, "/AMOUNT", "is not a known field"},
		{"a wrong type", `{"amount":1}`, "/amount", "has the wrong type or form"},
		{"a wrong type below", `{"inner":{"n":"x"}}`, "/inner/n", "has the wrong type or form"},
		{"a wrong type in a list", `{"tags":["a",{}]}`, "/tags/1", "has the wrong type or form"},
		{"half a document", `{"amount":"1"`, "", "is not valid JSON"},
		{"two documents", `{"amount":"1"}{}`, "", "is not valid JSON"},
		{"a document too deep", strings.Repeat("[", 65) + strings.Repeat("]", 65), "", "is nested deeper than 64 levels"},
		{"bytes that are not UTF-8", "{\"amount\":\"\xff\"}", "/amount", "is not valid JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var in input
			p, ok := errors.AsType[*httpapi.Problem](httpapi.Unmarshal([]byte(c.body), &in))
			if !ok || p.Status != http.StatusBadRequest || len(p.Errors) != 1 {
				t.Fatalf("got %+v, want one 400", p)
			}
			if got := p.Errors[0]; got.Pointer != c.pointer || got.Message != c.message {
				t.Errorf("got %+v, want {%s %s}", got, c.pointer, c.message)
			}
		})
	}
}

func TestProblemsHideCauses(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial tcp 10.1.2.3: password=hunter2")
	for _, c := range []struct {
		name   string
		err    error
		status int
		word   string
	}{
		{"an unknown error", secret, 500, "internal"},
		{"a store that is away", errors.Join(storage.ErrUnavailable, secret), 503, "unavailable"},
		{"a lost commit", errors.Join(storage.ErrCommitUnknown, secret), 503, "commit_unknown"},
		{"a missing object", errors.Join(storage.ErrNotFound, secret), 404, "not_found"},
		{"a moved revision", errors.Join(storage.ErrConflict, secret), 409, "conflict"},
		{"a bad cursor", storage.ErrBadCursor, 400, "bad_cursor"},
		{"a limit", errors.Join(&storage.LimitError{What: "endpoints", Limit: 5}, secret), 409, "limit"},
		{"a bad field", storage.Invalid("/amount", "must be positive"), 422, "invalid"},
		{"a denial", &audit.DeniedError{Verdict: audit.Verdict{Reason: audit.Reason{Code: "no_matching_rule", Detail: secret.Error()}}, Err: secret}, 403, "denied"},
		{"nobody", httpapi.ErrUnauthenticated, 401, "unauthenticated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := httpapi.ProblemOf(c.err)
			b, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if p.Status != c.status || p.Type != httpapi.TypePrefix+c.word {
				t.Errorf("got %d %s, want %d %s", p.Status, p.Type, c.status, c.word)
			}
			if strings.Contains(string(b), "hunter2") {
				t.Errorf("the document tells the cause: %s", b)
			}
		})
	}
}

func TestLimitProblemNamesTheLimitAndItsValue(t *testing.T) {
	t.Parallel()
	p := httpapi.ProblemOf(fmt.Errorf("create: %w", &storage.LimitError{What: "endpoints", Limit: 5}))
	if p.Limit == nil || *p.Limit != (storage.LimitError{What: "endpoints", Limit: 5}) {
		t.Errorf("got the limit %+v", p.Limit)
	}
	if want := "There may be at most 5 endpoints. Nothing was changed."; p.Detail != want {
		t.Errorf("got %q, want %q", p.Detail, want)
	}
}

func TestStepUpProblemCarriesTheChallenge(t *testing.T) {
	t.Parallel()
	p := httpapi.ProblemOf(&audit.StepUpError{Verdict: audit.Verdict{
		Effect:      audit.StepUp,
		Obligations: audit.Obligations{StepUp: &audit.StepUpObligation{ACRValues: []string{"urn:mfa"}, MaxAge: 5 * time.Minute}},
	}})
	const want = `Bearer error="insufficient_user_authentication", error_description="A fresher authentication is required", acr_values="urn:mfa", max_age="300"`
	if got := p.Header["WWW-Authenticate"]; p.Status != 401 || got != want {
		t.Errorf("got %d %s, want 401 %s", p.Status, got, want)
	}
}

func vault(t *testing.T) *secrets.Vault {
	t.Helper()
	keys, err := secrets.Generate()
	if err != nil {
		t.Fatal(err)
	}
	v, err := secrets.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// server answers POST /do by what do says and counts how often it ran.
func server(t *testing.T, do func(ctx context.Context) error) (url string, runs *int) {
	t.Helper()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api, err := httpapi.New(httpapi.Config{
		Identify: func(r *http.Request) (httpapi.Identity, error) {
			who := r.Header.Get("Authorization")
			if who == "" {
				return httpapi.Identity{}, httpapi.ErrUnauthenticated
			}
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: who}}, nil
		},
		Tx:          backend,
		Idempotency: backend.Idempotency(),
		Vault:       vault(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	runs = new(int)
	mux := http.NewServeMux()
	api.Handle(mux, "POST /do", func(w http.ResponseWriter, r *http.Request, _ httpapi.Identity) error {
		*runs++
		var in input
		if err := httpapi.Decode(r, &in); err != nil {
			return err
		}
		if err := do(r.Context()); err != nil {
			return err
		}
		return httpapi.WriteJSON(w, http.StatusCreated, map[string]any{"run": *runs})
	})
	api.Handle(mux, "POST /long", func(w http.ResponseWriter, _ *http.Request, _ httpapi.Identity) error {
		*runs++
		w.Header().Set("ETag", `"7"`)
		return httpapi.WriteJSON(w, http.StatusOK, strings.Repeat("x", 500<<10))
	})
	api.Handle(mux, "GET /panic", func(http.ResponseWriter, *http.Request, httpapi.Identity) error { panic("boom") })
	s := httptest.NewServer(httpapi.Edge(nil, api.Mux(mux)))
	t.Cleanup(s.Close)
	return s.URL, runs
}

func call(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestARepeatedPostRunsOnce(t *testing.T) {
	t.Parallel()
	url, runs := server(t, func(context.Context) error { return nil })
	auth := []string{"Authorization", "sam", "Idempotency-Key", "k1"}
	first, body1 := call(t, "POST", url+"/do", `{"amount":"1"}`, auth...)
	again, body2 := call(t, "POST", url+"/do", `{"amount":"1"}`, auth...)
	if first.StatusCode != 201 || again.StatusCode != 201 || body1 != body2 || *runs != 1 {
		t.Errorf("got %d %q and %d %q in %d runs, want the same 201 in 1 run", first.StatusCode, body1, again.StatusCode, body2, *runs)
	}
	if again.Header.Get("Idempotent-Replayed") != "true" || first.Header.Get("Idempotent-Replayed") != "" {
		t.Error("the replay must say that it is one, and only it")
	}
	other, problem := call(t, "POST", url+"/do", `{"amount":"2"}`, auth...)
	if other.StatusCode != 409 || !strings.Contains(problem, "idempotency_mismatch") {
		t.Errorf("another body under the key: got %d %s, want 409", other.StatusCode, problem)
	}
	elsewhere, _ := call(t, "POST", url+"/do", `{"amount":"2"}`, "Authorization", "ann", "Idempotency-Key", "k1")
	if elsewhere.StatusCode != 201 || *runs != 2 {
		t.Errorf("somebody else's key: got %d in %d runs, want 201 in 2", elsewhere.StatusCode, *runs)
	}
}

func TestALongAnswerIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	url, runs := server(t, nil)
	auth := []string{"Authorization", "sam", "Idempotency-Key", "k1"}
	first, body1 := call(t, "POST", url+"/long", "", auth...)
	again, body2 := call(t, "POST", url+"/long", "", auth...)
	if first.StatusCode != 200 || again.StatusCode != 200 || body1 != body2 || *runs != 1 {
		t.Errorf("got %d %.200s and %d %.200s in %d runs, want the same 200 in 1 run", first.StatusCode, body1, again.StatusCode, body2, *runs)
	}
	if got := again.Header.Get("ETag"); got != `"7"` {
		t.Errorf("the replay has the ETag %q, want that of the answer", got)
	}
}

func TestAFailedPostLeavesItsKeyFree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		err    error
		status int
	}{
		{"after a refusal", &audit.StepUpError{}, 401},
		{"after a denial", &audit.DeniedError{}, 403},
		{"after bad input", storage.Invalid("/amount", "must be positive"), 422},
		{"after an error of ours", errors.New("lost"), 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.err
			url, runs := server(t, func(context.Context) error { return err })
			auth := []string{"Authorization", "sam", "Idempotency-Key", "k1"}
			if got, body := call(t, "POST", url+"/do", `{"amount":"1"}`, auth...); got.StatusCode != c.status {
				t.Fatalf("got %d %s, want %d", got.StatusCode, body, c.status)
			}
			err = nil
			if got, body := call(t, "POST", url+"/do", `{"amount":"1"}`, auth...); got.StatusCode != 201 || *runs != 2 {
				t.Errorf("got %d %s in %d runs, want 201 in 2", got.StatusCode, body, *runs)
			}
		})
	}
}

func TestEdgeContinuesTheTraceAndContainsPanics(t *testing.T) {
	t.Parallel()
	url, _ := server(t, func(context.Context) error { return nil })
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	resp, body := call(t, "GET", url+"/panic", "", "Authorization", "sam", "Traceparent", parent, "X-Request-Id", "req-1")
	if resp.StatusCode != 500 || strings.Contains(body, "boom") || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %s, want a neutral 500", resp.StatusCode, body)
	}
	got, ok := correlation.Parse(resp.Header.Get("Traceparent"))
	if !ok || got.TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" || got.SpanID == "00f067aa0ba902b7" {
		t.Errorf("got trace %+v, want the caller's trace in a span of our own", got)
	}
	if resp.Header.Get("X-Request-Id") != "req-1" || !strings.Contains(body, "req-1") {
		t.Error("the request id must be kept and told")
	}
}

func TestUnknownPathsAndMethodsAnswerProblems(t *testing.T) {
	t.Parallel()
	url, _ := server(t, func(context.Context) error { return nil })
	for _, c := range []struct {
		method, path string
		header       []string
		status       int
	}{
		{"GET", "/nowhere", nil, 404},
		{"PUT", "/do", nil, 405},
		{"POST", "/do", nil, 401},
		{"POST", "/do", []string{"Authorization", "sam", "Content-Type", "text/plain"}, 415},
	} {
		resp, body := call(t, c.method, url+c.path, `{"amount":"1"}`, c.header...)
		if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: got %d %s, want a %d problem", c.method, c.path, resp.StatusCode, body, c.status)
		}
		if c.status == 405 && resp.Header.Get("Allow") == "" {
			t.Error("a 405 must name the methods that exist")
		}
	}
}

func TestALongBodyIs413(t *testing.T) {
	t.Parallel()
	url, runs := server(t, func(context.Context) error { return nil })
	big := `{"amount":"` + strings.Repeat("1", httpapi.MaxBody) + `"}`
	for _, header := range [][]string{{"Authorization", "sam"}, {"Authorization", "sam", "Idempotency-Key", "k"}} {
		if resp, body := call(t, "POST", url+"/do", big, header...); resp.StatusCode != 413 {
			t.Errorf("got %d %s, want 413", resp.StatusCode, body)
		}
	}
	if *runs != 1 { // the handler of the first read the body itself
		t.Errorf("the handler ran %d times, want 1", *runs)
	}
}

func TestAPackedBodyIs415(t *testing.T) {
	t.Parallel()
	url, _ := server(t, func(context.Context) error { return nil })
	for _, c := range []struct {
		encoding string
		refused  bool
	}{{"gzip", true}, {"identity, br", true}, {"x-none", true}, {"identity", false}, {"", false}} {
		for _, key := range [][]string{nil, {"Idempotency-Key", "k" + c.encoding}} {
			header := append([]string{"Authorization", "sam", "Content-Encoding", c.encoding}, key...)
			resp, body := call(t, "POST", url+"/do", `{"amount":"1"}`, header...)
			if refused := resp.StatusCode == 415; refused != c.refused {
				t.Errorf("%q: got %d %s, refused should be %t", c.encoding, resp.StatusCode, body, c.refused)
			}
			if c.refused && (!strings.Contains(body, `"pointer":"Content-Encoding"`) || resp.Header.Get("Accept-Encoding") != "identity") {
				t.Errorf("%q: got %s and Accept-Encoding %q, want what is accepted", c.encoding, body, resp.Header.Get("Accept-Encoding"))
			}
		}
	}
}

func TestParseParams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query string
		want  string
	}{
		{"limit=5&after=x", ""},
		{"limitt=5", "limitt"},
		{"limit=5&limit=6", "limit"},
		{"limit=%ff", "limit"},
		{"limit=a%00b", "limit"},
	} {
		r := httptest.NewRequest("GET", "/?"+c.query, nil)
		_, err := httpapi.ParseParams(r, "limit", "after")
		p, _ := errors.AsType[*httpapi.Problem](err)
		if (p == nil) != (c.want == "") || (p != nil && p.Errors[0].Pointer != c.want) {
			t.Errorf("%s: got %v, want a complaint about %q", c.query, err, c.want)
		}
	}
}

func TestLinkNextKeepsPathAndFilters(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/api/v1/audit/events?actor=sam&after=old", nil)
	httpapi.LinkNext(w, r, "new")
	if got, want := w.Header().Get("Link"), `</api/v1/audit/events?actor=sam&after=new>; rel="next"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAKeyBelongsToTheTargetThatTheClientNamed(t *testing.T) {
	t.Parallel()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api, err := httpapi.New(httpapi.Config{
		Identify: func(*http.Request) (httpapi.Identity, error) {
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "sam"}}, nil
		},
		Tx: backend, Idempotency: backend.Idempotency(), Vault: vault(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	surface := http.NewServeMux()
	api.Handle(surface, "POST /do", func(w http.ResponseWriter, _ *http.Request, _ httpapi.Identity) error {
		return httpapi.WriteJSON(w, http.StatusOK, "done")
	})
	host := http.NewServeMux()
	for _, prefix := range []string{"/a", "/b"} {
		host.Handle(prefix+"/", http.StripPrefix(prefix, surface))
	}
	s := httptest.NewServer(host)
	defer s.Close()
	if got, _ := call(t, "POST", s.URL+"/a/do", "", "Idempotency-Key", "k1"); got.StatusCode != 200 {
		t.Fatalf("got %d, want 200", got.StatusCode)
	}
	if got, _ := call(t, "POST", s.URL+"/b/do", "", "Idempotency-Key", "k1"); got.StatusCode != 409 {
		t.Errorf("the same key elsewhere: got %d, want 409", got.StatusCode)
	}
}
