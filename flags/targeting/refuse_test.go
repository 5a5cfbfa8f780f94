package targeting_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/flags/targeting"
)

// field returns the first place that err names.
func field(t testing.TB, err error) targeting.FieldError {
	t.Helper()
	var invalid *targeting.InvalidError
	if !errors.As(err, &invalid) || !errors.Is(err, targeting.ErrInvalid) || len(invalid.Fields) == 0 {
		t.Fatalf("got %v, want an InvalidError", err)
	}
	return invalid.Fields[0]
}

func TestWhatIsNotAConditionIsRefusedWhereItIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, pointer, message string }{
		{"nothing", ``, "", "must be JSON"},
		{"a text", `"a"`, "", "must be an object"},
		{"null", `null`, "", "must be an object"},
		{"half of an object", `{"all":`, "/all", "must be JSON"},
		{"two documents", `{"audience":"a"} {}`, "", "must be one JSON document"},
		{"an unknown key", `{"all":[{"pth":"a"}]}`, "/all/0/pth", "is not a known key"},
		{"a key in other case", `{"All":[]}`, "/All", "is not a known key"},
		{"a key that stands twice", `{"any":[{"path":"a","path":"b"}]}`, "/any/0/path", "is given twice"},
		{"a key that needs escaping", `{"a/b~c":1}`, "/a~1b~0c", "is not a known key"},
		{"a group that is no list", `{"none":{}}`, "/none", "must be a list"},
		{"a member that is no object", `{"none":[[]]}`, "/none/0", "must be an object"},
		{"a path that is no text", `{"path":1}`, "/path", "must be a text"},
		{"an operator that is no text", `{"op":null}`, "/op", "must be a text"},
		{"a fold that is no truth value", `{"fold_case":"yes"}`, "/fold_case", "must be true or false"},
		{"a value that is null", `{"value":null}`, "/value", "must not be null: exists asks whether an attribute is there"},
		{"a value that is an object", `{"value":{}}`, "/value", "must be a truth value, a number, a text, or one list of these"},
		{"a list in a list", `{"value":[[1]]}`, "/value/0", "must be a truth value, a number, a text, or one list of these"},
		{"a number beyond all", `{"value":1e999}`, "/value", "is a number beyond what 64 bits hold"},
		{"half of a surrogate pair", `{"value":"\ud800"}`, "/value", "must be text in UTF-8"},
		{"bytes that are no text", "{\"value\":\"\xff\"}", "/value", "must be text in UTF-8"},
		{"a text beyond the limit", `{"value":"` + strings.Repeat("a", targeting.MaxText+1) + `"}`, "/value", "must be at most 1024 bytes long"},
		{"a key beyond the limit", `{"` + strings.Repeat("a", targeting.MaxText+1) + `":1}`, "", "has a key that is too long or no text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := targeting.ParseCondition([]byte(c.text))
			if got := field(t, err); got.Pointer != c.pointer || got.Message != c.message {
				t.Errorf("%q %q, want %q %q", got.Pointer, got.Message, c.pointer, c.message)
			}
		})
	}
}

func TestWhatMeansNothingIsRefusedWhereItIs(t *testing.T) {
	t.Parallel()
	declared := map[string]targeting.Kind{"country": targeting.KindString, "age": targeting.KindNumber, "since": targeting.KindTime, "any": targeting.KindNone}
	const oneForm = "must be exactly one of all, any, none, audience, bucket, and a clause with path and op"
	for _, c := range []struct{ name, text, pointer, message string }{
		{"an empty group", `{"all":[]}`, "/all", "must have at least one member"},
		{"an empty member", `{"all":[{}]}`, "/all/0", oneForm},
		{"two groups in one node", `{"all":[{"audience":"vip"}],"any":[{"audience":"vip"}]}`, "", oneForm},
		{"a clause and an audience in one node", `{"none":[{"path":"country","op":"eq","value":"GB","audience":"vip"}]}`, "/none/0", oneForm},
		{"a group with a value", `{"all":[{"audience":"vip"}],"value":1}`, "", oneForm},
		{"a value alone", `{"value":1}`, "/path", "must name an attribute"},
		{"no operator", `{"path":"country"}`, "/op", "is not a known operator"},
		{"an unknown operator", `{"path":"country","op":"is","value":"GB"}`, "/op", "is not a known operator"},
		{"an operator in other case", `{"path":"country","op":"EQ","value":"GB"}`, "/op", "is not a known operator"},
		{"no path", `{"op":"eq","value":1}`, "/path", "must name an attribute"},
		{"a path beyond the limit", `{"path":"` + strings.Repeat("a", 257) + `","op":"exists"}`, "/path", "must be at most 256 bytes long"},
		{"a path with a line break", `{"path":"a\nb","op":"exists"}`, "/path", "must be printable text"},
		{"a pointer with a bare tilde", `{"path":"/a~b","op":"exists"}`, "/path", "begins with / and must be a JSON pointer: ~ is written ~0"},
		{"a path that may not be read", `{"any":[{"path":"shoeSize","op":"eq","value":43}]}`, "/any/0/path", "is not an attribute that may be read here"},
		{"an unknown audience", `{"any":[{"audience":"vop"}]}`, "/any/0/audience", "is not a known audience"},
		{"an answer for missing that is none", `{"path":"country","op":"eq","value":"GB","on_missing":"error"}`, "/on_missing", "must be match or no_match"},
		{"an answer for missing beside exists", `{"path":"country","op":"exists","on_missing":"match"}`, "/on_missing", "means nothing beside exists"},
		{"exists of a text", `{"path":"country","op":"exists","value":"yes"}`, "/value", "must be true, false or left out"},
		{"equality without a value", `{"path":"country","op":"eq"}`, "/value", "must be a truth value, a number or a text"},
		{"equality with a list", `{"path":"country","op":"eq","value":["GB"]}`, "/value", "must be a truth value, a number or a text"},
		{"membership in a text", `{"path":"country","op":"in","value":"GB"}`, "/value", "must be a list"},
		{"membership in nothing", `{"path":"country","op":"in","value":[]}`, "/value", "must have at least one value"},
		{"membership in two kinds", `{"path":"country","op":"in","value":["GB",1]}`, "/value/1", "must be of the kind of the values before it, string"},
		{"membership with null", `{"path":"country","op":"in","value":[null]}`, "/value/0", "must be a truth value, a number, a text or a time"},
		{"a text as a number", `{"path":"age","op":"gte","value":"18"}`, "/value", "must be a number"},
		{"an order of texts", `{"path":"any","op":"lt","value":"a"}`, "/value", "must be a number"},
		{"a number as a part", `{"path":"country","op":"contains","value":1}`, "/value", "must be a text or a list of texts"},
		{"a bad expression", `{"path":"country","op":"matches","value":"("}`, "/value", "must be a regular expression (RE2)"},
		{"an expression with a back reference", `{"path":"country","op":"matches","value":"(a)\\1"}`, "/value", "must be a regular expression (RE2)"},
		{"an expression that explodes", `{"path":"country","op":"matches","value":"((a{100}){100})"}`, "/value", "must be a regular expression (RE2)"},
		{"an expression that grows", `{"path":"country","op":"matches","value":"(\\pL{1,10}){1,9}"}`, "/value", "is an expression that grows too large"},
		{"an expression beyond the limit", `{"path":"country","op":"matches","value":"` + strings.Repeat("a", 513) + `"}`, "/value", "must be at most 512 bytes long"},
		{"a day as an instant", `{"path":"since","op":"after","value":"2026-03-01"}`, "/value", "must be an RFC 3339 time or Unix seconds"},
		{"a version with a v", `{"path":"country","op":"semver_lt","value":"v1.2.3"}`, "/value", "must be a version such as 1.2.3 or 2.0.0-rc.1 (semver.org)"},
		{"a version as a number", `{"path":"country","op":"semver_lt","value":1}`, "/value", "must be a version such as 1.2.3 or 2.0.0-rc.1 (semver.org)"},
		{"a bad prefix", `{"path":"country","op":"in_cidr","value":"192.0.2.0/33"}`, "/value", "must be a prefix such as 192.0.2.0/24, or an address"},
		{"an address with a zone", `{"path":"country","op":"in_cidr","value":"fe80::1%eth0"}`, "/value", "must be a prefix such as 192.0.2.0/24, or an address"},
		{"an IPv4 prefix written as IPv6", `{"path":"country","op":"in_cidr","value":"::ffff:192.0.2.0/120"}`, "/value", "must be written as IPv4"},
		{"numbers without case", `{"path":"age","op":"eq","value":1,"fold_case":true}`, "/fold_case", "is for comparisons of texts"},
		{"an order without case", `{"path":"age","op":"lt","value":1,"fold_case":true}`, "/fold_case", "is for comparisons of texts"},
		{"an operator for another kind", `{"path":"age","op":"contains","value":"1"}`, "/op", "does not read the attribute, which is declared as number"},
		{"a value of another kind", `{"path":"age","op":"eq","value":"1"}`, "/op", "does not read the attribute, which is declared as number"},
		{"values of another kind", `{"path":"age","op":"in","value":["1"]}`, "/op", "does not read the attribute, which is declared as number"},
		{"equality of times", `{"path":"since","op":"eq","value":"2026-03-01T00:00:00Z"}`, "/op", "does not read the attribute, which is declared as time"},
		{"too many alternatives", `{"path":"country","op":"contains","value":[` + strings.Repeat(`"a",`, 64) + `"a"]}`, "/value", "must have at most 64 texts"},
		{"too many texts without case", `{"path":"country","op":"in","fold_case":true,"value":[` + strings.Repeat(`"a",`, 64) + `"a"]}`, "/value", "must have at most 64 texts where case does not count"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			condition, err := targeting.ParseCondition([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			library, err := targeting.NewLibrary([]targeting.Audience{{Key: "vip"}}, targeting.Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = targeting.Compile(condition, targeting.Options{Paths: declared, Audiences: library})
			if got := field(t, err); got.Pointer != c.pointer || got.Message != c.message {
				t.Errorf("%q %q, want %q %q", got.Pointer, got.Message, c.pointer, c.message)
			}
		})
	}
}

func TestEverythingThatIsWrongIsNamedUpToALimit(t *testing.T) {
	t.Parallel()
	bad := targeting.Condition{Path: "a", Op: "?"}
	members := make([]targeting.Condition, targeting.MaxErrors+5)
	for i := range members {
		members[i] = bad
	}
	_, err := targeting.Compile(targeting.Condition{All: members}, targeting.Options{})
	var invalid *targeting.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Fields) != targeting.MaxErrors {
		t.Fatalf("got %v", err)
	}
	for i, f := range invalid.Fields {
		if f.Pointer != fmt.Sprintf("/all/%d/op", i) {
			t.Errorf("the error %d is at %s", i, f.Pointer)
		}
	}
}

// The unit of a deployment is always an attribute.
func TestTheDefaultKeysMayAlwaysBeRead(t *testing.T) {
	t.Parallel()
	for _, path := range targeting.DefaultKeys() {
		matcher(t, targeting.Condition{Path: path, Op: targeting.Equal, Value: text("m")}, targeting.Options{Paths: map[string]targeting.Kind{}})
	}
}

// nest wraps a clause in n groups.
func nest(n int) targeting.Condition {
	c := targeting.Condition{Path: "a", Op: targeting.Exists}
	for range n {
		c = targeting.Condition{All: []targeting.Condition{c}}
	}
	return c
}

// hostile are definitions whose author means harm: each is refused, with its place.
func hostile() []struct {
	name, pointer string
	define        func() error
} {
	compile := func(c targeting.Condition) error {
		_, err := targeting.Compile(c, targeting.Options{})
		return err
	}
	parse := func(text string) func() error {
		return func() error {
			c, err := targeting.ParseCondition([]byte(text))
			if err != nil {
				return err
			}
			return compile(c)
		}
	}
	library := func(audiences []targeting.Audience) func() error {
		return func() error {
			_, err := targeting.NewLibrary(audiences, targeting.Options{})
			return err
		}
	}
	refer := func(keys ...string) *targeting.Condition {
		var c targeting.Condition
		for _, key := range keys {
			c.Any = append(c.Any, targeting.Condition{Audience: key})
		}
		return &c
	}
	chain := make([]targeting.Audience, 1000)
	doubling := []targeting.Audience{{Key: "a0", When: refer("a1", "a1")}}
	for i := range chain {
		chain[i] = targeting.Audience{Key: fmt.Sprint("a", i), When: refer(fmt.Sprint("a", i+1))}
	}
	chain[999].When = nil
	backwards := slices.Clone(chain)
	slices.Reverse(backwards)
	for i := 1; i < 8; i++ {
		next := fmt.Sprint("a", i+1)
		doubling = append(doubling, targeting.Audience{Key: fmt.Sprint("a", i), When: refer(next, next, next, next, next, next)})
	}
	doubling[7].When = nil
	wide := make([]targeting.Condition, targeting.MaxNodes)
	for i := range wide {
		wide[i] = targeting.Condition{Path: "a", Op: targeting.Exists}
	}
	classes := make([]targeting.Condition, 9)
	for i := range classes {
		classes[i] = targeting.Condition{Path: "a", Op: targeting.Matches, Value: text(strings.Repeat(`(?i)\pL`, 71))}
	}
	many := make([]targeting.Value, targeting.MaxValues+1)
	for i := range many {
		many[i] = integer(int64(i))
	}
	members := make([]string, targeting.MaxMembers+1)
	for i := range members {
		members[i] = fmt.Sprint("m", i)
	}
	variants, by := make(targeting.Shares, 1_000_000), make([]string, 1_000_000)
	return []struct {
		name, pointer string
		define        func() error
	}{
		{"deep JSON", strings.Repeat("/all/0", targeting.MaxDepth), parse(strings.Repeat(`{"all":[`, 10_000) + strings.Repeat(`]}`, 10_000))},
		{"deep groups", strings.Repeat("/all/0", targeting.MaxDepth), func() error { return compile(nest(1000)) }},
		{"deep lists", "/value/0", parse(`{"path":"a","op":"in","value":` + strings.Repeat("[", 100_000))},
		{"a document beyond the limit", "", parse(`{"path":"` + strings.Repeat("a", targeting.MaxBytes) + `"}`)},
		{"a large document of another kind", "", parse("[" + strings.Repeat("{},", 87_000) + "{}]")},
		{"many blanks", "", parse(strings.Repeat(" ", targeting.MaxBytes-10) + "1")},
		{"wide JSON", "/all/999", parse(`{"all":[` + strings.Repeat(`{"path":"a","op":"exists"},`, 5000) + `{}]}`)},
		{"a wide group", "/all/999", func() error { return compile(targeting.Condition{All: wide}) }},
		{"many keys", "/", parse(`{"` + strings.Repeat(`":1,"`, 50_000) + `":1}`)},
		{"a long list in JSON", "/value/5000", parse(`{"path":"a","op":"in","value":[` + strings.Repeat("1,", 100_000) + `1]}`)},
		{"a long list", "/value", func() error {
			return compile(targeting.Condition{Path: "a", Op: targeting.In, Value: list(many...)})
		}},
		{"a text of a megabyte", "/value", func() error {
			return compile(targeting.Condition{Path: "a", Op: targeting.Equal, Value: text(strings.Repeat("a", 1<<20))})
		}},
		{"a number of many digits", "/value", parse(`{"value":1` + strings.Repeat("0", 100_000) + `}`)},
		{"nested repetitions", "/value", func() error {
			return compile(targeting.Condition{Path: "a", Op: targeting.Matches, Value: text(strings.Repeat("(", 80) + "a" + strings.Repeat("{2}){2}", 60))})
		}},
		{"an expression of a thousand repetitions", "/value", func() error {
			return compile(targeting.Condition{Path: "a", Op: targeting.Matches, Value: text(`(\pL{500}){2}`)})
		}},
		{"large classes", "/any/0/value", func() error { return compile(targeting.Condition{Any: classes}) }},
		{"expressions beyond the limit together", "/any/8/value", func() error {
			long := make([]targeting.Condition, 9)
			for i := range long {
				long[i] = targeting.Condition{Path: "a", Op: targeting.Matches, Value: text(strings.Repeat("a", 512))}
			}
			return compile(targeting.Condition{Any: long})
		}},
		{"an audience of itself", "/0/when/any/0/audience", library([]targeting.Audience{{Key: "a", When: refer("a")}})},
		{"audiences in a circle", "/2/when/any/0/audience", library([]targeting.Audience{
			{Key: "a", When: refer("b")}, {Key: "b", When: refer("c")}, {Key: "c", When: refer("a")}})},
		{"a long chain of audiences", "/7/when/any/0/audience", library(chain)},
		{"a long chain of audiences, the last first", "/8/when/any/0/audience", library(backwards)},
		{"audiences that multiply", "/2/when/any/2/audience", library(doubling)},
		{"too many members", "/0", library([]targeting.Audience{{Key: "a", Include: members}})},
		{"too many members in JSON", "/exclude/10000", func() error {
			_, err := targeting.ParseAudience([]byte(`{"key":"a","exclude":[` + strings.Repeat(`"a",`, 200_000) + `"a"]}`))
			return err
		}},
		{"too many audiences", "", library(make([]targeting.Audience, targeting.MaxAudiences+1))},
		{"too many variants", "/weights", func() error {
			_, err := targeting.CompileSplit(targeting.Split{Weights: variants}, "f", targeting.Options{})
			return err
		}},
		{"too many variants in JSON", "/weights/100", func() error {
			_, err := targeting.ParseSplit([]byte(`{"weights":[` + strings.Repeat(`{"variant":"a","weight":1},`, 9000) + `{}]}`))
			return err
		}},
		{"too many keys of a split", "/by", func() error {
			_, err := targeting.CompileSplit(targeting.Split{By: by, Weights: targeting.Shares{{Variant: "a", Weight: 1}}}, "f", targeting.Options{})
			return err
		}},
	}
}

// The bound is for the memory of refusing one; the time is in BenchmarkHostile.
func TestHostileDefinitionsAreRefusedWithinTheirBounds(t *testing.T) {
	const limit = 10 << 20
	for _, c := range hostile() {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := c.define()
			runtime.ReadMemStats(&after)
			got := field(t, err)
			if got.Pointer != c.pointer {
				t.Errorf("%q %q, want it at %q", got.Pointer, got.Message, c.pointer)
			}
			if len(err.Error()) > 16<<10 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if spent := after.TotalAlloc - before.TotalAlloc; spent > limit {
				t.Errorf("it took %d bytes to refuse, of at most %d", spent, limit)
			}
		})
	}
}

func BenchmarkHostile(b *testing.B) {
	for _, c := range hostile() {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c.define() == nil {
					b.Fatal("it was accepted")
				}
			}
		})
	}
}

func TestDefinitionsAtTheirLimitsAreAccepted(t *testing.T) {
	t.Parallel()
	matcher(t, nest(targeting.MaxDepth-1), targeting.Options{})
	members := make([]targeting.Condition, targeting.MaxNodes-1)
	for i := range members {
		members[i] = targeting.Condition{Path: "a", Op: targeting.Exists}
	}
	c := targeting.Condition{All: members}
	matcher(t, c, targeting.Options{})
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := targeting.ParseCondition(data); err != nil {
		t.Error(err)
	}
	var audiences []targeting.Audience
	for i := range targeting.MaxChain {
		a := targeting.Audience{Key: fmt.Sprint("a", i)}
		if i > 0 {
			a.When = &targeting.Condition{Audience: fmt.Sprint("a", i-1)}
		}
		audiences = append(audiences, a)
	}
	if _, err := targeting.NewLibrary(audiences, targeting.Options{}); err != nil {
		t.Error(err)
	}
}
