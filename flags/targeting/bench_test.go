package targeting_test

import (
	"math"
	"math/bits"
	"testing"
	"time"

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

// BenchmarkTwoClausesAndASplit is the evaluation of a rule beside the least that a
// program written for this one question has to do: a look-up of the flag, of three
// attributes, and XXH64. Rounds of both alternate and the fastest of each counts, so
// that the ratio means something on a busy machine; it is the price of conditions as
// data.
func BenchmarkTwoClausesAndASplit(b *testing.B) {
	m, sp := rollout(b)
	subject := shop()
	ours := func() bool {
		if !m.Match(subject) {
			return false
		}
		p, ok := sp.Pick(subject)
		return ok && p.Index == 0
	}
	flags := map[string]uint64{"checkout-v2": 400_000_000}
	attributes := map[string]string{"merchantId": "merchant-1001", "country": "GB", "plan": "pro", "orders": "1250", "email": "", "version": ""}
	floor := func() bool {
		if attributes["country"] != "GB" || attributes["plan"] != "pro" {
			return false
		}
		slot, _ := bits.Mul64(xxhash.Sum64String(attributes["merchantId"]), targeting.Slots)
		return slot < flags["checkout-v2"]
	}
	const round = 2000
	best := func(f func() bool, so time.Duration) time.Duration {
		start := time.Now()
		for range round {
			f()
		}
		return min(so, time.Since(start))
	}
	b.ReportAllocs()
	fastest, least := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for b.Loop() {
		fastest, least = best(ours, fastest), best(floor, least)
	}
	b.ReportMetric(float64(fastest)/round, "ours-ns")
	b.ReportMetric(float64(least)/round, "floor-ns")
	b.ReportMetric(float64(fastest)/float64(least), "ratio")
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
