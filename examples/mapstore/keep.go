package mapstore

import (
	"reflect"
	"time"

	"github.com/lumelle/adminkit/approvals"
)

// micro cuts a time to what is kept: microseconds, in UTC. The zero time stays it.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// keep returns a deep copy of v as the kit's stores keep it: what slices, maps and pointers
// lead to is copied, nothing is nil where it was empty, and times are cut by micro.
func keep[V any](v V) V {
	copied := reflect.New(reflect.TypeFor[V]()).Elem()
	copied.Set(reflect.ValueOf(&v).Elem())
	keepIn(copied)
	return copied.Interface().(V)
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
)

// keepIn does to v, which can be set, what keep does.
func keepIn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(micro(v.Interface().(time.Time))))
			return
		}
		policy, _ := v.Addr().Interface().(*approvals.Policy)
		chosen := policy != nil && policy.CommentRequired != nil
		for _, field := range v.Fields() {
			if field.CanSet() { // others are their package's own, which hands out no way to change them
				keepIn(field)
			}
		}
		if chosen && len(policy.CommentRequired) == 0 {
			policy.CommentRequired = []approvals.Trigger{} // here an empty list is a choice
		}
	case reflect.Int64:
		if v.Type() == durationType {
			v.SetInt(v.Int() - v.Int()%int64(time.Microsecond))
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		to := reflect.New(v.Type().Elem())
		to.Elem().Set(v.Elem())
		keepIn(to.Elem())
		v.Set(to)
	case reflect.Slice:
		if v.Len() == 0 {
			v.SetZero()
			return
		}
		to := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(to, v)
		for i := range to.Len() {
			if to.Type().Elem().Kind() == reflect.Uint8 {
				break // bytes are copied by now
			}
			keepIn(to.Index(i))
		}
		v.Set(to)
	case reflect.Array:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			for i := range v.Len() {
				keepIn(v.Index(i))
			}
		}
	case reflect.Map:
		if v.Len() == 0 {
			v.SetZero()
			return
		}
		to := reflect.MakeMapWithSize(v.Type(), v.Len())
		for k, elem := range v.Seq2() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(elem)
			keepIn(value)
			to.SetMapIndex(k, value)
		}
		v.Set(to)
	}
}
