package flags

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// ProviderConfig adjusts a [Provider]. Its zero value is ready for use.
type ProviderConfig struct {
	// Tenant is whose flags are read for a subject without a tenant: for hosts that have
	// one set of flags for all. Where it is empty, a subject has to say its tenant and
	// who it is, by its key or its merchant.
	Tenant string
	// Attributes are those that rules may ask for in the environment, and their kinds,
	// against which required attributes are held. Nil takes what the definitions ask
	// for, which a [Service] checked when they were written.
	Attributes Attributes
	// Strategies are those of the host, beside [Strategies]. They have to be the ones
	// that the [Service] has: a rule whose strategy is not known does not hold.
	Strategies []Strategy
	// Poll is how often the store is asked whether something changed; zero is 250
	// milliseconds. Where the store tells of changes (storage.Signals), they are read at
	// once, and the poll finds what was not told.
	Poll time.Duration
	// Timeout is how long the store may take for an answer before what is known counts as
	// stale, and how long the first read of a tenant waits at most; zero is two seconds.
	Timeout time.Duration
	// MaxTenants is how many tenants are kept in memory; zero is 10,000. Reads for more
	// of them are an error.
	MaxTenants int
	// Used is told of the use of QA overrides, once for each override, subject and day of
	// this process; [Service.RecordUse] is made for it. It is called from Run, again
	// after an error. Nil tells nobody.
	Used func(ctx context.Context, tenant string, u OverrideUse) error
	// Logger gets what an operator should see. Nil discards it.
	Logger *slog.Logger
	// Now is the clock by which QA overrides end; nil is time.Now.
	Now func() time.Time
}

// complete fills in the defaults and reports what cannot be.
func (c ProviderConfig) complete() (ProviderConfig, error) {
	if c.Poll < 0 || c.Timeout < 0 || c.MaxTenants < 0 {
		return c, errors.New("flags: a limit of the provider is negative")
	}
	if c.Poll == 0 {
		c.Poll = 250 * time.Millisecond
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Second
	}
	if c.MaxTenants == 0 {
		c.MaxTenants = 10_000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// A Provider is the [FlagProvider] of the kit: it reads the flags of a [Store] for one
// environment and answers from memory, without a lock and without an allocation.
//
// The flags of a tenant are loaded when they are first asked for. [Provider.Run] keeps
// them as the store has them; it has to run for as long as flags are read. While the
// store is down, slow or broken, and where a newest definition cannot be read, the last
// that was known answers with [ReasonStale]; only a tenant that could never be loaded
// has no answers. It is safe for concurrent use.
type Provider struct {
	store       Store
	environment string
	cfg         ProviderConfig
	strategies  map[string]Strategy
	tenants     tenants
	usage       usage
	watchers    watchers
	running     atomic.Bool
}

var (
	_ FlagProvider    = (*Provider)(nil)
	_ BulkProvider    = (*Provider)(nil)
	_ WatchProvider   = (*Provider)(nil)
	_ ExplainProvider = (*Provider)(nil)
)

// NewProvider makes a Provider of the flags of a store in one environment.
func NewProvider(store Store, environment string, cfg ProviderConfig) (*Provider, error) {
	if store == nil {
		return nil, errors.New("flags: a provider needs a store")
	}
	if checkName(environment) != "" {
		return nil, errors.New("flags: a provider needs the name of an environment")
	}
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	all, err := strategies(cfg.Strategies)
	if err != nil {
		return nil, err
	}
	p := &Provider{store: store, environment: environment, cfg: cfg, strategies: all}
	p.watchers.oneTenant = cfg.Tenant != ""
	if cfg.Tenant != "" {
		if err := storage.CheckID("/tenant", cfg.Tenant); err != nil {
			return nil, err
		}
		p.tenants.add(cfg.Tenant, 1, func() *set { return p.newSet(cfg.Tenant) })
	}
	return p, nil
}

// Evaluate implements [FlagProvider]. The first call for a tenant loads its flags, and
// waits for that until ctx ends or for the configured timeout.
func (p *Provider) Evaluate(ctx context.Context, key string, s *Subject) Evaluation {
	found, stale := p.find(ctx, key, nil, s)
	if stale && found.Err == nil {
		e := found.Evaluation
		e.Reason = ReasonStale
		return e
	}
	return found.Evaluation
}

// find returns the answer for s, and whether it is of what may be old. A memo, where there
// is one, is where the flag was found last.
func (p *Provider) find(ctx context.Context, key string, last *memo, s *Subject) (*answer, bool) {
	var set *set
	var snap *snapshot
	if s != nil {
		if set = p.tenants.find(s.Tenant); set != nil {
			snap = set.current.Load()
		}
	}
	if snap == nil {
		var problem *answer
		if set, problem = p.set(ctx, s); problem != nil {
			return problem, false
		}
		snap = set.current.Load()
	}
	slot, ok := last.find(snap)
	if !ok {
		if slot, ok = snap.flags[key]; !ok {
			return errNotFound, false
		}
		if last != nil {
			last.keep(snap, slot, p.tenants.sole.Load() != nil)
		}
	}
	found := slot.evaluate(s, p.cfg.Now, nil)
	if found.override != nil {
		p.used(set, slot.key, found.override, s)
	}
	return found, snap.stale || slot.stale
}

// Explain implements [ExplainProvider].
func (p *Provider) Explain(ctx context.Context, key string, s *Subject) Explanation {
	set, problem := p.set(ctx, s)
	if problem == nil {
		snap := set.current.Load()
		if slot, ok := snap.flags[key]; ok {
			explained := slot.explain(s, p.cfg.Now)
			if (snap.stale || slot.stale) && explained.Err == nil {
				explained.Reason = ReasonStale
			}
			return explained
		}
		problem = errNotFound
	}
	return Explanation{
		Evaluation: problem.Evaluation,
		Steps:      []Step{{Kind: "context", Matched: true, Detail: problem.Err.Message}},
	}
}

// EvaluateAll implements [BulkProvider].
func (p *Provider) EvaluateAll(ctx context.Context, s *Subject, yield func(key string, e Evaluation) bool) (int64, error) {
	set, problem := p.set(ctx, s)
	if problem != nil {
		return 0, problem.Err
	}
	snap := set.current.Load()
	// All are of one moment, and the version is that of the moment too.
	moment := p.cfg.Now()
	now := func() time.Time { return moment }
	for i := range snap.ordered {
		slot := &snap.ordered[i]
		found := slot.evaluate(s, now, nil)
		if found.override != nil {
			p.used(set, slot.key, found.override, s)
		}
		e := found.Evaluation
		if (snap.stale || slot.stale) && e.Err == nil {
			e.Reason = ReasonStale
		}
		if !yield(slot.key, e) {
			break
		}
	}
	return snap.at(now), nil
}

// The answers of reads that find no flag, shared by all who get them.
var (
	errNotFound  = failure(CodeFlagNotFound, "the tenant has no flag of this key")
	errNobody    = failure(CodeInvalidContext, "there is no subject")
	errNoTenant  = failure(CodeInvalidContext, `the context has no attribute "tenant"`)
	errBadTenant = failure(CodeInvalidContext, `the attribute "tenant" cannot be the name of a tenant`)
	errNotReady  = failure(CodeNotReady, "the flags of the tenant could not be loaded")
	errCrowded   = failure(CodeGeneral, "the provider serves as many tenants as it may")
)

func failure(code ErrorCode, message string) *answer {
	return &answer{Evaluation: Evaluation{Reason: ReasonError, Err: &Error{Code: code, Message: message}}}
}

// set returns the loaded flags of the tenant of s.
func (p *Provider) set(ctx context.Context, s *Subject) (*set, *answer) {
	if s == nil {
		return nil, errNobody
	}
	tenant := s.Tenant
	if tenant == "" {
		if tenant = p.cfg.Tenant; tenant == "" {
			return nil, errNoTenant
		}
	}
	set := p.tenants.find(tenant)
	if set == nil || set.current.Load() == nil {
		return p.load(ctx, tenant)
	}
	return set, nil
}

// load waits until the flags of a tenant were loaded for the first time.
func (p *Provider) load(ctx context.Context, tenant string) (*set, *answer) {
	if storage.CheckID("", tenant) != nil {
		return nil, errBadTenant
	}
	set := p.tenants.add(tenant, p.cfg.MaxTenants, func() *set { return p.newSet(tenant) })
	if set == nil {
		return nil, errCrowded
	}
	if set.resting(p.cfg.Poll) {
		return nil, errNotReady
	}
	flight := p.begin(context.WithoutCancel(ctx), set)
	patience := time.NewTimer(p.cfg.Timeout)
	defer patience.Stop()
	select {
	case <-flight.done:
	case <-ctx.Done():
	case <-patience.C:
	}
	if set.current.Load() == nil {
		return nil, errNotReady
	}
	return set, nil
}

// Load reads what the store has of a tenant now. After it every evaluation knows what was
// committed before. The error is that of the store, or of definitions that cannot be
// read.
func (p *Provider) Load(ctx context.Context, tenant string) error {
	if err := storage.CheckID("/tenant", tenant); err != nil {
		return err
	}
	set := p.tenants.add(tenant, p.cfg.MaxTenants, func() *set { return p.newSet(tenant) })
	if set == nil {
		return errCrowded.Err
	}
	// A reading that is under way may have begun before the caller's change.
	set.mu.Lock()
	under := set.flight
	set.mu.Unlock()
	if under != nil {
		if err := under.wait(ctx); err != nil {
			return err
		}
	}
	flight := p.begin(context.WithoutCancel(ctx), set)
	if err := flight.wait(ctx); err != nil {
		return err
	}
	return flight.err
}

// A set holds the flags of one tenant.
type set struct {
	tenant string
	// current is what answers, nil before the first load.
	current atomic.Pointer[snapshot]

	mu     sync.Mutex
	flight *flight   // under way, nil when none is
	source *source   // used by the flight alone
	err    error     // why the newest is not known, nil while it is
	failed time.Time // when the first load failed last
}

func (p *Provider) newSet(tenant string) *set {
	s := &set{tenant: tenant}
	s.source = &source{store: p.store, tenant: tenant, environment: p.environment, deps: deps{
		attributes: map[string]Attributes{}, strategies: p.strategies, scoped: p.cfg.Tenant == ""}}
	if p.cfg.Attributes != nil {
		s.source.deps.attributes[p.environment] = p.cfg.Attributes
	}
	s.source.call = func(ctx context.Context, fn func(context.Context) error) error { return p.call(ctx, s, fn) }
	return s
}

// resting reports whether a first load failed so recently that another would only
// burden a store in need.
func (s *set) resting(poll time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flight == nil && !s.failed.IsZero() && time.Since(s.failed) < poll
}

// A flight brings a set up to date, in a goroutine of its own: whoever waits for it may
// go.
type flight struct {
	done chan struct{}
	err  error // to be read when done
}

// wait waits until the flight is over or ctx ends.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin brings a set up to date, and joins who does it already.
func (p *Provider) begin(ctx context.Context, s *set) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight
	}
	f := &flight{done: make(chan struct{})}
	s.flight = f
	// What is read is for everybody, so nothing of the caller's transaction is.
	ctx = storage.Detach(ctx)
	go func() {
		changed, err := p.catchUp(ctx, s)
		p.settle(ctx, s, changed, err)
		s.mu.Lock()
		s.flight = nil
		f.err = s.err
		if err != nil {
			f.err = err
		}
		s.mu.Unlock()
		close(f.done)
	}()
	return f
}

// catchUp has the source read. What panics in the store is an error of it.
func (p *Provider) catchUp(ctx context.Context, s *set) (changed map[string]slot, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("flags: reading the flags of the tenant panicked: %v", cause)
		}
	}()
	return s.source.catchUp(ctx)
}

// errSlow reports a store that does not answer.
var errSlow = fmt.Errorf("flags: the store does not answer: %w", storage.ErrUnavailable)

// call runs one call of the store. One that takes too long makes the set stale, also
// where the store does not heed ctx.
func (p *Provider) call(ctx context.Context, s *set, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.cfg.Timeout, errSlow)
	defer cancel()
	watchdog := time.AfterFunc(p.cfg.Timeout, func() { p.publish(s, nil, nil, errSlow) })
	defer watchdog.Stop()
	err := fn(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errSlow) {
		return errSlow
	}
	return err
}

// settle publishes what a flight found.
func (p *Provider) settle(ctx context.Context, s *set, changed map[string]slot, err error) {
	switch {
	case err != nil && ctx.Err() != nil:
		// It was called off, which says nothing of the store.
	case err != nil:
		p.publish(s, nil, nil, err)
	default:
		next := s.current.Load()
		if next == nil {
			next = &snapshot{}
		}
		if next.change != s.source.change {
			next = next.next(s.source.change, changed)
		}
		p.publish(s, next, changed, s.source.err())
	}
}

// publish makes next the current snapshot and tells those who watch. Where it is nil
// the present one is stale, because of err.
func (p *Provider) publish(s *set, next *snapshot, changed map[string]slot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, stale := s.current.Load(), next == nil
	if stale {
		next = last
	}
	if next == nil {
		s.failed = time.Now()
	} else {
		if next.stale != stale {
			next = next.aged(stale)
		}
		s.current.Store(next)
	}
	var keys []string
	if last != nil && len(changed) > 0 {
		keys = sortedKeys(changed)
	}
	if (err == nil) != (s.err == nil) {
		p.log(s, err)
	}
	s.err = err
	p.watchers.settle(s.tenant, next != nil, err, keys)
}

func (p *Provider) log(s *set, err error) {
	if err == nil {
		p.cfg.Logger.Info("flags are up to date again", "tenant", s.tenant)
		return
	}
	p.cfg.Logger.Warn("flags are not up to date", "tenant", s.tenant, "error", strconv.Quote(err.Error()))
}
