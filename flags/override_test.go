package flags_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// A clock stands still until it goes, so that what lies ahead does so for as long as a test
// needs.
type clock struct {
	at   time.Time
	goes atomic.Bool
}

func stopped() *clock { return &clock{at: time.Now()} }

func (c *clock) now() time.Time {
	if c.goes.Load() {
		return time.Now()
	}
	return c.at
}

func TestAnOverrideForQAIsSetUsedAndExpired(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		c := stopped()
		k := newKit(t, b, flags.Config{Now: c.now})
		_, err := k.service.Create(k.ctx, "acme", checkout(), "")
		must(t, err)
		until := c.at.Add(time.Millisecond)
		set, err := k.service.SetOverride(k.ctx, "acme", "checkout", "prod", flags.Override{
			Attribute: flags.AttrTargetingKey, Subject: "m2", Variant: "on", Until: &until, Reason: "a demo",
		})
		must(t, err)
		o := set.Environments["prod"].Overrides[0]
		if o.By != "dana" || o.Kind != flags.OverrideQA || o.ID == "" {
			t.Errorf("got override %+v", o)
		}
		k.serves(t, merchant("m2", "FR"), "on", flags.ReasonTargetingMatch)
		for range 3 {
			must(t, k.service.RecordUse(k.ctx, "acme", flags.OverrideUse{
				Flag: "checkout", Environment: "prod", Override: o.ID, Subject: "m2", Day: c.at,
			}))
		}
		c.goes.Store(true)
		k.work(t)
		e := k.hear(t, flags.ActionExpireOverride)
		if e.Time.Before(*o.Until) || e.Actor.ID != "flags" {
			t.Errorf("expired at %s by %s, want at %s by the system", e.Time, e.Actor.ID, o.Until)
		}
		k.serves(t, merchant("m2", "FR"), "off", flags.ReasonDefault)
		got, err := k.service.Get(k.ctx, "acme", "checkout")
		must(t, err)
		same(t, len(got.Environments["prod"].Overrides), 0)
		same(t, got.Author.ID, "flags")
		same(t, k.trail(t, flags.ResourceFlag, "checkout"), []string{
			"flags.flag.created success", "flags.flag.override_set success", "flags.flag.override_used success", "flags.flag.override_expired success",
		})
	})
}

func TestAnOverrideIsReplacedAndCleared(t *testing.T) {
	t.Parallel()
	c := stopped()
	k := newKit(t, eachtest.Memory(t), flags.Config{Now: c.now})
	_, err := k.service.Create(k.ctx, "acme", checkout(), "")
	must(t, err)
	soon, later := c.at.Add(time.Millisecond), c.at.Add(time.Hour)
	o := flags.Override{Attribute: flags.AttrTargetingKey, Subject: "m2", Variant: "on", Until: &soon, Reason: "a demo"}
	must(t, k.override(o))
	o.Until = &later
	must(t, k.override(o))
	other := o
	other.Subject, other.Until = "m3", &soon
	must(t, k.override(other))
	c.goes.Store(true)
	k.work(t)
	k.hear(t, flags.ActionExpireOverride) // of m3, whose job is behind that of m2
	got, err := k.service.Get(k.ctx, "acme", "checkout")
	must(t, err)
	left := got.Environments["prod"].Overrides
	if len(left) != 1 || left[0].Subject != "m2" || !left[0].Until.Equal(later.UTC().Truncate(time.Microsecond)) {
		t.Errorf("got overrides %+v, want that of m2 with its new end", left)
	}
	// An update leaves overrides for QA alone and sets those of tenants.
	must(t, k.update(in(checkout(), func(s *flags.State) {
		s.Overrides = []flags.Override{
			{ID: "mine", Kind: flags.OverrideQA, Attribute: "actor", Subject: "dana", Variant: "on", Until: &later, Reason: "sneaky"},
			{ID: "bloom", Kind: flags.OverrideTenant, Attribute: flags.AttrMerchant, Subject: "bloom", Variant: "on"},
		}
	})))
	got, err = k.service.Get(k.ctx, "acme", "checkout")
	must(t, err)
	var ids []string
	for _, o := range got.Environments["prod"].Overrides {
		ids = append(ids, o.ID)
	}
	same(t, ids, []string{left[0].ID, "bloom"})

	// Those of tenants bear the name of who set them, whatever a definition says.
	nina := audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "nina"})
	f := got.Flag
	f.Environments["prod"].Overrides[1].By = "mallory"
	f.Environments["prod"] = flags.State{Enabled: true, DefaultVariant: "off", OffVariant: "off", Overrides: append(f.Environments["prod"].Overrides,
		flags.Override{ID: "cobalt", Kind: flags.OverrideTenant, Attribute: flags.AttrMerchant, Subject: "cobalt", Variant: "on", By: "mallory"})}
	got, err = k.service.Update(nina, "acme", f, 0, "")
	must(t, err)
	var by []string
	for _, o := range got.Environments["prod"].Overrides {
		by = append(by, o.ID+" by "+o.By)
	}
	same(t, by, []string{left[0].ID + " by dana", "bloom by dana", "cobalt by nina"})

	_, err = k.service.ClearOverride(k.ctx, "acme", "checkout", "prod", "none", "")
	wantErr(t, err, storage.ErrNotFound)
	_, err = k.service.ClearOverride(k.ctx, "acme", "checkout", "prod", left[0].ID, "done")
	must(t, err)
	k.serves(t, merchant("m2", "FR"), "off", flags.ReasonDefault)
}

// TestAProviderTellsTheFirstUseOfADay serves an override many times from a provider that
// reports to the service.
func TestAProviderTellsTheFirstUseOfADay(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		noon := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) } // one day for all of it
		k := newKit(t, b, flags.Config{Now: noon})
		must(t, k.create(checkout()))
		until := noon().Add(time.Hour)
		must(t, k.override(flags.Override{Attribute: "country", Subject: "FR", Variant: "on", Until: &until, Reason: "a demo"}))
		p, err := flags.NewProvider(b.Flags(), "prod", flags.ProviderConfig{Used: k.service.RecordUse, Now: noon})
		must(t, err)
		must(t, p.Load(k.ctx, "acme"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		for range 100 {
			for _, s := range []*flags.Subject{merchant("m1", "FR"), merchant("m2", "FR"), merchant("m3", "GB")} {
				if e := p.Evaluate(ctx, "checkout", s); e.Variant != "on" {
					t.Fatalf("%s gets %+v", s.Key, e)
				}
			}
		}
		k.hear(t, flags.ActionUseOverride)
		k.hear(t, flags.ActionUseOverride)
		cancel()
		must(t, <-done)
		same(t, k.trail(t, flags.ResourceFlag, "checkout"), []string{
			"flags.flag.created success", "flags.flag.override_set success", "flags.flag.override_used success", "flags.flag.override_used success",
		})
	})
}
