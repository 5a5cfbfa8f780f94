package openfeature_test

import (
	"context"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

const tenant = "acme"

// newProvider returns the kit's provider over a store in memory that holds flags, for a
// host with one set of flags.
func newProvider(t testing.TB, all ...flags.Flag) (*flags.Provider, *flags.Service) {
	t.Helper()
	return newProviderOf(t, "prod", flags.ProviderConfig{Tenant: tenant}, map[string][]flags.Flag{tenant: all})
}

// newProviderOf returns a provider of one environment with the flags of several tenants.
func newProviderOf(t testing.TB, environment string, cfg flags.ProviderConfig, all map[string][]flags.Flag) (*flags.Provider, *flags.Service) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := memory.New(memory.Config{})
	must(err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, flags.Actions()...)
	must(err)
	log, err := audit.NewLog(store.Audit(), audit.LogConfig{})
	must(err)
	governor, err := audit.NewGovernor(store, audit.Ungated, log, catalog)
	must(err)
	queue, err := jobs.NewQueue(store.Jobs(), jobs.Config{})
	must(err)
	service, err := flags.New(governor, store.Flags(), queue, flags.Config{Environments: []string{environment}})
	must(err)
	for tenant, some := range all {
		for _, f := range some {
			_, err := service.Create(dana(context.Background()), tenant, f, "for the test")
			must(err)
		}
	}
	provider, err := flags.NewProvider(store.Flags(), environment, cfg)
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- provider.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	for tenant := range all {
		must(provider.Load(context.Background(), tenant))
	}
	return provider, service
}

func dana(ctx context.Context) context.Context {
	return audit.WithActor(ctx, audit.Actor{Type: audit.User, ID: "dana"})
}

// A scripted is a provider whose status a test sets.
type scripted struct {
	flags.FlagProvider
	mu      sync.Mutex
	status  flags.Change
	watcher func(flags.Change)
}

func (s *scripted) Watch(ctx context.Context, fn func(flags.Change)) error {
	s.mu.Lock()
	s.watcher = fn
	fn(s.status)
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watcher = nil
	return ctx.Err()
}

// change sets the status and tells it.
func (s *scripted) change(c flags.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = c
	if s.watcher != nil {
		s.watcher(c)
	}
}
