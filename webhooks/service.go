package webhooks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/webhooks/signing"
)

// A Sealer encrypts secrets at rest. What it sealed opens only under the same tenant,
// purpose and id. Package storage/secrets has one.
type Sealer interface {
	// Seal returns plaintext encrypted.
	Seal(ctx context.Context, tenant, purpose, id string, plaintext []byte) ([]byte, error)
	// Open returns what Seal was given, and an error where sealed is anything else.
	Open(ctx context.Context, tenant, purpose, id string, sealed []byte) ([]byte, error)
}

// sealPurpose keeps endpoint secrets apart from whatever else a Sealer seals.
const sealPurpose = "webhooks.secret"

// sealID is what a secret is sealed for beside tenant and purpose.
func sealID(endpointID, id string) string { return endpointID + "/" + id }

var (
	// ErrDisabled reports a redelivery to a disabled endpoint. It matches
	// storage.ErrConflict.
	ErrDisabled = fmt.Errorf("webhooks: the endpoint is disabled: %w", storage.ErrConflict)
	// ErrTooOld reports a redelivery of a message that is older than
	// [Config.RedeliverWithin]. It matches storage.ErrConflict.
	ErrTooOld = fmt.Errorf("webhooks: the message is too old to be redelivered: %w", storage.ErrConflict)
)

// Config adjusts a [Service]. Its zero value holds the defaults.
type Config struct {
	// Schedule is when attempts are made; empty is [StandardSchedule].
	Schedule Schedule
	// Timeout is how long a receiver may take for its answer where its endpoint says
	// nothing; zero is [DefaultTimeout].
	Timeout time.Duration
	// DisableAfter and DisableFailures disable an endpoint: nothing but failures for
	// so long (zero: five days), or so many of them in a row (zero: 100).
	DisableAfter    time.Duration
	DisableFailures int
	// RedeliverWithin is how old a message may be to be redelivered; zero is three
	// days.
	RedeliverWithin time.Duration
	// RotateOverlap is how long old secrets sign beside a new one; zero is a day.
	RotateOverlap time.Duration
	// Quotas says how many objects a tenant may have; nil is the defaults for everybody.
	// It is asked in the transaction of a creation.
	Quotas func(ctx context.Context, tenant string) (Quotas, error)
	// TraceURL is where a trace can be looked at, with "{trace_id}" in place of the
	// id; empty for nowhere.
	TraceURL string
	// Tracer gets the spans of attempts; nil is correlation.Untraced.
	Tracer correlation.Tracer
	// Now and NewID default to the clock and storage.NewID.
	Now   func() time.Time
	NewID func() string
}

// complete fills in the defaults and reports what cannot be.
func (c Config) complete() (Config, error) {
	if len(c.Schedule) == 0 {
		c.Schedule = StandardSchedule()
	}
	c.Schedule = append(Schedule(nil), c.Schedule...)
	if err := c.Schedule.check(); err != nil {
		return c, err
	}
	c.Timeout = orDefault(c.Timeout, DefaultTimeout)
	c.DisableAfter = orDefault(c.DisableAfter, 5*24*time.Hour)
	c.DisableFailures = orDefault(c.DisableFailures, 100)
	c.RedeliverWithin = orDefault(c.RedeliverWithin, 3*24*time.Hour)
	c.RotateOverlap = orDefault(c.RotateOverlap, 24*time.Hour)
	switch {
	case c.Timeout < MinTimeout || c.Timeout > MaxTimeout:
		return c, errors.New("webhooks: Timeout must be between 1 and 30 seconds")
	case c.DisableAfter < 0 || c.DisableFailures < 0 || c.RedeliverWithin < 0 || c.RotateOverlap < 0:
		return c, errors.New("webhooks: a limit is negative")
	case c.TraceURL != "" && !strings.Contains(c.TraceURL, "{trace_id}"):
		return c, errors.New(`webhooks: TraceURL has no "{trace_id}"`)
	}
	if c.Tracer == nil {
		c.Tracer = correlation.Untraced
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = storage.NewID
	}
	return c, nil
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// A Service manages endpoints, shows deliveries and works their jobs. It owns no
// goroutine: the worker that runs its [Service.Handlers] does.
type Service struct {
	governor  *audit.Governor
	store     Store
	queue     Queue
	sealer    Sealer
	deliverer Deliverer
	cfg       Config
}

var _ correlation.Source = (*Service)(nil)

// New makes a Service. All but cfg are required. The governor's catalogue must list
// [Actions].
func New(governor *audit.Governor, store Store, queue Queue, sealer Sealer, deliverer Deliverer, cfg Config) (*Service, error) {
	if governor == nil || store == nil || queue == nil || sealer == nil || deliverer == nil {
		return nil, errors.New("webhooks: a service needs a governor, a store, a queue, a sealer and a deliverer")
	}
	for _, a := range Actions() {
		if _, ok := governor.Catalog().Lookup(a.Name); !ok {
			return nil, fmt.Errorf("webhooks: the catalogue does not list %q; add webhooks.Actions()", a.Name)
		}
	}
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	return &Service{governor: governor, store: store, queue: queue, sealer: sealer, deliverer: deliverer, cfg: cfg}, nil
}

// Handlers returns the handlers of this package's jobs, for jobs.NewWorker. A queue that
// several services share needs one worker with the handlers of all of them: join the
// maps, whose keys differ.
func (s *Service) Handlers() map[string]jobs.Handler {
	return map[string]jobs.Handler{
		kindDeliver: s.lasting(s.deliver), jobs.Lost(kindDeliver): s.lasting(s.lost),
		kindResume: s.lasting(s.resume(resumeBatch)), jobs.Lost(kindResume): s.lasting(s.resume(1)),
	}
}

// maxBackoff is how long work waits at most after a failure of our own.
const maxBackoff = 10 * time.Minute

// lasting makes a handler try again for as long as our own side fails: a message that
// was promised is not given up because a database or a key was away for long. What a
// receiver does wrong is no error of the handler.
func (s *Service) lasting(h jobs.Handler) jobs.Handler {
	return func(ctx context.Context, task *jobs.Task) error {
		err := h(ctx, task)
		if err == nil || errors.Is(err, jobs.ErrFenced) || errors.Is(err, errBadTask) {
			return err
		}
		wait := min(time.Second<<min(task.Job.Attempt, 20), maxBackoff)
		return jobs.RetryAt(s.now().Add(wait), err)
	}
}

// errBadTask reports a job that this package did not write.
var errBadTask = errors.New("webhooks: the job cannot be read")

// TraceLink returns where a trace can be looked at, empty where [Config.TraceURL] is
// not set.
func (s *Service) TraceLink(traceID string) string {
	if traceID == "" {
		return ""
	}
	return strings.ReplaceAll(s.cfg.TraceURL, "{trace_id}", traceID)
}

func (s *Service) now() time.Time { return utc(s.cfg.Now()) }

// seal encrypts a new signing secret of an endpoint.
func (s *Service) seal(ctx context.Context, tenant, endpointID, secret string, now time.Time) (Secret, error) {
	id := s.cfg.NewID()
	sealed, err := s.sealer.Seal(ctx, tenant, sealPurpose, sealID(endpointID, id), []byte(secret))
	if err != nil {
		return Secret{}, fmt.Errorf("webhooks: seal the secret: %w", err)
	}
	return Secret{ID: id, Sealed: sealed, CreatedAt: now}, nil
}

// keys opens the secrets of an endpoint that are live now, newest first.
func (s *Service) keys(ctx context.Context, tenant, endpointID string) ([]signing.Key, error) {
	all, err := s.store.Secrets(ctx, tenant, endpointID)
	if err != nil {
		return nil, err
	}
	var keys []signing.Key
	for _, secret := range live(all, s.now()) {
		text, err := s.sealer.Open(ctx, tenant, sealPurpose, sealID(endpointID, secret.ID), secret.Sealed)
		if err != nil {
			return nil, fmt.Errorf("webhooks: open the secret: %w", err)
		}
		key, err := signing.ParseKey(string(text))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}
