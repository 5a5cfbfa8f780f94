package sqlite

import "strings"

// numbered rewrites the placeholders $1, $2 ... of a query to SQLite's ?1, ?2 ...,
// which SQLite binds by position; a $1 it would bind by name. Quoted text, quoted
// identifiers, comments and identifiers that contain a dollar stay as they are.
func numbered(query string) string {
	if !strings.Contains(query, "$") {
		return query
	}
	b := []byte(query)
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '\'' || c == '"' || c == '`':
			i = afterQuote(b, i, c)
		case c == '[':
			i = afterQuote(b, i, ']')
		case c == '-' && i+1 < len(b) && b[i+1] == '-':
			i = afterText(query, i+2, "\n")
		case c == '/' && i+1 < len(b) && b[i+1] == '*':
			i = afterText(query, i+2, "*/")
		case c == '$':
			end := i + 1
			for end < len(b) && inWord(b[end]) {
				end++
			}
			if isNumber(query[i+1 : end]) {
				b[i] = '?'
			}
			i = end
		case inWord(c):
			for i < len(b) && inWord(b[i]) {
				i++
			}
		default:
			i++
		}
	}
	return string(b)
}

// afterQuote returns the index after the quoted text that begins at b[i] and ends
// with end. A doubled end quote inside it begins a new one at once, which comes to
// the same.
func afterQuote(b []byte, i int, end byte) int {
	for i++; i < len(b); i++ {
		if b[i] == end {
			return i + 1
		}
	}
	return i
}

// afterText returns the index after the next occurrence of end in s[i:].
func afterText(s string, i int, end string) int {
	n := strings.Index(s[i:], end)
	if n < 0 {
		return len(s)
	}
	return i + n + len(end)
}

// inWord reports whether SQLite takes c as part of a word: an identifier, a keyword,
// a number or the name of a placeholder.
func inWord(c byte) bool {
	return c >= 0x80 || c == '_' || c == '$' ||
		'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
