package flagstest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A beast is a reference with one thing wrong. What it sets takes the place of the
// method of the reference.
type beast struct {
	*reference
	evaluate func(ctx context.Context, key string, s *flags.Subject) flags.Evaluation
	all      func(ctx context.Context, s *flags.Subject, yield func(string, flags.Evaluation) bool) (int64, error)
	watch    func(ctx context.Context, fn func(flags.Change)) error
	explain  func(ctx context.Context, key string, s *flags.Subject) flags.Explanation
}

func (b *beast) Evaluate(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
	if b.evaluate != nil {
		return b.evaluate(ctx, key, s)
	}
	return b.reference.Evaluate(ctx, key, s)
}

// EvaluateAll answers each flag as Evaluate does, so that a defect there is no second
// one here.
func (b *beast) EvaluateAll(ctx context.Context, s *flags.Subject, yield func(string, flags.Evaluation) bool) (int64, error) {
	if b.all != nil {
		return b.all(ctx, s, yield)
	}
	var keys []string
	version, err := b.reference.EvaluateAll(ctx, s, func(key string, _ flags.Evaluation) bool {
		keys = append(keys, key)
		return true
	})
	for _, key := range keys {
		if !yield(key, b.Evaluate(ctx, key, s)) {
			break
		}
	}
	return version, err
}

func (b *beast) Watch(ctx context.Context, fn func(flags.Change)) error {
	if b.watch != nil {
		return b.watch(ctx, fn)
	}
	return b.reference.Watch(ctx, fn)
}

func (b *beast) Explain(ctx context.Context, key string, s *flags.Subject) flags.Explanation {
	if b.explain != nil {
		return b.explain(ctx, key, s)
	}
	got := b.reference.Explain(ctx, key, s)
	got.Evaluation = b.Evaluate(ctx, key, s)
	return got
}

// after changes what the reference answers.
func after(change func(b *beast, key string, s *flags.Subject, ev *flags.Evaluation)) func(testing.TB, *beast) {
	return func(_ testing.TB, b *beast) {
		b.evaluate = func(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
			ev := b.reference.Evaluate(ctx, key, s)
			change(b, key, s, &ev)
			return ev
		}
	}
}

// before changes what the reference is asked.
func before(change func(key *string, s *flags.Subject)) func(testing.TB, *beast) {
	return func(_ testing.TB, b *beast) {
		b.evaluate = func(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
			if s == nil {
				return b.reference.Evaluate(ctx, key, s)
			}
			other := *s
			other.Attributes = maps.Clone(s.Attributes)
			change(&key, &other)
			return b.reference.Evaluate(ctx, key, &other)
		}
	}
}

// zoo holds providers as somebody's first one might be, by the rule that names what is
// wrong with them. Each breaks that rule alone.
var zoo = []struct {
	name, rule string
	breaks     func(t testing.TB, b *beast)
}{
	{"lets the last rule that holds decide", "FP-001", func(_ testing.TB, b *beast) {
		for _, f := range b.tenants[Acme] {
			if f.Key == "ordered" {
				slices.Reverse(f.Environments[Environment].Rules)
			}
		}
		after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) { ev.Rule = "" })(nil, b)
	}},
	{"serves the default where a flag is off", "FP-001", after(func(_ *beast, key string, _ *flags.Subject, ev *flags.Evaluation) {
		if key == "disabled" {
			ev.Variant, ev.Value = "on", targeting.Bool(true)
		}
	})},
	{"coerces texts to numbers", "FP-002", after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) {
		if text, ok := ev.Value.Any().(string); ok {
			if n, err := strconv.ParseFloat(text, 64); err == nil {
				ev.Value = targeting.Number(n)
			}
		}
	})},
	{"carries numbers as float32", "FP-002", after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) {
		if n, ok := ev.Value.Any().(int64); ok {
			ev.Value = targeting.Number(float64(float32(n)))
		}
	})},
	{"drops what is null in documents", "FP-002", after(func(_ *beast, key string, _ *flags.Subject, ev *flags.Evaluation) {
		if list, ok := ev.Value.Any().([]any); ok && key == "document" {
			ev.Value, _ = targeting.Of(slices.DeleteFunc(slices.Clone(list), func(v any) bool { return v == nil }))
		}
	})},
	{"serves the value of another variant", "FP-002", after(func(_ *beast, key string, _ *flags.Subject, ev *flags.Evaluation) {
		if key == "static" && ev.Variant == "on" {
			ev.Value = targeting.Bool(false)
		}
	})},
	{"calls a default a match", "FP-003", after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) {
		if ev.Reason == flags.ReasonDefault {
			ev.Reason = flags.ReasonTargetingMatch
		}
	})},
	{"calls a split a match", "FP-003", after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) {
		if ev.Reason == flags.ReasonSplit {
			ev.Reason = flags.ReasonTargetingMatch
		}
	})},
	{"serves false where nothing is configured", "FP-004", after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) {
		if ev.Err == nil && ev.Variant == "" {
			ev.Value = targeting.Bool(false)
		}
	})},
	{"names the first rule always", "FP-005", after(func(_ *beast, key string, _ *flags.Subject, ev *flags.Evaluation) {
		if key == "text" {
			ev.Rule = "free"
		}
	})},
	{"calls a missing flag general trouble", "FP-006", after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) {
		if ev.Err != nil && ev.Err.Code == flags.CodeFlagNotFound {
			ev.Err = &flags.Error{Code: flags.CodeGeneral, Message: "it did not work"}
		}
	})},
	{"sends a value with its error", "FP-007", after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) {
		if ev.Err != nil {
			ev.Value = targeting.Bool(false)
		}
	})},
	{"gives a reason of its own to errors", "FP-007", after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) {
		if ev.Err != nil {
			ev.Reason = flags.ReasonUnknown
		}
	})},
	{"panics on a unicode key", "FP-008", after(func(_ *beast, key string, _ *flags.Subject, _ *flags.Evaluation) {
		if len(key) != utf8.RuneCountInString(key) {
			panic("index out of range")
		}
	})},
	{"trims what follows a NUL in keys", "FP-008", before(func(key *string, _ *flags.Subject) {
		if i := slices.Index([]byte(*key), 0); i >= 0 {
			*key = (*key)[:i]
		}
	})},
	{"panics where there is no subject", "FP-009", func(_ testing.TB, b *beast) {
		b.evaluate = func(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
			_ = s.Tenant
			return b.reference.Evaluate(ctx, key, s)
		}
	}},
	{"believes that every plan is a text", "FP-009", after(func(_ *beast, _ string, s *flags.Subject, _ *flags.Evaluation) {
		if s != nil && s.Attributes[flags.AttrPlan].Kind() != targeting.KindNone {
			_ = s.Attributes[flags.AttrPlan].Any().(string)
		}
	})},
	{"tells the subject in its errors", "FP-010", after(func(_ *beast, _ string, s *flags.Subject, ev *flags.Evaluation) {
		if ev.Err != nil && s != nil {
			ev.Err = &flags.Error{Code: ev.Err.Code, Message: fmt.Sprintf("did not work for %v", s)}
		}
	})},
	{"tells the subject in its steps", "FP-010", func(_ testing.TB, b *beast) {
		b.explain = func(ctx context.Context, key string, s *flags.Subject) flags.Explanation {
			got := b.reference.Explain(ctx, key, s)
			got.Steps[0].Detail = "plan is " + s.Attributes[flags.AttrPlan].String()
			return got
		}
	}},
	{"adds the environment to the subject", "FP-011", func(_ testing.TB, b *beast) {
		var mu sync.Mutex
		b.evaluate = func(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
			mu.Lock()
			defer mu.Unlock()
			if s != nil && s.Attributes != nil {
				s.Attributes[flags.AttrEnvironment] = targeting.String(Environment)
			}
			return b.reference.Evaluate(ctx, key, s)
		}
	}},
	{"remembers answers by the subject's key", "FP-012", func(t testing.TB, b *beast) {
		var known sync.Map
		b.evaluate = func(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
			if s == nil || key != "text" {
				return b.reference.Evaluate(ctx, key, s)
			}
			ev, _ := known.LoadOrStore(key+"/"+s.Key+"/"+s.Tenant, b.reference.Evaluate(ctx, key, s))
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.stale {
				return b.reference.evaluate(key, s)
			}
			return ev.(flags.Evaluation)
		}
	}},
	{"splits by the process it runs in", "FP-013", func(_ testing.TB, b *beast) {
		salt := strconv.Itoa(rand.Int())
		before(func(key *string, s *flags.Subject) {
			m := s.Attributes[flags.AttrMerchant]
			if text, ok := m.AsString(); *key == "half" && (text != "" || !ok && !m.IsZero()) {
				s.Attributes[flags.AttrMerchant] = targeting.String(m.String() + salt)
			} else if *key == "half" && s.Key != "" {
				s.Key += salt
			}
		})(nil, b)
	}},
	{"does not look at the tenant", "FP-014", before(func(key *string, s *flags.Subject) {
		if s.Tenant == Bloom {
			s.Tenant = Acme
		}
	})},
	{"serves strangers the flags of acme", "FP-014", before(func(_ *string, s *flags.Subject) {
		if s.Tenant == "nobody" {
			s.Tenant = Acme
		}
	})},
	{"gives one arm nine of ten", "FP-015", after(func(_ *beast, key string, s *flags.Subject, ev *flags.Evaluation) {
		if key == "half" && ev.Err == nil && !strings.HasSuffix(s.Attributes[flags.AttrMerchant].String(), `0"`) && s.Attributes[flags.AttrMerchant].Kind() != targeting.KindNone {
			ev.Variant, ev.Value = "on", targeting.Bool(true)
		}
	})},
	{"splits by the key although there is a merchant", "FP-016", before(func(key *string, s *flags.Subject) {
		if *key == "half" && s.Key != "" {
			delete(s.Attributes, flags.AttrMerchant)
		}
	})},
	{"knows splits by merchant only", "FP-016", after(func(_ *beast, key string, s *flags.Subject, ev *flags.Evaluation) {
		if key != "half" || ev.Err != nil {
			return
		}
		if _, ok := s.Attribute(flags.AttrMerchant); !ok {
			ev.Variant, ev.Value = "off", targeting.Bool(false)
		}
	})},
	{"gives an arm to whoever has no key", "FP-017", after(func(_ *beast, key string, s *flags.Subject, ev *flags.Evaluation) {
		if s != nil && ev.Err != nil && ev.Err.Code == flags.CodeTargetingKeyMissing {
			*ev = flags.Evaluation{Variant: "off", Value: targeting.Bool(false), Reason: flags.ReasonSplit}
		}
	})},
	{"swallows its ctx and waits", "FP-018", func(t testing.TB, b *beast) {
		b.evaluate = func(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
			if ctx.Err() != nil {
				<-t.Context().Done()
			}
			return b.reference.Evaluate(ctx, key, s)
		}
	}},
	{"keeps what a request got that was given up", "FP-018", func(_ testing.TB, b *beast) {
		var broken sync.Map
		b.evaluate = func(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
			if ctx.Err() != nil {
				broken.Store(key, true)
			}
			if _, ok := broken.Load(key); ok {
				return failed(flags.CodeGeneral, "it did not work")
			}
			return b.reference.Evaluate(ctx, key, s)
		}
	}},
	{"mixes up who asks at the same time", "FP-019", func(_ testing.TB, b *beast) {
		var mu sync.Mutex
		var asking int
		var first *flags.Subject
		b.evaluate = func(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
			mu.Lock()
			if asking++; asking == 1 {
				first = s
			}
			s = first
			mu.Unlock()
			runtime.Gosched() // let the others in
			ev := b.reference.Evaluate(ctx, key, s)
			mu.Lock()
			asking--
			mu.Unlock()
			return ev
		}
	}},
	{"leaves a poller behind", "FP-020", func(t testing.TB, b *beast) {
		ctx := t.Context()
		go func() { <-ctx.Done() }()
	}},
	{"tells one version for good", "FP-021", after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) {
		if ev.Err == nil {
			ev.Version = 1
		}
	})},
	{"keeps the value of the definition before", "FP-021", func(_ testing.TB, b *beast) {
		var last sync.Map
		after(func(b *beast, key string, _ *flags.Subject, ev *flags.Evaluation) {
			if key == "banner" && ev.Err == nil {
				value, _ := last.LoadOrStore(key, ev.Value)
				ev.Value = value.(targeting.Value)
			}
		})(nil, b)
	}},
	{"fails while its source is away", "FP-022", after(func(_ *beast, _ string, _ *flags.Subject, ev *flags.Evaluation) {
		if ev.Reason == flags.ReasonStale {
			*ev = failed(flags.CodeNotReady, "the source is away")
		}
	})},
	{"does not tell that it is stale", "FP-022", after(func(_ *beast, key string, s *flags.Subject, ev *flags.Evaluation) {
		if ev.Reason == flags.ReasonStale {
			ev.Reason = flags.ReasonCached
		}
	})},
	{"leaves flags that are off out of a bulk", "FP-023", func(_ testing.TB, b *beast) {
		b.all = func(ctx context.Context, s *flags.Subject, yield func(string, flags.Evaluation) bool) (int64, error) {
			return b.reference.EvaluateAll(ctx, s, func(key string, ev flags.Evaluation) bool {
				return ev.Reason == flags.ReasonDisabled || yield(key, ev)
			})
		}
	}},
	{"gives no reason in a bulk", "FP-024", func(_ testing.TB, b *beast) {
		b.all = func(ctx context.Context, s *flags.Subject, yield func(string, flags.Evaluation) bool) (int64, error) {
			return b.reference.EvaluateAll(ctx, s, func(key string, ev flags.Evaluation) bool {
				ev.Reason = flags.ReasonUnknown
				return yield(key, ev)
			})
		}
	}},
	{"goes on when its reader has enough", "FP-025", func(_ testing.TB, b *beast) {
		b.all = func(ctx context.Context, s *flags.Subject, yield func(string, flags.Evaluation) bool) (int64, error) {
			return b.reference.EvaluateAll(ctx, s, func(key string, ev flags.Evaluation) bool {
				yield(key, ev)
				return true
			})
		}
	}},
	{"counts the bulks it answered", "FP-026", func(_ testing.TB, b *beast) {
		var n int64
		b.all = func(ctx context.Context, s *flags.Subject, yield func(string, flags.Evaluation) bool) (int64, error) {
			_, err := b.reference.EvaluateAll(ctx, s, yield)
			n++
			return n, err
		}
	}},
	{"has one version for good", "FP-026", func(_ testing.TB, b *beast) {
		b.all = func(ctx context.Context, s *flags.Subject, yield func(string, flags.Evaluation) bool) (int64, error) {
			_, err := b.reference.EvaluateAll(ctx, s, yield)
			return 1, err
		}
	}},
	{"says that it is not ready although it is", "FP-027", func(_ testing.TB, b *beast) {
		b.watch = func(ctx context.Context, fn func(flags.Change)) error {
			fn(flags.Change{Status: flags.StatusNotReady})
			return b.reference.Watch(ctx, fn)
		}
	}},
	{"misses every second change", "FP-028", func(_ testing.TB, b *beast) {
		n := 0
		b.watch = func(ctx context.Context, fn func(flags.Change)) error {
			return b.reference.Watch(ctx, func(c flags.Change) {
				if len(c.Keys) > 0 {
					n++
				}
				if n%2 == 0 {
					fn(c)
				}
			})
		}
	}},
	{"tells a change without its key", "FP-028", func(_ testing.TB, b *beast) {
		b.watch = func(ctx context.Context, fn func(flags.Change)) error {
			return b.reference.Watch(ctx, func(c flags.Change) { c.Keys = nil; fn(c) })
		}
	}},
	{"watches on when its ctx has ended", "FP-029", func(t testing.TB, b *beast) {
		b.watch = func(ctx context.Context, fn func(flags.Change)) error {
			err := b.reference.Watch(ctx, fn)
			if _, limited := ctx.Deadline(); limited {
				<-time.After(zooPatience / 5)
			}
			return err
		}
	}},
	{"explains another answer", "FP-030", func(_ testing.TB, b *beast) {
		b.explain = func(ctx context.Context, key string, s *flags.Subject) flags.Explanation {
			got := b.reference.Explain(ctx, key, s)
			got.Rule = ""
			return got
		}
	}},
	{"explains nothing", "FP-031", func(_ testing.TB, b *beast) {
		b.explain = func(ctx context.Context, key string, s *flags.Subject) flags.Explanation {
			return flags.Explanation{Evaluation: b.reference.Evaluate(ctx, key, s)}
		}
	}},
	{"splits by an empty merchant", "FP-017", after(func(_ *beast, key string, s *flags.Subject, ev *flags.Evaluation) {
		if key != "half" || s == nil {
			return
		}
		if merchant, ok := s.Attributes[flags.AttrMerchant].AsString(); ok && merchant == "" {
			*ev = flags.Evaluation{Variant: "on", Value: targeting.Bool(true), Reason: flags.ReasonSplit}
		}
	})},
	{"folds the case of plans", "FP-032", before(func(_ *string, s *flags.Subject) {
		if plan, ok := s.Attributes[flags.AttrPlan].AsString(); ok {
			s.Attributes[flags.AttrPlan] = targeting.String(strings.ToLower(plan))
		}
	})},
	{"compares the beginning of a merchant", "FP-032", before(func(_ *string, s *flags.Subject) {
		if merchant, _ := s.Attributes[flags.AttrMerchant].AsString(); strings.HasPrefix(merchant, "m-1") {
			s.Attributes[flags.AttrMerchant] = targeting.String("m-1")
		}
	})},
}

// zooPatience is less than that of [Run]: some beasts break a rule by never coming back.
const zooPatience = 10 * time.Second

func TestEveryBeastIsFoundByItsRuleAlone(t *testing.T) {
	t.Parallel()
	proven := map[string]bool{}
	for _, z := range zoo {
		proven[z.rule] = true
		t.Run(z.rule+" "+z.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range rules() {
				try := ruletest.Try
				if r.id == z.rule {
					try = ruletest.Find // some break only where two ask at the same time
				}
				failures := try(t.Context(), func(w testing.TB) {
					r.check(w, Options{patience: zooPatience, New: func(t testing.TB) Harness {
						b := &beast{reference: newReference()}
						z.breaks(t, b)
						return b.harness(b)
					}})
				})
				if found := len(failures) > 0; found != (r.id == z.rule) {
					t.Errorf("%s finds a provider that %s: %t %.300q", r.id, z.name, found, failures)
				}
			}
		})
	}
	for _, r := range rules() {
		if !proven[r.id] {
			t.Errorf("no beast proves %s", r.id)
		}
		if r.explanation == "" || r.name == "" {
			t.Errorf("%s explains nothing", r.id)
		}
	}
}
