package signal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A wire is a transport inside one test: what one hub sends, all that receive get.
type wire struct {
	mu        sync.Mutex
	receivers map[chan string]struct{}
	sent      []string
	down      error
}

func newWire() *wire { return &wire{receivers: map[chan string]struct{}{}} }

func (w *wire) Send(_ context.Context, messages []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range messages {
		w.sent = append(w.sent, m)
		for c := range w.receivers {
			c <- m
		}
	}
	return w.down
}

func (w *wire) Receive(ctx context.Context, ready func(), got func(string)) error {
	w.mu.Lock()
	c, down := make(chan string, 1000), w.down
	if down == nil {
		w.receivers[c] = struct{}{}
	}
	w.mu.Unlock()
	if down != nil {
		return down
	}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.receivers, c)
	}()
	ready()
	for {
		select {
		case m, ok := <-c:
			if !ok {
				return errors.New("the wire was cut")
			}
			got(m)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// cut ends all receiving, and what begins again answers down.
func (w *wire) cut(down error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for c := range w.receivers {
		close(c)
	}
	clear(w.receivers)
}

// An ear notes what it hears.
type ear struct {
	mu    sync.Mutex
	heard []string
}

func (e *ear) hear(signals []storage.Signal) {
	names := []string{}
	for _, s := range signals {
		names = append(names, s.Tenant+"/"+s.Name)
	}
	slices.Sort(names)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, strings.Join(names, " "))
}

// take returns what was heard since the last call; anything is the empty string.
func (e *ear) take() []string {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	heard := e.heard
	e.heard = nil
	return heard
}

func expect(t *testing.T, e *ear, what string, want ...string) {
	t.Helper()
	if got := e.take(); !slices.Equal(got, want) {
		t.Errorf("%s: heard %q, want %q", what, got, want)
	}
}

func signalOf(name string) storage.Signal { return storage.Signal{Tenant: "acme", Name: name} }

func TestASignalReachesEveryOtherListenerOfItsTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		here, there := New(w), New(w)
		defer here.Close(t.Context())
		defer there.Close(t.Context())
		var own, neighbour, remote, deaf ear
		here.Listen("jobs", "own", own.hear)
		here.Listen("jobs", "neighbour", neighbour.hear)
		there.Listen("jobs", "own", remote.hear) // an origin belongs to its process
		there.Listen("flags", "own", deaf.hear)
		for _, e := range []*ear{&own, &neighbour, &remote, &deaf} {
			expect(t, e, "when listening begins", "")
		}
		here.Signal("jobs", "own", signalOf("lane"))
		time.Sleep(pause)
		expect(t, &own, "who signals")
		expect(t, &neighbour, "another of the process", "acme/lane")
		expect(t, &remote, "one of another process", "acme/lane")
		expect(t, &deaf, "one of another topic")
	})
}

func TestAListenerThatComesLaterIsToldAsTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(newWire())
		defer h.Close(t.Context())
		var first, second ear
		h.Listen("jobs", nil, first.hear)
		expect(t, &first, "the first", "")
		h.Listen("jobs", nil, second.hear)
		expect(t, &second, "the second", "")
		expect(t, &first, "the first, again")
	})
}

func TestWithoutATransportSignalsStayInTheProcess(t *testing.T) {
	h := New(nil)
	defer h.Close(t.Context())
	var own, other ear
	h.Listen("jobs", 1, own.hear)
	stop := h.Listen("jobs", 2, other.hear)
	h.Signal("jobs", 1, signalOf("lane"))
	h.Signal("jobs", 1)
	stop()
	stop()
	h.Signal("jobs", 1)
	if !slices.Equal(other.heard, []string{"acme/lane", ""}) || own.heard != nil {
		t.Errorf("the other heard %q and the origin %q, want one signal with a name and one without, and nothing", other.heard, own.heard)
	}
}

func TestWhatIsSignalledCloseTogetherTravelsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		here, there := New(w), New(w)
		defer here.Close(t.Context())
		defer there.Close(t.Context())
		var e ear
		there.Listen("jobs", nil, e.hear)
		expect(t, &e, "when listening begins", "")
		here.Signal("jobs", 1, signalOf("first"))
		expect(t, &e, "the first does not wait", "acme/first")
		for i := range 10 {
			here.Signal("jobs", 1, signalOf(fmt.Sprint(i%3)))
		}
		expect(t, &e, "the next wait")
		time.Sleep(pause)
		expect(t, &e, "after the pause", "acme/0 acme/1 acme/2")
		for i := range maxBatch + 1 {
			here.Signal("jobs", 1, signalOf(fmt.Sprint(i)))
		}
		time.Sleep(pause)
		expect(t, &e, "too many to name", "")
	})
}

func TestAListenerIsToldWhatItMayHaveMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		here, there := New(w), New(w)
		defer here.Close(t.Context())
		defer there.Close(t.Context())
		var e ear
		there.Listen("jobs", nil, e.hear)
		expect(t, &e, "when listening begins", "")
		w.cut(errors.New("down"))
		here.Signal("jobs", 1, signalOf("lost"))
		time.Sleep(time.Hour)
		expect(t, &e, "while the wire is down")
		w.cut(nil)
		time.Sleep(2 * retryMax)
		expect(t, &e, "when it is up again", "")
		here.Signal("jobs", 1, signalOf("lane"))
		expect(t, &e, "after that", "acme/lane")
	})
}

func TestADeafTransportIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.down = ErrDeaf
		h := New(w)
		defer h.Close(t.Context())
		var e ear
		h.Listen("jobs", nil, e.hear)
		synctest.Wait()
		w.cut(nil)
		time.Sleep(time.Hour)
		expect(t, &e, "a hub that found its transport deaf")
	})
}

func TestStopWaitsForTheCallThatRuns(t *testing.T) {
	w := newWire()
	h := New(w)
	defer h.Close(t.Context())
	entered, leave := make(chan struct{}), make(chan struct{})
	after := false
	stop := h.Listen("jobs", nil, func([]storage.Signal) {
		close(entered)
		<-leave
		for range 1000 {
			runtime.Gosched()
		}
		after = true
	})
	<-entered
	close(leave)
	stop()
	if !after {
		t.Error("stop returned while the function ran")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.receivers) != 0 {
		t.Error("nobody listens and the hub still receives")
	}
}

func TestCloseLeavesAFunctionThatHangsWhenItsCtxEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		h := New(w)
		leave := make(chan struct{})
		h.Listen("jobs", nil, func([]storage.Signal) { <-leave })
		synctest.Wait() // the function hangs
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			h.Close(ctx)
		}()
		select {
		case <-closed:
			if took := time.Since(begun); took != time.Second {
				t.Errorf("Close returned after %v, want the second that its ctx gave it", took)
			}
		case <-time.After(time.Hour):
			t.Error("Close waits for the function although its ctx ended")
		}
		close(leave)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.receivers) != 0 {
			t.Error("the function returned and the hub still receives")
		}
	})
}

func TestAfterCloseNothingIsCalledOrSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		here, there := New(w), New(w)
		var e ear
		stop := there.Listen("jobs", nil, e.hear)
		expect(t, &e, "when listening begins", "")
		here.Signal("jobs", 1, signalOf("lane"))
		here.Close(t.Context())
		here.Close(t.Context())
		here.Signal("jobs", 1, signalOf("late"))
		expect(t, &e, "what was signalled before", "acme/lane")
		there.Close(t.Context())
		stop()
		there.Listen("jobs", nil, e.hear)()
		expect(t, &e, "after its own hub was closed")
	})
}

func TestEverySignalOfABatchArrivesInMessagesThatFit(t *testing.T) {
	for _, name := range []string{"n", strings.Repeat("n", storage.MaxID), strings.Repeat("\x01", storage.MaxID), strings.Repeat("\n", 100)} {
		b := batch{}
		for i := range maxBatch {
			b.add([]storage.Signal{{Tenant: name, Name: fmt.Sprint(name, i)}})
		}
		got := map[storage.Signal]struct{}{}
		for _, text := range b.encode("from", "topic") {
			if strings.Contains(text, "\n") {
				t.Errorf("a message has more than one line")
			}
			m, err := decode(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range m.signals() {
				got[s] = struct{}{}
			}
		}
		if !maps.Equal(got, b.signals) {
			t.Errorf("%d signals with names like %.10q arrived, want %d", len(got), name, len(b.signals))
		}
	}
	b := batch{}
	b.add([]storage.Signal{{Tenant: strings.Repeat("n", MaxMessage)}})
	if got := b.encode("from", "topic"); len(got) != 1 || got[0] != `{"from":"from","topic":"topic"}` {
		t.Errorf("a name that does not fit gave %.100q, want a message that names nothing", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"from":"a","topic":"jobs","signals":[["acme","lane"]]}`)
	f.Add(`{"signals":[["a"],["a","b","c"],[1],null]}`)
	f.Add(strings.Repeat("[", MaxMessage))
	f.Fuzz(func(t *testing.T, text string) {
		m, err := decode(text)
		if err != nil {
			return
		}
		b := batch{}
		b.add(m.signals())
		for _, again := range b.encode(m.From, m.Topic) {
			if _, err := decode(again); err != nil && len(m.From)+len(m.Topic) < 100 {
				t.Errorf("%q became %q, which does not decode: %v", text, again, err)
			}
		}
	})
}
