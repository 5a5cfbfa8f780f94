package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// A kit is a Governor over a log, with a gate that tests choose. What a change writes
// is an event in the same log under the tenant "business", so that it lives and dies
// with the transaction.
type kit struct {
	backend  eachtest.Backend
	log      *audit.Log
	governor *audit.Governor
	gate     audit.GateFunc
	now      time.Time
}

func newKit(t *testing.T, b eachtest.Backend) *kit {
	t.Helper()
	k := &kit{backend: b, log: newLog(t, b.Audit(), audit.LogConfig{}), now: noon}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{Now: func() time.Time { return k.now }},
		audit.Action{Name: "orders.refund", Type: "lumelle.orders.v1.refunded"}, audit.Action{Name: "business.write"})
	if err != nil {
		t.Fatal(err)
	}
	gate := audit.GateFunc(func(ctx context.Context, e audit.Event) (audit.Verdict, error) { return k.gate(ctx, e) })
	k.governor, err = audit.NewGovernor(b, gate, k.log, catalog)
	if err != nil {
		t.Fatal(err)
	}
	k.gate = answer(audit.Verdict{Effect: audit.Allow})
	return k
}

func answer(v audit.Verdict) audit.GateFunc {
	return func(context.Context, audit.Event) (audit.Verdict, error) { return v, nil }
}

// bySam is a ctx under which sam acts.
func bySam(t *testing.T) context.Context {
	return audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "sam"})
}

// change asks for a refund whose apply writes the business row.
func (k *kit) change(ctx context.Context, id string) (audit.Event, error) {
	return k.changeWith(ctx, id, func(ctx context.Context, e *audit.Event) error {
		e.After = json.RawMessage(`{"status":"refunded"}`)
		return nil
	})
}

func (k *kit) changeWith(ctx context.Context, id string, apply func(ctx context.Context, e *audit.Event) error) (audit.Event, error) {
	e := audit.Event{
		ID: id, Action: "orders.refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1001"},
		Payload: json.RawMessage(`{"b": 1, "a": 2}`),
	}
	return k.governor.Change(ctx, e, func(ctx context.Context, e *audit.Event) error {
		row := refund(storage.NewID())
		row.Tenant = "business"
		if err := k.log.Append(ctx, row); err != nil {
			return err
		}
		return apply(ctx, e)
	})
}

// want holds the number of business rows, and the outcomes of what was recorded.
func (k *kit) want(t *testing.T, rows int, outcomes ...audit.Outcome) []audit.Event {
	t.Helper()
	if got := ids(t, k.log, "business", audit.Query{}); len(got) != rows {
		t.Errorf("%d business rows, want %d", len(got), rows)
	}
	page, err := k.log.Query(t.Context(), "acme", audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	got := []audit.Outcome{}
	for _, e := range page.Items {
		got = append(got, e.Outcome)
	}
	if !slices.Equal(got, outcomes) {
		t.Errorf("recorded outcomes %q, want %q", got, outcomes)
	}
	return page.Items
}

func TestAllowedChangeCommitsWithItsRecord(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b)
		approver := audit.Actor{Type: audit.User, ID: "marco"}
		k.gate = answer(audit.Verdict{Effect: audit.Allow, DecisionID: "d-1", ApprovalID: "a-1", ApprovedBy: []audit.Actor{approver}})
		trace := correlation.New()
		ctx := audit.WithOrigin(correlation.With(bySam(t), trace), audit.Origin{SourceIP: "192.0.2.1", RequestID: "r-1"})
		e, err := k.change(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		events := k.want(t, 1, audit.Success)
		got := events[0]
		if got.ID != e.ID || got.Actor.ID != "sam" || got.Trace != trace || got.Origin.RequestID != "r-1" ||
			got.DecisionID != "d-1" || got.ApprovalID != "a-1" || len(got.ApprovedBy) != 1 || got.ApprovedBy[0] != approver ||
			string(got.After) != `{"status":"refunded"}` || string(got.Payload) != `{"a":2,"b":1}` || got.Type != "lumelle.orders.v1.refunded" {
			t.Errorf("recorded %+v", got)
		}
	})
}

func TestRefusedChangeLeavesItsAttemptOnly(t *testing.T) {
	t.Parallel()
	pending := &refusal{outcome: audit.Pending}
	for _, c := range []struct {
		name    string
		gate    audit.GateFunc
		want    error
		outcome audit.Outcome
		reason  string
	}{
		{"a denial", answer(audit.Verdict{Reason: audit.Reason{Code: "no_role"}, DecisionID: "d-1"}), audit.ErrDenied, audit.Denied, "no_role"},
		{"step-up", answer(audit.Verdict{Effect: audit.StepUp, Reason: audit.Reason{Code: "stale"}, DecisionID: "d-1"}), audit.ErrStepUp, audit.Denied, "stale"},
		{"an approval that no gate took up", answer(audit.Verdict{Effect: audit.NeedsApproval, Reason: audit.Reason{Code: "above_limit"}, DecisionID: "d-1"}), audit.ErrDenied, audit.Denied, "above_limit"},
		{"an effect that does not exist", answer(audit.Verdict{Effect: 99, DecisionID: "d-1"}), audit.ErrDenied, audit.Denied, ""},
		{"a refusal of the gate's own", func(context.Context, audit.Event) (audit.Verdict, error) {
			return audit.Verdict{DecisionID: "d-1"}, pending
		}, pending, audit.Pending, ""},
		{"an error", func(context.Context, audit.Event) (audit.Verdict, error) {
			return audit.Verdict{Effect: audit.Allow, DecisionID: "forged"}, errors.New("policy missing")
		}, audit.ErrDenied, audit.Denied, "gate_error"},
		{"a panic", func(context.Context, audit.Event) (audit.Verdict, error) { panic("nil map") }, audit.ErrDenied, audit.Denied, "gate_error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
				k := newKit(t, b)
				k.gate = c.gate
				e, err := k.change(bySam(t), "chosen")
				if !errors.Is(err, c.want) {
					t.Fatalf("Change = %v, want %v", err, c.want)
				}
				attempt := k.want(t, 0, c.outcome)[0]
				if attempt.Reason != c.reason || attempt.ID == "chosen" || attempt.After != nil {
					t.Errorf("attempt %+v, want reason %q and an id of its own", attempt, c.reason)
				}
				decision := "d-1"
				if c.reason == "gate_error" {
					decision = "" // whatever a failed check said besides is void
				}
				if attempt.DecisionID != decision {
					t.Errorf("the attempt names decision %q, want %q", attempt.DecisionID, decision)
				}
				// The refusal did not use up the id.
				k.gate = answer(audit.Verdict{Effect: audit.Allow})
				if _, err := k.change(bySam(t), e.ID); err != nil {
					t.Errorf("the change under the same id, allowed now: %v", err)
				}
				k.want(t, 1, c.outcome, audit.Success)
			})
		})
	}
}

type refusal struct{ outcome audit.Outcome }

func (r *refusal) Error() string          { return "refused" }
func (r *refusal) Refused() audit.Outcome { return r.outcome }

func TestGateErrorsStayWithOperators(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t))
	for name, gate := range map[string]audit.GateFunc{
		"an error": func(context.Context, audit.Event) (audit.Verdict, error) {
			return audit.Verdict{}, errors.New("SECRET")
		},
		"a panic": func(context.Context, audit.Event) (audit.Verdict, error) { panic("SECRET") },
	} {
		k.gate = gate
		_, err := k.change(bySam(t), "")
		denied, ok := errors.AsType[*audit.DeniedError](err)
		if !ok || strings.Contains(err.Error(), "SECRET") || strings.Contains(denied.Verdict.Reason.Text, "SECRET") {
			t.Errorf("%s: %v tells its cause", name, err)
		}
		if denied != nil && !strings.Contains(errors.Unwrap(denied).Error(), "SECRET") {
			t.Errorf("%s: operators do not see the cause: %v", name, errors.Unwrap(denied))
		}
	}
	k.want(t, 0, audit.Denied, audit.Denied)
}

func TestStoreFailureUnderTheGateIsNoDenial(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{storage.ErrUnavailable, storage.ErrTxDone, storage.ErrTxBusy, storage.ErrForeignTx, context.Canceled, context.DeadlineExceeded} {
		k := newKit(t, eachtest.Memory(t))
		k.gate = func(context.Context, audit.Event) (audit.Verdict, error) { return audit.Verdict{}, failure }
		if _, err := k.change(bySam(t), ""); !errors.Is(err, failure) || errors.Is(err, audit.ErrDenied) {
			t.Errorf("Change = %v, want %v", err, failure)
		}
		k.want(t, 0)
	}
}

func TestFailedChangeLeavesNothing(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b)
		failure := errors.New("out of stock")
		if _, err := k.changeWith(bySam(t), "", func(context.Context, *audit.Event) error { return failure }); !errors.Is(err, failure) {
			t.Fatalf("Change = %v, want the error of apply", err)
		}
		k.want(t, 0)
		_, err := k.changeWith(bySam(t), "", func(_ context.Context, e *audit.Event) error {
			e.After = json.RawMessage(`{"a":1,"a":2}`)
			return nil
		})
		if err == nil || errors.Is(err, storage.ErrInvalid) {
			t.Fatalf("Change = %v, want an error that is not the caller's fault", err)
		}
		k.want(t, 0)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic of apply is gone")
				}
			}()
			_, _ = k.changeWith(bySam(t), "", func(context.Context, *audit.Event) error { panic("bug") })
		}()
		k.want(t, 0)
	})
}

func TestFailingSinkUndoesTheChange(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b)
		full := errors.New("disk full")
		governor, err := audit.NewGovernor(b, audit.Ungated, audit.Tee(k.log, failing{full}), k.governor.Catalog())
		if err != nil {
			t.Fatal(err)
		}
		k.governor = governor
		if _, err := k.change(bySam(t), ""); !errors.Is(err, full) {
			t.Fatalf("Change = %v, want the error of the sink", err)
		}
		k.want(t, 0)
		if err := k.governor.Record(bySam(t), audit.Event{Action: "orders.refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1"}}); !errors.Is(err, full) {
			t.Fatalf("Record = %v, want the error of the sink", err)
		}
		k.want(t, 0)
	})
}

type failing struct{ err error }

func (f failing) Append(context.Context, ...audit.Event) error { return f.err }

func TestChangeJoinsTheHostsTransaction(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b)
		undo := errors.New("undo")
		err := b.InTx(bySam(t), func(ctx context.Context) error {
			if _, err := k.change(ctx, ""); err != nil {
				return err
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		k.want(t, 0)
		// A refusal inside a host's transaction is committed by the host.
		k.gate = answer(audit.Verdict{})
		err = b.InTx(bySam(t), func(ctx context.Context) error {
			if _, err := k.change(ctx, ""); !errors.Is(err, audit.ErrDenied) {
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		k.want(t, 0, audit.Denied)
		// A failed change takes only its own part: the host goes on and commits.
		k.gate = answer(audit.Verdict{Effect: audit.Allow})
		err = b.InTx(bySam(t), func(ctx context.Context) error {
			failure := errors.New("out of stock")
			if _, err := k.changeWith(ctx, "", func(context.Context, *audit.Event) error { return failure }); !errors.Is(err, failure) {
				t.Errorf("Change = %v", err)
			}
			_, err := k.change(ctx, "")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		k.want(t, 1, audit.Denied, audit.Success)
	})
}

func TestRepeatedChangeHappensOnce(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b)
		if _, err := k.change(bySam(t), "change-1"); err != nil {
			t.Fatal(err)
		}
		k.now = k.now.Add(time.Minute)
		for range 2 {
			if _, err := k.change(bySam(t), "change-1"); !errors.Is(err, audit.ErrAlreadyRecorded) {
				t.Fatalf("the same change again: %v, want audit.ErrAlreadyRecorded", err)
			}
		}
		k.want(t, 1, audit.Success)
		err := b.InTx(bySam(t), func(ctx context.Context) error {
			if _, err := k.change(ctx, "change-2"); err != nil {
				return err
			}
			if _, err := k.change(ctx, "change-2"); !errors.Is(err, audit.ErrAlreadyRecorded) {
				t.Errorf("the same change again in one transaction: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		k.want(t, 2, audit.Success, audit.Success)
	})
}

func TestRecordKeepsFacts(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b)
		fact := audit.Event{Action: "orders.refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1"}}
		if err := k.governor.Record(bySam(t), fact, fact); err != nil {
			t.Fatal(err)
		}
		k.want(t, 0, audit.Success, audit.Success)
		if fact.ID != "" {
			t.Error("Record changed the caller's event")
		}
		bad := fact
		bad.Tenant = ""
		if err := k.governor.Record(bySam(t), fact, bad); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("Record of a bad event = %v", err)
		}
		k.want(t, 0, audit.Success, audit.Success)
	})
}

func TestBadEventsAreRefusedBeforeTheGate(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t))
	asked := false
	k.gate = func(context.Context, audit.Event) (audit.Verdict, error) {
		asked = true
		return audit.Verdict{Effect: audit.Allow}, nil
	}
	if _, err := k.change(t.Context(), ""); !errors.Is(err, audit.ErrNoActor) {
		t.Errorf("without an actor: %v, want audit.ErrNoActor", err)
	}
	e := audit.Event{Action: "orders.none", Tenant: "acme"}
	if _, err := k.governor.Change(bySam(t), e, nil); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("an action outside of the catalogue: %v", err)
	}
	if asked {
		t.Error("the gate was asked about a bad event")
	}
	k.want(t, 0)
}

func TestGovernorWantsAllItsParts(t *testing.T) {
	t.Parallel()
	b := eachtest.Memory(t)
	catalog := newKit(t, b).governor.Catalog()
	for name, make := range map[string]func() (*audit.Governor, error){
		"no transactor": func() (*audit.Governor, error) {
			return audit.NewGovernor(nil, audit.Ungated, audit.Disabled, catalog)
		},
		"no gate":      func() (*audit.Governor, error) { return audit.NewGovernor(b, nil, audit.Disabled, catalog) },
		"no sink":      func() (*audit.Governor, error) { return audit.NewGovernor(b, audit.Ungated, nil, catalog) },
		"no catalogue": func() (*audit.Governor, error) { return audit.NewGovernor(b, audit.Ungated, audit.Disabled, nil) },
	} {
		if _, err := make(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("NewGovernor with %s = %v", name, err)
		}
	}
	if _, err := audit.NewGovernor(b, audit.Ungated, audit.Disabled, catalog); err != nil {
		t.Error(err)
	}
}

func TestARefusalSaysWhatItsVerdictKnows(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"denied":           &audit.DeniedError{},
		"step-up required": &audit.StepUpError{},
		"denied (needs approval, and no gate took that up)": &audit.DeniedError{
			Verdict: audit.Verdict{Effect: audit.NeedsApproval},
		},
		"denied: above_limit (needs approval, and no gate took that up)": &audit.DeniedError{
			Verdict: audit.Verdict{Effect: audit.NeedsApproval, Reason: audit.Reason{Code: "above_limit"}},
		},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The words of errors that surfaces match on.
func TestRefusalsMatchTheirSentinels(t *testing.T) {
	t.Parallel()
	verdict := audit.Verdict{Reason: audit.Reason{Code: "no_role", Text: "No role allows it.", Detail: "rule 7"}}
	denied, stepUp := &audit.DeniedError{Verdict: verdict}, &audit.StepUpError{Verdict: verdict}
	if !errors.Is(denied, audit.ErrDenied) || errors.Is(denied, audit.ErrStepUp) || denied.Refused() != audit.Denied || denied.Error() != "denied: no_role" {
		t.Errorf("DeniedError: %v", denied)
	}
	if !errors.Is(stepUp, audit.ErrStepUp) || errors.Is(stepUp, audit.ErrDenied) || stepUp.Refused() != audit.Denied || stepUp.Error() != "step-up required: no_role" {
		t.Errorf("StepUpError: %v", stepUp)
	}
	for effect, word := range map[audit.Effect]string{
		audit.Deny: "deny", audit.Allow: "allow", audit.NeedsApproval: "needs_approval", audit.StepUp: "step_up", 99: "deny",
	} {
		if effect.String() != word {
			t.Errorf("Effect(%d) = %s, want %s", effect, effect, word)
		}
	}
}

func TestAChangeWithoutAFunctionIsAnError(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t))
	_, err := k.governor.Change(bySam(t), audit.Event{Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "o-1"}}, nil)
	if err == nil {
		t.Error("a change without a function was made")
	}
}
