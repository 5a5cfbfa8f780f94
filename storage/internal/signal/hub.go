// Package signal is what the backends have in common of storage.Signals: who listens to
// what, and what goes to other processes and when. How it gets there is a [Transport]:
// NOTIFY on Postgres, a file beside the database on SQLite, nothing in memory.
package signal

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A Transport carries messages between the processes of one database. Messages are of
// one line and at most [MaxMessage] bytes long.
type Transport interface {
	// Send hands messages to all who receive, this process included.
	Send(ctx context.Context, messages []string) error

	// Receive calls got for each message that arrives, until ctx ends or messages
	// cannot be received any more. It calls ready when it begins to hear, and again
	// wherever messages may have been missed. It makes its calls one at a time.
	// [ErrDeaf] says that there is no use in trying again.
	Receive(ctx context.Context, ready func(), got func(message string)) error
}

const (
	// pause is the least time between two sendings. What is signalled meanwhile travels
	// with the second. A receiver wakes up for each, so this bounds what signals cost.
	pause = time.Millisecond
	// sendIn is how long a sending may take.
	sendIn = 2 * time.Second
	// retryMin and retryMax bound the wait before receiving is tried again.
	retryMin, retryMax = 50 * time.Millisecond, 10 * time.Second
)

// A Hub implements storage.Signals over a Transport.
type Hub struct {
	transport Transport       // nil where there are no other processes
	id        string          // by which the hub knows its own messages
	ctx       context.Context // ends sending and receiving
	cancel    context.CancelFunc
	quit      chan struct{} // closed by Close: what waits is sent at once

	mu        sync.Mutex
	closed    bool
	listeners map[*listener]struct{}
	receiver  *receiver // nil while nobody listens
	waiting   map[string]*batch
	sending   bool
	work      sync.WaitGroup // senders and receivers
}

var _ storage.Signals = (*Hub)(nil)

// A listener is one call of Listen.
type listener struct {
	topic  string
	origin any

	mu      sync.Mutex // held while fn runs
	stopped bool
	fn      func([]storage.Signal)
}

// A receiver is the goroutine that receives while there are listeners.
type receiver struct {
	cancel context.CancelFunc
	done   chan struct{}
	hears  bool // guarded by the hub's mutex
}

// New returns a Hub. A nil transport keeps signals in the process.
func New(transport Transport) *Hub {
	ctx, cancel := context.WithCancel(context.Background())
	return &Hub{
		transport: transport, id: storage.NewID(), ctx: ctx, cancel: cancel,
		quit: make(chan struct{}), listeners: map[*listener]struct{}{}, waiting: map[string]*batch{},
	}
}

// Signal implements storage.Signals.
func (h *Hub) Signal(topic string, origin any, signals ...storage.Signal) {
	h.tell(func(l *listener) bool { return l.topic == topic && l.origin != origin }, signals)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.transport == nil || h.closed {
		return
	}
	b := h.waiting[topic]
	if b == nil {
		b = &batch{}
		h.waiting[topic] = b
	}
	b.add(signals)
	if !h.sending {
		h.sending = true
		h.work.Go(h.send)
	}
}

// send sends what waits until nothing does. What it cannot send is lost, as signals may
// be.
func (h *Hub) send() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-h.quit:
		}
		messages := h.take()
		if len(messages) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(h.ctx, sendIn)
		h.transport.Send(ctx, messages)
		cancel()
		timer.Reset(pause)
	}
}

// take returns the messages to send. Where there are none the sender ends.
func (h *Hub) take() (messages []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, topic := range slices.Sorted(maps.Keys(h.waiting)) {
		messages = append(messages, h.waiting[topic].encode(h.id, topic)...)
	}
	clear(h.waiting)
	h.sending = len(messages) > 0
	return messages
}

// Listen implements storage.Signals.
func (h *Hub) Listen(topic string, origin any, fn func(signals []storage.Signal)) (stop func()) {
	l := &listener{topic: topic, origin: origin, fn: fn}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return func() {}
	}
	h.listeners[l] = struct{}{}
	switch {
	case h.transport == nil:
	case h.receiver == nil:
		ctx, cancel := context.WithCancel(h.ctx)
		r := &receiver{cancel: cancel, done: make(chan struct{})}
		h.receiver = r
		h.work.Go(func() {
			defer close(r.done)
			h.receive(ctx, r)
		})
	case h.receiver.hears:
		h.work.Go(func() { h.tell(func(other *listener) bool { return other == l }, nil) })
	}
	return func() { h.stop(l) }
}

// stop ends a listener, and the receiver with the last one.
func (h *Hub) stop(l *listener) {
	h.mu.Lock()
	delete(h.listeners, l)
	var r *receiver
	if len(h.listeners) == 0 {
		r, h.receiver = h.receiver, nil
	}
	h.mu.Unlock()
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	if r != nil {
		r.cancel()
		<-r.done
	}
}

// receive receives, again and again, until ctx ends.
func (h *Hub) receive(ctx context.Context, r *receiver) {
	retry := retryMin
	for {
		err := h.transport.Receive(ctx, func() {
			retry = retryMin
			h.note(r, true)
			h.tell(func(*listener) bool { return true }, nil)
		}, h.got)
		h.note(r, false)
		if ctx.Err() != nil || err == ErrDeaf {
			return
		}
		timer := time.NewTimer(retry/2 + rand.N(retry))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		retry = min(2*retry, retryMax)
	}
}

// note notes whether a receiver hears.
func (h *Hub) note(r *receiver, hears bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.hears = hears
}

// got takes a message in.
func (h *Hub) got(message string) {
	m, err := decode(message)
	if err != nil || m.From == h.id {
		return // somebody else's, or this process knows
	}
	h.tell(func(l *listener) bool { return l.topic == m.Topic }, m.signals())
}

// tell calls the listeners that want the signals.
func (h *Hub) tell(wants func(*listener) bool, signals []storage.Signal) {
	h.mu.Lock()
	var told []*listener
	for l := range h.listeners {
		if wants(l) {
			told = append(told, l)
		}
	}
	h.mu.Unlock()
	for _, l := range told {
		l.mu.Lock()
		if !l.stopped {
			l.fn(signals)
		}
		l.mu.Unlock()
	}
}

// Close ends listening, sends what waits, and returns when both is done. When ctx ends
// first, what waits is lost, and Close returns all the same: a listener's function that
// still runs, and the goroutine that called it, end by themselves later.
func (h *Hub) Close(ctx context.Context) {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.quit)
	}
	clear(h.listeners)
	if h.receiver != nil {
		h.receiver.cancel()
	}
	h.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.work.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	h.cancel()
}
