package audittest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A specimen is a sink that is broken in one way.
type specimen struct {
	name string
	// rule is the one that has to catch it.
	rule string
	make func(b *memory.Backend, log *audit.Log) audit.AuditSink
}

// sinkFunc is a function as a sink.
type sinkFunc func(ctx context.Context, events ...audit.Event) error

func (f sinkFunc) Append(ctx context.Context, events ...audit.Event) error { return f(ctx, events...) }

// each changes every event before it is appended.
func each(log *audit.Log, change func(e *audit.Event)) audit.AuditSink {
	return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
		events = slices.Clone(events)
		for i := range events {
			change(&events[i])
		}
		return log.Append(ctx, events...)
	})
}

func cut(s string, n int) string { return s[:min(len(s), n)] }

func zoo() []specimen {
	return []specimen{
		{"forgets everything", "AS-001", func(*memory.Backend, *audit.Log) audit.AuditSink { return audit.Disabled }},
		{"returns before the event is durable", "AS-001", func(_ *memory.Backend, log *audit.Log) audit.AuditSink { return &later{log: log} }},
		{"drops the last event of a batch", "AS-002", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				if len(events) > 1 {
					events = events[:len(events)-1]
				}
				return log.Append(ctx, events...)
			})
		}},
		{"reorders a batch", "AS-002", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				events = slices.Clone(events)
				slices.SortFunc(events, func(a, b audit.Event) int { return strings.Compare(a.ID, b.ID) })
				return log.Append(ctx, events...)
			})
		}},
		{"refuses to append nothing", "AS-003", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				if len(events) == 0 {
					return errors.New("nothing to append")
				}
				return log.Append(ctx, events...)
			})
		}},
		{"accepts a duplicate id", "AS-004", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			n := 0
			return each(log, func(e *audit.Event) {
				n++
				e.Source += fmt.Sprintf("?n=%d", n)
			})
		}},
		{"reports a known event as an error", "AS-004", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				for _, e := range events {
					if known, _ := log.Recorded(ctx, e.Tenant, e.Source, e.ID); known {
						return storage.ErrConflict
					}
				}
				return log.Append(ctx, events...)
			})
		}},
		{"looks for duplicates before the batch only", "AS-005", func(*memory.Backend, *audit.Log) audit.AuditSink { return &list{lookFirst: true} }},
		{"looks first and writes then", "AS-006", func(*memory.Backend, *audit.Log) audit.AuditSink { return &list{lookFirst: true} }},
		{"opens a transaction of its own", "AS-007", func(*memory.Backend, *audit.Log) audit.AuditSink { return &detached{} }},
		{"keeps what a savepoint took back", "AS-009", func(*memory.Backend, *audit.Log) audit.AuditSink { return &list{} }},
		{"publishes while the transaction is open", "AS-008", func(*memory.Backend, *audit.Log) audit.AuditSink { return &list{} }},
		{"falls back to autocommit", "AS-010", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				err := log.Append(ctx, events...)
				if errors.Is(err, storage.ErrTxDone) {
					return log.Append(storage.Detach(ctx), events...)
				}
				return err
			})
		}},
		{"swallows the error of its store", "AS-011", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				if err := log.Append(ctx, events...); errors.Is(err, storage.ErrTxDone) {
					return err
				}
				return nil
			})
		}},
		{"forgets the tenant in its key", "AS-012", func(*memory.Backend, *audit.Log) audit.AuditSink {
			return &list{lookFirst: true, key: func(e audit.Event) string { return e.Source + " " + e.ID }}
		}},
		{"forgets the source in its key", "AS-013", func(*memory.Backend, *audit.Log) audit.AuditSink {
			return &list{lookFirst: true, key: func(e audit.Event) string { return e.Tenant + " " + e.ID }}
		}},
		{"folds the case of ids", "AS-014", func(*memory.Backend, *audit.Log) audit.AuditSink {
			return &list{lookFirst: true, key: func(e audit.Event) string { return e.Tenant + " " + e.Source + " " + strings.ToLower(e.ID) }}
		}},
		{"trims ids", "AS-014", func(*memory.Backend, *audit.Log) audit.AuditSink {
			return &list{lookFirst: true, key: func(e audit.Event) string { return e.Tenant + " " + e.Source + " " + strings.TrimSpace(e.ID) }}
		}},
		{"truncates long texts", "AS-015", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return each(log, func(e *audit.Event) { e.Reason = cut(e.Reason, 1000) })
		}},
		{"loses large payloads", "AS-015", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return each(log, func(e *audit.Event) {
				if len(e.Payload) > 32<<10 {
					e.Payload = nil
				}
			})
		}},
		{"keeps the first approver only", "AS-015", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return each(log, func(e *audit.Event) { e.ApprovedBy = e.ApprovedBy[:min(len(e.ApprovedBy), 1)] })
		}},
		{"keeps the caller's slices", "AS-016", func(*memory.Backend, *audit.Log) audit.AuditSink { return &list{lookFirst: true} }},
		{"changes the events it is given", "AS-017", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				err := log.Append(ctx, events...)
				for i := range events {
					events[i].Actor.Name = ""
				}
				return err
			})
		}},
		{"loses events of concurrent writers", "AS-018", func(*memory.Backend, *audit.Log) audit.AuditSink { return &list{lookFirst: true, racy: true} }},
		{"splits the batches of concurrent writers", "AS-018", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				for _, e := range slices.Backward(events) {
					if err := log.Append(ctx, e); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{"tells of every tenant's events", "AS-019", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return &teller{Log: log, tell: func(ctx context.Context, _, source, id string, truth bool) (bool, error) { return true, nil }}
		}},
		{"knows nothing of its own transaction", "AS-019", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return &teller{Log: log, tell: func(ctx context.Context, tenant, source, id string, _ bool) (bool, error) {
				return log.Recorded(storage.Detach(ctx), tenant, source, id)
			}}
		}},
		{"panics on an event without payload", "AS-020", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return each(log, func(e *audit.Event) { _ = e.Payload[0] })
		}},
		{"writes a batch event by event", "AS-021", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				for _, e := range events {
					if err := log.Append(ctx, e); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{"leaves out what it cannot write", "AS-021", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				var errs []error
				for _, e := range events {
					errs = append(errs, log.Append(ctx, e))
				}
				return errors.Join(errs...)
			})
		}},
		{"remembers what it did not hold", "AS-022", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			unknown := map[string]bool{}
			return &teller{Log: log, tell: func(_ context.Context, tenant, source, id string, truth bool) (bool, error) {
				key := tenant + " " + source + " " + id
				if !truth {
					unknown[key] = true
				}
				return !unknown[key], nil
			}}
		}},
		{"leaves out what it cannot record", "AS-023", func(_ *memory.Backend, log *audit.Log) audit.AuditSink {
			return sinkFunc(func(ctx context.Context, events ...audit.Event) error {
				return log.Append(ctx, slices.DeleteFunc(slices.Clone(events), func(e audit.Event) bool {
					_, err := audit.NewRecord(e)
					return err != nil
				})...)
			})
		}},
		{"replaces what it knows", "AS-024", func(*memory.Backend, *audit.Log) audit.AuditSink { return &list{replaces: true} }},
	}
}

// later writes when somebody else appends.
type later struct {
	log     *audit.Log
	waiting []audit.Event
}

func (l *later) Append(ctx context.Context, events ...audit.Event) error {
	err := l.log.Append(ctx, l.waiting...)
	l.waiting = events
	return err
}

// detached leaves the transaction of ctx.
type detached struct{ kept []audit.Event }

func (d *detached) Append(_ context.Context, events ...audit.Event) error {
	// To another database, as it were: in this one it would wait for the transaction it
	// left.
	d.kept = append(d.kept, events...)
	return nil
}

func (d *detached) all(tenant string) []audit.Event { return of(d.kept, tenant) }

// A list keeps events in a slice, with the mistakes that are set.
type list struct {
	mu     sync.Mutex
	events []audit.Event
	// lookFirst skips what was there before the call. Otherwise known events are
	// skipped while the list is held.
	lookFirst bool
	// replaces puts an event in the place of one that has its key.
	replaces bool
	// racy lets go of the list between reading and writing it.
	racy bool
	key  func(e audit.Event) string
}

func (l *list) Append(ctx context.Context, events ...audit.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	key := l.key
	if key == nil {
		key = func(e audit.Event) string { return e.Tenant + " " + e.Source + " " + e.ID }
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.events
	for _, e := range events {
		known := l.events
		if l.lookFirst {
			known = before
		}
		at := slices.IndexFunc(known, func(k audit.Event) bool { return key(k) == key(e) })
		if at >= 0 && l.replaces {
			l.events[at] = e
		}
		if at < 0 {
			if l.lookFirst || l.racy {
				l.yield()
			}
			if l.racy {
				l.events = append(slices.Clip(before), e)
				continue
			}
			l.events = append(l.events, e)
		}
	}
	return nil
}

// yield lets other writers in.
func (l *list) yield() {
	l.mu.Unlock()
	for range 10 {
		runtime.Gosched()
	}
	l.mu.Lock()
}

func (l *list) all(tenant string) []audit.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return of(l.events, tenant)
}

func of(events []audit.Event, tenant string) []audit.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e audit.Event) bool { return e.Tenant != tenant })
}

// A teller lies about what it holds.
type teller struct {
	*audit.Log
	tell func(ctx context.Context, tenant, source, id string, truth bool) (bool, error)
}

func (l *teller) Recorded(ctx context.Context, tenant, source, id string) (bool, error) {
	truth, err := l.Log.Recorded(ctx, tenant, source, id)
	if err != nil {
		return false, err
	}
	return l.tell(ctx, tenant, source, id, truth)
}

// try runs one rule and returns what failed.
func try(t *testing.T, r rule, h Harness) []string {
	t.Helper()
	return ruletest.Try(t.Context(), func(t testing.TB) { r.check(t, h) })
}

func harness(t *testing.T, make func(b *memory.Backend, log *audit.Log) audit.AuditSink) Harness {
	t.Helper()
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	h := Harness{Tx: b, Sink: make(b, log)}
	h.Events = func(ctx context.Context, tenant string) ([]audit.Event, error) {
		if sink, ok := h.Sink.(interface{ all(string) []audit.Event }); ok {
			return sink.all(tenant), nil
		}
		page, err := log.Query(ctx, tenant, audit.Query{Limit: storage.MaxLimit})
		return page.Items, err
	}
	return h
}

// TestEachBrokenSinkIsCaughtByItsRule proves the suite: a rule that catches nothing
// protects nobody.
func TestEachBrokenSinkIsCaughtByItsRule(t *testing.T) {
	catches := map[string]bool{}
	for _, s := range zoo() {
		t.Run(s.name, func(t *testing.T) {
			for _, r := range rules() {
				if r.id != s.rule {
					continue
				}
				catches[r.id] = true
				// Some break only where writers meet.
				failures := ruletest.Find(t.Context(), func(w testing.TB) { r.check(w, harness(t, s.make)) })
				if len(failures) == 0 {
					t.Errorf("%s does not catch a sink that %s", r.id, s.name)
				}
			}
		})
	}
	for _, r := range rules() {
		if !catches[r.id] {
			t.Errorf("no specimen proves %s", r.id)
		}
		h := harness(t, func(_ *memory.Backend, log *audit.Log) audit.AuditSink { return log })
		if messages := try(t, r, h); len(messages) > 0 {
			t.Errorf("%s catches a sink that is right: %q", r.id, messages)
		}
	}
}

func TestRulesExplainThemselves(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rules() {
		if seen[r.id] || r.name == "" || r.explanation == "" {
			t.Errorf("rule %q is not told apart, named and explained", r.id)
		}
		seen[r.id] = true
	}
}
