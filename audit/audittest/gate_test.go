package audittest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A clerk is a gate with a book: small refunds pass, large ones do not, and each answer
// is written down.
type clerk struct {
	backend *memory.Backend
	mu      sync.Mutex
	book    int
}

func (c *clerk) note(ctx context.Context) error {
	c.add(1)
	return c.backend.OnRollback(ctx, func() { c.add(-1) })
}

func (c *clerk) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.book += n
}

func (c *clerk) Check(ctx context.Context, e audit.Event) (audit.Verdict, error) {
	if err := c.note(ctx); err != nil {
		return audit.Verdict{}, err
	}
	if e.Action == "orders.refund" && string(e.Payload) == `{"amount":5}` {
		return audit.Verdict{Effect: audit.Allow, Reason: audit.Reason{Code: "small"}}, nil
	}
	return audit.Verdict{Reason: audit.Reason{Code: "large"}}, nil
}

// shop returns the harness of a gate made around an honest clerk.
func shop(t testing.TB, around func(t testing.TB, c *clerk) audit.Gate) GateHarness {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := &clerk{backend: b}
	refund := func(payload string) audit.Event {
		return audit.Event{Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: payload}, Payload: []byte(payload)}
	}
	return GateHarness{
		Gate: around(t, c), Tx: b, Events: []audit.Event{refund(`{"amount":5}`), refund(`{"amount":500}`)},
		Rows: func(context.Context) (int, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.book, nil
		},
	}
}

func TestAClerkIsAGoodGate(t *testing.T) {
	t.Parallel()
	RunGate(t, GateOptions{New: func(t testing.TB) GateHarness {
		return shop(t, func(_ testing.TB, c *clerk) audit.Gate { return c })
	}})
}

// after changes what the clerk answers.
func after(change func(e audit.Event, v *audit.Verdict, err *error)) func(t testing.TB, c *clerk) audit.Gate {
	return func(_ testing.TB, c *clerk) audit.Gate {
		return audit.GateFunc(func(ctx context.Context, e audit.Event) (audit.Verdict, error) {
			v, err := c.Check(ctx, e)
			change(e, &v, &err)
			return v, err
		})
	}
}

// oddRefusal is recorded as a success.
type oddRefusal struct{ error }

func (oddRefusal) Refused() audit.Outcome { return audit.Success }

// gateZoo holds gates with one thing wrong, by the rule that finds it.
var gateZoo = []struct {
	name, rule string
	around     func(t testing.TB, c *clerk) audit.Gate
}{
	{"refuses everything", "GT-001", after(func(_ audit.Event, v *audit.Verdict, _ *error) { v.Effect = audit.Deny })},
	{"gives no reason", "GT-002", after(func(_ audit.Event, v *audit.Verdict, _ *error) { v.Reason = audit.Reason{} })},
	{"allows beside its error", "GT-003", after(func(_ audit.Event, v *audit.Verdict, err *error) {
		if v.Effect != audit.Allow {
			v.Effect, *err = audit.Allow, errors.New("did not work")
		}
	})},
	{"has refusals recorded as a success", "GT-003", after(func(_ audit.Event, v *audit.Verdict, err *error) {
		if v.Effect != audit.Allow {
			*err = oddRefusal{errors.New("no")}
		}
	})},
	{"allows what it has no rule for", "GT-004", after(func(e audit.Event, v *audit.Verdict, _ *error) {
		if e.Action != "orders.refund" {
			v.Effect = audit.Allow
		}
	})},
	{"panics over an event without a payload", "GT-004", after(func(e audit.Event, _ *audit.Verdict, _ *error) { _ = e.Payload[0] })},
	{"refuses every third time", "GT-005", func(t testing.TB, c *clerk) audit.Gate {
		asked := 0
		return after(func(_ audit.Event, v *audit.Verdict, _ *error) {
			if asked++; asked > 2 && asked%3 == 0 {
				v.Effect = audit.Deny
			}
		})(t, c)
	}},
	{"writes into the payload", "GT-006", after(func(e audit.Event, _ *audit.Verdict, _ *error) {
		if len(e.Payload) > 2 {
			e.Payload[2] = 'A'
		}
	})},
	{"waits for ever", "GT-007", func(t testing.TB, c *clerk) audit.Gate {
		return audit.GateFunc(func(ctx context.Context, e audit.Event) (audit.Verdict, error) {
			if ctx.Err() != nil {
				<-t.Context().Done()
			}
			return c.Check(ctx, e)
		})
	}},
	{"writes past the transaction", "GT-008", func(_ testing.TB, c *clerk) audit.Gate {
		return audit.GateFunc(func(ctx context.Context, e audit.Event) (audit.Verdict, error) {
			c.add(1)
			return c.Check(ctx, e)
		})
	}},
}

func TestEveryBrokenGateIsFound(t *testing.T) {
	t.Parallel()
	proven := map[string]bool{}
	for _, z := range gateZoo {
		proven[z.rule] = true
		t.Run(z.rule+" "+z.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range gateRules() {
				if r.id != z.rule {
					continue
				}
				failures := ruletest.Try(t.Context(), func(w testing.TB) {
					r.check(w, GateOptions{New: func(testing.TB) GateHarness { return shop(t, z.around) }})
				})
				if len(failures) == 0 {
					t.Errorf("%s does not find a gate that %s", r.id, z.name)
				}
			}
		})
	}
	for _, r := range gateRules() {
		if !proven[r.id] {
			t.Errorf("no gate proves %s", r.id)
		}
	}
}
