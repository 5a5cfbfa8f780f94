package targeting

import (
	"math"
	"slices"
	"strconv"
)

// A Scheme says how a key becomes a slot. It is stored with the split: what a scheme
// does never changes, so that no upgrade moves anybody.
type Scheme string

const (
	// X1 is the scheme of the kit, and the default: seeded XXH64 over [Slots] slots.
	X1 Scheme = "x1"
	// Unleash is the gradual rollout of Unleash: 100 slots, weights in whole percent
	// that sum to 100, in order. The salt is the group id.
	Unleash Scheme = "unleash"
	// UnleashVariant is the choice of a variant of Unleash: as many slots as the whole
	// weights sum to, in order. The salt is the group id.
	UnleashVariant Scheme = "unleash-variant"
)

// Slots is how many slots a split of scheme [X1] has: a share is exact to 1e-9.
const Slots = 1_000_000_000

// A Split deals subjects out to variants by a key that they have.
type Split struct {
	// By are the attributes that may be the key: the first that is there and is a text
	// that is not empty, an integer or, for [X1], a truth value. [DefaultKeys] when empty.
	By []string `json:"by,omitempty"`
	// Weights are the shares of the variants.
	Weights Shares `json:"weights"`
	// Salt makes splits independent of each other: under the same salt the same subjects
	// are first. Empty for that of the flag.
	Salt string `json:"salt,omitempty"`
	// Scheme is [X1] when empty.
	Scheme Scheme `json:"scheme,omitempty"`
}

// ParseSplit reads a split from JSON, as strictly as [ParseCondition]. The error is an
// *[InvalidError].
func ParseSplit(data []byte) (Split, error) {
	var s Split
	err := s.UnmarshalJSON(data)
	return s, err
}

// UnmarshalJSON reads a split as [ParseSplit] does.
func (s *Split) UnmarshalJSON(data []byte) error {
	r, err := newReader(data, MaxBytes)
	if err != nil {
		return err
	}
	var read Split
	ok := r.object("", func(key, pointer string) bool {
		switch key {
		case "by":
			return r.texts(&read.By, pointer, MaxBy)
		case "weights":
			return r.shares(&read.Weights, pointer)
		case "salt":
			return r.text(&read.Salt, pointer)
		case "scheme":
			return r.text((*string)(&read.Scheme), pointer)
		}
		return r.fail(pointer, "is not a known key")
	})
	if ok {
		r.end()
	}
	if err := r.err(); err != nil {
		return err
	}
	*s = read
	return nil
}

// A Splitter is a split, compiled. It does not change and may be used by many
// goroutines.
type Splitter struct {
	runs []run
	dealer
	variants []string
}

// CompileSplit checks a split and compiles it. salt is used where the split has none of
// its own: the key of the flag. The error is an *[InvalidError].
func CompileSplit(s Split, salt string, opts Options) (*Splitter, error) {
	var bad complaints
	if s.Salt != "" {
		salt = s.Salt
	}
	if message := checkKey(salt); message != "" {
		bad.add("/salt", message)
	}
	sp := &Splitter{dealer: dealer{scheme: s.Scheme, by: checkBy(s.By, "/by", opts, &bad)}}
	weights := sp.weights(s.Weights, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	switch s.Scheme {
	case "", X1:
		sp.x1(salt)
		sp.runs = rooms(weights, Slots)
	case Unleash, UnleashVariant:
		sp.unleash(salt, wholeSum(weights))
		sp.runs = inOrder(weights)
		if sp.slots == 0 || sp.slots > math.MaxUint32 || s.Scheme == Unleash && sp.slots != 100 {
			bad.add("/weights", "must be whole numbers, of scheme unleash with the sum 100")
		}
	default:
		bad.add("/scheme", "is not a known scheme")
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	return sp, nil
}

// maxWeight bounds weights, so that sums of them stay exact enough.
const maxWeight = 1e12

// weights checks the shares and returns their weights.
func (sp *Splitter) weights(shares Shares, bad *complaints) []float64 {
	if len(shares) == 0 || len(shares) > MaxVariants {
		bad.add("/weights", "must have 1 to "+strconv.Itoa(MaxVariants)+" variants")
		return nil
	}
	weights, sum := make([]float64, len(shares)), 0.0
	named := slices.IsSortedFunc(shares, compareShares)
	for i, share := range shares {
		at := "/weights/" + strconv.Itoa(i)
		if named {
			at = join("/weights", share.Variant)
		}
		switch {
		case checkKey(share.Variant) != "":
			bad.add(at, "needs the name of a variant: a text of 1 to "+strconv.Itoa(MaxText)+" bytes")
		case slices.Contains(sp.variants, share.Variant):
			bad.add(at, "is a variant that stands there already")
		case !(share.Weight >= 0 && share.Weight <= maxWeight):
			bad.add(at, "must be a number from 0 to 1e12")
		}
		sp.variants = append(sp.variants, share.Variant)
		weights[i] = share.Weight
		sum += share.Weight
	}
	if sum == 0 {
		bad.add("/weights", "must not all be 0")
	}
	return weights
}

// wholeSum returns the sum of whole weights, 0 where one is not whole.
func wholeSum(weights []float64) uint64 {
	sum := uint64(0)
	for _, w := range weights {
		if w != math.Trunc(w) {
			return 0
		}
		sum += uint64(w)
	}
	return sum
}

// Variants returns the variants in the order of the shares.
func (sp *Splitter) Variants() []string { return slices.Clone(sp.variants) }

// By returns the attributes that may be the key.
func (sp *Splitter) By() []string { return slices.Clone(sp.by) }

// A Pick says which variant a subject has, and why.
type Pick struct {
	// Index is that of the variant among the shares.
	Index int
	// By is the attribute that was the key.
	By string
	// Slot is where the key fell, of Slots in all.
	Slot, Slots uint64
	// From and To are the stretch of slots around it that the variant has: From is the
	// first, To the one behind the last. A variant may have several.
	From, To uint64
}

// Index returns which of the shares s has, as the Index of [Splitter.Pick], for those who
// need no more.
func (sp *Splitter) Index(s Subject) (int, bool) {
	for _, path := range sp.by {
		v, ok := s.Attribute(path)
		if !ok {
			continue
		}
		if slot, ok := sp.slot(v); ok {
			return sp.at(slot), true
		}
	}
	return 0, false
}

// at returns whose slot it is.
func (sp *Splitter) at(slot uint64) int {
	i := 0
	for slot >= sp.runs[i].end {
		i++
	}
	return sp.runs[i].index
}

// Pick returns the variant of s. It reports false where s has none of the attributes
// that may be the key. It allocates nothing, except under the schemes of Unleash for a
// group and a key of more than 127 bytes together.
func (sp *Splitter) Pick(s Subject) (Pick, bool) {
	slot, by, ok := sp.deal(s)
	if !ok {
		return Pick{}, false
	}
	i, from := 0, uint64(0)
	for slot >= sp.runs[i].end {
		from = sp.runs[i].end
		i++
	}
	return Pick{Index: sp.runs[i].index, By: by, Slot: slot, Slots: sp.slots, From: from, To: sp.runs[i].end}, true
}
