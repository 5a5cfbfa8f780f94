package targeting

// Match reports whether the condition holds of s. It allocates nothing by itself, does
// not block and never panics for a Subject that does not.
func (m *Matcher) Match(s Subject) bool { return m.root.eval(s, nil, "") }

type form uint8

const (
	formAlways form = iota
	formAll
	formAny
	formNone
	formClause
	formAudience
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
	var holds bool
	var reason Reason
	switch {
	case n.op == Exists:
		holds = (ok && v.kind != KindNone) == (n.want.kind == KindNone || n.want.bits == 1)
	case !ok || v.kind == KindNone:
		holds, reason = n.onMissing, ReasonMissing
	default:
		switch n.outcome(&v) {
		case yes:
			holds = !n.negate
		case no:
			holds = n.negate
		default:
			reason = ReasonKind
		}
	}
	if t != nil {
		t.Steps = append(t.Steps, Step{Pointer: n.pointer, Within: within, Path: n.path, Op: n.op, Want: n.want, Got: v, Holds: holds, Reason: reason})
	}
	return holds
}

// An outcome is what a test says of a value.
type outcome uint8

const (
	no outcome = iota
	yes
	unreadable // the operator does not read values of this kind
)

// outcome tests a value, of a list each element: one that passes settles it, and
// without one an element that cannot be read does.
func (n *node) outcome(v *Value) outcome {
	if v.kind != KindList {
		return passes(n.test, v)
	}
	if v.len() > MaxElements {
		return unreadable
	}
	result := no
	for i := range v.len() {
		e := v.element(i)
		switch passes(n.test, &e) {
		case yes:
			return yes
		case unreadable:
			result = unreadable
		}
	}
	return result
}
