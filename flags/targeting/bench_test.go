package targeting_test

import (
	"math/bits"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/lumelle/adminkit/flags/targeting"
)

// A shop is the subject of the benchmarks.
func shop() targeting.Attributes {
	return targeting.Attributes{
		"merchantId": text("merchant-1001"), "country": text("GB"), "plan": text("pro"),
		"orders": integer(1250), "email": text("owner@shop.example"), "version": text("2.4.1"),
	}
}

// rollout is two clauses and a split of 40 %.
func rollout(t testing.TB) (*targeting.Matcher, *targeting.Splitter) {
	m := matcher(t, targeting.Condition{All: []targeting.Condition{
		{Path: "country", Op: targeting.Equal, Value: text("GB")},
		{Path: "plan", Op: targeting.In, Value: list(text("pro"), text("enterprise"))},
	}}, targeting.Options{})
	sp, err := targeting.CompileSplit(targeting.Split{By: []string{"merchantId"},
		Weights: targeting.Shares{{Variant: "on", Weight: 40}, {Variant: "off", Weight: 60}}}, "checkout-v2", targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m, sp
}

// BenchmarkTwoClausesAndASplit beside the least that a program written for this one
// question has to do. The ratio of the two is the price of conditions as data.
func BenchmarkTwoClausesAndASplit(b *testing.B) {
	m, sp := rollout(b)
	subject := shop()
	b.Run("compiled", func(b *testing.B) {
		b.ReportAllocs()
		on := 0
		for b.Loop() {
			if m.Match(subject) {
				if p, ok := sp.Pick(subject); ok && p.Index == 0 {
					on++
				}
			}
		}
	})
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		flags := map[string]uint64{"checkout-v2": 400_000_000}
		attributes := map[string]string{"merchantId": "merchant-1001", "country": "GB", "plan": "pro"}
		on := 0
		for b.Loop() {
			if attributes["country"] == "GB" && attributes["plan"] == "pro" {
				slot, _ := bits.Mul64(xxhash.Sum64String(attributes["merchantId"]), targeting.Slots)
				if slot < flags["checkout-v2"] {
					on++
				}
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	subject := shop()
	for _, c := range []struct {
		name      string
		condition targeting.Condition
	}{
		{"eq", targeting.Condition{Path: "country", Op: targeting.Equal, Value: text("GB")}},
		{"in", targeting.Condition{Path: "plan", Op: targeting.In, Value: list(text("pro"), text("enterprise"))}},
		{"gte", targeting.Condition{Path: "orders", Op: targeting.GreaterEqual, Value: integer(1000)}},
		{"ends_with_folded", targeting.Condition{Path: "email", Op: targeting.EndsWith, Value: text("@SHOP.example"), FoldCase: true}},
		{"matches", targeting.Condition{Path: "email", Op: targeting.Matches, Value: text(`^\w+@shop\.`)}},
		{"semver_gte", targeting.Condition{Path: "version", Op: targeting.SemverGreaterEqual, Value: text("2.4.0")}},
		{"after", targeting.Condition{Path: "orders", Op: targeting.After, Value: integer(1000)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := matcher(b, c.condition, targeting.Options{})
			b.ReportAllocs()
			for b.Loop() {
				m.Match(subject)
			}
		})
	}
}
