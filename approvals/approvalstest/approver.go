package approvalstest

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// ApproverOptions says how to get at the approver under test.
type ApproverOptions struct {
	// New returns a fresh approver. Required.
	New func(t *testing.T) approvals.Approver
	// Ask are stages to ask it about, at least one. Required.
	Ask []approvals.StageOpen
}

// RunApprover tests an approvals.Approver. Every rule is a subtest named by its id; when
// one fails, what the rule is for is printed with it.
func RunApprover(t *testing.T, o ApproverOptions) {
	t.Helper()
	if o.New == nil || len(o.Ask) == 0 {
		t.Fatal("approvalstest: ApproverOptions.New and Ask are required")
	}
	for _, r := range approverRules {
		t.Run(r.id+" "+r.name, func(t *testing.T) {
			for _, s := range o.Ask {
				r.check(t, o.New(t), s)
			}
		})
	}
}

type approverRule struct {
	id, name, explanation string
	run                   func(t testing.TB, a approvals.Approver, s approvals.StageOpen)
}

var approverRules = []approverRule{
	{"AP-001", "an answer is a word of a decision or none",
		"The answer is recorded as the decision it names; the zero Answer is pending.", answersAWord},
	{"AP-002", "asked again, it says the same",
		"The job that asks runs at least once. An approver that changes its mind in between decides by accident.", answersTheSame},
	{"AP-003", "an unwelcome answer says why",
		"Declining and requesting changes need a comment by default: the author has to do something about it.", saysWhy},
	{"AP-004", "a ctx that is done ends the question",
		"A worker that closes waits for its jobs. Whoever asks the world passes ctx on.", endsWithCtx},
	{"AP-005", "the request is left as it is",
		"What the approver is handed is shown to others too.", leavesTheRequest},
}

// check runs the rule and explains it where it fails.
func (r approverRule) check(t testing.TB, a approvals.Approver, s approvals.StageOpen) {
	t.Helper()
	about(r.id, r.name, r.explanation).Check(t, ruletest.StorePatience, func(context.Context) { r.run(t, a, s) })
}

func answer(t testing.TB, a approvals.Approver, s approvals.StageOpen) approvals.Answer {
	t.Helper()
	got, err := a.Ask(t.Context(), s)
	if err != nil {
		t.Fatalf("asking got %v", err)
	}
	return got
}

func answersAWord(t testing.TB, a approvals.Approver, s approvals.StageOpen) {
	switch got := answer(t, a, s); got.Decision {
	case "", approvals.Approve, approvals.RequestChanges, approvals.Decline, approvals.Comment:
	default:
		t.Errorf("the answer is %q", got.Decision)
	}
}

func answersTheSame(t testing.TB, a approvals.Approver, s approvals.StageOpen) {
	first := answer(t, a, s)
	for range 3 {
		if again := answer(t, a, s); again.Decision != first.Decision {
			t.Errorf("the answer was %q and then %q", first.Decision, again.Decision)
		}
	}
}

func saysWhy(t testing.TB, a approvals.Approver, s approvals.StageOpen) {
	got := answer(t, a, s)
	if (got.Decision == approvals.Decline || got.Decision == approvals.RequestChanges) && got.Comment == "" {
		t.Errorf("%s without a comment", got.Decision)
	}
}

func endsWithCtx(t testing.TB, a approvals.Approver, s approvals.StageOpen) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = a.Ask(ctx, s) // an answer that was ready is as good as an error
	}()
	wait, stop := context.WithTimeout(t.Context(), ruletest.StorePatience/6)
	defer stop()
	select {
	case <-done:
	case <-wait.Done():
		t.Errorf("a question whose ctx was done goes on")
	}
}

func leavesTheRequest(t testing.TB, a approvals.Approver, s approvals.StageOpen) {
	before, err := json.Marshal(s)
	if err != nil {
		t.Fatalf("the stage cannot be written down: %v", err)
	}
	answer(t, a, s)
	after, err := json.Marshal(s)
	if err != nil || string(before) != string(after) {
		t.Errorf("the request was\n%s\nand is\n%s", before, after)
	}
}
