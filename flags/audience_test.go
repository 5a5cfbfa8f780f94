package flags_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// forAudience is checkout, on in prod for an audience only.
func forAudience(key string) flags.Flag {
	return in(checkout(), func(s *flags.State) {
		s.Rules = []flags.Rule{{Name: "audience", When: &targeting.Condition{Audience: key}, Serve: &flags.Serve{Variant: "on"}}}
	})
}

func (k *kit) audience(a targeting.Audience) error {
	_, err := k.service.SaveAudience(k.ctx, "acme", a, 0, "")
	return err
}

func TestAnAudienceChangesForAllWhoUseIt(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, flags.Config{})
		must(t, k.audience(targeting.Audience{Key: "vip", Include: []string{"m1"}}))
		must(t, k.audience(targeting.Audience{Key: "beta", When: &targeting.Condition{Audience: "vip"}}))
		must(t, k.create(forAudience("beta")))
		k.serves(t, merchant("m1", "FR"), "on", flags.ReasonTargetingMatch)
		k.serves(t, merchant("m2", "FR"), "off", flags.ReasonDefault)
		saved, err := k.service.SaveAudience(k.ctx, "acme", targeting.Audience{Key: "vip", Include: []string{"m2"}}, 1, "a swap")
		must(t, err)
		same(t, saved.Revision, 2)
		k.serves(t, merchant("m1", "FR"), "off", flags.ReasonDefault)
		k.serves(t, merchant("m2", "FR"), "on", flags.ReasonTargetingMatch)
		e := k.asked[len(k.asked)-1]
		same(t, string(e.Metadata), `{"environments":["prod"]}`)
		_, err = k.service.SaveAudience(k.ctx, "acme", targeting.Audience{Key: "vip"}, 1, "")
		wantErr(t, err, storage.ErrConflict)
		same(t, k.trail(t, flags.ResourceAudience, "vip"), []string{"flags.audience.saved success", "flags.audience.saved success"})
		page, err := k.service.ListAudiences(k.ctx, "acme", flags.AudienceQuery{})
		must(t, err)
		same(t, len(page.Items), 2)
		_, err = k.service.GetAudience(k.ctx, "bloom", "vip")
		wantErr(t, err, storage.ErrNotFound)
		history, err := k.service.AudienceVersions(k.ctx, "acme", "vip", flags.VersionQuery{})
		must(t, err)
		same(t, len(history.Items), 2)
	})
}

func TestAnAudienceThatBreaksItsUsersIsRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), flags.Config{Attributes: map[string]flags.Attributes{"prod": {"country": targeting.KindString}}})
	must(t, k.audience(targeting.Audience{Key: "vip", Include: []string{"m1"}}))
	must(t, k.audience(targeting.Audience{Key: "beta", When: &targeting.Condition{Audience: "vip"}}))
	must(t, k.create(forAudience("beta")))
	for _, c := range []struct {
		name, pointer, message string
		audience               targeting.Audience
	}{
		{"a circle", "", `would break the audience "beta" at /when/audience, which goes in a circle: vip → beta → vip`, targeting.Audience{Key: "vip", When: &targeting.Condition{Audience: "beta"}}},
		{"an audience that is not there", "/when/audience", "", targeting.Audience{Key: "vip", When: &targeting.Condition{Audience: "none"}}},
		{"an attribute that a flag may not read", "", `would break the flag "checkout" at /environments/prod/rules/0/when/audience`, targeting.Audience{
			Key: "vip", When: &targeting.Condition{Path: "shoeSize", Op: targeting.Exists, Value: targeting.Bool(true)},
		}},
		{"both included and excluded", "/exclude/0", "", targeting.Audience{Key: "vip", Include: []string{"m1"}, Exclude: []string{"m1"}}},
		{"no key", "/key", "", targeting.Audience{}},
		{"a key of dots", "/key", "", targeting.Audience{Key: "..", Include: []string{"m1"}}},
	} {
		err := k.audience(c.audience)
		invalid, ok := errors.AsType[*storage.InvalidError](err)
		if !ok || !slices.ContainsFunc(invalid.Fields, func(f storage.FieldError) bool {
			return f.Pointer == c.pointer && strings.Contains(f.Message, c.message)
		}) {
			t.Errorf("%s: got %v, want an InvalidError at %q: %s", c.name, err, c.pointer, c.message)
		}
	}
	k.serves(t, merchant("m1", "FR"), "on", flags.ReasonTargetingMatch)
}

func TestAnAudienceInUseIsNotDeleted(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		var others []string
		k := newKit(t, b, flags.Config{InUse: func(_ context.Context, tenant, audience string) ([]string, error) {
			if tenant != "acme" || audience != "vip" {
				return nil, nil
			}
			return others, nil
		}})
		must(t, k.audience(targeting.Audience{Key: "vip", Include: []string{"m1"}}))
		must(t, k.audience(targeting.Audience{Key: "beta", When: &targeting.Condition{Audience: "vip"}}))
		must(t, k.create(forAudience("vip")))
		others = []string{"rule greet"}
		refused := func(want ...string) {
			t.Helper()
			err := k.service.DeleteAudience(k.ctx, "acme", "vip", 0, "")
			wantErr(t, err, flags.ErrInUse)
			wantErr(t, err, storage.ErrConflict)
			if used, ok := errors.AsType[*flags.InUseError](err); !ok || !slices.Equal(used.Users, want) {
				t.Errorf("got %v, want users %v", err, want)
			}
		}
		refused("audience beta", "flag checkout", "rule greet")
		must(t, k.service.Delete(k.ctx, "acme", "checkout", 0, ""))
		refused("audience beta", "rule greet")
		must(t, k.service.DeleteAudience(k.ctx, "acme", "beta", 0, ""))
		refused("rule greet")
		others = nil
		must(t, k.service.DeleteAudience(k.ctx, "acme", "vip", 0, ""))
		_, err := k.service.GetAudience(k.ctx, "acme", "vip")
		wantErr(t, err, storage.ErrNotFound)
		wantErr(t, k.service.DeleteAudience(k.ctx, "acme", "vip", 0, ""), storage.ErrNotFound)
		if err := k.create(in(forAudience("vip"), func(*flags.State) {})); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("a flag on a deleted audience: %v", err)
		}
	})
}
