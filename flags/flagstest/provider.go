package flagstest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// A Provider is a flags.FlagProvider for the tests of hosts: each flag has the value
// that the test gave it, whatever the tenant, and the test can look at what was read.
// It is safe for concurrent use.
type Provider struct {
	t testing.TB

	mu      sync.Mutex
	values  map[string]targeting.Value
	single  map[[2]string]targeting.Value // by targeting key and flag
	fails   *flags.Error
	asked   []Asked
	version int64
	// Watchers are told under a lock of their own, one call at a time, so that they may
	// read flags.
	telling  sync.Mutex
	watchers map[*watcher]bool
}

type watcher struct{ tell func(flags.Change) }

var (
	_ flags.BulkProvider  = (*Provider)(nil)
	_ flags.WatchProvider = (*Provider)(nil)
)

// Asked is one evaluation that a [Provider] answered.
type Asked struct {
	// Key is the flag, and Subject a copy of whom it was asked for.
	Key     string
	Subject flags.Subject
}

// NewProvider returns a provider of these values: bool, string, numbers and what JSON
// decodes to. Other values fail t.
func NewProvider(t testing.TB, values map[string]any) *Provider {
	t.Helper()
	p := &Provider{t: t, values: map[string]targeting.Value{}, single: map[[2]string]targeting.Value{}, watchers: map[*watcher]bool{}}
	for key, value := range values {
		p.Set(key, value)
	}
	return p
}

// Set gives a flag a value, for everybody who has none of their own. Watchers are told
// before it returns.
func (p *Provider) Set(key string, value any) {
	p.t.Helper()
	v := p.of(key, value)
	p.change(key, func() { p.values[key] = v })
}

// SetFor gives a flag a value for one subject, by its targeting key.
func (p *Provider) SetFor(subject, key string, value any) {
	p.t.Helper()
	v := p.of(key, value)
	p.change(key, func() { p.single[[2]string{subject, key}] = v })
}

// Unset makes a flag one that nobody defined, except for subjects with a value of
// their own.
func (p *Provider) Unset(key string) {
	p.change(key, func() { delete(p.values, key) })
}

// Fail makes every evaluation end with err, until it is called with nil.
func (p *Provider) Fail(err *flags.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fails = err
}

// Asked returns what was evaluated by [Provider.Evaluate] so far, in order.
func (p *Provider) Asked() []Asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// of reads a value that the test gave.
func (p *Provider) of(key string, value any) targeting.Value {
	p.t.Helper()
	v, err := targeting.Of(value)
	if err != nil || v.IsZero() {
		p.t.Fatalf("flagstest: the value of %s: %T is not a value of flags", key, value)
	}
	return v
}

// change makes a change and tells the watchers.
func (p *Provider) change(key string, fn func()) {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.mu.Lock()
	fn()
	p.version++
	p.mu.Unlock()
	for w := range p.watchers {
		w.tell(flags.Change{Status: flags.StatusReady, Keys: []string{key}})
	}
}

// Evaluate implements flags.FlagProvider.
func (p *Provider) Evaluate(_ context.Context, key string, s *flags.Subject) flags.Evaluation {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s == nil {
		return flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: flags.CodeInvalidContext, Message: "there is no subject"}}
	}
	own := *s
	own.Attributes = maps.Clone(s.Attributes)
	p.asked = append(p.asked, Asked{key, own})
	return p.evaluate(key, s)
}

func (p *Provider) evaluate(key string, s *flags.Subject) flags.Evaluation {
	if p.fails != nil {
		return flags.Evaluation{Reason: flags.ReasonError, Err: p.fails}
	}
	if v, ok := p.single[[2]string{s.Key, key}]; ok {
		return flags.Evaluation{Value: v, Variant: "own", Reason: flags.ReasonTargetingMatch, Version: p.version}
	}
	if v, ok := p.values[key]; ok {
		return flags.Evaluation{Value: v, Variant: "set", Reason: flags.ReasonStatic, Version: p.version}
	}
	return flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: flags.CodeFlagNotFound, Message: "the test set no such flag"}}
}

// EvaluateAll implements flags.BulkProvider. yield must not change flags.
func (p *Provider) EvaluateAll(_ context.Context, s *flags.Subject, yield func(key string, e flags.Evaluation) bool) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s == nil {
		return 0, &flags.Error{Code: flags.CodeInvalidContext, Message: "there is no subject"}
	}
	keys := slices.Collect(maps.Keys(p.values))
	for own := range p.single {
		if own[0] == s.Key {
			keys = append(keys, own[1])
		}
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if !yield(key, p.evaluate(key, s)) {
			break
		}
	}
	return p.version, nil
}

// Watch implements flags.WatchProvider. fn must not change flags.
func (p *Provider) Watch(ctx context.Context, fn func(flags.Change)) error {
	w := &watcher{fn}
	p.telling.Lock()
	fn(flags.Change{Status: flags.StatusReady})
	p.watchers[w] = true
	p.telling.Unlock()
	<-ctx.Done()
	p.telling.Lock()
	defer p.telling.Unlock()
	delete(p.watchers, w)
	return ctx.Err()
}
