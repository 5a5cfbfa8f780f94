package webhookstest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/webhooks/receiver"
	"github.com/lumelle/adminkit/webhooks/signing"
)

// A Request is one attempt as a [Receiver] saw it.
type Request struct {
	Method string
	// Path is the path with the query.
	Path   string
	Header http.Header
	Body   []byte
	At     time.Time
}

// A Reply is how a [Receiver] answers one attempt. Its zero value is 204.
type Reply struct {
	Status int
	Header map[string]string
	Body   string
	// Hang leaves the sender without an answer until it gives up.
	Hang bool
	// Endless answers the head and then a body that never ends.
	Endless bool
	// Drop closes the connection without an answer.
	Drop bool
}

// A Receiver listens on the loopback interface, remembers what it got and answers as
// it was told. It is safe for concurrent use.
type Receiver struct {
	server *httptest.Server
	closed chan struct{}

	mu       sync.Mutex
	got      []Request
	replies  []Reply
	fallback Reply
	changed  chan struct{} // closed and replaced with every request
}

// NewReceiver starts a Receiver that accepts everything. It is closed when the test
// ends.
func NewReceiver(t testing.TB) *Receiver {
	r := start()
	t.Cleanup(r.close)
	return r
}

func start() *Receiver {
	r := &Receiver{closed: make(chan struct{}), changed: make(chan struct{})}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	return r
}

func (r *Receiver) close() {
	close(r.closed)
	r.server.CloseClientConnections()
	r.server.Close()
}

// URL returns the address to register: http, on the loopback interface.
func (r *Receiver) URL() string { return r.server.URL + "/in" }

// Reply makes the next attempts get these answers, one each.
func (r *Receiver) Reply(next ...Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.replies = append(r.replies, next...)
}

// Always makes every attempt that has no answer of its own get this one.
func (r *Receiver) Always(reply Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fallback = reply
}

// Requests returns what was received so far, in order of arrival.
func (r *Receiver) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Request(nil), r.got...)
}

// Wait returns what was received once that is n requests or more, or the error of ctx.
func (r *Receiver) Wait(ctx context.Context, n int) ([]Request, error) {
	for {
		r.mu.Lock()
		changed, got := r.changed, len(r.got)
		r.mu.Unlock()
		if got >= n {
			return r.Requests(), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return r.Requests(), fmt.Errorf("webhookstest: %d of %d requests: %w", got, n, ctx.Err())
		}
	}
}

// Verify reports what is wrong with the signature of a request for the holder of
// secret. Its timestamp counts as recent, whatever the time is now.
func (q Request) Verify(secret string) error {
	// What is not a number is the verifier's to refuse.
	at, _ := strconv.ParseInt(q.Header.Get(signing.HeaderTimestamp), 10, 64)
	v, err := receiver.NewVerifier([]string{secret}, receiver.Config{Now: func() time.Time { return time.Unix(at, 0) }})
	if err != nil {
		return err
	}
	return v.Verify(q.Header, q.Body)
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	reply := r.record(Request{
		Method: req.Method, Path: req.URL.RequestURI(), Header: req.Header.Clone(), Body: body, At: time.Now(),
	})
	switch {
	case reply.Drop:
		panic(http.ErrAbortHandler)
	case reply.Hang:
		select {
		case <-req.Context().Done():
		case <-r.closed:
		}
		return
	}
	for name, value := range reply.Header {
		w.Header().Set(name, value)
	}
	if reply.Status == 0 {
		reply.Status = http.StatusNoContent
	}
	w.WriteHeader(reply.Status)
	io.WriteString(w, reply.Body)
	for reply.Endless && req.Context().Err() == nil {
		if _, err := w.Write(make([]byte, 1024)); err != nil {
			return
		}
		w.(http.Flusher).Flush()
	}
}

// record keeps a request and returns its answer.
func (r *Receiver) record(q Request) Reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, q)
	close(r.changed)
	r.changed = make(chan struct{})
	if len(r.replies) == 0 {
		return r.fallback
	}
	reply := r.replies[0]
	r.replies = r.replies[1:]
	return reply
}
