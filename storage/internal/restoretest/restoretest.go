// Package restoretest holds an engine to what its package says of backups: one that is
// taken while others write is whole, and where it is restored everything goes on. Who
// polls the audit log with a cursor from before misses nothing, deliveries and jobs that
// were waiting are made, and where the keys of secrets are lost the rest works.
package restoretest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

// Options says how to back an engine up.
type Options struct {
	// New returns an empty backend.
	New func(t *testing.T) eachtest.Backend
	// Backup takes a backup of the place of b, by the means of the engine, and returns what
	// restores it into a new place and opens that, again and again.
	Backup func(t *testing.T, b eachtest.Backend) (restore func(t *testing.T) eachtest.Backend)
}

// patience is how long a step may take: transactions of others hold polls back.
const patience = time.Minute

// changes is how many are made before the backup, and again after it.
const changes = 40

// Run runs the tests.
func Run(t *testing.T, o Options) {
	keys, err := secrets.Generate()
	must(t, err)
	receiver := webhookstest.NewReceiver(t)
	source := newWorld(t, o.New(t), keys)
	_, secret, err := source.hooks.Create(source.ctx, tenant, webhooks.EndpointInput{
		URL: receiver.URL(), EventTypes: []string{"lumelle.orders.v1.*"},
	})
	must(t, err)
	_, err = source.creds.Create(source.ctx, tenant, credentials.Input{Name: "shop", Kind: "token"}, []byte(value))
	must(t, err)
	before := history(t, source, func() func(t *testing.T) eachtest.Backend { return o.Backup(t, source.b) })
	must(t, source.b.Close(t.Context()))

	t.Run("who polls misses nothing", func(t *testing.T) {
		w := newWorld(t, before.restore(t), keys)
		stored := w.all(t)
		before.fits(t, stored)
		pollers := []*poller{&before.ahead, &before.behind, w.poller()}
		missing := [][]string{nil, without(stored, before.behind.seen), stored}
		// Restored once more, because what was made of it was lost as well: the pollers hold
		// cursors from there.
		for range 2 {
			for range changes {
				must(t, w.change(w.ctx))
			}
			added := w.all(t)[len(stored):]
			if len(added) != changes {
				t.Fatalf("%d events were added in the restored place, want %d", len(added), changes)
			}
			for i, p := range pollers {
				p.goesOn(t, w, append(missing[i], added...))
			}
			w, missing = newWorld(t, before.restore(t), keys), make([][]string, len(pollers))
		}
	})
	t.Run("work that was waiting is done", func(t *testing.T) {
		w := newWorld(t, before.restore(t), keys)
		refunds := w.refunds(t)
		w.work(t)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		requests, err := receiver.Wait(ctx, len(refunds))
		must(t, err)
		var delivered []string
		for _, r := range requests {
			must(t, r.Verify(secret))
			var event struct{ ID string }
			must(t, json.Unmarshal(r.Body, &event))
			delivered = append(delivered, event.ID)
		}
		if missing := without(refunds, delivered); len(missing) != 0 {
			t.Errorf("of %d events %d were not delivered", len(refunds), len(missing))
		}
		must(t, w.use())
	})
	t.Run("without the keys the rest works", func(t *testing.T) {
		lost, err := secrets.Generate()
		must(t, err)
		w := newWorld(t, before.restore(t), lost)
		unknown, ok := errors.AsType[*secrets.UnknownKeyError](w.use())
		if !ok || unknown.KeyID != keys.Primary() {
			t.Errorf("the use of a credential answers %v, want that key %s is unknown", err, keys.Primary())
		}
		stored := w.all(t)
		p := w.poller()
		must(t, w.change(w.ctx))
		p.until(t, func() bool { return len(p.seen) == len(stored)+1 })
		done := w.work(t)
		must(t, w.queue.Enqueue(w.ctx, jobs.Job{Tenant: tenant, Lane: "shop", Kind: "shop.work"}))
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("a job that needs no secret was not done")
		}
		_, err = w.creds.Create(w.ctx, tenant, credentials.Input{Name: "new", Kind: "token"}, []byte(value))
		must(t, err)
		must(t, w.vault.Use(keys)) // found again
		must(t, w.use())
	})
}

// A past is what was known of a place before its backup is restored.
type past struct {
	restore       func(t *testing.T) eachtest.Backend
	ahead, behind poller
	all           []string
}

// history makes changes by several writers, followed by one who polls, and a backup in the
// middle of them.
func history(t *testing.T, w *world, backup func() func(t *testing.T) eachtest.Backend) past {
	t.Helper()
	ctx, stop := context.WithCancel(w.ctx)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := w.change(context.WithoutCancel(ctx)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	p := w.poller()
	p.until(t, func() bool { return len(p.seen) >= changes })
	behind := *p
	p.until(t, func() bool { return len(p.seen) >= 2*changes })
	restore := backup()
	last := len(p.seen)
	p.until(t, func() bool { return len(p.seen) >= last+changes })
	stop()
	wg.Wait()
	all := w.all(t)
	p.until(t, func() bool { return len(p.seen) == len(all) })
	return past{restore: restore, ahead: *p, behind: behind, all: all}
}

// fits fails the test where the backup is not one from the middle of the past.
func (p past) fits(t *testing.T, stored []string) {
	t.Helper()
	if strange := without(stored, p.all); len(strange) != 0 {
		t.Errorf("the backup holds %d events that never were", len(strange))
	}
	if len(stored) <= len(p.behind.seen) || len(stored) >= len(p.all) {
		t.Errorf("the backup holds %d events, want more than %d and fewer than %d", len(stored), len(p.behind.seen), len(p.all))
	}
}

// A poller follows the audit log.
type poller struct {
	w    *world
	q    audit.Query
	seen []string
}

func (w *world) poller() *poller {
	return &poller{w: w, q: audit.Query{Since: time.Unix(1, 0), Limit: 7}}
}

// until polls until done.
func (p *poller) until(t *testing.T, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); {
		page, err := p.w.log.Query(t.Context(), tenant, p.q)
		must(t, err)
		p.q.After = page.Next
		for _, e := range page.Items {
			p.seen = append(p.seen, e.ID)
		}
		if time.Since(began) > patience {
			t.Errorf("polled %d events and no more for %s", len(p.seen), patience)
			return
		}
	}
}

// goesOn polls in another place, and fails the test where it does not see these events and
// no others.
func (p *poller) goesOn(t *testing.T, w *world, want []string) {
	t.Helper()
	p.w, p.seen = w, nil
	p.until(t, func() bool { return len(p.seen) >= len(want) })
	if !slices.Equal(sorted(p.seen), sorted(want)) {
		t.Errorf("polled %d events, want %d: %d are missing and %d too many",
			len(p.seen), len(want), len(without(want, p.seen)), len(without(p.seen, want)))
	}
}

// all returns the ids of all events, in the order of recording.
func (w *world) all(t *testing.T) []string { return w.list(t, audit.Query{}) }

// refunds returns the ids of those events that are delivered.
func (w *world) refunds(t *testing.T) []string { return w.list(t, audit.Query{Action: refund}) }

func (w *world) list(t *testing.T, q audit.Query) []string {
	t.Helper()
	var ids []string
	for {
		page, err := w.log.Query(t.Context(), tenant, q)
		must(t, err)
		for _, e := range page.Items {
			ids = append(ids, e.ID)
		}
		if q.After = page.Next; q.After == "" {
			return ids
		}
	}
}

// without returns what of one list is not in the other.
func without(list, other []string) []string {
	there := map[string]bool{}
	for _, id := range other {
		there[id] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return there[id] })
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
