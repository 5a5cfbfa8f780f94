package targeting

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unique"
)

// Options say what a condition may refer to. The zero Options allow every path and know
// no audience.
type Options struct {
	// Paths are the attributes that may be read, with the kind that their values have;
	// of a list, the kind of its elements. A clause whose operator does not read that
	// kind is refused. Nil allows every path. [DefaultKeys] may always be read.
	Paths map[string]Kind
	// Audiences are the audiences that a condition may refer to.
	Audiences *Library
}

// allows reports whether a path may be read.
func (o Options) allows(path string) bool {
	if o.Paths == nil || slices.Contains(DefaultKeys(), path) {
		return true
	}
	_, ok := o.Paths[path]
	return ok
}

// A Matcher is a condition, compiled. It does not change and may be used by many
// goroutines.
type Matcher struct {
	// plain is the tree again where it is one clause or a list of clauses that all have
	// to hold, as most are; nil for others.
	plain []plainClause
	root  *node
	reads References
}

// Compile checks a condition and compiles it. The audiences are bound as the library
// has them now: compile again when it changes. The error is an *[InvalidError].
func Compile(c Condition, opts Options) (*Matcher, error) {
	var bad complaints
	m := &Matcher{}
	compiler := compiler{complaints: &bad, opts: opts, library: opts.Audiences, reads: &m.reads}
	m.root = compiler.root(c, "")
	if err := bad.err(); err != nil {
		return nil, err
	}
	m.reads = m.reads.sorted()
	m.plain = plainOf(m.root)
	return m, nil
}

// References returns everything that the matcher may read, through audiences too: it
// has to be compiled again when one of these audiences changes.
func (m *Matcher) References() References {
	return References{Paths: slices.Clone(m.reads.Paths), Audiences: slices.Clone(m.reads.Audiences), Buckets: m.reads.Buckets}
}

// A compiler compiles one tree.
type compiler struct {
	*complaints
	opts    Options
	library *Library
	builder *builder // of the library that is being built, else nil
	reads   *References
	// What was counted so far.
	nodes, values, patterns, instructions int
	cost, chain                           int
	costly                                bool // told already
}

// root compiles a whole tree.
func (c *compiler) root(given Condition, pointer string) *node {
	n := &node{form: formAlways, pointer: ""}
	if !given.IsZero() {
		base := len(pointer)
		c.node(n, given, pointer, 1)
		n.rebase(base)
	}
	return n
}

// node compiles one node into n.
func (c *compiler) node(n *node, given Condition, pointer string, depth int) {
	n.pointer = pointer
	if depth > MaxDepth {
		c.add(pointer, "is nested too deep: the limit is "+strconv.Itoa(MaxDepth))
		return
	}
	if c.nodes++; c.nodes > MaxNodes {
		if c.nodes == MaxNodes+1 {
			c.add(pointer, "is one node too many: the limit is "+strconv.Itoa(MaxNodes))
		}
		return
	}
	if c.cost++; c.cost > MaxCost {
		c.tooCostly(pointer)
		return
	}
	if message := formOf(given); message != "" {
		c.add(pointer, message)
		return
	}
	switch {
	case given.All != nil:
		c.group(n, formAll, given.All, pointer, "all", depth)
	case given.Any != nil:
		c.group(n, formAny, given.Any, pointer, "any", depth)
	case given.None != nil:
		c.group(n, formNone, given.None, pointer, "none", depth)
	case given.Audience != "":
		c.audience(n, given.Audience, pointer+"/audience")
	case given.Bucket != nil:
		c.bucket(n, *given.Bucket, pointer+"/bucket")
	default:
		c.clause(n, given, pointer)
	}
}

// formOf reports what is wrong with the form of a node, empty when it has one.
func formOf(given Condition) string {
	forms := 0
	for _, has := range []bool{given.All != nil, given.Any != nil, given.None != nil, given.Audience != "", given.Bucket != nil,
		given.Path != "" || given.Op != "" || !given.Value.IsZero() || given.FoldCase || given.OnMissing != ""} {
		if has {
			forms++
		}
	}
	if forms == 1 {
		return ""
	}
	return "must be exactly one of all, any, none, audience, bucket, and a clause with path and op"
}

func (c *compiler) group(n *node, form form, members []Condition, pointer, name string, depth int) {
	pointer += "/" + name
	n.form = form
	if len(members) == 0 {
		c.add(pointer, "must have at least one member")
		return
	}
	n.members = make([]node, min(len(members), MaxNodes))
	for i, member := range members {
		if c.nodes > MaxNodes {
			return
		}
		c.node(&n.members[i], member, pointer+"/"+strconv.Itoa(i), depth+1)
	}
}

func (c *compiler) audience(n *node, key, pointer string) {
	n.form = formAudience
	if b := c.builder; b != nil {
		if i, ok := b.source[key]; ok {
			if at := slices.Index(b.open, key); at >= 0 {
				c.add(pointer, "goes in a circle: "+strings.Join(append(slices.Clone(b.open[at:]), key), " → "))
				return
			}
			if len(b.open) >= MaxChain {
				c.tooLong(pointer)
				return
			}
			b.audience(i)
		}
	}
	a := c.library.find(key)
	if a == nil {
		c.add(pointer, "is not a known audience")
		return
	}
	n.audience = a
	if c.chain = max(c.chain, a.chain); c.builder != nil && c.chain >= MaxChain {
		c.tooLong(pointer)
		return
	}
	if c.cost += a.cost; c.cost > MaxCost {
		c.tooCostly(pointer)
		return
	}
	c.reads.Audiences = append(append(c.reads.Audiences, key), a.reads.Audiences...)
	c.reads.Paths = append(c.reads.Paths, a.reads.Paths...)
	c.reads.Buckets = c.reads.Buckets || a.reads.Buckets
	for _, path := range a.reads.Paths {
		if !c.opts.allows(path) {
			c.add(pointer, "reads "+strconv.Quote(path)+", which is not an attribute that may be read here")
		}
	}
}

func (c *compiler) tooCostly(pointer string) {
	if c.costly {
		return
	}
	c.costly = true
	c.add(pointer, "makes the condition too large with its audiences written out: the limit is "+strconv.Itoa(MaxCost)+" nodes")
}

func (c *compiler) tooLong(pointer string) {
	c.add(pointer, "is at the end of more than "+strconv.Itoa(MaxChain)+" audiences in a row")
}

func (c *compiler) clause(n *node, given Condition, pointer string) {
	n.form, n.path, n.op, n.want = formClause, intern(given.Path), given.Op, given.Value
	if message := checkPath(given.Path); message != "" {
		c.add(pointer+"/path", message)
	} else if !c.opts.allows(given.Path) {
		c.add(pointer+"/path", "is not an attribute that may be read here")
	}
	switch given.OnMissing {
	case "", MissingNoMatch:
	case MissingMatch:
		n.onMissing = true
	default:
		c.add(pointer+"/on_missing", "must be match or no_match")
	}
	c.reads.Paths = append(c.reads.Paths, given.Path)
	family, ok := families[given.Op]
	if !ok {
		c.add(pointer+"/op", "is not a known operator")
		return
	}
	if given.FoldCase && !(family.folds && textual(given.Value)) {
		c.add(pointer+"/fold_case", "is for comparisons of texts")
	}
	if given.Op == Exists && given.OnMissing != "" {
		c.add(pointer+"/on_missing", "means nothing beside exists")
	}
	if !c.checkValue(given.Value, pointer+"/value") {
		return
	}
	test, message := family.compile(c, given)
	if message != "" {
		c.add(pointer+"/value", message)
		return
	}
	if declared := c.opts.Paths[given.Path]; declared != KindNone && !family.reads(declared, given.Value) {
		c.add(pointer+"/op", "does not read the attribute, which is declared as "+declared.String())
	}
	n.test, n.negate = test, family.negate
}

// checkValue holds a value against the limits.
func (c *compiler) checkValue(v Value, pointer string) bool {
	if v.Kind() != KindList {
		c.values++
		message := checkText(v.text)
		if message != "" {
			c.add(pointer, message)
		}
		return message == ""
	}
	if c.values += v.len(); c.values > MaxValues {
		c.add(pointer, "is beyond the limit of "+strconv.Itoa(MaxValues)+" values in a condition")
		return false
	}
	if v.len() == 0 {
		c.add(pointer, "must have at least one value")
		return false
	}
	first := v.element(0)
	for i := range v.len() {
		e := v.element(i)
		at := pointer + "/" + strconv.Itoa(i)
		switch {
		case e.IsZero(), e.Kind() == KindList, e.Kind() == KindObject:
			c.add(at, "must be a truth value, a number, a text or a time")
			return false
		case e.Kind() != first.Kind():
			c.add(at, "must be of the kind of the values before it, "+first.Kind().String())
			return false
		}
		if message := checkText(e.text); message != "" {
			c.add(at, message)
			return false
		}
	}
	return true
}

// checkText reports what makes s unfit as a text of a definition, empty when nothing
// does. U+FFFD is what a decoder leaves of bytes and escapes that are no text.
func checkText(s string) string {
	switch {
	case len(s) > MaxText:
		return "must be at most " + strconv.Itoa(MaxText) + " bytes long"
	case strings.ContainsRune(s, utf8.RuneError):
		return "must be text in UTF-8"
	}
	return ""
}

// intern returns the one copy of a text that all definitions share. Thousands of flags
// read the same few attributes and compare them with the same few texts: shared, these
// stay in the cache while all flags are evaluated.
func intern(s string) string {
	if len(s) > maxInterned {
		return s
	}
	return unique.Make(s).Value()
}

// maxInterned is the longest text that is worth sharing, in bytes.
const maxInterned = 64

// textual reports whether v is a text or a list of texts.
func textual(v Value) bool {
	if v.Kind() == KindList && v.len() > 0 {
		v = v.element(0)
	}
	return v.isText()
}
