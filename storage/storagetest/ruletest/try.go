package ruletest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Try runs fn as a test would be run, on a goroutine of its own, and returns what it
// reported with Error, Errorf, Fatal or Fatalf. A panic is a failure too. What fn logs
// is dropped; what it gave to Cleanup has run when Try returns.
//
// The test that fn gets has no name, no place for files and no environment, and cannot
// be skipped: it panics where fn asks for one, which is then the failure.
func Try(ctx context.Context, fn func(t testing.TB)) []string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &witness{ctx: ctx}
	w.run(func() { fn(w) })
	cancel() // before the cleanups, as of every test
	for {
		w.mu.Lock()
		n := len(w.cleanups)
		if n == 0 {
			w.mu.Unlock()
			return w.failures
		}
		last := w.cleanups[n-1]
		w.cleanups = w.cleanups[:n-1]
		w.mu.Unlock()
		w.run(last)
	}
}

// A witness is a test that keeps its failures to itself. The embedded interface is nil:
// it is there for the methods that a rule does not use.
type witness struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex
	failures []string
	cleanups []func()
}

// run calls fn on a goroutine that it may end.
func (w *witness) run(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if cause := recover(); cause != nil {
				w.Errorf("panic: %v", cause)
			}
		}()
		fn()
	}()
	<-done
}

func (w *witness) fail(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, text)
}

func (w *witness) Helper()                           {}
func (w *witness) Context() context.Context          { return w.ctx }
func (w *witness) Log(...any)                        {}
func (w *witness) Logf(string, ...any)               {}
func (w *witness) Error(args ...any)                 { w.fail(strings.TrimSuffix(fmt.Sprintln(args...), "\n")) }
func (w *witness) Errorf(format string, args ...any) { w.fail(fmt.Sprintf(format, args...)) }

func (w *witness) Fatal(args ...any) {
	w.Error(args...)
	runtime.Goexit()
}

func (w *witness) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	runtime.Goexit()
}

func (w *witness) Failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.failures) > 0
}

func (w *witness) Cleanup(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cleanups = append(w.cleanups, fn)
}

var _ testing.TB = (*witness)(nil)
