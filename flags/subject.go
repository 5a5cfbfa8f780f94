package flags

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"unique"

	"github.com/lumelle/adminkit/flags/targeting"
)

// The standard attributes of a subject. Each is a string.
const (
	// AttrTargetingKey is the key of the subject itself.
	AttrTargetingKey = "targetingKey"
	AttrTenant       = "tenant"
	AttrActor        = "actor"
	AttrRole         = "role"
	AttrPlan         = "plan"
	AttrRisk         = "risk"
	AttrMerchant     = "merchantId"
	AttrStore        = "storeId"
	AttrEnvironment  = "environment"
)

// A Subject is who or what a flag is evaluated for. Evaluations only read it: once it
// was handed out it must not be changed.
type Subject struct {
	// Tenant owns the flags that are read.
	Tenant string
	// Key is the targeting key: a stable id of the subject.
	Key string
	// Attributes are what rules may ask for beside Tenant and Key.
	Attributes targeting.Attributes

	// list has the attributes again, for the subject that made it: a copy of that may
	// have been given others.
	list  []attribute
	owner *Subject
}

// An attribute is one of a list.
type attribute struct {
	name  string
	value targeting.Value
}

// maxListed is how many attributes are found sooner one by one than in a map.
const maxListed = 16

// NewSubject returns a subject for which many flags are read, such as that of a request:
// up to 16 attributes are laid out so that they are found sooner than in their map. They
// are kept, and must not be changed any more. A copy of the subject, which may be given
// other attributes, has lost the layout and answers from the map.
func NewSubject(tenant, key string, attributes targeting.Attributes) *Subject {
	s := &Subject{Tenant: tenant, Key: key, Attributes: attributes}
	if len(attributes) > maxListed {
		return s
	}
	s.owner, s.list = s, make([]attribute, 0, len(attributes))
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		// Definitions share one copy of each name: of the same copy, equality is told by
		// the address.
		s.list = append(s.list, attribute{unique.Make(name).Value(), attributes[name]})
	}
	return s
}

// Attribute implements [targeting.Subject].
func (s *Subject) Attribute(path string) (targeting.Value, bool) {
	if s.owner == s {
		for i := range s.list {
			if a := &s.list[i]; a.name == path {
				return a.value, true
			}
		}
	} else if v, ok := s.Attributes[path]; ok {
		return v, true
	}
	switch path {
	case AttrTargetingKey:
		return targeting.String(s.Key), s.Key != ""
	case AttrTenant:
		return targeting.String(s.Tenant), s.Tenant != ""
	}
	return targeting.Value{}, false
}

// identified reports whether s says who it is: by its key, or else by what a split goes
// by first, the merchant.
func (s *Subject) identified() bool { return s.Key != "" || s.keyed() }

// keyed reports whether an attribute says who s is.
func (s *Subject) keyed() bool {
	for _, name := range [...]string{AttrTargetingKey, AttrMerchant} {
		if v, ok := s.Attributes[name]; ok && !v.IsZero() {
			return true
		}
	}
	return false
}

// ReadSubject returns the subject of an evaluation context as OpenFeature and OFREP
// carry it: attributes by name, with the targeting key and the tenant among them. The
// values are those of targeting.Of, such as decoded JSON, and are kept, not copied. The
// error is an [*Error] with [CodeInvalidContext] that names the attribute.
func ReadSubject(attributes map[string]any) (*Subject, error) {
	s := &Subject{Attributes: make(targeting.Attributes, len(attributes))}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		v, err := targeting.Of(attributes[name])
		if err != nil {
			return nil, &Error{CodeInvalidContext, "the attribute " + strconv.Quote(name) + " is of a type that no attribute has"}
		}
		switch name {
		case AttrTargetingKey, AttrTenant:
			text, ok := v.AsString()
			if !ok && !v.IsZero() {
				return nil, &Error{CodeInvalidContext, "the attribute " + strconv.Quote(name) + " must be a text"}
			}
			if name == AttrTenant {
				s.Tenant = text
			} else {
				s.Key = text
			}
		default:
			s.Attributes[name] = v
		}
	}
	return s, nil
}

// subjectKey is the key of the subject among the values of a ctx.
type subjectKey struct{}

// A subjectContext carries a subject. It is a type of its own so that a read under the
// very ctx of WithSubject finds the subject without asking for a value.
type subjectContext struct {
	context.Context
	subject *Subject
}

// Value implements context.Context.
func (c *subjectContext) Value(key any) any {
	if key == (subjectKey{}) {
		return c.subject
	}
	return c.Context.Value(key)
}

// WithSubject returns a ctx in which flags are read for s: where the code that reads
// a flag should not have to know for whom.
func WithSubject(ctx context.Context, s *Subject) context.Context {
	return &subjectContext{ctx, s}
}

// SubjectFrom returns the subject that ctx carries, nil where it carries none.
func SubjectFrom(ctx context.Context) *Subject {
	if c, ok := ctx.(*subjectContext); ok {
		return c.subject
	}
	s, _ := ctx.Value(subjectKey{}).(*Subject)
	return s
}
