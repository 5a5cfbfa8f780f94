package targeting

// A plainClause decides a clause of a [Matcher] whose tree is flat. What compares a text
// with few others is decided on the spot, the rest by the node.
//
// It fills a line of the cache: evaluating thousands of flags is bound by the memory that
// it reads.
type plainClause struct {
	path string
	// few are the texts of eq, ne, in and not_in, twice the same where there is one; texts
	// is false where there is more to it.
	few    [2]string
	node   *node
	texts  bool
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
		if t.want.isText() && !t.fold {
			c.texts, c.few = true, [2]string{t.want.text, t.want.text}
		}
	case *inTest:
		if t.kind == KindString && !t.fold && t.texts == nil && len(t.few) <= len(c.few) {
			c.texts, c.few = true, [2]string{t.few[0], t.few[len(t.few)-1]}
		}
	}
	return c
}
