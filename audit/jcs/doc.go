// Package jcs writes JSON in its one canonical form (RFC 8785), so that equal values
// have equal bytes and a hash of them means something.
//
// [Canonicalize] brings foreign JSON into that form. A typed encoder that knows its
// keys writes them in order by itself and uses [AppendString], [AppendNumber] and
// [Append] for the values; it then needs no sorting and no allocation.
//
// Because equal values have equal bytes, [Diff] can say what two documents do not have in
// common.
//
// # The form
//
// No blanks. The members of an object are ordered by the UTF-16 code units of their
// keys, which is not the order of bytes or of code points: U+1F600 comes before
// U+FB33. Numbers are written as ECMAScript writes a double. Strings escape what they
// must and nothing else, and are not normalised: the two ways to write é stay
// different keys.
//
// # What is refused
//
// Canonical bytes are hashed, and whoever approves a hash approves a meaning. So
// everything that two readers may read differently is refused with an [Error] that
// points at it:
//
//   - a key that stands twice in one object, whichever way it is escaped;
//   - a lone surrogate, or bytes that are not UTF-8;
//   - a number beyond the range of a double;
//   - an integer beyond [MaxInteger], which a double cannot tell from its neighbours:
//     9007199254740993 would silently become 9007199254740992. Send such a number as
//     a string. This is stricter than RFC 8785, which rounds;
//   - more than [MaxDepth] levels of arrays and objects.
//
// Keys that differ in case only are different keys here, as in every JSON. A program
// that decodes canonical bytes with encoding/json has to refuse them by itself.
//
// The package imports the standard library only.
package jcs
