package targeting

import "strconv"

// A Library holds audiences by key, compiled. It does not change and may be used by
// many goroutines.
type Library struct {
	audiences map[string]*audience
}

// NewLibrary compiles audiences, which may refer to each other but not in a circle.
// opts.Audiences is not used. The error is an *[InvalidError] whose pointers begin with
// the index of an audience.
func NewLibrary(audiences []Audience, opts Options) (*Library, error) {
	var bad complaints
	if len(audiences) > MaxAudiences {
		bad.add("", "has more than "+strconv.Itoa(MaxAudiences)+" audiences")
		return nil, bad.err()
	}
	b := &builder{complaints: &bad, opts: opts, source: make(map[string]int, len(audiences)), given: audiences,
		library: &Library{audiences: make(map[string]*audience, len(audiences))}}
	for i, a := range audiences {
		pointer := "/" + strconv.Itoa(i)
		if _, twice := b.source[a.Key]; twice {
			bad.add(pointer+"/key", "is the key of another audience")
			continue
		}
		b.source[a.Key] = i
	}
	for i := range audiences {
		b.audience(i)
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	return b.library, nil
}

// Has reports whether the library knows an audience.
func (l *Library) Has(key string) bool { return l.find(key) != nil }

// find returns an audience, nil where there is none or no library.
func (l *Library) find(key string) *audience {
	if l == nil {
		return nil
	}
	return l.audiences[key]
}

// An audience is an Audience, compiled.
type audience struct {
	key    string
	by     []string
	listed map[string]bool // whether a key is included or excluded
	when   *node
	// cost is how many nodes a match visits at most, chain how many audiences refer to
	// each other in a row.
	cost, chain int
	reads       References
}

// member reports whether s is a member, and how that was found.
func (a *audience) member(s Subject, t *Trace) (bool, Reason) {
	if len(a.listed) > 0 {
		if included, ok := a.lists(s); ok {
			if included {
				return true, ReasonIncluded
			}
			return false, ReasonExcluded
		}
	}
	if a.when == nil {
		return false, ReasonNotListed
	}
	return a.when.eval(s, t, a.key), ""
}

func (a *audience) lists(s Subject) (included, ok bool) {
	for _, path := range a.by {
		v, found := s.Attribute(path)
		if !found {
			continue
		}
		switch {
		case v.isText() && v.text != "":
			included, ok = a.listed[v.text]
			return included, ok
		case v.isInteger():
			var buf [20]byte
			included, ok = a.listed[string(strconv.AppendInt(buf[:0], int64(v.bits), 10))]
			return included, ok
		}
	}
	return false, false
}

// A builder compiles the audiences of a library, each after those it refers to.
type builder struct {
	*complaints
	opts    Options
	given   []Audience
	source  map[string]int
	library *Library
	// open are the audiences that are being compiled, from the outermost in.
	open []string
}

// audience compiles the i-th audience unless that is done.
func (b *builder) audience(i int) {
	given := b.given[i]
	if b.library.audiences[given.Key] != nil || b.source[given.Key] != i {
		return
	}
	pointer := "/" + strconv.Itoa(i)
	a := &audience{key: given.Key, by: given.By}
	// It is in the library from here on, broken or not: a fault is told once.
	b.library.audiences[given.Key] = a
	if message := checkKey(given.Key); message != "" {
		b.add(pointer+"/key", message)
	}
	a.by = checkBy(given.By, pointer+"/by", b.opts, b.complaints)
	a.reads.Paths = append(a.reads.Paths, a.by...)
	b.members(a, given, pointer)
	a.cost, a.chain = 1, 1
	if given.When == nil {
		return
	}
	b.open = append(b.open, given.Key)
	c := compiler{complaints: b.complaints, opts: b.opts, library: b.library, builder: b, reads: &a.reads}
	when := c.root(*given.When, pointer+"/when")
	b.open = b.open[:len(b.open)-1]
	a.when, a.cost, a.chain, a.reads = when, 1+c.cost, 1+c.chain, a.reads.sorted()
}

func (b *builder) members(a *audience, given Audience, pointer string) {
	if len(given.Include)+len(given.Exclude) > MaxMembers {
		b.add(pointer, "lists more than "+strconv.Itoa(MaxMembers)+" members")
		return
	}
	a.listed = make(map[string]bool, len(given.Include)+len(given.Exclude))
	list := func(keys []string, field string, included bool) {
		for i, key := range keys {
			other, twice := a.listed[key]
			switch message := checkKey(key); {
			case message != "":
				b.add(pointer+"/"+field+"/"+strconv.Itoa(i), message)
			case twice && other != included:
				b.add(pointer+"/"+field+"/"+strconv.Itoa(i), "is included as well")
			}
			a.listed[key] = included
		}
	}
	list(given.Include, "include", true)
	list(given.Exclude, "exclude", false)
}

// checkBy checks a fallback chain of attributes and returns it, or the default.
func checkBy(by []string, pointer string, opts Options, bad *complaints) []string {
	by = keysOf(by)
	if len(by) > MaxBy {
		bad.add(pointer, "has more than "+strconv.Itoa(MaxBy)+" attributes")
		return nil
	}
	shared := make([]string, len(by))
	for i, path := range by {
		shared[i] = intern(path)
		at := pointer + "/" + strconv.Itoa(i)
		if message := checkPath(path); message != "" {
			bad.add(at, message)
		} else if !opts.allows(path) {
			bad.add(at, "is not an attribute that may be read here")
		}
	}
	return shared
}

func checkKey(key string) string {
	if key == "" {
		return "must not be empty"
	}
	return checkText(key)
}
