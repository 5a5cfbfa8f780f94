package automationtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// getRule reads a rule that has to be there.
func (e *env) getRule(id string) automation.Rule {
	e.Helper()
	r, err := e.Store.GetRule(e.Ctx, e.Tenant, id, false)
	e.Must(err, "get the rule "+id)
	return r
}

func (e *env) getVersion(rule string, n int) automation.Version {
	e.Helper()
	v, err := e.Store.GetVersion(e.Ctx, e.Tenant, rule, n)
	e.Must(err, fmt.Sprintf("get version %d of %s", n, rule))
	return v
}

// addVersion saves the next revision of a rule with the next version.
func (e *env) addVersion(r automation.Rule) automation.Rule {
	e.Helper()
	r.Revision++
	r.Version++
	v := e.version(r.ID, r.Version)
	e.Must(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v), "save a version")
	return r
}

// listening returns the rules of production that listen to a pattern.
func (e *env) listening(pattern string) []string {
	e.Helper()
	ids, err := e.Store.Listeners(e.Ctx, e.Tenant, automation.Prod, []string{pattern})
	e.Must(err, "listeners")
	return ids
}

// documents are JSON that some column writes anew.
func documents() []string {
	return []string{`{"b": 1, "a":  2.50}`, `{"n":123456789012345678901234567890,"e":1e2}`, `{"d":1,"d":2}`, `"\u00e9\u2028<&>"`, ` [ ] `, `null`}
}

var ruleRules = []storeRule{
	{"RS-001", "texts of a rule are kept byte for byte", "Names are shown to people, and types are compared with those of events.", func(e *env) {
		for i, text := range ruletest.Spellings() {
			r, v := e.rule(fmt.Sprint("r", i)), e.version(fmt.Sprint("r", i), 1)
			r.Name, r.EventTypes, r.Owner.Name = text, []string{text, "a.b"}, text
			v.CreatedBy.Name, v.Hash = text, text
			e.Must(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v), "save")
			e.equal(fmt.Sprintf("the rule of %q", text), e.getRule(r.ID), r)
			e.equal(fmt.Sprintf("the version of %q", text), e.getVersion(r.ID, 1), v)
			e.Same(e.listening(text), []string{r.ID}, fmt.Sprintf("who listens to %q", text))
		}
	}},
	{"RS-002", "a document is kept byte for byte", "Its hash was approved, and what runs is what was approved.", func(e *env) {
		for i, doc := range documents() {
			r, v := e.rule(fmt.Sprint("r", i)), e.version(fmt.Sprint("r", i), 1)
			v.Document = []byte(doc)
			e.Must(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v), "save")
			e.Same(string(e.getVersion(r.ID, 1).Document), doc, "the document")
		}
		v := e.version("r0", 2)
		v.Document = bytes.Repeat([]byte(`"0123456789abcde"`), 15_000)
		r := e.rule("r0")
		r.Revision, r.Version = 2, 2
		e.Must(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v), "save a large document")
		e.equal("the large version", e.getVersion("r0", 2), v)
	}},
	{"RS-003", "times of rules and versions come back in UTC, cut to the microsecond", "Two stores that round differently order the same rules differently.", func(e *env) {
		exact := noon.Add(999)
		given := exact.In(time.FixedZone("", 3600))
		r, v := e.rule("r"), e.version("r", 1)
		r.CreatedAt, r.UpdatedAt, v.CreatedAt = given, given, given
		e.Must(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v), "save")
		got := e.getRule("r")
		e.Same([]time.Time{got.CreatedAt, got.UpdatedAt, e.getVersion("r", 1).CreatedAt}, []time.Time{noon, noon, noon}, "the times")
	}},
	{"RS-004", "a rule belongs to the tenant that was given, whatever it says itself", "The parameter is what the caller was allowed to write for.", func(e *env) {
		r, v := e.rule("r"), e.version("r", 1)
		r.Tenant, v.Tenant = "somebody-else", "somebody-else"
		e.Must(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v), "save")
		e.Same([]string{e.getRule("r").Tenant, e.getVersion("r", 1).Tenant}, []string{e.Tenant, e.Tenant}, "the tenants")
	}},
	{"RS-005", "a later revision of a rule that is not there leaves nothing", "storage.ErrNotFound: the rule was never made, and neither are its version and who listens.", func(e *env) {
		r, v := e.rule("r"), e.version("r", 1)
		r.Revision = 2
		e.WantErr(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v), storage.ErrNotFound, "revision 2 of nothing")
		_, err := e.Store.GetRule(e.Ctx, e.Tenant, "r", false)
		e.WantErr(err, storage.ErrNotFound, "the rule")
		_, err = e.Store.GetVersion(e.Ctx, e.Tenant, "r", 1)
		e.WantErr(err, storage.ErrNotFound, "the version")
		e.Same(e.listening("a.b"), []string(nil), "who listens")
	}},
	{"RS-006", "a refused revision leaves who listens as it was", "A rule that starts on events which nobody agreed to, or on none any more, is out of control.", func(e *env) {
		r := e.rule("r")
		e.insertRule(r)
		late := r
		late.Revision, late.EventTypes = 5, []string{"x.y"}
		e.WantErr(e.Store.SaveRule(e.Ctx, e.Tenant, late, nil), storage.ErrConflict, "revision 5 over revision 1")
		taken := r
		v := e.version("r", 1)
		taken.Revision, taken.EventTypes = 2, []string{"x.y"}
		e.WantErr(e.Store.SaveRule(e.Ctx, e.Tenant, taken, &v), storage.ErrConflict, "a version whose number is taken")
		e.Same(e.listening("a.b"), []string{"r"}, "who listens to the old type")
		e.Same(e.listening("x.y"), []string(nil), "who listens to the new type")
		e.equal("the rule", e.getRule("r"), r)
	}},
	{"RS-007", "of many that make the same rule at once one does", "The id decides, not a look before the write.", func(e *env) {
		e.OneOf(ruletest.Together(func(i int) error {
			v := e.version("r", 1)
			return e.Store.SaveRule(e.Ctx, e.Tenant, e.rule("r"), &v)
		}), "making the rule")
	}},
	{"RS-008", "a revision without a version leaves the versions as they are", "Enabling a rule changes nothing of what it does.", func(e *env) {
		r := e.rule("r")
		e.insertRule(r)
		r.Revision, r.Enabled = 2, false
		e.Must(e.Store.SaveRule(e.Ctx, e.Tenant, r, nil), "save without a version")
		page, err := e.Store.ListVersions(e.Ctx, e.Tenant, "r", automation.VersionQuery{})
		e.Must(err, "list versions")
		e.equal("the versions", page.Items, []automation.Version{e.version("r", 1)})
	}},
	{"RS-009", "a version is found by all of its rule's id and its number", "Ids that begin alike, or differ in case, are others.", func(e *env) {
		for _, id := range []string{"r", "R", "r1", "r "} {
			e.insertRule(e.rule(id))
		}
		e.addVersion(e.rule("R"))
		for _, id := range []string{"r", "R", "r1", "r "} {
			e.equal("version 1 of "+id, e.getVersion(id, 1), e.version(id, 1))
		}
		for _, c := range []struct {
			id string
			n  int
		}{{"r", 2}, {"r", 0}, {"r", 11}, {"", 1}, {"x", 1}} {
			_, err := e.Store.GetVersion(e.Ctx, e.Tenant, c.id, c.n)
			e.WantErr(err, storage.ErrNotFound, fmt.Sprintf("version %d of %q", c.n, c.id))
		}
	}},
	{"RS-010", "a list of versions is of one rule, and is empty for none", "A reviewer must not be shown what another rule does.", func(e *env) {
		e.insertRule(e.rule("s"))
		r := e.rule("r")
		e.insertRule(r)
		for range 10 {
			r = e.addVersion(r)
		}
		page, err := e.Store.ListVersions(e.Ctx, e.Tenant, "r", automation.VersionQuery{})
		e.Must(err, "list versions")
		var want []automation.Version
		for n := 11; n >= 1; n-- {
			want = append(want, e.version("r", n))
		}
		e.equal("the versions", page.Items, want)
		page, err = e.Store.ListVersions(e.Ctx, e.Tenant, "none", automation.VersionQuery{})
		if err != nil || len(page.Items) > 0 || page.Next != "" {
			e.Errorf("the versions of nothing: %+v, %v", page, err)
		}
		first, err := e.Store.ListVersions(e.Ctx, e.Tenant, "r", automation.VersionQuery{Limit: 2})
		e.Must(err, "list versions")
		_, err = e.Store.ListVersions(e.Ctx, e.Tenant, "s", automation.VersionQuery{After: first.Next})
		e.WantErr(err, storage.ErrBadCursor, "a cursor of another rule")
	}},
	{"RS-011", "a list has rules whole and as they are now", "It is what people see, and what they act upon.", func(e *env) {
		r := e.rule("r")
		e.insertRule(r)
		r = e.addVersion(r)
		page, err := e.Store.ListRules(e.Ctx, e.Tenant, automation.RuleQuery{})
		e.Must(err, "list rules")
		e.equal("the list", page.Items, []automation.Rule{r})
	}},
	{"RS-012", "a page cannot have a negative length", "storage.ErrInvalid. A limit that is not checked is a query without one.", func(e *env) {
		_, err := e.Store.ListRules(e.Ctx, e.Tenant, automation.RuleQuery{Limit: -1})
		e.WantErr(err, storage.ErrInvalid, "rules")
		_, err = e.Store.ListVersions(e.Ctx, e.Tenant, "r", automation.VersionQuery{Limit: -1})
		e.WantErr(err, storage.ErrInvalid, "versions")
		_, err = e.Store.ListRuns(e.Ctx, e.Tenant, automation.RunQuery{Limit: -1})
		e.WantErr(err, storage.ErrInvalid, "runs")
	}},
	{"RS-013", "listeners are each named once, in the order of their bytes", "A rule that is named twice is started twice.", func(e *env) {
		for _, id := range []string{"b", "a", "B", "ä"} {
			r := e.rule(id)
			r.EventTypes = []string{"x.a", "x.b", "x.*"}
			e.insertRule(r)
		}
		ids, err := e.Store.Listeners(e.Ctx, e.Tenant, automation.Prod, []string{"x.*", "x.b", "x.a", "x.b"})
		e.Must(err, "listeners")
		e.Same(ids, []string{"B", "a", "b", "ä"}, "who listens")
	}},
	{"RS-014", "a lock of what is not there is not found", "storage.ErrNotFound, as without a lock.", func(e *env) {
		e.Tx(func(ctx context.Context) error {
			_, err := e.Store.GetRule(ctx, e.Tenant, "none", true)
			e.WantErr(err, storage.ErrNotFound, "a rule")
			_, err = e.Store.GetRun(ctx, e.Tenant, "none", true)
			e.WantErr(err, storage.ErrNotFound, "a run")
			return nil
		})
	}},
	{"RS-015", "who locks a rule reads it as the one before left it", "Changes that come at the same time are made one after another. With what was read before the lock, all but one are refused.", func(e *env) {
		e.insertRule(e.rule("r"))
		for _, err := range ruletest.Together(func(int) error {
			return e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
				r, err := e.Store.GetRule(ctx, e.Tenant, "r", true)
				if err != nil {
					return err
				}
				r.Revision++
				return e.Store.SaveRule(ctx, e.Tenant, r, nil)
			})
		}) {
			e.Must(err, "a change behind the lock")
		}
		e.Same(e.getRule("r").Revision, int64(1+ruletest.Writers), "the revision")
	}},
	{"RS-016", "the time of a rule's creation stays", "The list is in its order: a rule that moved would be shown twice to who reads page by page, or never.", func(e *env) {
		first, r := e.rule("first"), e.rule("r")
		first.CreatedAt = noon.Add(-time.Hour)
		e.insertRule(first)
		e.insertRule(r)
		late := r
		late.Revision, late.CreatedAt, late.UpdatedAt = 2, noon.Add(-2*time.Hour), noon.Add(time.Hour)
		e.Must(e.Store.SaveRule(e.Ctx, e.Tenant, late, nil), "save")
		late.CreatedAt = r.CreatedAt
		e.equal("the rule", e.getRule("r"), late)
		page, err := e.Store.ListRules(e.Ctx, e.Tenant, automation.RuleQuery{})
		e.Must(err, "list rules")
		e.equal("the list", page.Items, []automation.Rule{first, late})
	}},
}

var signalRules = []storeRule{
	{"RS-050", "a signal comes back as it was put", "A decision is acted upon as it was made: who said what, under which trace.", func(e *env) {
		for i, text := range ruletest.Spellings() {
			s := e.signal(text, text)
			s.Payload, s.At = []byte(documents()[i%len(documents())]), noon.Add(789).In(time.FixedZone("", 3600))
			e.put(s)
			want := s
			want.At = noon
			e.equal(fmt.Sprintf("the signal of %q", text), e.pending(text), []automation.Signal{want})
		}
	}},
	{"RS-051", "of many that put the same signal at once one is fresh", "Each that thinks so goes on to act upon it.", func(e *env) {
		fresh := make([]bool, ruletest.Writers)
		for _, err := range ruletest.Together(func(i int) (err error) {
			fresh[i], _, err = e.Store.PutSignal(e.Ctx, e.Tenant, e.signal("k", "s"))
			return err
		}) {
			e.Must(err, "put")
		}
		if n := len(slices.DeleteFunc(fresh, func(fresh bool) bool { return !fresh })); n != 1 {
			e.Errorf("%d were fresh, want 1", n)
		}
	}},
	{"RS-052", "states are set for the key and the ids that are named, and change nothing else", "A signal that is settled with another one is a decision that is never acted upon.", func(e *env) {
		o := e.of(e.Tenant + "-other")
		o.put(o.signal("k", "a"))
		for _, s := range []automation.Signal{e.signal("k", "a"), e.signal("k", "A"), e.signal("k", "b"), e.signal("K", "a")} {
			e.put(s)
		}
		e.Must(e.Store.SetSignals(e.Ctx, e.Tenant, "k", automation.SignalConsumed, "a"), "set")
		e.Must(e.Store.SetSignals(e.Ctx, e.Tenant, "k", automation.SignalConsumed), "set none")
		e.equal("those of k", e.pending("k"), []automation.Signal{e.signal("k", "A"), e.signal("k", "b")})
		e.equal("those of K", e.pending("K"), []automation.Signal{e.signal("K", "a")})
		e.equal("those of another tenant", o.pending("k"), []automation.Signal{o.signal("k", "a")})
		e.Must(e.Store.SetSignals(e.Ctx, e.Tenant, "k", automation.SignalPending, "a"), "set back")
		e.equal("those of k after it was set back", e.pending("k"), []automation.Signal{e.signal("k", "A"), e.signal("k", "a"), e.signal("k", "b")})
	}},
	{"RS-053", "of those who know a key the one that waits for it is told", "A run that waited once has ended; the one that waits now would wait for ever.", func(e *env) {
		for _, c := range []struct {
			id     string
			status automation.Status
			key    string
		}{{"a", automation.Succeeded, "k"}, {"b", automation.Waiting, "k"}, {"c", automation.Waiting, "other"}, {"d", automation.Running, "k"}} {
			r := e.run(c.id)
			r.Status, r.Wait.Key = c.status, c.key
			s := e.step(1, "ask")
			s.WaitKey = "k"
			e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{s}}), "save")
		}
		want := &automation.Waiter{RunID: "b", RuleID: "rule", Gen: 2, Waiting: true}
		for _, fresh := range []bool{true, false} {
			got, w, err := e.Store.PutSignal(e.Ctx, e.Tenant, e.signal("k", "s"))
			e.Must(err, "put")
			e.equal(fmt.Sprintf("who waits, of a signal that is fresh: %t", fresh), w, want)
			e.Same(got, fresh, "whether it is fresh")
		}
	}},
	{"RS-054", "a run that waits for another signal by now does not wait for this one", "The key of a step that is over must not wake the run at another.", func(e *env) {
		r := e.run("r")
		s := e.step(1, "ask")
		s.WaitKey = "first"
		r.Wait.Key = "second"
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{s}}), "save")
		_, w, err := e.Store.PutSignal(e.Ctx, e.Tenant, e.signal("first", "s"))
		e.Must(err, "put")
		e.equal("who waited", w, &automation.Waiter{RunID: "r", RuleID: "rule", Gen: 2})
	}},
	{"RS-055", "keys of waits are compared by their bytes", "A signal for a key that is written alike decides somebody else's wait.", func(e *env) {
		for i, key := range ruletest.Spellings() {
			r := e.run(fmt.Sprint("run-", i))
			r.Wait.Key = key
			e.insertRun(r)
		}
		for i, key := range ruletest.Spellings() {
			_, w, err := e.Store.PutSignal(e.Ctx, e.Tenant, e.signal(key, "s"))
			e.Must(err, "put")
			e.equal(fmt.Sprintf("who waits for %q", key), w, &automation.Waiter{RunID: fmt.Sprint("run-", i), RuleID: "rule", Gen: 2, Waiting: true})
		}
	}},
	{"RS-056", "of several who wait, or who waited, the one that started last is told", "Every store tells the same one, whatever its ids look like.", func(e *env) {
		told := func(what, id string, waiting bool) {
			e.Helper()
			_, w, err := e.Store.PutSignal(e.Ctx, e.Tenant, e.signal("k", "s"))
			e.Must(err, "put")
			e.equal(what, w, &automation.Waiter{RunID: id, RuleID: "rule", Gen: 2, Waiting: waiting})
		}
		save := func(id string, status automation.Status, started time.Time) {
			e.Helper()
			r := e.run(id)
			r.Status, r.Wait.Key, r.StartedAt = status, "k", started
			e.insertRun(r)
		}
		save("c", automation.Succeeded, noon)
		save("a", automation.Failed, noon.Add(time.Second))
		save("e", automation.Failed, noon)
		told("who waited", "a", false)
		save("b", automation.Cancelled, noon.Add(time.Second))
		told("who waited, of two that started together", "b", false)
		save("z", automation.Waiting, noon.Add(-time.Hour))
		told("who waits", "z", true)
		save("m", automation.Waiting, noon.Add(-time.Minute))
		save("n", automation.Waiting, noon.Add(-2*time.Hour))
		told("who waits, of three", "m", true)
		save("q", automation.Waiting, noon.Add(-time.Minute))
		told("who waits, of two that started together", "q", true)
	}},
	{"RS-057", "nobody waits for an empty key", "Most steps wait for nothing. A signal without a key would find one of them.", func(e *env) {
		r := e.run("r")
		r.Wait.Key = ""
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{e.step(1, "ask")}}), "save")
		_, w, err := e.Store.PutSignal(e.Ctx, e.Tenant, e.signal("", "s"))
		e.Must(err, "put")
		e.equal("who waits", w, (*automation.Waiter)(nil))
	}},
}

// put puts a signal that has to be fresh.
func (e *env) put(s automation.Signal) {
	e.Helper()
	fresh, _, err := e.Store.PutSignal(e.Ctx, e.Tenant, s)
	e.Must(err, "put a signal")
	if !fresh {
		e.Errorf("the signal %s of %s is not fresh", s.ID, s.Key)
	}
}

func (e *env) pending(key string) []automation.Signal {
	e.Helper()
	all, err := e.Store.PendingSignals(e.Ctx, e.Tenant, key)
	e.Must(err, "pending signals")
	return all
}

var pruneRules = []storeRule{
	{"RS-060", "the oldest is deleted first, of each kind", "A batch that ends early must have deleted what mattered least.", func(e *env) {
		r := e.rule("rule")
		e.insertRule(r)
		for n := range 3 {
			at := noon.Add(-time.Duration(n+1) * time.Hour) // what is numbered last is the oldest
			e.past(fmt.Sprint("run-", n), at)
			e.insertEvent(fmt.Sprint("spare-", n), at)
			e.putSignal(e.Tenant, fmt.Sprint("spare-", n), at)
			r = e.addVersion(r)
		}
		for name, c := range map[string]struct {
			prune func() (int, error)
			gone  func() error
		}{
			"run": {func() (int, error) { return e.Store.PruneRuns(e.Ctx, e.Tenant, noon, 1) }, func() error {
				_, err := e.Store.GetRun(e.Ctx, e.Tenant, "run-2", false)
				return err
			}},
			"event": {func() (int, error) { return e.Store.PruneEvents(e.Ctx, e.Tenant, noon, 1) }, func() error {
				_, err := e.Store.GetEvent(e.Ctx, e.Tenant, "spare-2")
				return err
			}},
			"signal": {func() (int, error) { return e.Store.PruneSignals(e.Ctx, e.Tenant, noon, 1) }, func() error {
				if len(e.pending("spare-2")) == 0 {
					return storage.ErrNotFound
				}
				return nil
			}},
		} {
			n, err := c.prune()
			e.Must(err, "prune")
			e.Same(n, 1, "how many were deleted: "+name)
			e.WantErr(c.gone(), storage.ErrNotFound, "the oldest "+name)
		}
	}},
	{"RS-061", "a batch cannot have a negative length", "storage.ErrInvalid. A limit that is not checked is a deletion without one.", func(e *env) {
		for name, prune := range e.prunes() {
			_, err := prune(e.Ctx, -1)
			e.WantErr(err, storage.ErrInvalid, name)
		}
	}},
	{"RS-062", "nothing of another tenant is deleted", "Tenants keep their past for times of their own.", func(e *env) {
		o := e.of(e.Tenant + "-other")
		o.past("run", old)
		o.insertEvent("spare", old)
		o.putSignal(o.Tenant, "spare", old)
		r := o.rule("rule")
		o.insertRule(r)
		o.addVersion(r)
		e.equal("what was deleted", e.prune(), automation.Pruned{})
		_, err := o.Store.GetRun(o.Ctx, o.Tenant, "run", false)
		e.Must(err, "the run")
		_, err = o.Store.GetEvent(o.Ctx, o.Tenant, "spare")
		e.Must(err, "the event")
		e.Same(len(o.pending("spare")), 1, "the signals")
		o.getVersion("rule", 1)
	}},
	{"RS-063", "a run goes with its steps and its attempts", "What is left of it belongs to nobody, and would be taken for that of a new run under its id.", func(e *env) {
		r := e.past("run", old)
		next := r
		next.Version = 2
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: next, Attempts: []automation.Attempt{{Step: "ask", N: 1, At: noon}}}), "save")
		n, err := e.Store.PruneRuns(e.Ctx, e.Tenant, noon, 10)
		e.Must(err, "prune")
		e.Same(n, 1, "how many runs were deleted")
		e.Same([]int{len(e.steps("run")), len(e.attempts("run"))}, []int{0, 0}, "the steps and attempts")
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Attempts: []automation.Attempt{{Step: "ask", N: 1, At: noon}}}), "a run under its id")
		e.Same(len(e.steps("run")), 0, "the steps of the new run")
	}},
	{"RS-064", "a deletion that is rolled back did not happen", "The record of the deletion was rolled back as well.", func(e *env) {
		e.past("run", old)
		e.insertEvent("spare", old)
		e.putSignal(e.Tenant, "spare", old)
		r := e.rule("rule")
		e.insertRule(r)
		v := e.version("rule", 2)
		v.CreatedAt = old
		r.Revision, r.Version = 2, 2
		e.Must(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v), "save")
		e.Undone(func(ctx context.Context) error {
			var errs []error
			for name, prune := range e.prunes() {
				n, err := prune(ctx, 10)
				if errs = append(errs, err); n != 1 {
					e.Errorf("%s: deleted %d, want 1", name, n)
				}
			}
			return errors.Join(errs...)
		})
		_, err := e.Store.GetRun(e.Ctx, e.Tenant, "run", false)
		e.Must(err, "the run")
		_, err = e.Store.GetEvent(e.Ctx, e.Tenant, "spare")
		e.Must(err, "the event")
		e.Same(len(e.pending("spare")), 1, "the signals")
		e.getVersion("rule", 1)
	}},
}

// prunes are the methods that delete, each with noon for the time that it deletes before.
func (e *env) prunes() map[string]func(ctx context.Context, limit int) (int, error) {
	return map[string]func(ctx context.Context, limit int) (int, error){
		"PruneSignals": func(ctx context.Context, limit int) (int, error) {
			return e.Store.PruneSignals(ctx, e.Tenant, noon, limit)
		},
		"PruneRuns": func(ctx context.Context, limit int) (int, error) {
			return e.Store.PruneRuns(ctx, e.Tenant, noon, limit)
		},
		"PruneEvents": func(ctx context.Context, limit int) (int, error) {
			return e.Store.PruneEvents(ctx, e.Tenant, noon, limit)
		},
		"PruneVersions": func(ctx context.Context, limit int) (int, error) {
			return e.Store.PruneVersions(ctx, e.Tenant, noon, limit)
		},
	}
}
