package flagstest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
)

// callRules are about how a provider is called.
var callRules = []rule{
	{id: "FP-018", name: "a ctx that is done holds up no answer", run: doneCtx,
		explanation: "A request that was given up must not wait for a backend, and what it got must not be kept for the next. The right answer is as good as an error."},
	{id: "FP-019", name: "many may ask at once", run: concurrent,
		explanation: "A provider is shared by all requests of a process. Run the suite with -race as well: it finds what only looks right."},
	{id: "FP-020", name: "closed, it leaves nothing running", run: leavesNothing,
		explanation: "Hosts make a provider for each test, and replace one while they run. What Options.New started has ended when its cleanups have."},
}

func doneCtx(e *env) {
	usual := e.ask(e.ctx, "static", Subject("ann"))
	done, cancel := context.WithCancel(e.ctx)
	cancel()
	answered := make(chan flags.Evaluation, 1)
	go func() { answered <- e.Provider.Evaluate(done, "static", Subject("ann")) }()
	limit := time.NewTimer(e.moment())
	defer limit.Stop()
	select {
	case got := <-answered:
		if got.Err == nil && !equal(got, usual) {
			e.Errorf("under a ctx that is done static is %s, else it is %s", told(got), told(usual))
		}
	case <-limit.C:
		e.Fatalf("under a ctx that is done there is no answer after %v", e.moment())
	}
	if again := e.ask(e.ctx, "static", Subject("ann")); !equal(again, usual) {
		e.Errorf("after a ctx that was done static is %s, before it was %s", told(again), told(usual))
	}
}

func concurrent(e *env) {
	all := e.all()
	var wrong sync.Map
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 20 {
				for _, k := range all {
					var got flags.Evaluation
					if cause := e.calm(func() { got = e.Provider.Evaluate(e.ctx, k.Flag, Subject(k.Subject)) }); cause != nil {
						wrong.Store(k.Flag, fmt.Sprintf("panics: %v", cause))
					} else if !equal(got, k.Evaluation) {
						wrong.Store(k.Flag, fmt.Sprintf("for %s is %s, and asked by one it is %s", k.Subject, told(got), told(k.Evaluation)))
					}
				}
			}
		})
	}
	asking.Wait()
	wrong.Range(func(flag, what any) bool {
		e.Errorf("asked by many, %s %s", flag, what)
		return true
	})
}

func leavesNothing(e *env) {
	label := storage.NewID()
	s := &scope{TB: e.TB}
	// Goroutines carry the labels of who started them: that is how those of the
	// provider are told from all others of the process.
	pprof.Do(e.ctx, pprof.Labels("flagstest", label), func(ctx context.Context) {
		h := e.options.New(s)
		h.Provider.Evaluate(ctx, "static", Subject("ann"))
		w, ok := h.Provider.(flags.WatchProvider)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, e.moment())
		defer cancel()
		_ = w.Watch(ctx, func(flags.Change) { cancel() }) // what it answers is another rule's
	})
	s.close()
	var left string
	if !e.until(func() bool { left = labelled(label); return left == "" }) {
		e.Errorf("after its cleanups these goroutines are left:\n%s", left)
	}
}

// labelled returns the stacks of the goroutines that carry a label.
func labelled(label string) string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return err.Error()
	}
	var found []string
	for record := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(record, label) {
			found = append(found, record)
		}
	}
	return strings.Join(found, "\n")
}

// A scope is a part of a test that cleans up before the test ends.
type scope struct {
	testing.TB
	cleanups []func()
}

// Cleanup implements testing.TB.
func (s *scope) Cleanup(fn func()) { s.cleanups = append(s.cleanups, fn) }

// close runs the cleanups, the last first.
func (s *scope) close() {
	for len(s.cleanups) > 0 {
		last := s.cleanups[len(s.cleanups)-1]
		s.cleanups = s.cleanups[:len(s.cleanups)-1]
		last()
	}
}
