package shop

import (
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

// Money is an amount in minor units: cents. The currencies of the demo have two
// decimals. Amounts are never floating point.
type Money int64

// maxMajor bounds what is parsed to twelve digits before the point, far below what
// an int64 of minor units holds.
const maxMajor = 12

// ParseMoney reads a decimal such as "12", "12.5" or "12.50". It takes ASCII digits
// with at most two decimals and nothing else: no sign, exponent, blank, separator or
// leading zero, so that an amount is written in one way and read in one way. The
// error is a *storage.InvalidError at pointer.
func ParseMoney(pointer, s string) (Money, error) {
	bad := func(message string) (Money, error) { return 0, storage.Invalid(pointer, message) }
	major, minor, point := strings.Cut(s, ".")
	switch {
	case !digits(major) || point && !digits(minor):
		return bad(`must be a decimal such as "12.50"`)
	case len(major) > 1 && major[0] == '0':
		return bad("must not begin with a zero")
	case len(major) > maxMajor:
		return bad("is too large")
	case len(minor) > 2:
		return bad("must have at most two decimals")
	}
	minor += "00"[len(minor):]
	n, err := strconv.ParseInt(major+minor, 10, 64)
	if err != nil {
		return bad(`must be a decimal such as "12.50"`)
	}
	return Money(n), nil
}

// digits reports whether s is one or more ASCII digits.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// String writes the amount with two decimals: "12.50".
func (m Money) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	s := strconv.FormatInt(int64(m), 10)
	if len(s) < 3 {
		s = "000"[len(s):] + s
	}
	return sign + s[:len(s)-2] + "." + s[len(s)-2:]
}

// MarshalText writes the amount as a decimal, which in JSON is a string.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (m *Money) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMoney("", string(text))
	return err
}
