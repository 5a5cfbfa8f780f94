package jcs

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// MaxDepth is how deep arrays and objects may nest.
	MaxDepth = 64
	// MaxInteger is the largest integer, by magnitude, that is accepted as a number:
	// 2⁵³-1, the bound of I-JSON (RFC 7493). Beyond it, integers share their doubles.
	MaxInteger = 1<<53 - 1
)

// An Error says why JSON has no canonical form.
type Error struct {
	// Pointer is the RFC 6901 pointer of the value at fault.
	Pointer string
	// Offset is where in the input it was found, in bytes.
	Offset int
	// Message completes the sentence "the value at Pointer ...".
	Message string
}

// Error implements error.
func (e *Error) Error() string {
	at := e.Pointer
	if at == "" {
		at = "the document"
	}
	return "jcs: " + at + " " + e.Message + " (at byte " + strconv.Itoa(e.Offset) + ")"
}

// Canonicalize returns the canonical form of one JSON document. The error is an
// *[Error].
func Canonicalize(json []byte) ([]byte, error) {
	return Append(make([]byte, 0, len(json)), json)
}

// Append appends the canonical form of one JSON document to dst. On error, an
// *[Error], it returns dst as it was given.
func Append(dst, json []byte) ([]byte, error) {
	// Room for what most documents need.
	var members [8]member
	var keys [128]byte
	p := parser{in: json, out: dst, members: members[:0], keys: keys[:0]}
	if err := p.document(); err != nil {
		return dst, err
	}
	return p.out, nil
}

// A parser reads in and writes out in one pass. An object is written in the order of
// the input and put in order at its end, which is no work where it was in order.
type parser struct {
	in  []byte
	pos int
	out []byte

	depth int
	// Scratch of the objects that are open: their members and the keys of these,
	// unescaped, one object behind the other.
	members []member
	keys    []byte
	sorted  []byte
}

// A member is one member of an open object.
type member struct {
	keyStart, keyEnd int // in keys
	start, end       int // in out, the comma not included
}

func (p *parser) fail(message string) *Error { return &Error{Offset: p.pos, Message: message} }

func (p *parser) document() *Error {
	if err := p.value(); err != nil {
		return err
	}
	p.blanks()
	if p.pos < len(p.in) {
		return p.fail("is followed by more than blanks")
	}
	return nil
}

func (p *parser) blanks() {
	for p.pos < len(p.in) {
		switch p.in[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// next skips blanks and returns the byte behind them, 0 at the end.
func (p *parser) next() byte {
	p.blanks()
	if p.pos < len(p.in) {
		return p.in[p.pos]
	}
	return 0
}

func (p *parser) value() *Error {
	switch c := p.next(); {
	case c == '{' || c == '[':
		return p.nested(c)
	case c == '"':
		return p.text()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == 't':
		return p.word("true")
	case c == 'f':
		return p.word("false")
	case c == 'n':
		return p.word("null")
	case p.pos == len(p.in):
		return p.fail("is cut off")
	}
	return p.fail("is not JSON")
}

// nested reads an array or object, whose first byte is c.
func (p *parser) nested(c byte) (err *Error) {
	if p.depth == MaxDepth {
		return p.fail("is nested too deep")
	}
	p.depth++
	p.out = append(p.out, c)
	p.pos++
	if c == '{' {
		err = p.object()
	} else {
		err = p.array()
	}
	p.depth--
	return err
}

func (p *parser) word(w string) *Error {
	if string(p.in[p.pos:min(len(p.in), p.pos+len(w))]) != w {
		return p.fail("is not JSON")
	}
	p.out = append(p.out, w...)
	p.pos += len(w)
	return nil
}

// array reads the rest of an array.
func (p *parser) array() *Error {
	if p.next() == ']' {
		p.out = append(p.out, ']')
		p.pos++
		return nil
	}
	for n := 0; ; n++ {
		if err := p.value(); err != nil {
			err.Pointer = "/" + strconv.Itoa(n) + err.Pointer
			return err
		}
		switch p.next() {
		case ',':
			p.out = append(p.out, ',')
			p.pos++
		case ']':
			p.out = append(p.out, ']')
			p.pos++
			return nil
		default:
			return p.fail("is not JSON: a comma or ] is missing")
		}
	}
}

// object reads the rest of an object and puts its members in order.
func (p *parser) object() *Error {
	if p.next() == '}' {
		p.out = append(p.out, '}')
		p.pos++
		return nil
	}
	first, firstKey, ordered := len(p.members), len(p.keys), true
	for {
		m, err := p.member()
		if err != nil {
			return err
		}
		if n := len(p.members); n > first && ordered {
			ordered = compareUTF16(p.key(p.members[n-1]), p.key(m)) < 0
		}
		p.members = append(p.members, m)
		switch p.next() {
		case ',':
			p.out = append(p.out, ',')
			p.pos++
			continue
		case '}':
			p.pos++
		default:
			return p.fail("is not JSON: a comma or } is missing")
		}
		break
	}
	if !ordered {
		if err := p.order(p.members[first:]); err != nil {
			return err
		}
	}
	p.out = append(p.out, '}')
	p.members, p.keys = p.members[:first], p.keys[:firstKey]
	return nil
}

// member reads and writes one member.
func (p *parser) member() (m member, err *Error) {
	if p.next() != '"' {
		return m, p.fail("is not JSON: a key is missing")
	}
	m.start, m.keyStart = len(p.out), len(p.keys)
	p.out = append(p.out, '"')
	if p.keys, err = p.unescape(p.keys); err != nil {
		return m, err
	}
	m.keyEnd = len(p.keys)
	p.out = appendEscapedBytes(p.out, p.keys[m.keyStart:])
	p.out = append(p.out, '"')
	if p.next() != ':' {
		return m, p.fail("is not JSON: a colon is missing")
	}
	p.out = append(p.out, ':')
	p.pos++
	if err := p.value(); err != nil {
		err.Pointer = "/" + pointerEscaper.Replace(string(p.key(m))) + err.Pointer
		return m, err
	}
	m.end = len(p.out)
	return m, nil
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

func (p *parser) key(m member) []byte { return p.keys[m.keyStart:m.keyEnd] }

// order rewrites the members, which end the output, in the order of their keys.
func (p *parser) order(members []member) *Error {
	start := members[0].start
	slices.SortFunc(members, func(a, b member) int { return compareUTF16(p.key(a), p.key(b)) })
	sorted := slices.Grow(p.sorted[:0], len(p.out)-start)
	for i, m := range members {
		if i > 0 {
			if string(p.key(members[i-1])) == string(p.key(m)) {
				err := p.fail("stands twice in its object")
				err.Pointer = "/" + pointerEscaper.Replace(string(p.key(m)))
				return err
			}
			sorted = append(sorted, ',')
		}
		sorted = append(sorted, p.out[m.start:m.end]...)
	}
	p.out = append(p.out[:start], sorted...)
	p.sorted = sorted
	return nil
}

// compareUTF16 orders UTF-8 texts by their UTF-16 code units. That is the order of
// bytes, but for the characters beyond U+FFFF (first byte F0 and up): their
// surrogates stand below U+E000 to U+FFFF (first byte EE and EF).
func compareUTF16(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0) {
			return int(y) - int(x)
		}
		return int(x) - int(y)
	}
	return len(a) - len(b)
}

// text reads and writes a string value.
func (p *parser) text() *Error {
	start := len(p.keys)
	keys, err := p.unescape(p.keys)
	if err != nil {
		return err
	}
	p.out = append(p.out, '"')
	p.out = appendEscapedBytes(p.out, keys[start:])
	p.out = append(p.out, '"')
	p.keys = keys[:start]
	return nil
}

// appendEscapedBytes is appendEscaped for bytes that are known to be UTF-8.
func appendEscapedBytes(dst, s []byte) []byte {
	start := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		start = i + 1
	}
	return append(dst, s[start:]...)
}

// unescape reads a string and appends what it means to dst.
func (p *parser) unescape(dst []byte) ([]byte, *Error) {
	p.pos++ // the quote
	for {
		start := p.pos
		for p.pos < len(p.in) && p.in[p.pos] >= ' ' && p.in[p.pos] != '"' && p.in[p.pos] != '\\' {
			p.pos++
		}
		if p.pos == len(p.in) {
			return dst, p.fail("is cut off")
		}
		if !utf8.Valid(p.in[start:p.pos]) {
			return dst, p.fail("is not UTF-8")
		}
		dst = append(dst, p.in[start:p.pos]...)
		switch p.in[p.pos] {
		case '"':
			p.pos++
			return dst, nil
		case '\\':
			r, err := p.escape()
			if err != nil {
				return dst, err
			}
			dst = utf8.AppendRune(dst, r)
		default:
			return dst, p.fail("has a control character that is not escaped")
		}
	}
}

// escape reads one escape, or the two of a surrogate pair.
func (p *parser) escape() (rune, *Error) {
	if p.pos+1 >= len(p.in) {
		return 0, p.fail("is cut off")
	}
	if i := strings.IndexByte(`"\/bfnrt`, p.in[p.pos+1]); i >= 0 {
		p.pos += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := p.unit()
	if !ok {
		return 0, p.fail("has a bad escape")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	low, ok := p.unit()
	if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
		return pair, nil
	}
	return 0, p.fail("has half of a surrogate pair")
}

// unit reads one \uXXXX.
func (p *parser) unit() (rune, bool) {
	if len(p.in)-p.pos < 6 || p.in[p.pos] != '\\' || p.in[p.pos+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range p.in[p.pos+2 : p.pos+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.pos += 6
	return r, true
}

// number reads and writes a number.
func (p *parser) number() *Error {
	start := p.pos
	integer, ok := p.scanNumber()
	if !ok {
		return p.fail("is not JSON: a bad number")
	}
	literal := p.in[start:p.pos]
	if integer && len(literal) <= 15 && string(literal) != "-0" {
		p.out = append(p.out, literal...) // is its own canonical form
		return nil
	}
	f, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		p.pos = start
		return p.fail("is a number beyond the range of a double")
	}
	if abs := math.Abs(f); abs > MaxInteger && (integer || abs < 1e21) {
		p.pos = start
		return p.fail("is an integer beyond 2^53, which a number cannot hold; use a string")
	}
	p.out, err = AppendNumber(p.out, f)
	if err != nil {
		return p.fail(err.Error())
	}
	return nil
}

// scanNumber moves behind a number. It reports whether it was written without
// fraction and exponent, and whether it was one.
func (p *parser) scanNumber() (integer, ok bool) {
	if p.in[p.pos] == '-' {
		p.pos++
	}
	switch {
	case p.peek() == '0':
		p.pos++
	case !p.digits():
		return false, false
	}
	integer = true
	if p.peek() == '.' {
		p.pos++
		if integer = false; !p.digits() {
			return false, false
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if integer = false; !p.digits() {
			return false, false
		}
	}
	return integer, true
}

// peek returns the byte at the position, 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.in) {
		return p.in[p.pos]
	}
	return 0
}

func (p *parser) digits() bool {
	start := p.pos
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.pos++
	}
	return p.pos > start
}
