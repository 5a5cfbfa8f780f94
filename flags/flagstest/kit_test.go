package flagstest_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagstest"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// The kit's own provider, over flags that its Service wrote into each of its stores.
func TestTheKitsProviderKeepsTheRules(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		w := newWriter(t, b)
		flagstest.Run(t, flagstest.Options{New: func(t testing.TB) flagstest.Harness {
			w.reset(t)
			source := &source{Store: b.Flags()}
			p, err := flags.NewProvider(source, flagstest.Environment, flags.ProviderConfig{Poll: 5 * time.Millisecond})
			must(t, err)
			ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
			var running sync.WaitGroup
			running.Go(func() {
				if err := p.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("Run: %v", err)
				}
			})
			t.Cleanup(func() { cancel(); running.Wait() })
			for _, tenant := range []string{flagstest.Acme, flagstest.Bloom} {
				must(t, p.Load(t.Context(), tenant))
			}
			return flagstest.Harness{Provider: p, Publish: w.publish, Cut: source.cut}
		}})
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A writer changes flags as a host does.
type writer struct {
	service *flags.Service
	ctx     context.Context
}

func newWriter(t testing.TB, b eachtest.Backend) *writer {
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, flags.Actions()...)
	must(t, err)
	governor, err := audit.NewGovernor(b, audit.Ungated, audit.Disabled, catalog)
	must(t, err)
	queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	service, err := flags.New(governor, b.Flags(), queue, flags.Config{Environments: []string{flagstest.Environment}})
	must(t, err)
	return &writer{service, audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "dana"})}
}

// reset makes the flags those of the suite.
func (w *writer) reset(t testing.TB) {
	for tenant, all := range flagstest.Definitions() {
		for _, f := range all {
			_, err := w.service.Create(w.ctx, tenant, f, "")
			if errors.Is(err, flags.ErrExists) {
				err = w.publish(w.ctx, tenant, f)
			}
			must(t, err)
		}
	}
}

func (w *writer) publish(_ context.Context, tenant string, f flags.Flag) error {
	_, err := w.service.Update(w.ctx, tenant, f, 0, "")
	return err
}

// A source is a store that can be away.
type source struct {
	flags.Store
	away atomic.Bool
}

func (s *source) cut() func() {
	s.away.Store(true)
	return func() { s.away.Store(false) }
}

func (s *source) Head(ctx context.Context, tenant string) (int64, error) {
	if s.away.Load() {
		return 0, storage.ErrUnavailable
	}
	return s.Store.Head(ctx, tenant)
}

func (s *source) Changes(ctx context.Context, tenant string, after int64, limit int) ([]flags.Version, error) {
	if s.away.Load() {
		return nil, storage.ErrUnavailable
	}
	return s.Store.Changes(ctx, tenant, after, limit)
}
