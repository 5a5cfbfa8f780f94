package authztest

import (
	"sync"
	"sync/atomic"

	"github.com/lumelle/adminkit/audit"
)

// changeRules are about policies that change.
var changeRules = []rule{
	{
		id: "AU-025", name: "a revoked role is gone with the next decision",
		explanation: "a cached answer outlives the right it was about",
		run: func(e *env) {
			for range 3 {
				e.want(refund(sam, "50.00"), audit.Allow)
				e.revoke("acme", sam, Support)
				e.want(refund(sam, "50.00"), audit.Deny)
				e.grant("acme", sam, Support)
			}
		},
	},
	{
		id: "AU-026", name: "a granted role is there with the next decision",
		explanation: "a cached denial keeps people from their work",
		run: func(e *env) {
			e.want(cancel(sam, "1001"), audit.Deny)
			e.grant("acme", sam, Manager)
			e.want(cancel(sam, "1001"), audit.Allow)
			e.revoke("acme", sam, Manager)
			e.want(cancel(sam, "1001"), audit.Deny)
			e.want(refund(sam, "50.00"), audit.Allow)
		},
	},
	{
		id: "AU-027", name: "the version moves with the policy",
		explanation: "a decision is replayed against the version it names",
		run: func(e *env) {
			before := e.authorize(refund(sam, "50.00")).PolicyVersion
			e.grant("acme", user("zoe"), Support)
			if after := e.authorize(refund(sam, "50.00")).PolicyVersion; after == before {
				e.Errorf("the version is %q before and after a change", before)
			}
		},
	},
	{
		id: "AU-028", name: "no acknowledged revocation is overtaken by an allow",
		explanation: "between the answer of Revoke and the next Grant every decision, on every goroutine, denies",
		run:         revokeUnderLoad,
	},
}

// revokeUnderLoad takes a role and gives it back while others ask.
func revokeUnderLoad(e *env) {
	const readers, rounds = 4, 25
	// state is even while the role is surely given, odd while it is surely taken, and
	// negative in between.
	var state atomic.Int64
	var stale atomic.Int64
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range readers {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := state.Load()
				d, err := e.h.Authorizer.Authorize(e.ctx, refund(sam, "50.00"))
				taken := before > 0 && before%2 == 1 && state.Load() == before
				if taken && err == nil && d.Effect != audit.Deny {
					stale.Add(1)
				}
			}
		})
	}
	for round := range int64(rounds) {
		state.Store(-1)
		e.revoke("acme", sam, Support)
		state.Store(2*round + 1)
		for range 4 {
			e.want(refund(sam, "50.00"), audit.Deny)
		}
		state.Store(-1)
		e.grant("acme", sam, Support)
		state.Store(2*round + 2)
	}
	close(stop)
	asking.Wait()
	if n := stale.Load(); n > 0 {
		e.Errorf("%d decisions allowed what was revoked", n)
	}
}
