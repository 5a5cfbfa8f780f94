package flags_test

import (
	"errors"
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
