package importers_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/importers"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

const tenant = "acme"

var prod = importers.Options{Environments: []string{"prod"}}

// newService returns a service that holds the result of an import, written like any
// other change: what does not pass its checks is a failure.
func newService(t testing.TB, result importers.Result) *flags.Service {
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
	service, err := flags.New(governor, store.Flags(), queue, flags.Config{})
	must(err)
	ctx := audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "dana"})
	for _, a := range result.Audiences {
		_, err := service.SaveAudience(ctx, tenant, a, 0, "imported")
		must(err)
	}
	for _, f := range result.Flags {
		_, err := service.Create(ctx, tenant, f, "imported")
		must(err)
	}
	return service
}

// ask evaluates a flag; one that is not there is an error of the evaluation.
func ask(ctx context.Context, t testing.TB, service *flags.Service, key string, attributes map[string]any) flags.Evaluation {
	t.Helper()
	s, err := flags.ReadSubject(attributes)
	if err != nil {
		t.Fatal(err)
	}
	s.Tenant = tenant
	if s.Key == "" {
		s.Key = "somebody" // the kit wants to know who asks; nothing imported goes by it
	}
	e, err := service.Evaluate(ctx, tenant, key, "prod", s, nil)
	if errors.Is(err, storage.ErrNotFound) {
		return flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: flags.CodeFlagNotFound}}
	}
	if err != nil {
		t.Fatal(err)
	}
	return e.Evaluation
}
