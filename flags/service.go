package flags

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A Queue takes the jobs that the rows of this package ask for, in the transaction of
// ctx. *jobs.Queue is one.
type Queue interface {
	Enqueue(ctx context.Context, all ...jobs.Job) error
}

// DefaultMaxSubjects is how many subjects a preview evaluates where [Config.MaxSubjects]
// says nothing.
const DefaultMaxSubjects = 100_000

// Config adjusts a [Service]. Its zero value holds the defaults.
type Config struct {
	// Environments are the keys of the environments that flags may have a state in;
	// empty is dev, staging and prod.
	Environments []string
	// Attributes are what rules may ask for, by environment. The standard attributes
	// always are; an environment that is not named allows anything.
	Attributes map[string]Attributes
	// Strategies are those of the host, beside the kit's own.
	Strategies []Strategy
	// Directory knows the subjects of a tenant, for [Service.Preview].
	Directory Directory
	// InUse names who uses an audience outside of flags (rules, approval policies), nil
	// for nobody. It is asked in the transaction of the deletion.
	InUse func(ctx context.Context, tenant, audience string) ([]string, error)
	// Quotas says how many objects a tenant may have; nil is the defaults for everybody.
	// It is asked in the transaction of a creation.
	Quotas func(ctx context.Context, tenant string) (Quotas, error)
	// MaxSubjects is how many subjects a preview evaluates at most; zero is
	// [DefaultMaxSubjects].
	MaxSubjects int
	// Now and NewID default to the clock and storage.NewID.
	Now   func() time.Time
	NewID func() string
}

// DefaultEnvironments returns the environments of a [Service] that was not told any.
func DefaultEnvironments() []string { return []string{"dev", "staging", "prod"} }

// complete fills in the defaults and reports what cannot be.
func (c Config) complete() (Config, error) {
	if len(c.Environments) == 0 {
		c.Environments = DefaultEnvironments()
	}
	c.Environments = slices.Clone(c.Environments)
	for i, name := range c.Environments {
		if err := storage.CheckID("/environments", name); err != nil {
			return c, fmt.Errorf("flags: environment %q: %w", name, err)
		}
		if slices.Contains(c.Environments[:i], name) {
			return c, fmt.Errorf("flags: the environment %q is listed twice", name)
		}
	}
	for name := range c.Attributes {
		if !slices.Contains(c.Environments, name) {
			return c, fmt.Errorf("flags: Attributes name %q, which is no environment", name)
		}
	}
	c.Attributes = maps.Clone(c.Attributes)
	if c.MaxSubjects < 0 {
		return c, errors.New("flags: MaxSubjects is negative")
	}
	if c.MaxSubjects == 0 {
		c.MaxSubjects = DefaultMaxSubjects
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = storage.NewID
	}
	return c, nil
}

// A Service manages flags and audiences. What it changes passes the gates of its
// governor, is a new version, and is one audit event, all in one transaction. It owns
// no goroutine: the worker that runs its [Service.Handlers] does.
type Service struct {
	governor   *audit.Governor
	store      Store
	queue      Queue
	signals    storage.Signals // nil where the store has none
	strategies map[string]Strategy
	cfg        Config
}

// New makes a Service. All but cfg are required. The governor's catalogue must list
// [Actions].
func New(governor *audit.Governor, store Store, queue Queue, cfg Config) (*Service, error) {
	if governor == nil || store == nil || queue == nil {
		return nil, errors.New("flags: a service needs a governor, a store and a queue")
	}
	for _, a := range Actions() {
		if _, ok := governor.Catalog().Lookup(a.Name); !ok {
			return nil, fmt.Errorf("flags: the catalogue does not list %q; add flags.Actions()", a.Name)
		}
	}
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	known, err := strategies(cfg.Strategies)
	if err != nil {
		return nil, err
	}
	signals, _ := store.(storage.Signals)
	return &Service{governor: governor, store: store, queue: queue, signals: signals, strategies: known, cfg: cfg}, nil
}

// Environments returns the keys of the environments, in the order of the Config.
func (s *Service) Environments() []string { return slices.Clone(s.cfg.Environments) }

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }
