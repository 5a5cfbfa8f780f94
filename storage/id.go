package storage

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxID is the longest identifier in bytes: ids, tenants, actions, keys.
const MaxID = 255

// NewID returns a UUID of version 7 (RFC 9562): its order is the order of its
// making to the millisecond, which keeps index inserts local.
func NewID() string {
	var u [16]byte
	binary.BigEndian.PutUint64(u[:8], uint64(time.Now().UnixMilli())<<16)
	rand.Read(u[6:]) // crypto/rand.Read never fails since Go 1.24
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[0:8], u[0:4])
	s[8] = '-'
	hex.Encode(s[9:13], u[4:6])
	s[13] = '-'
	hex.Encode(s[14:18], u[6:8])
	s[18] = '-'
	hex.Encode(s[19:23], u[8:10])
	s[23] = '-'
	hex.Encode(s[24:36], u[10:16])
	return string(s[:])
}

// CheckID reports what makes s unfit as an identifier, as an [InvalidError] at
// pointer: it is empty, longer than [MaxID] bytes, not UTF-8, or has a NUL, which
// Postgres cannot store. Everything else is kept byte for byte: case, trailing
// spaces and combining characters distinguish identifiers on every backend.
func CheckID(pointer, s string) error {
	switch {
	case s == "":
		return Invalid(pointer, "must not be empty")
	case len(s) > MaxID:
		return Invalid(pointer, "must be at most 255 bytes long")
	}
	return CheckText(pointer, s, MaxID)
}

// CheckText reports what makes s unfit as free text of at most max bytes, as an
// [InvalidError] at pointer: its length, a NUL, or bytes that are not UTF-8.
func CheckText(pointer, s string, max int) error {
	switch {
	case len(s) > max:
		return Invalid(pointer, "is too long")
	case !utf8.ValidString(s):
		return Invalid(pointer, "must be UTF-8")
	case strings.IndexByte(s, 0) >= 0:
		return Invalid(pointer, "must not contain a NUL")
	}
	return nil
}
