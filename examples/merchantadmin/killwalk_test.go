package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestKilledWalkLosesNoRunAndRepeatsNoStep kills the admin anywhere between refunds, the
// runs that follow them, the decisions that these wait for and the posts with which they
// end. Every refund has one run, every run one request and one key. ADMINKIT_LONG=1 runs
// the long form.
func TestKilledWalkLosesNoRunAndRepeatsNoStep(t *testing.T) {
	t.Parallel()
	kills, refunds := 3, 20
	if os.Getenv("ADMINKIT_LONG") == "1" {
		kills, refunds = 20, 200
	}
	onEachDurableDatabase(t, func(t *testing.T, db string) {
		seed := rand.Uint64()
		t.Logf("%d refunds, %d kills, seed %d", refunds, kills, seed)
		// A lease that a slow machine loses by itself counts as a lost start too, and three
		// of them bury a job.
		m := &mortal{t: t, db: db, keys: filepath.Join(t.TempDir(), "keys"), lease: "2s"}
		m.alive = sync.NewCond(&m.mu)
		m.start()
		defer m.end()
		// A refund, the decision on its step and its post are three things to kill between.
		r := newReaper(rand.New(rand.NewPCG(seed, 1)), kills, 3*refunds)
		w := &walk{mortal: m, refunds: refunds, step: r.step, posts: map[string][]string{}, requests: map[string]bool{}}
		w.openRule()
		orders := m.ordersOf(refunds)
		r.during(m, func() { w.run(orders) })
		m.checkRefunds(orders)
		m.checkLog(refunds)
		w.checkRuns(orders)
		w.checkRequests()
	})
}

// A walk is refunds that an automation follows, each through an approval to a post.
type walk struct {
	*mortal
	refunds int
	rule    string
	step    func() // is told of each thing that is done for the first time

	mu       sync.Mutex
	posts    map[string][]string // bodies by Idempotency-Key
	requests map[string]bool     // those that are decided
}

// openRule enables a rule whose runs end in a post to this test.
func (w *walk) openRule() {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender was killed
		}
		key := r.Header.Get("Idempotency-Key")
		w.mu.Lock()
		w.posts[key] = append(w.posts[key], string(body))
		first := len(w.posts[key]) == 1
		w.mu.Unlock()
		if first {
			w.step()
		}
		_, _ = io.WriteString(rw, `{"ticket":"T-1"}`)
	}))
	w.t.Cleanup(server.Close)
	var made struct{ ID string }
	if err := json.Unmarshal(w.must("POST", "/api/v1/automation/rules", afterRefund(server.URL, 1), "rule", http.StatusCreated), &made); err != nil {
		w.t.Fatal(err)
	}
	w.rule = made.ID
	w.must("POST", "/api/v1/automation/rules/"+w.rule+"/enable", `{}`, "enable", http.StatusOK)
}

// patience is how long a walk, an answer or what a worker does may take before it counts as lost.
const patience = 4 * time.Minute

// run refunds the orders, decides what the runs ask for, and returns when every run has
// succeeded.
func (w *walk) run(orders []string) {
	deadline := time.Now().Add(patience)
	var clerk sync.WaitGroup
	clerk.Go(func() { w.refundAll(orders, w.step) })
	defer clerk.Wait()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for n := w.succeeded(); n < w.refunds && !w.t.Failed(); n = w.succeeded() {
		if time.Now().After(deadline) {
			rows := dump(w.t, w.db)
			w.t.Errorf("after %v %d of %d runs have succeeded; jobs: %q; buried: %q", patience, n, w.refunds, rows["adminkit_jobs_job"], rows["adminkit_jobs_dead"])
		}
		w.decideAll()
		<-pace.C
	}
}

// decideAll has marco approve every request that waits.
func (w *walk) decideAll() {
	w.list("/api/v1/approvals/requests?tab=Pending&limit=1000", func(items json.RawMessage) {
		var requests []struct {
			ID       string
			Revision int
		}
		if err := json.Unmarshal(items, &requests); err != nil {
			w.t.Error(err)
			return
		}
		for _, r := range requests {
			body := fmt.Sprintf(`{"decision":"approve","revision":%d}`, r.Revision)
			w.mustAs("marco", "POST", "/api/v1/approvals/requests/"+r.ID+"/decisions", body, "decide "+r.ID, http.StatusOK)
			if !w.requests[r.ID] {
				w.requests[r.ID] = true
				w.step()
			}
		}
	})
}

func (w *walk) succeeded() (n int) {
	w.list("/api/v1/automation/runs?status=succeeded&limit=1000&rule_id="+w.rule, func(items json.RawMessage) {
		var runs []shownRun
		if err := json.Unmarshal(items, &runs); err != nil {
			w.t.Error(err)
		}
		n += len(runs)
	})
	return n
}

// A walkedRun is a run with what its steps left.
type walkedRun struct {
	ID, Status string
	Event      struct{ Data refundPayload }
	Steps      []struct {
		Name, Status string
		Output       struct {
			RequestID string `json:"request_id"`
		}
		Attempts []struct{ Class string }
	}
}

// checkRuns wants one run of each order, with each step once, and one key for its post.
func (w *walk) checkRuns(orders []string) {
	var ids []string
	w.list("/api/v1/automation/runs?limit=1000", func(items json.RawMessage) {
		var runs []shownRun
		if err := json.Unmarshal(items, &runs); err != nil {
			w.t.Fatal(err)
		}
		for _, r := range runs {
			ids = append(ids, r.ID)
		}
	})
	of, asked, attempts := map[string]int{}, map[string]int{}, 0
	for _, id := range ids {
		var r walkedRun
		if err := json.Unmarshal(w.must("GET", "/api/v1/automation/runs/"+id, "", "", http.StatusOK), &r); err != nil {
			w.t.Fatal(err)
		}
		of[r.Event.Data.OrderID]++
		if r.Status != "succeeded" || len(r.Steps) != 2 || r.Steps[0].Name != "ask" || r.Steps[1].Name != "post" {
			w.t.Errorf("run %s is %s with steps %+v", id, r.Status, r.Steps)
			continue
		}
		for _, s := range r.Steps {
			done := 0
			for _, a := range s.Attempts {
				attempts++
				if a.Class == "" {
					done++
				}
			}
			if s.Status != "succeeded" || done != 1 {
				w.t.Errorf("step %s of run %s is %s after %d attempts that succeeded, want one: %+v", s.Name, id, s.Status, done, s.Attempts)
			}
		}
		asked[r.Steps[0].Output.RequestID]++
		w.checkPosts(r)
	}
	for _, order := range orders {
		if of[order] != 1 {
			w.t.Errorf("the refund of %s has %d runs", order, of[order])
		}
	}
	for request, n := range asked {
		if n != 1 || !w.requests[request] {
			w.t.Errorf("%d runs waited for the request %q, which was decided: %t", n, request, w.requests[request])
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	total := 0
	for _, bodies := range w.posts {
		total += len(bodies)
	}
	if len(ids) != w.refunds || len(asked) != w.refunds || len(w.posts) != w.refunds {
		w.t.Errorf("%d runs asked %d times and posted under %d keys, want %d of each", len(ids), len(asked), len(w.posts), w.refunds)
	}
	w.t.Logf("%d runs, %d attempts at %d steps, %d requests; %d posts under %d keys", len(ids), attempts, 2*len(ids), len(asked), total, len(w.posts))
}

// checkPosts wants all posts of a run under one key, with the same body.
func (w *walk) checkPosts(r walkedRun) {
	want := map[string]any{"order": r.Event.Data.OrderID, "request": r.Steps[0].Output.RequestID}
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := 0
	for key, bodies := range w.posts {
		for i, body := range bodies {
			var got map[string]any
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				w.t.Errorf("the post %q: %v", body, err)
			}
			if got["order"] != want["order"] {
				continue
			}
			if got["request"] != want["request"] {
				w.t.Errorf("under %q %s came, want %v", key, body, want)
			}
			if i == 0 {
				keys++
			}
		}
	}
	if keys != 1 {
		w.t.Errorf("run %s posted under %d keys", r.ID, keys)
	}
}

// checkRequests wants one request a run, each applied once.
func (w *walk) checkRequests() {
	type shownRequest struct {
		State    string
		Resource struct{ ID string }
	}
	var requests []shownRequest
	read := func() (open int) {
		requests = nil
		w.list("/api/v1/approvals/requests?tab=Done&limit=1000", func(items json.RawMessage) {
			var page []shownRequest
			if err := json.Unmarshal(items, &page); err != nil {
				w.t.Fatal(err)
			}
			requests = append(requests, page...)
		})
		for _, r := range requests {
			if r.State != "applied" {
				open++
			}
		}
		return open
	}
	eventually(w.t, "that every request is applied", func() bool { return read() == 0 && len(requests) >= w.refunds })
	steps := map[string]bool{}
	for _, r := range requests {
		steps[r.Resource.ID] = true
	}
	if len(requests) != w.refunds || len(steps) != w.refunds || len(w.requests) != w.refunds {
		w.t.Errorf("%d requests are about %d steps, and %d were decided, want %d of each", len(requests), len(steps), len(w.requests), w.refunds)
	}
}
