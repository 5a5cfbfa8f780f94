package approvals

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A Directory knows which roles a person has. Roles are what a policy names: roles,
// teams or groups. A host usually answers from what its authorization uses.
type Directory interface {
	// Roles returns the roles of a in the tenant, none for a stranger. An error
	// refuses the decision that it was asked for.
	Roles(ctx context.Context, tenant string, a audit.Actor) ([]string, error)
}

// DirectoryFunc is a function as a [Directory].
type DirectoryFunc func(ctx context.Context, tenant string, a audit.Actor) ([]string, error)

// Roles implements [Directory].
func (f DirectoryFunc) Roles(ctx context.Context, tenant string, a audit.Actor) ([]string, error) {
	return f(ctx, tenant, a)
}

// A Queue takes the work that a request asks for. *jobs.Queue is one.
type Queue interface {
	// Enqueue stores jobs in the transaction of ctx.
	Enqueue(ctx context.Context, jobs ...jobs.Job) error
}

// Config adjusts a [Service]. Its zero value asks for one approval of everything.
type Config struct {
	// Policies are the approval policies by the name that a gate's obligation has.
	// The empty name is the default one; where it is absent it is the zero [Policy].
	Policies map[string]Policy
	// Approvers are asked when a stage that names them opens.
	Approvers map[string]Approver
	// Audiences returns the audiences of a tenant, which the conditions of stages may
	// name; nil knows none. flags.Service.AudienceLibrary is one. It is asked in the
	// transaction that submits a request, and not at all for a policy that names none.
	Audiences func(ctx context.Context, tenant string) (*targeting.Library, error)
	// Notifier is told how each request ended. nil tells nobody.
	Notifier Notifier
	// ApplyAttempts is how often an approved request is tried before it fails; 10
	// where it is zero.
	ApplyAttempts int
	// Backoff is how long after the given attempt, from 0, the next one comes. By
	// default it doubles from one second up to five minutes.
	Backoff func(attempt int) time.Duration
	// Now and NewID default to those of the catalogue.
	Now   func() time.Time
	NewID func() string
}

// A Service holds the requests of a host. It is safe for concurrent use and owns no
// goroutine: a jobs.Worker with its [Service.Handlers] applies and expires.
type Service struct {
	tx        storage.Transactor
	store     Store
	queue     Queue
	directory Directory
	catalog   *audit.Catalog
	sink      audit.AuditSink
	cfg       Config

	mu       sync.RWMutex
	appliers map[string]Applier
}

// New makes a Service. The catalogue has to list [Actions]. tx and store are of the
// same backend.
//
// Construction goes round once: the Service comes first, [Gate] decorates a gate
// with it, the audit.Governor is made with that gate, and the guards and appliers
// that change things through the Governor are registered with the Service.
func New(tx storage.Transactor, store Store, queue Queue, directory Directory, catalog *audit.Catalog, sink audit.AuditSink, cfg Config) (*Service, error) {
	switch {
	case tx == nil:
		return nil, errors.New("approvals: no transactor")
	case store == nil:
		return nil, errors.New("approvals: no store")
	case queue == nil:
		return nil, errors.New("approvals: no queue")
	case directory == nil:
		return nil, errors.New("approvals: no directory")
	case catalog == nil:
		return nil, errors.New("approvals: no catalogue")
	case sink == nil:
		return nil, errors.New("approvals: no sink; choose audit.Disabled by name to go without")
	}
	for _, a := range Actions() {
		if _, ok := catalog.Lookup(a.Name); !ok {
			return nil, fmt.Errorf("approvals: the catalogue lacks the action %q; list approvals.Actions() in it", a.Name)
		}
	}
	cfg, err := cfg.normalize(catalog)
	if err != nil {
		return nil, err
	}
	return &Service{
		tx: tx, store: store, queue: queue, directory: directory, catalog: catalog, sink: sink, cfg: cfg,
		appliers: map[string]Applier{},
	}, nil
}

func (cfg Config) normalize(catalog *audit.Catalog) (Config, error) {
	policies := map[string]Policy{"": {}}
	maps.Copy(policies, cfg.Policies)
	cfg.Approvers = maps.Clone(cfg.Approvers)
	for name, a := range cfg.Approvers {
		if a == nil || storage.CheckID("", approverActor(name).ID) != nil {
			return cfg, fmt.Errorf("approvals: approver %q is nil or its name is no identifier", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(policies)) {
		p, err := policies[name].normalize(cfg)
		if err != nil {
			return cfg, fmt.Errorf("approvals: policy %q: %w", name, err)
		}
		policies[name] = p
	}
	cfg.Policies = policies
	switch {
	case cfg.ApplyAttempts == 0:
		cfg.ApplyAttempts = 10
	case cfg.ApplyAttempts < 0:
		return cfg, errors.New("approvals: ApplyAttempts must not be negative")
	}
	if cfg.Backoff == nil {
		cfg.Backoff = backoff
	}
	if cfg.Now == nil {
		cfg.Now = catalog.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = catalog.NewID
	}
	return cfg, nil
}

// backoff doubles from one second up to five minutes.
func backoff(attempt int) time.Duration {
	return min(time.Second<<min(max(attempt, 0), 16), 5*time.Minute)
}

// now is the time in what every store keeps of it.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// Register names the [Applier] of an action. It is called while the host is wired,
// before a worker runs. It fails where the action has an applier, or where the
// catalogue does not let the system record it on somebody's behalf.
func (s *Service) Register(action string, a Applier) error {
	if a == nil {
		return errors.New("approvals: no applier")
	}
	if known, ok := s.catalog.Lookup(action); ok && len(known.ActorTypes) > 0 && !slices.Contains(known.ActorTypes, audit.SystemActor) {
		return fmt.Errorf("approvals: the action %q does not allow actors of type %q, who apply approved changes", action, audit.SystemActor)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.appliers[action]; ok {
		return fmt.Errorf("approvals: the action %q has an applier already", action)
	}
	s.appliers[action] = a
	return nil
}

func (s *Service) applier(action string) (Applier, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.appliers[action]
	return a, ok
}

// Get returns a request with its history, or storage.ErrNotFound.
func (s *Service) Get(ctx context.Context, tenant, id string) (Request, History, error) {
	r, err := s.store.Get(ctx, tenant, id)
	if err != nil {
		return Request{}, History{}, err
	}
	h, err := s.store.History(ctx, tenant, id)
	return r, h, err
}

// List returns a page of a tab. Where q names no order, the pending ones come with the
// longest waiting first, the done ones with the newest first, by creation. Drafts are in no
// tab.
func (s *Service) List(ctx context.Context, tenant string, q Query) (storage.Page[Request], error) {
	if q.Tab == "" {
		q.Tab = TabPending
	}
	if !slices.Contains(Tabs(), q.Tab) {
		return storage.Page[Request]{}, storage.Invalid("/tab", "must be Pending, Snoozed or Done")
	}
	plan, asked, err := q.plan(tenant)
	if err != nil {
		return storage.Page[Request]{}, err
	}
	rs, err := s.store.List(ctx, tenant, asked)
	if err != nil {
		return storage.Page[Request]{}, err
	}
	return plan.Page(rs), nil
}

// Tabs lists the tabs in the order they are shown.
func Tabs() []Tab { return []Tab{TabPending, TabSnoozed, TabDone} }

// Counts returns how many requests each tab has.
func (s *Service) Counts(ctx context.Context, tenant string) (map[Tab]int, error) {
	found, err := s.store.Counts(ctx, tenant)
	if err != nil {
		return nil, err
	}
	counts := make(map[Tab]int, 3)
	for _, tab := range Tabs() {
		counts[tab] = found[tab]
	}
	return counts, nil
}

// actor returns who acts under ctx.
func actor(ctx context.Context) (audit.Actor, error) {
	a, ok := audit.ActorFrom(ctx)
	if !ok || a.ID == "" {
		return audit.Actor{}, audit.ErrNoActor
	}
	return a, nil
}

// system is who applies and expires.
var system = audit.Actor{Type: audit.SystemActor, ID: "approvals"}

// approverActor is the actor that an [Approver] decides as.
func approverActor(name string) audit.Actor {
	return audit.Actor{Type: audit.SystemActor, ID: "approvals." + name, Name: name}
}
