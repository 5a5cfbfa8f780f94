package targeting

import "slices"

// An Op compares the attribute of a clause with its value.
type Op string

// The operators. What each reads stands in the package documentation.
const (
	Equal              Op = "eq"
	NotEqual           Op = "ne"
	In                 Op = "in"
	NotIn              Op = "not_in"
	Less               Op = "lt"
	LessEqual          Op = "lte"
	Greater            Op = "gt"
	GreaterEqual       Op = "gte"
	Contains           Op = "contains"
	StartsWith         Op = "starts_with"
	EndsWith           Op = "ends_with"
	Matches            Op = "matches"
	Before             Op = "before"
	After              Op = "after"
	SemverLess         Op = "semver_lt"
	SemverLessEqual    Op = "semver_lte"
	SemverEqual        Op = "semver_eq"
	SemverGreaterEqual Op = "semver_gte"
	SemverGreater      Op = "semver_gt"
	InCIDR             Op = "in_cidr"
	Exists             Op = "exists"
)

// Ops returns all operators, in the order of the documentation.
func Ops() []Op {
	return []Op{Equal, NotEqual, In, NotIn, Less, LessEqual, Greater, GreaterEqual,
		Contains, StartsWith, EndsWith, Matches, Before, After,
		SemverLess, SemverLessEqual, SemverEqual, SemverGreaterEqual, SemverGreater, InCIDR, Exists}
}

// OnMissing says what a clause answers where its attribute is missing.
type OnMissing string

const (
	// MissingNoMatch is the default: the clause does not hold, a negated one neither.
	MissingNoMatch OnMissing = "no_match"
	// MissingMatch makes the clause hold.
	MissingMatch OnMissing = "match"
)

// A Condition is one node of a tree, and takes exactly one of these forms:
//
//	{"all": [...]}      every member holds
//	{"any": [...]}      at least one member holds
//	{"none": [...]}     no member holds
//	{"path": "country", "op": "eq", "value": "GB"}
//	{"audience": "vip"} the subject is a member
//	{"bucket": {"salt": "checkout-v2", "to": 10}} the subject is of the first 10 %
//
// The zero Condition, {} in JSON, stands for no condition and holds always; inside a
// tree it is refused, as is a group without members.
//
// Reading JSON is strict: unknown keys, a key that stands twice and whatever is beyond
// the limits is an [InvalidError]. Whether the tree means something is for [Compile].
type Condition struct {
	// All, Any and None hold the members of a group.
	All  []Condition `json:"all,omitzero"`
	Any  []Condition `json:"any,omitzero"`
	None []Condition `json:"none,omitzero"`

	// Path names the attribute that a clause reads.
	Path string `json:"path,omitempty"`
	// Op compares.
	Op Op `json:"op,omitempty"`
	// Value is compared with: a list for in, not_in and the alternatives of contains,
	// starts_with, ends_with and in_cidr, else one value.
	Value Value `json:"value,omitzero"`
	// FoldCase makes eq, ne, in, not_in, contains, starts_with and ends_with ignore the
	// case of texts, by simple Unicode case folding.
	FoldCase bool `json:"fold_case,omitzero"`
	// OnMissing is [MissingNoMatch] when empty.
	OnMissing OnMissing `json:"on_missing,omitempty"`

	// Audience is the key of an audience of the library.
	Audience string `json:"audience,omitempty"`

	// Bucket is a share of the subjects.
	Bucket *Bucket `json:"bucket,omitempty"`
}

// IsZero reports whether c is no condition.
func (c Condition) IsZero() bool {
	return c.All == nil && c.Any == nil && c.None == nil && c.Path == "" && c.Op == "" &&
		c.Value.IsZero() && !c.FoldCase && c.OnMissing == "" && c.Audience == "" && c.Bucket == nil
}

// ParseCondition reads a condition from JSON, at most [MaxBytes] long. The error is an
// *[InvalidError].
func ParseCondition(data []byte) (Condition, error) {
	var c Condition
	err := c.UnmarshalJSON(data)
	return c, err
}

// UnmarshalJSON reads a condition as [ParseCondition] does.
func (c *Condition) UnmarshalJSON(data []byte) error {
	r, err := newReader(data, MaxBytes)
	if err != nil {
		return err
	}
	var read Condition
	if r.condition(&read, "", 1) {
		r.end()
	}
	if err := r.err(); err != nil {
		return err
	}
	*c = read
	return nil
}

// References are what a condition reads, each once and in order.
type References struct {
	// Paths are the attributes of clauses, and the keys of audiences and buckets.
	Paths []string
	// Audiences are keys of audiences.
	Audiences []string
	// Buckets says whether a bucket is asked.
	Buckets bool
}

// References returns what the tree itself names. What the audiences read that it refers
// to is known to the [Matcher].
func (c Condition) References() References {
	var r References
	c.walk(1, func(node Condition) {
		if node.Path != "" {
			r.Paths = append(r.Paths, node.Path)
		}
		if node.Audience != "" {
			r.Audiences = append(r.Audiences, node.Audience)
		}
		if node.Bucket != nil {
			r.Buckets = true
			r.Paths = append(r.Paths, keysOf(node.Bucket.By)...)
		}
	})
	return r.sorted()
}

// walk visits the nodes of c down to the limit of depth.
func (c Condition) walk(depth int, visit func(Condition)) {
	visit(c)
	if depth > MaxDepth {
		return
	}
	for _, group := range [][]Condition{c.All, c.Any, c.None} {
		for _, member := range group {
			member.walk(depth+1, visit)
		}
	}
}

func (r References) sorted() References {
	slices.Sort(r.Paths)
	slices.Sort(r.Audiences)
	return References{Paths: slices.Compact(r.Paths), Audiences: slices.Compact(r.Audiences), Buckets: r.Buckets}
}
