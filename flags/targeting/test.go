package targeting

import (
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A test is the operator of a clause with its value. It is never given a list. v is
// behind a pointer because a match copies it often enough; tests do not keep it.
type test interface{ test(v *Value) outcome }

// passes tests v. It names the types, so that v need not escape to the heap as it would
// behind the interface.
func passes(t test, v *Value) outcome {
	switch t := t.(type) {
	case *equalTest:
		return t.test(v)
	case *inTest:
		return t.test(v)
	case *orderTest:
		return t.test(v)
	case *textTest:
		return t.test(v)
	case *patternTest:
		return t.test(v)
	case *momentTest:
		return t.test(v)
	case *semverTest:
		return t.test(v)
	case *cidrTest:
		return t.test(v)
	}
	return unreadable
}

// A family is what operators that compile alike have in common.
type family struct {
	// compile returns the test of a clause, or what is wrong with its value.
	compile func(c *compiler, given Condition) (test, string)
	// reads reports whether the operator reads attributes of a declared kind.
	reads  func(declared Kind, want Value) bool
	negate bool
	folds  bool
}

var families = map[Op]family{
	Equal:              {compile: compileEqual, reads: sameKind, folds: true},
	NotEqual:           {compile: compileEqual, reads: sameKind, folds: true, negate: true},
	In:                 {compile: compileIn, reads: sameKind, folds: true},
	NotIn:              {compile: compileIn, reads: sameKind, folds: true, negate: true},
	Less:               {compile: compileOrder, reads: only(KindNumber)},
	LessEqual:          {compile: compileOrder, reads: only(KindNumber)},
	Greater:            {compile: compileOrder, reads: only(KindNumber)},
	GreaterEqual:       {compile: compileOrder, reads: only(KindNumber)},
	Contains:           {compile: compileText, reads: only(KindString), folds: true},
	StartsWith:         {compile: compileText, reads: only(KindString), folds: true},
	EndsWith:           {compile: compileText, reads: only(KindString), folds: true},
	Matches:            {compile: compilePattern, reads: only(KindString)},
	Before:             {compile: compileMoment, reads: only(KindTime, KindString, KindNumber)},
	After:              {compile: compileMoment, reads: only(KindTime, KindString, KindNumber)},
	SemverLess:         {compile: compileSemver, reads: only(KindString)},
	SemverLessEqual:    {compile: compileSemver, reads: only(KindString)},
	SemverEqual:        {compile: compileSemver, reads: only(KindString)},
	SemverGreaterEqual: {compile: compileSemver, reads: only(KindString)},
	SemverGreater:      {compile: compileSemver, reads: only(KindString)},
	InCIDR:             {compile: compileCIDR, reads: only(KindString)},
	Exists:             {compile: compileExists, reads: func(Kind, Value) bool { return true }},
}

func sameKind(declared Kind, want Value) bool {
	if want.kind == KindList && want.len() > 0 {
		want = want.element(0)
	}
	return declared == want.kind
}

func only(kinds ...Kind) func(Kind, Value) bool {
	return func(declared Kind, _ Value) bool {
		for _, k := range kinds {
			if declared == k {
				return true
			}
		}
		return false
	}
}

func compileExists(_ *compiler, given Condition) (test, string) {
	if k := given.Value.kind; k != KindNone && k != KindBool {
		return nil, "must be true, false or left out"
	}
	return nil, ""
}

// equalTest compares values of one kind.
type equalTest struct {
	want Value
	fold bool
}

func compileEqual(_ *compiler, given Condition) (test, string) {
	switch given.Value.kind {
	case KindBool, KindNumber, KindString:
		return &equalTest{given.Value, given.FoldCase}, ""
	}
	return nil, "must be a truth value, a number or a text"
}

func (e *equalTest) test(v *Value) outcome {
	switch {
	case v.kind != e.want.kind:
		return unreadable
	case e.fold:
		return outcomeOf(strings.EqualFold(v.text, e.want.text))
	}
	return outcomeOf(v.float == e.want.float && v.bits == e.want.bits && v.text == e.want.text)
}

func outcomeOf(holds bool) outcome {
	if holds {
		return yes
	}
	return no
}

// A scalar is a bool, a number or a text as a map key.
type scalar struct {
	float bool
	bits  uint64
	text  string
}

// inTest looks a value up.
type inTest struct {
	kind   Kind
	fold   bool
	few    []string // instead of texts, where they are few or case does not count
	texts  map[string]struct{}
	others map[scalar]struct{}
}

// fewTexts is how many texts are faster to compare than to look up.
const fewTexts = 4

func compileIn(_ *compiler, given Condition) (test, string) {
	if given.Value.kind != KindList {
		return nil, "must be a list"
	}
	t := &inTest{kind: given.Value.element(0).kind, fold: given.FoldCase}
	switch {
	case t.kind == KindTime:
		return nil, "must be a list of truth values, numbers or texts"
	case given.FoldCase && given.Value.len() > MaxAlternatives:
		return nil, "must have at most " + strconv.Itoa(MaxAlternatives) + " texts where case does not count"
	case given.FoldCase, t.kind == KindString && given.Value.len() <= fewTexts:
		for i := range given.Value.len() {
			t.few = append(t.few, given.Value.element(i).text)
		}
	case t.kind == KindString:
		t.texts = make(map[string]struct{}, given.Value.len())
		for i := range given.Value.len() {
			t.texts[given.Value.element(i).text] = struct{}{}
		}
	default:
		t.others = make(map[scalar]struct{}, given.Value.len())
		for i := range given.Value.len() {
			e := given.Value.element(i)
			t.others[scalar{float: e.float, bits: e.bits}] = struct{}{}
		}
	}
	return t, ""
}

func (t *inTest) test(v *Value) outcome {
	if v.kind != t.kind {
		return unreadable
	}
	var ok bool
	switch {
	case t.texts != nil:
		_, ok = t.texts[v.text]
	case t.others != nil:
		_, ok = t.others[scalar{float: v.float, bits: v.bits}]
	default:
		for _, want := range t.few {
			if v.text == want || t.fold && strings.EqualFold(v.text, want) {
				return yes
			}
		}
	}
	return outcomeOf(ok)
}

// orderTest compares numbers.
type orderTest struct {
	want                 Value
	less, equal, greater bool
}

func compileOrder(_ *compiler, given Condition) (test, string) {
	if given.Value.kind != KindNumber {
		return nil, "must be a number"
	}
	op := given.Op
	return &orderTest{
		want:    given.Value,
		less:    op == Less || op == LessEqual,
		equal:   op == LessEqual || op == GreaterEqual,
		greater: op == Greater || op == GreaterEqual,
	}, ""
}

func (o *orderTest) test(v *Value) outcome {
	var c int
	switch v.kind {
	case KindNumber:
		c = compareNumbers(v, &o.want)
	case KindString:
		n, ok := parseDecimal(v.text)
		if !ok {
			return unreadable
		}
		c = compareNumbers(&n, &o.want)
	default:
		return unreadable
	}
	switch {
	case c < 0:
		return outcomeOf(o.less)
	case c > 0:
		return outcomeOf(o.greater)
	}
	return outcomeOf(o.equal)
}

// maxDecimal is the longest decimal text that is read as a number.
const maxDecimal = 40

// parseDecimal reads a decimal such as "12.50": digits, at most one point between
// them, at most one minus before them.
func parseDecimal(s string) (Value, bool) {
	if len(s) > maxDecimal {
		return Value{}, false
	}
	digits := strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if !allDigits(whole) || point && !allDigits(fraction) {
		return Value{}, false
	}
	return parseNumber(s)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// compareNumbers orders two numbers exactly.
func compareNumbers(a, b *Value) int {
	switch {
	case !a.float && !b.float:
		return compare(int64(a.bits), int64(b.bits))
	case a.float && b.float:
		return compare(math.Float64frombits(a.bits), math.Float64frombits(b.bits))
	case a.float:
		return -compareMixed(int64(b.bits), math.Float64frombits(a.bits))
	}
	return compareMixed(int64(a.bits), math.Float64frombits(b.bits))
}

func compare[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compareMixed orders an integer and a float64 that is no integer of 64 bits.
func compareMixed(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	// f has a fraction, so it lies strictly between two integers.
	if i <= int64(math.Floor(f)) {
		return -1
	}
	return 1
}

// textTest looks for texts in a text.
type textTest struct {
	op   Op
	want []string
	fold bool
}

func compileText(_ *compiler, given Condition) (test, string) {
	want, message := alternatives(given.Value)
	if message != "" {
		return nil, message
	}
	if given.FoldCase {
		for i := range want {
			want[i] = foldText(want[i])
		}
	}
	return &textTest{op: given.Op, want: want, fold: given.FoldCase}, ""
}

// alternatives returns a text, or the texts of a list.
func alternatives(v Value) ([]string, string) {
	switch {
	case v.kind == KindString:
		return []string{v.text}, ""
	case v.kind != KindList || v.element(0).kind != KindString:
		return nil, "must be a text or a list of texts"
	case v.len() > MaxAlternatives:
		return nil, "must have at most " + strconv.Itoa(MaxAlternatives) + " texts"
	}
	texts := make([]string, v.len())
	for i := range texts {
		texts[i] = v.element(i).text
	}
	return texts, ""
}

func (t *textTest) test(v *Value) outcome {
	if v.kind != KindString || t.op == Contains && len(v.text) > MaxInput {
		return unreadable
	}
	for _, want := range t.want {
		if t.one(v.text, want) {
			return yes
		}
	}
	return no
}

func (t textTest) one(text, want string) bool {
	switch {
	case t.fold && t.op == Contains:
		return foldContains(text, want)
	case t.fold && t.op == StartsWith:
		return foldPrefix(text, want)
	case t.fold:
		return foldSuffix(text, want)
	case t.op == Contains:
		return strings.Contains(text, want)
	case t.op == StartsWith:
		return strings.HasPrefix(text, want)
	}
	return strings.HasSuffix(text, want)
}

// patternTest matches a regular expression.
type patternTest struct{ re *regexp.Regexp }

func compilePattern(c *compiler, given Condition) (test, string) {
	if given.Value.kind != KindString {
		return nil, "must be a text"
	}
	if message := c.pattern(given.Value.text); message != "" {
		return nil, message
	}
	re, err := regexp.Compile(given.Value.text)
	if err != nil {
		return nil, "must be a regular expression (RE2)"
	}
	return &patternTest{re}, ""
}

func (p *patternTest) test(v *Value) outcome {
	if v.kind != KindString || len(v.text) > MaxInput {
		return unreadable
	}
	return outcomeOf(p.re.MatchString(v.text))
}

// momentTest compares instants.
type momentTest struct {
	want  time.Time
	after bool
}

func compileMoment(_ *compiler, given Condition) (test, string) {
	at, ok := moment(given.Value)
	if !ok {
		return nil, "must be an RFC 3339 time or Unix seconds"
	}
	return &momentTest{at, given.Op == After}, ""
}

func (m *momentTest) test(v *Value) outcome {
	at, ok := moment(*v)
	switch {
	case !ok:
		return unreadable
	case m.after:
		return outcomeOf(at.After(m.want))
	}
	return outcomeOf(at.Before(m.want))
}

// maxMoment bounds Unix seconds: the end of the year 9999.
const maxMoment = 253402300799

// moment reads an instant: a time, an RFC 3339 text, or Unix seconds.
func moment(v Value) (time.Time, bool) {
	switch v.kind {
	case KindTime:
		return time.Unix(int64(v.bits), int64(v.nanos)), true
	case KindString:
		if len(v.text) > len("2006-01-02T15:04:05.999999999+00:00") {
			return time.Time{}, false
		}
		t, err := time.Parse(time.RFC3339, v.text)
		return t, err == nil
	case KindNumber:
		if !v.float {
			s := int64(v.bits)
			return time.Unix(s, 0), s >= -maxMoment && s <= maxMoment
		}
		f := math.Float64frombits(v.bits)
		if f < -maxMoment || f > maxMoment {
			return time.Time{}, false
		}
		whole := math.Floor(f)
		return time.Unix(int64(whole), int64((f-whole)*1e9)), true
	}
	return time.Time{}, false
}

// cidrTest looks for an IP address in prefixes.
type cidrTest struct{ prefixes []netip.Prefix }

func compileCIDR(_ *compiler, given Condition) (test, string) {
	texts, message := alternatives(given.Value)
	if message != "" {
		return nil, message
	}
	t := &cidrTest{}
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil || addr.Zone() != "" {
				return nil, "must be a prefix such as 192.0.2.0/24, or an address"
			}
			addr = addr.Unmap()
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if prefix.Addr().Is4In6() {
			return nil, "must be written as IPv4"
		}
		t.prefixes = append(t.prefixes, prefix.Masked())
	}
	return t, ""
}

func (t *cidrTest) test(v *Value) outcome {
	if v.kind != KindString || len(v.text) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		return unreadable
	}
	addr, err := netip.ParseAddr(v.text)
	if err != nil {
		return unreadable
	}
	addr = addr.Unmap().WithZone("")
	for _, prefix := range t.prefixes {
		if prefix.Contains(addr) {
			return yes
		}
	}
	return no
}
