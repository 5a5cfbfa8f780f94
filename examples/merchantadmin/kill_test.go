package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKilledAdminLosesNothingAndDoesNothingTwice kills the admin while a client
// posts refunds, and repeats each under its key until it is answered. ADMINKIT_LONG=1
// runs the long form.
func TestKilledAdminLosesNothingAndDoesNothingTwice(t *testing.T) {
	t.Parallel()
	kills, refunds := 3, 40
	if os.Getenv("ADMINKIT_LONG") == "1" {
		kills, refunds = 20, 200
	}
	onEachDurableDatabase(t, func(t *testing.T, db string) {
		seed := rand.Uint64()
		t.Logf("%d refunds, %d kills, seed %d", refunds, kills, seed)
		m := &mortal{t: t, db: db, keys: filepath.Join(t.TempDir(), "keys"), lease: "2s"}
		m.alive = sync.NewCond(&m.mu)
		m.start()
		defer m.end()
		got := m.receive()
		orders := m.ordersOf(refunds)
		r := newReaper(rand.New(rand.NewPCG(seed, 1)), kills, refunds)
		r.during(m, func() { m.refundAll(orders, r.step) })
		m.checkRefunds(orders)
		m.checkLog(refunds)
		got.check(t, refunds)
	})
}

// A reaper kills an admin at random moments of what is done with it.
type reaper struct {
	moments map[int]bool // after so many steps

	mu      sync.Mutex
	steps   int
	reached chan struct{}
	over    bool
}

// newReaper spreads kills over so many steps.
func newReaper(rnd *rand.Rand, kills, steps int) *reaper {
	r := &reaper{moments: map[int]bool{}, reached: make(chan struct{}, kills)}
	for i := range kills {
		from, to := i*steps/kills, (i+1)*steps/kills
		r.moments[from+1+rnd.IntN(to-from-1)] = true
	}
	return r
}

// step tells that one thing more is done.
func (r *reaper) step() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps++
	if r.moments[r.steps] && !r.over {
		r.reached <- struct{}{}
	}
}

// during kills m while fn works with it.
func (r *reaper) during(m *mortal, fn func()) {
	var killing sync.WaitGroup
	kills := 0
	killing.Go(func() {
		for range r.reached {
			m.kill()
			kills++
		}
	})
	fn()
	r.mu.Lock()
	r.over = true
	close(r.reached)
	r.mu.Unlock()
	killing.Wait()
	if kills != len(r.moments) {
		m.t.Errorf("the admin was killed %d times, want %d", kills, len(r.moments))
	}
}

// A mortal is an admin in a process of its own that is killed and started again.
type mortal struct {
	t        *testing.T
	db, keys string
	lease    string

	mu    sync.Mutex
	alive *sync.Cond
	base  string // empty while it is dead
	gone  bool   // it does not come up any more, and the test has failed
	cmd   *exec.Cmd
}

// start runs the next process. It may be called on any goroutine.
func (m *mortal) start() {
	cmd, base, err := m.run()
	if err != nil {
		m.t.Errorf("the admin does not come up: %v", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cmd, m.base, m.gone = cmd, base, err != nil
	m.alive.Broadcast()
}

func (m *mortal) run() (*exec.Cmd, string, error) {
	cmd := command(m.t, "-addr", "127.0.0.1:0", "-db", m.db, "-keys", m.keys, "-egress-allow", "127.0.0.0/8", "-lease", m.lease)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "merchant admin ready at ")
	if !ok {
		return cmd, "", fmt.Errorf("its first line is %q: %w", line, err)
	}
	return cmd, base, nil
}

// kill ends the process without a word, and starts the next.
func (m *mortal) kill() {
	m.mu.Lock()
	m.base = ""
	m.mu.Unlock()
	m.end()
	m.start()
}

// end kills the process. Its exit status says so, and nothing else.
func (m *mortal) end() {
	m.mu.Lock()
	cmd := m.cmd
	m.mu.Unlock()
	if cmd == nil || cmd.Process == nil {
		return
	}
	if err := cmd.Process.Kill(); err != nil {
		m.t.Errorf("kill: %v", err)
	}
	cmd.Wait()
}

// address returns where the admin is, waits while it is nowhere, and reports false
// when it will be nowhere for good.
func (m *mortal) address() (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.base == "" && !m.gone {
		m.alive.Wait()
	}
	return m.base, !m.gone
}

// try sends a request of olivia and reports whether it was answered with this status.
func (m *mortal) try(method, path, body, key string, want int) ([]byte, bool) {
	return m.tryAs("olivia", method, path, body, key, want)
}

func (m *mortal) tryAs(person, method, path, body, key string, want int) ([]byte, bool) {
	base, ok := m.address()
	if !ok {
		return []byte("{}"), true
	}
	req, err := http.NewRequestWithContext(m.t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		m.t.Error(err)
		return nil, false
	}
	req.Header.Set("Authorization", "Bearer demo-"+person)
	req.Header.Set("X-Tenant", "acme")
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	client := http.Client{Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		return nil, false
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != want && resp.StatusCode < http.StatusInternalServerError {
		m.t.Errorf("%s %s answered %d: %s", method, path, resp.StatusCode, b)
		return b, true // no repetition mends it
	}
	return b, err == nil && resp.StatusCode == want
}

// must repeats a request of olivia until it is answered.
func (m *mortal) must(method, path, body, key string, want int) []byte {
	return m.mustAs("olivia", method, path, body, key, want)
}

func (m *mortal) mustAs(person, method, path, body, key string, want int) []byte {
	for {
		if b, ok := m.tryAs(person, method, path, body, key, want); ok {
			return b
		}
	}
}

// list reads a whole list of the API, page by page.
func (m *mortal) list(path string, add func(items json.RawMessage)) {
	for path != "" {
		var page struct {
			Items json.RawMessage
			Next  string
		}
		if err := json.Unmarshal(m.must("GET", path, "", "", http.StatusOK), &page); err != nil {
			m.t.Fatal(err)
		}
		add(page.Items)
		path, _, _ = strings.Cut(path, "&after=")
		if page.Next == "" {
			return
		}
		path += "&after=" + page.Next
	}
}

func (m *mortal) ordersOf(n int) []string {
	var ids []string
	m.list("/api/v1/orders?limit=1000", func(items json.RawMessage) {
		var orders []listedOrder
		if err := json.Unmarshal(items, &orders); err != nil {
			m.t.Fatal(err)
		}
		for _, o := range orders {
			ids = append(ids, o.ID)
		}
	})
	return ids[:n]
}

// clients is how many refunds are under way at once.
const clients = 4

// refundAll refunds 5.00 of each order, and calls done after each answer.
func (m *mortal) refundAll(orders []string, done func()) {
	work := make(chan string)
	var clerks sync.WaitGroup
	for range clients {
		clerks.Go(func() {
			for order := range work {
				m.must("POST", "/api/v1/orders/"+order+"/refund", `{"amount":"5.00","currency":"EUR","reason":"late"}`, "refund "+order, http.StatusOK)
				done()
			}
		})
	}
	for _, order := range orders {
		work <- order
	}
	close(work)
	clerks.Wait()
}

// checkRefunds wants each order refunded once.
func (m *mortal) checkRefunds(orders []string) {
	want := map[string]bool{}
	for _, id := range orders {
		want[id] = true
	}
	m.list("/api/v1/orders?limit=1000", func(items json.RawMessage) {
		var all []listedOrder
		if err := json.Unmarshal(items, &all); err != nil {
			m.t.Fatal(err)
		}
		for _, o := range all {
			if once := "5.00"; want[o.ID] && o.Refunded != once || !want[o.ID] && o.Refunded != "0.00" {
				m.t.Errorf("of order %s %s is refunded", o.ID, o.Refunded)
			}
		}
	})
}

// checkLog wants one record a refund.
func (m *mortal) checkLog(refunds int) {
	recorded := map[string]int{}
	m.list("/api/v1/audit/events?action=orders.refund&outcome=success&limit=1000", func(items json.RawMessage) {
		var events []struct{ Resource struct{ ID string } }
		if err := json.Unmarshal(items, &events); err != nil {
			m.t.Fatal(err)
		}
		for _, e := range events {
			recorded[e.Resource.ID]++
		}
	})
	if len(recorded) != refunds {
		m.t.Errorf("%d refunds are recorded, want %d", len(recorded), refunds)
	}
	for order, n := range recorded {
		if n != 1 {
			m.t.Errorf("the refund of %s is recorded %d times", order, n)
		}
	}
}

// An inbox is what a receiver got: how often each message, and of which order.
type inbox struct {
	mu       sync.Mutex
	arrived  *sync.Cond
	messages map[string]int
	orders   map[string]string // by message
	closed   bool
}

func (m *mortal) receive() *inbox {
	in := &inbox{messages: map[string]int{}, orders: map[string]string{}}
	in.arrived = sync.NewCond(&in.mu)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct{ Data refundPayload }
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		id := r.Header.Get("Webhook-Id")
		in.messages[id]++
		in.orders[id] = event.Data.OrderID
		in.arrived.Broadcast()
	}))
	m.t.Cleanup(server.Close)
	m.must("POST", "/api/v1/webhooks/endpoints", `{"url":"`+server.URL+`","event_types":["lumelle.orders.v1.*"]}`, "endpoint", http.StatusCreated)
	return in
}

// check waits until a message of each refund has come, and wants each refund to have
// one message id.
func (in *inbox) check(t *testing.T, refunds int) {
	t.Helper()
	late := time.AfterFunc(patience, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.closed = true
		in.arrived.Broadcast()
	})
	defer late.Stop()
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.messages) < refunds && !in.closed {
		in.arrived.Wait()
	}
	orders := map[string]int{}
	total := 0
	for id, order := range in.orders {
		orders[order]++
		total += in.messages[id]
	}
	if len(in.messages) != refunds || len(orders) != refunds {
		t.Errorf("%d messages about %d orders came, want %d of each", len(in.messages), len(orders), refunds)
	}
	t.Logf("%d messages came %d times", len(in.messages), total)
}
