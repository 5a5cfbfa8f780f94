package webhookstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/signing"
)

// metadata is where the clouds keep the credentials of a machine.
const metadata = "http://169.254.169.254/latest/meta-data/"

// patience is how long the suite waits for what must not happen late.
const patience = 10 * time.Second

// A subject is a Deliverer under test beside the receiver it talks to.
type subject struct {
	ctx       context.Context
	deliverer webhooks.Deliverer
	receiver  *Receiver
	forbidden string
	secret    string
}

func newSubject(ctx context.Context, d webhooks.Deliverer, r *Receiver, forbidden string) *subject {
	if forbidden == "" {
		forbidden = metadata
	}
	return &subject{ctx: ctx, deliverer: d, receiver: r, forbidden: forbidden, secret: signing.NewSecret()}
}

// request is an attempt at the receiver.
func (s *subject) request() webhooks.Request {
	return webhooks.Request{
		Tenant: "acme", EndpointID: "ep_1", URL: s.receiver.URL(), MessageID: "msg_0123456789abcdef", DeliveryID: "d_1",
		EventType: "lumelle.orders.v1.refunded", ContentType: webhooks.ContentType,
		// Bytes that no encoder would give back as they are.
		Body: []byte("{ \"b\" : 1.0,\n\"a\":\"\\u00e9\u00e9\" }\n"),
		N:    1, At: time.Unix(1700000000, 0), Timeout: patience, Keys: keys(s.secret),
	}
}

func keys(secrets ...string) []signing.Key {
	all := make([]signing.Key, len(secrets))
	for i, s := range secrets {
		k, err := signing.ParseKey(s)
		if err != nil {
			panic(err) // the suite makes its own secrets
		}
		all[i] = k
	}
	return all
}

// deliver makes one attempt that the receiver answers with reply.
func (s *subject) deliver(reply Reply) (webhooks.Result, []Request) {
	before := len(s.receiver.Requests())
	s.receiver.Reply(reply)
	result := s.deliverer.Deliver(s.ctx, s.request())
	return result, s.receiver.Requests()[before:]
}

// last returns the newest request, or an error where there is none.
func last(all []Request) (Request, error) {
	if len(all) == 0 {
		return Request{}, errors.New("the receiver saw no request")
	}
	return all[len(all)-1], nil
}

type suiteCase struct {
	rule, name, explanation string
	run                     func(s *subject) error
}

var cases = []suiteCase{
	{"WD-001", "one call is one request",
		"The Service decides when a message is sent again, and the log counts what it decided. A Deliverer that repeats on its own sends twice what is recorded once.",
		func(s *subject) error {
			for _, reply := range []Reply{{}, {Status: 500}, {Status: 503, Header: map[string]string{"Retry-After": "0"}}, {Drop: true}} {
				if _, got := s.deliver(reply); len(got) != 1 {
					return fmt.Errorf("after the answer %+v the receiver saw %d requests, want 1", reply, len(got))
				}
			}
			return nil
		}},
	{"WD-002", "a redirect is not followed",
		"A redirect leads to an address that nobody registered and no guard looked at when the endpoint was made.",
		func(s *subject) error {
			for _, status := range []int{301, 302, 303, 307, 308} {
				result, got := s.deliver(Reply{Status: status, Header: map[string]string{"Location": s.receiver.URL() + "/elsewhere"}})
				if len(got) != 1 || result.Outcome != webhooks.Retry || result.StatusCode != status {
					return fmt.Errorf("on %d: got %+v after %d requests, want one failed attempt", status, result, len(got))
				}
			}
			return nil
		}},
	{"WD-003", "the message id goes out as it is, each time",
		"Receivers recognise a message that comes again by its id. An id made for the attempt makes every retry a new message.",
		func(s *subject) error {
			for range 2 {
				_, got := s.deliver(Reply{Status: 500})
				q, err := last(got)
				if err != nil {
					return err
				}
				if id := q.Header.Values(signing.HeaderID); len(id) != 1 || id[0] != s.request().MessageID {
					return fmt.Errorf("got id %q, want %q", id, s.request().MessageID)
				}
			}
			return nil
		}},
	{"WD-004", "the timestamp is that of the attempt",
		"Receivers refuse what is older than five minutes. The time of the event would make every late retry too old.",
		func(s *subject) error {
			_, got := s.deliver(Reply{})
			q, err := last(got)
			if err != nil {
				return err
			}
			if at := q.Header.Get(signing.HeaderTimestamp); at != "1700000000" {
				return fmt.Errorf("got timestamp %q, want the seconds of Request.At", at)
			}
			return nil
		}},
	{"WD-005", "every key signs the bytes that are sent",
		"While a secret is rotated the receiver holds one of several. And what is signed before its last change matches nothing.",
		func(s *subject) error {
			other := signing.NewSecret()
			r := s.request()
			r.Keys = keys(other, s.secret)
			s.deliverer.Deliver(s.ctx, r)
			q, err := last(s.receiver.Requests())
			if err != nil {
				return err
			}
			for _, secret := range []string{other, s.secret} {
				if err := q.Verify(secret); err != nil {
					return err
				}
			}
			return nil
		}},
	{"WD-006", "the body arrives byte for byte, with its type",
		"The body is evidence: it is what was recorded with the change and what the signature covers.",
		func(s *subject) error {
			_, got := s.deliver(Reply{})
			q, err := last(got)
			if err != nil {
				return err
			}
			if want := s.request().Body; q.Method != "POST" || !bytes.Equal(q.Body, want) || q.Header.Get("Content-Type") != webhooks.ContentType {
				return fmt.Errorf("got %s of %q as %q, want POST of %q", q.Method, q.Body, q.Header.Get("Content-Type"), want)
			}
			return nil
		}},
	{"WD-007", "the trace goes on to the receiver",
		"One trace id leads from the decision to the receiver's own log.",
		func(s *subject) error {
			trace := correlation.New()
			s.deliverer.Deliver(correlation.With(s.ctx, trace), s.request())
			q, err := last(s.receiver.Requests())
			if err != nil {
				return err
			}
			if got, ok := correlation.Parse(q.Header.Get("traceparent")); !ok || got.TraceID != trace.TraceID {
				return fmt.Errorf("got traceparent %q, want one of trace %s", q.Header.Get("traceparent"), trace.TraceID)
			}
			return nil
		}},
	{"WD-008", "2xx is accepted",
		"Every 2xx says that the message is safe with the receiver. To send it again would be a duplicate by our fault.",
		func(s *subject) error {
			for _, status := range []int{200, 201, 202, 204, 299} {
				if result, _ := s.deliver(Reply{Status: status}); result.Outcome != webhooks.Accepted || result.StatusCode != status || result.Error != "" {
					return fmt.Errorf("on %d: got %+v, want accepted", status, result)
				}
			}
			return nil
		}},
	{"WD-009", "a success stands with the head of the answer",
		"A receiver that took the message and then talks for ever, or breaks off, has still taken it.",
		func(s *subject) error {
			result, _ := s.deliver(Reply{Status: 200, Endless: true})
			if result.Outcome != webhooks.Accepted {
				return fmt.Errorf("got %+v, want accepted", result)
			}
			return nil
		}},
	{"WD-010", "410 is gone",
		"410 is how a receiver asks to be left alone for good.",
		func(s *subject) error {
			if result, _ := s.deliver(Reply{Status: 410}); result.Outcome != webhooks.Gone || result.StatusCode != 410 {
				return fmt.Errorf("got %+v, want gone", result)
			}
			return nil
		}},
	{"WD-011", "every other answer may be tried again",
		"A receiver that answers 400 or 404 today may be mended tomorrow. Only the Service gives up.",
		func(s *subject) error {
			for _, reply := range []Reply{{Status: 400}, {Status: 401}, {Status: 404}, {Status: 422}, {Status: 500}, {Status: 503}, {Drop: true}} {
				result, _ := s.deliver(reply)
				if result.Outcome != webhooks.Retry || result.StatusCode != reply.Status || result.Class == "" {
					return fmt.Errorf("on %+v: got %+v, want retry", reply, result)
				}
			}
			closed, err := closedPort()
			if err != nil {
				return err
			}
			r := s.request()
			r.URL = "http://" + closed + "/"
			if result := s.deliverer.Deliver(s.ctx, r); result.Outcome != webhooks.Retry || result.StatusCode != 0 {
				return fmt.Errorf("where nobody listens: got %+v, want retry", result)
			}
			return nil
		}},
	{"WD-012", "overload throttles",
		"To a receiver that is overloaded every further attempt does harm, whichever delivery it is for.",
		func(s *subject) error {
			for _, status := range []int{429, 502, 504} {
				if result, _ := s.deliver(Reply{Status: status}); !result.Throttle || result.Outcome != webhooks.Retry {
					return fmt.Errorf("on %d: got %+v, want a throttled retry", status, result)
				}
			}
			if result, _ := s.deliver(Reply{Status: 500}); result.Throttle {
				return fmt.Errorf("on 500: got %+v, want no throttle", result)
			}
			return nil
		}},
	{"WD-013", "Retry-After is handed on",
		"Seconds, with or without a fraction, and dates are what receivers send; a fraction is rounded up, for earlier is too early.",
		func(s *subject) error {
			for header, want := range map[string][2]time.Duration{
				"120": {2 * time.Minute, 2 * time.Minute}, "1.5": {2 * time.Second, 2 * time.Second},
				time.Now().Add(time.Hour).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"): {59 * time.Minute, time.Hour},
			} {
				result, _ := s.deliver(Reply{Status: 503, Header: map[string]string{"Retry-After": header}})
				if result.RetryAfter < want[0] || result.RetryAfter > want[1] {
					return fmt.Errorf("on %q: got %v, want %v to %v", header, result.RetryAfter, want[0], want[1])
				}
			}
			return nil
		}},
	{"WD-014", "a Retry-After that says nothing is nothing",
		"Receivers are not under our control: garbage, the past and negative numbers ask for nothing.",
		func(s *subject) error {
			for _, header := range []string{"-1", "soon", "", "1e9", "0x10", "Fri, 31 Dec 1999 23:59:59 GMT", "NaN", "1.2.3"} {
				result, _ := s.deliver(Reply{Status: 503, Header: map[string]string{"Retry-After": header}})
				if result.RetryAfter != 0 {
					return fmt.Errorf("on %q: got %v, want none", header, result.RetryAfter)
				}
			}
			return nil
		}},
	{"WD-015", "a silent receiver costs no more than its time",
		"Workers are few. One receiver that never answers must not hold one for longer than it was given.",
		func(s *subject) error {
			s.receiver.Reply(Reply{Hang: true})
			r := s.request()
			r.Timeout = 200 * time.Millisecond
			result, err := s.within(s.ctx, r, r.Timeout+webhooks.Grace)
			if err != nil {
				return err
			}
			if result.Outcome != webhooks.Retry || result.Class != webhooks.ClassTimeout || !result.Throttle {
				return fmt.Errorf("got %+v, want a timeout", result)
			}
			return nil
		}},
	{"WD-016", "it returns when its ctx ends",
		"A worker that is told to stop has seconds. What it is doing has to end with its ctx.",
		func(s *subject) error {
			s.receiver.Reply(Reply{Hang: true})
			ctx, cancel := context.WithCancel(s.ctx)
			defer cancel()
			stop := context.AfterFunc(s.arrived(1), cancel)
			defer stop()
			result, err := s.within(ctx, s.request(), patience/2)
			if err == nil && result.Outcome == webhooks.Accepted {
				err = fmt.Errorf("got %+v of an attempt that was cut off", result)
			}
			return err
		}},
	{"WD-017", "a destination that may not be reached is blocked",
		"Endpoints are written by strangers. What they name must not be a way into the house, and to try it again would only try it again.",
		func(s *subject) error {
			r := s.request()
			r.URL = s.forbidden
			if result := s.deliverer.Deliver(s.ctx, r); result.Outcome != webhooks.Blocked || result.Class != webhooks.ClassBlocked {
				return fmt.Errorf("%s: got %+v, want blocked", r.URL, result)
			}
			return nil
		}},
	{"WD-018", "a URL of another kind is blocked",
		"A destination that this Deliverer cannot reach today it cannot reach tomorrow.",
		func(s *subject) error {
			for _, url := range []string{"ftp://127.0.0.1/", "file:///etc/passwd", "", "http://", "://", "http://user@127.0.0.1/", "http://127.0.0.1\\@8.8.8.8/"} {
				r := s.request()
				r.URL = url
				if result := s.deliverer.Deliver(s.ctx, r); result.Outcome != webhooks.Blocked {
					return fmt.Errorf("%q: got %+v, want blocked", url, result)
				}
			}
			return nil
		}},
	{"WD-019", "little of an answer is kept",
		"The answer goes into the log of every attempt. A receiver must not fill the database.",
		func(s *subject) error {
			for _, status := range []int{200, 500} {
				result, _ := s.deliver(Reply{Status: status, Body: strings.Repeat("x", 1<<20)})
				if len(result.Response) > webhooks.MaxResponse || result.StatusCode != status {
					return fmt.Errorf("on %d: %d bytes were kept, want at most %d", status, len(result.Response), webhooks.MaxResponse)
				}
			}
			result, _ := s.deliver(Reply{Status: 500, Body: "the reason"})
			if string(result.Response) != "the reason" {
				return fmt.Errorf("got %q, want the answer of the receiver", result.Response)
			}
			return nil
		}},
	{"WD-020", "what failed is said without addresses",
		"The owner of an endpoint sees the text. Addresses and system errors behind a name would map our network for whoever registers one.",
		func(s *subject) error {
			closed, err := closedPort()
			if err != nil {
				return err
			}
			for _, url := range []string{"http://" + closed + "/", s.forbidden} {
				r := s.request()
				r.URL = url
				result := s.deliverer.Deliver(s.ctx, r)
				if result.Error == "" || result.Class == "" {
					return fmt.Errorf("%s: got %+v, want a class and a sentence", url, result)
				}
				for _, told := range []string{"127.0.0.1", "169.254", "dial", "refused", "errno"} {
					if strings.Contains(result.Error, told) {
						return fmt.Errorf("%s: the text tells %q: %s", url, told, result.Error)
					}
				}
			}
			return nil
		}},
	{"WD-021", "many attempts run at once",
		"Workers share one Deliverer.",
		func(s *subject) error {
			const n = 32
			results := make(chan webhooks.Result)
			for i := range n {
				go func() {
					r := s.request()
					r.MessageID = "msg_" + strconv.Itoa(i)
					results <- s.deliverer.Deliver(s.ctx, r)
				}()
			}
			var errs []error
			for range n {
				if r := <-results; r.Outcome != webhooks.Accepted {
					errs = append(errs, fmt.Errorf("got %+v", r))
				}
			}
			ids := map[string]bool{}
			for _, q := range s.receiver.Requests() {
				ids[q.Header.Get(signing.HeaderID)] = true
				errs = append(errs, q.Verify(s.secret))
			}
			if len(ids) != n {
				errs = append(errs, fmt.Errorf("the receiver saw %d messages, want %d", len(ids), n))
			}
			return errors.Join(errs...)
		}},
}

// within makes an attempt that has to return within limit.
func (s *subject) within(ctx context.Context, r webhooks.Request, limit time.Duration) (webhooks.Result, error) {
	done := make(chan webhooks.Result, 1)
	go func() { done <- s.deliverer.Deliver(ctx, r) }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case result := <-done:
		return result, nil
	case <-timer.C:
		return webhooks.Result{}, fmt.Errorf("no result after %v", limit)
	}
}

// arrived returns a ctx that ends when the receiver has seen n requests.
func (s *subject) arrived(n int) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		// Where nothing arrives the case's own limit speaks.
		_, _ = s.receiver.Wait(s.ctx, n)
	}()
	return ctx
}

// closedPort returns a loopback address where nobody listens.
func closedPort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
