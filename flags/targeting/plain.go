package targeting

// A plainClause decides a clause of a [Matcher] whose tree is flat. What compares a text
// with few others is decided on the spot, the rest by the node.
//
// It fills a line of the cache: evaluating thousands of flags is bound by the memory that
// it reads.
type plainClause struct {
	path string
	// few are the texts of eq, ne, in and not_in; texts is how many of them there are, 0
	// where there is more to it.
	few    [2]string
	node   *node
	texts  uint8
	negate bool
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
			c.texts, c.few[0] = 1, t.want.text
		}
	case *inTest:
		if t.kind == KindString && !t.fold && len(t.few) <= len(c.few) {
			c.texts = uint8(copy(c.few[:], t.few))
		}
	}
	return c
}

// holds decides the clause for s.
func (c *plainClause) holds(s Subject) bool {
	v, ok := s.Attribute(c.path)
	if !ok || v.kind != KindString || c.texts == 0 {
		holds, _ := c.node.settle(v, ok)
		return holds
	}
	if v.text == c.few[0] || c.texts > 1 && v.text == c.few[1] {
		return !c.negate
	}
	return c.negate
}
