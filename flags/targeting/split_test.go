package targeting_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/flags/targeting"
)

// sp compiles a split of scheme x1 by merchantId.
func sp(t interface{ Fatal(...any) }, salt string, weights ...float64) *targeting.Splitter {
	s := targeting.Split{By: []string{"merchantId"}}
	for i, w := range weights {
		s.Weights = append(s.Weights, targeting.Share{Variant: fmt.Sprint("v", i), Weight: w})
	}
	splitter, err := targeting.CompileSplit(s, salt, targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return splitter
}

// A merchant is a subject with one attribute.
type merchant string

func (m *merchant) Attribute(path string) (targeting.Value, bool) {
	return text(string(*m)), path == "merchantId"
}

// merchants are n subjects.
func merchants(n int) []merchant {
	all := make([]merchant, n)
	for i := range all {
		all[i] = merchant("merchant-" + strconv.Itoa(i))
	}
	return all
}

// pick returns the variant of a merchant.
func pick(t interface{ Fatal(...any) }, s *targeting.Splitter, id string) targeting.Pick {
	m := merchant(id)
	p, ok := s.Pick(&m)
	if !ok {
		t.Fatal("nothing was picked")
	}
	return p
}

func TestWhichAttributeIsTheKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		by      []string
		subject targeting.Attributes
		want    string // empty: none
	}{
		{"the merchant by default", nil, targeting.Attributes{"merchantId": text("m"), "targetingKey": text("u")}, "merchantId"},
		{"else the targeting key", nil, targeting.Attributes{"targetingKey": text("u")}, "targetingKey"},
		{"else none", nil, targeting.Attributes{"storeId": text("s")}, ""},
		{"what the split says", []string{"storeId"}, targeting.Attributes{"merchantId": text("m"), "storeId": text("s")}, "storeId"},
		{"the first of the chain that is there", []string{"storeId", "merchantId"}, targeting.Attributes{"merchantId": text("m")}, "merchantId"},
		{"none where the chain is not there", []string{"storeId"}, targeting.Attributes{"merchantId": text("m")}, ""},
		{"an integer", nil, targeting.Attributes{"merchantId": integer(1001)}, "merchantId"},
		{"a truth value", nil, targeting.Attributes{"merchantId": truth(false)}, "merchantId"},
		{"not an empty text", nil, targeting.Attributes{"merchantId": text(""), "targetingKey": text("u")}, "targetingKey"},
		{"not a fraction", nil, targeting.Attributes{"merchantId": number(1.5)}, ""},
		{"not a list", nil, targeting.Attributes{"merchantId": list(text("m"))}, ""},
		{"not a time", nil, targeting.Attributes{"merchantId": instant("2026-01-01T00:00:00Z")}, ""},
		{"not null", nil, targeting.Attributes{"merchantId": none}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := targeting.CompileSplit(targeting.Split{By: c.by, Weights: targeting.Shares{{Variant: "on", Weight: 1}}}, "f", targeting.Options{})
			if err != nil {
				t.Fatal(err)
			}
			p, ok := s.Pick(c.subject)
			if p.By != c.want || ok != (c.want != "") {
				t.Errorf("%q, %v, want %q", p.By, ok, c.want)
			}
		})
	}
}

func TestKeysOfOtherKindsFallElsewhere(t *testing.T) {
	t.Parallel()
	s := sp(t, "f", 1, 1)
	slots := map[uint64]targeting.Value{}
	for _, key := range []targeting.Value{integer(1), text("1"), truth(true), text("true"), text("i:1")} {
		p, ok := s.Pick(targeting.Attributes{"merchantId": key})
		if other, taken := slots[p.Slot]; taken || !ok {
			t.Errorf("%v falls where %v does", key, other)
		}
		slots[p.Slot] = key
	}
	float, _ := s.Pick(targeting.Attributes{"merchantId": number(1)})
	whole, _ := s.Pick(targeting.Attributes{"merchantId": integer(1)})
	if float != whole {
		t.Error("1.0 falls elsewhere than 1")
	}
}

func TestASplitKeepsToItself(t *testing.T) {
	t.Parallel()
	one := sp(t, "one", 1, 1)
	two := sp(t, "two", 1, 1)
	s, err := targeting.CompileSplit(targeting.Split{Salt: "one", Weights: targeting.Shares{{Variant: "a", Weight: 1}, {Variant: "b", Weight: 1}}}, "two", targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := pick(t, one, "m")
	if pick(t, two, "m").Slot == p.Slot {
		t.Error("two flags deal alike")
	}
	if pick(t, s, "m").Slot != p.Slot {
		t.Error("the salt of the split does not count before that of the flag")
	}
}

func TestSplitsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, salt, pointer, message string }{
		{"no shares", `{"weights":{}}`, "f", "/weights", "must have 1 to 100 variants"},
		{"shares that are all 0", `{"weights":{"on":0,"off":0}}`, "f", "/weights", "must not all be 0"},
		{"a negative share", `{"weights":{"on":101,"off":-1}}`, "f", "/weights/off", "must be a number from 0 to 1e12"},
		{"a share beyond the limit", `{"weights":{"on":1e13,"off":1}}`, "f", "/weights/on", "must be a number from 0 to 1e12"},
		{"a variant without a name", `{"weights":{"":1}}`, "f", "/weights/", "needs the name of a variant: a text of 1 to 1024 bytes"},
		{"a variant twice", `{"weights":[{"variant":"b","weight":1},{"variant":"a","weight":1},{"variant":"b","weight":1}]}`, "f", "/weights/2", "is a variant that stands there already"},
		{"no salt", `{"weights":{"on":1}}`, "", "/salt", "must not be empty"},
		{"an unknown scheme", `{"weights":{"on":1},"scheme":"x2"}`, "f", "/scheme", "is not a known scheme"},
		{"a key that may not be read", `{"by":["shoeSize"],"weights":{"on":1}}`, "f", "/by/0", "is not an attribute that may be read here"},
		{"percent of Unleash that do not sum to 100", `{"weights":{"on":1,"off":1},"scheme":"unleash"}`, "f", "/weights", "must be whole numbers, of scheme unleash with the sum 100"},
		{"percent of Unleash that are not whole", `{"weights":{"on":0.5,"off":99.5},"scheme":"unleash"}`, "f", "/weights", "must be whole numbers, of scheme unleash with the sum 100"},
		{"weights of Unleash that are not whole", `{"weights":{"on":0.5,"off":1.5},"scheme":"unleash-variant"}`, "f", "/weights", "must be whole numbers, of scheme unleash with the sum 100"},
		{"weights of Unleash beyond its hash", `{"weights":{"on":4294967296,"off":1},"scheme":"unleash-variant"}`, "f", "/weights", "must be whole numbers, of scheme unleash with the sum 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := targeting.ParseSplit([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			_, err = targeting.CompileSplit(s, c.salt, targeting.Options{Paths: map[string]targeting.Kind{}})
			if got := field(t, err); got.Pointer != c.pointer || got.Message != c.message {
				t.Errorf("%q %q, want %q %q", got.Pointer, got.Message, c.pointer, c.message)
			}
		})
	}
	for _, w := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := targeting.CompileSplit(targeting.Split{Weights: targeting.Shares{{Variant: "on", Weight: w}}}, "f", targeting.Options{})
		if got := field(t, err); got.Pointer != "/weights/on" {
			t.Errorf("%v is refused at %q", w, got.Pointer)
		}
	}
}

func TestASplitIsReadStrictly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, pointer, message string }{
		{"an unknown key", `{"wieghts":{}}`, "/wieghts", "is not a known key"},
		{"weights that are a number", `{"weights":1}`, "/weights", "must be weights by variant, or a list of shares"},
		{"a weight that is a text", `{"weights":{"on":"40"}}`, "/weights/on", "must be a number"},
		{"a weight that is a list", `{"weights":{"on":[40]}}`, "/weights/on", "must be a number"},
		{"a variant that stands twice", `{"weights":{"on":40,"on":60}}`, "/weights/on", "is given twice"},
		{"a share with an unknown key", `{"weights":[{"variant":"on","share":1}]}`, "/weights/0/share", "is not a known key"},
		{"a share without its object", `{"weights":["on"]}`, "/weights/0", "must be an object"},
		{"keys that are a text", `{"by":"merchantId"}`, "/by", "must be a list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := targeting.ParseSplit([]byte(c.text))
			if got := field(t, err); got.Pointer != c.pointer || got.Message != c.message {
				t.Errorf("%q %q, want %q %q", got.Pointer, got.Message, c.pointer, c.message)
			}
		})
	}
}

func TestSharesKeepTheirOrderInJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"an object is in the order of its names", `{"weights":{"on":40,"off":60}}`, `{"weights":{"off":60,"on":40}}`},
		{"a list in the order of names is an object", `{"weights":[{"variant":"a","weight":0.5},{"weight":1,"variant":"b"}]}`, `{"weights":{"a":0.5,"b":1}}`},
		{"a list in another order stays one", `{"weights":[{"variant":"b","weight":1},{"variant":"a","weight":2}]}`, `{"weights":[{"variant":"b","weight":1},{"variant":"a","weight":2}]}`},
		{"the other fields stay", `{"scheme":"x1","salt":"s","by":["a","b"],"weights":{"é\"":1}}`, `{"by":["a","b"],"weights":{"é\"":1},"salt":"s","scheme":"x1"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := targeting.ParseSplit([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(s)
			if err != nil || string(got) != c.want {
				t.Errorf("%s, %v, want %s", got, err, c.want)
			}
			var again targeting.Split
			if err := json.Unmarshal(got, &again); err != nil || !slices.Equal(again.Weights, s.Weights) {
				t.Errorf("read again: %v, %v, want %v", again.Weights, err, s.Weights)
			}
		})
	}
}

// FLG-04: what counts is the share.
func TestWeightsAreReadAsShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, 1000), 1, 6).Draw(t, "weights")
		if !slices.ContainsFunc(weights, func(w int) bool { return w > 0 }) {
			t.Skip("refused elsewhere")
		}
		factor := rapid.IntRange(1, 1000).Draw(t, "factor")
		var some, others []float64
		for _, w := range weights {
			some, others = append(some, float64(w)), append(others, float64(w*factor))
		}
		a, b := sp(t, "f", some...), sp(t, "f", others...)
		for range 50 {
			key := rapid.String().Filter(func(s string) bool { return s != "" }).Draw(t, "key")
			if p, q := pick(t, a, key), pick(t, b, key); p != q {
				t.Fatalf("%v times %d moves %q from %v to %v", weights, factor, key, p, q)
			}
			if p := pick(t, a, key); weights[p.Index] == 0 || p.Slot < p.From || p.Slot >= p.To {
				t.Fatalf("%v serve %q with %+v", weights, key, p)
			}
		}
	})
	if p, q := sp(t, "f", 40, 60), sp(t, "f", 2, 3); pick(t, p, "m") != pick(t, q, "m") {
		t.Error("40/60 and 2/3 differ")
	}
}

// The rules of the package documentation about who keeps their variant.
func TestARampKeepsItsMembers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(t, "variants")
		// Shares of 1,000 before and after, drawn as cuts.
		draw := func(name string) []float64 {
			cuts := rapid.SliceOfN(rapid.IntRange(0, 1000), n-1, n-1).Draw(t, name)
			slices.Sort(cuts)
			shares, last := []float64{}, 0
			for _, c := range append(cuts, 1000) {
				shares, last = append(shares, float64(c-last)), c
			}
			return shares
		}
		before, after := draw("before"), draw("after")
		a, b := sp(t, "f", before...), sp(t, "f", after...)
		keeps := make([]bool, n)
		for i := range keeps {
			raised := after[i] >= before[i]
			fits := after[i]*float64(n) <= 1000
			alone := true
			for j := range after {
				if j != i && (after[j] > before[j] || after[j]*float64(n) > 1000) {
					alone = false
				}
			}
			keeps[i] = raised && (n == 2 || fits || alone)
		}
		for i := range 300 {
			key := fmt.Sprint("merchant-", i)
			was, is := pick(t, a, key).Index, pick(t, b, key).Index
			if keeps[was] && is != was {
				t.Fatalf("from %v to %v moves %s from variant %d to %d", before, after, key, was, is)
			}
		}
	})
}

// FLG-08: two variants are one cut, so that the first has the slots below its share.
func TestTwoVariantsAreOneCut(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0, 1, 10, 40, 50, 60, 99.9, 100} {
		s := sp(t, "f", share, 100-share)
		for i := range 1000 {
			p := pick(t, s, fmt.Sprint("merchant-", i))
			if below := p.Slot < uint64(math.Round(share*targeting.Slots/100)); below != (p.Index == 0) {
				t.Fatalf("%v %%: slot %d has variant %d", share, p.Slot, p.Index)
			}
		}
	}
}

// long reports whether the full form of a proof is asked for.
func long() bool { return os.Getenv("ADMINKIT_LONG") != "" }

// FLG-08: from 0 to 100 % in a thousand steps nobody who was in is ever out.
func TestAPercentageOnlyAddsMembers(t *testing.T) {
	t.Parallel()
	ids := 2000
	if long() {
		ids = 100_000
	}
	subjects := merchants(ids)
	for _, first := range []bool{true, false} {
		in, count := make([]bool, ids), 0
		for step := range 1001 {
			on := float64(step) / 10
			weights := []float64{on, 100 - on}
			if !first {
				slices.Reverse(weights)
			}
			s := sp(t, "checkout-v2", weights...)
			for i := range subjects {
				p, ok := s.Pick(&subjects[i])
				is := ok && (p.Index == 0) == first
				if in[i] && !is {
					t.Fatalf("merchant-%d was in and is out at %v %%", i, on)
				}
				if is && !in[i] {
					in[i] = true
					count++
				}
			}
			if off := math.Abs(float64(count)/float64(ids) - on/100); off > 4*0.5/math.Sqrt(float64(ids)) {
				t.Fatalf("%d of %d are in at %v %%", count, ids, on)
			}
		}
		if count != ids {
			t.Fatalf("%d of %d are in at 100 %%", count, ids)
		}
	}
}

// Buckets are even, and those of one flag say nothing about those of another: chi² over
// 5,000 buckets of each of 20 flags, and phi of the halves of each pair of them.
func TestBucketsAreEvenAndIndependent(t *testing.T) {
	t.Parallel()
	const flags, buckets = 20, 5000
	ids := 50_000
	if long() {
		ids = 1_000_000
	}
	subjects := merchants(ids)
	halves := make([][]uint64, flags) // bits
	worst, low, high := 0.0, math.Inf(1), math.Inf(-1)
	for f := range flags {
		s := sp(t, fmt.Sprint("flag-", f), 50, 50)
		halves[f] = make([]uint64, (ids+63)/64)
		counts := make([]int, buckets)
		for i := range subjects {
			p, _ := s.Pick(&subjects[i])
			counts[p.Slot*buckets/targeting.Slots]++
			if p.Index == 0 {
				halves[f][i/64] |= 1 << (i % 64)
			}
		}
		chi, want := 0.0, float64(ids)/buckets
		for _, n := range counts {
			chi += (float64(n) - want) * (float64(n) - want) / want
		}
		chi /= buckets - 1
		low, high = min(low, chi), max(high, chi)
	}
	pairs := 0
	for f := range flags {
		for g := range f {
			pairs++
			worst = max(worst, math.Abs(phi(halves[f], halves[g], ids)))
		}
	}
	t.Logf("%d ids, %d flags, %d pairs: chi²/df %.3f to %.3f, |phi| at most %.4f", ids, flags, pairs, low, high, worst)
	if low < 0.9 || high > 1.1 {
		t.Errorf("chi²/df from %.3f to %.3f", low, high)
	}
	// The standard deviation of phi is 1/√ids: with few of them, five say as much.
	if limit := max(0.015, 5/math.Sqrt(float64(ids))); worst > limit {
		t.Errorf("|phi| %.4f, want at most %.4f", worst, limit)
	}
}

// phi is the correlation of two sets of bits.
func phi(a, b []uint64, n int) float64 {
	var both, left, right float64
	for i := range a {
		both += float64(bits.OnesCount64(a[i] & b[i]))
		left += float64(bits.OnesCount64(a[i]))
		right += float64(bits.OnesCount64(b[i]))
	}
	total := float64(n)
	return (total*both - left*right) / math.Sqrt(left*right*(total-left)*(total-right))
}

func TestALongKeyIsHashedWhole(t *testing.T) {
	t.Parallel()
	s := sp(t, "f", 1, 1)
	if a, b := pick(t, s, strings.Repeat("a", 5000)), pick(t, s, strings.Repeat("a", 4999)+"b"); a.Slot == b.Slot {
		t.Error("two long keys fall together")
	}
}
