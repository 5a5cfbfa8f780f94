package targeting

import (
	"math"
	"strings"
)

// orderTest compares numbers.
type orderTest struct {
	want                 Value
	less, equal, greater bool
}

func compileOrder(_ *compiler, given Condition) (test, string) {
	if given.Value.Kind() != KindNumber {
		return nil, "must be a number"
	}
	op := given.Op
	return &orderTest{
		want:    given.Value,
		less:    op == Less || op == LessEqual,
		equal:   op == LessEqual || op == GreaterEqual,
		greater: op == Greater || op == GreaterEqual,
	}, ""
}

func (o *orderTest) test(v Value) outcome {
	var c int
	switch v.Kind() {
	case KindNumber:
		c = compareNumbers(v, o.want)
	case KindString:
		n, ok := parseDecimal(v.text)
		if !ok {
			return unreadable
		}
		c = compareNumbers(n, o.want)
	default:
		return unreadable
	}
	switch {
	case c < 0:
		return outcomeOf(o.less)
	case c > 0:
		return outcomeOf(o.greater)
	}
	return outcomeOf(o.equal)
}

// maxDecimal is the longest decimal text that is read as a number.
const maxDecimal = 40

// parseDecimal reads a decimal such as "12.50": digits, at most one point between
// them, at most one minus before them.
func parseDecimal(s string) (Value, bool) {
	if len(s) > maxDecimal {
		return Value{}, false
	}
	digits := strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if !allDigits(whole) || point && !allDigits(fraction) {
		return Value{}, false
	}
	return parseNumber(s)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// compareNumbers orders two numbers exactly.
func compareNumbers(a, b Value) int {
	switch {
	case !a.isFloat() && !b.isFloat():
		return compare(int64(a.bits), int64(b.bits))
	case a.isFloat() && b.isFloat():
		return compare(math.Float64frombits(a.bits), math.Float64frombits(b.bits))
	case a.isFloat():
		return -compareMixed(int64(b.bits), math.Float64frombits(a.bits))
	}
	return compareMixed(int64(a.bits), math.Float64frombits(b.bits))
}

func compare[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compareMixed orders an integer and a float64 that is no integer of 64 bits.
func compareMixed(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	// f has a fraction, so it lies strictly between two integers.
	if i <= int64(math.Floor(f)) {
		return -1
	}
	return 1
}
