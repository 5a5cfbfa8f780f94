package automationtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// ruleSavedAs alters rules and versions before they are saved.
func ruleSavedAs(alter func(r *automation.Rule, v *automation.Version)) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.saveRule = func(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
			if v != nil {
				c := *v
				v = &c
			}
			s.remember(func() { alter(&r, v) })
			return s.Store.SaveRule(ctx, tenant, r, v)
		}
	}
}

// ruleReadAs alters rules that are read one by one.
func ruleReadAs(alter func(r *automation.Rule)) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.getRule = func(ctx context.Context, tenant, id string, lock bool) (automation.Rule, error) {
			r, err := s.Store.GetRule(ctx, tenant, id, lock)
			s.remember(func() { alter(&r) })
			return r, err
		}
	}
}

// savedAs alters runs with their steps and attempts before they are saved.
func savedAs(alter func(w *automation.Write)) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.save = func(ctx context.Context, tenant string, w automation.Write) error {
			w.Steps, w.Attempts = slices.Clone(w.Steps), slices.Clone(w.Attempts)
			s.remember(func() { alter(&w) })
			return s.Store.Save(ctx, tenant, w)
		}
	}
}

// runReadAs alters runs that are read one by one.
func runReadAs(alter func(r *automation.Run)) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.getRun = func(ctx context.Context, tenant, id string, lock bool) (automation.Run, error) {
			r, err := s.Store.GetRun(ctx, tenant, id, lock)
			s.remember(func() { alter(&r) })
			return r, err
		}
	}
}

// runsAskedAs alters what is asked of the list of runs.
func runsAskedAs(alter func(q *automation.RunQuery)) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.listRuns = func(ctx context.Context, tenant string, q automation.RunQuery) (storage.Page[automation.Run], error) {
			alter(&q)
			return s.Store.ListRuns(ctx, tenant, q)
		}
	}
}

// runsListedAs alters pages of runs.
func runsListedAs(alter func(items []automation.Run)) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.listRuns = func(ctx context.Context, tenant string, q automation.RunQuery) (storage.Page[automation.Run], error) {
			p, err := s.Store.ListRuns(ctx, tenant, q)
			alter(p.Items)
			return p, err
		}
	}
}

// among returns the first run, in an order, of those that wait, or do not, as w says.
func (s *brokenStore) among(ctx context.Context, tenant string, w *automation.Waiter, order func(a, b automation.Run) int) string {
	p, err := s.Store.ListRuns(ctx, tenant, automation.RunQuery{})
	p.Items = slices.DeleteFunc(p.Items, func(r automation.Run) bool { return w == nil || (r.Status == automation.Waiting) != w.Waiting })
	if err != nil || len(p.Items) == 0 {
		return ""
	}
	return slices.MinFunc(p.Items, order).ID
}

// compact returns JSON without its spaces.
func compact(doc []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, doc) != nil {
		return doc
	}
	return b.Bytes()
}

// A storeMutant is a store that is broken in one way.
type storeMutant struct {
	// rule finds it.
	rule, name string
	breaks     func(s *brokenStore)
}

var storeZoo = []storeMutant{
	{"RS-001", "trims names", ruleSavedAs(func(r *automation.Rule, _ *automation.Version) { r.Name = strings.TrimSpace(r.Name) })},
	{"RS-001", "folds the case of event types", func(s *brokenStore) {
		s.listeners = func(ctx context.Context, tenant, environment string, patterns []string) (all []string, err error) {
			for _, p := range patterns {
				ids, err := s.Store.Listeners(ctx, tenant, environment, []string{strings.ToLower(p)})
				if err != nil {
					return nil, err
				}
				all = append(all, ids...)
			}
			slices.Sort(all)
			return slices.Compact(all), nil
		}
	}},
	{"RS-002", "writes documents without their spaces", ruleSavedAs(func(_ *automation.Rule, v *automation.Version) {
		if v != nil {
			v.Document = compact(v.Document)
		}
	})},
	{"RS-002", "cuts documents", ruleSavedAs(func(_ *automation.Rule, v *automation.Version) {
		if v != nil {
			v.Document = v.Document[:min(len(v.Document), 1<<16)]
		}
	})},
	{"RS-003", "rounds times", ruleSavedAs(func(r *automation.Rule, _ *automation.Version) { r.CreatedAt = r.CreatedAt.Round(time.Microsecond) })},
	{"RS-003", "answers times in a zone", ruleReadAs(func(r *automation.Rule) { r.UpdatedAt = r.UpdatedAt.In(time.FixedZone("", 3600)) })},
	{"RS-004", "believes the tenant that a rule says", func(s *brokenStore) {
		said := map[string]string{}
		ruleSavedAs(func(r *automation.Rule, _ *automation.Version) { said[r.ID] = r.Tenant })(s)
		ruleReadAs(func(r *automation.Rule) { r.Tenant = cmp.Or(said[r.ID], r.Tenant) })(s)
	}},
	{"RS-005", "keeps the version of a rule that is not there", func(s *brokenStore) {
		kept := map[string]automation.Version{}
		s.saveRule = func(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
			err := s.Store.SaveRule(ctx, tenant, r, v)
			if v != nil && errors.Is(err, storage.ErrNotFound) {
				s.remember(func() { kept[r.ID] = *v })
			}
			return err
		}
		s.getVersion = func(ctx context.Context, tenant, rule string, number int) (automation.Version, error) {
			v, err := s.Store.GetVersion(ctx, tenant, rule, number)
			s.remember(func() {
				if orphan, ok := kept[rule]; ok && err != nil {
					v, err = orphan, nil
				}
			})
			return v, err
		}
	}},
	{"RS-006", "listens to what a refused revision named", func(s *brokenStore) {
		refused := map[string]string{}
		s.saveRule = func(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
			err := s.Store.SaveRule(ctx, tenant, r, v)
			if errors.Is(err, storage.ErrConflict) {
				s.remember(func() { refused[r.EventTypes[0]] = r.ID })
			}
			return err
		}
		s.listeners = func(ctx context.Context, tenant, environment string, patterns []string) ([]string, error) {
			ids, err := s.Store.Listeners(ctx, tenant, environment, patterns)
			s.remember(func() {
				for _, p := range patterns {
					if id, ok := refused[p]; ok && !slices.Contains(ids, id) {
						ids = append(ids, id)
					}
				}
			})
			return ids, err
		}
	}},
	{"RS-007", "looks for the rule before it writes", func(s *brokenStore) {
		s.saveRule = func(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
			crowd, leave := s.crowd()
			defer leave()
			err := s.Store.SaveRule(ctx, tenant, r, v)
			if crowd && errors.Is(err, storage.ErrConflict) {
				err = nil
			}
			return err
		}
	}},
	{"RS-008", "makes a version of each revision", func(s *brokenStore) {
		s.saveRule = func(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
			if v == nil {
				v = &automation.Version{Number: int(r.Revision), CreatedAt: r.UpdatedAt, Document: []byte("{}")}
			}
			return s.Store.SaveRule(ctx, tenant, r, v)
		}
	}},
	{"RS-009", "folds the case of a version's rule", func(s *brokenStore) {
		s.getVersion = func(ctx context.Context, tenant, rule string, number int) (automation.Version, error) {
			return s.Store.GetVersion(ctx, tenant, strings.ToLower(rule), number)
		}
	}},
	{"RS-010", "finds no versions of what is not there", func(s *brokenStore) {
		s.listVersions = func(ctx context.Context, tenant, rule string, q automation.VersionQuery) (storage.Page[automation.Version], error) {
			p, err := s.Store.ListVersions(ctx, tenant, rule, q)
			if err == nil && len(p.Items) == 0 {
				err = storage.ErrNotFound
			}
			return p, err
		}
	}},
	{"RS-010", "orders versions as texts", func(s *brokenStore) {
		s.listVersions = func(ctx context.Context, tenant, rule string, q automation.VersionQuery) (storage.Page[automation.Version], error) {
			p, err := s.Store.ListVersions(ctx, tenant, rule, q)
			slices.SortFunc(p.Items, func(a, b automation.Version) int { return cmp.Compare(fmt.Sprint(b.Number), fmt.Sprint(a.Number)) })
			return p, err
		}
	}},
	{"RS-011", "lists rules without their owners", func(s *brokenStore) {
		s.listRules = func(ctx context.Context, tenant string, q automation.RuleQuery) (storage.Page[automation.Rule], error) {
			p, err := s.Store.ListRules(ctx, tenant, q)
			for i := range p.Items {
				p.Items[i].Owner.Authn = nil
			}
			return p, err
		}
	}},
	{"RS-012", "takes a negative limit for none", runsAskedAs(func(q *automation.RunQuery) { q.Limit = max(q.Limit, 0) })},
	{"RS-013", "names a listener for each of its types", func(s *brokenStore) {
		s.listeners = func(ctx context.Context, tenant, environment string, patterns []string) (all []string, err error) {
			for _, p := range slices.Compact(slices.Sorted(slices.Values(patterns))) {
				ids, err := s.Store.Listeners(ctx, tenant, environment, []string{p})
				if err != nil {
					return nil, err
				}
				all = append(all, ids...)
			}
			slices.Sort(all)
			return all, nil
		}
	}},
	{"RS-014", "locks what is not there", func(s *brokenStore) {
		s.getRule = func(ctx context.Context, tenant, id string, lock bool) (automation.Rule, error) {
			r, err := s.Store.GetRule(ctx, tenant, id, lock)
			if lock && errors.Is(err, storage.ErrNotFound) {
				err = nil
			}
			return r, err
		}
	}},
	{"RS-015", "locks a rule as it first read it", func(s *brokenStore) {
		first := map[string]automation.Rule{}
		s.getRule = func(ctx context.Context, tenant, id string, lock bool) (automation.Rule, error) {
			r, err := s.Store.GetRule(ctx, tenant, id, lock)
			s.remember(func() {
				if old, ok := first[id]; ok && lock {
					r = old
				} else if lock && err == nil {
					first[id] = r
				}
			})
			return r, err
		}
	}},

	{"RS-016", "writes the time of creation anew", func(s *brokenStore) {
		made := map[string]time.Time{}
		s.saveRule = func(ctx context.Context, tenant string, r automation.Rule, v *automation.Version) error {
			s.remember(func() { made[tenant+r.ID] = r.CreatedAt })
			return s.Store.SaveRule(ctx, tenant, r, v)
		}
		s.getRule = func(ctx context.Context, tenant, id string, lock bool) (automation.Rule, error) {
			r, err := s.Store.GetRule(ctx, tenant, id, lock)
			s.remember(func() { r.CreatedAt = made[tenant+id] })
			return r, err
		}
	}},
	{"RS-016", "moves a rule to its new place in the list", func(s *brokenStore) {
		s.listRules = func(ctx context.Context, tenant string, q automation.RuleQuery) (storage.Page[automation.Rule], error) {
			p, err := s.Store.ListRules(ctx, tenant, q)
			slices.SortStableFunc(p.Items, func(a, b automation.Rule) int { return cmp.Compare(b.Revision, a.Revision) })
			return p, err
		}
	}},
	{"RS-020", "trims reasons", savedAs(func(w *automation.Write) { w.Run.Reason = strings.TrimSpace(w.Run.Reason) })},
	{"RS-020", "escapes what was logged", savedAs(func(w *automation.Write) {
		for i := range w.Attempts {
			w.Attempts[i].Logs = slices.Clone(w.Attempts[i].Logs)
			for j := range w.Attempts[i].Logs {
				w.Attempts[i].Logs[j].Text = strings.ReplaceAll(w.Attempts[i].Logs[j].Text, "<", "&lt;")
			}
		}
	})},
	{"RS-020", "folds the case of events", func(s *brokenStore) {
		s.getEvent = func(ctx context.Context, tenant, key string) (automation.TriggerEvent, error) {
			return s.Store.GetEvent(ctx, tenant, strings.ToLower(key))
		}
	}},
	{"RS-021", "writes inputs without their spaces", savedAs(func(w *automation.Write) {
		for i := range w.Steps {
			w.Steps[i].Input = compact(w.Steps[i].Input)
		}
	})},
	{"RS-021", "writes bodies without their spaces", func(s *brokenStore) {
		s.insertEvent = func(ctx context.Context, tenant string, e automation.TriggerEvent) (bool, error) {
			e.Body = compact(e.Body)
			return s.Store.InsertEvent(ctx, tenant, e)
		}
	}},
	{"RS-022", "rounds times", savedAs(func(w *automation.Write) { w.Run.Wait.DueAt = w.Run.Wait.DueAt.Round(time.Microsecond) })},
	{"RS-022", "answers times in a zone", runReadAs(func(r *automation.Run) { r.DeadlineAt = r.DeadlineAt.In(time.FixedZone("", 3600)) })},
	{"RS-022", "keeps what was logged to the nanosecond", func(s *brokenStore) {
		given := map[string]time.Time{}
		savedAs(func(w *automation.Write) {
			for _, a := range w.Attempts {
				for _, l := range a.Logs {
					given[w.Run.ID] = l.At
				}
			}
		})(s)
		s.attempts = func(ctx context.Context, tenant, run string) ([]automation.Attempt, error) {
			all, err := s.Store.Attempts(ctx, tenant, run)
			s.remember(func() {
				if len(all) == 1 && len(all[0].Logs) == 1 {
					all[0].Logs[0].At = given[run]
				}
			})
			return all, err
		}
	}},
	{"RS-023", "believes the tenant that a run says", func(s *brokenStore) {
		said := map[string]string{}
		savedAs(func(w *automation.Write) { said[w.Run.ID] = w.Run.Tenant })(s)
		runReadAs(func(r *automation.Run) { r.Tenant = cmp.Or(said[r.ID], r.Tenant) })(s)
	}},
	{"RS-024", "keeps the attempts of a refused write", func(s *brokenStore) {
		refused := map[string][]automation.Attempt{}
		s.save = func(ctx context.Context, tenant string, w automation.Write) error {
			err := s.Store.Save(ctx, tenant, w)
			if errors.Is(err, storage.ErrConflict) {
				s.remember(func() { refused[w.Run.ID] = w.Attempts })
			}
			return err
		}
		s.attempts = func(ctx context.Context, tenant, run string) ([]automation.Attempt, error) {
			all, err := s.Store.Attempts(ctx, tenant, run)
			s.remember(func() { all = append(all, refused[run]...) })
			return all, err
		}
	}},
	{"RS-025", "drops what comes after a conflict", func(s *brokenStore) {
		poisoned := false
		s.save = func(ctx context.Context, tenant string, w automation.Write) error {
			drop := false
			if s.remember(func() { drop = poisoned }); drop {
				return nil
			}
			err := s.Store.Save(ctx, tenant, w)
			s.remember(func() { poisoned = err != nil && inTx(ctx) })
			return err
		}
	}},
	{"RS-026", "folds the case of a step's run", func(s *brokenStore) {
		s.steps = func(ctx context.Context, tenant, run string) ([]automation.StepRun, error) {
			return s.Store.Steps(ctx, tenant, strings.ToLower(run))
		}
	}},
	{"RS-026", "folds the case of an attempt's run", func(s *brokenStore) {
		s.attempts = func(ctx context.Context, tenant, run string) ([]automation.Attempt, error) {
			return s.Store.Attempts(ctx, tenant, strings.ToLower(run))
		}
	}},
	{"RS-027", "reads the last attempts", func(s *brokenStore) {
		last := map[string]automation.Attempt{}
		savedAs(func(w *automation.Write) {
			for _, a := range w.Attempts {
				if a.N > last[w.Run.ID].N {
					last[w.Run.ID] = a
				}
			}
		})(s)
		s.attempts = func(ctx context.Context, tenant, run string) ([]automation.Attempt, error) {
			all, err := s.Store.Attempts(ctx, tenant, run)
			s.remember(func() {
				if len(all) == storage.MaxLimit {
					all[len(all)-1] = last[run]
				}
			})
			return all, err
		}
	}},
	{"RS-028", "puts names together with a slash", func(s *brokenStore) {
		started := map[string]string{}
		s.save = func(ctx context.Context, tenant string, w automation.Write) (err error) {
			s.remember(func() {
				origin := tenant + w.Run.RuleID + "/" + w.Run.Environment + "/" + w.Run.EventKey
				if id, ok := started[origin]; ok && id != w.Run.ID && w.Run.ParentID == "" {
					err = storage.ErrConflict
				}
				started[origin] = w.Run.ID
			})
			if err != nil {
				return err
			}
			return s.Store.Save(ctx, tenant, w)
		}
	}},
	{"RS-029", "looks for an event before it writes", func(s *brokenStore) {
		s.insertEvent = func(ctx context.Context, tenant string, e automation.TriggerEvent) (bool, error) {
			crowd, leave := s.crowd()
			defer leave()
			fresh, err := s.Store.InsertEvent(ctx, tenant, e)
			return fresh || crowd, err
		}
	}},
	{"RS-030", "remembers events past their transaction", func(s *brokenStore) {
		seen := map[string]bool{}
		s.insertEvent = func(ctx context.Context, tenant string, e automation.TriggerEvent) (bool, error) {
			fresh, err := s.Store.InsertEvent(ctx, tenant, e)
			s.remember(func() {
				fresh = fresh && !seen[tenant+e.Key]
				seen[tenant+e.Key] = true
			})
			return fresh, err
		}
	}},

	{"RS-040", "orders ids as people do", runsListedAs(func(items []automation.Run) {
		slices.SortStableFunc(items, func(a, b automation.Run) int {
			return cmp.Or(b.StartedAt.Compare(a.StartedAt), cmp.Compare(strings.ToLower(b.ID), strings.ToLower(a.ID)))
		})
	})},
	{"RS-041", "looks for the run that a page ended with", func(s *brokenStore) {
		ended := map[storage.Cursor]string{} // what pages ended with
		s.listRuns = func(ctx context.Context, tenant string, q automation.RunQuery) (storage.Page[automation.Run], error) {
			var last string
			s.remember(func() { last = ended[q.After] })
			if r, err := s.Store.GetRun(ctx, tenant, last, false); err == nil && q.Status != "" && r.Status != q.Status {
				q.After = ""
			}
			p, err := s.Store.ListRuns(ctx, tenant, q)
			if p.Next != "" {
				s.remember(func() { ended[p.Next] = p.Items[len(p.Items)-1].ID })
			}
			return p, err
		}
	}},
	{"RS-042", "lists runs without their failures", runsListedAs(func(items []automation.Run) {
		for i := range items {
			items[i].Failure = nil
		}
	})},
	{"RS-043", "takes no level for that of information", func(s *brokenStore) {
		s.listRuns = func(ctx context.Context, tenant string, q automation.RunQuery) (storage.Page[automation.Run], error) {
			p, err := s.Store.ListRuns(ctx, tenant, q)
			if q.Level == 0 {
				p.Items = slices.DeleteFunc(p.Items, func(r automation.Run) bool { return r.Level < slog.LevelInfo })
			}
			return p, err
		}
	}},
	{"RS-044", "folds the case of event types that are asked for", runsAskedAs(func(q *automation.RunQuery) { q.EventType = strings.ToLower(q.EventType) })},
	{"RS-044", "folds the case of steps that are asked for", runsAskedAs(func(q *automation.RunQuery) { q.Step = strings.ToLower(q.Step) })},
	{"RS-045", "folds the case of traces", func(s *brokenStore) {
		s.traceRuns = func(ctx context.Context, tenant, trace string) ([]automation.Run, error) {
			return s.Store.TraceRuns(ctx, tenant, strings.ToLower(trace))
		}
	}},
	{"RS-046", "traces a run once for each of its steps", func(s *brokenStore) {
		s.traceRuns = func(ctx context.Context, tenant, trace string) (all []automation.Run, err error) {
			runs, err := s.Store.TraceRuns(ctx, tenant, trace)
			for _, r := range runs {
				steps, _ := s.Store.Steps(ctx, tenant, r.ID)
				for range max(1, len(steps)) {
					all = append(all, r)
				}
			}
			return all, err
		}
	}},

	{"RS-050", "trims what a signal says", func(s *brokenStore) {
		s.putSignal = func(ctx context.Context, tenant string, g automation.Signal) (bool, *automation.Waiter, error) {
			g.Payload = compact(g.Payload)
			return s.Store.PutSignal(ctx, tenant, g)
		}
	}},
	{"RS-051", "looks for a signal before it writes", func(s *brokenStore) {
		s.putSignal = func(ctx context.Context, tenant string, g automation.Signal) (bool, *automation.Waiter, error) {
			crowd, leave := s.crowd()
			defer leave()
			fresh, w, err := s.Store.PutSignal(ctx, tenant, g)
			return fresh || crowd, w, err
		}
	}},
	{"RS-052", "settles every signal of a key", func(s *brokenStore) {
		s.setSignals = func(ctx context.Context, tenant, key, state string, ids ...string) error {
			all, err := s.Store.PendingSignals(ctx, tenant, key)
			for _, g := range all {
				ids = append(ids, g.ID)
			}
			return errors.Join(err, s.Store.SetSignals(ctx, tenant, key, state, ids...))
		}
	}},
	{"RS-053", "tells of nobody where a signal is repeated", func(s *brokenStore) {
		s.putSignal = func(ctx context.Context, tenant string, g automation.Signal) (bool, *automation.Waiter, error) {
			fresh, w, err := s.Store.PutSignal(ctx, tenant, g)
			if !fresh {
				w = nil
			}
			return fresh, w, err
		}
	}},
	{"RS-053", "tells of the first that knew the key", func(s *brokenStore) {
		s.putSignal = func(ctx context.Context, tenant string, g automation.Signal) (bool, *automation.Waiter, error) {
			fresh, w, err := s.Store.PutSignal(ctx, tenant, g)
			if r, missing := s.Store.GetRun(ctx, tenant, "a", false); w != nil && missing == nil {
				w = &automation.Waiter{RunID: r.ID, RuleID: r.RuleID, Gen: r.Wait.Gen}
			}
			return fresh, w, err
		}
	}},
	{"RS-054", "takes every run that waits for one that waits for the signal", func(s *brokenStore) {
		s.putSignal = func(ctx context.Context, tenant string, g automation.Signal) (bool, *automation.Waiter, error) {
			fresh, w, err := s.Store.PutSignal(ctx, tenant, g)
			if w != nil {
				r, missing := s.Store.GetRun(ctx, tenant, w.RunID, false)
				w.Waiting = missing == nil && r.Status == automation.Waiting
			}
			return fresh, w, err
		}
	}},
	{"RS-055", "folds the case of keys", savedAs(func(w *automation.Write) {
		w.Run.Wait.Key = strings.ToLower(w.Run.Wait.Key)
		for i := range w.Steps {
			w.Steps[i].WaitKey = strings.ToLower(w.Steps[i].WaitKey)
		}
	})},
	{"RS-056", "tells of the first that started", func(s *brokenStore) {
		s.putSignal = func(ctx context.Context, tenant string, g automation.Signal) (bool, *automation.Waiter, error) {
			fresh, w, err := s.Store.PutSignal(ctx, tenant, g)
			if r := s.among(ctx, tenant, w, func(a, b automation.Run) int { return a.StartedAt.Compare(b.StartedAt) }); w != nil {
				w.RunID = r
			}
			return fresh, w, err
		}
	}},
	{"RS-056", "tells of the one with the greatest id", func(s *brokenStore) {
		s.putSignal = func(ctx context.Context, tenant string, g automation.Signal) (bool, *automation.Waiter, error) {
			fresh, w, err := s.Store.PutSignal(ctx, tenant, g)
			if r := s.among(ctx, tenant, w, func(a, b automation.Run) int { return cmp.Compare(b.ID, a.ID) }); w != nil {
				w.RunID = r
			}
			return fresh, w, err
		}
	}},
	{"RS-057", "finds a step that waits for nothing", func(s *brokenStore) {
		s.putSignal = func(ctx context.Context, tenant string, g automation.Signal) (bool, *automation.Waiter, error) {
			fresh, w, err := s.Store.PutSignal(ctx, tenant, g)
			if r, missing := s.Store.GetRun(ctx, tenant, "r", false); g.Key == "" && missing == nil {
				w = &automation.Waiter{RunID: r.ID, RuleID: r.RuleID, Gen: r.Wait.Gen, Waiting: true}
			}
			return fresh, w, err
		}
	}},

	{"RS-060", "deletes the newest runs first", func(s *brokenStore) {
		s.pruneRuns = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			if limit == 1 {
				return s.Store.PruneRuns(ctx, tenant, before, 1000)
			}
			return s.Store.PruneRuns(ctx, tenant, before, limit)
		}
	}},
	{"RS-061", "takes a negative limit for none", func(s *brokenStore) {
		s.pruneEvents = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			return s.Store.PruneEvents(ctx, tenant, before, max(limit, 0))
		}
	}},
	{"RS-062", "deletes the past of tenants that are named alike", func(s *brokenStore) {
		s.pruneSignals = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			n, err := s.Store.PruneSignals(ctx, tenant, before, limit)
			more, err2 := s.Store.PruneSignals(ctx, tenant+"-other", before, limit)
			return n + more, errors.Join(err, err2)
		}
	}},
	{"RS-063", "keeps the attempts of what it deletes", func(s *brokenStore) {
		kept := map[string][]automation.Attempt{}
		savedAs(func(w *automation.Write) { kept[w.Run.ID] = append(kept[w.Run.ID], w.Attempts...) })(s)
		s.attempts = func(ctx context.Context, tenant, run string) ([]automation.Attempt, error) {
			all, err := s.Store.Attempts(ctx, tenant, run)
			if _, missing := s.Store.GetRun(ctx, tenant, run, false); errors.Is(missing, storage.ErrNotFound) {
				s.remember(func() { all = kept[run] })
			}
			return all, err
		}
	}},
	{"RS-064", "deletes beside its transaction", func(s *brokenStore) {
		s.pruneEvents = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			n, err := s.Store.PruneEvents(ctx, tenant, before, limit)
			if inTx(ctx) && err == nil {
				s.remember(func() {
					s.late = append(s.late, func(ctx context.Context) error {
						_, err := s.Store.PruneEvents(ctx, tenant, before, limit)
						return err
					})
				})
			}
			return n, err
		}
	}},

	{"RS-070", "reads listeners past its transaction", func(s *brokenStore) {
		s.listeners = func(ctx context.Context, tenant, environment string, patterns []string) ([]string, error) {
			return s.Store.Listeners(storage.Detach(ctx), tenant, environment, patterns)
		}
	}},
	{"RS-071", "settles signals beside its savepoint", func(s *brokenStore) {
		s.setSignals = func(ctx context.Context, tenant, key, state string, ids ...string) error {
			if inTx(ctx) {
				s.remember(func() {
					s.late = append(s.late, func(ctx context.Context) error { return s.Store.SetSignals(ctx, tenant, key, state, ids...) })
				})
				return nil
			}
			return s.Store.SetSignals(ctx, tenant, key, state, ids...)
		}
	}},
	{"RS-072", "hands out the signals that it keeps", func(s *brokenStore) {
		kept := map[string][]automation.Signal{}
		s.pendingSignals = func(ctx context.Context, tenant, key string) ([]automation.Signal, error) {
			all, err := s.Store.PendingSignals(ctx, tenant, key)
			s.remember(func() {
				if old := kept[tenant+key]; len(old) == len(all) {
					all = old
				}
				kept[tenant+key] = all
			})
			return all, err
		}
	}},
	{"RS-073", "reads with plain statements once the transaction has ended", func(s *brokenStore) {
		s.steps = func(ctx context.Context, tenant, run string) ([]automation.StepRun, error) {
			all, err := s.Store.Steps(ctx, tenant, run)
			if errors.Is(err, storage.ErrTxDone) {
				return s.Store.Steps(storage.Detach(ctx), tenant, run)
			}
			return all, err
		}
	}},
	{"RS-074", "writes in a transaction of its own beside another backend's", func(s *brokenStore) {
		s.save = func(ctx context.Context, tenant string, w automation.Write) error {
			err := s.Store.Save(ctx, tenant, w)
			if errors.Is(err, storage.ErrForeignTx) {
				return s.Store.Save(storage.Detach(ctx), tenant, w)
			}
			return err
		}
	}},
}
