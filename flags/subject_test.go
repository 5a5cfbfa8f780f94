package flags_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

func TestAContextIsReadAsASubject(t *testing.T) {
	t.Parallel()
	s, err := flags.ReadSubject(map[string]any{
		"targetingKey": "m-1", "tenant": "acme", "plan": "pro", "orders": 12.0, "beta": true, "tags": []any{"a"}, "none": nil,
	})
	if err != nil || s.Key != "m-1" || s.Tenant != "acme" {
		t.Fatalf("got %+v, %v", s, err)
	}
	for name, want := range map[string]targeting.Value{
		"plan": targeting.String("pro"), "orders": targeting.Int(12), "beta": targeting.Bool(true),
		"tags": targeting.List(targeting.String("a")), "targetingKey": targeting.String("m-1"), "tenant": targeting.String("acme"),
	} {
		if got, ok := s.Attribute(name); !ok || !got.Equal(want) {
			t.Errorf("%s is %v", name, got)
		}
	}
	if s, err := flags.ReadSubject(nil); err != nil || s.Key != "" || s.Tenant != "" {
		t.Errorf("an empty context is %+v, %v", s, err)
	}
}

func TestAContextOfAnotherFormIsRefusedByName(t *testing.T) {
	t.Parallel()
	for name, context := range map[string]map[string]any{
		"targetingKey": {"targetingKey": 7.0}, "tenant": {"tenant": true}, "cart": {"cart": struct{}{}},
	} {
		_, err := flags.ReadSubject(context)
		bad, ok := errors.AsType[*flags.Error](err)
		if !ok || bad.Code != flags.CodeInvalidContext || !strings.Contains(bad.Message, name) {
			t.Errorf("a context with %v got %v", context, err)
		}
	}
}

// A subject with a layout answers as one without, and a copy answers for itself.
func TestALayoutOfAttributesChangesNoAnswer(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 4, 16, 17, 100} {
		attributes := targeting.Attributes{}
		for i := range size {
			attributes[fmt.Sprint("a", i)] = targeting.Int(int64(i))
		}
		if size > 3 {
			attributes["a1"], attributes["tenant"] = targeting.Value{}, targeting.String("other")
		}
		plain := &flags.Subject{Tenant: "acme", Key: "m-1", Attributes: attributes}
		laid := flags.NewSubject("acme", "m-1", attributes)
		changed := *laid
		changed.Attributes = targeting.Attributes{"a0": targeting.String("mine")}
		for _, path := range append(slices.Collect(maps.Keys(attributes)), "tenant", "targetingKey", "nothing", "") {
			want, there := plain.Attribute(path)
			if got, ok := laid.Attribute(path); ok != there || !got.Equal(want) {
				t.Errorf("%q of %d attributes is %v, %t, want %v, %t", path, size, got, ok, want, there)
			}
		}
		if got, _ := changed.Attribute("a0"); !got.Equal(targeting.String("mine")) {
			t.Errorf("a copy with other attributes has %v", got)
		}
		if got, ok := changed.Attribute("a2"); ok {
			t.Errorf("a copy with other attributes has %v, which it was not given", got)
		}
	}
}

func TestAContextCarriesASubjectBesideAllElse(t *testing.T) {
	t.Parallel()
	type name struct{}
	first, second := &flags.Subject{Key: "m-1"}, &flags.Subject{Key: "m-2"}
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), name{}, "outer"))
	outer := flags.WithSubject(parent, first)
	behind := context.WithValue(outer, name{}, "inner")
	inner, end := context.WithCancel(flags.WithSubject(behind, second))
	defer end()
	for what, c := range map[string]struct {
		ctx   context.Context
		want  *flags.Subject
		value any
	}{
		"no subject":                   {parent, nil, "outer"},
		"a subject":                    {outer, first, "outer"},
		"a value behind a subject":     {behind, first, "inner"},
		"a subject behind another":     {inner, second, "inner"},
		"a subject that is taken back": {flags.WithSubject(inner, nil), nil, "inner"},
	} {
		if got := flags.SubjectFrom(c.ctx); got != c.want {
			t.Errorf("%s: the subject is %v, want %v", what, got, c.want)
		}
		if got := c.ctx.Value(name{}); got != c.value {
			t.Errorf("%s: the value is %v, want %v", what, got, c.value)
		}
	}
	over := errors.New("over")
	cancel(over)
	if <-inner.Done(); !errors.Is(context.Cause(inner), over) {
		t.Errorf("the cause is %v", context.Cause(inner))
	}
}
