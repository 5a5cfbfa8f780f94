package flags

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// atOnce is how many tenants are read at a time.
const atOnce = 8

// Run keeps the flags of the loaded tenants as the store has them, until ctx ends, and
// then returns nil. A Provider runs once at a time; a second Run is an error.
func (p *Provider) Run(ctx context.Context) error {
	if !p.running.CompareAndSwap(false, true) {
		return errors.New("flags: the provider runs already")
	}
	defer p.running.Store(false)
	told := make(chan struct{}, 1)
	if signals, ok := p.store.(storage.Signals); ok {
		// Which tenant is meant is not looked at: asking for the head of one that did not
		// change costs little, and signals come together.
		stop := signals.Listen(Topic, p, func([]storage.Signal) {
			select {
			case told <- struct{}{}:
			default:
			}
		})
		defer stop()
	}
	tick := time.NewTicker(p.cfg.Poll)
	defer tick.Stop()
	for {
		p.round(ctx)
		p.flush(ctx)
		select {
		case <-ctx.Done():
			// What was noted last is worth one more call.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Timeout)
			defer cancel()
			p.flush(last)
			return nil
		case <-tick.C:
		case <-told:
		}
	}
}

// round brings all sets up to date. Where the store does not answer in time, those that
// were not asked for are stale as well.
func (p *Provider) round(ctx context.Context) {
	answers := true
	for sets := range slices.Chunk(slices.Collect(p.tenants.all()), atOnce) {
		if !answers {
			for _, s := range sets {
				p.publish(s, nil, nil, errSlow)
			}
			continue
		}
		flights := make([]*flight, len(sets))
		for i, s := range sets {
			flights[i] = p.begin(ctx, s)
		}
		patience, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
		for _, f := range flights {
			if f.wait(patience) != nil {
				answers = false
			}
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
	}
}
