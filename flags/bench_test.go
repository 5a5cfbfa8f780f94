package flags

import (
	"context"
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/flags/targeting"
)

// typical is the flag of the benchmarks: two clauses and a split of 40 %.
func typical(key string) Flag {
	return Flag{Key: key, Type: TypeRelease, ValueType: Bool, Variants: map[string]any{"on": true, "off": false},
		Environments: map[string]State{"prod": {Enabled: true, DefaultVariant: "off", OffVariant: "off", Rules: []Rule{{
			Name: "rollout",
			When: &targeting.Condition{All: []targeting.Condition{
				{Path: "country", Op: targeting.Equal, Value: targeting.String("GB")},
				{Path: AttrPlan, Op: targeting.In, Value: targeting.List(targeting.String("pro"), targeting.String("enterprise"))},
			}},
			Serve: &Serve{Split: &targeting.Split{By: []string{AttrMerchant}, Weights: targeting.Shares{{Variant: "off", Weight: 60}, {Variant: "on", Weight: 40}}}},
		}}}}}
}

func merchant() *Subject {
	return &Subject{Tenant: "acme", Key: "merchant-1001", Attributes: targeting.Attributes{
		"country": targeting.String("GB"), AttrPlan: targeting.String("pro"),
		AttrMerchant: targeting.String("merchant-1001"), AttrRole: targeting.String("owner"),
	}}
}

// stocked returns a shelf with flags of acme.
func stocked(all ...Flag) *shelf {
	var versions []Version
	for i, f := range all {
		v := new(shelf).flag("acme", f)
		v.Change = int64(i + 1)
		versions = append(versions, v)
	}
	return &shelf{versions: map[string][]Version{"acme": versions}}
}

// many returns flags that differ in their keys.
func many(n int) []Flag {
	all := make([]Flag, n)
	for i := range all {
		all[i] = typical(fmt.Sprint("flag-", i))
	}
	return all
}

// loaded returns a provider that has loaded flags of acme, and its shelf.
func loaded(t testing.TB, all ...Flag) (*Provider, *shelf) {
	t.Helper()
	s := stocked(all...)
	p := newProvider(t, s, ProviderConfig{})
	if err := p.Load(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	return p, s
}

func TestReadsAllocateNothing(t *testing.T) {
	override := inProd(State{Enabled: true, Overrides: []Override{{ID: "o", Kind: OverrideTenant, Attribute: AttrMerchant, Subject: "merchant-1001", Variant: "on"}}})
	override.Key = "override"
	text, number, required := serving("text", "dark"), serving("number", "one"), requiring(AttrRisk)
	number.ValueType, number.Variants, required.Key = Number, map[string]any{"one": 1.5}, "required"
	p, s := loaded(t, typical("typical"), override, text, number, required)
	client, err := NewClient(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, m := context.Background(), merchant()
	in := WithSubject(ctx, m)
	laid := NewSubject(m.Tenant, m.Key, m.Attributes)
	handle := NewBool(client, "typical", false)
	reads := map[string]func(){
		"a split":               func() { client.Bool(ctx, "typical", false, m) },
		"details":               func() { client.BoolDetails(ctx, "typical", false, m) },
		"a handle":              func() { handle.Get(ctx, m) },
		"a subject laid out":    func() { handle.Get(ctx, laid) },
		"a subject in ctx":      func() { client.Bool(in, "typical", false, nil) },
		"an override":           func() { client.Bool(ctx, "override", false, m) },
		"a text":                func() { client.String(ctx, "text", "", m) },
		"a number":              func() { client.Float(ctx, "number", 0, m) },
		"the wrong type":        func() { client.String(ctx, "typical", "", m) },
		"no such flag":          func() { client.Bool(ctx, "nothing", false, m) },
		"a missing requirement": func() { client.Bool(ctx, "required", false, m) },
		"all flags": func() {
			p.EvaluateAll(ctx, m, func(string, Evaluation) bool { return true })
		},
	}
	for _, stale := range []bool{false, true} {
		if stale {
			s.set(func() { s.fail = errSlow })
			p.Load(ctx, "acme")
			if got := client.BoolDetails(ctx, "typical", false, m).Reason; got != ReasonStale {
				t.Fatalf("got %s, want STALE", got)
			}
		}
		for name, read := range reads {
			if n := testing.AllocsPerRun(100, read); n != 0 {
				t.Errorf("%s (stale: %t): %v allocations", name, stale, n)
			}
		}
	}
}

func BenchmarkRead(b *testing.B) {
	p, s := loaded(b, typical("typical"))
	client, err := NewClient(p)
	if err != nil {
		b.Fatal(err)
	}
	ctx, m := context.Background(), merchant()
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		read := floor(m.Attributes)
		for b.Loop() {
			read("typical", m)
		}
	})
	b.Run("evaluate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Evaluate(ctx, "typical", m)
		}
	})
	b.Run("client", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			client.Bool(ctx, "typical", false, m)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				client.Bool(ctx, "typical", false, m)
			}
		})
	})
	handle := NewBool(client, "typical", false)
	b.Run("handle", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			handle.Get(ctx, m)
		}
	})
	laid := NewSubject(m.Tenant, m.Key, m.Attributes)
	b.Run("handle, subject laid out", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			handle.Get(ctx, laid)
		}
	})
	b.Run("laying a subject out", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			NewSubject(m.Tenant, m.Key, m.Attributes)
		}
	})
	b.Run("stale", func(b *testing.B) {
		s.set(func() { s.fail = errSlow })
		p.Load(ctx, "acme")
		b.ReportAllocs()
		for b.Loop() {
			client.Bool(ctx, "typical", false, m)
		}
	})
}

// floor is what a read costs that is written by hand: one lookup of the flag, two of
// attributes, and one hash.
func floor(a targeting.Attributes) func(key string, s *Subject) bool {
	split, err := targeting.CompileSplit(targeting.Split{By: []string{AttrMerchant}, Weights: targeting.Shares{{Variant: "off", Weight: 60}, {Variant: "on", Weight: 40}}}, "typical", targeting.Options{})
	if err != nil {
		panic(err)
	}
	known := map[string]*targeting.Splitter{"typical": split}
	return func(key string, s *Subject) bool {
		f := known[key]
		country, _ := a["country"].AsString()
		plan, _ := a[AttrPlan].AsString()
		if country != "GB" || plan != "pro" && plan != "enterprise" {
			return false
		}
		pick, ok := f.Pick(s)
		return ok && pick.Index == 1
	}
}

func BenchmarkEvaluateAll(b *testing.B) {
	all := many(10_000)
	p, _ := loaded(b, all...)
	ctx, m := context.Background(), merchant()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := p.EvaluateAll(ctx, m, func(string, Evaluation) bool { n++; return true }); err != nil || n != len(all) {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	s := stocked(many(10_000)...)
	b.ReportAllocs()
	for b.Loop() {
		p := newProvider(b, s, ProviderConfig{})
		if err := p.Load(b.Context(), "acme"); err != nil {
			b.Fatal(err)
		}
	}
}
