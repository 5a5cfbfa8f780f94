// Package text holds what the names in events may be made of, for package audit,
// which refuses others, and package cloudevent, which cannot write them.
package text

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// Printable says what keeps s from being printed as it is: it is blank, not UTF-8, or
// has characters that CloudEvents allows in no attribute. It returns "" for s that is
// fit.
func Printable(s string) string {
	blank := true
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		switch {
		case r == utf8.RuneError && size <= 1:
			return "must be UTF-8"
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return "must not contain control characters"
		case r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef:
			return "must not contain noncharacters"
		}
		blank = blank && r == ' '
		i += size
	}
	if blank {
		return "must not be blank"
	}
	return ""
}

// URIReference reports whether s is a URI reference (RFC 3986 section 4.1).
func URIReference(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return false
		}
	}
	_, err := url.Parse(s)
	return err == nil && s != ""
}

// URI reports whether s is an absolute URI.
func URI(s string) bool {
	if !URIReference(s) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.IsAbs()
}
