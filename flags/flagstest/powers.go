package flagstest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/flags"
)

// bulkRules are about flags.BulkProvider.
var bulkRules = []rule{
	{id: "FP-023", name: "all flags of the tenant come, each once and in order of key", run: bulkComplete, needs: powers{bulk: true},
		explanation: "Clients that evaluate once and keep the result have nothing else. A flag that is missing is off for them, one of another tenant is a leak."},
	{id: "FP-024", name: "in bulk each flag is what it is alone", run: bulkEqual, needs: powers{bulk: true},
		explanation: "A browser that reads all flags and a server that reads one must not disagree. Value, variant, reason, rule, version and error are the same."},
	{id: "FP-025", name: "a bulk ends where its reader has enough", run: bulkEnds, needs: powers{bulk: true},
		explanation: "When yield answers false it is not called again."},
	{id: "FP-026", name: "the version of a bulk moves when an answer may have, and only then", run: bulkVersion, needs: powers{bulk: true, publish: true},
		explanation: "It becomes an ETag. One that stays keeps clients on old flags, one that always moves makes them load everything each time."},
}

// watchRules are about flags.WatchProvider.
var watchRules = []rule{
	{id: "FP-027", name: "a watch begins with the present status", run: watchBegins, needs: powers{watch: true},
		explanation: "Whoever begins to watch a provider that is ready would wait for ever for the word."},
	{id: "FP-028", name: "every change is told, with its key, once it can be read", run: watchTells, needs: powers{watch: true, publish: true},
		explanation: "Whoever is told reads the flag at once. And one change that is missed is an old value until the next one comes."},
	{id: "FP-029", name: "a watch ends with its ctx", run: watchEnds, needs: powers{watch: true},
		explanation: "A host that stops waits for its watchers."},
}

// explainRules are about flags.ExplainProvider.
var explainRules = []rule{
	{id: "FP-030", name: "an explanation comes to the same answer", run: explainEqual, needs: powers{explain: true},
		explanation: "An explanation by another code path explains another answer."},
	{id: "FP-031", name: "the steps end with the one that decided", run: explainSteps, needs: powers{explain: true},
		explanation: "People read the trace from its end: what decided, and before it what did not."},
}

// A listed flag is one of a bulk.
type listed struct {
	key string
	flags.Evaluation
}

// bulk evaluates all flags of a subject.
func (e *env) bulk(s *flags.Subject) ([]listed, int64) {
	e.Helper()
	var all []listed
	version, err := e.Provider.(flags.BulkProvider).EvaluateAll(e.ctx, s, func(key string, ev flags.Evaluation) bool {
		all = append(all, listed{key, ev})
		return true
	})
	if err != nil {
		e.Fatalf("EvaluateAll for %s: %v", who(s), err)
	}
	return all, version
}

func bulkComplete(e *env) {
	for tenant, definitions := range e.flags {
		if tenant != Acme && e.OneTenant {
			continue
		}
		s := Subject("ann")
		s.Tenant = tenant
		var got []string
		all, _ := e.bulk(s)
		for _, l := range all {
			got = append(got, l.key)
		}
		if want := keys(definitions); !slices.Equal(got, want) {
			e.Errorf("the flags of %s are %q, want %q", tenant, got, want)
		}
	}
}

func bulkEqual(e *env) {
	for _, known := range subjects {
		s := Subject(known.key)
		all, _ := e.bulk(s)
		for _, l := range all {
			if alone := e.ask(e.ctx, l.key, s); !equal(l.Evaluation, alone) {
				e.Errorf("%s for %s is %s in bulk and %s alone", l.key, who(s), detailed(l.Evaluation), detailed(alone))
			}
		}
	}
}

// equal reports whether two evaluations are the same.
func equal(a, b flags.Evaluation) bool {
	if (a.Err == nil) != (b.Err == nil) || a.Err != nil && a.Err.Code != b.Err.Code {
		return false
	}
	return a.Variant == b.Variant && a.Reason == b.Reason && a.Rule == b.Rule && a.Version == b.Version && same(a.Value, b.Value.Any())
}

// detailed tells an evaluation with all that [equal] looks at.
func detailed(ev flags.Evaluation) string {
	return fmt.Sprintf("%s (rule %q, version %d)", told(ev), ev.Rule, ev.Version)
}

func bulkEnds(e *env) {
	calls := 0
	_, err := e.Provider.(flags.BulkProvider).EvaluateAll(e.ctx, Subject("ann"), func(string, flags.Evaluation) bool {
		calls++
		return calls < 3
	})
	if err != nil || calls != 3 {
		e.Errorf("after three flags its reader had enough and was called %d times (%v)", calls, err)
	}
}

func bulkVersion(e *env) {
	ann := Subject("ann")
	for _, variant := range []string{"new", "old"} {
		_, before := e.bulk(ann)
		if _, again := e.bulk(ann); again != before {
			e.Errorf("nothing changed and the version is %d and then %d", before, again)
		}
		e.publish(variant)
		e.eventually("publishing "+variant, "banner", ann, func(got flags.Evaluation) bool { return got.Variant == variant })
		if _, after := e.bulk(ann); after == before {
			e.Errorf("before and after publishing %s the version is %d", variant, after)
		}
	}
}

// A watching is a watch that goes on beside a rule.
type watching struct {
	changes chan flags.Change
	ended   chan struct{}
	cancel  context.CancelFunc
}

// watch begins to watch. Two calls at one time fail the rule.
func (e *env) watch() *watching {
	// The tenant is one that the provider has met: others may be loaded when they are
	// read first.
	e.ask(e.ctx, "static", Subject("ann"))
	ctx, cancel := context.WithCancel(e.ctx)
	w := &watching{make(chan flags.Change, 1000), make(chan struct{}), cancel}
	var inside atomic.Int32
	go func() {
		defer close(w.ended)
		_ = e.Provider.(flags.WatchProvider).Watch(ctx, func(c flags.Change) {
			if inside.Add(1) > 1 {
				e.Errorf("two changes are told at one time")
			}
			w.changes <- c
			inside.Add(-1)
		})
	}()
	return w
}

// stop ends the watch and reports whether it did in time.
func (w *watching) stop(moment time.Duration) bool {
	w.cancel()
	limit := time.NewTimer(moment)
	defer limit.Stop()
	select {
	case <-w.ended:
		return true
	case <-limit.C:
		return false
	}
}

// await returns the first change that ok accepts, and fails the rule where none comes.
func (e *env) await(w *watching, what string, ok func(flags.Change) bool) {
	e.Helper()
	limit := time.NewTimer(e.options.patience / 4)
	defer limit.Stop()
	for {
		select {
		case c := <-w.changes:
			if ok(c) {
				return
			}
		case <-w.ended:
			e.Fatalf("the watch ended before it told %s", what)
		case <-limit.C:
			e.Fatalf("the watch does not tell %s", what)
		}
	}
}

func watchBegins(e *env) {
	w := e.watch()
	defer w.stop(e.moment())
	first := true
	e.await(w, "that the provider is ready", func(c flags.Change) bool {
		if first && c.Status != flags.StatusReady {
			e.Errorf("a watch of a ready provider begins with status %q", c.Status)
		}
		first = false
		return true
	})
}

func watchTells(e *env) {
	w := e.watch()
	defer w.stop(e.moment())
	e.await(w, "its status", func(flags.Change) bool { return true })
	for _, variant := range []string{"new", "old", "new", "old"} {
		e.publish(variant)
		e.await(w, "that banner changed to "+variant, func(c flags.Change) bool {
			return slices.Contains(c.Keys, "banner") && (c.Tenant == Acme || c.Tenant == "")
		})
		if got := e.ask(e.ctx, "banner", Subject("ann")); got.Variant != variant {
			e.Fatalf("after it was told that banner changed to %s it is %s", variant, told(got))
		}
	}
}

func watchEnds(e *env) {
	w := e.watch()
	e.await(w, "its status", func(flags.Change) bool { return true })
	if !w.stop(e.moment()) {
		e.Errorf("%v after its ctx ended the watch goes on", e.moment())
	}
}

func explainEqual(e *env) {
	for _, known := range subjects {
		s := Subject(known.key)
		for _, key := range append([]string{"missing"}, keys(e.flags[Acme])...) {
			got, want := e.Provider.(flags.ExplainProvider).Explain(e.ctx, key, s), e.ask(e.ctx, key, s)
			if !equal(got.Evaluation, want) {
				e.Errorf("%s for %s is explained as %s and is %s", key, who(s), detailed(got.Evaluation), detailed(want))
			}
		}
	}
}

// kinds are the kinds of steps.
var kinds = []string{"kill", "enabled", "context", "override", "rule", "split", "default", "off"}

func explainSteps(e *env) {
	for _, known := range subjects {
		for _, key := range keys(e.flags[Acme]) {
			got := e.Provider.(flags.ExplainProvider).Explain(e.ctx, key, Subject(known.key))
			if n := len(got.Steps); n == 0 || !got.Steps[n-1].Matched {
				e.Errorf("%s for %s is explained by %+v, want a last step that decided", key, known.key, got.Steps)
			}
			for _, step := range got.Steps {
				if !slices.Contains(kinds, step.Kind) {
					e.Errorf("%s for %s: there is no kind of step %q", key, known.key, step.Kind)
				}
			}
		}
	}
}
