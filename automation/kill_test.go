package automation_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/process"
)

func TestMain(m *testing.M) {
	process.Main(process.Roles{"worker": work})
	goleak.VerifyTestMain(m)
}

// How children of tests work that kill them.
const (
	stock = "stock"
	haste = "haste" // with a short lease, and without end
	brief = "brief" // with a short lease
)

// place is a SQLite file, or a Postgres database where it is a URL.
func openPlace(ctx context.Context, place string) (backend, error) {
	if filepath.IsAbs(place) {
		return sqlite.Open(ctx, place, sqlite.Config{})
	}
	return postgres.Open(ctx, place, postgres.Config{})
}

// A host is what parent and children of a test over several processes share.
type host struct {
	backend  backend
	log      *audit.Log
	governor *audit.Governor
	service  *automation.Service
	queue    *jobs.Queue
}

func newHost(b backend) (*host, error) {
	h := &host{backend: b}
	catalog, err1 := audit.NewCatalog(audit.CatalogConfig{}, append(automation.Actions(), audit.Action{Name: "orders.refund", Type: refunded},
		audit.Action{Name: "orders.flag", Category: audit.Domain}, audit.Action{Name: "approvals.request.approved"})...)
	var err2, err3, err4, err5, err6, err7 error
	h.log, err2 = audit.NewLog(b.Audit(), audit.LogConfig{})
	h.queue, err3 = jobs.NewQueue(b.Jobs(), jobs.Config{})
	outbox, err4 := automation.NewOutbox(b, b.Automation(), h.queue, cloudevent.MarshalPublic, automation.OutboxConfig{Signals: signals})
	h.governor, err5 = audit.NewGovernor(b, audit.Ungated, audit.Tee(h.log, outbox), catalog)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	request := func(_ context.Context, key string, _ automation.ApprovalChange) (string, error) {
		return "req-" + key, nil
	}
	rules, err6 := automation.NewCatalog(schema.Compile, automation.CatalogConfig{Actions: []automation.Action{
		automation.HTTPPost(http.DefaultClient), automation.PublishEvent(h.governor, "orders.flag"), automation.RequestApproval(request),
	}})
	if err6 == nil {
		h.service, err7 = automation.New(h.governor, b.Automation(), h.queue, rules, automation.Config{})
	}
	return h, errors.Join(err6, err7)
}

// work works the runs of the place that its first argument names, as the second says.
func work(ctx context.Context, args []string) error {
	b, err := openPlace(ctx, args[0])
	if err != nil {
		return err
	}
	h, err := newHost(b)
	if err != nil {
		return err
	}
	cfg := jobs.WorkerConfig{}
	switch args[1] {
	case haste:
		// The test kills the same job many times, which must not be taken for its fault.
		cfg = jobs.WorkerConfig{Lease: 400 * time.Millisecond, Poll: 20 * time.Millisecond, MaxLost: 10_000}
	case brief:
		// Long enough for a busy machine: a lost lease counts as a death does.
		cfg = jobs.WorkerConfig{Lease: 2 * time.Second, Poll: 20 * time.Millisecond}
	}
	w, err := jobs.NewWorker(h.queue, h.service.Handlers(), cfg)
	if err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	process.Say("ready")
	<-ctx.Done()
	ctx = context.WithoutCancel(ctx)
	return errors.Join(w.Close(ctx), b.Close(ctx))
}

// spawn starts a child process and returns once it works, or has ended.
func spawn(t testing.TB, place, how string) *process.Process {
	t.Helper()
	p, err := process.Start(process.Config{Role: "worker", Args: []string{place, how}})
	must(t, err)
	_, _ = p.Line()
	return p
}

// ended returns a channel that is closed when a process has ended.
func ended(p *process.Process) <-chan struct{} {
	end := make(chan struct{})
	go func() {
		p.Rest()
		close(end)
	}()
	return end
}

// writeRule writes a rule on refunds and enables it.
func (h *host) writeRule(ctx context.Context, t testing.TB, d automation.Definition) automation.Rule {
	t.Helper()
	r, err := h.service.Create(ctx, acme, automation.RuleInput{Definition: d})
	must(t, err)
	r, err = h.service.Enable(ctx, acme, r.ID, "")
	must(t, err)
	return r
}

// count returns how many runs of acme have a status.
func (h *host) count(ctx context.Context, t testing.TB, s automation.Status) (total int) {
	t.Helper()
	q := automation.RunQuery{Status: s, Limit: storage.MaxLimit}
	for {
		page, err := h.service.Runs(ctx, acme, q)
		must(t, err)
		total += len(page.Items)
		if q.After = page.Next; q.After == "" {
			return total
		}
	}
}

// TestKilledWorkersRepeatNothingButUnderItsKey kills the process that works a run at its
// step boundaries: when the other side has got a request and not answered, and when it
// has just answered. Every run comes to its end, an external step repeats only under its
// key, and a transactional one never. ADMINKIT_LONG=1 runs the long form.
func TestKilledWorkersRepeatNothingButUnderItsKey(t *testing.T) {
	runs, kills := 6, 8
	if long() {
		runs, kills = 400, 1000
	}
	for _, k := range eachtest.Kinds(t) {
		switch k.Name {
		case "sqlite":
			t.Run(k.Name, func(t *testing.T) { killAtBoundaries(t, filepath.Join(t.TempDir(), "kill.db"), runs, kills) })
		case "postgres":
			t.Run(k.Name, func(t *testing.T) { killAtBoundaries(t, eachtest.PostgresDSN(t), runs, kills) })
		}
	}
}

// A grave is the other side of the steps: it notes what comes and kills who sent it.
type grave struct {
	mu    sync.Mutex
	seen  map[string]int // requests by key
	steps map[string]string
	child *process.Process
	kills int
	left  int
}

func (g *grave) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	key := r.Header.Get("Idempotency-Key")
	g.seen[key]++
	g.steps[key] = string(body)
	first := g.seen[key] <= 2 && g.left > 0
	before := (g.kills+len(g.seen))%2 == 0
	if first {
		g.left--
		g.kills++
	}
	child := g.child
	g.mu.Unlock()
	if first && before {
		_ = child.Kill()
		return
	}
	_, _ = w.Write([]byte(`{"ok":true}`))
	if first {
		_ = http.NewResponseController(w).Flush()
		_ = child.Kill()
	}
}

func killAtBoundaries(t *testing.T, place string, runs, kills int) {
	ctx := audit.WithActor(t.Context(), sam)
	b, err := openPlace(ctx, place)
	must(t, err)
	defer func() { must(t, b.Close(context.WithoutCancel(ctx))) }()
	h, err := newHost(b)
	must(t, err)
	g := &grave{seen: map[string]int{}, steps: map[string]string{}, left: kills}
	server := httptest.NewServer(g)
	defer server.Close()
	post := func(name string) string {
		return `{"name":"` + name + `","action":"http.post","retry":{"delay":"10ms"},"with":{"url":"` + server.URL + `","body":"` + name + `"}}`
	}
	h.writeRule(ctx, t, definition(t, `"steps":[`+post("a")+`,{"name":"flag","action":"publish.event","with":{"action":"orders.flag","resource":{"type":"order","id":"{{ /id }}"}}},`+post("b")+`,`+post("c")+`]`))
	for i := range runs {
		must(t, h.governor.Record(ctx, audit.Event{
			ID: fmt.Sprint("e", i), Tenant: acme, Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: fmt.Sprint(i)},
		}))
	}
	for h.count(ctx, t, automation.Succeeded) < runs {
		if n := h.count(ctx, t, automation.Failed); n > 0 {
			t.Fatalf("%d runs failed", n)
		}
		g.mu.Lock() // what it sends before it is known waits
		p := spawn(t, place, haste)
		g.child = p
		g.mu.Unlock()
		dead := ended(p)
		for alive := true; alive; {
			select {
			case <-dead:
				alive = false
				must(t, p.Kill())
			case <-time.After(50 * time.Millisecond):
				if h.count(ctx, t, automation.Succeeded)+h.count(ctx, t, automation.Failed) == runs {
					must(t, p.Kill())
				}
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	repeated := 0
	for key, n := range g.seen {
		if parts := strings.Split(key, "/"); len(parts) != 3 || !strings.Contains(g.steps[key], parts[1]) {
			t.Errorf("step %s was called under the key %q", g.steps[key], key)
		}
		if n > 1 {
			repeated++
		}
	}
	if len(g.seen) != 3*runs {
		t.Errorf("the other side saw %d keys, want %d", len(g.seen), 3*runs)
	}
	flagged := map[string]int{}
	q := audit.Query{Action: "orders.flag", Limit: storage.MaxLimit}
	for {
		page, err := h.log.Query(ctx, acme, q)
		must(t, err)
		for _, e := range page.Items {
			flagged[e.Resource.ID]++
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	for id, n := range flagged {
		if n != 1 {
			t.Errorf("the event of %s was written %d times", id, n)
		}
	}
	if len(flagged) != runs {
		t.Errorf("%d events were written, want %d", len(flagged), runs)
	}
	t.Logf("%d runs, %d kills: 0 lost, 0 events twice, %d of %d external steps repeated under their key", runs, g.kills, repeated, len(g.seen))
}

// BenchmarkApprove measures from the commit of a decision to the request of the next step,
// at stock settings: in the process that decided, and in another one.
func BenchmarkApprove(b *testing.B) {
	for _, where := range []string{"same", "other"} {
		b.Run(where+"/sqlite", func(b *testing.B) { approve(b, filepath.Join(b.TempDir(), "approve.db"), where == "other") })
		b.Run(where+"/postgres", func(b *testing.B) { approve(b, eachtest.PostgresDSN(b), where == "other") })
	}
}

func approve(b *testing.B, place string, other bool) {
	ctx := audit.WithActor(b.Context(), sam)
	store, err := openPlace(ctx, place)
	must(b, err)
	defer func() { must(b, store.Close(context.WithoutCancel(ctx))) }()
	h, err := newHost(store)
	must(b, err)
	arrived := make(chan time.Time, 1)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- time.Now() }))
	defer server.Close()
	h.writeRule(ctx, b, definition(b, `"steps":[{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}},
		{"name":"pay","action":"http.post","with":{"url":"`+server.URL+`"}}]`))
	if other {
		p := spawn(b, place, stock)
		defer func() { must(b, p.Kill()) }()
	} else {
		w, err := jobs.NewWorker(h.queue, h.service.Handlers(), jobs.WorkerConfig{})
		must(b, err)
		must(b, w.Start(ctx))
		defer func() { must(b, w.Close(context.WithoutCancel(ctx))) }()
	}
	var took []time.Duration
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		i++
		must(b, h.governor.Record(ctx, audit.Event{
			ID: fmt.Sprint("e", i), Tenant: acme, Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1"}, Trace: correlation.New(),
		}))
		var waiting []automation.Run
		for len(waiting) == 0 {
			page, err := h.service.Runs(ctx, acme, automation.RunQuery{Status: automation.Waiting})
			must(b, err)
			if waiting = page.Items; len(waiting) == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		decision := audit.Event{
			ID: fmt.Sprint("d", i), Tenant: acme, Action: "approvals.request.approved",
			Resource: audit.Resource{Type: "approval_request", ID: waiting[0].Wait.Key},
		}
		time.Sleep(20 * time.Millisecond) // people do not answer at once; what was busy comes to rest
		b.StartTimer()
		must(b, h.governor.Record(ctx, decision))
		began := time.Now()
		took = append(took, (<-arrived).Sub(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
