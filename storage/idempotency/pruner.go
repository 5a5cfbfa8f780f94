package idempotency

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// DefaultKeep is how long a [Pruner] keeps records by default. Clients that repeat a
// request do so within minutes; a day also covers those that were switched off.
const DefaultKeep = 24 * time.Hour

// Prune deletes the records of a tenant that were created before a time, the oldest
// first, and returns how many. It deletes in batches of storage.MaxLimit, a transaction
// each, so that requests pass in between; what was deleted before an error stays deleted.
func Prune(ctx context.Context, store Store, tenant string, before time.Time) (int, error) {
	for all := 0; ; {
		n, err := store.Delete(ctx, tenant, before, storage.MaxLimit)
		all += n
		if err != nil || n < storage.MaxLimit {
			return all, err
		}
	}
}

// PrunerConfig adjusts a [Pruner]. The zero value is ready to use.
type PrunerConfig struct {
	// Keep is how long records are kept; zero is [DefaultKeep].
	Keep time.Duration
	// Every is how often old records are looked for; zero is an hour.
	Every time.Duration
	// Now is the clock that Begin was given; nil is time.Now.
	Now func() time.Time
	// Logger hears of tenants that could not be pruned; nil discards it. They are
	// tried again the next time.
	Logger *slog.Logger
}

// A Pruner deletes records that are older than they are kept, again and again. Several
// processes may each run one: they delete different rows or none.
type Pruner struct {
	store   Store
	tenants func(ctx context.Context) ([]string, error)
	cfg     PrunerConfig
}

// NewPruner makes a Pruner for the tenants that a function lists each time.
func NewPruner(store Store, tenants func(ctx context.Context) ([]string, error), cfg PrunerConfig) (*Pruner, error) {
	switch {
	case store == nil:
		return nil, errors.New("idempotency: no store")
	case tenants == nil:
		return nil, errors.New("idempotency: no tenants")
	case cfg.Keep < 0 || cfg.Every < 0:
		return nil, errors.New("idempotency: Keep and Every must not be negative")
	}
	cfg.Keep = cmp.Or(cfg.Keep, DefaultKeep)
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
	before := p.cfg.Now().Add(-p.cfg.Keep)
	var errs []error
	for _, tenant := range tenants {
		if _, err := Prune(ctx, p.store, tenant, before); err != nil {
			p.failed(ctx, tenant, err)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (p *Pruner) failed(ctx context.Context, tenant string, err error) {
	if ctx.Err() == nil {
		p.cfg.Logger.ErrorContext(ctx, "old idempotency records could not be deleted", "tenant", tenant, "error", err)
	}
}
