package shop

import (
	"errors"
	"math"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"pgregory.net/rapid"
)

func TestParseMoneyReadsPlainDecimals(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Money{
		"0": 0, "0.01": 1, "0.1": 10, "1": 100, "12.5": 1250, "12.50": 1250, "100.00": 10000,
		"999999999999.99": 99_999_999_999_999,
	} {
		if got, err := ParseMoney("/amount", in); err != nil || got != want {
			t.Errorf("ParseMoney(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
}

func TestParseMoneyRefusesEveryOtherForm(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", " ", ".", "1.", ".5", "1.234", "1.000", "01", "00", "00.10", "-1", "+1", "-0", "1e2", "1E2", "0x10", "1_000",
		"1,000.00", "1,5", "1 000", " 1", "1 ", "1\n", "NaN", "Inf", "infinity", "١٢", "１２", "1.٥", "½", "1.2.3",
		"1/2", "1000000000000", "99999999999999999999999999", "1\x00", "\u00a01", "€5", "5€", "12.5\u200b", "\xff",
	} {
		got, err := ParseMoney("/amount", in)
		var invalid *storage.InvalidError
		if !errors.As(err, &invalid) || invalid.Fields[0].Pointer != "/amount" || invalid.Fields[0].Message == "" {
			t.Errorf("ParseMoney(%q) = %d, %v, want a sentence at /amount", in, got, err)
		}
	}
}

func TestMoneyIsWrittenAsItIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := Money(rapid.Int64Range(0, 99_999_999_999_999).Draw(t, "minor units"))
		if got, err := ParseMoney("", want.String()); err != nil || got != want {
			t.Fatalf("ParseMoney(%q) = %d, %v, want %d", want.String(), got, err, want)
		}
	})
	if got, want := Money(-5).String(), "-0.05"; got != want {
		t.Errorf("Money(-5) = %s, want %s", got, want)
	}
	if got, want := Money(math.MaxInt64).String(), "92233720368547758.07"; got != want {
		t.Errorf("the largest amount = %s, want %s", got, want)
	}
}

func FuzzParseMoney(f *testing.F) {
	for _, s := range []string{"12.50", "0", "-1", "1e9", "١", "01.1", "9.999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMoney("/amount", s)
		if err != nil {
			return
		}
		again, err := ParseMoney("/amount", m.String())
		if err != nil || again != m {
			t.Errorf("%q reads as %d, which is written %q and reads as %d, %v", s, m, m, again, err)
		}
	})
}
