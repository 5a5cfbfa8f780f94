package webhookstest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/signing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func honest(t testing.TB) *egress.Deliverer {
	d, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(context.WithoutCancel(t.Context())) })
	return d
}

func TestHTTPDelivererKeepsTheRules(t *testing.T) {
	Run(t, Options{New: func(t testing.TB) webhooks.Deliverer { return honest(t) }})
}

// A mutant is the honest Deliverer with one thing wrong, and the rule that finds it.
type mutant struct {
	name, rule string
	deliver    func(honest webhooks.Deliverer) deliver
}

type deliver func(ctx context.Context, r webhooks.Request) webhooks.Result

func (f deliver) Deliver(ctx context.Context, r webhooks.Request) webhooks.Result { return f(ctx, r) }

// after changes the result of the honest one.
func after(change func(r *webhooks.Result)) func(webhooks.Deliverer) deliver {
	return func(d webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			result := d.Deliver(ctx, r)
			change(&result)
			return result
		}
	}
}

// before changes what the honest one is asked.
func before(change func(r *webhooks.Request)) func(webhooks.Deliverer) deliver {
	return func(d webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			change(&r)
			return d.Deliver(ctx, r)
		}
	}
}

var zoo = []mutant{
	{"tries a failure again by itself", "WD-001", func(d webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			result := d.Deliver(ctx, r)
			if result.StatusCode >= 500 {
				result = d.Deliver(ctx, r)
			}
			return result
		}
	}},
	{"sends a message twice to be sure", "WD-001", func(d webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			d.Deliver(ctx, r)
			return d.Deliver(ctx, r)
		}
	}},
	{"uses a client that follows redirects", "WD-002", func(webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result { return naive(ctx, r, r.Body) }
	}},
	{"makes an id for each attempt", "WD-003", before(func(r *webhooks.Request) {
		r.MessageID = "msg_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	})},
	{"sends the time of the event", "WD-004", before(func(r *webhooks.Request) { r.At = r.At.Add(-time.Hour) })},
	{"signs with the newest key only", "WD-005", before(func(r *webhooks.Request) { r.Keys = r.Keys[:1] })},
	{"signs before the final body", "WD-005", func(webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			var v any
			if json.Unmarshal(r.Body, &v) != nil {
				return webhooks.Result{}
			}
			sent, _ := json.Marshal(v)
			return naive(ctx, r, sent)
		}
	}},
	{"trims the body", "WD-006", before(func(r *webhooks.Request) { r.Body = bytes.TrimSpace(r.Body) })},
	{"calls the body plain JSON", "WD-006", before(func(r *webhooks.Request) { r.ContentType = "application/json" })},
	{"begins a trace of its own", "WD-007", func(d webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			return d.Deliver(correlation.With(ctx, correlation.New()), r)
		}
	}},
	{"retries 2xx other than 200", "WD-008", after(func(r *webhooks.Result) {
		if r.StatusCode > 200 && r.StatusCode < 300 {
			r.Outcome = webhooks.Retry
		}
	})},
	{"reads a body to its end before it believes", "WD-009", func(webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return naive(ctx, r, r.Body)
		}
	}},
	{"ignores that a receiver is gone", "WD-010", after(func(r *webhooks.Result) {
		if r.Outcome == webhooks.Gone {
			r.Outcome = webhooks.Retry
		}
	})},
	{"gives up on 4xx", "WD-011", after(func(r *webhooks.Result) {
		if r.StatusCode >= 400 && r.StatusCode < 500 && r.StatusCode != 410 {
			r.Outcome = webhooks.Blocked
		}
	})},
	{"takes every answer for a success", "WD-011", after(func(r *webhooks.Result) {
		if r.StatusCode != 0 {
			r.Outcome = webhooks.Accepted
		}
	})},
	{"never throttles", "WD-012", after(func(r *webhooks.Result) { r.Throttle = false })},
	{"throttles always", "WD-012", after(func(r *webhooks.Result) { r.Throttle = true })},
	{"ignores Retry-After", "WD-013", after(func(r *webhooks.Result) { r.RetryAfter = 0 })},
	{"rounds Retry-After down", "WD-013", after(func(r *webhooks.Result) {
		if r.RetryAfter == 2*time.Second {
			r.RetryAfter = time.Second
		}
	})},
	{"waits a minute where Retry-After is garbage", "WD-014", after(func(r *webhooks.Result) {
		if r.StatusCode == 503 && r.RetryAfter == 0 {
			r.RetryAfter = time.Minute
		}
	})},
	{"gives every receiver half a minute", "WD-015", before(func(r *webhooks.Request) { r.Timeout = 30 * time.Second })},
	{"does not stop with its ctx", "WD-016", func(d webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			return d.Deliver(context.WithoutCancel(ctx), r)
		}
	}},
	{"would try what is blocked again", "WD-017", after(func(r *webhooks.Result) {
		if r.Outcome == webhooks.Blocked {
			r.Outcome = webhooks.Retry
		}
	})},
	{"tries a URL of another kind again", "WD-018", func(d webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			result := d.Deliver(ctx, r)
			if !strings.HasPrefix(r.URL, "http://") {
				result.Outcome = webhooks.Retry
			}
			return result
		}
	}},
	{"keeps the whole answer", "WD-019", after(func(r *webhooks.Result) {
		if len(r.Response) == webhooks.MaxResponse {
			r.Response = append(r.Response, '!')
		}
	})},
	{"keeps nothing of an answer", "WD-019", after(func(r *webhooks.Result) { r.Response = nil })},
	{"hands the system's error on", "WD-020", func(d webhooks.Deliverer) deliver {
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			result := d.Deliver(ctx, r)
			if result.Class == webhooks.ClassConnect {
				result.Error = "dial tcp 127.0.0.1:80: connect: connection refused"
			}
			return result
		}
	}},
	{"fails without a word", "WD-020", after(func(r *webhooks.Result) { r.Error = "" })},
	{"mixes up attempts that run at once", "WD-021", func(d webhooks.Deliverer) deliver {
		var first atomic.Pointer[webhooks.Request]
		return func(ctx context.Context, r webhooks.Request) webhooks.Result {
			first.CompareAndSwap(nil, &r)
			return d.Deliver(ctx, *first.Load())
		}
	}},
}

// naive is how one writes it the first time.
func naive(ctx context.Context, r webhooks.Request, sent []byte) webhooks.Result {
	signature, err := signing.Sign(r.Keys, r.MessageID, r.At, r.Body)
	if err != nil {
		return webhooks.Result{Error: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, "POST", r.URL, bytes.NewReader(sent))
	if err != nil {
		return webhooks.Result{Error: err.Error()}
	}
	req.Header.Set("Content-Type", r.ContentType)
	req.Header.Set(signing.HeaderID, r.MessageID)
	req.Header.Set(signing.HeaderTimestamp, strconv.FormatInt(r.At.Unix(), 10))
	req.Header.Set(signing.HeaderSignature, signature)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return webhooks.Result{Error: err.Error()}
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return webhooks.Result{Error: err.Error(), StatusCode: resp.StatusCode}
	}
	return webhooks.Result{Outcome: webhooks.Accepted, StatusCode: resp.StatusCode}
}

func TestEveryMutantIsFoundByItsRule(t *testing.T) {
	rules := map[string]bool{}
	for _, m := range zoo {
		rules[m.rule] = true
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var found []string
			for _, c := range cases {
				if c.rule != m.rule {
					continue
				}
				r := start()
				ctx, cancel := context.WithCancel(t.Context())
				if err := c.run(newSubject(ctx, m.deliver(honest(t)), r, "")); err != nil {
					found = append(found, c.rule)
				}
				cancel()
				r.close()
			}
			if !slices.Contains(found, m.rule) {
				t.Errorf("%s does not find it", m.rule)
			}
		})
	}
	for _, c := range cases {
		if !rules[c.rule] {
			t.Errorf("no mutant proves %s", c.rule)
		}
		if c.explanation == "" || c.name == "" {
			t.Errorf("%s explains nothing", c.rule)
		}
	}
}

func TestReceiverAnswersAsTold(t *testing.T) {
	r := NewReceiver(t)
	r.Reply(Reply{Status: 503, Header: map[string]string{"Retry-After": "7"}, Body: "later"}, Reply{Drop: true})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	post := func() (*http.Response, error) {
		return client.Post(r.URL()+"?q=1", "text/plain", strings.NewReader("hello"))
	}
	resp, err := post()
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "7" || string(body) != "later" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	if resp, err := post(); err == nil {
		resp.Body.Close()
		t.Errorf("got %d, want a dropped connection", resp.StatusCode)
	}
	r.Always(Reply{Status: 418})
	for range 2 {
		resp, err := post()
		if err != nil || resp.StatusCode != 418 {
			t.Fatalf("got %v, %v", resp, err)
		}
		resp.Body.Close()
	}
	got, err := r.Wait(t.Context(), 4)
	if err != nil || len(got) != 4 || string(got[0].Body) != "hello" || got[0].Path != "/in?q=1" || got[0].Method != "POST" {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := got[0].Verify(signing.NewSecret()); err == nil {
		t.Error("a request without a signature verifies")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Wait(ctx, 5); err == nil {
		t.Error("waiting for what does not come ended well")
	}
}

func ExampleReceiver_Wait() {
	r := start() // in a test: webhookstest.NewReceiver(t)
	defer r.close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(r.URL(), "application/json", strings.NewReader(`{}`))
	if err != nil {
		panic(err)
	}
	resp.Body.Close()
	got, err := r.Wait(context.Background(), 1)
	fmt.Println(resp.StatusCode, got[0].Method, string(got[0].Body), err)
	// Output: 204 POST {} <nil>
}
