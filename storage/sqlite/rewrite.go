package sqlite

import "strings"

// numbered rewrites the placeholders $1, $2 ... of a query to SQLite's ?1, ?2 ...,
// which SQLite binds by position; a $1 it would bind by name. Quoted text, quoted
// identifiers, comments and identifiers that contain a dollar stay as they are.
//
// LIMIT $1 becomes LIMIT +?1, which means the same. SQLite looks at the value of a bare
// limit when it plans, and plans a prepared statement again whenever that is another one.
func numbered(query string) string {
	if !strings.Contains(query, "$") {
		return query
	}
	var b strings.Builder
	done, limit := 0, false // what of query stands in b, and whether LIMIT came last
	for i := 0; i < len(query); {
		switch c := query[i]; {
		case c == '\'' || c == '"' || c == '`':
			i, limit = afterQuote(query, i, c), false
		case c == '[':
			i, limit = afterQuote(query, i, ']'), false
		case c == '-' && i+1 < len(query) && query[i+1] == '-':
			i = afterText(query, i+2, "\n")
		case c == '/' && i+1 < len(query) && query[i+1] == '*':
			i = afterText(query, i+2, "*/")
		case inWord(c):
			word := query[i:afterWord(query, i)]
			if c == '$' && isNumber(word[1:]) {
				b.WriteString(query[done:i])
				if limit {
					b.WriteByte('+')
				}
				b.WriteByte('?')
				done = i + 1
			}
			i, limit = i+len(word), strings.EqualFold(word, "LIMIT")
		default:
			i, limit = i+1, limit && isSpace(c)
		}
	}
	b.WriteString(query[done:])
	return b.String()
}

// afterWord returns the index after the word that begins at s[i].
func afterWord(s string, i int) int {
	for i < len(s) && inWord(s[i]) {
		i++
	}
	return i
}

// afterQuote returns the index after the quoted text that begins at s[i] and ends
// with end. A doubled end quote inside it begins a new one at once, which comes to
// the same.
func afterQuote(s string, i int, end byte) int {
	n := strings.IndexByte(s[i+1:], end)
	if n < 0 {
		return len(s)
	}
	return i + n + 2
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

// isSpace reports whether SQLite takes c as space between words.
func isSpace(c byte) bool {
	return c == ' ' || '\t' <= c && c <= '\r' && c != '\v'
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
