package targeting

// A plainClause decides a clause of a [Matcher] whose tree is flat. What compares a text
// with few others is decided on the spot, the rest by the node.
type plainClause struct {
	path string
	// few are the texts of eq, ne, in and not_in, nil where there is more to it.
	few    []string
	negate bool
	node   *node
}

// plainOf returns the clauses of a flat tree, nil for any other.
func plainOf(root *node) []plainClause {
	members := root.members
	switch root.form {
	case formClause:
		return []plainClause{plainClauseOf(root)}
	case formAll:
	default:
		return nil
	}
	all := make([]plainClause, len(members))
	for i := range members {
		if members[i].form != formClause {
			return nil
		}
		all[i] = plainClauseOf(&members[i])
	}
	return all
}

func plainClauseOf(n *node) plainClause {
	c := plainClause{path: n.path, negate: n.negate, node: n}
	switch t := n.test.(type) {
	case *equalTest:
		if t.want.kind == KindString && !t.fold {
			c.few = []string{t.want.text}
		}
	case *inTest:
		if t.kind == KindString && !t.fold {
			c.few = t.few
		}
	}
	return c
}

// holds decides the clause for s.
func (c *plainClause) holds(s Subject) bool {
	v, ok := s.Attribute(c.path)
	if !ok || v.kind != KindString || c.few == nil {
		holds, _ := c.node.settle(v, ok)
		return holds
	}
	for _, want := range c.few {
		if v.text == want {
			return !c.negate
		}
	}
	return c.negate
}
