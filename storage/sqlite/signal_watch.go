package sqlite

import (
	"context"
	"time"
)

// A watcher waits for changes of a file.
type watcher interface {
	// wait returns when the file has changed, perhaps, and with an error when its ctx
	// has ended.
	wait() error
	close()
}

// pollEvery is how often a file is looked at where changes are not reported.
const pollEvery = 5 * time.Millisecond

// A poller is the watcher for systems that report no changes.
type poller struct {
	ctx  context.Context
	tick *time.Ticker
}

var _ watcher = (*poller)(nil)

func poll(ctx context.Context) *poller { return &poller{ctx, time.NewTicker(pollEvery)} }

// wait implements watcher.
func (p *poller) wait() error {
	select {
	case <-p.tick.C:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

func (p *poller) close() { p.tick.Stop() }
