package approvals_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// The people of the model, by the stages that ask them: managers first, two of them,
// and then one owner.
var asks = map[string][]bool{
	"author": {true, true}, "ann": {true, false}, "bob": {true, false}, "cid": {true, true}, "dot": {false, true}, "stranger": {false, false},
}

var required = []int{2, 1}

const patienceOfModel = time.Hour

// A model says what a request does, as simply as it can be said. A mutant is one that
// says something else at one point.
type model struct {
	mutant string

	state    approvals.State
	revision int
	authors  map[string]bool
	votes    []map[string]approvals.Trigger // by stage, of the current revision
	left     time.Duration                  // until the timeout
	applied  int
}

func newModel(mutant string) *model {
	m := &model{mutant: mutant, authors: map[string]bool{"author": true}, state: approvals.StateAwaitingApproval}
	m.ask()
	return m
}

func (m *model) is(mutant string) bool { return m.mutant == mutant }

// ask begins a revision.
func (m *model) ask() {
	m.revision++
	if !m.is("keeps votes after an edit") || m.votes == nil {
		m.votes = []map[string]approvals.Trigger{{}, {}}
	}
	if !m.is("does not begin the time anew") || m.revision == 1 {
		m.left = patienceOfModel
	}
	m.state = approvals.StateAwaitingApproval
}

// stage returns the first that lacks approvals, -1 where none does.
func (m *model) stage() int {
	for i, votes := range m.votes {
		need := required[i]
		if m.is("takes one approval for two") {
			need = 1
		}
		n := 0
		for _, v := range votes {
			if v == approvals.Approve {
				n++
			}
		}
		if n < need {
			return i
		}
		if m.is("skips the second stage") {
			return -1
		}
	}
	return -1
}

// The outcomes of an operation.
const (
	fine        = "fine"
	notEligible = "not eligible"
	conflict    = "conflict"
)

func (m *model) undecided() bool { return m.state.Undecided() }

func (m *model) concerns(who string) bool { return asks[who][0] || asks[who][1] }

func (m *model) overdue() bool {
	return m.undecided() && m.left <= 0 && !m.is("lets late timers extend the time")
}

func (m *model) decide(who string, choice approvals.Trigger, revision int) string {
	author := m.authors[who] && !m.is("lets authors decide")
	if m.is("lets editors decide") && who != "author" {
		author = false
	}
	comment := choice == approvals.Comment
	switch {
	case m.authors[who] && comment:
	case author:
		return notEligible
	case m.undecided() && !comment && !asks[who][m.stage()] && !m.is("lets strangers decide"):
		return notEligible
	case (!m.undecided() || comment) && !m.concerns(who):
		return notEligible
	}
	if m.state != approvals.StateAwaitingApproval && !(comment && m.state == approvals.StateChangesRequested) {
		return conflict
	}
	if revision != m.revision && !m.is("takes decisions on another revision") || m.overdue() {
		return conflict
	}
	if comment {
		if m.is("takes a comment for an approval") {
			return m.vote(who, approvals.Approve)
		}
		return fine
	}
	return m.vote(who, choice)
}

func (m *model) vote(who string, choice approvals.Trigger) string {
	votes := m.votes[m.stage()]
	switch choice {
	case approvals.Approve:
		if votes[who] == approvals.Approve {
			if !m.is("counts a person twice") {
				return conflict
			}
			who += " again"
		}
		votes[who] = approvals.Approve
		if m.stage() < 0 {
			m.state = approvals.StateApproved
		}
	case approvals.RequestChanges:
		if !m.is("lets an approval stand beside requested changes") {
			votes[who] = choice
		}
		m.state = approvals.StateChangesRequested
	case approvals.Decline:
		if !m.is("ignores a decline") {
			m.state = approvals.StateRejected
		}
	}
	return fine
}

func (m *model) revise(who string) string {
	switch {
	case !m.authors[who] && !m.concerns(who):
		return notEligible
	case !m.undecided() && m.state != approvals.StateApproved || m.overdue():
		return conflict
	}
	m.authors[who] = true
	m.ask()
	return fine
}

func (m *model) resubmit(who string) string {
	switch {
	case !m.authors[who]:
		return notEligible
	case m.state != approvals.StateChangesRequested || m.overdue():
		return conflict
	}
	m.state = approvals.StateAwaitingApproval
	if m.is("voids votes when resubmitted") {
		m.votes = []map[string]approvals.Trigger{{}, {}}
	}
	return fine
}

func (m *model) cancel(who string) string {
	switch {
	case !m.authors[who] && !m.is("lets anybody cancel"):
		return notEligible
	case !m.undecided() && (m.state != approvals.StateApproved || m.is("cannot cancel what is approved")):
		return conflict
	}
	m.state = approvals.StateCancelled
	return fine
}

func (m *model) apply() string {
	if m.is("applies twice") && m.state == approvals.StateApplied {
		m.applied++
	}
	if m.state != approvals.StateApproved && !(m.is("applies what is undecided") && m.undecided()) {
		return conflict
	}
	m.state = approvals.StateApplied
	m.applied++
	return fine
}

func (m *model) pass(d time.Duration) {
	m.left -= d
}

func (m *model) expire() string {
	if m.undecided() && m.left <= 0 && !m.is("ignores the timeout") {
		m.state = approvals.StateExpired
	}
	return fine
}

var mutants = []string{
	"keeps votes after an edit", "does not begin the time anew", "takes one approval for two", "skips the second stage",
	"lets authors decide", "lets editors decide", "lets strangers decide", "takes decisions on another revision",
	"takes a comment for an approval", "counts a person twice", "lets an approval stand beside requested changes",
	"ignores a decline", "voids votes when resubmitted", "lets anybody cancel", "cannot cancel what is approved",
	"applies twice", "applies what is undecided", "ignores the timeout", "lets late timers extend the time",
}

// An event is one thing that somebody does.
type event struct {
	Op     string
	Who    string
	Choice approvals.Trigger
	Stale  bool
	Pass   time.Duration
}

func events() *rapid.Generator[[]event] {
	people := slices.Sorted(maps.Keys(asks))
	one := rapid.Custom(func(t *rapid.T) event {
		return event{
			// Decisions come often, so that requests get far.
			Op:     rapid.SampledFrom([]string{"decide", "decide", "decide", "decide", "revise", "resubmit", "cancel", "apply", "pass", "expire"}).Draw(t, "op"),
			Who:    rapid.SampledFrom(people).Draw(t, "who"),
			Choice: rapid.SampledFrom([]approvals.Trigger{approvals.Approve, approvals.Approve, approvals.Approve, approvals.Comment, approvals.RequestChanges, approvals.Decline}).Draw(t, "choice"),
			Stale:  rapid.IntRange(0, 9).Draw(t, "stale") == 0,
			Pass:   rapid.SampledFrom([]time.Duration{time.Minute, 40 * time.Minute, patienceOfModel}).Draw(t, "pass"),
		}
	})
	return rapid.SliceOfN(one, 1, 25)
}

// replay does the events to a Service and to a model and returns where they differ.
func replay(t *testing.T, b eachtest.Backend, es []event, m *model) error {
	k := newKit(t, b, modelOptions())
	_, err := k.refund.Do(as(t.Context(), audit.Actor{Type: audit.User, ID: "author"}), order(1000))
	var pending *approvals.PendingError
	if !errors.As(err, &pending) {
		return err
	}
	id := pending.RequestID
	defer func() { // so that the next replay finds the way free
		_, _ = k.service.Cancel(as(t.Context(), audit.Actor{Type: audit.User, ID: "author"}), acme, id, "")
	}()
	amount := 1000
	for i, e := range es {
		ctx := as(t.Context(), audit.Actor{Type: audit.User, ID: e.Who})
		var want string
		switch e.Op {
		case "decide":
			revision := m.revision
			if e.Stale {
				revision++
			}
			_, err = k.service.Decide(ctx, acme, id, approvals.Choice{Decision: e.Choice, Revision: revision, Comment: "because"})
			want = m.decide(e.Who, e.Choice, revision)
		case "revise":
			amount++
			_, err = k.service.Revise(ctx, acme, id, m.revision, approvals.Content{Payload: fmt.Appendf(nil, `{"amount":%d}`, amount), BaseRevision: "1"})
			want = m.revise(e.Who)
		case "resubmit":
			_, err = k.service.Resubmit(ctx, acme, id, "")
			want = m.resubmit(e.Who)
		case "cancel":
			_, err = k.service.Cancel(ctx, acme, id, "")
			want = m.cancel(e.Who)
		case "apply":
			_, err = k.service.Apply(ctx, acme, id)
			want = m.apply()
		case "pass":
			k.advance(e.Pass)
			m.pass(e.Pass)
			err, want = nil, fine
		case "expire":
			_, err = k.service.Expire(ctx, acme, id)
			want = m.expire()
		}
		r := k.get(t, id)
		got := fmt.Sprintf("%s, then %s at revision %d with %d applied", outcome(err), r.State, r.Revision, len(k.refunded))
		wanted := fmt.Sprintf("%s, then %s at revision %d with %d applied", want, m.state, m.revision, m.applied)
		if got != wanted {
			return fmt.Errorf("after %d events, %+v: got %s (%v), want %s", i, e, got, err, wanted)
		}
	}
	return nil
}

func modelOptions() options {
	o := stages(approvals.StageRule{Name: "managers", Required: required[0], Roles: []string{"0"}}, approvals.StageRule{Name: "owner", Required: required[1], Roles: []string{"1"}})
	p := o.config.Policies[""]
	p.Timeout = patienceOfModel
	o.config.Policies[""] = p
	o.directory = approvals.DirectoryFunc(func(_ context.Context, _ string, a audit.Actor) (all []string, _ error) {
		for i, ok := range asks[a.ID] {
			if ok {
				all = append(all, fmt.Sprint(i))
			}
		}
		return all, nil
	})
	return o
}

func outcome(err error) string {
	switch {
	case err == nil:
		return fine
	case errors.Is(err, approvals.ErrNotEligible):
		return notEligible
	case errors.Is(err, storage.ErrConflict):
		return conflict
	}
	return err.Error()
}

// stories are sequences that chance takes long to find.
var stories = [][]event{
	{ // somebody approves, wants changes after all, and does not get them
		{Op: "decide", Who: "ann", Choice: approvals.Approve},
		{Op: "decide", Who: "ann", Choice: approvals.RequestChanges},
		{Op: "resubmit", Who: "author"},
		{Op: "decide", Who: "bob", Choice: approvals.Approve},
		{Op: "decide", Who: "dot", Choice: approvals.Approve},
	},
	{ // somebody else approves before
		{Op: "decide", Who: "ann", Choice: approvals.Approve},
		{Op: "decide", Who: "bob", Choice: approvals.RequestChanges},
		{Op: "resubmit", Who: "author"},
		{Op: "decide", Who: "bob", Choice: approvals.Approve},
		{Op: "decide", Who: "dot", Choice: approvals.Approve},
	},
	{ // it is applied, and once more
		{Op: "decide", Who: "ann", Choice: approvals.Approve},
		{Op: "decide", Who: "bob", Choice: approvals.Approve},
		{Op: "decide", Who: "cid", Choice: approvals.Approve},
		{Op: "apply"},
		{Op: "apply"},
	},
}

func TestServiceDoesWhatTheModelSays(t *testing.T) {
	t.Parallel()
	b := eachtest.Memory(t)
	for _, story := range stories {
		must(t, replay(t, b, story, newModel("")))
	}
	rapid.Check(t, func(rt *rapid.T) {
		if err := replay(t, b, events().Draw(rt, "events"), newModel("")); err != nil {
			rt.Fatal(err)
		}
	})
}

// Each mutant says something wrong. That the Service does not do what it says shows
// that the comparison would have found a Service that does.
func TestModelFindsEveryMutant(t *testing.T) {
	t.Parallel()
	for _, mutant := range mutants {
		t.Run(strings.ReplaceAll(mutant, " ", "_"), func(t *testing.T) {
			t.Parallel()
			b := eachtest.Memory(t)
			generate := events()
			for _, story := range stories {
				if replay(t, b, story, newModel(mutant)) != nil {
					return
				}
			}
			const tries = 3000
			for seed := range tries {
				if replay(t, b, generate.Example(seed), newModel(mutant)) != nil {
					return
				}
			}
			t.Errorf("%d sequences of events do not tell a model that %s", tries, mutant)
		})
	}
}
