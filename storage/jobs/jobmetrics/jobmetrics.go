// Package jobmetrics tells OpenTelemetry what the workers of package jobs do.
//
//	metrics, err := jobmetrics.New(meter)
//	worker, err := jobs.NewWorker(queue, handlers, jobs.WorkerConfig{OnRun: metrics.Run})
//	stop, err := metrics.Observe(worker)
//	defer stop()
//
// The host brings the meter; its SDK decides about export and buckets. This package links
// the API of metrics alone.
//
// # Instruments
//
// By the semantic conventions for messaging, with the attributes messaging.system
// ("adminkit"), messaging.operation.name and messaging.operation.type ("process"), and
// error.type where the job was not completed:
//
//   - messaging.process.duration, a histogram in seconds: how long handlers took,
//   - messaging.client.consumed.messages, a counter of runs.
//
// Of the kit's own:
//
//   - adminkit.jobs.wait.duration, a histogram in seconds: the time from when a job was due
//     to its start,
//   - adminkit.jobs.running, .read_ahead, .unsettled and .lanes, sums over the workers that
//     are observed of what [jobs.Stats] says of each.
//
// Runs carry adminkit.jobs.kind, and error.type is the result: retried, buried, cancelled or
// fenced. A retry that the handler asked for counts as retried too. Lanes and tenants are no
// attributes, because there is no end to them.
package jobmetrics

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/lumelle/adminkit/storage/jobs"
)

// Metrics feeds the instruments of a meter. It is safe for concurrent use.
type Metrics struct {
	meter    metric.Meter
	took     metric.Float64Histogram
	waited   metric.Float64Histogram
	consumed metric.Int64Counter
	levels   []level

	mu      sync.Mutex
	workers map[*jobs.Worker]struct{}
}

// A level is an instrument that is read when somebody asks.
type level struct {
	instrument metric.Int64ObservableUpDownCounter
	of         func(jobs.Stats) int
}

// New makes the instruments of a meter.
func New(meter metric.Meter) (*Metrics, error) {
	if meter == nil {
		return nil, errors.New("jobmetrics: no meter")
	}
	m := &Metrics{meter: meter, workers: map[*jobs.Worker]struct{}{}}
	var errs [3]error
	m.took, errs[0] = meter.Float64Histogram("messaging.process.duration",
		metric.WithUnit("s"), metric.WithDescription("How long handlers took."))
	m.consumed, errs[1] = meter.Int64Counter("messaging.client.consumed.messages",
		metric.WithUnit("{message}"), metric.WithDescription("Runs whose outcome is known."))
	m.waited, errs[2] = meter.Float64Histogram("adminkit.jobs.wait.duration",
		metric.WithUnit("s"), metric.WithDescription("How long jobs waited from when they were due to their start."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	for _, l := range []struct {
		name, unit, description string
		of                      func(jobs.Stats) int
	}{
		{"adminkit.jobs.running", "{job}", "Handlers at work.", func(s jobs.Stats) int { return s.Running }},
		{"adminkit.jobs.read_ahead", "{job}", "Jobs that were read and wait for their turn.", func(s jobs.Stats) int { return s.ReadAhead }},
		{"adminkit.jobs.unsettled", "{job}", "Outcomes that wait to be written.", func(s jobs.Stats) int { return s.Unsettled }},
		{"adminkit.jobs.lanes", "{lane}", "Lanes that this process owns.", func(s jobs.Stats) int { return s.Lanes }},
	} {
		instrument, err := meter.Int64ObservableUpDownCounter(l.name, metric.WithUnit(l.unit), metric.WithDescription(l.description))
		if err != nil {
			return nil, err
		}
		m.levels = append(m.levels, level{instrument, l.of})
	}
	instruments := make([]metric.Observable, len(m.levels))
	for i, l := range m.levels {
		instruments[i] = l.instrument
	}
	if _, err := meter.RegisterCallback(m.observe, instruments...); err != nil {
		return nil, err
	}
	return m, nil
}

// Run records one run. It is what [jobs.WorkerConfig.OnRun] wants.
func (m *Metrics) Run(r jobs.Run) {
	attributes := []attribute.KeyValue{
		attribute.String("messaging.system", "adminkit"),
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("adminkit.jobs.kind", r.Job.Kind),
	}
	if r.Result != jobs.Completed {
		attributes = append(attributes, attribute.String("error.type", string(r.Result)))
	}
	// One set for all instruments: to make it is the dear part.
	set := metric.WithAttributeSet(attribute.NewSet(attributes...))
	ctx := context.Background() // a run has ended, and its trace with it
	m.took.Record(ctx, r.Took.Seconds(), set)
	m.consumed.Add(ctx, 1, set)
	m.waited.Record(ctx, r.Wait.Seconds(), set)
}

// Observe has what a worker is at counted among the levels, until stop is called. Observing
// a worker again changes nothing.
func (m *Metrics) Observe(worker *jobs.Worker) (stop func(), err error) {
	if worker == nil {
		return nil, errors.New("jobmetrics: no worker")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.workers[worker] = struct{}{}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.workers, worker)
	}, nil
}

// observe reads the levels.
func (m *Metrics) observe(_ context.Context, o metric.Observer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	sums := make([]int, len(m.levels))
	for worker := range m.workers {
		s := worker.Stats()
		for i, l := range m.levels {
			sums[i] += l.of(s)
		}
	}
	for i, l := range m.levels {
		o.ObserveInt64(l.instrument, int64(sums[i]))
	}
	return nil
}
