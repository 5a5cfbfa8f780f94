package flags_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// A model is what one flag should be after some changes.
type model struct {
	there   bool
	killed  map[string]bool   // by environment
	qa      map[string]string // the variant for the subject "tester", by environment
	variant map[string]string // the default, by environment
	changes int
}

// TestChangesOfAFlagFollowTheModel makes random changes and compares what the flag
// serves with a naive model: a kill switch stays whatever happens but a restore, an
// override for QA whatever happens but its clearing, and every change that makes a
// difference is one version and one event.
func TestChangesOfAFlagFollowTheModel(t *testing.T) {
	t.Parallel()
	environments := flags.DefaultEnvironments()
	until := time.Now().Add(time.Hour)
	rapid.Check(t, func(rt *rapid.T) {
		k := newKit(t, eachtest.Memory(t), flags.Config{})
		m := model{}
		definition := func() flags.Flag {
			f := flags.Flag{Key: "checkout", Type: flags.TypeOps, ValueType: flags.Bool, Variants: map[string]any{"on": true, "off": false}}
			f.Environments = map[string]flags.State{}
			for _, name := range environments {
				f.Environments[name] = flags.State{Enabled: true, OffVariant: "off", DefaultVariant: m.variant[name]}
			}
			return f
		}
		// does notes a change that makes a difference, or checks one that makes none.
		does := func(err error, difference bool) {
			switch {
			case !m.there:
				if !errors.Is(err, storage.ErrNotFound) {
					rt.Fatalf("a change of no flag answers %v", err)
				}
			case err != nil:
				rt.Fatal(err)
			case difference:
				m.changes++
			}
		}
		environment := rapid.SampledFrom(environments)
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				if m.there {
					if err := k.create(definition()); !errors.Is(err, flags.ErrExists) {
						rt.Fatalf("creating it again: %v", err)
					}
					return
				}
				m.killed, m.qa, m.variant = map[string]bool{}, map[string]string{}, map[string]string{}
				for _, name := range environments {
					m.variant[name] = rapid.SampledFrom([]string{"on", "off"}).Draw(rt, "variant")
				}
				m.there, m.changes = true, m.changes+1
				if err := k.create(definition()); err != nil {
					rt.Fatal(err)
				}
			},
			"update": func(rt *rapid.T) {
				name, variant := environment.Draw(rt, "environment"), rapid.SampledFrom([]string{"on", "off"}).Draw(rt, "variant")
				difference := m.variant[name] != variant
				if m.there {
					m.variant[name] = variant
				}
				does(k.update(definition()), difference)
			},
			"kill": func(rt *rapid.T) {
				name := environment.Draw(rt, "environment")
				_, err := k.service.Kill(k.ctx, "acme", "checkout", name, "why")
				does(err, !m.killed[name])
				if m.there {
					m.killed[name] = true
				}
			},
			"restore": func(rt *rapid.T) {
				name := environment.Draw(rt, "environment")
				_, err := k.service.Restore(k.ctx, "acme", "checkout", name, "")
				does(err, m.killed[name])
				delete(m.killed, name)
			},
			"override": func(rt *rapid.T) {
				name, variant := environment.Draw(rt, "environment"), rapid.SampledFrom([]string{"on", "off"}).Draw(rt, "variant")
				_, err := k.service.SetOverride(k.ctx, "acme", "checkout", name, flags.Override{
					ID: "tester", Attribute: flags.AttrTargetingKey, Subject: "tester", Variant: variant, Until: &until, Reason: "why",
				})
				does(err, m.qa[name] != variant)
				if m.there {
					m.qa[name] = variant
				}
			},
			"clear": func(rt *rapid.T) {
				name := environment.Draw(rt, "environment")
				_, err := k.service.ClearOverride(k.ctx, "acme", "checkout", name, "tester", "")
				if _, set := m.qa[name]; m.there && !set {
					if !errors.Is(err, storage.ErrNotFound) {
						rt.Fatalf("clearing no override: %v", err)
					}
					return
				}
				does(err, true)
				delete(m.qa, name)
			},
			"delete": func(rt *rapid.T) {
				err := k.service.Delete(k.ctx, "acme", "checkout", 0, "")
				does(err, true)
				m.there, m.killed, m.qa, m.variant = false, nil, nil, nil
			},
			"": func(rt *rapid.T) { compare(rt, k, m, environments) },
		})
	})
}

func compare(rt *rapid.T, k *kit, m model, environments []string) {
	for _, name := range environments {
		for _, key := range []string{"tester", "anybody"} {
			e, err := k.service.Evaluate(k.ctx, "acme", "checkout", name, &flags.Subject{Tenant: "acme", Key: key, Attributes: targeting.Attributes{}}, nil)
			if !m.there {
				if !errors.Is(err, storage.ErrNotFound) {
					rt.Fatalf("evaluating no flag: %v", err)
				}
				continue
			}
			if err != nil {
				rt.Fatal(err)
			}
			want := m.variant[name]
			if variant, ok := m.qa[name]; ok && key == "tester" {
				want = variant
			}
			if m.killed[name] {
				want = "off"
			}
			if e.Variant != want || (e.Reason == flags.ReasonDisabled) != m.killed[name] {
				rt.Fatalf("%s gets %q in %s because %s, want %q, killed: %t", key, e.Variant, name, e.Reason, want, m.killed[name])
			}
		}
	}
	var revisions []int64
	page, err := k.service.Versions(k.ctx, "acme", "checkout", flags.VersionQuery{Limit: storage.MaxLimit})
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		rt.Fatal(err)
	}
	for _, v := range slices.Backward(page.Items) {
		revisions = append(revisions, v.Revision)
	}
	events, err := k.log.Query(k.ctx, "acme", audit.Query{ResourceID: "checkout", Limit: storage.MaxLimit})
	if err != nil {
		rt.Fatal(err)
	}
	for i, r := range revisions {
		if r != int64(i)+1 {
			rt.Fatal(fmt.Sprint("revisions ", revisions))
		}
	}
	if len(revisions) != m.changes || len(events.Items) != m.changes {
		rt.Fatalf("%d versions and %d events of %d changes", len(revisions), len(events.Items), m.changes)
	}
}
