package casbinengine

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
)

var conditionTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func conditionRequest() *authz.Request {
	return &authz.Request{
		Tenant:   "acme",
		Subject:  authz.Entity{Type: "user", ID: "sam", Properties: map[string]any{"vip": true, "a/b": "slash", "m~n": "tilde"}},
		Action:   "orders.refund",
		Resource: authz.Entity{Type: "order", ID: "1001", Properties: map[string]any{"lines": []any{map[string]any{"sku": "x"}}}},
		Payload:  map[string]any{"amount": "100.00", "count": json.Number("3"), "rate": 0.1, "n": 7, "nothing": nil, "text": "5 > 4"},
		Context:  map[string]any{"env": "prod"},
		Authn:    &audit.Authn{At: conditionTime.Add(-90 * time.Second), ACR: "phr"},
		Time:     conditionTime,
	}
}

func TestConditionsHoldAsTheyRead(t *testing.T) {
	for _, tc := range []struct {
		condition string
		want      bool
	}{
		{"", true},
		{"  ", true},
		{"/payload/amount == 100", true},
		{"/payload/amount != 100", false},
		{"/payload/amount > 100.00", false},
		{"/payload/amount >= 100.00", true},
		{"/payload/amount < 100.000000001", true},
		{"/payload/amount <= 99.999999999", false},
		{"/payload/amount > -5", true},
		{"/payload/count == 3.0", true},
		{"/payload/n == 7", true},
		{"/payload/rate == 0.1", true},
		{"/payload/rate < 0.1", false},
		{"/payload/text == \"5 > 4\"", true},
		{`/context/env == "prod"`, true},
		{`/context/env=="prod"`, true},
		{`/context/env != "prod"`, false},
		{`/context/env in ["dev", "prod"]`, true},
		{`/context/env in ["dev"]`, false},
		{`/payload/amount in [1, 100]`, true},
		{"/subject/properties/vip == true", true},
		{"/subject/properties/vip == false", false},
		{"/subject/properties/vip != false", true},
		{`/subject/properties/a~1b == "slash"`, true},
		{`/subject/properties/m~0n == "tilde"`, true},
		{`/subject/id == "sam" && /subject/type == "user"`, true},
		{`/subject/id == "sam" && /tenant == "bloom"`, false},
		{`/resource/properties/lines/0/sku == "x"`, true},
		{`/resource/type == "order" && /resource/id == "1001" && /action == "orders.refund"`, true},
		{"/authn/age <= 90", true},
		{"/authn/age < 90", false},
		{`/authn/acr == "phr"`, true},
	} {
		t.Run(tc.condition, func(t *testing.T) {
			c, err := parseCondition(tc.condition)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.holds(Attributes{conditionRequest()}); err != nil || got != tc.want {
				t.Errorf("got %t, %v, want %t", got, err, tc.want)
			}
		})
	}
}

func TestAConditionOnWhatIsNotThereIsAnError(t *testing.T) {
	for _, text := range []string{
		"/payload/missing > 1",
		"/payload/nothing == 1",
		"/payload/text > 1",
		"/payload/amount == true",
		`/payload/count == "3"`,
		"/context/env == 1",
		"/context/env/deeper == 1",
		"/resource/properties/lines == 1",
		"/resource/properties/lines/1/sku == 1",
		"/resource/properties/lines/00/sku == 1",
		"/resource/properties/lines/-1/sku == 1",
		// The order of the terms does not decide whether something is missing.
		"/payload/amount > 1000 && /payload/missing > 1",
		"/payload/missing > 1 && /payload/amount > 1000",
	} {
		t.Run(text, func(t *testing.T) {
			c, err := parseCondition(text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.holds(Attributes{conditionRequest()})
			var missing *missingError
			if got || !errors.As(err, &missing) {
				t.Errorf("got %t, %v, want the missing attribute", got, err)
			}
		})
	}
	c, err := parseCondition("/authn/age < 300")
	if err != nil {
		t.Fatal(err)
	}
	r := conditionRequest()
	for name, authn := range map[string]*audit.Authn{"none": nil, "no time": {}, "the future": {At: conditionTime.Add(time.Hour)}} {
		r.Authn = authn
		if got, err := c.holds(Attributes{r}); got || err == nil {
			t.Errorf("got %t, %v for a proof of identity with %s", got, err, name)
		}
	}
	r.Authn = &audit.Authn{At: conditionTime.Add(-299*time.Second - time.Microsecond)}
	if got, err := c.holds(Attributes{r}); got || err != nil {
		t.Errorf("got %t, %v: a begun second counts as a whole one", got, err)
	}
}

func TestIllFormedConditionsAreRefused(t *testing.T) {
	for _, text := range []string{
		"amount > 100", "/payload/amount", "/payload/amount >", "/payload/amount 100", "/payload/amount > 100 &&", "&& /payload/amount > 100",
		"/payload/amount > 100 || /payload/amount < 5", "/payload/amount > 100 & /payload/amount < 5", "/payload/amount => 100",
		"/payload/amount = 100", "/payload/amount > 1e2", "/payload/amount > +1", "/payload/amount > 1.", "/payload/amount > .5",
		"/payload/amount > NaN", "/payload/amount > 0x10", "/payload/amount > \"100\"", "/payload/amount < true",
		"/payload/amount > ٥", "/payload/amount > 1 2", "/payload", "/payload/", "/payload//x == 1", "/", "//", "/nothing/x == 1",
		"/subject/name == 1", "/subject/properties == 1", "/tenant/x == 1", "/authn/at == 1", "/payload/a~2 == 1",
		`/context/env == "open`, `/context/env == 'prod'`, `/context/env == "\q"`, `/context/env in "prod"`, `/context/env in []`,
		`/context/env in ["a", 1]`, `/context/env in ["a" "b"]`, `/context/env in ["a",]`, `/context/env in ["a"`, "/payload/amount > " + strings.Repeat("9", 65),
		strings.Repeat("/payload/a == 1 && ", 20) + "/payload/a == 1", strings.Repeat(" ", 2000),
	} {
		if c, err := parseCondition(text); err == nil {
			t.Errorf("%q is read as %q", text, c)
		}
	}
}

func FuzzParseCondition(f *testing.F) {
	for _, text := range []string{
		"", "/payload/amount > 100.00", `/context/env in ["a", "b"] && /authn/age <= 300`, `/subject/id == "\u00e9\"<&>"`, "/payload/a == -0.0", "/payload/x!=true",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCondition(text)
		if err != nil {
			return
		}
		canonical := c.String()
		again, err := parseCondition(canonical)
		if len(canonical) > maxCondition {
			return // escapes may make it longer than what may be written
		}
		if err != nil {
			t.Fatalf("%q is read as %q, which is refused: %v", text, canonical, err)
		}
		if again.String() != canonical {
			t.Fatalf("%q becomes %q becomes %q", text, canonical, again)
		}
		r := conditionRequest()
		first, firstErr := c.holds(Attributes{r})
		second, secondErr := again.holds(Attributes{r})
		if first != second || (firstErr == nil) != (secondErr == nil) {
			t.Fatalf("%q and %q differ: %t %v, %t %v", text, canonical, first, firstErr, second, secondErr)
		}
	})
}

func TestDecimalsCompareAsRationalsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,20})?`)
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		x, ok1 := parseDecimal(a)
		y, ok2 := parseDecimal(b)
		if !ok1 || !ok2 {
			t.Fatalf("%q and %q are read: %t, %t", a, b, ok1, ok2)
		}
		rx, _ := new(big.Rat).SetString(a)
		ry, _ := new(big.Rat).SetString(b)
		if got, want := x.compare(y), rx.Cmp(ry); got != want {
			t.Fatalf("%s against %s: got %d, want %d", a, b, got, want)
		}
		if z, ok := parseDecimal(x.String()); !ok || z != x {
			t.Fatalf("%q is written as %q and read as %v", a, x, z)
		}
	})
}

func TestNumbersWithExponentsKeepTheirValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{1,10}(\.[0-9]{1,10})?[eE][+-]?[0-9]{1,2}`).Draw(t, "number")
		d, ok := parseNumber(text)
		if !ok {
			return
		}
		got, _ := new(big.Rat).SetString(d.String())
		want, _ := new(big.Rat).SetString(text)
		if got.Cmp(want) != 0 {
			t.Fatalf("%s is read as %s", text, d)
		}
	})
	for _, text := range []string{"1e99", "1e-99", "1e999999999999", "1e", "e5", "--1", "1e5.0"} {
		if d, ok := parseNumber(text); ok {
			t.Errorf("%s is read as %s", text, d)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.MaxFloat64, math.SmallestNonzeroFloat64} {
		if d, ok := decimalOf(f); ok {
			t.Errorf("%v is read as %s", f, d)
		}
	}
	for _, f := range []float64{0, 0.1, 100, 1e20, -2.5, 1e-7} {
		d, ok := decimalOf(f)
		want, _ := parseNumber(big.NewFloat(f).Text('e', -1))
		if !ok || d.compare(want) != 0 {
			t.Errorf("%v is read as %s, %t", f, d, ok)
		}
	}
}
