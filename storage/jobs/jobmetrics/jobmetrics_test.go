package jobmetrics_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/jobs/jobmetrics"
	"github.com/lumelle/adminkit/storage/memory"
)

// A meter writes down what it is told, as an SDK would.
type meter struct {
	noop.Meter
	refuses string // an instrument it does not make

	mu        sync.Mutex
	units     map[string]string
	seen      []string
	callbacks []metric.Callback
}

var errRefused = errors.New("refused")

func (m *meter) made(name, unit string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name == m.refuses {
		return errRefused
	}
	if m.units == nil {
		m.units = map[string]string{}
	}
	m.units[name] = unit
	return nil
}

func (m *meter) note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, fmt.Sprintf(format, args...))
}

func (m *meter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return histogram{name: name, m: m}, m.made(name, metric.NewFloat64HistogramConfig(options...).Unit())
}

func (m *meter) Int64Counter(name string, options ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return counter{name: name, m: m}, m.made(name, metric.NewInt64CounterConfig(options...).Unit())
}

func (m *meter) Int64ObservableUpDownCounter(name string, options ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	return upDown{name: name}, m.made(name, metric.NewInt64ObservableUpDownCounterConfig(options...).Unit())
}

func (m *meter) RegisterCallback(f metric.Callback, _ ...metric.Observable) (metric.Registration, error) {
	if m.refuses == "callback" {
		return nil, errRefused
	}
	m.callbacks = append(m.callbacks, f)
	return noop.Registration{}, nil
}

type histogram struct {
	noop.Float64Histogram
	name string
	m    *meter
}

func (h histogram) Record(_ context.Context, v float64, options ...metric.RecordOption) {
	set := metric.NewRecordConfig(options).Attributes()
	h.m.note("%s %g %s", h.name, v, set.Encoded(attribute.DefaultEncoder()))
}

type counter struct {
	noop.Int64Counter
	name string
	m    *meter
}

func (c counter) Add(_ context.Context, n int64, options ...metric.AddOption) {
	set := metric.NewAddConfig(options).Attributes()
	c.m.note("%s %d %s", c.name, n, set.Encoded(attribute.DefaultEncoder()))
}

type upDown struct {
	noop.Int64ObservableUpDownCounter
	name string
}

type observer struct {
	noop.Observer
	m *meter
}

func (o observer) ObserveInt64(of metric.Int64Observable, n int64, _ ...metric.ObserveOption) {
	o.m.note("%s %d", of.(upDown).name, n)
}

// levels asks for the levels as a reader of an SDK does.
func (m *meter) levels(t *testing.T) []string {
	t.Helper()
	m.seen = nil
	for _, f := range m.callbacks {
		if err := f(t.Context(), observer{m: m}); err != nil {
			t.Fatal(err)
		}
	}
	return slices.Clone(m.seen)
}

func TestRunsAreRecordedByTheConventionsForMessaging(t *testing.T) {
	t.Parallel()
	m := &meter{}
	metrics, err := jobmetrics.New(m)
	if err != nil {
		t.Fatal(err)
	}
	job := jobs.Job{Tenant: "acme", Lane: "lane", Kind: "report"}
	metrics.Run(jobs.Run{Job: job, Result: jobs.Completed, Wait: 2 * time.Second, Took: 250 * time.Millisecond})
	metrics.Run(jobs.Run{Job: job, Result: jobs.Buried, Took: time.Second})
	const attributes = "adminkit.jobs.kind=report,%smessaging.operation.name=process,messaging.operation.type=process,messaging.system=adminkit"
	good, bad := fmt.Sprintf(attributes, ""), fmt.Sprintf(attributes, "error.type=buried,")
	want := []string{
		"messaging.process.duration 0.25 " + good, "messaging.client.consumed.messages 1 " + good, "adminkit.jobs.wait.duration 2 " + good,
		"messaging.process.duration 1 " + bad, "messaging.client.consumed.messages 1 " + bad, "adminkit.jobs.wait.duration 0 " + bad,
	}
	if !slices.Equal(m.seen, want) {
		t.Errorf("got %q\nwant %q", m.seen, want)
	}
	for name, unit := range map[string]string{
		"messaging.process.duration": "s", "messaging.client.consumed.messages": "{message}", "adminkit.jobs.wait.duration": "s",
		"adminkit.jobs.running": "{job}", "adminkit.jobs.lanes": "{lane}",
	} {
		if m.units[name] != unit {
			t.Errorf("%s is in %q, want %q", name, m.units[name], unit)
		}
	}
}

func TestLevelsAreSumsOverTheWorkersThatAreObserved(t *testing.T) {
	t.Parallel()
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{}
	metrics, err := jobmetrics.New(m)
	if err != nil {
		t.Fatal(err)
	}
	started, release := make(chan struct{}), make(chan struct{})
	worker, err := jobs.NewWorker(q, map[string]jobs.Handler{"report": func(context.Context, *jobs.Task) error {
		started <- struct{}{}
		<-release
		return nil
	}}, jobs.WorkerConfig{OnRun: metrics.Run})
	if err != nil {
		t.Fatal(err)
	}
	idle := []string{"adminkit.jobs.running 0", "adminkit.jobs.read_ahead 0", "adminkit.jobs.unsettled 0", "adminkit.jobs.lanes 0"}
	if got := m.levels(t); !slices.Equal(got, idle) {
		t.Errorf("without a worker got %q", got)
	}
	stop, err := metrics.Observe(worker)
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.Enqueue(t.Context(), jobs.Job{Tenant: "acme", Lane: "lane", Kind: "report"}); err != nil {
		t.Fatal(err)
	}
	<-started
	busy := []string{"adminkit.jobs.running 1", "adminkit.jobs.read_ahead 0", "adminkit.jobs.unsettled 0", "adminkit.jobs.lanes 1"}
	if got := m.levels(t); !slices.Equal(got, busy) {
		t.Errorf("at work got %q, want %q", got, busy)
	}
	close(release)
	if err := worker.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	stop()
	stop()
	if got := m.levels(t); !slices.Equal(got, idle) {
		t.Errorf("after the stop got %q", got)
	}
}

func TestAMeterThatRefusesAnInstrumentIsAnError(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"messaging.process.duration", "messaging.client.consumed.messages", "adminkit.jobs.wait.duration", "adminkit.jobs.lanes", "callback"} {
		if _, err := jobmetrics.New(&meter{refuses: name}); !errors.Is(err, errRefused) {
			t.Errorf("%s: got %v, want the refusal", name, err)
		}
	}
	if _, err := jobmetrics.New(nil); err == nil {
		t.Error("metrics without a meter were made")
	}
	metrics, err := jobmetrics.New(&meter{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := metrics.Observe(nil); err == nil {
		t.Error("no worker was observed")
	}
}

// A host gives its own meter, and the workers report to it.
func ExampleNew() {
	metrics, err := jobmetrics.New(noop.NewMeterProvider().Meter("billing"))
	if err != nil {
		panic(err)
	}
	config := jobs.WorkerConfig{OnRun: metrics.Run}
	fmt.Println("each run is recorded:", config.OnRun != nil)
	// Output:
	// each run is recorded: true
}

func BenchmarkRun(b *testing.B) {
	metrics, err := jobmetrics.New(noop.NewMeterProvider().Meter("billing"))
	if err != nil {
		b.Fatal(err)
	}
	run := jobs.Run{Job: jobs.Job{Kind: "report"}, Result: jobs.Completed, Wait: time.Millisecond, Took: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		metrics.Run(run)
	}
}
