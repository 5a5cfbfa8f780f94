package automation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// ErrDraft reports an attempt to enable a rule whose environment is [Draft]. It matches
// storage.ErrConflict.
var ErrDraft = fmt.Errorf("automation: a rule of the environment draft cannot be enabled: %w", storage.ErrConflict)

// ErrEnded reports an attempt to cancel a run that has ended. It matches
// storage.ErrConflict.
var ErrEnded = fmt.Errorf("automation: the run has ended: %w", storage.ErrConflict)

// ErrMoved reports an attempt to run a version of a rule on an event that it is not for:
// it is for another environment, or its trigger does not fire on it. It matches
// storage.ErrConflict.
var ErrMoved = fmt.Errorf("automation: this version of the rule is not for the event of the run: %w", storage.ErrConflict)

// Config adjusts a [Service]. Its zero value holds the defaults.
type Config struct {
	// Redact takes out of JSON what those who may see a run must not: it is applied to
	// the inputs of steps before they are stored, and to outputs and events when they
	// are read. Nil takes nothing out.
	Redact func(document json.RawMessage) json.RawMessage
	// Audiences returns the audiences of a tenant, which the conditions of rules may
	// name; nil knows none. flags.Service.AudienceLibrary is one. It is asked in the
	// transaction that starts a run.
	Audiences func(ctx context.Context, tenant string) (*targeting.Library, error)
	// Quotas says how many objects a tenant may have; nil is the defaults for everybody.
	// It is asked in the transaction of a creation.
	Quotas func(ctx context.Context, tenant string) (Quotas, error)
	// Tracer gets the spans of attempts; nil is correlation.Untraced.
	Tracer correlation.Tracer
	// Now and NewID default to the clock and storage.NewID.
	Now   func() time.Time
	NewID func() string
}

// A Service manages rules, shows runs and works their jobs. It owns no goroutine: the
// worker that runs its [Service.Handlers] does.
type Service struct {
	governor *audit.Governor
	store    Store
	queue    Queue
	catalog  *Catalog
	cfg      Config
	programs programs

	mu sync.Mutex
	// calls are the actions that are called in this process, by run.
	calls map[string]*call
}

// A call is an action that is being called.
type call struct{ cancel context.CancelFunc }

var _ correlation.Source = (*Service)(nil)

// New makes a Service. All but cfg are required. The catalogue of the governor must list
// [Actions].
func New(governor *audit.Governor, store Store, queue Queue, catalog *Catalog, cfg Config) (*Service, error) {
	if governor == nil || store == nil || queue == nil || catalog == nil {
		return nil, errors.New("automation: a service needs a governor, a store, a queue and a catalogue")
	}
	for _, a := range Actions() {
		if _, ok := governor.Catalog().Lookup(a.Name); !ok {
			return nil, fmt.Errorf("automation: the audit catalogue does not list %q; add automation.Actions()", a.Name)
		}
	}
	if cfg.Redact == nil {
		cfg.Redact = func(document json.RawMessage) json.RawMessage { return document }
	}
	if cfg.Tracer == nil {
		cfg.Tracer = correlation.Untraced
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = storage.NewID
	}
	return &Service{governor: governor, store: store, queue: queue, catalog: catalog, cfg: cfg, calls: map[string]*call{}}, nil
}

// Catalog returns what rules are made of.
func (s *Service) Catalog() *Catalog { return s.catalog }

func (s *Service) now() time.Time { return utc(s.cfg.Now()) }

// redacted returns a document without what must not be seen.
func (s *Service) redacted(document json.RawMessage) json.RawMessage {
	if len(document) == 0 {
		return nil
	}
	return s.cfg.Redact(document)
}

// watch lets a call of a run be interrupted, until done is called.
func (s *Service) watch(runID string, cancel context.CancelFunc) (done func()) {
	c := &call{cancel}
	s.mu.Lock()
	s.calls[runID] = c
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.calls[runID] == c {
			delete(s.calls, runID)
		}
	}
}

// interrupt ends the ctx of an action that this process calls for a run, once the
// transaction of ctx has committed. In other processes the action comes to its own end,
// and its result is dropped.
func (s *Service) interrupt(ctx context.Context, r Run) {
	storage.AfterCommit(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if c := s.calls[r.ID]; c != nil {
			c.cancel()
		}
	})
}

// programs keeps compiled versions, which never change.
type programs struct {
	mu    sync.Mutex
	known map[string]*Program
}

// maxPrograms is how many compiled versions are kept.
const maxPrograms = 1000

// program returns a version, compiled. An error means that this process cannot run it,
// for example because its catalogue lacks an action.
func (s *Service) program(v Version) (*Program, error) {
	key := v.Tenant + "\x00" + v.RuleID + "\x00" + strconv.Itoa(v.Number) + "\x00" + v.Hash
	s.programs.mu.Lock()
	p := s.programs.known[key]
	s.programs.mu.Unlock()
	if p != nil {
		return p, nil
	}
	d, err := ParseDefinition(v.Document)
	if err == nil {
		p, err = s.catalog.compile(d, true)
	}
	if err != nil {
		return nil, fmt.Errorf("automation: version %d of rule %s cannot be run here: %w", v.Number, v.RuleID, err)
	}
	s.programs.mu.Lock()
	defer s.programs.mu.Unlock()
	if len(s.programs.known) >= maxPrograms || s.programs.known == nil {
		s.programs.known = map[string]*Program{}
	}
	s.programs.known[key] = p
	return p, nil
}
