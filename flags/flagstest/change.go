package flagstest

import (
	"sync"

	"github.com/lumelle/adminkit/flags"
)

// changeRules are about definitions that change, and about a source that is away.
var changeRules = []rule{
	{id: "FP-021", name: "a change is seen, and nothing else changes with it", run: changeIsSeen, needs: powers{publish: true},
		explanation: "A flag that was published is served without a restart, under another version where versions are told, and other flags and tenants stay as they are."},
	{id: "FP-022", name: "without its source it answers what it knew, and says STALE", run: stale, needs: powers{cut: true},
		explanation: "A store that is down must not switch features off. And when it is back the provider is as before, without a restart."},
}

func changeIsSeen(e *env) {
	ann, all := Subject("ann"), e.all()
	before := e.want("banner", ann, "old")
	for _, variant := range []string{"new", "old", "new"} {
		e.publish(variant)
		e.eventually("publishing "+variant, "banner", ann, func(got flags.Evaluation) bool { return got.Err == nil && got.Variant == variant })
		got := e.ask(e.ctx, "banner", ann)
		if !same(got.Value, e.flag("banner").Variants[variant]) {
			e.Errorf("after publishing %s banner is %s", variant, told(got))
		}
		if before.Version != 0 && got.Version == before.Version {
			e.Errorf("before and after publishing %s the version is %d", variant, got.Version)
		}
		before = got
	}
	for _, k := range all {
		if got := e.ask(e.ctx, k.Flag, Subject(k.Subject)); k.Flag != "banner" && got.Variant != k.Evaluation.Variant {
			e.Errorf("another flag was published and %s for %s is %s, before it was %s", k.Flag, k.Subject, told(got), told(k.Evaluation))
		}
	}
}

func stale(e *env) {
	all := e.all()
	restore := sync.OnceFunc(e.Cut())
	defer restore()
	asBefore := func(k known) flags.Evaluation {
		got := e.ask(e.ctx, k.Flag, Subject(k.Subject))
		if got.Err != nil || got.Variant != k.Evaluation.Variant {
			e.Fatalf("without its source %s for %s is %s, before it was %s", k.Flag, k.Subject, told(got), told(k.Evaluation))
		}
		return got
	}
	if !e.until(func() bool { return asBefore(all[0]).Reason == flags.ReasonStale }) {
		e.Fatalf("without its source %s never is STALE", all[0].Flag)
	}
	for _, k := range all {
		if got := asBefore(k); got.Reason != flags.ReasonStale {
			e.Errorf("without its source %s for %s is %s, want reason STALE", k.Flag, k.Subject, told(got))
		}
	}
	restore()
	for _, k := range all {
		e.eventually("with its source again", k.Flag, Subject(k.Subject), func(got flags.Evaluation) bool {
			return equal(got, k.Evaluation)
		})
	}
}
