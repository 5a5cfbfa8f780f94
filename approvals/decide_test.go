package approvals_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// stages makes the default policy of a kit.
func stages(rules ...approvals.StageRule) options {
	return options{config: approvals.Config{Policies: map[string]approvals.Policy{"": {Stages: rules}}}}
}

func TestWhoMayDecide(t *testing.T) {
	t.Parallel()
	samAsMarco, marcoAsSam := sam, marco
	samAsMarco.ActingAs, marcoAsSam.ActingAs = "marco", "sam"
	samTheService := audit.Actor{Type: audit.ServiceAccount, ID: "sam"}
	for _, c := range []struct {
		name      string
		rule      approvals.StageRule
		requester audit.Actor
		onBehalf  *audit.Actor
		decider   audit.Actor
		want      string // a code, empty for yes
	}{
		{"anybody with a role", approvals.StageRule{}, sam, nil, marco, ""},
		{"a stranger", approvals.StageRule{}, sam, nil, bob, approvals.CodeNotApprover},
		{"somebody with another tenant's role", approvals.StageRule{}, sam, nil, nina, approvals.CodeNotApprover},
		{"the requester", approvals.StageRule{}, sam, nil, sam, approvals.CodeAuthor},
		{"the requester, although named", approvals.StageRule{Users: []string{"sam", "marco"}}, sam, nil, sam, approvals.CodeAuthor},
		{"the requester, although of the role", approvals.StageRule{Roles: []string{"manager"}}, marco, nil, marco, approvals.CodeAuthor},
		{"the requester acting as somebody else", approvals.StageRule{}, sam, nil, samAsMarco, approvals.CodeAuthor},
		{"somebody acting as the requester", approvals.StageRule{}, sam, nil, marcoAsSam, approvals.CodeAuthor},
		{"whom the requester acted as", approvals.StageRule{}, samAsMarco, nil, marco, approvals.CodeAuthor},
		{"the requester under another type of account", approvals.StageRule{Users: []string{"sam", "x"}}, sam, nil, samTheService, approvals.CodeAuthor},
		{"whom it was asked for", approvals.StageRule{}, sam, &marco, marco, approvals.CodeAuthor},
		{"who asked for somebody else", approvals.StageRule{}, marco, &sam, marco, approvals.CodeAuthor},
		{"a third person", approvals.StageRule{}, sam, &marco, maria, ""},
		{"a member of the role", approvals.StageRule{Roles: []string{"owner"}}, sam, nil, olivia, ""},
		{"a member of another role", approvals.StageRule{Roles: []string{"owner"}}, sam, nil, marco, approvals.CodeNotApprover},
		{"a named person without a role", approvals.StageRule{Users: []string{"bob"}}, sam, nil, bob, ""},
		{"a member of a role where people are named", approvals.StageRule{Users: []string{"bob"}}, sam, nil, marco, approvals.CodeNotApprover},
		{"a member where people and roles are named", approvals.StageRule{Users: []string{"bob"}, Roles: []string{"manager"}}, sam, nil, marco, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.rule.Name = "s"
			k := newKit(t, eachtest.Memory(t), stages(c.rule))
			e, err := k.refund.Event(order(150))
			must(t, err)
			e.Actor, e.OnBehalfOf = c.requester, c.onBehalf
			_, err = k.governor.Change(as(t.Context(), c.requester), e, nil)
			var pending *approvals.PendingError
			if !errors.As(err, &pending) {
				t.Fatal(err)
			}
			r, h, err := k.service.Get(t.Context(), acme, pending.RequestID)
			must(t, err)
			foretold := k.service.CanDecide(as(t.Context(), c.decider), r, h)
			_, err = k.decide(t, c.decider, pending.RequestID, approvals.Approve)
			var refused *approvals.NotEligibleError
			if c.want == "" {
				must(t, errors.Join(err, foretold))
				return
			}
			if !errors.As(err, &refused) || refused.Code != c.want || !errors.Is(foretold, approvals.ErrNotEligible) {
				t.Fatalf("got %v (foretold %v), want the code %s", err, foretold, c.want)
			}
			k.expect(t, pending.RequestID, approvals.StateAwaitingApproval)
			denied := k.log.find(approvals.ActionRefused, audit.Denied)
			if len(denied) != 1 || denied[0].Reason != c.want || !denied[0].Actor.Same(c.decider) {
				t.Errorf("recorded %+v, want the refusal", denied)
			}
		})
	}
}

func TestDirectoryErrorRefusesTheDecision(t *testing.T) {
	t.Parallel()
	away := errors.New("directory away")
	k := newKit(t, eachtest.Memory(t), options{directory: approvals.DirectoryFunc(
		func(context.Context, string, audit.Actor) ([]string, error) { return []string{"manager"}, away },
	)})
	id := k.ask(t, 150).ID
	if _, err := k.decide(t, marco, id, approvals.Approve); !errors.Is(err, away) {
		t.Errorf("got %v, want the directory's error", err)
	}
	k.expect(t, id, approvals.StateAwaitingApproval)
}

func TestNofMUnderConcurrency(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		const people, required, votes = 6, 4, 3
		directory := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return []string{"r"}, nil })
		o := stages(approvals.StageRule{Name: "s", Required: required})
		o.directory = directory
		k := newKit(t, b, o)
		id := k.ask(t, 150).ID
		errs := make(chan error, people*votes)
		for p := range people {
			who := audit.Actor{Type: audit.User, ID: fmt.Sprint("p", p)}
			for range votes { // everybody tries to count three times
				go func() {
					_, err := k.service.Decide(as(context.Background(), who), acme, id, approvals.Choice{Decision: approvals.Approve, Revision: 1})
					errs <- err
				}()
			}
		}
		counted := 0
		for range people * votes {
			if err := <-errs; err == nil {
				counted++
			} else if !errors.Is(err, storage.ErrConflict) {
				t.Errorf("a vote that does not count got %v, want a conflict", err)
			}
		}
		r := k.expect(t, id, approvals.StateApproved)
		if counted != required || len(r.ApprovedBy()) != required {
			t.Errorf("%d votes counted by %d people, want %d", counted, len(r.ApprovedBy()), required)
		}
		k.work(t)
		if k.expect(t, id, approvals.StateApplied); !slices.Equal(k.refunded, []int{150}) {
			t.Errorf("refunded %v, want 150 once", k.refunded)
		}
	})
}

func TestStagesAreAskedOneAfterAnother(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), stages(
		approvals.StageRule{Name: "managers", Required: 2, Roles: []string{"manager"}},
		approvals.StageRule{Name: "owner", Roles: []string{"owner"}},
	))
	id := k.ask(t, 150).ID
	_, err := k.decide(t, marco, id, approvals.Approve)
	must(t, err)
	k.advance(time.Hour)
	_, err = k.decide(t, maria, id, approvals.Approve)
	must(t, err)
	r := k.expect(t, id, approvals.StateAwaitingApproval)
	if r.OpenStage() != 1 || r.Stages[0].Status != approvals.StageApproved || !r.Stages[1].OpenedAt.Equal(k.now()) || r.Stages[0].OpenedAt.Equal(k.now()) {
		t.Fatalf("stages %+v", r.Stages)
	}
	if _, err := k.decide(t, marco, id, approvals.Approve); !errors.Is(err, approvals.ErrNotEligible) {
		t.Errorf("a manager in the owner's stage got %v", err)
	}
	_, err = k.decide(t, olivia, id, approvals.Approve)
	must(t, err)
	r = k.expect(t, id, approvals.StateApproved)
	var who []string
	for _, a := range r.ApprovedBy() {
		who = append(who, a.ID)
	}
	if !slices.Equal(who, []string{"marco", "maria", "olivia"}) {
		t.Errorf("approved by %v", who)
	}
}

func TestOneDeclineRejects(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), stages(approvals.StageRule{Name: "s", Required: 3}))
	id := k.ask(t, 150).ID
	_, err := k.decide(t, marco, id, approvals.Approve)
	must(t, err)
	_, err = k.decide(t, marco, id, approvals.Decline) // on second thoughts
	must(t, err)
	if r := k.expect(t, id, approvals.StateRejected); r.Stages[0].Status != approvals.StageDeclined {
		t.Errorf("stage %+v", r.Stages[0])
	}
	k.work(t)
	if len(k.refunded) != 0 {
		t.Errorf("refunded %v", k.refunded)
	}
}

func TestCommentIsNoApproval(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	id := k.ask(t, 150).ID
	for _, who := range []audit.Actor{marco, marco, sam} {
		_, err := k.decide(t, who, id, approvals.Comment)
		must(t, err)
	}
	r, h, err := k.service.Get(t.Context(), acme, id)
	must(t, err)
	if r.State != approvals.StateAwaitingApproval || len(r.ApprovedBy()) != 0 || len(h.Decisions) != 3 {
		t.Errorf("state %s, approved by %v, %d decisions", r.State, r.ApprovedBy(), len(h.Decisions))
	}
	_, err = k.decide(t, marco, id, approvals.Approve)
	must(t, err)
}

func TestRequiredCommentIsConfigurable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		required []approvals.Trigger
		choice   approvals.Trigger
		ok       bool
	}{
		{"by default an approval needs none", nil, approvals.Approve, true},
		{"by default a decline needs one", nil, approvals.Decline, false},
		{"by default requested changes need one", nil, approvals.RequestChanges, false},
		{"a policy may ask for one with approvals", []approvals.Trigger{approvals.Approve}, approvals.Approve, false},
		{"a policy may ask for none", []approvals.Trigger{}, approvals.Decline, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, eachtest.Memory(t), options{config: approvals.Config{
				Policies: map[string]approvals.Policy{"": {CommentRequired: c.required}},
			}})
			id := k.ask(t, 150).ID
			_, err := k.service.Decide(as(t.Context(), marco), acme, id, approvals.Choice{Decision: c.choice, Revision: 1})
			if c.ok != (err == nil) || !c.ok && !errors.Is(err, storage.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDecisionUnderOneIDIsMadeOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), stages(approvals.StageRule{Name: "s", Required: 2}))
	id := k.ask(t, 150).ID
	choice := approvals.Choice{Decision: approvals.Comment, Comment: "hm", Revision: 1, ID: "d-1"}
	for range 2 {
		_, err := k.service.Decide(as(t.Context(), marco), acme, id, choice)
		must(t, err)
	}
	if _, h, err := k.service.Get(t.Context(), acme, id); err != nil || len(h.Decisions) != 1 {
		t.Errorf("%d decisions, %v", len(h.Decisions), err)
	}
}

func TestIDOfSomebodyElsesDecisionSwallowsNoVote(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), stages(approvals.StageRule{Name: "s", Required: 2}))
	id := k.ask(t, 150).ID
	choice := approvals.Choice{ID: "d-1", Decision: approvals.Approve, Revision: 1}
	_, err := k.service.Decide(as(t.Context(), marco), acme, id, choice)
	must(t, err)
	for _, who := range []audit.Actor{maria, nina} {
		if _, err := k.service.Decide(as(t.Context(), who), acme, id, choice); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("%s under the ID of marco's decision: got %v, want a conflict", who.ID, err)
		}
	}
}

func TestRevisionVoidsDecisions(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, stages(approvals.StageRule{Name: "s", Required: 2}))
		id := k.ask(t, 150).ID
		_, err := k.decide(t, marco, id, approvals.Approve)
		must(t, err)
		k.advance(time.Hour)
		r, err := k.service.Revise(as(t.Context(), sam), acme, id, 1, approvals.Content{Payload: []byte(`{"amount":160}`), BaseRevision: "1", Reason: "more"})
		must(t, err)
		if r.Revision != 2 || len(r.ApprovedBy()) != 0 || r.State != approvals.StateAwaitingApproval {
			t.Fatalf("after the revision: %+v", r)
		}
		if !r.TimeoutAt.Equal(k.now().Add(approvals.DefaultTimeout)) {
			t.Errorf("the timeout %v does not begin anew at %v", r.TimeoutAt, k.now())
		}
		var stale *approvals.StaleRevisionError
		_, err = k.service.Decide(as(t.Context(), olivia), acme, id, approvals.Choice{Decision: approvals.Approve, Revision: 1})
		if !errors.As(err, &stale) || stale.Current != 2 {
			t.Errorf("a decision on revision 1 got %v", err)
		}
		for _, who := range []audit.Actor{olivia, marco} {
			k.expect(t, id, approvals.StateAwaitingApproval)
			_, err := k.decide(t, who, id, approvals.Approve)
			must(t, err)
		}
		k.work(t)
		if k.expect(t, id, approvals.StateApplied); !slices.Equal(k.refunded, []int{160}) {
			t.Errorf("refunded %v, want the revised 160", k.refunded)
		}
		_, h, err := k.service.Get(t.Context(), acme, id)
		must(t, err)
		if len(h.Revisions) != 2 || len(h.Decisions) != 3 || h.Decisions[0].Revision != 1 || h.Revisions[0].ContentHash == h.Revisions[1].ContentHash {
			t.Errorf("history %+v", h)
		}
	})
}

func TestEditorsMayNotDecide(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	id := k.ask(t, 150).ID
	content := approvals.Content{Payload: []byte(`{"amount":140}`), BaseRevision: "1"}
	if _, err := k.service.Revise(as(t.Context(), bob), acme, id, 1, content); !errors.Is(err, approvals.ErrNotEligible) {
		t.Errorf("a stranger's revision got %v", err)
	}
	_, err := k.service.Revise(as(t.Context(), marco), acme, id, 1, content)
	must(t, err)
	if _, err := k.decide(t, marco, id, approvals.Approve); !errors.Is(err, approvals.ErrNotEligible) {
		t.Errorf("the editor's approval got %v", err)
	}
	if _, err := k.decide(t, sam, id, approvals.Approve); !errors.Is(err, approvals.ErrNotEligible) {
		t.Errorf("the requester's approval of the edit got %v", err)
	}
	_, err = k.decide(t, maria, id, approvals.Approve)
	must(t, err)
	k.work(t)
	k.expect(t, id, approvals.StateApplied)
	if e := k.log.find("orders.refund", audit.Success)[0]; e.OnBehalfOf.ID != "sam" {
		t.Errorf("applied on behalf of %v, want the requester", e.OnBehalfOf)
	}
}

func TestContentThatMeansTheSameKeepsDecisions(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), stages(approvals.StageRule{Name: "s", Required: 2}))
	id := k.ask(t, 150).ID
	_, err := k.decide(t, marco, id, approvals.Approve)
	must(t, err)
	r, err := k.service.Revise(as(t.Context(), sam), acme, id, 1, approvals.Content{Payload: []byte(` { "amount" : 1.5e2 } `), BaseRevision: "1"})
	must(t, err)
	if r.Revision != 1 || len(r.ApprovedBy()) != 1 {
		t.Errorf("revision %d, approved by %v", r.Revision, r.ApprovedBy())
	}
}

func TestRevisionIsCheckedWhileItCanBeMended(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, payload string }{
		{"not JSON", `{`},
		{"a key twice", `{"amount":1,"amount":150}`},
		{"a key in another case", `{"Amount":150}`},
		{"a key the action does not know", `{"amount":150,"to":"me"}`},
		{"a wrong type", `{"amount":"150"}`},
		{"a number no reader keeps", `{"amount":9007199254740993}`},
		{"nothing where something is needed", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, eachtest.Memory(t), options{})
			id := k.ask(t, 150).ID
			_, err := k.service.Revise(as(t.Context(), sam), acme, id, 1, approvals.Content{Payload: []byte(c.payload), BaseRevision: "1"})
			if !errors.Is(err, storage.ErrInvalid) {
				t.Errorf("got %v, want an InvalidError", err)
			}
			if r := k.get(t, id); r.Revision != 1 {
				t.Errorf("revision %d", r.Revision)
			}
		})
	}
}

func TestResubmittedRequestKeepsItsApprovals(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), stages(approvals.StageRule{Name: "s", Required: 2}))
	id := k.ask(t, 150).ID
	_, err := k.decide(t, maria, id, approvals.Approve)
	must(t, err)
	_, err = k.decide(t, marco, id, approvals.RequestChanges)
	must(t, err)
	if _, err := k.service.Resubmit(as(t.Context(), marco), acme, id, ""); !errors.Is(err, approvals.ErrNotEligible) {
		t.Errorf("an approver's resubmission got %v", err)
	}
	_, err = k.service.Resubmit(as(t.Context(), sam), acme, id, "it is right as it is")
	must(t, err)
	_, err = k.decide(t, marco, id, approvals.Approve)
	must(t, err)
	k.expect(t, id, approvals.StateApproved)
}

func TestRolesOfThePolicyMayCancel(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{config: approvals.Config{
		Policies: map[string]approvals.Policy{"": {CancelRoles: []string{"owner"}}},
	}})
	id := k.ask(t, 150).ID
	if _, err := k.service.Cancel(as(t.Context(), marco), acme, id, ""); !errors.Is(err, approvals.ErrNotEligible) {
		t.Errorf("a manager's cancellation got %v", err)
	}
	_, err := k.service.Cancel(as(t.Context(), olivia), acme, id, "not now")
	must(t, err)
}

func TestOtherTenantsFindNothing(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, options{})
		id := k.ask(t, 150).ID
		ctx := as(t.Context(), sam)
		for name, err := range map[string]error{
			"Get":       third(k.service.Get(ctx, "bloom", id)),
			"Decide":    second(k.service.Decide(ctx, "bloom", id, approvals.Choice{Decision: approvals.Approve, Revision: 1})),
			"Cancel":    second(k.service.Cancel(ctx, "bloom", id, "")),
			"Submit":    second(k.service.Submit(ctx, "bloom", id)),
			"Resubmit":  second(k.service.Resubmit(ctx, "bloom", id, "")),
			"Rerequest": second(k.service.Rerequest(ctx, "bloom", id)),
			"Revise":    second(k.service.Revise(ctx, "bloom", id, 1, approvals.Content{})),
			"Apply":     second(k.service.Apply(ctx, "bloom", id)),
		} {
			if !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s in another tenant got %v, want ErrNotFound", name, err)
			}
		}
		page, err := k.service.List(ctx, "bloom", approvals.Query{})
		must(t, err)
		counts, err := k.service.Counts(ctx, "bloom")
		must(t, err)
		entries, err := k.service.Timeline(ctx, "bloom", k.get(t, id).Trace.TraceID)
		must(t, err)
		if len(page.Items) != 0 || counts[approvals.TabPending] != 0 || len(entries) != 0 {
			t.Errorf("another tenant sees %v %v %v", page.Items, counts, entries)
		}
		k.expect(t, id, approvals.StateAwaitingApproval)
	})
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

func TestNobodyCannotDecide(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	id := k.ask(t, 150).ID
	if _, err := k.service.Decide(t.Context(), acme, id, approvals.Choice{Decision: approvals.Approve, Revision: 1}); !errors.Is(err, audit.ErrNoActor) {
		t.Errorf("got %v, want ErrNoActor", err)
	}
}
