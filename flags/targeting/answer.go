package targeting

// An Answer says whether a condition holds of a subject, for whoever must not take what
// is unknown for a no. The zero Answer is [Undecided].
type Answer uint8

const (
	// Undecided: what the subject does not say, or says in a kind that is not read,
	// could settle it either way.
	Undecided Answer = iota
	// Holds: the condition holds, as [Matcher.Match] says.
	Holds
	// HoldsNot: the condition does not hold, as [Matcher.Match] says, and would not
	// whatever the clauses came to that could not be decided.
	HoldsNot
)

// Decide is [Matcher.Match] in three values. A clause is undecided where its attribute is
// missing and on_missing does not say match, and where the attribute is of a kind that
// its operator does not read; exists always decides. A bucket is undecided of a subject
// without a key, and so is an audience with lists. Groups follow from their members: all
// holds not as soon as one member holds not, any holds as soon as one does, none is the
// opposite of any; otherwise one undecided member leaves the group undecided.
//
// It visits every member that could settle its group, and allocates nothing by itself.
func (m *Matcher) Decide(s Subject) Answer { return m.root.decide(s) }

func (n *node) decide(s Subject) Answer {
	switch n.form {
	case formClause:
		v, ok := s.Attribute(n.path)
		holds, reason := n.settle(v, ok)
		if !holds && reason != "" {
			return Undecided
		}
		return answerOf(holds)
	case formBucket:
		slot, _, ok := n.bucket.deal(s)
		if !ok {
			return Undecided
		}
		return answerOf(slot >= n.bucket.from && slot < n.bucket.to)
	case formAudience:
		return n.audience.decide(s)
	case formAll:
		return n.group(s, HoldsNot)
	case formAny:
		return n.group(s, Holds)
	case formNone:
		return n.group(s, Holds).opposite()
	}
	return Holds // formAlways
}

// group decides all, which one member settles that holds not, and any, which one does
// that holds.
func (n *node) group(s Subject, settles Answer) Answer {
	result := settles.opposite()
	for i := range n.members {
		switch n.members[i].decide(s) {
		case settles:
			return settles
		case Undecided:
			result = Undecided
		}
	}
	return result
}

func (a *audience) decide(s Subject) Answer {
	if len(a.listed) > 0 {
		switch included, ok := a.lists(s); {
		case ok:
			return answerOf(included)
		case !a.keyed(s):
			return Undecided
		}
	}
	if a.when == nil {
		return HoldsNot
	}
	return a.when.decide(s)
}

// keyed reports whether s has a key that the lists of a could name.
func (a *audience) keyed(s Subject) bool {
	for _, path := range a.by {
		v, ok := s.Attribute(path)
		if ok && (v.isText() && v.text != "" || v.isInteger()) {
			return true
		}
	}
	return false
}

func (a Answer) opposite() Answer {
	switch a {
	case Holds:
		return HoldsNot
	case HoldsNot:
		return Holds
	}
	return Undecided
}

func answerOf(holds bool) Answer {
	if holds {
		return Holds
	}
	return HoldsNot
}
