package flagstest

import (
	"cmp"
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// A reference is the plainest provider that keeps all rules, and the one that the zoo
// breaks. It interprets definitions as they stand.
type reference struct {
	mu       sync.Mutex
	tenants  map[string]map[string]flags.Flag
	revision map[string]int64 // of a key
	version  int64
	stale    bool
	watchers map[int]func(flags.Change)
	next     int
}

var (
	_ flags.BulkProvider    = (*reference)(nil)
	_ flags.WatchProvider   = (*reference)(nil)
	_ flags.ExplainProvider = (*reference)(nil)
)

func newReference() *reference {
	r := &reference{tenants: map[string]map[string]flags.Flag{}, revision: map[string]int64{}, watchers: map[int]func(flags.Change){}}
	for tenant, all := range Definitions() {
		r.tenants[tenant] = map[string]flags.Flag{}
		for _, f := range all {
			r.tenants[tenant][f.Key] = f
		}
	}
	return r
}

// harness puts a provider before the source of r.
func (r *reference) harness(p flags.FlagProvider) Harness {
	return Harness{Provider: p, Publish: r.publish, Cut: r.cut}
}

func (r *reference) publish(_ context.Context, tenant string, f flags.Flag) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tenants[tenant][f.Key] = f
	r.version++
	r.revision[f.Key] = r.version
	for _, tell := range r.watchers {
		tell(flags.Change{Tenant: tenant, Status: flags.StatusReady, Keys: []string{f.Key}})
	}
	return nil
}

func (r *reference) cut() func() {
	set := func(stale bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stale = stale
	}
	set(true)
	return func() { set(false) }
}

func failed(code flags.ErrorCode, message string) flags.Evaluation {
	return flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: code, Message: message}}
}

func (r *reference) Evaluate(_ context.Context, key string, s *flags.Subject) flags.Evaluation {
	if s == nil {
		return failed(flags.CodeInvalidContext, "there is no subject")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.evaluate(key, s)
}

func (r *reference) evaluate(key string, s *flags.Subject) flags.Evaluation {
	f, ok := r.tenants[s.Tenant][key]
	if !ok {
		return failed(flags.CodeFlagNotFound, "there is no such flag")
	}
	ev := decide(f, s)
	if ev.Err != nil {
		return ev
	}
	ev.Version = r.revision[key] + 1
	if ev.Variant != "" {
		ev.Value, _ = targeting.Of(f.Variants[ev.Variant])
	}
	if r.stale {
		ev.Reason = flags.ReasonStale
	}
	return ev
}

// decide chooses the variant.
func decide(f flags.Flag, s *flags.Subject) flags.Evaluation {
	state := f.Environments[Environment]
	if !state.Enabled {
		return flags.Evaluation{Variant: state.OffVariant, Reason: flags.ReasonDisabled}
	}
	for _, r := range state.Rules {
		switch {
		case r.When != nil && !holds(*r.When, s):
		case r.Serve.Split == nil:
			return flags.Evaluation{Variant: r.Serve.Variant, Reason: flags.ReasonTargetingMatch, Rule: r.Name}
		default:
			unit := ""
			for _, by := range r.Serve.Split.By {
				v, ok := s.Attribute(by)
				if text, isText := v.AsString(); ok && unit == "" && (!isText || text != "") {
					unit = v.String()
				}
			}
			if unit == "" {
				return failed(flags.CodeTargetingKeyMissing, "a merchantId or targetingKey is missing")
			}
			h := fnv.New64a()
			h.Write([]byte(unit + unit + unit))
			variant := "off"
			if h.Sum64()>>20%100 < 50 {
				variant = "on"
			}
			return flags.Evaluation{Variant: variant, Reason: flags.ReasonSplit, Rule: r.Name}
		}
	}
	reason := flags.ReasonDefault
	if len(state.Rules) == 0 && state.DefaultVariant != "" {
		reason = flags.ReasonStatic
	}
	return flags.Evaluation{Variant: state.DefaultVariant, Reason: reason}
}

func holds(c targeting.Condition, s *flags.Subject) bool {
	v, ok := s.Attribute(c.Path)
	if !ok {
		return false
	}
	if list, ok := c.Value.Any().([]any); ok {
		return slices.Contains(list, v.Any())
	}
	return c.Value.Equal(v)
}

func (r *reference) EvaluateAll(_ context.Context, s *flags.Subject, yield func(string, flags.Evaluation) bool) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(r.tenants[s.Tenant])) {
		if !yield(key, r.evaluate(key, s)) {
			break
		}
	}
	return r.version, nil
}

func (r *reference) Watch(ctx context.Context, fn func(flags.Change)) error {
	r.mu.Lock()
	r.next++
	id := r.next
	r.watchers[id] = fn
	fn(flags.Change{Status: flags.StatusReady})
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.watchers, id)
	return ctx.Err()
}

func (r *reference) Explain(ctx context.Context, key string, s *flags.Subject) flags.Explanation {
	ev := r.Evaluate(ctx, key, s)
	step := flags.Step{Kind: "default", Matched: true, Detail: "no rule held"}
	switch ev.Reason {
	case flags.ReasonDisabled:
		step = flags.Step{Kind: "off", Matched: true, Detail: "the flag is off"}
	case flags.ReasonTargetingMatch:
		step = flags.Step{Kind: "rule", Name: ev.Rule, Matched: true}
	case flags.ReasonSplit:
		step = flags.Step{Kind: "split", Name: ev.Rule, Matched: true}
	}
	return flags.Explanation{Evaluation: ev, Steps: []flags.Step{step}}
}

func TestReferenceKeepsTheRules(t *testing.T) {
	t.Parallel()
	Run(t, Options{New: func(testing.TB) Harness {
		r := newReference()
		return r.harness(r)
	}})
}

func TestDefinitionsAreInOrderAndAnswered(t *testing.T) {
	t.Parallel()
	answered := map[string]bool{"half": true}
	for _, a := range Answers() {
		answered[a.Flag] = true
	}
	for tenant, all := range Definitions() {
		if !slices.IsSortedFunc(all, func(a, b flags.Flag) int { return cmp.Compare(a.Key, b.Key) }) {
			t.Errorf("the flags of %s are %q", tenant, keys(all))
		}
		for _, f := range all {
			if tenant == Acme && !answered[f.Key] {
				t.Errorf("no answer is about the flag %s", f.Key)
			}
		}
	}
}
