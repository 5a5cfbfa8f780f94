package targeting

import (
	"math/bits"
	"strconv"
)

// A dealer turns the key of a subject into a slot, for splits and buckets alike.
type dealer struct {
	by     []string
	seed   uint64 // of x1
	slots  uint64
	group  string // of unleash, with its colon, else empty
	scheme Scheme
}

// keysOf returns the attributes that may be the key.
func keysOf(by []string) []string {
	if len(by) == 0 {
		return DefaultKeys()
	}
	return by
}

func (d *dealer) x1(salt string) {
	d.scheme, d.slots, d.seed = X1, Slots, xxh64(0, salt)
}

func (d *dealer) unleash(group string, slots uint64) { d.group, d.slots = group+":", slots }

// deal returns the slot of s and the attribute that was the key. It reports false where
// s has none of those that may be.
func (d *dealer) deal(s Subject) (slot uint64, by string, ok bool) {
	for _, path := range d.by {
		v, ok := s.Attribute(path)
		if !ok {
			continue
		}
		if slot, ok := d.slot(v); ok {
			return slot, path, true
		}
	}
	return 0, "", false
}

// slot hashes a key. It reports false for what is no key.
func (d *dealer) slot(key Value) (uint64, bool) {
	if !key.isText() || key.text == "" || d.group != "" {
		return d.other(key)
	}
	slot, _ := bits.Mul64(xxh64Tagged(d.seed, tagText, key.text), d.slots)
	return slot, true
}

// other is slot of what is no text, or by another scheme than x1.
func (d *dealer) other(key Value) (uint64, bool) {
	if d.group != "" {
		return d.whole(key)
	}
	var h uint64
	switch {
	case key.isInteger():
		var buf [20]byte
		h = xxh64Tagged(d.seed, tagInteger, string(strconv.AppendInt(buf[:0], int64(key.bits), 10)))
	case key.isBool():
		h = xxh64Tagged(d.seed, tagTruth, strconv.FormatBool(key.bits == 1))
	default:
		return 0, false
	}
	slot, _ := bits.Mul64(h, d.slots)
	return slot, true
}

// What stands before a key that is hashed, so that 1 and "1" differ.
const (
	tagText    = 's' | ':'<<8
	tagInteger = 'i' | ':'<<8
	tagTruth   = 'b' | ':'<<8
)

// whole hashes a key as Unleash does.
func (d *dealer) whole(key Value) (uint64, bool) {
	var buf [128]byte
	b := append(buf[:0], d.group...)
	switch {
	case key.isText() && key.text != "":
		b = append(b, key.text...)
	case key.isInteger():
		b = strconv.AppendInt(b, int64(key.bits), 10)
	default:
		return 0, false
	}
	seed := uint32(0)
	if d.scheme == UnleashVariant {
		seed = 86028157
	}
	return uint64(murmur3(seed, b)) % d.slots, true
}
