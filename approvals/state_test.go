package approvals_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestEveryStateIsReachableAndEveryEndIsOne(t *testing.T) {
	t.Parallel()
	reached := map[approvals.State]bool{approvals.StateDraft: true}
	seen := map[[2]string]bool{}
	for range approvals.States() {
		for _, tr := range approvals.Transitions() {
			if reached[tr.From] {
				reached[tr.To] = true
			}
		}
	}
	for _, tr := range approvals.Transitions() {
		key := [2]string{string(tr.From), string(tr.Trigger)}
		if seen[key] {
			t.Errorf("%s from %s leads to two states", tr.Trigger, tr.From)
		}
		seen[key] = true
		if tr.From.Ended() {
			t.Errorf("%s leads out of the end %s", tr.Trigger, tr.From)
		}
		if !slices.Contains(approvals.Triggers(), tr.Trigger) {
			t.Errorf("%s is not among the triggers", tr.Trigger)
		}
	}
	for _, s := range approvals.States() {
		if !reached[s] {
			t.Errorf("%s is never reached", s)
		}
	}
}

func TestTheTableCannotBeChangedFromOutside(t *testing.T) {
	t.Parallel()
	approvals.Transitions()[0].To = approvals.StateApplied
	if tr := approvals.Transitions()[0]; tr.To != approvals.StateDraft {
		t.Errorf("the table now leads to %s", tr.To)
	}
}

// walk brings a request into a state: the shortest way that a host has.
var walk = map[approvals.State]func(t *testing.T, k *kit) string{
	approvals.StateDraft: func(t *testing.T, k *kit) string {
		e, err := k.refund.Event(order(150))
		must(t, err)
		r, err := k.service.Draft(as(t.Context(), sam), e, "")
		must(t, err)
		return r.ID
	},
	approvals.StateAwaitingApproval: func(t *testing.T, k *kit) string { return k.ask(t, 150).ID },
	approvals.StateChangesRequested: func(t *testing.T, k *kit) string { return k.decided(t, approvals.RequestChanges) },
	approvals.StateApproved:         func(t *testing.T, k *kit) string { return k.approved(t) },
	approvals.StateApplying: func(t *testing.T, k *kit) string {
		id := k.approved(t)
		k.fail = func(int) error { return errors.New("the payment provider is away") }
		if _, err := k.service.Apply(t.Context(), acme, id); err == nil {
			t.Fatal("applying did not fail")
		}
		k.fail = nil
		return id
	},
	approvals.StateApplied: func(t *testing.T, k *kit) string {
		id := k.approved(t)
		_, err := k.service.Apply(t.Context(), acme, id)
		must(t, err)
		return id
	},
	approvals.StateRejected: func(t *testing.T, k *kit) string { return k.decided(t, approvals.Decline) },
	approvals.StateCancelled: func(t *testing.T, k *kit) string {
		id := k.ask(t, 150).ID
		_, err := k.service.Cancel(as(t.Context(), sam), acme, id, "")
		must(t, err)
		return id
	},
	approvals.StateExpired: func(t *testing.T, k *kit) string {
		id := k.ask(t, 150).ID
		k.advance(approvals.DefaultTimeout)
		k.work(t)
		return id
	},
	approvals.StateFailed: func(t *testing.T, k *kit) string {
		id := k.approved(t)
		k.revision = "2"
		_, err := k.service.Apply(t.Context(), acme, id)
		must(t, err)
		k.revision = "1"
		return id
	},
}

// decided has marco make a decision that ends or turns a request of one stage.
func (k *kit) decided(t *testing.T, choice approvals.Trigger) string {
	t.Helper()
	id := k.ask(t, 150).ID
	_, err := k.decide(t, marco, id, choice)
	must(t, err)
	return id
}

// approved has enough people approve, whatever the policy wants.
func (k *kit) approved(t *testing.T) string {
	t.Helper()
	id := k.decided(t, approvals.Approve)
	if k.get(t, id).State != approvals.StateApproved {
		_, err := k.decide(t, olivia, id, approvals.Approve)
		must(t, err)
	}
	k.expect(t, id, approvals.StateApproved)
	return id
}

// An operation is one thing a host can do to a request. It fires the triggers in
// order, as far as the table lets it.
type operation struct {
	name     string
	required int
	triggers func(from approvals.State) []approvals.Trigger
	run      func(t *testing.T, k *kit, id string) error
}

func decision(choice approvals.Trigger) func(t *testing.T, k *kit, id string) error {
	return func(t *testing.T, k *kit, id string) error {
		// maria has not voted on the way to any state.
		_, err := k.decide(t, maria, id, choice)
		return err
	}
}

func always(triggers ...approvals.Trigger) func(approvals.State) []approvals.Trigger {
	return func(approvals.State) []approvals.Trigger { return triggers }
}

// applying are the triggers of an application that ends in end.
func applying(end approvals.Trigger) func(approvals.State) []approvals.Trigger {
	return func(from approvals.State) []approvals.Trigger {
		if from == approvals.StateApplying {
			return []approvals.Trigger{end}
		}
		return []approvals.Trigger{approvals.Start, end}
	}
}

var operations = []operation{
	{"approving as the first of two", 2, always(approvals.Approve), decision(approvals.Approve)},
	{"approving as the only one", 1, always(approvals.Complete), decision(approvals.Approve)},
	{"commenting", 1, always(approvals.Comment), decision(approvals.Comment)},
	{"requesting changes", 1, always(approvals.RequestChanges), decision(approvals.RequestChanges)},
	{"declining", 1, always(approvals.Decline), decision(approvals.Decline)},
	{"submitting", 1, always(approvals.Submit), func(t *testing.T, k *kit, id string) error {
		_, err := k.service.Submit(as(t.Context(), sam), acme, id)
		return err
	}},
	{"resubmitting", 1, always(approvals.Resubmit), func(t *testing.T, k *kit, id string) error {
		_, err := k.service.Resubmit(as(t.Context(), sam), acme, id, "as it is")
		return err
	}},
	{"revising", 1, func(from approvals.State) []approvals.Trigger {
		if from == approvals.StateDraft {
			return []approvals.Trigger{approvals.Edit}
		}
		return []approvals.Trigger{approvals.Revise}
	}, func(t *testing.T, k *kit, id string) error {
		_, err := k.service.Revise(as(t.Context(), sam), acme, id, k.get(t, id).Revision, approvals.Content{
			Payload: []byte(`{"amount":160}`), BaseRevision: "1",
		})
		return err
	}},
	{"cancelling", 1, always(approvals.Cancel), func(t *testing.T, k *kit, id string) error {
		_, err := k.service.Cancel(as(t.Context(), sam), acme, id, "")
		return err
	}},
	{"applying", 1, applying(approvals.Finish), func(t *testing.T, k *kit, id string) error {
		_, err := k.service.Apply(t.Context(), acme, id)
		return err
	}},
	{"applying in vain", 1, applying(approvals.Fail), func(t *testing.T, k *kit, id string) error {
		k.fail = func(int) error { return approvals.Permanent(errors.New("the card is gone")) }
		_, err := k.service.Apply(t.Context(), acme, id)
		return err
	}},
}

func TestEveryOperationInEveryStateDoesWhatTheTableSays(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		for _, from := range approvals.States() {
			t.Run(op.name+" when "+string(from), func(t *testing.T) {
				t.Parallel()
				k := newKit(t, eachtest.Memory(t), options{config: approvals.Config{
					Policies: map[string]approvals.Policy{"": {Stages: []approvals.StageRule{{Name: "s", Required: op.required}}}},
				}})
				id := walk[from](t, k)
				before := k.expect(t, id, from)
				want, events := from, len(k.log.actions())
				var wantErr error
				for _, trigger := range op.triggers(from) {
					tr, err := approvals.Next(want, trigger)
					if err != nil {
						wantErr = err
						break
					}
					want = tr.To
				}
				err := op.run(t, k, id)
				after := k.expect(t, id, want)
				var illegal *approvals.IllegalTransitionError
				switch {
				case wantErr != nil && (!errors.As(err, &illegal) || !errors.Is(err, storage.ErrConflict) || illegal.From != from):
					t.Errorf("got %v, want an IllegalTransitionError", err)
				case wantErr != nil && (after.Version != before.Version || len(k.log.actions()) != events):
					t.Errorf("the refused operation left something behind: %v", k.log.actions()[events:])
				case wantErr == nil && err != nil:
					t.Errorf("got %v, want %s", err, want)
				}
			})
		}
	}
}

func TestTimeoutInEveryStateDoesWhatTheTableSays(t *testing.T) {
	t.Parallel()
	for _, from := range approvals.States() {
		t.Run("the timeout of a request that is "+string(from), func(t *testing.T) {
			t.Parallel()
			k := newKit(t, eachtest.Memory(t), options{})
			id := walk[from](t, k)
			before := k.expect(t, id, from)
			want := from
			if tr, err := approvals.Next(from, approvals.Expire); err == nil {
				want = tr.To
			}
			k.queue.keep("approvals.expire")
			k.advance(approvals.DefaultTimeout + time.Second)
			k.work(t)
			after := k.expect(t, id, want)
			if want == from && after.Version != before.Version {
				t.Error("a late timer wrote something")
			}
		})
	}
}

func TestEachTransitionWritesOneStepAndOneEvent(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		for _, from := range approvals.States() {
			want := from
			var verbs []string
			for _, trigger := range op.triggers(from) {
				if tr, err := approvals.Next(want, trigger); err == nil {
					want, verbs = tr.To, append(verbs, "approvals.request."+tr.Verb)
				}
			}
			if len(verbs) == 0 {
				continue
			}
			t.Run(op.name+" when "+string(from), func(t *testing.T) {
				t.Parallel()
				k := newKit(t, eachtest.Memory(t), options{config: approvals.Config{
					Policies: map[string]approvals.Policy{"": {Stages: []approvals.StageRule{{Name: "s", Required: op.required}}}},
				}})
				id := walk[from](t, k)
				k.log.events = nil
				_, h, err := k.service.Get(t.Context(), acme, id)
				must(t, err)
				must(t, op.run(t, k, id))
				var got []string
				for _, e := range k.log.events {
					if e.Resource.Type == approvals.ResourceType {
						got = append(got, e.Action)
						if e.Resource.ID != id || e.Tenant != acme || e.ApprovalID != id {
							t.Errorf("event %+v is not about the request", e)
						}
					}
				}
				if !slices.Equal(got, verbs) {
					t.Errorf("events %q, want %q", got, verbs)
				}
				_, after, err := k.service.Get(t.Context(), acme, id)
				must(t, err)
				if n := len(after.Steps) - len(h.Steps); n != len(verbs) {
					t.Errorf("%d steps, want %d", n, len(verbs))
				}
			})
		}
	}
}

func TestConcurrentTransitionsHaveOneWinner(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{})
		id := k.ask(t, 150).ID
		const n = 8
		errs := make(chan error, 2*n)
		for range n {
			go func() { _, err := k.service.Cancel(as(context.Background(), sam), acme, id, ""); errs <- err }()
			go func() {
				_, err := k.service.Decide(as(context.Background(), marco), acme, id, approvals.Choice{Decision: approvals.Decline, Revision: 1, Comment: "no"})
				errs <- err
			}()
		}
		won := 0
		for range 2 * n {
			err := <-errs
			var illegal *approvals.IllegalTransitionError
			switch {
			case err == nil:
				won++
			case !errors.As(err, &illegal):
				t.Errorf("a loser got %v, want an IllegalTransitionError", err)
			}
		}
		if won != 1 {
			t.Errorf("%d transitions succeeded, want 1", won)
		}
	})
}

// The table of the package documentation is the table of the code.
func TestDocumentationShowsTheStateMachine(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("doc.go")
	must(t, err)
	_, rest, _ := strings.Cut(string(doc), "// # States")
	section, _, _ := strings.Cut(rest, "// # ")
	var documented []string
	var from string
	var triggers []string
	for line := range strings.Lines(section) {
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "//\t")
		if !ok {
			continue
		}
		if line[0] != ' ' {
			from, line, _ = strings.Cut(line, " ")
		}
		for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' }) {
			trigger, to, last := strings.Cut(part, " → ")
			if trigger = strings.TrimSpace(trigger); trigger != "" {
				triggers = append(triggers, trigger)
			}
			if last {
				for _, trigger := range triggers {
					documented = append(documented, from+" "+trigger+" "+to)
				}
				triggers = nil
			}
		}
	}
	var table []string
	for _, tr := range approvals.Transitions() {
		table = append(table, string(tr.From)+" "+string(tr.Trigger)+" "+string(tr.To))
	}
	slices.Sort(documented)
	slices.Sort(table)
	if !slices.Equal(documented, table) {
		t.Errorf("doc.go says\n%s\nand the table\n%s", strings.Join(documented, "\n"), strings.Join(table, "\n"))
	}
}
