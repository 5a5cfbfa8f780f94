package automationtest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A beast is an action as it should be, with the one thing broken that a field says.
type beast struct {
	*sink
	effect    automation.Effect
	describe  func(d *automation.Descriptor, calls int)
	run       func(ctx context.Context, in automation.Input) (automation.Output, error)
	check     func(with json.RawMessage) error
	described *atomic.Int64
}

// sink is the other side of the zoo's actions.
type sink struct {
	tx   storage.Transactor
	mu   sync.Mutex
	keys []string
}

func (s *sink) take(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, key)
}

func (s *sink) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

func (b beast) Describe() automation.Descriptor {
	d := automation.Descriptor{
		Name: "zoo.beast", Label: "Beast", Description: "Does as it should, but for one thing.", Effect: b.effect,
		Input: json.RawMessage(`{"type":"object"}`), SampleInput: json.RawMessage(`{"a":1}`),
		Output: json.RawMessage(`{"type":"object","required":["id"]}`), Sample: json.RawMessage(`{"id":"1"}`),
	}
	if calls := b.described.Add(1); b.describe != nil {
		b.describe(&d, int(calls))
	}
	return d
}

func (b beast) Run(ctx context.Context, in automation.Input) (automation.Output, error) {
	if b.run != nil {
		return b.run(ctx, in)
	}
	return b.good(ctx, in)
}

// CheckInput implements automation.InputChecker.
func (b beast) CheckInput(with json.RawMessage) error {
	if b.check != nil {
		return b.check(with)
	}
	return nil
}

func (b beast) good(ctx context.Context, in automation.Input) (automation.Output, error) {
	if err := ctx.Err(); err != nil {
		return automation.Output{}, err
	}
	if b.effect == automation.Transactional {
		err := b.tx.InTx(ctx, func(ctx context.Context) error {
			storage.AfterCommit(ctx, func() { b.take(in.Key) })
			return nil
		})
		if err != nil {
			return automation.Output{}, err
		}
	} else {
		b.take(in.Key)
	}
	return automation.Output{Value: json.RawMessage(`{"id":"1"}`)}, nil
}

// newBackend returns an empty memory backend.
func newBackend(t testing.TB) *memory.Backend {
	t.Helper()
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTheActionRulesFindTheZoo breaks an action in at least one way for each rule.
func TestTheActionRulesFindTheZoo(t *testing.T) {
	t.Parallel()
	nothing := json.RawMessage(nil)
	zoo := map[string]func(b *beast){
		"AC-001": func(b *beast) {
			b.describe = func(d *automation.Descriptor, calls int) { d.Label += string(rune('a' + calls%26)) }
		},
		"AC-001 in one action": func(b *beast) {
			n := 0
			b.describe = func(d *automation.Descriptor, _ int) { n++; d.Label += string(rune('a' + n%26)) }
		},
		"AC-002": func(b *beast) {
			b.describe = func(d *automation.Descriptor, _ int) { d.Sample = json.RawMessage(`{}`) }
		},
		"AC-003": func(b *beast) {
			b.run = func(context.Context, automation.Input) (automation.Output, error) {
				return automation.Output{Value: nothing}, nil
			}
		},
		"AC-004": func(b *beast) {
			b.run = func(context.Context, automation.Input) (automation.Output, error) {
				return automation.Output{Value: json.RawMessage(`{"id":"1"}`), Await: &automation.Await{Key: "k"}}, nil
			}
		},
		"AC-005": func(b *beast) {
			b.run = func(context.Context, automation.Input) (automation.Output, error) { select {} }
		},
		"AC-006": func(b *beast) {
			b.run = func(_ context.Context, in automation.Input) (automation.Output, error) {
				return b.good(context.Background(), in)
			}
		},
		"AC-007": func(b *beast) {
			b.run = func(ctx context.Context, in automation.Input) (automation.Output, error) {
				if len(in.With) > 0 {
					in.With[0] = ' '
				}
				return b.good(ctx, in)
			}
		},
		"AC-008": func(b *beast) {
			var mu sync.Mutex
			var once sync.Once
			second := make(chan struct{})
			b.run = func(ctx context.Context, in automation.Input) (automation.Output, error) {
				if !mu.TryLock() {
					once.Do(func() { close(second) })
					return automation.Output{}, errors.New("busy")
				}
				defer mu.Unlock()
				select {
				case <-second:
				case <-ctx.Done():
				}
				return b.good(ctx, in)
			}
		},
		"AC-009": func(b *beast) {
			b.run = func(ctx context.Context, in automation.Input) (automation.Output, error) {
				var with map[string]any
				if err := json.Unmarshal(in.With, &with); err != nil {
					panic(err)
				}
				return b.good(ctx, in)
			}
		},
		"AC-010": func(b *beast) {
			b.run = func(ctx context.Context, in automation.Input) (automation.Output, error) {
				in.Key = storage.NewID()
				return b.good(ctx, in)
			}
		},
		"AC-011": func(b *beast) {
			b.effect = automation.Transactional
			b.run = func(ctx context.Context, in automation.Input) (automation.Output, error) {
				b.take(in.Key)
				return automation.Output{Value: json.RawMessage(`{"id":"1"}`)}, ctx.Err()
			}
		},
		"AC-012 does nothing": func(b *beast) {
			b.effect = automation.Transactional
			b.run = func(context.Context, automation.Input) (automation.Output, error) {
				return automation.Output{Value: json.RawMessage(`{"id":"1"}`)}, nil
			}
		},
		"AC-012 does it twice": func(b *beast) {
			b.effect = automation.Transactional
			b.run = func(ctx context.Context, in automation.Input) (automation.Output, error) {
				if out, err := b.good(ctx, in); err != nil {
					return out, err
				}
				return b.good(ctx, in)
			}
		},
		"AC-012 declares no effect": func(b *beast) { b.effect = automation.NoEffect },
		"AC-013": func(b *beast) {
			b.effect = automation.Transactional
			b.run = func(ctx context.Context, in automation.Input) (automation.Output, error) {
				_, _ = b.good(ctx, in)
				return automation.Output{Value: json.RawMessage(`{"id":"1"}`)}, nil
			}
		},
		"AC-014 misses what comes with the run": func(b *beast) {
			b.check = func(with json.RawMessage) error {
				if !strings.Contains(string(with), `"a"`) {
					return storage.Invalid("/a", "must not be missing")
				}
				return nil
			}
		},
		"AC-014 refuses what runs": func(b *beast) {
			b.check = func(with json.RawMessage) error {
				var members map[string]any
				return json.Unmarshal(with, &members)
			}
		},
		"AC-014 breaks": func(b *beast) {
			b.check = func(with json.RawMessage) error {
				if with[0] != '{' {
					return errors.New("no object")
				}
				return nil
			}
		},
		"AC-014 keeps them otherwise": func(b *beast) {
			b.check = func(with json.RawMessage) error { clear(with); return nil }
		},
	}
	for _, r := range actionRules {
		for _, effect := range []automation.Effect{automation.External, automation.Transactional} {
			t.Run(r.id+" "+string(effect), func(t *testing.T) {
				t.Parallel()
				good := ruletest.Try(t.Context(), func(t testing.TB) { r.check(t, options(t, effect, nil)) })
				if len(good) > 0 {
					t.Errorf("%s fails an action that is as it should be: %q", r.id, good)
				}
			})
		}
		broken := 0
		for name, spoil := range zoo {
			if id, _, _ := strings.Cut(name, " "); id != r.id {
				continue
			}
			broken++
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				found := ruletest.Try(t.Context(), func(t testing.TB) { r.check(t, options(t, automation.External, spoil)) })
				if len(found) == 0 {
					t.Errorf("%s does not find what breaks it", r.id)
				}
			})
		}
		if broken == 0 {
			t.Errorf("the zoo has nothing that breaks %s", r.id)
		}
	}
}

func options(t testing.TB, effect automation.Effect, spoil func(b *beast)) Options {
	t.Helper()
	b := newBackend(t)
	s := &sink{tx: b}
	described := new(atomic.Int64)
	return Options{
		Compile: schema.Compile, Tx: b, Effects: s.list,
		Action: func(testing.TB) automation.Action {
			b := &beast{sink: s, effect: effect, described: described}
			if spoil != nil {
				spoil(b)
			}
			return b
		},
	}
}

// A bird is a trigger as it should be, with the one thing broken that a field says.
type bird struct {
	describe func(d *automation.TriggerDescriptor)
	fires    func(event map[string]any) bool
}

func (b bird) Describe() automation.TriggerDescriptor {
	d := automation.TriggerDescriptor{
		Name: "zoo.bird", Label: "Bird", Description: "Fires above a hundred.", EventTypes: []string{"a.b"},
		Sample: json.RawMessage(`{"specversion":"1.0","id":"1","source":"/zoo","type":"a.b","data":{"amount":150}}`),
	}
	if b.describe != nil {
		b.describe(&d)
	}
	return d
}

func (b bird) Fires(event map[string]any) bool {
	if b.fires != nil {
		return b.fires(event)
	}
	data, _ := event["data"].(map[string]any)
	amount, _ := data["amount"].(json.Number)
	n, err := amount.Float64()
	return err == nil && n > 100
}

// TestTheTriggerRulesFindTheZoo breaks a trigger in one way for each rule.
func TestTheTriggerRulesFindTheZoo(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	count := 0
	next := func() int {
		mu.Lock()
		defer mu.Unlock()
		count++
		return count
	}
	zoo := map[string]bird{
		"TR-001": {describe: func(d *automation.TriggerDescriptor) { d.Label += string(rune('a' + next()%26)) }},
		"TR-002": {fires: func(map[string]any) bool { return false }},
		"TR-002 its sample is a part of an event": {describe: func(d *automation.TriggerDescriptor) {
			d.Sample = json.RawMessage(`{"type":"a.b","data":{"amount":150}}`)
		}},
		"TR-003": {fires: func(map[string]any) bool { return next()%7 > 0 }},
		"TR-004": {fires: func(event map[string]any) bool { delete(event, "data"); return true }},
		"TR-005": {fires: func(event map[string]any) bool {
			return event["data"].(map[string]any)["amount"].(json.Number) != ""
		}},
		"TR-006": {fires: func(map[string]any) bool { return true }},
	}
	silent := []json.RawMessage{json.RawMessage(`{"specversion":"1.0","id":"2","source":"/zoo","type":"a.b","data":{"amount":100}}`)}
	for _, r := range triggerRules {
		try := func(b bird) []string {
			return ruletest.Try(t.Context(), func(t testing.TB) {
				r.check(t, Options{Compile: schema.Compile, Trigger: func(testing.TB) automation.Trigger { return b }, Silent: silent})
			})
		}
		if failures := try(bird{}); len(failures) > 0 {
			t.Errorf("%s fails a trigger that is as it should be: %q", r.id, failures)
		}
		broken := 0
		for name, b := range zoo {
			if id, _, _ := strings.Cut(name, " "); id != r.id {
				continue
			}
			broken++
			if len(try(b)) == 0 {
				t.Errorf("%s does not find what breaks it: %s", r.id, name)
			}
		}
		if broken == 0 {
			t.Errorf("the zoo has nothing that breaks %s", r.id)
		}
	}
}
