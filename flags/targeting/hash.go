package targeting

import (
	"encoding/binary"
	"math/bits"
)

const (
	prime1 uint64 = 11400714785074694791
	prime2 uint64 = 14029467366897019727
	prime3 uint64 = 1609587929392839161
	prime4 uint64 = 9650029242287828579
	prime5 uint64 = 2870177450012600261
)

// xxh64 is XXH64 with a seed. The kit has its own because its hash must never change,
// and takes a seed in one call.
func xxh64(seed uint64, s string) uint64 {
	if len(s) < 32 {
		return xxhEnd(seed+prime5+uint64(len(s)), s)
	}
	l := newLanes(seed)
	n := uint64(len(s))
	s = l.stripes(s)
	return xxhEnd(l.merge()+n, s)
}

// xxh64Tagged is xxh64 of two bytes before s, the lower one first. It reads both from
// where they are: a copy costs more than the hash of a short key.
func xxh64Tagged(seed uint64, tag uint16, s string) uint64 {
	if len(s) < 8 {
		var short [10]byte
		binary.LittleEndian.PutUint16(short[:], tag)
		return xxh64(seed, string(short[:2+copy(short[2:], s)]))
	}
	n, first := uint64(len(s)+2), le64(s)<<16|uint64(tag)
	s = s[6:]
	if n < 32 {
		return xxhEnd(xxhStep(seed+prime5+n, first), s)
	}
	l := newLanes(seed)
	l.stripe(first, le64(s), le64(s[8:]), le64(s[16:]))
	s = l.stripes(s[24:])
	return xxhEnd(l.merge()+n, s)
}

// lanes are the four accumulators of XXH64.
type lanes struct{ v1, v2, v3, v4 uint64 }

func newLanes(seed uint64) lanes {
	p1 := prime1 // a sum of constants would overflow
	return lanes{seed + p1 + prime2, seed + prime2, seed, seed - p1}
}

func (l *lanes) stripe(a, b, c, d uint64) {
	l.v1, l.v2, l.v3, l.v4 = xxhRound(l.v1, a), xxhRound(l.v2, b), xxhRound(l.v3, c), xxhRound(l.v4, d)
}

// stripes takes in whole stripes of 32 bytes and returns what is left.
func (l *lanes) stripes(s string) string {
	for ; len(s) >= 32; s = s[32:] {
		l.stripe(le64(s), le64(s[8:]), le64(s[16:]), le64(s[24:]))
	}
	return s
}

func (l *lanes) merge() uint64 {
	h := bits.RotateLeft64(l.v1, 1) + bits.RotateLeft64(l.v2, 7) + bits.RotateLeft64(l.v3, 12) + bits.RotateLeft64(l.v4, 18)
	for _, v := range [...]uint64{l.v1, l.v2, l.v3, l.v4} {
		h = (h^xxhRound(0, v))*prime1 + prime4
	}
	return h
}

func xxhRound(acc, input uint64) uint64 { return bits.RotateLeft64(acc+input*prime2, 31) * prime1 }

func xxhStep(h, word uint64) uint64 {
	return bits.RotateLeft64(h^xxhRound(0, word), 27)*prime1 + prime4
}

// xxhEnd takes in less than a stripe and mixes.
func xxhEnd(h uint64, s string) uint64 {
	for ; len(s) >= 8; s = s[8:] {
		h = xxhStep(h, le64(s))
	}
	if len(s) >= 4 {
		word := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
		h = bits.RotateLeft64(h^word*prime1, 23)*prime2 + prime3
		s = s[4:]
	}
	for i := range len(s) {
		h = bits.RotateLeft64(h^uint64(s[i])*prime5, 11) * prime1
	}
	h = (h ^ h>>33) * prime2
	h = (h ^ h>>29) * prime3
	return h ^ h>>32
}

// le64 reads eight bytes, the lowest first.
func le64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// murmur3 is MurmurHash3, the x86 form of 32 bits.
func murmur3(seed uint32, b []byte) uint32 {
	const c1, c2 uint32 = 0xcc9e2d51, 0x1b873593
	h, n := seed, uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h ^= bits.RotateLeft32(binary.LittleEndian.Uint32(b)*c1, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	var k uint32
	for i, c := range b {
		k |= uint32(c) << (8 * i)
	}
	h ^= bits.RotateLeft32(k*c1, 15) * c2
	h ^= n
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}
