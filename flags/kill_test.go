package flags_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestAKillBeatsAllAndStaysUntilItIsRestored(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, flags.Config{})
		_, err := k.service.Create(k.ctx, "acme", checkout(), "")
		must(t, err)
		until := time.Now().Add(time.Hour)
		must(t, k.override(flags.Override{Attribute: flags.AttrTargetingKey, Subject: "m2", Variant: "on", Until: &until, Reason: "a demo"}))
		gb, fr, qa := merchant("m1", "GB"), merchant("m3", "FR"), merchant("m2", "FR")
		k.serves(t, gb, "on", flags.ReasonTargetingMatch)
		k.serves(t, fr, "off", flags.ReasonDefault)
		k.serves(t, qa, "on", flags.ReasonTargetingMatch)

		killed, err := k.service.Kill(k.ctx, "acme", "checkout", "prod", "it burns")
		must(t, err)
		kill := killed.Environments["prod"].Killed
		if kill == nil || kill.By != "dana" || kill.Reason != "it burns" || !kill.At.Equal(killed.UpdatedAt) {
			t.Errorf("got kill switch %+v of a version of %s", kill, killed.UpdatedAt)
		}
		off := func() {
			t.Helper()
			for _, s := range []*flags.Subject{gb, fr, qa} {
				k.serves(t, s, "off", flags.ReasonDisabled)
			}
		}
		off()
		// Neither an update that says nothing of the kill switch nor one that says no
		// takes it back; other environments are not touched.
		must(t, k.update(in(checkout(), func(s *flags.State) { s.DefaultVariant = "on" })))
		off()
		f := checkout()
		delete(f.Environments, "prod")
		must(t, k.update(f))
		k.serves(t, gb, "", flags.ReasonDisabled) // there is no off variant any more
		must(t, k.update(checkout()))
		off()
		e, err := k.service.Evaluate(k.ctx, "acme", "checkout", "dev", fr, nil)
		must(t, err)
		same(t, e.Variant, "on")

		// Killing again is asked about, and changes nothing.
		again, err := k.service.Kill(k.ctx, "acme", "checkout", "prod", "it still burns")
		must(t, err)
		same(t, again.Environments["prod"].Killed, kill)

		// Restoring passes the gates.
		k.gate = func(audit.Event) audit.Verdict { return audit.Verdict{Effect: audit.Deny} }
		_, err = k.service.Restore(k.ctx, "acme", "checkout", "prod", "")
		if _, ok := errors.AsType[*audit.DeniedError](err); !ok {
			t.Errorf("restoring against the gate: %v", err)
		}
		off()
		k.gate = nil
		_, err = k.service.Restore(k.ctx, "acme", "checkout", "prod", "it was a drill")
		must(t, err)
		k.serves(t, gb, "on", flags.ReasonTargetingMatch)
		k.serves(t, qa, "on", flags.ReasonTargetingMatch)
		same(t, k.trail(t, flags.ResourceFlag, "checkout"), []string{
			"flags.flag.created success", "flags.flag.override_set success", "flags.flag.killed success",
			"flags.flag.updated success", "flags.flag.updated success", "flags.flag.updated success",
			"flags.flag.restored denied", "flags.flag.restored success",
		})
	})
}

func TestAKillBindsToNoRevisionAndARestoreToTheOneThatWasSeen(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), flags.Config{})
	_, err := k.service.Create(k.ctx, "acme", checkout(), "")
	must(t, err)
	ask := func(do func() error) audit.Event {
		t.Helper()
		k.gate = func(audit.Event) audit.Verdict { return audit.Verdict{Effect: audit.Deny} }
		if _, ok := errors.AsType[*audit.DeniedError](do()); !ok {
			t.Fatal("the gate did not hold the change back")
		}
		k.gate = nil
		e := k.asked[len(k.asked)-1]
		e.ID, e.Time = "", time.Time{}
		return e
	}
	kill := ask(func() error { _, err := k.service.Kill(k.ctx, "acme", "checkout", "prod", "why"); return err })
	must(t, k.update(in(checkout(), func(s *flags.State) { s.DefaultVariant = "on" })))
	must(t, k.service.Apply(k.ctx, kill))
	k.serves(t, merchant("m1", "GB"), "off", flags.ReasonDisabled)
	wantErr(t, k.service.Apply(k.ctx, kill), storage.ErrConflict)

	restore := ask(func() error { _, err := k.service.Restore(k.ctx, "acme", "checkout", "prod", ""); return err })
	must(t, k.update(checkout()))
	wantErr(t, k.service.Apply(k.ctx, restore), storage.ErrConflict)
	k.serves(t, merchant("m1", "GB"), "off", flags.ReasonDisabled)
}

// everybody is a strategy of a host.
type everybody struct{}

func (everybody) Describe() flags.StrategyInfo { return flags.StrategyInfo{Name: "everybody"} }

func (everybody) Build(map[string]any, flags.FlagInfo) (*targeting.Condition, *flags.Serve, error) {
	return nil, &flags.Serve{Variant: "on"}, nil
}

func TestAFlagWhoseStrategyIsGoneCanStillBeKilled(t *testing.T) {
	t.Parallel()
	b := eachtest.Memory(t)
	k := newKit(t, b, flags.Config{Strategies: []flags.Strategy{everybody{}}})
	f := in(checkout(), func(s *flags.State) {
		s.Rules = []flags.Rule{{Name: "all", Strategy: &flags.StrategyUse{Name: "everybody"}}, {Name: "vip", When: &targeting.Condition{Audience: "vip"}, Serve: &flags.Serve{Variant: "on"}}}
	})
	must(t, k.audience(targeting.Audience{Key: "vip"}))
	must(t, k.create(f))
	k.serves(t, merchant("m1", "FR"), "on", flags.ReasonTargetingMatch)

	k = newKit(t, b, flags.Config{})
	k.serves(t, merchant("m1", "FR"), "off", flags.ReasonDefault)
	wantErr(t, k.update(f), storage.ErrInvalid)
	must(t, k.audience(targeting.Audience{Key: "vip", Include: []string{"m1"}}))
	_, err := k.service.Kill(k.ctx, "acme", "checkout", "prod", "why")
	must(t, err)
	k.serves(t, merchant("m1", "FR"), "off", flags.ReasonDisabled)
	_, err = k.service.Restore(k.ctx, "acme", "checkout", "prod", "")
	wantErr(t, err, storage.ErrInvalid)
}

func TestManyOverridesKeepNobodyFromUpdatingAndKilling(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), flags.Config{})
	must(t, k.create(checkout()))
	until := time.Now().Add(time.Hour)
	for i := range 100 {
		must(t, k.override(flags.Override{Attribute: flags.AttrActor, Subject: fmt.Sprint("tester-", i), Variant: "on", Until: &until, Reason: strings.Repeat("r", 400)}))
	}
	must(t, k.update(in(checkout(), func(s *flags.State) { s.DefaultVariant = "on" })))
	got, err := k.service.Kill(k.ctx, "acme", "checkout", "prod", strings.Repeat("r", 4096))
	must(t, err)
	same(t, len(got.Environments["prod"].Overrides), 100)
}

func TestApplyMakesExactlyTheChangeThatWasAskedFor(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, flags.Config{})
		_, err := k.service.Create(k.ctx, "acme", checkout(), "")
		must(t, err)
		k.gate = func(audit.Event) audit.Verdict { return audit.Verdict{Effect: audit.Deny} }
		wanted := in(checkout(), func(s *flags.State) { s.DefaultVariant = "on" })
		if _, ok := errors.AsType[*audit.DeniedError](k.update(wanted)); !ok {
			t.Fatal("the gate did not hold the change back")
		}
		k.gate = nil
		asked := k.asked[len(k.asked)-1]
		asked.Time = time.Time{}

		// Whatever is not what was asked for is refused.
		for name, payload := range map[string]string{
			"no JSON": `{`, "something else": `{"amount":1}`, "no flag": `{"environments":["prod"],"type":"release"}`,
			"other environments": replace(t, asked.Payload, func(p map[string]any) { p["environments"] = []string{"dev"} }),
			"another type":       replace(t, asked.Payload, func(p map[string]any) { p["type"] = "ops" }),
			"another key":        replace(t, asked.Payload, func(p map[string]any) { p["flag"].(map[string]any)["key"] = "other" }),
			"more than is done":  replace(t, asked.Payload, func(p map[string]any) { p["override_id"] = "o" }),
			"an unknown field":   replace(t, asked.Payload, func(p map[string]any) { p["flag"].(map[string]any)["Enabled"] = true }),
		} {
			e := asked
			e.Payload = json.RawMessage(payload)
			if err := k.service.Apply(k.ctx, e); !errors.Is(err, storage.ErrInvalid) {
				t.Errorf("%s: got %v, want an InvalidError", name, err)
			}
		}
		foreign := asked
		foreign.Action = "orders.refund"
		wantErr(t, k.service.Apply(k.ctx, foreign), storage.ErrInvalid)

		wantErr(t, k.service.CheckPayload(k.ctx, json.RawMessage(`{"amount":1}`)), storage.ErrInvalid)
		must(t, k.service.CheckPayload(k.ctx, asked.Payload))
		must(t, k.service.Apply(k.ctx, asked))
		got, err := k.service.Get(k.ctx, "acme", "checkout")
		must(t, err)
		same(t, got.Environments["prod"].DefaultVariant, "on")
		same(t, fmt.Sprint(got.Revision, " ", got.EventID), "2 "+asked.ID)
		// Once: under its id it is done, and without one the flag has moved.
		if err := k.service.Apply(k.ctx, asked); !errors.Is(err, storage.ErrConflict) && !errors.Is(err, audit.ErrAlreadyRecorded) {
			t.Errorf("applied again: %v", err)
		}
		asked.ID = ""
		wantErr(t, k.service.Apply(k.ctx, asked), storage.ErrConflict)
	})
}

func replace(t *testing.T, payload json.RawMessage, set func(map[string]any)) string {
	t.Helper()
	var p map[string]any
	must(t, json.Unmarshal(payload, &p))
	set(p)
	raw, err := json.Marshal(p)
	must(t, err)
	return string(raw)
}
