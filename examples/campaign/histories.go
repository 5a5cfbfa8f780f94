package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/webhooks"
)

// Histories of a round, on each store and of each planted bug.
const (
	historiesPerRound = 100
	plantedPerRound   = 30
	clients           = 4
	callsPerClient    = 4
)

// A history is one short run of several clients at the same time.
type history struct {
	ctx   context.Context
	store store
	began time.Time
	bug   string // what is planted, empty for nothing

	mu         sync.Mutex
	operations []porcupine.Operation
	err        error
}

// A subject is something whose histories are checked: a model, a run of it, and the bugs
// that are planted to see that the check finds them.
type subject struct {
	name  string
	model porcupine.Model
	run   func(h *history, r *rand.Rand)
	bugs  []string
}

// The planted bugs, by what the store does.
const (
	bugRevision = "checks the revision before it writes, and not while"
	bugOwner    = "takes a lane that has an owner"
	bugFence    = "settles without its fence"
)

var subjects = []subject{
	{"revisions", revisionModel, writeRevisions, []string{bugRevision}},
	{"claims", claimModel, claimLanes, []string{bugOwner, bugFence}},
}

// checkHistories has porcupine look at concurrent histories over all stores.
func checkHistories(ctx context.Context, r *round) error {
	postgresPlace, err := r.postgresPlace(ctx)
	if err != nil {
		return err
	}
	sqlitePlace, err := r.sqlitePlace(ctx)
	if err != nil {
		return err
	}
	for _, open := range []struct {
		name  string
		times int // more where a history costs little
		open  func() (store, error)
	}{
		{"memory", 5, func() (store, error) { return memory.New(memory.Config{}) }},
		{"sqlite", 1, func() (store, error) { return open(ctx, sqlitePlace) }},
		{"postgres", 1, func() (store, error) { return open(ctx, postgresPlace) }},
	} {
		b, err := open.open()
		if err != nil {
			return err
		}
		for _, s := range subjects {
			if err = r.check(ctx, b, open.name, open.times*historiesPerRound, s); err != nil {
				break
			}
		}
		if err := errors.Join(err, b.Close(context.WithoutCancel(ctx))); err != nil {
			return err
		}
	}
	return nil
}

// check makes n histories of a subject, and more with bugs. Those without a bug have to be
// linearizable; of those with one, some have to be found out.
func (r *round) check(ctx context.Context, b store, where string, n int, s subject) error {
	for range n {
		ok, err := r.history(ctx, b, s, "")
		if err != nil {
			return err
		}
		if !ok {
			r.violated("%s on %s: a history is not linearizable", s.name, where)
		}
		r.count("histories_of_"+s.name, 1)
	}
	for _, bug := range s.bugs {
		found := 0
		for range plantedPerRound {
			ok, err := r.history(ctx, b, s, bug)
			if err != nil {
				return err
			}
			if !ok {
				found++
			}
			r.count("planted", 1)
		}
		r.count("planted_found", int64(found))
		if found == 0 {
			r.violated("%s on %s: the check did not find a store that %s", s.name, where, bug)
		}
	}
	return nil
}

// history makes one history and reports whether it is linearizable.
func (r *round) history(ctx context.Context, b store, s subject, bug string) (bool, error) {
	h := &history{ctx: ctx, store: b, began: time.Now(), bug: bug}
	s.run(h, r.random)
	if h.err != nil {
		return false, h.err
	}
	return porcupine.CheckOperations(s.model, h.operations), nil
}

// note records a call with its answer. A call that the store refused for being busy has
// not happened; nothing is broken here, so no outcome is unknown.
func (h *history) note(client int, input any, call func() (output any, err error)) {
	started := time.Since(h.began).Nanoseconds()
	output, err := call()
	ended := time.Since(h.began).Nanoseconds()
	h.mu.Lock()
	defer h.mu.Unlock()
	if errors.Is(err, storage.ErrUnavailable) {
		return
	}
	if err != nil {
		h.err = errors.Join(h.err, err)
		return
	}
	h.operations = append(h.operations, porcupine.Operation{ClientId: client, Input: input, Call: started, Output: output, Return: ended})
}

// together runs fn for each client at the same time, each with random numbers of its own.
func together(r *rand.Rand, fn func(client int, r *rand.Rand)) {
	var wg sync.WaitGroup
	for client := range clients {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		wg.Go(func() { fn(client, own) })
	}
	wg.Wait()
}

// A revisionCall reads an endpoint, or writes it for a revision.
type revisionCall struct {
	write    bool
	revision int64 // that the write is made for
	value    string
}

// A revisionState is an endpoint: its revision and a value. It is also what a read answers;
// a write answers whether it was made.
type revisionState struct {
	revision int64
	value    string
}

var revisionModel = porcupine.Model{
	Init: func() any { return revisionState{1, ""} },
	Step: func(state, input, output any) (bool, any) {
		s, in := state.(revisionState), input.(revisionCall)
		if !in.write {
			return output == s, s
		}
		fits := in.revision == s.revision
		if output != fits {
			return false, s
		}
		if fits {
			s = revisionState{s.revision + 1, in.value}
		}
		return true, s
	},
	Equal: func(a, b any) bool { return a == b },
}

// writeRevisions has clients read an endpoint and write it for the revision they saw.
func writeRevisions(h *history, r *rand.Rand) {
	tenant, id, endpoints := "tenant-"+storage.NewID(), "endpoint", h.store.Webhooks()
	at := time.Unix(1_800_000_000, 0).UTC()
	e := webhooks.Endpoint{ID: id, Tenant: tenant, URL: "https://example.com/", EventTypes: []string{"*"}, Status: webhooks.Enabled, Revision: 1, CreatedAt: at, UpdatedAt: at}
	if h.err = endpoints.InsertEndpoint(h.ctx, tenant, e, webhooks.Secret{ID: "s", Sealed: []byte{1}, CreatedAt: at}); h.err != nil {
		return
	}
	together(r, func(client int, r *rand.Rand) {
		for i := range callsPerClient {
			var seen revisionState
			h.note(client, revisionCall{}, func() (any, error) {
				e, _, err := endpoints.GetEndpoint(h.ctx, tenant, id, false)
				seen = revisionState{e.Revision, e.Description}
				return seen, err
			})
			in := revisionCall{true, seen.revision, fmt.Sprint(client, ".", i)}
			h.note(client, in, func() (any, error) {
				next := e
				next.Description = in.value
				if h.bug == bugRevision { // it looks, and then writes for whatever is there
					now, _, err := endpoints.GetEndpoint(h.ctx, tenant, id, false)
					if err != nil || now.Revision != in.revision {
						return false, err
					}
					return h.overwrite(tenant, next, r)
				}
				next.Revision = in.revision + 1
				err := endpoints.UpdateEndpoint(h.ctx, tenant, next, in.revision)
				if errors.Is(err, storage.ErrConflict) {
					return false, nil
				}
				return true, err
			})
		}
	})
}

// overwrite writes an endpoint over what is there by then.
func (h *history) overwrite(tenant string, next webhooks.Endpoint, r *rand.Rand) (bool, error) {
	for range r.IntN(50) {
		runtime.Gosched() // the moment between the look and the write
	}
	for {
		now, _, err := h.store.Webhooks().GetEndpoint(h.ctx, tenant, next.ID, false)
		if err != nil {
			return false, err
		}
		next.Revision = now.Revision + 1
		if err := h.store.Webhooks().UpdateEndpoint(h.ctx, tenant, next, now.Revision); !errors.Is(err, storage.ErrConflict) {
			return err == nil, err
		}
	}
}
