package flags

import (
	"maps"

	"github.com/lumelle/adminkit/flags/targeting"
)

// Attributes declares what rules may ask for, by name with the kind of the value, of a
// list that of its elements. targeting.KindNone stands for any kind. The standard
// attributes of a [Subject] are texts and always declared; naming one here changes its
// kind. Nil declares everything.
type Attributes map[string]targeting.Kind

// StandardAttributes returns the attributes that every environment has: those with an
// Attr constant.
func StandardAttributes() Attributes {
	all := Attributes{}
	for _, name := range [...]string{AttrTargetingKey, AttrTenant, AttrActor, AttrRole, AttrPlan, AttrRisk, AttrMerchant, AttrStore, AttrEnvironment} {
		all[name] = targeting.KindString
	}
	return all
}

// complete returns the declaration with the standard attributes, nil for nil.
func (a Attributes) complete() Attributes {
	if a == nil {
		return nil
	}
	all := StandardAttributes()
	maps.Copy(all, a)
	return all
}

// Has reports whether rules may ask for an attribute. Those that a split goes by where
// it does not say, targeting.DefaultKeys, are standard.
func (a Attributes) Has(name string) bool {
	if a == nil {
		return true
	}
	_, ok := a[name]
	return ok
}
