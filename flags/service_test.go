package flags_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestEachChangeOfAFlagIsAVersionAndAnEvent(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, flags.Config{})
		made, err := k.service.Create(k.ctx, "acme", checkout(), "let us begin")
		must(t, err)
		same(t, []any{made.Revision, made.Author.ID, made.Comment, made.Action}, []any{int64(1), "dana", "let us begin", flags.ActionCreate})
		_, err = k.service.Create(k.ctx, "acme", checkout(), "")
		wantErr(t, err, flags.ErrExists)
		wantErr(t, err, storage.ErrConflict)

		read, err := k.service.Get(k.ctx, "acme", "checkout")
		must(t, err)
		same(t, read, made)
		_, err = k.service.Get(k.ctx, "bloom", "checkout")
		wantErr(t, err, storage.ErrNotFound)

		changed := in(read.Flag, func(s *flags.State) { s.DefaultVariant = "on" })
		second, err := k.service.Update(k.ctx, "acme", changed, 1, "for all")
		must(t, err)
		same(t, second.Revision, 2)
		same(t, second.CreatedAt, made.CreatedAt)
		_, err = k.service.Update(k.ctx, "acme", changed, 1, "")
		wantErr(t, err, storage.ErrConflict)

		// A definition that is as it was is asked about and is no version.
		asked := len(k.asked)
		again, err := k.service.Update(k.ctx, "acme", changed, 0, "once more")
		must(t, err)
		same(t, again, second)
		same(t, len(k.asked), asked+1)

		wantErr(t, k.service.Delete(k.ctx, "acme", "checkout", 1, ""), storage.ErrConflict)
		must(t, k.service.Delete(k.ctx, "acme", "checkout", 2, "done"))
		_, err = k.service.Get(k.ctx, "acme", "checkout")
		wantErr(t, err, storage.ErrNotFound)
		_, err = k.service.Update(k.ctx, "acme", changed, 0, "")
		wantErr(t, err, storage.ErrNotFound)
		wantErr(t, k.service.Delete(k.ctx, "acme", "checkout", 0, ""), storage.ErrNotFound)

		back, err := k.service.Create(k.ctx, "acme", checkout(), "")
		must(t, err)
		same(t, back.Revision, 4)
		same(t, k.trail(t, flags.ResourceFlag, "checkout"), []string{
			"flags.flag.created success", "flags.flag.updated success", "flags.flag.deleted success", "flags.flag.created success",
		})

		var got []string
		for q := (flags.VersionQuery{Limit: 3}); ; {
			page, err := k.service.Versions(k.ctx, "acme", "checkout", q)
			must(t, err)
			for _, v := range page.Items {
				got = append(got, fmt.Sprint(v.Revision, " ", v.Action, " ", v.Deleted))
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		same(t, got, []string{"4 flags.flag.created false", "3 flags.flag.deleted true", "2 flags.flag.updated false", "1 flags.flag.created false"})
		old, err := k.service.Version(k.ctx, "acme", "checkout", 1)
		must(t, err)
		same(t, old, made)
		for _, revision := range []int64{-1, 0, 5, 1<<63 - 1} {
			_, err = k.service.Version(k.ctx, "acme", "checkout", revision)
			wantErr(t, err, storage.ErrNotFound)
		}
		_, err = k.service.Versions(k.ctx, "acme", "none", flags.VersionQuery{})
		wantErr(t, err, storage.ErrNotFound)
		ds, err := k.service.Diff(k.ctx, "acme", "checkout", 1, 2)
		must(t, err)
		if len(ds) != 1 || ds[0].Path != "/environments/prod/default_variant" || string(ds[0].Before) != `"off"` || string(ds[0].After) != `"on"` {
			t.Errorf("got differences %+v", ds)
		}
	})
}

func TestFlagsAreListedByKeyInPages(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, flags.Config{})
		for _, key := range []string{"c", "a", "d", "b", "e"} {
			_, err := k.service.Create(k.ctx, "acme", flags.Flag{Key: key, Type: flags.TypeOps}, "")
			must(t, err)
		}
		must(t, k.service.Delete(k.ctx, "acme", "b", 0, ""))
		var got []string
		for q := (flags.FlagQuery{Limit: 2}); ; {
			page, err := k.service.List(k.ctx, "acme", q)
			must(t, err)
			for _, v := range page.Items {
				got = append(got, v.Key)
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		same(t, got, []string{"a", "c", "d", "e"})
		page, err := k.service.List(k.ctx, "acme", flags.FlagQuery{Limit: 2})
		must(t, err)
		_, err = k.service.List(k.ctx, "bloom", flags.FlagQuery{After: page.Next})
		wantErr(t, err, storage.ErrBadCursor)
	})
}

func TestGatesSeeWhatChangesWhere(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), flags.Config{})
	_, err := k.service.Create(k.ctx, "acme", checkout(), "")
	must(t, err)
	last := checkout()
	for _, c := range []struct {
		name string
		do   func() error
		want string
	}{
		{"a state", func() error {
			last = in(last, func(s *flags.State) { s.DefaultVariant = "on" })
			_, err := k.service.Update(k.ctx, "acme", last, 0, "")
			return err
		}, `["prod"]`},
		{"what all environments share", func() error {
			last.Variants = map[string]any{"on": true, "off": false, "maybe": false}
			_, err := k.service.Update(k.ctx, "acme", last, 0, "")
			return err
		}, `["dev","prod"]`},
		{"what only people read", func() error {
			last.Description = "the newest checkout"
			_, err := k.service.Update(k.ctx, "acme", last, 0, "")
			return err
		}, `[]`},
		{"a kill", func() error {
			_, err := k.service.Kill(k.ctx, "acme", "checkout", "dev", "it burns")
			return err
		}, `["dev"]`},
		{"a deletion", func() error { return k.service.Delete(k.ctx, "acme", "checkout", 0, "") }, `["dev","prod"]`},
	} {
		must(t, c.do())
		e := k.asked[len(k.asked)-1]
		var p, m struct {
			Type         string          `json:"type"`
			Environments json.RawMessage `json:"environments"`
		}
		must(t, json.Unmarshal(e.Payload, &p))
		must(t, json.Unmarshal(e.Metadata, &m))
		if p.Type != "release" || string(p.Environments) != c.want || string(m.Environments) != c.want || m.Type != p.Type {
			t.Errorf("%s: payload %s, metadata %s, want environments %s of a release flag", c.name, e.Payload, e.Metadata, c.want)
		}
	}
}

func TestARefusedChangeLeavesItsAttemptAndNothingElse(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, flags.Config{})
		_, err := k.service.Create(k.ctx, "acme", checkout(), "")
		must(t, err)
		k.gate = func(audit.Event) audit.Verdict {
			return audit.Verdict{Effect: audit.Deny, Reason: audit.Reason{Code: "no"}}
		}
		for _, try := range []func() error{
			func() error { _, err := k.service.Update(k.ctx, "acme", checkout(), 0, ""); return err },
			func() error { _, err := k.service.Kill(k.ctx, "acme", "checkout", "prod", "why"); return err },
			func() error { _, err := k.service.Restore(k.ctx, "acme", "checkout", "prod", "why"); return err },
			func() error { return k.service.Delete(k.ctx, "acme", "checkout", 0, "") },
		} {
			if _, ok := errors.AsType[*audit.DeniedError](try()); !ok {
				t.Errorf("got %v, want a denial", err)
			}
		}
		got, err := k.service.Get(k.ctx, "acme", "checkout")
		must(t, err)
		same(t, got.Revision, 1)
		same(t, k.trail(t, flags.ResourceFlag, "checkout"), []string{
			"flags.flag.created success", "flags.flag.updated denied", "flags.flag.killed denied", "flags.flag.restored denied", "flags.flag.deleted denied",
		})
	})
}

func TestOfTwoWritersOneWins(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, flags.Config{})
		_, err := k.service.Create(k.ctx, "acme", checkout(), "")
		must(t, err)
		for round := range int64(5) {
			const writers = 4
			results := make([]error, writers)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					f := checkout()
					f.Description = fmt.Sprint("round ", round, " writer ", w)
					_, results[w] = k.service.Update(k.ctx, "acme", f, round+1, "")
				})
			}
			wg.Wait()
			won := 0
			for _, err := range results {
				if err == nil {
					won++
				} else if !errors.Is(err, storage.ErrConflict) {
					t.Errorf("a loser got %v", err)
				}
			}
			same(t, won, 1)
		}
		got, err := k.service.Get(k.ctx, "acme", "checkout")
		must(t, err)
		same(t, got.Revision, 6)
	})
}

func TestBadDefinitionsAreRefusedWithPointers(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), flags.Config{Attributes: map[string]flags.Attributes{"prod": {"country": targeting.KindString}}})
	_, err := k.service.Create(k.ctx, "acme", checkout(), "")
	must(t, err)
	until := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name, pointer string
		do            func() error
	}{
		{"a type that is none", "/type", func() error { return k.create(flags.Flag{Key: "x", Type: "beta"}) }},
		{"no key", "/key", func() error { return k.create(flags.Flag{Type: flags.TypeOps}) }},
		{"an environment that is none", "/environments/moon", func() error {
			return k.create(flags.Flag{Key: "x", Type: flags.TypeOps, Environments: map[string]flags.State{"moon": {}}})
		}},
		{"an attribute that is not declared", "/environments/prod/rules/0/when/path", func() error {
			return k.update(in(checkout(), func(s *flags.State) {
				s.Rules = []flags.Rule{{Name: "a", When: &targeting.Condition{Path: "shoeSize", Op: targeting.Equal, Value: targeting.Int(1)}, Serve: &flags.Serve{Variant: "on"}}}
			}))
		}},
		{"an audience that is not there", "/environments/prod/rules/0/when/audience", func() error {
			return k.update(in(checkout(), func(s *flags.State) {
				s.Rules = []flags.Rule{{Name: "a", When: &targeting.Condition{Audience: "vip"}, Serve: &flags.Serve{Variant: "on"}}}
			}))
		}},
		{"a kill switch in a definition", "/environments/prod/killed", func() error {
			f := in(checkout(), func(s *flags.State) { s.Killed = &flags.Kill{By: "dana"} })
			f.Key = "x"
			return k.create(f)
		}},
		{"an override for QA in a definition", "/environments/prod/overrides/0", func() error {
			f := in(checkout(), func(s *flags.State) { s.Overrides = []flags.Override{{ID: "o", Kind: flags.OverrideQA}} })
			f.Key = "x"
			return k.create(f)
		}},
		{"another type", "/type", func() error {
			f := checkout()
			f.Type = flags.TypeOps
			return k.update(f)
		}},
		{"another type of values", "/value_type", func() error {
			f := checkout()
			f.ValueType, f.Variants = flags.String, map[string]any{"on": "a", "off": "b"}
			return k.update(f)
		}},
		{"a definition that is too long", "", func() error {
			f := checkout()
			f.Variants = map[string]any{"on": strings.Repeat("a", flags.MaxBytes), "off": ""}
			f.Key, f.ValueType = "x", flags.String
			return k.create(f)
		}},
		{"a number that JSON readers round", "/variants/n", func() error {
			return k.create(flags.Flag{Key: "x", Type: flags.TypeConfig, ValueType: flags.Number, Variants: map[string]any{"n": int64(1<<53 + 1)}})
		}},
		{"a kill without a reason", "/reason", func() error { _, err := k.service.Kill(k.ctx, "acme", "checkout", "prod", ""); return err }},
		{"a kill in an environment that is none", "/environment", func() error {
			_, err := k.service.Kill(k.ctx, "acme", "checkout", "moon", "why")
			return err
		}},
		{"an override for QA without an end", "/until", func() error { return k.override(flags.Override{Reason: "why"}) }},
		{"an override for QA that is over", "/until", func() error { past := day; return k.override(flags.Override{Until: &past, Reason: "why"}) }},
		{"an override for QA that lasts too long", "/until", func() error {
			late := time.Now().Add(flags.MaxOverride + time.Hour)
			return k.override(flags.Override{Until: &late, Reason: "why"})
		}},
		{"an override for QA without a reason", "/reason", func() error { return k.override(flags.Override{Until: &until}) }},
		{"an override to a variant that is none", "/environments/prod/overrides/0/variant", func() error {
			return k.override(flags.Override{Until: &until, Reason: "why", Attribute: "actor", Subject: "sam", Variant: "maybe"})
		}},
	} {
		err := c.do()
		invalid, ok := errors.AsType[*storage.InvalidError](err)
		if !ok || !slices.ContainsFunc(invalid.Fields, func(f storage.FieldError) bool { return f.Pointer == c.pointer }) {
			t.Errorf("%s: got %v, want an InvalidError at %q", c.name, err, c.pointer)
		}
	}
	got, err := k.service.Get(k.ctx, "acme", "checkout")
	must(t, err)
	same(t, got.Revision, 1)
}

func (k *kit) create(f flags.Flag) error {
	_, err := k.service.Create(k.ctx, "acme", f, "")
	return err
}

func (k *kit) update(f flags.Flag) error {
	_, err := k.service.Update(k.ctx, "acme", f, 0, "")
	return err
}

func (k *kit) override(o flags.Override) error {
	_, err := k.service.SetOverride(k.ctx, "acme", "checkout", "prod", o)
	return err
}

func TestALargeDefinitionFitsItsEvent(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, flags.Config{})
		f := flags.Flag{Key: "big", Type: flags.TypeConfig, ValueType: flags.String, Variants: map[string]any{"v": strings.Repeat("a", flags.MaxBytes-200)}}
		_, err := k.service.Create(k.ctx, "acme", f, strings.Repeat("r", 4096))
		must(t, err)
		f.Description = "changed"
		_, err = k.service.Update(k.ctx, "acme", f, 1, strings.Repeat("r", 4096))
		must(t, err)
		e := k.asked[len(k.asked)-1]
		if !strings.HasPrefix(string(e.Before), `{"sha256":`) || !strings.HasPrefix(string(e.After), `{"sha256":`) || len(e.Payload) < flags.MaxBytes-200 {
			t.Errorf("before %.40s, after %.40s, a payload of %d bytes", e.Before, e.After, len(e.Payload))
		}
	})
}

func TestAServiceIsNotMadeOfHalves(t *testing.T) {
	t.Parallel()
	b := eachtest.Memory(t)
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	governor := func(actions ...audit.Action) *audit.Governor {
		catalog, err := audit.NewCatalog(audit.CatalogConfig{}, actions...)
		must(t, err)
		g, err := audit.NewGovernor(b, audit.Ungated, log, catalog)
		must(t, err)
		return g
	}
	whole := governor(flags.Actions()...)
	s, err := flags.New(whole, b.Flags(), queue, flags.Config{})
	must(t, err)
	same(t, s.Environments(), []string{"dev", "staging", "prod"})
	for name, make := range map[string]func() (*flags.Service, error){
		"no governor": func() (*flags.Service, error) { return flags.New(nil, b.Flags(), queue, flags.Config{}) },
		"no store":    func() (*flags.Service, error) { return flags.New(whole, nil, queue, flags.Config{}) },
		"no queue":    func() (*flags.Service, error) { return flags.New(whole, b.Flags(), nil, flags.Config{}) },
		"a catalogue short": func() (*flags.Service, error) {
			return flags.New(governor(flags.Actions()[1:]...), b.Flags(), queue, flags.Config{})
		},
		"an environment twice": func() (*flags.Service, error) {
			return flags.New(whole, b.Flags(), queue, flags.Config{Environments: []string{"prod", "prod"}})
		},
		"an environment without a name": func() (*flags.Service, error) {
			return flags.New(whole, b.Flags(), queue, flags.Config{Environments: []string{""}})
		},
		"attributes of no environment": func() (*flags.Service, error) {
			return flags.New(whole, b.Flags(), queue, flags.Config{Attributes: map[string]flags.Attributes{"moon": nil}})
		},
		"fewer than no subjects": func() (*flags.Service, error) {
			return flags.New(whole, b.Flags(), queue, flags.Config{MaxSubjects: -1})
		},
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: a service was made", name)
		}
	}
}
