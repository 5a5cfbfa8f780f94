package targeting

// DefaultKeys returns the attributes that a subject is known by where a definition does
// not say: merchantId, else the targeting key of OpenFeature.
func DefaultKeys() []string { return []string{"merchantId", "targetingKey"} }

// An Audience is a set of subjects, defined once and referred to by key from
// conditions everywhere: {"audience": "vip"}.
//
// Whoever is excluded is no member, whoever is included is one, of everybody else those
// for whom When holds.
type Audience struct {
	// Key names the audience in its library.
	Key string `json:"key"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// By are the attributes that Include and Exclude list values of: the first that is
	// there counts. [DefaultKeys] when empty.
	By []string `json:"by,omitempty"`
	// Include and Exclude list keys of subjects, at most [MaxMembers] together and none
	// in both. A key is a text; an integer attribute is compared as its decimal text.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	// When decides about those whom no list names; nobody else is a member without it.
	When *Condition `json:"when,omitempty"`
}

// ParseAudience reads an audience from JSON, at most [MaxAudienceBytes] long, as
// strictly as [ParseCondition]. The error is an *[InvalidError].
func ParseAudience(data []byte) (Audience, error) {
	var a Audience
	err := a.UnmarshalJSON(data)
	return a, err
}

// UnmarshalJSON reads an audience as [ParseAudience] does.
func (a *Audience) UnmarshalJSON(data []byte) error {
	r, err := newReader(data, MaxAudienceBytes)
	if err != nil {
		return err
	}
	var read Audience
	ok := r.object("", func(key, pointer string) bool {
		switch key {
		case "key":
			return r.text(&read.Key, pointer)
		case "description":
			return r.text(&read.Description, pointer)
		case "by":
			return r.texts(&read.By, pointer, MaxBy)
		case "include":
			return r.texts(&read.Include, pointer, MaxMembers)
		case "exclude":
			return r.texts(&read.Exclude, pointer, MaxMembers)
		case "when":
			read.When = new(Condition)
			return r.condition(read.When, pointer, 1)
		}
		return r.fail(pointer, "is not a known key")
	})
	if ok {
		r.end()
	}
	if err := r.err(); err != nil {
		return err
	}
	*a = read
	return nil
}
