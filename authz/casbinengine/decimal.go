package casbinengine

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// maxDigits bounds the digits of a number that conditions compare: more than any
// amount has, and few enough that comparing is cheap whatever a stranger sends.
const maxDigits = 64

// A decimal is a number by its digits. Comparing decimals is exact; 0.1 + 0.2 never
// happens.
type decimal struct {
	negative bool
	// whole has no leading zero and fraction no trailing one; zero is both empty.
	whole, fraction string
}

// parseDecimal reads digits with an optional sign and fraction: "-12.50". It knows
// no exponent, no plus sign, no blanks and no digits but 0 to 9.
func parseDecimal(s string) (decimal, bool) {
	var d decimal
	s, d.negative = strings.CutPrefix(s, "-")
	whole, fraction, dotted := strings.Cut(s, ".")
	if !digits(whole) || dotted && !digits(fraction) || len(whole)+len(fraction) > maxDigits {
		return decimal{}, false
	}
	d.whole = strings.TrimLeft(whole, "0")
	d.fraction = strings.TrimRight(fraction, "0")
	if d.whole == "" && d.fraction == "" {
		d.negative = false
	}
	return d, true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// parseNumber reads a JSON number, which may have an exponent.
func parseNumber(s string) (decimal, bool) {
	mantissa, exponent, ok := strings.Cut(strings.ToLower(s), "e")
	d, valid := parseDecimal(mantissa)
	if !ok || !valid {
		return d, valid
	}
	shift, err := strconv.Atoi(exponent)
	if err != nil || shift < -maxDigits || shift > maxDigits {
		return decimal{}, false
	}
	whole, fraction := d.whole, d.fraction
	for ; shift > 0; shift-- {
		if fraction == "" {
			fraction = "0"
		}
		whole, fraction = whole+fraction[:1], fraction[1:]
	}
	for ; shift < 0; shift++ {
		if whole == "" {
			whole = "0"
		}
		whole, fraction = whole[:len(whole)-1], whole[len(whole)-1:]+fraction
	}
	d.whole = strings.TrimLeft(whole, "0")
	d.fraction = strings.TrimRight(fraction, "0")
	return d, len(d.whole)+len(d.fraction) <= maxDigits
}

// decimalOf reads an attribute as a number: a JSON number in any of Go's forms, or a
// decimal in a string, as money is written.
func decimalOf(v any) (decimal, bool) {
	switch n := v.(type) {
	case string:
		return parseDecimal(n)
	case json.Number:
		return parseNumber(n.String())
	case float64:
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return decimal{}, false
		}
		return parseNumber(strconv.FormatFloat(n, 'e', -1, 64))
	case int:
		return parseDecimal(strconv.Itoa(n))
	case int64:
		return parseDecimal(strconv.FormatInt(n, 10))
	}
	return decimal{}, false
}

// compare returns -1, 0 or 1.
func (d decimal) compare(o decimal) int {
	switch {
	case d.negative && !o.negative:
		return -1
	case !d.negative && o.negative:
		return 1
	case d.negative:
		d, o = o, d
	}
	if len(d.whole) != len(o.whole) {
		if len(d.whole) < len(o.whole) {
			return -1
		}
		return 1
	}
	if c := strings.Compare(d.whole, o.whole); c != 0 {
		return c
	}
	return strings.Compare(d.fraction, o.fraction)
}

func (d decimal) String() string {
	s := d.whole
	if s == "" {
		s = "0"
	}
	if d.fraction != "" {
		s += "." + d.fraction
	}
	if d.negative {
		s = "-" + s
	}
	return s
}
