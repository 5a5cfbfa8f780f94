package targeting

// A test is the operator of a clause with its value. It is never given a list.
//
// Values go by value, here and wherever a match passes them: they travel in registers.
// Behind a pointer, what was just stored in parts is loaded as a whole, which costs more
// than the test.
type test interface{ test(v Value) outcome }

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
	if want.Kind() == KindList && want.len() > 0 {
		want = want.element(0)
	}
	return declared == want.Kind()
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
	if k := given.Value.Kind(); k != KindNone && k != KindBool {
		return nil, "must be true, false or left out"
	}
	return nil, ""
}
