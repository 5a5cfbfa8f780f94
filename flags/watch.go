package flags

import (
	"context"
	"slices"
	"sync"
)

// watchers know the status of a provider and tell it to those who watch.
type watchers struct {
	// oneTenant says that the provider is not ready before the set of its tenant is.
	oneTenant bool

	mu    sync.Mutex
	sets  map[string]freshness
	count [3]int // of sets by freshness
	all   map[*watcher]struct{}
}

// A freshness says how a set stands.
type freshness int

const (
	missing freshness = iota // it could not be loaded
	behind                   // what it has may be old
	current
)

// A watcher is one call of Watch.
type watcher struct {
	wake chan struct{} // holds one token
	// pending holds what was not told yet, by tenant in the order of the first change.
	pending []Change
}

// settle takes down how a set stands and tells what changed: keys, and the status.
func (w *watchers) settle(tenant string, loaded bool, err error, keys []string) {
	now := missing
	switch {
	case loaded && err == nil:
		now = current
	case loaded:
		now = behind
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sets == nil {
		w.sets = map[string]freshness{}
	}
	status := w.status()
	before, known := w.sets[tenant]
	if known {
		w.count[before]--
	}
	w.count[now]++
	w.sets[tenant] = now
	if len(keys) == 0 && (!known || before == now) && status == w.status() {
		return
	}
	change := Change{Tenant: tenant, Status: w.status(), Keys: keys, Err: err}
	for watching := range w.all {
		watching.add(change)
	}
}

// status returns that of the provider. The lock is held.
func (w *watchers) status() Status {
	loaded := w.count[current] + w.count[behind]
	switch {
	case loaded == 0 && (w.oneTenant || w.count[missing] > 0):
		return StatusNotReady
	case w.count[behind]+w.count[missing] > 0:
		return StatusStale
	}
	return StatusReady
}

// add notes a change. Changes of a tenant that were not told yet become one.
func (w *watcher) add(c Change) {
	i := slices.IndexFunc(w.pending, func(p Change) bool { return p.Tenant == c.Tenant })
	if i < 0 {
		c.Keys = slices.Clone(c.Keys)
		w.pending = append(w.pending, c)
	} else {
		p := &w.pending[i]
		p.Status, p.Err = c.Status, c.Err
		p.Keys = append(p.Keys, c.Keys...)
		slices.Sort(p.Keys)
		p.Keys = slices.Compact(p.Keys)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Status returns whether the provider can answer now.
func (p *Provider) Status() Status {
	p.watchers.mu.Lock()
	defer p.watchers.mu.Unlock()
	return p.watchers.status()
}

// Watch implements [WatchProvider]. What happens while fn runs is told together when it
// returns: for each tenant the keys that changed and the last status. A first load
// tells no keys. Watch returns the error of ctx.
func (p *Provider) Watch(ctx context.Context, fn func(Change)) error {
	w := &watcher{wake: make(chan struct{}, 1)}
	all := &p.watchers
	all.mu.Lock()
	if all.all == nil {
		all.all = map[*watcher]struct{}{}
	}
	all.all[w] = struct{}{}
	first := Change{Status: all.status()}
	all.mu.Unlock()
	defer func() {
		all.mu.Lock()
		delete(all.all, w)
		all.mu.Unlock()
	}()
	if first.Status != StatusReady {
		first.Err = errNotCurrent
	}
	fn(first)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
		}
		all.mu.Lock()
		pending := w.pending
		w.pending = nil
		all.mu.Unlock()
		for _, c := range pending {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fn(c)
		}
	}
}

// errNotCurrent is why a provider that is watched is not ready from the start.
var errNotCurrent = &Error{Code: CodeNotReady, Message: "the flags are not loaded, or not up to date"}
