package audit

import "strings"

// A pattern names event types: one ("lumelle.orders.v1.refunded"), or all below a
// prefix of whole words ("lumelle.orders.*", and "*" for all).
//
// Who listens is found by asking for the few patterns that a type can match, which an
// index answers; no pattern is ever tried against a type.

// maxWords bounds how many patterns a type can match.
const maxWords = 32

// CheckTypePattern says what makes p unfit as a pattern of event types, empty for
// nothing. A pattern is one type, or all types below a prefix of whole words:
// "lumelle.orders.*", and "*" for all. It has at most 32 words and 255 bytes.
func CheckTypePattern(p string) string {
	if len(p) > 255 {
		return "must be at most 255 bytes long"
	}
	prefix, group := strings.CutSuffix(p, "*")
	if group {
		if prefix == "" {
			return ""
		}
		if prefix = strings.TrimSuffix(prefix, "."); len(prefix) != len(p)-2 {
			return `may have a "*" only as its whole last word`
		}
	}
	n := 0
	for word := range strings.SplitSeq(prefix, ".") {
		if n++; word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return `must be dot-delimited words of letters, digits, "_" and "-", the last one "*" for a group`
		}
	}
	if n > maxWords {
		return "has more than 32 words"
	}
	return ""
}

// TypePatterns returns every pattern that matches eventType, at most 34.
func TypePatterns(eventType string) []string {
	all := []string{"*"}
	for i := range len(eventType) {
		if eventType[i] == '.' && len(all) <= maxWords {
			all = append(all, eventType[:i]+".*")
		}
	}
	return append(all, eventType)
}
