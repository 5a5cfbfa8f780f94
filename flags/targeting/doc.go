// Package targeting decides whether something is meant: a flag for a merchant, an
// automation for an event, an approval policy for a request. It has conditions,
// audiences and splits, and no I/O, so that all three domains mean the same by them.
//
//	library, err := targeting.NewLibrary(audiences, targeting.Options{})
//	condition, err := targeting.ParseCondition([]byte(`{"all":[
//		{"path":"country","op":"eq","value":"GB"},
//		{"audience":"vip"}]}`))
//	matcher, err := targeting.Compile(condition, targeting.Options{Audiences: library})
//	splitter, err := targeting.CompileSplit(split, "checkout-v2", targeting.Options{})
//
//	if matcher.Match(subject) {
//		pick, ok := splitter.Pick(subject)
//	}
//
// What is compiled does not change, may be used by many goroutines, and answers without
// an allocation of its own; a [Document] that is asked for a list makes one. Definitions are held against limits before and while they are read
// ([MaxBytes] and the others), and everything that is wrong with one comes back as an
// [InvalidError] that points at the places.
//
// # Subjects
//
// A [Subject] answers attributes by path. [Attributes] answers by name ("country"),
// [Document] answers JSON pointers into decoded JSON ("/data/amount"), [Subjects] asks
// several in order. A path that begins with "/" has to be a JSON pointer.
//
// # Conditions
//
// A [Condition] is a tree of groups (all, any, none), clauses, references to audiences
// and buckets. A clause compares an attribute with its value:
//
//	eq ne                            a truth value, a number or a text
//	in not_in                        a list of one kind of these
//	lt lte gt gte                    a number; reads decimal texts ("12.50") too
//	contains starts_with ends_with   a text, or a list of which one is enough
//	matches                          an RE2 expression, anywhere in the text
//	before after                     RFC 3339 or Unix seconds; reads either, and times
//	semver_lt lte eq gte gt          a version by semver.org, compared by precedence
//	in_cidr                          prefixes or addresses, of which one is enough
//	exists                           true, or nothing; false: is not there
//
// Kinds are strict. 1 and "1" are different, and a clause does not hold for an attribute
// of a kind that its operator does not read; ne and not_in hold neither. Only the
// operators of order look into a text for a number, because money is written as one.
//
// Numbers are compared exactly, integers of 64 bits with floats too. An integer is the
// same however it came: 1, 1.0 and 1e0.
//
// A missing attribute, or null, makes a clause not hold, ne and not_in neither, unless
// on_missing says match.
//
// A list attribute passes if one element does. ne and not_in hold for a list of which no
// element is equal and every element could be; an empty list is such a one.
//
// The members of a group are plain truth values. So none holds over a missing attribute:
// {"none":[{"path":"plan","op":"eq","value":"pro"}]} holds of whoever has no plan, and
// {"path":"plan","op":"ne","value":"pro"} does not.
//
// fold_case compares texts without their case, rune by rune (Unicode simple folding:
// "ß" is not "ss").
//
// [Matcher.Explain] takes the same steps as [Matcher.Match] and tells them.
// [Matcher.Decide] tells a no that is certain from one that comes of what is missing or
// cannot be read, for whoever has to err on the other side: a stage of an approval is
// skipped only where its condition certainly does not hold.
//
// # Audiences
//
// An [Audience] is defined once, in a [Library], and referred to by key. Who is in it
// does not depend on who asks: its lists and its condition are bound to the library and
// not to the condition that refers to it. Audiences may refer to each other; a circle is
// refused.
//
// # Buckets
//
// A [Bucket] is a share of the subjects as a condition, so that it stands beside others:
// 10 % of the merchants of one country. It uses the slots of a split: the bucket from 0
// to 40 is whoever gets the first of two variants at 40 and 60 under the same salt.
// Raising "to" adds members and removes none, and buckets that touch share none.
// A subject without a key is in no bucket.
//
// # Splits
//
// A [Split] deals subjects out by a key. Scheme [X1] hashes
//
//	h    = XXH64(seed: XXH64(seed: 0, salt), key)   key: "s:" text, "i:" decimal, "b:" true or false
//	slot = the upper 64 bits of h × 1,000,000,000
//
// and looks up who has the slot. The n variants have a room of 1/n of the slots each, in
// the order of the shares. A variant fills its room from below, the last one from above.
// Who has a share of more than a room gets what the others leave free: first, from
// below, those that are not the largest, then the largest, of equals the last.
//
// Two variants are therefore one cut: the first has the slots below it. A ramp only adds
// members, by these rules, which the tests hold:
//
//   - of two variants, the one whose share is raised keeps every member;
//   - of more, one whose share is raised to at most 1/n keeps every member, whatever the
//     others do;
//   - one whose share is raised above 1/n keeps every member as long as nobody else is
//     raised and nobody else has more than 1/n.
//
// No rule can do better for all: two treatments of 50 % each fill the slots, so a third
// that started elsewhere has to take from one. Adding a variant changes the rooms; give
// one that is to come a weight of 0 from the start.
//
// A share is rounded to a slot, and what rounding leaves goes to the largest.
package targeting
