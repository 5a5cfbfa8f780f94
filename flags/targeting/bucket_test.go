package targeting_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/flags/targeting"
)

func bucketed(t testing.TB, b targeting.Bucket) *targeting.Matcher {
	t.Helper()
	m, err := targeting.Compile(targeting.Condition{Bucket: &b}, targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestABucketIsTheFirstOfTwoVariants holds a bucket to the split that it stands for.
func TestABucketIsTheFirstOfTwoVariants(t *testing.T) {
	t.Parallel()
	for _, scheme := range []targeting.Scheme{"", targeting.X1, targeting.Unleash} {
		rapid.Check(t, func(t *rapid.T) {
			percent := float64(rapid.IntRange(0, 100).Draw(t, "percent"))
			if scheme != targeting.Unleash {
				percent = rapid.Float64Range(0, 100).Draw(t, "percent of x1")
			}
			salt := rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "salt")
			m, err := targeting.Compile(targeting.Condition{Bucket: &targeting.Bucket{Salt: salt, Scheme: scheme, To: percent}}, targeting.Options{})
			if err != nil {
				t.Fatal(err)
			}
			sp, err := targeting.CompileSplit(targeting.Split{Scheme: scheme, Weights: targeting.Shares{{Variant: "in", Weight: percent}, {Variant: "out", Weight: 100 - percent}}}, salt, targeting.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 20 {
				s := targeting.Attributes{"merchantId": targeting.String(strconv.Itoa(i))}
				pick, ok := sp.Pick(s)
				if got, want := m.Match(s), ok && pick.Index == 0; got != want {
					t.Fatalf("the bucket to %v holds %v of %d, whose variant is %d", percent, got, i, pick.Index)
				}
			}
		})
	}
}

// TestBucketsThatTouchShareNobody cuts 100 % into four and finds everybody once.
func TestBucketsThatTouchShareNobody(t *testing.T) {
	t.Parallel()
	cuts := []float64{0, 12.5, 50, 50.25, 100}
	for i := range 5000 {
		s, in := targeting.Attributes{"targetingKey": targeting.Int(int64(i))}, 0
		for j := range cuts[1:] {
			if bucketed(t, targeting.Bucket{Salt: "s", From: cuts[j], To: cuts[j+1]}).Match(s) {
				in++
			}
		}
		if in != 1 {
			t.Fatalf("%d is in %d buckets", i, in)
		}
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		condition string
		subject   targeting.Attributes
		want      bool
	}{
		{"below the end", `{"bucket":{"salt":"checkout-v2","to":47.08}}`, targeting.Attributes{"merchantId": targeting.String("merchant-1001")}, true},
		{"at the end", `{"bucket":{"salt":"checkout-v2","to":47.0799729}}`, targeting.Attributes{"merchantId": targeting.String("merchant-1001")}, false},
		{"behind the beginning", `{"bucket":{"salt":"checkout-v2","from":47.08,"to":100}}`, targeting.Attributes{"merchantId": targeting.String("merchant-1001")}, false},
		{"at the beginning", `{"bucket":{"salt":"checkout-v2","from":47.0799729,"to":100}}`, targeting.Attributes{"merchantId": targeting.String("merchant-1001")}, true},
		{"unleash counts from one", `{"bucket":{"by":["userId"],"salt":"checkout-v2","scheme":"unleash","to":95}}`, targeting.Attributes{"userId": targeting.String("merchant-1001")}, true},
		{"unleash below", `{"bucket":{"by":["userId"],"salt":"checkout-v2","scheme":"unleash","to":94}}`, targeting.Attributes{"userId": targeting.String("merchant-1001")}, false},
		{"nothing is in an empty bucket", `{"bucket":{"salt":"s","from":10,"to":10}}`, targeting.Attributes{"merchantId": targeting.String("a")}, false},
		{"everybody with a key is in the whole", `{"bucket":{"salt":"s","to":100}}`, targeting.Attributes{"targetingKey": targeting.String("a")}, true},
		{"nobody without a key", `{"bucket":{"salt":"s","to":100}}`, targeting.Attributes{"country": targeting.String("GB")}, false},
		{"none of a bucket holds without a key", `{"none":[{"bucket":{"salt":"s","to":100}}]}`, targeting.Attributes{}, true},
		{"beside a clause", `{"all":[{"path":"country","op":"eq","value":"GB"},{"bucket":{"by":["country"],"salt":"s","to":100}}]}`, targeting.Attributes{"country": targeting.String("GB")}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			condition, err := targeting.ParseCondition([]byte(c.condition))
			if err != nil {
				t.Fatal(err)
			}
			m, err := targeting.Compile(condition, targeting.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Match(c.subject); got != c.want {
				t.Errorf("%s is %v, want %v", c.condition, got, c.want)
			}
			if trace := m.Explain(c.subject); trace.Holds != c.want {
				t.Errorf("explained %s is %v, want %v", c.condition, trace.Holds, c.want)
			}
			if !m.References().Buckets || !condition.References().Buckets || len(condition.References().Paths) == 0 {
				t.Errorf("references %v of the matcher and %v of the condition", m.References(), condition.References())
			}
			if b, err := json.Marshal(condition); err != nil || string(b) != c.condition {
				t.Errorf("written as %s, %v; want %s", b, err, c.condition)
			}
		})
	}
}

func TestABucketTellsItsSlots(t *testing.T) {
	t.Parallel()
	m := bucketed(t, targeting.Bucket{Salt: "checkout-v2", To: 40})
	step, ok := m.Explain(targeting.Attributes{"merchantId": targeting.String("merchant-1001")}).Settled()
	if want := "bucket 0 to 400000000 of 1000000000, merchantId is in slot 470799729: does not hold"; !ok || step.String() != want {
		t.Errorf("settled by %q, want %q", step, want)
	}
	step, _ = m.Explain(targeting.Attributes{}).Settled()
	if want := "bucket 0 to 400000000 of 1000000000 (missing): does not hold"; step.String() != want {
		t.Errorf("settled by %q, want %q", step, want)
	}
}

func TestBadBucketsAreRefusedWhereTheyAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, condition, want string }{
		{"without a salt", `{"bucket":{"to":10}}`, "/bucket/salt: must not be empty"},
		{"of an unknown scheme", `{"bucket":{"salt":"s","scheme":"unleash-variant","to":10}}`, "/bucket/scheme: must be x1 or unleash"},
		{"above everybody", `{"bucket":{"salt":"s","to":100.5}}`, "/bucket/to: must be a percentage from 0 to 100"},
		{"below nobody", `{"bucket":{"salt":"s","from":-1,"to":1}}`, "/bucket/from: must be a percentage from 0 to 100"},
		{"backwards", `{"bucket":{"salt":"s","from":20,"to":10}}`, "/bucket/from: must not be above to"},
		{"in parts of a percent", `{"bucket":{"salt":"s","scheme":"unleash","to":0.5}}`, "/bucket/to: must be whole percent in this scheme"},
		{"by an attribute that may not be read", `{"all":[{"bucket":{"by":["mood"],"salt":"s","to":1}}]}`, "/all/0/bucket/by/0: is not an attribute that may be read here"},
		{"with an unknown key", `{"bucket":{"salt":"s","to":1,"of":100}}`, "/bucket/of: is not a known key"},
		{"with an audience", `{"audience":"vip","bucket":{"salt":"s","to":1}}`, "must be exactly one of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			condition, err := targeting.ParseCondition([]byte(c.condition))
			if err == nil {
				_, err = targeting.Compile(condition, targeting.Options{Paths: map[string]targeting.Kind{"country": targeting.KindString}})
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", c.condition, err, c.want)
			}
		})
	}
}

func TestABucketAllocatesNothing(t *testing.T) {
	m := bucketed(t, targeting.Bucket{Salt: "checkout-v2", To: 40})
	var s targeting.Subject = targeting.Attributes{"merchantId": targeting.String("merchant-1001")}
	if n := testing.AllocsPerRun(100, func() { m.Match(s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
