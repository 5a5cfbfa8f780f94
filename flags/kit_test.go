package flags_test

import (
	"context"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

var dana = audit.Actor{Type: audit.User, ID: "dana", Name: "Dana"}

// A kit is a host: one Service over a backend, whose changes dana makes.
type kit struct {
	backend eachtest.Backend
	log     *audit.Log
	queue   *jobs.Queue
	service *flags.Service
	ctx     context.Context

	mu    sync.Mutex
	gate  func(e audit.Event) audit.Verdict
	asked []audit.Event      // of the gate
	heard chan audit.Event   // committed events
	fail  func(string) error // in the sink, by action
}

func newKit(t testing.TB, b eachtest.Backend, cfg flags.Config) *kit {
	t.Helper()
	k := &kit{backend: b, ctx: audit.WithActor(t.Context(), dana), heard: make(chan audit.Event, 1000)}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, flags.Actions()...)
	must(t, err)
	k.log, err = audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	k.queue, err = jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	governor, err := audit.NewGovernor(b, audit.GateFunc(k.check), audit.Tee(k.log, (*sink)(k)), catalog)
	must(t, err)
	k.service, err = flags.New(governor, b.Flags(), k.queue, cfg)
	must(t, err)
	return k
}

func (k *kit) check(_ context.Context, e audit.Event) (audit.Verdict, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, e)
	if k.gate == nil {
		return audit.Verdict{Effect: audit.Allow}, nil
	}
	return k.gate(e), nil
}

// A sink hears the events of a kit.
type sink kit

func (s *sink) Append(ctx context.Context, events ...audit.Event) error {
	for _, e := range events {
		if s.fail != nil {
			if err := s.fail(e.Action); err != nil {
				return err
			}
		}
		storage.AfterCommit(ctx, func() { s.heard <- e })
	}
	return nil
}

// hear waits for the next event of an action.
func (k *kit) hear(t testing.TB, action string) audit.Event {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		select {
		case e := <-k.heard:
			if e.Action == action {
				return e
			}
		case <-timeout:
			t.Fatalf("no event of %s", action)
		}
	}
}

// work runs the jobs of the kit until the test ends.
func (k *kit) work(t testing.TB) {
	t.Helper()
	worker, err := jobs.NewWorker(k.queue, k.service.Handlers(), jobs.WorkerConfig{})
	must(t, err)
	must(t, worker.Start(t.Context()))
	t.Cleanup(func() {
		if err := worker.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close the worker: %v", err)
		}
	})
}

// trail returns the actions that are recorded of a resource of acme, in order.
func (k *kit) trail(t testing.TB, resourceType, id string) []string {
	t.Helper()
	page, err := k.log.Query(k.ctx, "acme", audit.Query{ResourceType: resourceType, ResourceID: id, Limit: storage.MaxLimit})
	must(t, err)
	var actions []string
	for _, e := range page.Items {
		actions = append(actions, e.Action+" "+string(e.Outcome))
	}
	return actions
}

// checkout is a release flag that is on in prod for merchants in GB.
func checkout() flags.Flag {
	gb := targeting.Condition{Path: "country", Op: targeting.Equal, Value: targeting.String("GB")}
	return flags.Flag{
		Key: "checkout", Type: flags.TypeRelease, ValueType: flags.Bool, Owner: "payments", Description: "the new checkout",
		Variants: map[string]any{"on": true, "off": false},
		Environments: map[string]flags.State{
			"prod": {
				Enabled: true, DefaultVariant: "off", OffVariant: "off",
				Rules: []flags.Rule{{Name: "gb", When: &gb, Serve: &flags.Serve{Variant: "on"}}},
			},
			"dev": {Enabled: true, DefaultVariant: "on", OffVariant: "off"},
		},
	}
}

// in returns f with another state in prod.
func in(f flags.Flag, set func(s *flags.State)) flags.Flag {
	states := map[string]flags.State{}
	for name, state := range f.Environments {
		states[name] = state
	}
	prod := states["prod"]
	set(&prod)
	states["prod"] = prod
	f.Environments = states
	return f
}

func merchant(key, country string) *flags.Subject {
	return &flags.Subject{Tenant: "acme", Key: key, Attributes: targeting.Attributes{"country": targeting.String(country)}}
}

// serves asserts what the flag checkout is for a subject in prod.
func (k *kit) serves(t testing.TB, s *flags.Subject, variant string, reason flags.Reason) {
	t.Helper()
	e, err := k.service.Evaluate(k.ctx, "acme", "checkout", "prod", s, nil)
	must(t, err)
	if e.Variant != variant || e.Reason != reason {
		t.Errorf("%s gets %q because %s, want %q because %s", s.Key, e.Variant, e.Reason, variant, reason)
	}
}

// A directory is a list of subjects.
type directory []*flags.Subject

func (d directory) Subjects(context.Context, string) iter.Seq2[*flags.Subject, error] {
	return func(yield func(*flags.Subject, error) bool) {
		for _, s := range d {
			if !yield(s, nil) {
				return
			}
		}
	}
}
