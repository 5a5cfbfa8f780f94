package flags

import (
	"context"

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
}

// Attribute implements [targeting.Subject].
func (s *Subject) Attribute(path string) (targeting.Value, bool) {
	v, ok := s.Attributes[path]
	if ok {
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
func (s *Subject) identified() bool {
	if s.Key != "" {
		return true
	}
	for _, name := range [...]string{AttrTargetingKey, AttrMerchant} {
		if v, ok := s.Attributes[name]; ok && !v.IsZero() {
			return true
		}
	}
	return false
}

type subjectKey struct{}

// WithSubject returns a ctx in which flags are read for s: where the code that reads
// a flag should not have to know for whom.
func WithSubject(ctx context.Context, s *Subject) context.Context {
	return context.WithValue(ctx, subjectKey{}, s)
}

// SubjectFrom returns the subject that ctx carries, nil where it carries none.
func SubjectFrom(ctx context.Context) *Subject {
	s, _ := ctx.Value(subjectKey{}).(*Subject)
	return s
}
