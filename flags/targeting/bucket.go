package targeting

import (
	"math"
	"strconv"
)

// A Bucket is a share of the subjects, from one percentage up to another: of those with
// the same salt, the same are always first. A ramp raises To and only adds members, and
// two stretches that touch share none.
type Bucket struct {
	// By are the attributes that may be the key, as in [Split]. [DefaultKeys] when empty.
	By []string `json:"by,omitempty"`
	// Salt makes buckets and splits independent of each other. It is required.
	Salt string `json:"salt"`
	// Scheme is [X1] when empty, or [Unleash], whose percentages are whole.
	Scheme Scheme `json:"scheme,omitempty"`
	// From and To are percentages from 0 to 100: From is in, To is not.
	From float64 `json:"from,omitzero"`
	To   float64 `json:"to"`
}

func (r *reader) bucket(into **Bucket, pointer string) bool {
	var b Bucket
	ok := r.object(pointer, func(key, pointer string) bool {
		switch key {
		case "by":
			return r.texts(&b.By, pointer, MaxBy)
		case "salt":
			return r.text(&b.Salt, pointer)
		case "scheme":
			return r.text((*string)(&b.Scheme), pointer)
		case "from":
			return r.weight(&b.From, pointer)
		case "to":
			return r.weight(&b.To, pointer)
		}
		return r.fail(pointer, "is not a known key")
	})
	*into = &b
	return ok
}

// A bucket is a Bucket, compiled.
type bucket struct {
	dealer
	from, to uint64
}

func (c *compiler) bucket(n *node, given Bucket, pointer string) {
	n.form = formBucket
	b := &bucket{dealer: dealer{scheme: given.Scheme, by: checkBy(given.By, pointer+"/by", c.opts, c.complaints)}}
	n.bucket = b
	c.reads.Paths = append(c.reads.Paths, b.by...)
	c.reads.Buckets = true
	if message := checkKey(given.Salt); message != "" {
		c.add(pointer+"/salt", message)
		return
	}
	switch given.Scheme {
	case "", X1:
		b.x1(given.Salt)
	case Unleash:
		b.unleash(given.Salt, 100)
	default:
		c.add(pointer+"/scheme", "must be x1 or unleash")
		return
	}
	b.from, b.to = c.percent(given.From, b.slots, pointer+"/from"), c.percent(given.To, b.slots, pointer+"/to")
	if given.From > given.To {
		c.add(pointer+"/from", "must not be above to")
	}
}

// percent returns how many slots a percentage is.
func (c *compiler) percent(p float64, slots uint64, pointer string) uint64 {
	switch {
	case !(p >= 0 && p <= 100):
		c.add(pointer, "must be a percentage from 0 to 100")
		return 0
	case slots == 100 && p != math.Trunc(p):
		c.add(pointer, "must be whole percent in this scheme")
		return 0
	}
	return uint64(math.Floor(p/100*float64(slots) + 0.5))
}

// inBucket reports whether the key of s lies in the bucket. A subject without a key is in
// none.
func (n *node) inBucket(s Subject, t *Trace, within string) bool {
	b := n.bucket
	slot, by, ok := b.deal(s)
	holds := ok && slot >= b.from && slot < b.to
	if t != nil {
		step := Step{Pointer: n.pointer, Within: within, Holds: holds, Bucket: &BucketStep{By: by, Slot: slot, Slots: b.slots, From: b.from, To: b.to}}
		if !ok {
			step.Reason = ReasonMissing
		}
		t.Steps = append(t.Steps, step)
	}
	return holds
}

// A BucketStep tells how a [Bucket] was asked.
type BucketStep struct {
	// By is the attribute that was the key, empty where the subject had none.
	By string `json:"by,omitempty"`
	// Slot is where the key fell, of Slots in all.
	Slot  uint64 `json:"slot"`
	Slots uint64 `json:"slots"`
	// From is the first slot of the bucket, To the one behind its last.
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// String returns the bucket and where the subject fell. It does not quote the key.
func (b BucketStep) String() string {
	wants := "bucket " + strconv.FormatUint(b.From, 10) + " to " + strconv.FormatUint(b.To, 10) +
		" of " + strconv.FormatUint(b.Slots, 10)
	if b.By == "" {
		return wants
	}
	return wants + ", " + b.By + " is in slot " + strconv.FormatUint(b.Slot, 10)
}
