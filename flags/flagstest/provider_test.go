package flagstest

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A Provider has no conditions. The rules that need none hold of it.
func TestProviderKeepsTheRulesThatDoNotNeedConditions(t *testing.T) {
	t.Parallel()
	apply := []string{"FP-006", "FP-007", "FP-008", "FP-010", "FP-011", "FP-018", "FP-019", "FP-020", "FP-021", "FP-024", "FP-025", "FP-026", "FP-027", "FP-028", "FP-029"}
	o := Options{New: func(t testing.TB) Harness {
		p := NewProvider(t, nil)
		for _, f := range Definitions()[Acme] {
			if v := f.Environments[Environment].DefaultVariant; v != "" {
				p.Set(f.Key, f.Variants[v])
			}
		}
		return Harness{Provider: variantNames{p}, Publish: func(_ context.Context, _ string, f flags.Flag) error {
			p.Set(f.Key, f.Variants[f.Environments[Environment].DefaultVariant])
			return nil
		}}
	}}
	for _, r := range rules() {
		if slices.Contains(apply, r.id) {
			t.Run(r.id+" "+r.name, func(t *testing.T) { r.check(t, o) })
		}
	}
}

// variantNames gives the values of the flag banner the names that the rules know.
type variantNames struct{ *Provider }

func (p variantNames) Evaluate(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
	return p.name(key, p.Provider.Evaluate(ctx, key, s))
}

func (p variantNames) EvaluateAll(ctx context.Context, s *flags.Subject, yield func(string, flags.Evaluation) bool) (int64, error) {
	return p.Provider.EvaluateAll(ctx, s, func(key string, ev flags.Evaluation) bool { return yield(key, p.name(key, ev)) })
}

func (p variantNames) name(key string, ev flags.Evaluation) flags.Evaluation {
	if key == "banner" && ev.Err == nil {
		ev.Variant = "old"
		if ev.Value.Equal(targeting.String("Last days of the sale")) {
			ev.Variant = "new"
		}
	}
	return ev
}

func TestProviderAnswersAsItWasTold(t *testing.T) {
	t.Parallel()
	p := NewProvider(t, map[string]any{"checkout": true, "limit": 2500.5})
	ann, bob := &flags.Subject{Tenant: "acme", Key: "ann"}, &flags.Subject{Tenant: "acme", Key: "bob"}
	value := func(key string, s *flags.Subject) any { return p.Evaluate(t.Context(), key, s).Value.Any() }
	p.SetFor("bob", "checkout", false)
	p.SetFor("bob", "beta", "yes")
	if value("checkout", ann) != true || value("checkout", bob) != false || value("limit", bob) != 2500.5 {
		t.Errorf("got %v, %v, %v", value("checkout", ann), value("checkout", bob), value("limit", bob))
	}
	for s, want := range map[*flags.Subject][]string{ann: {"checkout", "limit"}, bob: {"beta", "checkout", "limit"}} {
		var keys []string
		if _, err := p.EvaluateAll(t.Context(), s, func(key string, _ flags.Evaluation) bool { keys = append(keys, key); return true }); err != nil || !slices.Equal(keys, want) {
			t.Errorf("the flags of %s are %q (%v), want %q", s.Key, keys, err, want)
		}
	}
	p.Unset("limit")
	if ev := p.Evaluate(t.Context(), "limit", ann); ev.Err == nil || ev.Err.Code != flags.CodeFlagNotFound {
		t.Errorf("a flag that was unset is %s", told(ev))
	}
	p.Fail(&flags.Error{Code: flags.CodeNotReady, Message: "not yet"})
	if ev := p.Evaluate(t.Context(), "checkout", ann); ev.Err == nil || ev.Err.Code != flags.CodeNotReady {
		t.Errorf("a provider that fails answers %s", told(ev))
	}
	p.Fail(nil)
	ann.Attributes = targeting.Attributes{flags.AttrPlan: targeting.String("pro")}
	p.Evaluate(t.Context(), "checkout", ann)
	ann.Attributes[flags.AttrPlan] = targeting.String("free")
	asked := p.Asked()
	last := asked[len(asked)-1]
	if last.Key != "checkout" || last.Subject.Key != "ann" || !last.Subject.Attributes[flags.AttrPlan].Equal(targeting.String("pro")) {
		t.Errorf("last asked was %+v", last)
	}
}

func TestProviderTellsItsWatchers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewProvider(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var told []flags.Change
		ended := make(chan error, 1)
		go func() { ended <- p.Watch(ctx, func(c flags.Change) { told = append(told, c) }) }()
		synctest.Wait()
		p.Set("checkout", true)
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("the watch ended with %v", err)
		}
		p.Set("checkout", false)
		if len(told) != 2 || told[0].Status != flags.StatusReady || !slices.Equal(told[1].Keys, []string{"checkout"}) {
			t.Errorf("told was %+v", told)
		}
	})
}

func TestProviderRefusesWhatIsNoValue(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"nil": nil, "a struct": struct{}{}, "a channel": make(chan int)} {
		failures := ruletest.Try(t.Context(), func(t testing.TB) { NewProvider(t, map[string]any{"x": value}) })
		if len(failures) != 1 {
			t.Errorf("%s as a value: got %q", name, failures)
		}
	}
}
