package flags_test

import (
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
