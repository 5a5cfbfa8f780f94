package targeting

// Match reports whether the condition holds of s. It allocates nothing by itself, does
// not block and never panics for a Subject that does not.
func (m *Matcher) Match(s Subject) bool {
	if m.plain == nil {
		return m.root.eval(s, nil, "")
	}
	for i := range m.plain {
		c := &m.plain[i]
		v, ok := s.Attribute(c.path)
		if ok && c.texts && v.isText() { // in place, for it is what most clauses are
			if (v.text == c.few[0] || v.text == c.few[1]) == c.negate {
				return false
			}
		} else if holds, _ := c.node.settle(v, ok); !holds {
			return false
		}
	}
	return true
}

type form uint8

const (
	formAlways form = iota
	formAll
	formAny
	formNone
	formClause
	formAudience
	formBucket
)

// A node is a Condition, compiled.
type node struct {
	form    form
	negate  bool // ne and not_in
	pointer string
	members []node
	// Of a clause.
	path      string
	op        Op
	want      Value
	onMissing bool
	test      test
	// Of an audience.
	audience *audience
	// Of a bucket.
	bucket *bucket
}

// rebase cuts what the pointers of the tree have before them in its library.
func (n *node) rebase(base int) {
	n.pointer = n.pointer[min(base, len(n.pointer)):]
	for i := range n.members {
		n.members[i].rebase(base)
	}
}

// eval decides a node. It stops at the first member that settles a group, and records
// what it did where t is not nil: Match and Explain are one path.
func (n *node) eval(s Subject, t *Trace, within string) bool {
	holds := false
	switch n.form {
	case formAlways:
		return true
	case formClause:
		return n.clause(s, t, within)
	case formBucket:
		return n.inBucket(s, t, within)
	case formAudience:
		var reason Reason
		holds, reason = n.audience.member(s, t)
		if t != nil {
			t.Steps = append(t.Steps, Step{Pointer: n.pointer, Within: within, Audience: n.audience.key, Holds: holds, Reason: reason})
		}
		return holds
	case formAll:
		holds = true
		for i := range n.members {
			if !n.members[i].eval(s, t, within) {
				holds = false
				break
			}
		}
	case formAny, formNone:
		for i := range n.members {
			if n.members[i].eval(s, t, within) {
				holds = true
				break
			}
		}
		holds = holds == (n.form == formAny)
	}
	if t != nil {
		t.Steps = append(t.Steps, Step{Pointer: n.pointer, Within: within, Group: groups[n.form], Holds: holds})
	}
	return holds
}

var groups = [...]string{formAll: "all", formAny: "any", formNone: "none", formAudience: ""}

func (n *node) clause(s Subject, t *Trace, within string) bool {
	v, ok := s.Attribute(n.path)
	holds, reason := n.settle(v, ok)
	if t != nil {
		t.clause(n, within, v, holds, reason)
	}
	return holds
}

// settle decides a clause over what the subject answered.
func (n *node) settle(v Value, ok bool) (bool, Reason) {
	if n.op == Exists {
		return (ok && !v.IsZero()) == (n.want.IsZero() || n.want.bits == 1), ""
	}
	if !ok || v.IsZero() {
		return n.onMissing, ReasonMissing
	}
	var o outcome
	if v.Kind() == KindList {
		o = n.list(v)
	} else {
		o = n.test.test(v)
	}
	switch o {
	case yes:
		return !n.negate, ""
	case no:
		return n.negate, ""
	}
	return false, ReasonKind
}

// An outcome is what a test says of a value.
type outcome uint8

const (
	no outcome = iota
	yes
	unreadable // the operator does not read values of this kind
)

// list tests each element: one that passes settles it, and without one an element that
// cannot be read does.
func (n *node) list(v Value) outcome {
	if v.len() > MaxElements {
		return unreadable
	}
	result := no
	for i := range v.len() {
		switch n.test.test(v.element(i)) {
		case yes:
			return yes
		case unreadable:
			result = unreadable
		}
	}
	return result
}
