package storage

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
)

const (
	// DefaultLimit is the length of a page where a list is asked for none.
	DefaultLimit = 100
	// MaxLimit is the longest page of any list.
	MaxLimit = 1000
)

// A Page is one page of a list. Lists are ordered, bounded and read by cursor; each
// list's documentation names its order.
type Page[T any] struct {
	Items []T
	// Next continues the list after the last item. It is empty at the end.
	Next Cursor
}

// A Cursor is an opaque position in one list. It is safe to hand to strangers: it
// grants nothing, and a changed one is refused with [ErrBadCursor].
type Cursor string

// Limit returns n bounded to what lists allow: [DefaultLimit] for zero, at most
// [MaxLimit]. A negative n is invalid.
func Limit(n int) (int, error) {
	switch {
	case n < 0:
		return 0, Invalid("/limit", "must not be negative")
	case n == 0:
		return DefaultLimit, nil
	case n > MaxLimit:
		return MaxLimit, nil
	}
	return n, nil
}

// cursorVersion is the first byte of every cursor, so that a later layout is
// recognised instead of misread.
const cursorVersion = 1

// maxCursor bounds what is decoded. A position is a few short keys.
const maxCursor = 4096

// NewCursor makes a cursor for a list from the key of its last item. The name of
// the list, with everything that fixes its order and filter, is bound into the
// cursor, so that it opens in no other list. Keys are text as [CheckText] wants it, binary
// ones in digits: a cursor with another does not open.
func NewCursor(list string, key ...string) Cursor {
	b := []byte{cursorVersion}
	b = binary.AppendUvarint(b, uint64(len(key)))
	for _, k := range key {
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
	}
	b = binary.BigEndian.AppendUint64(b, cursorSum(list, b))
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

// Key opens a cursor that NewCursor made for the same list and returns its n keys.
// The empty cursor is the start of the list and answers nil. Everything else is
// [ErrBadCursor].
func (c Cursor) Key(list string, n int) ([]string, error) {
	if c == "" {
		return nil, nil
	}
	if len(c) > maxCursor {
		return nil, ErrBadCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil || len(b) < 10 || b[0] != cursorVersion {
		return nil, ErrBadCursor
	}
	// The decoder skips line breaks. A cursor has one spelling.
	if base64.RawURLEncoding.EncodedLen(len(b)) != len(c) {
		return nil, ErrBadCursor
	}
	body, sum := b[:len(b)-8], binary.BigEndian.Uint64(b[len(b)-8:])
	if cursorSum(list, body) != sum {
		return nil, ErrBadCursor
	}
	rest := body[1:]
	count, w := binary.Uvarint(rest)
	if w <= 0 || count != uint64(n) {
		return nil, ErrBadCursor
	}
	rest = rest[w:]
	key := make([]string, 0, n)
	for range n {
		size, w := binary.Uvarint(rest)
		if w <= 0 || size > uint64(len(rest)-w) {
			return nil, ErrBadCursor
		}
		k := string(rest[w : w+int(size)])
		// Postgres has no such text, and fails the statement that it is bound in.
		if CheckText("", k, maxCursor) != nil {
			return nil, ErrBadCursor
		}
		key = append(key, k)
		rest = rest[w+int(size):]
	}
	if len(rest) != 0 {
		return nil, ErrBadCursor
	}
	return key, nil
}

// cursorSum finds accidents and foreign lists. It is no signature and need not be: a
// forged position is text as any other, and reads only what its reader may read anyway.
func cursorSum(list string, body []byte) uint64 {
	h := fnv.New64a()
	h.Write([]byte(list))
	h.Write([]byte{0})
	h.Write(body)
	return h.Sum64()
}
