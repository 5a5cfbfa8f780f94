package targeting

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Share is the weight of one variant of a split.
type Share struct {
	Variant string `json:"variant"`
	// Weight is any finite number that is not negative; what counts is its share in the
	// sum. So 40 and 60 are the same split as 2 and 3.
	Weight float64 `json:"weight"`
}

// Shares are the shares of a split in order. The order places variants among the slots,
// so it is part of the definition: keep it, and give a variant that is to come a weight
// of 0 from the start.
//
// In JSON they are an object of weights by variant, {"off": 60, "on": 40}, which means
// the order of the names; any other order is a list of objects with variant and weight.
type Shares []Share

// MarshalJSON writes an object where the shares are in the order of their names, else
// a list.
func (s Shares) MarshalJSON() ([]byte, error) {
	if !slices.IsSortedFunc(s, compareShares) {
		return json.Marshal([]Share(s))
	}
	b := []byte{'{'}
	for i, share := range s {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(share.Variant)
		if err != nil {
			return nil, err
		}
		weight, err := json.Marshal(share.Weight)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), weight...)
	}
	return append(b, '}'), nil
}

func compareShares(a, b Share) int { return strings.Compare(a.Variant, b.Variant) }

// UnmarshalJSON reads either form, strictly.
func (s *Shares) UnmarshalJSON(data []byte) error {
	r, err := newReader(data, MaxBytes)
	if err != nil {
		return err
	}
	var read Shares
	if r.shares(&read, "") {
		r.end()
	}
	if err := r.err(); err != nil {
		return err
	}
	*s = read
	return nil
}

func (r *reader) shares(into *Shares, pointer string) bool {
	t, ok := r.token(pointer)
	if !ok {
		return false
	}
	*into = Shares{}
	switch t {
	case json.Delim('{'):
		ok := r.members(pointer, func(key, pointer string) bool {
			share := Share{Variant: key}
			ok := r.weight(&share.Weight, pointer)
			*into = append(*into, share)
			return ok
		})
		slices.SortFunc(*into, compareShares)
		return ok
	case json.Delim('['):
		return r.elements(pointer, func(i int) bool {
			if i == MaxVariants {
				return r.fail(at(pointer, i), "is one share too many: the limit is "+strconv.Itoa(MaxVariants))
			}
			var share Share
			ok := r.share(&share, at(pointer, i))
			*into = append(*into, share)
			return ok
		})
	}
	return r.fail(pointer, "must be weights by variant, or a list of shares")
}

func (r *reader) share(into *Share, pointer string) bool {
	return r.object(pointer, func(key, pointer string) bool {
		switch key {
		case "variant":
			return r.text(&into.Variant, pointer)
		case "weight":
			return r.weight(&into.Weight, pointer)
		}
		return r.fail(pointer, "is not a known key")
	})
}

func (r *reader) weight(into *float64, pointer string) bool {
	v, ok := r.operand(pointer)
	if !ok {
		return false
	}
	if v.Kind() != KindNumber {
		return r.fail(pointer, "must be a number")
	}
	*into = v.number()
	return true
}

// number returns a number as a float64.
func (v Value) number() float64 {
	if v.isFloat() {
		return math.Float64frombits(v.bits)
	}
	return float64(int64(v.bits))
}
