package flags_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestEachTypeHasItsDefaultsAndWarnings(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 15, 4, 5, 0, time.UTC)
	k := newKit(t, eachtest.Memory(t), flags.Config{Now: func() time.Time { return now }})
	onOff := map[string]any{"on": true, "off": false}
	for _, c := range []struct {
		given     flags.Flag
		valueType flags.ValueType
		variants  map[string]any
		off       string
		days      int
		warnings  []string
	}{
		{flags.Flag{Type: flags.TypeRelease}, flags.Bool, onOff, "off", 90, []string{flags.WarnNoOwner}},
		{flags.Flag{Type: flags.TypeExperiment, Owner: "growth"}, flags.String, map[string]any{"control": "control", "treatment": "treatment"}, "control", 60, []string{flags.WarnExperimentSplit}},
		{flags.Flag{Type: flags.TypeOps, Owner: "sre"}, flags.Bool, onOff, "off", 0, nil},
		{flags.Flag{Type: flags.TypePermission, Owner: "sales"}, flags.Bool, onOff, "off", 0, nil},
		{flags.Flag{Type: flags.TypeConfig, Owner: "sre", ValueType: flags.Number, Variants: map[string]any{"v": 1.0}}, flags.Number, map[string]any{"v": 1.0}, "", 0, []string{flags.WarnNoOffVariant}},
		{flags.Flag{Type: flags.TypeRelease, Owner: "sre", ValueType: flags.Number, Variants: map[string]any{"v": 1.0}}, flags.Number, map[string]any{"v": 1.0}, "", 90, []string{flags.WarnNoOffVariant}},
	} {
		c.given.Key = "flag-" + string(c.given.Type) + string(c.given.ValueType)
		c.given.Environments = map[string]flags.State{"prod": {Enabled: true}}
		got, err := k.service.Create(k.ctx, "acme", c.given, "")
		must(t, err)
		same(t, got.ValueType, c.valueType)
		same(t, got.Variants, c.variants)
		same(t, got.Environments["prod"].OffVariant, c.off)
		if c.days == 0 {
			same(t, got.ExpiresAt, nil)
		} else if want := time.Date(2026, 3, 1+c.days, 0, 0, 0, 0, time.UTC); got.ExpiresAt == nil || !got.ExpiresAt.Equal(want) {
			t.Errorf("%s expires at %v, want %v", got.Key, got.ExpiresAt, want)
		}
		same(t, codes(flags.Warnings(got.Flag, now)), c.warnings)
		d, ok := flags.DefaultsOf(c.given.Type)
		same(t, ok && d.Permanent, c.days == 0)
	}
	for _, f := range []flags.Flag{{Key: "x", Type: "beta"}, {Key: "x"}, {Key: "x", Type: flags.TypeConfig}} {
		_, err := k.service.Create(k.ctx, "acme", f, "")
		wantErr(t, err, storage.ErrInvalid)
	}
	same(t, len(flags.Types()), 5)
}

func TestWarningsTellWhatTheTypeIsNotFor(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	past, ahead := now.Add(-time.Hour), now.Add(time.Hour)
	split := map[string]flags.State{"prod": {Enabled: true, OffVariant: "off", Rules: []flags.Rule{{
		Name: "half", Serve: &flags.Serve{Split: &targeting.Split{Weights: targeting.Shares{{Variant: "on", Weight: 1}}}},
	}}}}
	two := map[string]any{"on": true, "off": false}
	for _, c := range []struct {
		name string
		flag flags.Flag
		want []string
	}{
		{"a release without an end", flags.Flag{Type: flags.TypeRelease}, []string{flags.WarnNoExpiry}},
		{"a release that is over", flags.Flag{Type: flags.TypeRelease, ExpiresAt: &past}, []string{flags.WarnExpired}},
		{"a permission that ends", flags.Flag{Type: flags.TypePermission, ExpiresAt: &ahead}, []string{flags.WarnPermanentExpires}},
		{"a permission by chance", flags.Flag{Type: flags.TypePermission, Environments: split}, []string{flags.WarnPermissionSplit}},
		{"an experiment on one thing", flags.Flag{Type: flags.TypeExperiment, ExpiresAt: &ahead, Variants: map[string]any{"on": true}, Environments: split}, []string{flags.WarnExperimentVariants}},
		{"an experiment that splits", flags.Flag{Type: flags.TypeExperiment, ExpiresAt: &ahead, Variants: two, Environments: split}, nil},
		{"an experiment by a strategy", flags.Flag{Type: flags.TypeExperiment, ExpiresAt: &ahead, Variants: two, Environments: map[string]flags.State{"prod": {
			Enabled: true, OffVariant: "off", Rules: []flags.Rule{{Name: "a", Strategy: &flags.StrategyUse{Name: "percentage_rollout"}}},
		}}}, nil},
		{"a permission for a share", flags.Flag{Type: flags.TypePermission, Environments: map[string]flags.State{"prod": {
			OffVariant: "off", Rules: []flags.Rule{{Name: "tenth", When: &targeting.Condition{Bucket: &targeting.Bucket{To: 10}}, Serve: &flags.Serve{Variant: "on"}}},
		}}}, []string{flags.WarnPermissionSplit}},
		{"an experiment that is killed", flags.Flag{Type: flags.TypeExperiment, ExpiresAt: &ahead, Variants: two, Environments: map[string]flags.State{"prod": {
			Enabled: true, Killed: &flags.Kill{}, OffVariant: "off",
		}}}, nil},
	} {
		c.flag.Owner = "dana"
		if got := codes(flags.Warnings(c.flag, now)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got warnings %v, want %v", c.name, got, c.want)
		}
	}
}

func codes(all []flags.Warning) (codes []string) {
	for _, w := range all {
		codes = append(codes, w.Code)
	}
	return codes
}
