package targeting

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// fold returns the least rune that differs from r in case only.
func fold(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			return r - ('a' - 'A')
		}
		return r
	}
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}

func foldText(s string) string { return strings.Map(fold, s) }

// foldPrefix reports whether text begins with prefix, which is folded already.
func foldPrefix(text, prefix string) bool {
	for _, want := range prefix {
		r, size := utf8.DecodeRuneInString(text)
		if size == 0 || fold(r) != want {
			return false
		}
		text = text[size:]
	}
	return true
}

// foldSuffix reports whether text ends with suffix, which is folded already.
func foldSuffix(text, suffix string) bool {
	for suffix != "" {
		want, size := utf8.DecodeLastRuneInString(suffix)
		suffix = suffix[:len(suffix)-size]
		r, size := utf8.DecodeLastRuneInString(text)
		if size == 0 || fold(r) != want {
			return false
		}
		text = text[:len(text)-size]
	}
	return true
}

// foldContains reports whether text contains part, which is folded already.
func foldContains(text, part string) bool {
	for {
		if foldPrefix(text, part) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text)
		if size == 0 {
			return false
		}
		text = text[size:]
	}
}
