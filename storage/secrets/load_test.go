package secrets_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
)

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // what the tests encode always does
	}
	return b
}

// A client works on things of its own in one process and knows what they must hold.
type client struct {
	*world
	n        int
	value    string // of its credential
	endpoint string
	answers  map[string]string // by idempotency key
}

func (c *client) name() string { return fmt.Sprintf("c%d", c.n) }

func (c *client) start() error {
	c.value, c.answers = c.name()+"-0", map[string]string{}
	if _, err := c.creds.Create(c.ctx, "acme", credentials.Input{Name: c.name(), Kind: "k"}, []byte(c.value)); err != nil {
		return err
	}
	e, _, err := c.hooks.Create(c.ctx, "acme", webhooks.EndpointInput{URL: "http://127.0.0.1:9/in", EventTypes: []string{"lumelle.none"}})
	c.endpoint = e.ID
	return err
}

// step writes each kind of secret once, and reads back what was written before.
func (c *client) step(i int) error {
	if err := c.check(); err != nil {
		return err
	}
	next := fmt.Sprintf("%s-%d", c.name(), i)
	if _, err := c.creds.Rotate(c.ctx, "acme", c.name(), 0, []byte(next)); err != nil {
		return fmt.Errorf("rotate a credential: %w", err)
	}
	c.value = next
	if _, err := c.hooks.RotateSecret(c.ctx, "acme", c.endpoint); err != nil {
		return fmt.Errorf("rotate an endpoint's secret: %w", err)
	}
	key := fmt.Sprintf("%s-%d", c.name(), i)
	status, body := c.post("acme", "/endpoints/"+c.endpoint+"/rotate-secret", key, `{}`)
	if status >= 300 {
		return fmt.Errorf("rotate over HTTP: %d %s", status, body)
	}
	c.answers[key] = body
	return nil
}

// check reads everything back.
func (c *client) check() error {
	err := c.creds.Use(c.ctx, "acme", credentials.Ref(c.name()), func(_ context.Context, _ credentials.Credential, value []byte) error {
		if string(value) != c.value {
			return fmt.Errorf("the credential is not the one that was written last")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("use a credential: %w", err)
	}
	all, err := c.backend.Webhooks().Secrets(c.ctx, "acme", c.endpoint)
	if err != nil {
		return err
	}
	for _, s := range all {
		if _, err := c.vault.Open(c.ctx, "acme", "webhooks.secret", c.endpoint+"/"+s.ID, s.Sealed); err != nil {
			return fmt.Errorf("open an endpoint's secret: %w", err)
		}
	}
	for key, want := range c.answers {
		if _, got := c.post("acme", "/endpoints/"+c.endpoint+"/rotate-secret", key, `{}`); got != want {
			return fmt.Errorf("the answer under %s is another one: %.80s", key, got)
		}
	}
	return nil
}

// Keys are rotated and retired three times while clients of two processes write and read.
// No operation fails, and in the end everything opens under the last key alone.
func TestARotationUnderLoadLosesNothing(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		keys := generate(t)
		worlds := []*world{newWorld(t, b, keys, io.Discard), newWorld(t, b, keys, io.Discard)}
		var clients []*client
		for i := range 4 {
			c := &client{world: worlds[i%2], n: i}
			must(t, c.start())
			clients = append(clients, c)
		}

		// Each operation holds the gate shared. Whoever changes the keys waits for those
		// that began before, which is what Settle is for where nobody can ask.
		var gate sync.RWMutex
		use := func(keys *secrets.Keys) {
			gate.Lock()
			defer gate.Unlock()
			for _, w := range worlds {
				must(t, w.vault.Use(keys))
			}
		}
		stop, stepped, broken := make(chan struct{}), make(chan struct{}, 64), make(chan struct{}, len(clients)+1)
		var steps atomic.Int64
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Go(func() {
				for i := 1; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					gate.RLock()
					err := c.step(i)
					gate.RUnlock()
					if err != nil {
						t.Errorf("client %d, step %d: %v", c.n, i, err)
						broken <- struct{}{}
						return
					}
					steps.Add(1)
					select {
					case stepped <- struct{}{}:
					default:
					}
				}
			})
		}

		resealed, overtaken := 0, 0
		for round := range 3 {
			for range 8 { // so that there is something under the old key
				select {
				case <-stepped:
				case <-broken:
					broken <- struct{}{}
				}
			}
			old := keys.Primary()
			next, err := keys.Rotate()
			must(t, err)
			use(next)
			// Both processes run one.
			var reports [2]secrets.Report
			var pair sync.WaitGroup
			for i, w := range worlds {
				pair.Go(func() {
					var err error
					if reports[i], err = w.rotator(t, secrets.RotatorConfig{Settle: time.Nanosecond}, "acme").Run(w.ctx); err != nil {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			pair.Wait()
			for _, r := range reports {
				resealed, overtaken = resealed+r.Resealed, overtaken+r.Overtaken
				if len(r.Retirable) != 1 || r.Retirable[0] != old || r.Failed != 0 {
					t.Errorf("round %d: got %+v, want %s retirable", round, r, old)
				}
			}
			keys, err = next.Retire(old)
			must(t, err)
			use(keys)
		}
		close(stop)
		wg.Wait()

		for _, c := range clients {
			if err := c.check(); err != nil {
				t.Errorf("client %d, at the end: %v", c.n, err)
			}
		}
		report, err := worlds[0].rotator(t, secrets.RotatorConfig{}, "acme").Inspect(t.Context())
		must(t, err)
		if report.Failed != 0 || report.Keys[keys.Primary()] != report.Values || report.Values == 0 {
			t.Errorf("at the end: got %+v", report)
		}
		t.Logf("%d steps, %d values, %d sealed again, %d overtaken", steps.Load(), report.Values, resealed, overtaken)
	})
}
