package automation

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"
)

// How long a [Pruner] keeps what it is told nothing of.
const (
	// DefaultKeepRuns covers the quarter that people look back on.
	DefaultKeepRuns = 90 * 24 * time.Hour
	// DefaultKeepSignals covers the run that asks for a decision again after a week of
	// retries.
	DefaultKeepSignals = 7 * 24 * time.Hour
)

// Pruned counts what was deleted.
type Pruned struct{ Signals, Runs, Events, Versions int }

// A Horizon is the time before which a tenant's past is deleted. A zero time deletes
// nothing.
type Horizon struct {
	// Runs is for runs that ended before it, with their steps, attempts and logs, and then
	// for events and versions that no run is left of: events that came before it, and
	// versions that a later one replaced before it.
	Runs time.Time
	// Signals is for signals that were sent before it.
	Signals time.Time
}

// Prune deletes what of a tenant lies behind a horizon, the oldest first. Never deleted are
// runs that have not ended, signals that a run waits for, and the current versions of
// rules; numbers of versions are not used again. It deletes in batches, a transaction
// each, so that work passes in between; what was deleted before an error stays deleted.
//
// A run that is gone cannot be shown or repeated, and one that repeated it names a
// parent that is not there. An event that is gone would start its rules anew if it were
// appended once more. The records of the audit log are not touched.
func Prune(ctx context.Context, store RetentionStore, tenant string, h Horizon) (done Pruned, err error) {
	for _, part := range []struct {
		before time.Time
		count  *int
		delete func(ctx context.Context, tenant string, before time.Time, limit int) (int, error)
	}{
		{h.Signals, &done.Signals, store.PruneSignals},
		{h.Runs, &done.Runs, store.PruneRuns},
		{h.Runs, &done.Events, store.PruneEvents},
		{h.Runs, &done.Versions, store.PruneVersions},
	} {
		for n := pruneBatch; n == pruneBatch && !part.before.IsZero(); {
			n, err = part.delete(ctx, tenant, utc(part.before), pruneBatch)
			*part.count += n
			if err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// pruneBatch is how many rows are deleted in one transaction, besides what belongs to
// them.
const pruneBatch = 200

// PrunerConfig adjusts a [Pruner]. The zero value is ready to use.
type PrunerConfig struct {
	// KeepRuns is how long ended runs are kept, and events and versions that no run is left
	// of; zero is [DefaultKeepRuns].
	KeepRuns time.Duration
	// KeepSignals is how long signals are kept that no run waits for: those that came to
	// nothing, and those that have done their work; zero is [DefaultKeepSignals]. It is the
	// longest that a decision may come before the wait for it.
	KeepSignals time.Duration
	// Every is how often the past is looked for; zero is an hour.
	Every time.Duration
	// Now is the clock of the service; nil is time.Now.
	Now func() time.Time
	// Logger hears of tenants that could not be pruned, with the keys tenant and error;
	// nil discards it. They are tried again the next time.
	Logger *slog.Logger
}

// A Pruner deletes runs, events, versions and signals that are older than they are kept,
// again and again. Several processes may each run one: they delete different rows or
// none.
type Pruner struct {
	store   RetentionStore
	tenants func(ctx context.Context) ([]string, error)
	cfg     PrunerConfig
}

// NewPruner makes a Pruner for the tenants that a function lists each time.
func NewPruner(store RetentionStore, tenants func(ctx context.Context) ([]string, error), cfg PrunerConfig) (*Pruner, error) {
	switch {
	case store == nil:
		return nil, errors.New("automation: a pruner needs a store")
	case tenants == nil:
		return nil, errors.New("automation: a pruner needs to know the tenants")
	case cfg.KeepRuns < 0 || cfg.KeepSignals < 0 || cfg.Every < 0:
		return nil, errors.New("automation: KeepRuns, KeepSignals and Every must not be negative")
	}
	cfg.KeepRuns = cmp.Or(cfg.KeepRuns, DefaultKeepRuns)
	cfg.KeepSignals = cmp.Or(cfg.KeepSignals, DefaultKeepSignals)
	cfg.Every = cmp.Or(cfg.Every, time.Hour)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Pruner{store: store, tenants: tenants, cfg: cfg}, nil
}

// Run prunes at once and then regularly, until ctx ends.
func (p *Pruner) Run(ctx context.Context) {
	ticker := time.NewTicker(p.cfg.Every)
	defer ticker.Stop()
	for {
		_ = p.Prune(ctx) // logged, and tried again
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Prune goes through the tenants once, for hosts that have a schedule for it instead of
// Run. A tenant that fails leaves the others their turn; its error is logged, and returned
// with those of others.
func (p *Pruner) Prune(ctx context.Context) error {
	tenants, err := p.tenants(ctx)
	if err != nil {
		p.failed(ctx, "", err)
		return err
	}
	var errs []error
	now := p.cfg.Now()
	for _, tenant := range tenants {
		if _, err := Prune(ctx, p.store, tenant, Horizon{Runs: now.Add(-p.cfg.KeepRuns), Signals: now.Add(-p.cfg.KeepSignals)}); err != nil {
			p.failed(ctx, tenant, err)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (p *Pruner) failed(ctx context.Context, tenant string, err error) {
	if ctx.Err() == nil {
		p.cfg.Logger.ErrorContext(ctx, "old runs could not be deleted", "tenant", tenant, "error", err)
	}
}

// A RetentionStore deletes what [Prune] asks it to, of one tenant, the oldest first: at most
// limit rows, with storage.Limit applied, in the transaction of ctx or in one of its own. It
// returns how many. Of calls side by side each row is deleted by one, and counted by that.
type RetentionStore interface {
	// PruneSignals deletes signals whose At lies before a time and whose key no waiting run
	// waits for.
	PruneSignals(ctx context.Context, tenant string, before time.Time, limit int) (int, error)
	// PruneRuns deletes runs whose status has ended and whose EndedAt lies before a time,
	// with their steps and attempts. One that a transaction has locked may stay.
	PruneRuns(ctx context.Context, tenant string, before time.Time, limit int) (int, error)
	// PruneEvents deletes events that were created before a time and that no run names.
	PruneEvents(ctx context.Context, tenant string, before time.Time, limit int) (int, error)
	// PruneVersions deletes versions that no run names and that are not the current one of
	// their rule, where a later version was created before a time.
	PruneVersions(ctx context.Context, tenant string, before time.Time, limit int) (int, error)
}
