package openfeature

import (
	"context"
	"maps"
	"slices"
	"sync"

	sdk "github.com/open-feature/go-sdk/openfeature"

	"github.com/lumelle/adminkit/flags"
)

// maxKeys is how many keys a change names at most. One without keys may be of any flag.
const maxKeys = 1000

// A watching is what goes on between Init and Shutdown.
type watching struct {
	name   string
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex
	status flags.Status
	// wake is closed and replaced on each change.
	wake chan struct{}
	// told is the status that was last told, or that OpenFeature knows from Init.
	told flags.Status
	// keys are those that changed and were not told yet; nil with changed for any.
	keys    map[string]bool
	changed bool
}

// Init implements sdk.StateHandler, without an end of patience.
func (p *Provider) Init(evaluation sdk.EvaluationContext) error {
	return p.InitWithContext(context.Background(), evaluation)
}

// InitWithContext implements sdk.ContextAwareStateHandler. It begins to watch and
// returns when the flag provider can answer, or will not: an error then, and OpenFeature
// is told when that changes. Where ctx ends first the error is that of ctx.
func (p *Provider) InitWithContext(ctx context.Context, _ sdk.EvaluationContext) error {
	if p.watch == nil {
		return nil // it can answer as long as it is there
	}
	return p.begin(ctx).ready(ctx)
}

// Shutdown implements sdk.StateHandler.
func (p *Provider) Shutdown() { _ = p.ShutdownWithContext(context.Background()) }

// ShutdownWithContext implements sdk.ContextAwareStateHandler. It ends the watching; the
// flag provider itself belongs to the host.
func (p *Provider) ShutdownWithContext(ctx context.Context) error {
	p.mu.Lock()
	w := p.running
	p.running = nil
	p.mu.Unlock()
	if w == nil {
		return nil
	}
	w.cancel()
	ended := make(chan struct{})
	go func() {
		w.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// EventChannel implements sdk.EventHandler.
func (p *Provider) EventChannel() <-chan sdk.Event { return p.events }

// begin starts to watch unless that goes on already. It outlives the ctx of Init.
func (p *Provider) begin(ctx context.Context) *watching {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return p.running
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &watching{name: p.cfg.Name, cancel: cancel, status: flags.StatusNotReady, told: flags.StatusReady, wake: make(chan struct{})}
	w.work.Go(func() {
		if err := p.watch.Watch(ctx, w.note); err != nil && ctx.Err() == nil {
			w.note(flags.Change{Status: flags.StatusError, Err: err})
		}
	})
	w.work.Go(func() { w.tell(ctx, p.events) })
	p.running = w
	return w
}

// note takes a change down. It never waits for who reads events.
func (w *watching) note(c flags.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = c.Status
	if len(c.Keys) > 0 {
		w.add(c.Keys)
	}
	close(w.wake)
	w.wake = make(chan struct{})
}

// add puts keys to those that were not told yet.
func (w *watching) add(keys []string) {
	if !w.changed {
		w.keys, w.changed = map[string]bool{}, true
	}
	if w.keys == nil {
		return
	}
	for _, key := range keys {
		w.keys[key] = true
	}
	if len(w.keys) > maxKeys {
		w.keys = nil
	}
}

// ready waits until the flag provider has a status to begin with.
func (w *watching) ready(ctx context.Context) error {
	for {
		w.mu.Lock()
		status, wake := w.status, w.wake
		w.mu.Unlock()
		switch status {
		case flags.StatusReady, flags.StatusStale:
			return nil
		case flags.StatusFatal:
			return &sdk.ProviderInitError{ErrorCode: sdk.ProviderFatalCode, Message: messages[status]}
		case flags.StatusError:
			return &sdk.ProviderInitError{ErrorCode: sdk.GeneralCode, Message: messages[status]}
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell sends events until ctx ends.
func (w *watching) tell(ctx context.Context, events chan<- sdk.Event) {
	for {
		event, wake, ok := w.next()
		if !ok {
			select {
			case <-wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case events <- event:
			w.sent(event)
		case <-wake: // there is something newer to tell
		case <-ctx.Done():
			return
		}
	}
}

// next returns what is to be told, and what is closed when that may have changed.
func (w *watching) next() (sdk.Event, <-chan struct{}, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status != w.told && w.status != flags.StatusNotReady {
		details := sdk.ProviderEventDetails{Message: messages[w.status]}
		switch w.status {
		case flags.StatusFatal:
			details.ErrorCode = sdk.ProviderFatalCode
		case flags.StatusError:
			details.ErrorCode = sdk.GeneralCode
		}
		return sdk.Event{ProviderName: w.name, EventType: types[w.status], ProviderEventDetails: details}, w.wake, true
	}
	if w.changed {
		return sdk.Event{ProviderName: w.name, EventType: sdk.ProviderConfigChange, ProviderEventDetails: sdk.ProviderEventDetails{
			Message: "flags changed", FlagChanges: slices.Sorted(maps.Keys(w.keys)),
		}}, w.wake, true
	}
	return sdk.Event{}, w.wake, false
}

// sent strikes out what an event told. What was noted meanwhile stays.
func (w *watching) sent(e sdk.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.EventType != sdk.ProviderConfigChange {
		for status, t := range types {
			if t == e.EventType && (status == flags.StatusFatal) == (e.ErrorCode == sdk.ProviderFatalCode) {
				w.told = status
			}
		}
		return
	}
	if len(e.FlagChanges) == 0 {
		w.keys, w.changed = nil, false
		return
	}
	for _, key := range e.FlagChanges {
		delete(w.keys, key)
	}
	w.changed = w.changed && (w.keys == nil || len(w.keys) > 0)
}

// types are the events that tell a status, messages what they say. Neither names a
// cause: that is in the log of the flag provider.
var (
	types = map[flags.Status]sdk.EventType{
		flags.StatusReady: sdk.ProviderReady, flags.StatusStale: sdk.ProviderStale,
		flags.StatusError: sdk.ProviderError, flags.StatusFatal: sdk.ProviderError,
	}
	messages = map[flags.Status]string{
		flags.StatusReady: "the provider answers from current definitions",
		flags.StatusStale: "the provider answers from what it last knew",
		flags.StatusError: "the provider cannot answer now",
		flags.StatusFatal: "the provider cannot answer and will not recover",
	}
)
