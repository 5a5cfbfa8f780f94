package flags_test

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// A fixed provider answers one evaluation for every key, and panics with a text.
type fixed struct {
	answer flags.Evaluation
	panic  string
	asked  []*flags.Subject
}

func (f *fixed) Evaluate(_ context.Context, _ string, s *flags.Subject) flags.Evaluation {
	f.asked = append(f.asked, s)
	if f.panic != "" {
		panic(f.panic)
	}
	return f.answer
}

func clientOf(t testing.TB, p flags.FlagProvider) *flags.Client {
	t.Helper()
	c, err := flags.NewClient(p)
	must(t, err)
	return c
}

// TestTypedReads reads each kind of value with each getter.
func TestTypedReads(t *testing.T) {
	t.Parallel()
	const mismatch = "default ERROR TYPE_MISMATCH"
	object := map[string]any{"a": []any{1.0}}
	value := func(v any) targeting.Value {
		got, err := targeting.Of(v)
		must(t, err)
		return got
	}
	for _, c := range []struct {
		name                         string
		value                        targeting.Value
		asBool, asString, asF, asInt string
		asJSON                       any
	}{
		{"true", value(true), "true on STATIC", mismatch, mismatch, mismatch, true},
		{"a text", value("x"), mismatch, "x on STATIC", mismatch, mismatch, "x"},
		{"an integer", value(3.0), mismatch, mismatch, "3 on STATIC", "3 on STATIC", 3.0},
		{"a fraction", value(0.5), mismatch, mismatch, "0.5 on STATIC", mismatch, 0.5},
		{"a number beyond 64 bits", value(1e300), mismatch, mismatch, "1e+300 on STATIC", mismatch, 1e300},
		{"an object", value(object), mismatch, mismatch, mismatch, mismatch, object},
		{"a list", value([]any{"a", nil}), mismatch, mismatch, mismatch, mismatch, []any{"a", nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := clientOf(t, &fixed{answer: flags.Evaluation{Value: c.value, Variant: "on", Reason: flags.ReasonStatic}})
			ctx, s := t.Context(), &flags.Subject{}
			b := client.BoolDetails(ctx, "k", false, s)
			if got := show(b, b.Value == false); got != c.asBool {
				t.Errorf("as bool: got %q, want %q", got, c.asBool)
			}
			str := client.StringDetails(ctx, "k", "fallback", s)
			if got := show(str, str.Value == "fallback"); got != c.asString {
				t.Errorf("as string: got %q, want %q", got, c.asString)
			}
			f := client.FloatDetails(ctx, "k", -1, s)
			if got := show(f, f.Value == -1); got != c.asF {
				t.Errorf("as float: got %q, want %q", got, c.asF)
			}
			i := client.IntDetails(ctx, "k", -1, s)
			if got := show(i, i.Value == -1); got != c.asInt {
				t.Errorf("as int: got %q, want %q", got, c.asInt)
			}
			if got := client.JSON(ctx, "k", nil, s); !reflect.DeepEqual(got, c.asJSON) {
				t.Errorf("as JSON: got %#v, want %#v", got, c.asJSON)
			}
		})
	}
}

func show[T any](d flags.Details[T], isDefault bool) string {
	value := fmt.Sprint(d.Value)
	if isDefault {
		value = "default"
	}
	parts := []string{value}
	if d.Variant != "" {
		parts = append(parts, d.Variant)
	}
	parts = append(parts, string(d.Reason))
	if d.Err != nil {
		parts = append(parts, string(d.Err.Code))
	}
	return strings.Join(parts, " ")
}

func TestAReadAlwaysHasAValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		provider *fixed
		want     string
	}{
		{"no value is configured", &fixed{answer: flags.Evaluation{Reason: flags.ReasonDisabled}}, "default DISABLED"},
		{"an error", &fixed{answer: flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: flags.CodeFlagNotFound}}}, "default ERROR FLAG_NOT_FOUND"},
		{"an error beside a value", &fixed{answer: flags.Evaluation{Value: targeting.Int(1), Variant: "v", Reason: flags.ReasonStatic, Err: &flags.Error{Code: flags.CodeParseError}}}, "default ERROR PARSE_ERROR"},
		{"a variant without a value", &fixed{answer: flags.Evaluation{Variant: "v", Reason: flags.ReasonStatic}}, "default ERROR TYPE_MISMATCH"},
		{"a panic", &fixed{panic: "out of cheese"}, "default ERROR GENERAL"},
	} {
		d := clientOf(t, c.provider).IntDetails(t.Context(), "k", 7, nil)
		if got := show(d, d.Value == 7); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAReadIsForTheSubjectOfCtx(t *testing.T) {
	t.Parallel()
	p := &fixed{}
	client := clientOf(t, p)
	given, carried := &flags.Subject{Key: "given"}, &flags.Subject{Key: "carried"}
	ctx := flags.WithSubject(t.Context(), carried)
	client.Bool(ctx, "k", false, given)
	client.Bool(ctx, "k", false, nil)
	client.Bool(t.Context(), "k", false, nil)
	if p.asked[0] != given || p.asked[1] != carried || p.asked[2] == nil || p.asked[2].Key != "" {
		t.Errorf("asked for %v", p.asked)
	}
}

func TestAReaderOfJSONChangesItForNobodyElse(t *testing.T) {
	t.Parallel()
	doc := map[string]any{"limits": []any{map[string]any{"max": 1.0}}}
	value, err := targeting.Of(doc)
	must(t, err)
	client := clientOf(t, &fixed{answer: flags.Evaluation{Value: value, Variant: "v"}})
	got := client.JSON(t.Context(), "k", nil, nil).(map[string]any)
	got["limits"].([]any)[0].(map[string]any)["max"] = math.Pi
	got["more"] = true
	if !reflect.DeepEqual(doc, map[string]any{"limits": []any{map[string]any{"max": 1.0}}}) {
		t.Errorf("the value of the flag became %v", doc)
	}
}

func TestHandlesReadTheirFlag(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	answer := func(v targeting.Value) *flags.Client {
		return clientOf(t, &fixed{answer: flags.Evaluation{Value: v, Variant: "v", Reason: flags.ReasonStatic}})
	}
	if h := flags.NewBool(answer(targeting.Bool(true)), "a", false); !h.Get(ctx, nil) || h.Key() != "a" {
		t.Error("bool")
	}
	if got := flags.NewString(answer(targeting.String("x")), "a", "").Get(ctx, nil); got != "x" {
		t.Errorf("string: %q", got)
	}
	if got := flags.NewInt(answer(targeting.Int(3)), "a", 0).Get(ctx, nil); got != 3 {
		t.Errorf("int: %d", got)
	}
	if got := flags.NewFloat(answer(targeting.Int(3)), "a", 0).Details(ctx, nil); got.Value != 3 || got.Variant != "v" {
		t.Errorf("float: %+v", got)
	}
	if got := flags.NewJSON(answer(targeting.String("x")), "a", nil).Get(ctx, nil); got != "x" {
		t.Errorf("json: %v", got)
	}
	if got := flags.NewBool(answer(targeting.String("x")), "a", true).Details(ctx, nil); !got.Value || got.Err.Code != flags.CodeTypeMismatch {
		t.Errorf("the wrong type: %+v", got)
	}
}

func TestAClientNeedsAProvider(t *testing.T) {
	t.Parallel()
	if c, err := flags.NewClient(nil); err == nil || c != nil {
		t.Errorf("got %v, %v", c, err)
	}
}
