package faults

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
)

// ErrInjected is the error of a call that fails without losing its connection.
var ErrInjected = errors.New("injected fault")

// A Mode says how a call fails.
type Mode int

const (
	// Before fails the call without making it.
	Before Mode = iota
	// After makes the call and reports that it failed.
	After
	// LostBefore loses the connection instead of making the call.
	LostBefore
	// LostAfter makes the call and loses the connection before its answer arrives.
	LostAfter
)

// Modes returns all modes.
func Modes() []Mode { return []Mode{Before, After, LostBefore, LostAfter} }

// String returns the name of the mode: before, after, lost-before, lost-after.
func (m Mode) String() string {
	switch m {
	case Before:
		return "before"
	case After:
		return "after"
	case LostBefore:
		return "lost-before"
	case LostAfter:
		return "lost-after"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// lost reports whether the connection goes with the call.
func (m Mode) lost() bool { return m == LostBefore || m == LostAfter }

// made reports whether the call takes effect.
func (m Mode) made() bool { return m == After || m == LostAfter }

// An Op is a kind of call.
type Op string

// The calls that are counted.
const (
	Connect  Op = "connect"
	Prepare  Op = "prepare"
	Begin    Op = "begin"
	Exec     Op = "exec"
	Query    Op = "query"
	Next     Op = "next"
	Commit   Op = "commit"
	Rollback Op = "rollback"
	Flush    Op = "flush" // one write of requests to a server, see Plan.Dial
)

// A Call is one counted call.
type Call struct {
	// N counts the calls of a run, from 1.
	N  int
	Op Op
	// Query is the statement, where the call has one.
	Query string
}

// String describes the call in a few words.
func (c Call) String() string {
	s := fmt.Sprintf("call %d, %s", c.N, c.Op)
	if c.Query != "" {
		s += " " + strings.Join(strings.Fields(c.Query), " ")
	}
	return s
}

// A Plan fails one call of a run. It counts, and fails, only while it is armed; all
// connections that are opened through it count together. It is safe for concurrent
// use.
type Plan struct {
	mode Mode
	n    int

	mu    sync.Mutex
	armed bool
	count int
	fired *Call
}

// New returns a Plan that fails call n, counted from 1, in the given mode.
func New(mode Mode, n int) *Plan { return &Plan{mode: mode, n: n} }

// Sweep yields a Plan for each call of a run and each of the modes, all modes where
// none are named: call 1, 2, 3 ... until a run ends in which the Plan had nothing to
// fail. That run shows that the workload survives without a fault. Each run has to do
// the same work from the same state.
//
// It panics when a run makes no call at all between Arm and Disarm, because then the
// sweep would prove nothing.
func Sweep(modes ...Mode) iter.Seq[*Plan] {
	if len(modes) == 0 {
		modes = Modes()
	}
	modes = slices.Clone(modes)
	return func(yield func(*Plan) bool) {
		for _, mode := range modes {
			for n := 1; ; n++ {
				p := New(mode, n)
				if !yield(p) {
					return
				}
				if p.Count() == 0 {
					panic("faults: the run made no call while the plan was armed")
				}
				if _, fired := p.Fired(); !fired {
					break
				}
			}
		}
	}
}

// Arm begins the part of the run in which calls count.
func (p *Plan) Arm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = true
}

// Disarm ends the part of the run in which calls count.
func (p *Plan) Disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
}

// Mode returns how the Plan fails its call.
func (p *Plan) Mode() Mode { return p.mode }

// Count returns how many calls were counted so far.
func (p *Plan) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Fired returns the call that failed, and false while none has.
func (p *Plan) Fired() (Call, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fired == nil {
		return Call{}, false
	}
	return *p.fired, true
}

// String names the plan, fit as the name of a subtest: "lost-after/3".
func (p *Plan) String() string { return fmt.Sprintf("%s/%d", p.mode, p.n) }

// Fires counts a call and reports whether it is the one to fail, now. Connector and
// Dial ask it; so does whoever injects faults somewhere else.
func (p *Plan) Fires(op Op, query string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.armed {
		return false
	}
	p.count++
	if p.count != p.n {
		return false
	}
	p.fired = &Call{N: p.n, Op: op, Query: query}
	return true
}
