package approvalstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
)

// A shop is a host whose orders live in memory beside the kit's rows.
type shop struct {
	backend *memory.Backend
	mu      sync.Mutex
	refunds int
	// governed appliers change things through it.
	governor *audit.Governor
}

func newShop(t *testing.T) *shop {
	t.Helper()
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &shop{backend: b}
}

// refund makes a change that is undone with the transaction of ctx.
func (s *shop) refund(ctx context.Context) error {
	s.add(1)
	return s.backend.OnRollback(ctx, func() { s.add(-1) })
}

func (s *shop) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refunds += n
}

func (s *shop) host(wire func(g *audit.Governor, svc *approvals.Service) (approvals.Applier, error)) ApplierHost {
	return ApplierHost{
		Backend: s.backend, Actions: []audit.Action{{Name: action}}, BadPayload: json.RawMessage(`{"amount":"much"}`),
		Change: audit.Event{
			Tenant: "acme", Action: action, Resource: audit.Resource{Type: "order", ID: "o"}, Payload: json.RawMessage(`{"amount":150}`),
		},
		Wire: wire,
		Changed: func(context.Context) (int, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.refunds, nil
		},
	}
}

func TestGuardIsAGoodApplier(t *testing.T) {
	t.Parallel()
	RunApplier(t, ApplierOptions{New: func(t *testing.T) ApplierHost {
		s := newShop(t)
		return s.host(func(g *audit.Governor, svc *approvals.Service) (approvals.Applier, error) {
			return approvals.NewGuard(g, svc, action, func(ctx context.Context, _ *audit.Event, _ refund) error {
				return s.refund(ctx)
			}, approvals.GuardConfig{})
		})
	}})
}

// The zoo of appliers. Each is broken as somebody's first one might be.
var applierZoo = []struct {
	name, rule string
	apply      func(s *shop, ctx context.Context, a approvals.Approved) error
}{
	{"goes around its gate", "AL-001", func(s *shop, ctx context.Context, _ approvals.Approved) error { return s.refund(ctx) }},
	{"records under an id of its own", "AL-001", func(s *shop, ctx context.Context, a approvals.Approved) error {
		a.Event.ID = storage.NewID()
		return s.govern(ctx, a)
	}},
	{"makes another change than the approved one", "AL-001", func(s *shop, ctx context.Context, a approvals.Approved) error {
		a.Event.Payload = json.RawMessage(`{"amount":151}`)
		return s.govern(ctx, a)
	}},
	{"changes twice", "AL-001", func(s *shop, ctx context.Context, a approvals.Approved) error {
		if err := s.govern(ctx, a); err != nil {
			return err
		}
		return s.refund(ctx)
	}},
	{"writes past the transaction", "AL-002", func(s *shop, ctx context.Context, a approvals.Approved) error {
		_, err := s.governor.Change(ctx, a.Event, func(context.Context, *audit.Event) error { s.add(1); return nil })
		return err
	}},
	{"changes first and asks then", "AL-003", func(s *shop, ctx context.Context, a approvals.Approved) error {
		if err := s.refund(ctx); err != nil {
			return err
		}
		_, err := s.governor.Change(ctx, a.Event, func(context.Context, *audit.Event) error { return nil })
		return err
	}},
	{"hides that the gate refused", "AL-003", func(s *shop, ctx context.Context, a approvals.Approved) error {
		if err := s.govern(ctx, a); !errors.Is(err, audit.ErrDenied) {
			return err
		}
		return errors.New("did not work")
	}},
	{"tries a bad payload again and again", "AL-004", func(s *shop, ctx context.Context, a approvals.Approved) error {
		var r refund
		if err := json.Unmarshal(a.Event.Payload, &r); err != nil {
			return fmt.Errorf("payload: %w", err)
		}
		return s.govern(ctx, a)
	}},
	{"applies whatever payload", "AL-004", func(s *shop, ctx context.Context, a approvals.Approved) error { return s.govern(ctx, a) }},
	{"is a way around the approval", "AL-005", func(s *shop, ctx context.Context, _ approvals.Approved) error { return s.refund(ctx) }},
}

// govern makes the change as it should be made.
func (s *shop) govern(ctx context.Context, a approvals.Approved) error {
	_, err := s.governor.Change(ctx, a.Event, func(ctx context.Context, _ *audit.Event) error { return s.refund(ctx) })
	return err
}

type applierFunc func(ctx context.Context, a approvals.Approved) error

func (f applierFunc) Apply(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
	return approvals.Result{}, f(ctx, a)
}

func TestApplierZooIsCaught(t *testing.T) {
	for _, beast := range applierZoo {
		t.Run(beast.rule+" "+beast.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			h := s.host(func(g *audit.Governor, svc *approvals.Service) (approvals.Applier, error) {
				s.governor = g
				a := applierFunc(func(ctx context.Context, a approvals.Approved) error { return beast.apply(s, ctx, a) })
				return a, svc.Register(action, a)
			})
			i := slices.IndexFunc(applierRules, func(r applierRule) bool { return r.id == beast.rule })
			if i < 0 {
				t.Fatalf("there is no rule %s", beast.rule)
			}
			if !caught(t, func(w testing.TB) { applierRules[i].check(w, h) }) {
				t.Errorf("%s does not find an applier that %s", beast.rule, beast.name)
			}
		})
	}
}

// limit approves small changes and declines large ones.
func limit(ctx context.Context, s approvals.StageOpen) (approvals.Answer, error) {
	var r refund
	if err := json.Unmarshal(s.Request.Payload, &r); err != nil {
		return approvals.Answer{}, err
	}
	if r.Amount > 100 {
		return approvals.Answer{Decision: approvals.Decline, Comment: "more than 100"}, ctx.Err()
	}
	return approvals.Answer{Decision: approvals.Approve}, ctx.Err()
}

// asked are two stages to ask about.
func asked() []approvals.StageOpen {
	var all []approvals.StageOpen
	for _, payload := range []string{`{"amount":50}`, `{"amount":150}`} {
		r := approvals.Request{ID: "r", Tenant: "acme", Revision: 1, Stages: []approvals.Stage{{Name: "limit", Required: 1}}}
		r.Payload = json.RawMessage(payload)
		all = append(all, approvals.StageOpen{Request: r})
	}
	return all
}

func TestLimitIsAGoodApprover(t *testing.T) {
	t.Parallel()
	RunApprover(t, ApproverOptions{
		New: func(*testing.T) approvals.Approver { return approvals.ApproverFunc(limit) },
		Ask: asked(),
	})
}

// The zoo of approvers.
var approverZoo = []struct {
	name, rule string
	make       func(*testing.T) approvals.ApproverFunc
}{
	{"answers yes", "AP-001", func(*testing.T) approvals.ApproverFunc {
		return func(context.Context, approvals.StageOpen) (approvals.Answer, error) {
			return approvals.Answer{Decision: "yes"}, nil
		}
	}},
	{"answers every other time", "AP-002", func(*testing.T) approvals.ApproverFunc {
		n := 0
		return func(context.Context, approvals.StageOpen) (approvals.Answer, error) {
			if n++; n%2 == 0 {
				return approvals.Answer{}, nil
			}
			return approvals.Answer{Decision: approvals.Approve}, nil
		}
	}},
	{"declines without a word", "AP-003", func(*testing.T) approvals.ApproverFunc {
		return func(context.Context, approvals.StageOpen) (approvals.Answer, error) {
			return approvals.Answer{Decision: approvals.Decline}, nil
		}
	}},
	{"waits for ever", "AP-004", func(t *testing.T) approvals.ApproverFunc {
		never := make(chan struct{})
		t.Cleanup(func() { close(never) })
		return func(context.Context, approvals.StageOpen) (approvals.Answer, error) {
			<-never
			return approvals.Answer{}, nil
		}
	}},
	{"writes into the request", "AP-005", func(*testing.T) approvals.ApproverFunc {
		return func(_ context.Context, s approvals.StageOpen) (approvals.Answer, error) {
			s.Request.Stages[0].Status = approvals.StageApproved
			return approvals.Answer{}, nil
		}
	}},
}

func TestApproverZooIsCaught(t *testing.T) {
	for _, beast := range approverZoo {
		t.Run(beast.rule+" "+beast.name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(approverRules, func(r approverRule) bool { return r.id == beast.rule })
			if i < 0 {
				t.Fatalf("there is no rule %s", beast.rule)
			}
			if !caught(t, func(w testing.TB) { approverRules[i].check(w, beast.make(t), asked()[0]) }) {
				t.Errorf("%s does not find an approver that %s", beast.rule, beast.name)
			}
		})
	}
}
