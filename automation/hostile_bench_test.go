package automation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// A hostileRun is a rule that is well formed and does harm when it runs.
type hostileRun struct {
	name  string
	steps string
	data  string // of the event
	// as is the plain run, or the runs, that it is compared with.
	as   plainRun
	runs int
	// class and message are what stops it, empty where nothing does.
	class, message string
}

// A plainRun does the same and harms nobody.
type plainRun struct{ steps, data string }

const (
	note      = `{"name":"s","action":"notify.log","with":{"message":"m"}}`
	publish   = `{"name":"s","action":"publish.event","with":{"action":"orders.flag","resource":{"type":"order","id":"1"}}}`
	smallData = `{"amount":1}`
)

func hostileRuns(server string) []hostileRun {
	large := `"` + strings.Repeat("x", 32<<10) + `"`
	small, much := plainRun{note, smallData}, plainRun{note, large}
	post := func(path, body string) string {
		return `{"name":"s","action":"http.post","with":{"url":"` + server + path + `","body":` + body + `}}`
	}
	answered := plainRun{post("/", `"m"`), smallData}
	var four, five []string
	for i := range 5 {
		five = append(five, fmt.Sprintf(`{"name":"s%d","action":"test.quarter"}`, i))
	}
	four = five[:4]
	return []hostileRun{
		{"a rule that feeds itself", publish, smallData, plainRun{publish, smallData}, audit.MaxHops + 1, automation.ClassLoop, "rules set each other off: the event is the eighth in a row"},
		{"an output of 10 MiB", `{"name":"s","action":"test.flood"}`, smallData, small, 1, automation.ClassPermanent, "the action answered what it may not"},
		{"an output of 120,000 levels", `{"name":"s","action":"test.deep"}`, smallData, small, 1, automation.ClassPermanent, "the action answered what it may not"},
		{"outputs of more than 1 MiB together", strings.Join(five, ","), smallData, plainRun{strings.Join(four, ","), smallData}, 1, automation.ClassPermanent, "event and outputs of the run are longer than 1 MiB"},
		{"an answer of 10 MiB", post("/flood", `"m"`), smallData, answered, 1, automation.ClassPermanent, "the answer is longer than 64 KiB"},
		{"an input that grows to 6 MiB", `{"name":"s","action":"notify.log","with":{"message":"` + strings.Repeat(`{{ /data }}`, 200) + `"}}`, large, much, 1, automation.ClassInvalid, "the input is longer than 256 KiB"},
		{"a template in the event", post("/", `"{{ /data }}"`), `"` + strings.Repeat("{{ /data }}", 3000) + `"`, plainRun{post("/", `"{{ /data }}"`), large}, 1, "", ""},
		{"100,000 log lines", `{"name":"s","action":"test.chatter"}`, smallData, small, 1, "", ""},
	}
}

// BenchmarkHostileRun measures what stopping a run costs beyond what a plain one does:
// over-ms is the difference of the medians from the event to the end of the run, over-MB
// that of what is allocated for it in the whole process. A rule that feeds itself is
// compared with as many runs of one that does not.
func BenchmarkHostileRun(b *testing.B) {
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := 0; r.URL.Path == "/flood" && i < 160; i++ {
			if _, err := w.Write(chunk); err != nil {
				return // the reader has enough
			}
		}
	}))
	defer server.Close()
	for _, kind := range eachtest.Kinds(b) {
		for _, c := range hostileRuns(server.URL) {
			b.Run(kind.Name+"/"+c.name, func(b *testing.B) {
				plain, hostile := newArena(b, kind, c.as.steps, false), newArena(b, kind, c.steps, c.runs > 1)
				b.ReportAllocs()
				for b.Loop() {
					for range c.runs {
						plain.run(b, c.as.data, 1, "", "")
					}
					hostile.run(b, c.data, c.runs, c.class, c.message)
				}
				b.ReportMetric(hostile.median()-float64(c.runs)*plain.median(), "over-ms")
				b.ReportMetric(hostile.allocated()-float64(c.runs)*plain.allocated(), "over-MB")
			})
		}
	}
}

// An arena runs one rule again and again.
type arena struct {
	governor *audit.Governor
	service  *automation.Service
	ended    chan string
	n        int
	took     []time.Duration
	bytes    uint64
}

// endings is an audit.AuditSink that tells the ids of runs whose end is committed.
type endings struct{ ended chan<- string }

func (s endings) Append(ctx context.Context, events ...audit.Event) error {
	for _, e := range events {
		if e.Resource.Type == automation.ResourceRun {
			storage.AfterCommit(ctx, func() { s.ended <- e.Resource.ID })
		}
	}
	return nil
}

// newArena makes a host with one rule, which listens to refunds, or to all that happens to
// orders where it is to feed itself.
func newArena(b *testing.B, kind eachtest.Kind, steps string, itself bool) *arena {
	b.Helper()
	a := &arena{ended: make(chan string, 100)}
	store := kind.Open(b)
	ctx := audit.WithActor(b.Context(), sam)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(automation.Actions(),
		audit.Action{Name: "orders.refund", Type: refunded}, audit.Action{Name: "orders.flag", Type: "lumelle.orders.v1.flagged", Category: audit.Domain})...)
	must(b, err)
	queue, err := jobs.NewQueue(store.Jobs(), jobs.Config{})
	must(b, err)
	outbox, err := automation.NewOutbox(store, store.Automation(), queue, cloudevent.MarshalPublic, automation.OutboxConfig{})
	must(b, err)
	a.governor, err = audit.NewGovernor(store, audit.Ungated, audit.Tee(outbox, endings{a.ended}), catalog)
	must(b, err)
	flood := []byte(`"` + strings.Repeat("x", 10<<20) + `"`)
	quarter := []byte(`"` + strings.Repeat("x", 255<<10) + `"`)
	deep := []byte(strings.Repeat("[", 120_000) + strings.Repeat("]", 120_000))
	rules, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{Actions: []automation.Action{
		automation.HTTPPost(http.DefaultClient), automation.NotifyLog(slog.New(slog.DiscardHandler)), automation.PublishEvent(a.governor, "orders.flag"),
		answering{"test.flood", flood, 0}, answering{"test.quarter", quarter, 0}, answering{"test.deep", deep, 0}, answering{"test.chatter", nil, 100_000},
	}})
	must(b, err)
	a.service, err = automation.New(a.governor, store.Automation(), queue, rules, automation.Config{})
	must(b, err)
	d := definition(b, `"steps":[`+steps+`]`)
	if itself {
		d.Trigger.EventType = "lumelle.orders.v1.*"
	}
	h := &host{service: a.service}
	h.writeRule(ctx, b, d)
	w, err := jobs.NewWorker(queue, a.service.Handlers(), jobs.WorkerConfig{})
	must(b, err)
	must(b, w.Start(ctx))
	b.Cleanup(func() { must(b, w.Close(context.WithoutCancel(ctx))) })
	return a
}

// run has an event cause runs, waits for their ends, and checks what one of them is stopped
// with, where class is not empty.
func (a *arena) run(b *testing.B, data string, runs int, class, message string) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx := audit.WithActor(b.Context(), sam)
	a.n++
	began := time.Now()
	must(b, a.governor.Record(ctx, audit.Event{ID: fmt.Sprint("e", a.n), Tenant: acme, Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1"}, Payload: json.RawMessage(data)}))
	ids := make([]string, runs)
	for i := range ids {
		ids[i] = <-a.ended
	}
	a.took = append(a.took, time.Since(began))
	runtime.ReadMemStats(&after)
	a.bytes += after.TotalAlloc - before.TotalAlloc
	stopped := 0
	for _, id := range ids {
		d, err := a.service.Run(ctx, acme, id)
		must(b, err)
		if f := d.Run.Failure; f != nil {
			stopped++
			if f.Class != class || f.Message != message {
				b.Fatalf("the run ended %s, %s: %q; want %s: %q", d.Run.Status, f.Class, f.Message, class, message)
			}
		}
	}
	if stopped != min(len(class), 1) {
		b.Fatalf("%d of %d runs were stopped", stopped, runs)
	}
}

// median is that of the times of the runs, in milliseconds.
func (a *arena) median() float64 {
	slices.Sort(a.took)
	return float64(a.took[len(a.took)/2].Microseconds()) / 1000
}

// allocated is what a run allocates, in MiB.
func (a *arena) allocated() float64 { return float64(a.bytes) / float64(len(a.took)) / (1 << 20) }

// An answering action answers always the same, and says much before.
type answering struct {
	name   string
	output json.RawMessage
	lines  int
}

func (a answering) Describe() automation.Descriptor {
	return automation.Descriptor{
		Name: a.name, Label: a.name, Effect: automation.External, Input: json.RawMessage(`{"type":"object"}`), SampleInput: json.RawMessage(`{}`),
	}
}

func (a answering) Run(_ context.Context, in automation.Input) (automation.Output, error) {
	for range a.lines {
		in.Log(slog.LevelInfo, "and so on")
	}
	return automation.Output{Value: a.output}, nil
}
