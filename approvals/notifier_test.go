package approvals_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// A mailbox keeps what requesters were told. It is full for the first notices, as many
// as full says.
type mailbox struct {
	mu    sync.Mutex
	full  int
	tried []string
	got   []string
}

func (m *mailbox) Notify(_ context.Context, n approvals.Notice) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := fmt.Sprintf("%s %d", n.Request.ID, n.Step.Seq)
	m.tried = append(m.tried, key)
	if len(m.tried) <= m.full {
		return errors.New("the mailbox is full")
	}
	told := fmt.Sprintf("%s: %s is %s by %s", n.Request.Requester.ID, n.Request.Action, n.Step.Verb, n.Step.Actor.ID)
	if n.Request.Failure != nil {
		told += " (" + n.Request.Failure.Code + ")"
	}
	m.got = append(m.got, told)
	return nil
}

func (m *mailbox) expect(t *testing.T, want ...string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.got, want) {
		t.Errorf("told %q, want %q", m.got, want)
	}
}

func TestTheRequesterIsToldHowTheRequestEnded(t *testing.T) {
	for _, c := range []struct {
		name, want string
		end        func(t *testing.T, k *kit, id string)
	}{
		{"applied", "sam: orders.refund is applied by approvals", func(t *testing.T, k *kit, id string) {
			_, err := k.decide(t, marco, id, approvals.Approve)
			must(t, err)
		}},
		{"failed", "sam: orders.refund is failed by approvals (conflict)", func(t *testing.T, k *kit, id string) {
			k.fail = func(int) error { return storage.ErrConflict }
			_, err := k.decide(t, marco, id, approvals.Approve)
			must(t, err)
		}},
		{"rejected", "sam: orders.refund is rejected by marco", func(t *testing.T, k *kit, id string) {
			_, err := k.decide(t, marco, id, approvals.Decline)
			must(t, err)
		}},
		{"expired", "sam: orders.refund is expired by approvals", func(t *testing.T, k *kit, _ string) {
			k.advance(approvals.DefaultTimeout)
		}},
		{"cancelled", "sam: orders.refund is cancelled by sam", func(t *testing.T, k *kit, id string) {
			_, err := k.service.Cancel(as(t.Context(), sam), acme, id, "a mistake")
			must(t, err)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
				box := &mailbox{}
				k := newKit(t, b, options{config: approvals.Config{Notifier: box}})
				id := k.ask(t, 150).ID
				k.work(t)
				box.expect(t) // nothing has ended
				c.end(t, k, id)
				k.work(t)
				box.expect(t, c.want)
			})
		})
	}
}

func TestANoticeIsRepeatedUntilItArrives(t *testing.T) {
	t.Parallel()
	box := &mailbox{full: 2}
	k := newKit(t, eachtest.Memory(t), options{config: approvals.Config{Notifier: box}})
	id := k.approved(t)
	k.work(t)
	for range 3 {
		k.expect(t, id, approvals.StateApplied)
		k.advance(time.Minute)
		k.work(t)
	}
	box.expect(t, "sam: orders.refund is applied by approvals")
	if len(box.tried) != 3 || len(slices.Compact(slices.Clone(box.tried))) != 1 || !strings.HasPrefix(box.tried[0], id) {
		t.Errorf("tried %q, want the same notice three times", box.tried)
	}
	if !slices.Equal(k.refunded, []int{150}) {
		t.Errorf("refunded %v, want 150 once: a notice repeats nothing but itself", k.refunded)
	}
}

func TestAnEndThatIsRolledBackIsToldToNobody(t *testing.T) {
	t.Parallel()
	box := &mailbox{}
	b := eachtest.Memory(t)
	k := newKit(t, b, options{config: approvals.Config{Notifier: box}})
	id := k.ask(t, 150).ID
	undo := errors.New("undo")
	err := b.InTx(as(t.Context(), marco), func(ctx context.Context) error {
		if _, err := k.service.Decide(ctx, acme, id, approvals.Choice{Decision: approvals.Decline, Revision: 1, Comment: "no"}); err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	k.work(t)
	box.expect(t)
}

func TestWithoutANotifierNoNoticeIsEnqueued(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), options{})
	id := k.ask(t, 150).ID
	_, err := k.decide(t, marco, id, approvals.Decline)
	must(t, err)
	if slices.ContainsFunc(k.queue.jobs, func(j jobs.Job) bool { return j.Kind == "approvals.notify" }) {
		t.Error("a notice waits that nobody will send")
	}
}
