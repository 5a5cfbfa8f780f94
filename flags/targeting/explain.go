package targeting

import "strings"

// A Reason says why a step came out as it did, where its values do not tell.
type Reason string

// The reasons.
const (
	// ReasonMissing: the subject has no such attribute.
	ReasonMissing Reason = "missing"
	// ReasonKind: the attribute is there, and the operator does not read its kind, or a
	// text that is no number, time, version or address where one is needed.
	ReasonKind Reason = "kind"
	// ReasonIncluded: the audience lists the subject as a member.
	ReasonIncluded Reason = "included"
	// ReasonExcluded: the audience lists the subject as no member.
	ReasonExcluded Reason = "excluded"
	// ReasonNotListed: the audience has lists only, and the subject is on none.
	ReasonNotListed Reason = "not_listed"
)

// A Step is one node that was visited: a clause, an audience, a bucket or a group.
type Step struct {
	// Pointer is where the node stands in its condition.
	Pointer string `json:"pointer"`
	// Within is the key of the audience whose condition that is, empty for the
	// condition that was asked.
	Within string `json:"within,omitempty"`
	// Group is all, any or none for a group.
	Group string `json:"group,omitempty"`
	// Audience is the key of the audience that was asked for.
	Audience string `json:"audience,omitempty"`
	// Bucket is that of a bucket.
	Bucket *BucketStep `json:"bucket,omitempty"`
	// Path, Op and Want are those of a clause; Got is what the subject answered.
	Path string `json:"path,omitempty"`
	Op   Op     `json:"op,omitempty"`
	Want Value  `json:"want,omitzero"`
	Got  Value  `json:"got,omitzero"`
	// Holds is what came out.
	Holds bool `json:"holds"`
	// Reason says why, where the values do not.
	Reason Reason `json:"reason,omitempty"`
}

// String returns the step in one line. It quotes the attribute of the subject.
func (s Step) String() string {
	var b strings.Builder
	if s.Within != "" {
		b.WriteString(s.Within + " ")
	}
	if s.Pointer != "" {
		b.WriteString(s.Pointer + ": ")
	}
	switch {
	case s.Group != "":
		b.WriteString(s.Group)
	case s.Audience != "":
		b.WriteString("audience " + s.Audience)
	case s.Bucket != nil:
		b.WriteString(s.Bucket.String())
	default:
		b.WriteString(s.Path + " " + string(s.Op))
		if !s.Want.IsZero() {
			b.WriteString(" " + s.Want.String())
		}
		if !s.Got.IsZero() {
			b.WriteString(", is " + s.Got.String())
		}
	}
	if s.Reason != "" {
		b.WriteString(" (" + string(s.Reason) + ")")
	}
	if s.Holds {
		return b.String() + ": holds"
	}
	return b.String() + ": does not hold"
}

// A Trace tells how a condition came out: the nodes that were visited, in the order in
// which they were settled, a group after those of its members that it needed.
type Trace struct {
	Holds bool   `json:"holds"`
	Steps []Step `json:"steps"`
}

// clause takes down a clause.
func (t *Trace) clause(n *node, within string, got Value, holds bool, reason Reason) {
	t.Steps = append(t.Steps, Step{Pointer: n.pointer, Within: within, Path: n.path, Op: n.op, Want: n.want, Got: got, Holds: holds, Reason: reason})
}

// Settled returns the clause, bucket or audience list that settled the condition: the
// last one that was read. There is none where the condition is empty.
func (t Trace) Settled() (Step, bool) {
	for i := len(t.Steps) - 1; i >= 0; i-- {
		if s := t.Steps[i]; s.Path != "" || s.Bucket != nil || s.Audience != "" && s.Reason != "" {
			return s, true
		}
	}
	return Step{}, false
}

// Explain does what [Matcher.Match] does, step by step the same, and tells it. It
// allocates, and the trace holds attributes of s: it is for whoever may see these.
func (m *Matcher) Explain(s Subject) Trace {
	t := Trace{Steps: []Step{}}
	t.Holds = m.root.eval(s, &t, "")
	return t
}
