package approvalstest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/storage"
)

// crowded runs fn and tells it whether another call that is crowded runs at this time.
func (a *animal) crowded(fn func(crowd bool) error) error {
	a.inside.Add(1)
	defer a.inside.Add(-1)
	crowd := false
	for range 1000 {
		if crowd = a.inside.Load() > 1; crowd {
			break
		}
		runtime.Gosched()
	}
	return fn(crowd)
}

// onConflict has a store do something about writes that were refused.
func onConflict(a *animal, do func(tenant string, w approvals.Write)) {
	a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
		err := a.Store.Save(ctx, tenant, w)
		if errors.Is(err, storage.ErrConflict) {
			a.remember(func() { do(tenant, w) })
		}
		return err
	}
}

// onList has a store list something else.
func onList(a *animal, change func(q approvals.StoreQuery, list []approvals.Request) []approvals.Request) {
	a.list = func(ctx context.Context, tenant string, q approvals.StoreQuery) ([]approvals.Request, error) {
		list, err := a.Store.List(ctx, tenant, q)
		a.remember(func() { list = change(q, list) })
		return list, err
	}
}

// onTrace has a store find other steps.
func onTrace(a *animal, change func(steps []approvals.TracedStep) []approvals.TracedStep) {
	a.trace = func(ctx context.Context, tenant, traceID string) ([]approvals.TracedStep, error) {
		steps, err := a.Store.Trace(ctx, tenant, traceID)
		return change(steps), err
	}
}

var writeZoo = []beast{
	{"makes nothing of a decision that is repeated", "QS-013", func(a *animal) {
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			if h, err := a.Store.History(ctx, tenant, w.Request.ID); err == nil && w.Decision != nil &&
				slices.ContainsFunc(h.Decisions, func(d approvals.Decision) bool { return d.ID == w.Decision.ID }) {
				w.Decision = nil
			}
			return a.Store.Save(ctx, tenant, w)
		}
	}},
	{"saves a request without the decision that it refuses", "QS-013", func(a *animal) {
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			err := a.Store.Save(ctx, tenant, w)
			if errors.Is(err, storage.ErrConflict) && w.Decision != nil {
				w.Decision = nil
				err = errors.Join(err, a.Store.Save(ctx, tenant, w))
			}
			return err
		}
	}},
	{"saves a request without the step, revision or grant that it refuses", "QS-014", func(a *animal) {
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			err := a.Store.Save(ctx, tenant, w)
			if errors.Is(err, storage.ErrConflict) && w.Decision == nil {
				w.Revision, w.Grant, w.Step.Seq = nil, nil, w.Request.Version
				err = errors.Join(err, a.Store.Save(ctx, tenant, w))
			}
			return err
		}
	}},
	{"takes a step, revision or grant that the request has for written", "QS-014", func(a *animal) {
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			err := a.Store.Save(ctx, tenant, w)
			if r, getErr := a.Store.Get(ctx, tenant, w.Request.ID); errors.Is(err, storage.ErrConflict) && getErr == nil &&
				w.Decision == nil && r.Version == w.Request.Version-1 {
				return nil
			}
			return err
		}
	}},
	{"grants the request whose id a grant carries", "QS-015", func(a *animal) {
		granted := map[string]string{}
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			if w.Grant != nil {
				granted[w.Grant.RequestID] = w.Request.ID
			}
			return a.Store.Save(ctx, tenant, w)
		}
		a.consume = func(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
			if request, ok := granted[g.RequestID]; ok {
				g.RequestID = request
			}
			return a.Store.Consume(ctx, tenant, g, at)
		}
	}},
	{"inserts any version of what is not there", "QS-001", func(a *animal) {
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			if _, err := a.Store.Get(ctx, tenant, w.Request.ID); errors.Is(err, storage.ErrNotFound) {
				w.Request.Version = 1
			}
			return a.Store.Save(ctx, tenant, w)
		}
	}},
	{"keeps the grant of a refused write", "QS-002", func(a *animal) {
		refused := map[approvals.Grant]bool{}
		onConflict(a, func(_ string, w approvals.Write) {
			if w.Grant != nil {
				refused[*w.Grant] = true
			}
		})
		a.consume = func(ctx context.Context, tenant string, g approvals.Grant, at time.Time) (err error) {
			if err = a.Store.Consume(ctx, tenant, g, at); err != nil {
				a.remember(func() {
					if refused[g] {
						err = nil
					}
				})
			}
			return err
		}
	}},
	{"keeps the decision of a refused write", "QS-002", func(a *animal) {
		refused := map[string][]approvals.Decision{}
		onConflict(a, func(tenant string, w approvals.Write) {
			if w.Decision != nil {
				refused[tenant+w.Request.ID] = append(refused[tenant+w.Request.ID], *w.Decision)
			}
		})
		a.history = func(ctx context.Context, tenant, id string) (approvals.History, error) {
			h, err := a.Store.History(ctx, tenant, id)
			a.remember(func() { h.Decisions = append(h.Decisions, refused[tenant+id]...) })
			return h, err
		}
	}},
	{"drops what comes after a conflict", "QS-003", func(a *animal) {
		var poisoned atomic.Bool
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			if poisoned.Load() {
				return nil
			}
			err := a.Store.Save(ctx, tenant, w)
			poisoned.Store(err != nil && storage.Detach(ctx) != ctx)
			return err
		}
	}},
	{"writes beside its savepoint", "QS-004", func(a *animal) {
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			if w.Request.ID == id(2) && storage.Detach(ctx) != ctx {
				a.afterwards(func(ctx context.Context) error { return a.Store.Save(ctx, tenant, w) })
				return nil
			}
			return a.Store.Save(ctx, tenant, w)
		}
	}},
	{"writes JSON without its spaces", "QS-005", func(a *animal) {
		onSave(a, func(w *approvals.Write) {
			var b bytes.Buffer
			if json.Compact(&b, w.Request.After) == nil {
				w.Request.After = b.Bytes()
			}
		})
	}},
	{"takes a null for nothing", "QS-005", func(a *animal) {
		onSave(a, func(w *approvals.Write) {
			if string(w.Request.Payload) == "null" {
				w.Request.Payload = nil
			}
		})
	}},
	{"trims reasons", "QS-006", func(a *animal) {
		onSave(a, func(w *approvals.Write) { w.Request.Reason = strings.TrimSpace(w.Request.Reason) })
	}},
	{"folds the case of resources", "QS-006", func(a *animal) {
		onSave(a, func(w *approvals.Write) { w.Request.Resource.ID = strings.ToLower(w.Request.Resource.ID) })
	}},
	{"escapes comments", "QS-006", func(a *animal) {
		onSave(a, func(w *approvals.Write) { w.Step.Comment = strings.ReplaceAll(w.Step.Comment, "<", "&lt;") })
	}},
	{"rounds times", "QS-007", func(a *animal) {
		onSave(a, func(w *approvals.Write) { w.Request.TimeoutAt = w.Request.TimeoutAt.Round(time.Microsecond) })
	}},
	{"answers times in a zone", "QS-007", func(a *animal) {
		onRead(a, func(r *approvals.Request) { r.SubmittedAt = r.SubmittedAt.In(time.FixedZone("", 3600)) })
	}},
	{"believes the tenant that a request says", "QS-008", func(a *animal) {
		said := map[string]string{}
		onSave(a, func(w *approvals.Write) { said[w.Request.ID] = w.Request.Tenant })
		onRead(a, func(r *approvals.Request) { r.Tenant = cmp.Or(said[r.ID], r.Tenant) })
	}},
	{"takes an empty list for none", "QS-009", func(a *animal) {
		onRead(a, func(r *approvals.Request) {
			if len(r.Policy.CommentRequired) == 0 {
				r.Policy.CommentRequired = nil
			}
		})
	}},
	{"does not update the action", "QS-010", func(a *animal) {
		first := map[string]string{}
		onSave(a, func(w *approvals.Write) {
			if w.Request.Version == 1 {
				first[w.Request.ID] = w.Request.Action
			}
			w.Request.Action = cmp.Or(first[w.Request.ID], w.Request.Action)
		})
	}},
	{"cuts a reason", "QS-011", func(a *animal) {
		onSave(a, func(w *approvals.Write) { w.Request.Reason = w.Request.Reason[:min(len(w.Request.Reason), 1<<15)] })
	}},
	{"keeps 255 authors", "QS-011", func(a *animal) {
		onSave(a, func(w *approvals.Write) { w.Request.Authors = w.Request.Authors[:min(len(w.Request.Authors), 255)] })
	}},
	{"keeps the payload of the caller", "QS-012", func(a *animal) {
		given := map[string]json.RawMessage{}
		onSave(a, func(w *approvals.Write) {
			if w.Revision != nil {
				given[w.Request.ID] = w.Revision.Payload
			}
		})
		a.history = func(ctx context.Context, tenant, id string) (approvals.History, error) {
			h, err := a.Store.History(ctx, tenant, id)
			a.remember(func() {
				if len(h.Revisions) == 1 && given[id] != nil {
					h.Revisions[0].Payload = given[id]
				}
			})
			return h, err
		}
	}},
	{"finds drafts by their keys", "QS-020", func(a *animal) {
		drafts := map[string]approvals.Request{}
		onSave(a, func(w *approvals.Write) {
			if w.Request.State == approvals.StateDraft {
				drafts[w.Request.DedupeKey] = w.Request
			}
		})
		a.open = func(ctx context.Context, tenant, key string) (approvals.Request, error) {
			r, err := a.Store.Open(ctx, tenant, key)
			a.remember(func() {
				if draft, ok := drafts[key]; ok && err != nil {
					r, err = draft, nil
				}
			})
			return r, err
		}
	}},
	{"keeps the keys of what failed", "QS-021", func(a *animal) {
		var failed notes[string, bool]
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			if kept, _ := failed.get(w.Request.DedupeKey); kept && w.Request.Version == 1 {
				return storage.ErrConflict
			}
			failed.set(w.Request.DedupeKey, w.Request.State == approvals.StateFailed)
			return a.Store.Save(ctx, tenant, w)
		}
	}},
	{"does not update the key", "QS-022", func(a *animal) {
		first := map[string]string{}
		onSave(a, func(w *approvals.Write) {
			if w.Request.Version == 1 {
				first[w.Request.ID] = w.Request.DedupeKey
			}
			w.Request.DedupeKey = cmp.Or(first[w.Request.ID], w.Request.DedupeKey)
		})
	}},
	{"looks at the keys of new requests only", "QS-023", func(a *animal) {
		onSave(a, func(w *approvals.Write) {
			if w.Request.Version > 1 {
				w.Request.DedupeKey += " again"
			}
		})
	}},
	{"folds the case of keys", "QS-024", func(a *animal) {
		onSave(a, func(w *approvals.Write) { w.Request.DedupeKey = strings.ToLower(w.Request.DedupeKey) })
		a.open = func(ctx context.Context, tenant, key string) (approvals.Request, error) {
			return a.Store.Open(ctx, tenant, strings.ToLower(key))
		}
	}},
	{"looks for the key before it writes", "QS-025", func(a *animal) {
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			return a.crowded(func(crowd bool) error {
				if crowd {
					w.Request.DedupeKey += " " + w.Request.ID
				}
				return a.Store.Save(ctx, tenant, w)
			})
		}
	}},
	{"opens a request as it was submitted", "QS-026", func(a *animal) {
		first := map[string]approvals.Request{}
		onSave(a, func(w *approvals.Write) {
			if w.Request.Version == 1 {
				first[w.Request.DedupeKey] = w.Request
			}
		})
		a.open = func(ctx context.Context, tenant, key string) (approvals.Request, error) {
			r, err := a.Store.Open(ctx, tenant, key)
			a.remember(func() {
				if old, ok := first[key]; ok && err == nil {
					r = old
				}
			})
			return r, err
		}
	}},
	{"locks a request as it first read it", "QS-027", func(a *animal) {
		first := map[string]approvals.Request{}
		a.lock = func(ctx context.Context, tenant, id string) (approvals.Request, error) {
			r, err := a.Store.Lock(ctx, tenant, id)
			a.remember(func() {
				if old, ok := first[tenant+id]; ok {
					r = old
				} else if err == nil {
					first[tenant+id] = r
				}
			})
			return r, err
		}
	}},
	{"locks what is not there", "QS-028", func(a *animal) {
		a.lock = func(ctx context.Context, tenant, id string) (approvals.Request, error) {
			r, err := a.Store.Lock(ctx, tenant, id)
			if errors.Is(err, storage.ErrNotFound) {
				err = nil
			}
			return r, err
		}
	}},
	{"looks at a grant before it marks it", "QS-030", func(a *animal) {
		a.consume = func(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
			return a.crowded(func(crowd bool) error {
				err := a.Store.Consume(ctx, tenant, g, at)
				if crowd && errors.Is(err, storage.ErrConflict) {
					err = nil
				}
				return err
			})
		}
	}},
	{"marks a grant beside its savepoint", "QS-031", func(a *animal) {
		used := map[approvals.Grant]bool{}
		a.consume = func(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
			err := a.Store.Consume(ctx, tenant, g, at)
			a.remember(func() {
				if err == nil && used[g] {
					err = storage.ErrConflict
				}
				used[g] = true
			})
			return err
		}
	}},
	{"has one grant for all revisions of a request", "QS-032", func(a *animal) {
		used := map[string]bool{}
		a.consume = func(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
			err := a.Store.Consume(ctx, tenant, g, at)
			a.remember(func() {
				if err == nil && used[g.RequestID] {
					err = storage.ErrConflict
				}
				used[g.RequestID] = true
			})
			return err
		}
	}},
	{"keeps grants of what was rolled back", "QS-033", func(a *animal) {
		made := map[approvals.Grant]bool{}
		onSave(a, func(w *approvals.Write) {
			if w.Grant != nil {
				made[*w.Grant] = true
			}
		})
		a.consume = func(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
			err := a.Store.Consume(ctx, tenant, g, at)
			a.remember(func() {
				if errors.Is(err, storage.ErrConflict) && made[g] {
					err = nil
				}
				made[g] = false
			})
			return err
		}
	}},
}

var readZoo = []beast{
	{"finds no history of what is not there", "QS-040", func(a *animal) {
		a.history = func(ctx context.Context, tenant, id string) (approvals.History, error) {
			h, err := a.Store.History(ctx, tenant, id)
			if err == nil && len(h.Steps) == 0 {
				err = storage.ErrNotFound
			}
			return h, err
		}
	}},
	{"folds the case of a history's id", "QS-041", func(a *animal) {
		a.history = func(ctx context.Context, tenant, id string) (approvals.History, error) {
			return a.Store.History(ctx, tenant, strings.ToLower(id))
		}
	}},
	{"counts past its transaction", "QS-042", func(a *animal) {
		a.counts = func(ctx context.Context, tenant string) (map[approvals.Tab]int, error) {
			return a.Store.Counts(storage.Detach(ctx), tenant)
		}
	}},
	{"traces past its transaction", "QS-042", func(a *animal) {
		a.trace = func(ctx context.Context, tenant, traceID string) ([]approvals.TracedStep, error) {
			return a.Store.Trace(storage.Detach(ctx), tenant, traceID)
		}
	}},
	{"loses what came into a tab later", "QS-043", func(a *animal) {
		onList(a, func(q approvals.StoreQuery, list []approvals.Request) []approvals.Request {
			if q.Tab == approvals.TabDone {
				list = slices.DeleteFunc(list, func(r approvals.Request) bool { return r.Version > 1 })
			}
			return list
		})
	}},
	{"looks for the request that a page ended with", "QS-044", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q approvals.StoreQuery) ([]approvals.Request, error) {
			if q.After != nil {
				if r, err := a.Store.Get(ctx, tenant, q.After.ID); err != nil || r.State.Tab() != q.Tab {
					q.After = nil
				}
			}
			return a.Store.List(ctx, tenant, q)
		}
	}},
	{"lists requests without their payload", "QS-045", func(a *animal) {
		onList(a, func(_ approvals.StoreQuery, list []approvals.Request) []approvals.Request {
			for i := range list {
				list[i].Payload = nil
			}
			return list
		})
	}},
	{"fails where there is nothing to count", "QS-046", func(a *animal) {
		a.counts = func(ctx context.Context, tenant string) (map[approvals.Tab]int, error) {
			counts, err := a.Store.Counts(ctx, tenant)
			if err == nil && len(counts) == 0 {
				err = storage.ErrNotFound
			}
			return counts, err
		}
	}},
	{"finds a step by its trace and once more by its link", "QS-047", func(a *animal) {
		onTrace(a, func(steps []approvals.TracedStep) (all []approvals.TracedStep) {
			for _, s := range steps {
				if all = append(all, s); s.Step.TraceID == s.Step.LinkID {
					all = append(all, s)
				}
			}
			return all
		})
	}},
	{"orders the steps of a trace by request", "QS-048", func(a *animal) {
		onTrace(a, func(steps []approvals.TracedStep) []approvals.TracedStep {
			slices.SortStableFunc(steps, func(a, b approvals.TracedStep) int { return cmp.Compare(a.Request.ID, b.Request.ID) })
			return steps
		})
	}},
	{"orders the numbers of steps as texts", "QS-048", func(a *animal) {
		onTrace(a, func(steps []approvals.TracedStep) []approvals.TracedStep {
			slices.SortStableFunc(steps, func(a, b approvals.TracedStep) int {
				return cmp.Or(cmp.Compare(a.Request.ID, b.Request.ID), cmp.Compare(fmt.Sprint(a.Step.Seq), fmt.Sprint(b.Step.Seq)))
			})
			return steps
		})
	}},
	{"folds the case of traces", "QS-049", func(a *animal) {
		a.trace = func(ctx context.Context, tenant, traceID string) ([]approvals.TracedStep, error) {
			return a.Store.Trace(ctx, tenant, strings.ToLower(traceID))
		}
	}},
	{"answers the steps of a trace without their comments", "QS-050", func(a *animal) {
		onTrace(a, func(steps []approvals.TracedStep) []approvals.TracedStep {
			for i := range steps {
				steps[i].Step.Comment = ""
			}
			return steps
		})
	}},
	{"hands out the list that it keeps", "QS-051", func(a *animal) {
		var kept []approvals.Request
		onList(a, func(_ approvals.StoreQuery, list []approvals.Request) []approvals.Request {
			if kept == nil {
				kept = list
			}
			return kept
		})
	}},
	{"hands out the history that it keeps", "QS-051", func(a *animal) {
		kept := map[string]approvals.History{}
		a.history = func(ctx context.Context, tenant, id string) (approvals.History, error) {
			h, err := a.Store.History(ctx, tenant, id)
			a.remember(func() {
				if old := kept[tenant+id]; len(old.Steps) == len(h.Steps) {
					h = old
				}
				kept[tenant+id] = h
			})
			return h, err
		}
	}},
	{"reads with plain statements once the transaction has ended", "QS-060", func(a *animal) {
		a.counts = func(ctx context.Context, tenant string) (map[approvals.Tab]int, error) {
			counts, err := a.Store.Counts(ctx, tenant)
			if errors.Is(err, storage.ErrTxDone) {
				return a.Store.Counts(storage.Detach(ctx), tenant)
			}
			return counts, err
		}
	}},
	{"writes in a transaction of its own beside another backend's", "QS-061", func(a *animal) {
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			err := a.Store.Save(ctx, tenant, w)
			if errors.Is(err, storage.ErrForeignTx) {
				return a.Store.Save(storage.Detach(ctx), tenant, w)
			}
			return err
		}
	}},
	{"shows the decisions of a transaction inside of it only", "QS-062", func(a *animal) {
		a.history = func(ctx context.Context, tenant, id string) (approvals.History, error) {
			h, err := a.Store.History(ctx, tenant, id)
			if storage.Detach(ctx) == ctx {
				h.Decisions = nil
			}
			return h, err
		}
	}},
}
