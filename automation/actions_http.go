package automation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
)

// An HTTPDoer makes requests. *http.Client is one. What it may reach is its business:
// hand over one that guards where it dials and follows no redirect to where it must not.
// An error with a method Permanent() bool that answers true is not tried again.
type HTTPDoer interface {
	Do(r *http.Request) (*http.Response, error)
}

// maxResponse is how much of an answer is read, in bytes.
const maxResponse = 64 << 10

// maxRetryAfter bounds what another side can ask for.
const maxRetryAfter = 24 * time.Hour

// HTTPPost returns the action "http.post": it sends JSON to a URL, with the key of the
// step as Idempotency-Key. A 2XX answer succeeds. 408, 425, 429, 5XX and silence are
// tried again by the retry policy of the step, where Retry-After is kept to; anything
// else, a redirect too, fails for good.
func HTTPPost(client HTTPDoer) Action { return httpPost{client} }

type httpPost struct{ client HTTPDoer }

func (httpPost) Describe() Descriptor {
	return Descriptor{
		Name: "http.post", Label: "HTTP POST", Description: "Sends JSON to a URL and keeps the answer.", Effect: External,
		Input: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["url"],"properties":{
			"url":{"type":"string","minLength":1,"maxLength":2048,"description":"Where to, https or http."},
			"headers":{"type":"object","maxProperties":20,"additionalProperties":{"type":"string","maxLength":4096}},
			"body":{"description":"JSON, sent as it is."}}}`),
		SampleInput: json.RawMessage(`{"url":"https://example.test/hook","headers":{"X-Shop":"acme"},"body":{"order":"1001"}}`),
		Output: json.RawMessage(`{"type":"object","required":["status"],"properties":{
			"status":{"type":"integer"},"body":{"description":"The answer, as JSON where it is, else as text."}}}`),
		Sample: json.RawMessage(`{"status":200,"body":{"ok":true}}`),
	}
}

// check implements checker.
func (a httpPost) check() error {
	if a.client == nil {
		return errors.New("http.post needs a client")
	}
	return nil
}

type httpInput struct {
	URL     *string           `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// ownHeaders are set by the action itself.
var ownHeaders = map[string]bool{
	"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Connection": true,
	"Idempotency-Key": true, "Traceparent": true, "Tracestate": true,
}

// isHeader reports whether a header can be sent as it is.
func isHeader(name, value string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == "" &&
		!strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// readHTTP reads an input of "http.post". The error is a *storage.InvalidError about what
// could never be sent.
func readHTTP(raw json.RawMessage) (with httpInput, err error) {
	if err := json.Unmarshal(raw, &with); err != nil {
		return with, storage.Invalid("", "must have a url and headers that are texts")
	}
	var bad *storage.InvalidError
	if with.URL != nil {
		target, err := url.Parse(*with.URL)
		if err != nil || target.Scheme != "https" && target.Scheme != "http" || target.Host == "" || target.User != nil {
			bad = bad.Add("/url", "must be absolute, https or http, and without a user")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(with.Headers)) {
		switch {
		case ownHeaders[http.CanonicalHeaderKey(name)]:
			bad = bad.Add("/headers/"+escapeToken(name), "is set by the action")
		case !isHeader(name, with.Headers[name]):
			bad = bad.Add("/headers/"+escapeToken(name), "has characters that it may not")
		}
	}
	return with, bad.Err()
}

// CheckInput implements [InputChecker].
func (httpPost) CheckInput(with json.RawMessage) error {
	_, err := readHTTP(with)
	return err
}

func (a httpPost) Run(ctx context.Context, in Input) (Output, error) {
	with, err := readHTTP(in.With)
	if err == nil && with.URL == nil {
		err = storage.Invalid("/url", "must not be missing")
	}
	if err != nil {
		return Output{}, Fail(ClassInvalid, err.Error(), nil)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, *with.URL, bytes.NewReader(with.Body))
	if err != nil {
		return Output{}, Fail(ClassInvalid, "the url cannot be used", err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range with.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Idempotency-Key", in.Key)
	correlation.Inject(correlation.From(ctx), r.Header.Set)
	response, err := a.client.Do(r)
	if err != nil {
		return Output{}, unanswered(ctx, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	if failed := answered(response, time.Now); failed != nil {
		return Output{}, failed
	}
	if err != nil {
		return Output{}, unanswered(ctx, err)
	}
	if len(body) > maxResponse {
		return Output{}, Fail(ClassPermanent, "the answer is longer than 64 KiB", nil)
	}
	answer := map[string]any{"status": response.StatusCode}
	switch {
	case len(body) == 0:
	case json.Valid(body):
		answer["body"] = json.RawMessage(body)
	default:
		answer["body"] = clip(string(body), maxResponse)
	}
	return Output{Value: encode(answer)}, nil
}

// unanswered sorts a request that got no answer. It names no address.
func unanswered(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Fail(ClassTimeout, "there was no answer in time", err)
	}
	if failed, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err); ok && failed.Permanent() {
		return Fail(ClassPermanent, "the destination may not be reached", err)
	}
	if failed, ok := errors.AsType[net.Error](err); ok && failed.Timeout() {
		return Fail(ClassTimeout, "there was no answer in time", err)
	}
	return Fail(ClassTransient, "the other side could not be reached", err)
}

// answered sorts an answer, nil for success.
func answered(response *http.Response, now func() time.Time) error {
	code := response.StatusCode
	failed := &ActionError{Class: ClassPermanent, Message: "the other side answered " + strconv.Itoa(code), RetryAfter: retryAfter(response.Header, now)}
	switch {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusTooManyRequests:
		failed.Class = ClassRateLimited
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		failed.Class = ClassAuth
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		failed.Class = ClassTransient
	}
	return failed
}

// retryAfter reads how long the other side wants to be left alone, at most a day.
func retryAfter(header http.Header, now func() time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now()), 0), maxRetryAfter)
}
