package flags_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// merchants are n subjects of countries and plans in turn.
func merchants(n int) directory {
	d := make(directory, n)
	for i := range d {
		d[i] = &flags.Subject{Tenant: "acme", Key: fmt.Sprintf("m%05d", i), Attributes: targeting.Attributes{
			"country":       targeting.String([]string{"GB", "FR", "DE"}[i%3]),
			flags.AttrPlan:  targeting.String([]string{"pro", "free"}[i%2]),
			flags.AttrStore: targeting.Int(int64(i)),
		}}
	}
	return d
}

// TestAPreviewIsTheDifferenceOfTwoFullEvaluations compares a preview of 10,000 merchants
// with what Evaluate says of each of them before and after.
func TestAPreviewIsTheDifferenceOfTwoFullEvaluations(t *testing.T) {
	t.Parallel()
	d := merchants(10_000)
	k := newKit(t, eachtest.Memory(t), flags.Config{Directory: d})
	must(t, k.create(checkout()))
	half := &flags.Serve{Split: &targeting.Split{Weights: targeting.Shares{{Variant: "off", Weight: 1}, {Variant: "on", Weight: 1}}}}
	draft := in(checkout(), func(s *flags.State) {
		s.Rules = []flags.Rule{
			{Name: "pro", When: &targeting.Condition{Path: flags.AttrPlan, Op: targeting.Equal, Value: targeting.String("pro")}, Serve: half},
			{Name: "de", When: &targeting.Condition{Path: "country", Op: targeting.Equal, Value: targeting.String("DE")}, Serve: &flags.Serve{Variant: "on"}},
		}
	})
	got, err := k.service.Preview(k.ctx, "acme", "checkout", "prod", draft)
	must(t, err)

	want := flags.Impact{Subjects: len(d)}
	on := func(s *flags.Subject, draft *flags.Flag) bool {
		e, err := k.service.Evaluate(k.ctx, "acme", "checkout", "prod", s, draft)
		must(t, err)
		return e.Variant == "on"
	}
	for _, s := range d {
		before, after := on(s, nil), on(s, &draft)
		if before {
			want.Before++
		}
		if after {
			want.After++
		}
		switch {
		case after && !before:
			want.Added = append(want.Added, s.Key)
		case before && !after:
			want.Removed = append(want.Removed, s.Key)
		}
	}
	same(t, got, want)
	if want.Before == 0 || want.After == 0 || len(want.Added) == 0 || len(want.Removed) == 0 {
		t.Errorf("the reference has nothing to compare: %d before, %d after", want.Before, want.After)
	}
	e, err := k.service.Get(k.ctx, "acme", "checkout")
	must(t, err)
	same(t, e.Revision, 1)
	same(t, len(k.asked), 1)
}

func TestAPreviewTellsWhoGetsAnotherVariant(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), flags.Config{Directory: merchants(3)})
	banner := func(gb, rest string) flags.Flag {
		return flags.Flag{
			Key: "banner", Type: flags.TypeConfig, ValueType: flags.String,
			Variants: map[string]any{"none": "", "sale": "Sale!", "news": "News!"},
			Environments: map[string]flags.State{"prod": {Enabled: true, OffVariant: "none", DefaultVariant: rest, Rules: []flags.Rule{{
				Name: "gb", When: &targeting.Condition{Path: "country", Op: targeting.Equal, Value: targeting.String("GB")}, Serve: &flags.Serve{Variant: gb},
			}}}},
		}
	}
	// Against no flag at all.
	got, err := k.service.Preview(k.ctx, "acme", "banner", "prod", banner("sale", "none"))
	must(t, err)
	same(t, got, flags.Impact{Subjects: 3, After: 1, Added: []string{"m00000"}})
	must(t, k.create(banner("sale", "none")))
	got, err = k.service.Preview(k.ctx, "acme", "banner", "prod", banner("news", "sale"))
	must(t, err)
	same(t, got, flags.Impact{Subjects: 3, Before: 1, After: 3, Added: []string{"m00001", "m00002"}, Changed: []string{"m00000"}})
	off := banner("news", "sale")
	off.Environments = nil
	got, err = k.service.Preview(k.ctx, "acme", "banner", "prod", off)
	must(t, err)
	same(t, got, flags.Impact{Subjects: 3, Before: 1, Removed: []string{"m00000"}})
}

// broken is a directory that ends with an error.
type broken struct{ directory }

var errBroken = errors.New("the directory is away")

func (b broken) Subjects(ctx context.Context, tenant string) iter.Seq2[*flags.Subject, error] {
	return func(yield func(*flags.Subject, error) bool) {
		for s := range b.directory.Subjects(ctx, tenant) {
			if !yield(s, nil) {
				return
			}
		}
		yield(nil, errBroken)
	}
}

func TestAPreviewIsBoundedAndHonest(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), flags.Config{Directory: merchants(10), MaxSubjects: 4})
	must(t, k.create(checkout()))
	got, err := k.service.Preview(k.ctx, "acme", "checkout", "prod", checkout())
	must(t, err)
	same(t, got, flags.Impact{Subjects: 4, Before: 2, After: 2, Truncated: true})

	k = newKit(t, eachtest.Memory(t), flags.Config{Directory: broken{merchants(2)}})
	_, err = k.service.Preview(k.ctx, "acme", "checkout", "prod", checkout())
	wantErr(t, err, errBroken)
	_, err = k.service.Preview(k.ctx, "acme", "other", "prod", checkout())
	wantErr(t, err, storage.ErrInvalid)
	_, err = k.service.Preview(k.ctx, "acme", "checkout", "moon", checkout())
	wantErr(t, err, storage.ErrInvalid)
	_, err = newKit(t, eachtest.Memory(t), flags.Config{}).service.Preview(k.ctx, "acme", "checkout", "prod", checkout())
	wantErr(t, err, storage.ErrInvalid)
}

func TestEvaluateAnswersWithTheWayThere(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), flags.Config{})
	must(t, k.create(checkout()))
	e, err := k.service.Evaluate(k.ctx, "acme", "checkout", "prod", merchant("m1", "GB"), nil)
	must(t, err)
	same(t, []any{e.Variant, e.Reason, e.Rule, e.Version}, []any{"on", flags.ReasonTargetingMatch, "gb", int64(1)})
	if !slices.ContainsFunc(e.Steps, func(s flags.Step) bool { return s.Kind == "rule" && s.Name == "gb" && s.Matched }) {
		t.Errorf("got steps %+v, want the rule that matched", e.Steps)
	}
	draft := in(checkout(), func(s *flags.State) { s.Enabled = false })
	e, err = k.service.Evaluate(k.ctx, "acme", "checkout", "prod", merchant("m1", "GB"), &draft)
	must(t, err)
	same(t, e.Reason, flags.ReasonDisabled)
	draft.Type = "beta"
	_, err = k.service.Evaluate(k.ctx, "acme", "checkout", "prod", merchant("m1", "GB"), &draft)
	invalid, ok := errors.AsType[*storage.InvalidError](err)
	if !ok || invalid.Fields[0].Pointer != "/draft/type" {
		t.Errorf("got %v, want an InvalidError at /draft/type", err)
	}
	for _, c := range []struct {
		key, environment string
		subject          *flags.Subject
		want             error
	}{
		{"none", "prod", merchant("m1", "GB"), storage.ErrNotFound},
		{"checkout", "moon", merchant("m1", "GB"), storage.ErrInvalid},
		{"checkout", "prod", &flags.Subject{Tenant: "bloom", Key: "m1"}, storage.ErrInvalid},
		{"checkout", "prod", nil, storage.ErrInvalid},
	} {
		_, err := k.service.Evaluate(k.ctx, "acme", c.key, c.environment, c.subject, nil)
		wantErr(t, err, c.want)
	}
}

// BenchmarkPreview previews a change of two rules for 100,000 subjects.
func BenchmarkPreview(b *testing.B) {
	k := newKit(b, eachtest.Memory(b), flags.Config{Directory: merchants(100_000)})
	must(b, k.create(checkout()))
	draft := in(checkout(), func(s *flags.State) { s.DefaultVariant = "on" })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.service.Preview(k.ctx, "acme", "checkout", "prod", draft); err != nil {
			b.Fatal(err)
		}
	}
}
