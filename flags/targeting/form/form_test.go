package form_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/flags/targeting/form"
)

func parse(t testing.TB, text string) targeting.Condition {
	t.Helper()
	c, err := targeting.ParseCondition([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConditionIsRowsAndBackAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		condition string
		rows      []form.Row
		sentence  string
	}{
		"no condition": {`{}`, nil, "always"},
		"one clause": {
			`{"path":"country","op":"eq","value":"GB"}`,
			[]form.Row{{form.All, "country", "eq", "GB"}}, "country is GB",
		},
		"a number, a truth value and a text that looks like one": {
			`{"all":[{"path":"/data/amount","op":"gte","value":100.5},{"path":"vip","op":"eq","value":true},{"path":"code","op":"ne","value":"100"}]}`,
			[]form.Row{{form.All, "/data/amount", "gte", "100.5"}, {form.All, "vip", "eq", "true"}, {form.All, "code", "ne", `"100"`}},
			`/data/amount is at least 100.5 and vip is true and code is not "100"`,
		},
		"all three groups": {
			`{"all":[{"audience":"vip"},{"any":[{"path":"a","op":"in","value":["x","y, z"]},{"path":"b","op":"exists"}]},{"none":[{"path":"c","op":"exists","value":false},{"path":"d","op":"matches","value":"^\"1,"}]}]}`,
			[]form.Row{
				{form.All, "", form.Audience, "vip"}, {form.Any, "a", "in", `x, "y, z"`}, {form.Any, "b", "exists", ""},
				{form.None, "c", "exists", "false"}, {form.None, "d", "matches", `^"1,`},
			},
			`the subject is in the audience vip and (a is one of x, "y, z" or b is there) and not (c is not there or d matches ^"1,)`,
		},
		"one value where several may stand": {
			`{"any":[{"path":"mail","op":"ends_with","value":"@acme.test"},{"path":"ip","op":"in_cidr","value":["10.0.0.0/8","::1"]}]}`,
			[]form.Row{{form.Any, "mail", "ends_with", "@acme.test"}, {form.Any, "ip", "in_cidr", "10.0.0.0/8, ::1"}},
			"mail ends with @acme.test or ip is an address in 10.0.0.0/8, ::1",
		},
		"a version is a text": {
			`{"path":"app","op":"semver_gte","value":"2.0"}`,
			[]form.Row{{form.All, "app", "semver_gte", "2.0"}}, "app is a version from 2.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := parse(t, c.condition)
			f := form.Of("when", want)
			if f.JSON != "" || !reflect.DeepEqual(f.Rows, c.rows) {
				t.Errorf("the rows are %v and the JSON %q, want %v", f.Rows, f.JSON, c.rows)
			}
			if got, err := f.Condition(); err != nil || text(got) != text(want) {
				t.Errorf("back again it is %s (%v), want %s", text(got), err, text(want))
			}
			if got := form.Sentence(want); got != c.sentence {
				t.Errorf("it says %q, want %q", got, c.sentence)
			}
		})
	}
}

func text(c targeting.Condition) string {
	b, err := json.Marshal(c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestWhatRowsCannotSayIsJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ condition, sentence string }{
		"groups in groups":      {`{"any":[{"all":[{"path":"a","op":"exists"},{"path":"b","op":"exists"}]},{"path":"c","op":"exists"}]}`, "(a is there and b is there) or c is there"},
		"two groups of any":     {`{"all":[{"any":[{"path":"a","op":"exists"}]},{"any":[{"path":"b","op":"exists"}]}]}`, "a is there and b is there"},
		"case that is ignored":  {`{"path":"a","op":"eq","value":"x","fold_case":true}`, "a is x, whatever its case"},
		"an answer for missing": {`{"path":"a","op":"ne","value":"x","on_missing":"match"}`, "a is not x, or is missing"},
		"a bucket":              {`{"bucket":{"by":["storeId"],"salt":"s","to":12.5}}`, "the subject is in the first 12.5 % by storeId of s"},
		"a stretch of a bucket": {`{"bucket":{"salt":"s","from":10,"to":20}}`, "the subject is within 10 to 20 % of s"},
		"two lines":             {`{"path":"a","op":"matches","value":"x\ny"}`, `a matches "x\ny"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := parse(t, c.condition)
			f := form.Of("when", want)
			if f.Rows != nil || f.JSON == "" {
				t.Fatalf("it is rows: %v", f.Rows)
			}
			if got, err := f.Condition(); err != nil || text(got) != text(want) {
				t.Errorf("back again it is %s (%v), want %s", text(got), err, text(want))
			}
			if _, ok := f.Do("when.rows"); ok {
				t.Errorf("it becomes rows when asked")
			}
			if got := form.Sentence(want); got != c.sentence {
				t.Errorf("it says %q, want %q", got, c.sentence)
			}
		})
	}
}

func TestButtonsChangeTheRows(t *testing.T) {
	t.Parallel()
	paths := func(f form.Form) (s string) {
		for _, r := range f.Rows {
			s += r.Path + " "
		}
		return s
	}
	start := form.Form{Name: "w", Rows: []form.Row{{form.All, "a", "eq", "1"}, {form.All, "b", "eq", "2"}, {form.All, "c", "eq", "3"}}}
	for button, want := range map[string]string{
		"w.add": "a b c  ", "w.remove.1": "a c ", "w.up.2": "a c b ", "w.down.0": "b a c ", "w.rows": "a b c ",
	} {
		got, ok := start.Do(button)
		if !ok || paths(got) != want {
			t.Errorf("%s gives %q (%t), want %q", button, paths(got), ok, want)
		}
	}
	for _, button := range []string{"", "w", "other.add", "w.up.0", "w.down.2", "w.remove.3", "w.remove.-1", "w.remove.x", "w.turn.1"} {
		if got, ok := start.Do(button); ok || paths(got) != "a b c " {
			t.Errorf("%q does something: %q", button, paths(got))
		}
	}
	asJSON, ok := start.Do("w.json")
	if !ok || asJSON.Rows != nil || !strings.Contains(asJSON.JSON, `"path": "b"`) {
		t.Fatalf("the JSON is %q", asJSON.JSON)
	}
	if back, ok := asJSON.Do("w.rows"); !ok || paths(back) != "a b c " || back.JSON != "" {
		t.Errorf("back again it is %q", paths(back))
	}
	full := form.Form{Name: "w", Rows: make([]form.Row, form.MaxRows)}
	if _, ok := full.Do("w.add"); ok {
		t.Errorf("the form grows beyond its limit")
	}
}

func TestFormIsReadFromItsFields(t *testing.T) {
	t.Parallel()
	f := form.Read(map[string][]string{
		"w.group": {"any"}, "w.path": {" a ", "b", "", "d"}, "w.op": {"eq", "gt", "eq", "audience"}, "w.value": {"x", "7", "", "vip"}, "v.path": {"no"},
	}, "w")
	c, err := f.Condition()
	if want := `{"all":[{"path":"b","op":"gt","value":7},{"audience":"vip"},{"any":[{"path":"a","op":"eq","value":"x"}]}]}`; err != nil || text(c) != want {
		t.Errorf("it is %s (%v), want %s", text(c), err, want)
	}
	many := make([]string, form.MaxRows+5)
	if got := len(form.Read(map[string][]string{"w.op": many}, "w").Rows); got != form.MaxRows {
		t.Errorf("%d rows are read, want %d", got, form.MaxRows)
	}
}

func TestBadRowsSayWhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		form form.Form
		want string
	}{
		"an empty list":     {form.Form{Rows: []form.Row{{}, {form.All, "a", "in", ""}}}, "/rows/1/value"},
		"an empty element":  {form.Form{Rows: []form.Row{{form.All, "a", "in", "x,,y"}}}, "/rows/0/value"},
		"an open quote":     {form.Form{Rows: []form.Row{{form.All, "a", "in", `x, "y`}}}, "/rows/0/value"},
		"text after quotes": {form.Form{Rows: []form.Row{{form.All, "a", "in", `"x" y`}}}, "/rows/0/value"},
		"another group":     {form.Form{Rows: []form.Row{{"some", "a", "in", `x`}}}, "/rows/0/group"},
		"JSON that is none": {form.Form{JSON: `{"path":`}, ""},
		"an unknown key":    {form.Form{JSON: `{"all":[{"path":"a","operator":"eq"}]}`}, "/all/0/operator"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.form.Condition()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one at %q", err, c.want)
			}
		})
	}
}

// anyRow draws rows of what people type.
func anyRow(t *rapid.T, label string) form.Row {
	r := form.Row{
		Group: rapid.SampledFrom(form.Groups()).Draw(t, label+" group"),
		Path:  rapid.SampledFrom([]string{"country", "/data/amount", "plan"}).Draw(t, label+" path"),
		Op:    rapid.SampledFrom(form.Ops()).Draw(t, label+" op"),
		Value: rapid.OneOf(
			rapid.SampledFrom([]string{"GB", "7", "7.50", "true", `"7"`, `a, "b, c"`, "x,y", "null", "[1]", `"`, " x ", "1e3", "-0", "2026-01-01T00:00:00Z"}),
			rapid.StringMatching(`[ -~]{0,12}`),
		).Draw(t, label+" value"),
	}
	if r.Op == form.Audience {
		r.Path = ""
	}
	return r
}

// What people typed, shown again, means what it meant.
func TestRowsShownAgainMeanTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var f form.Form
		for i := range rapid.IntRange(0, 4).Draw(t, "rows") {
			f.Rows = append(f.Rows, anyRow(t, "row "+string(rune('0'+i))))
		}
		c, err := f.Condition()
		if err != nil {
			return
		}
		again, err := form.Of("w", c).Condition()
		if err != nil {
			t.Fatalf("%s is shown as what is refused: %v", text(c), err)
		}
		if text(again) != text(c) {
			t.Fatalf("%s becomes %s", text(c), text(again))
		}
		if form.Sentence(c) == "" {
			t.Fatalf("%s has no sentence", text(c))
		}
	})
}

func TestEveryOperatorHasAWord(t *testing.T) {
	t.Parallel()
	for _, op := range form.Ops() {
		if form.Word(op) == string(op) && op != targeting.Contains && op != targeting.Matches {
			t.Errorf("%s has none", op)
		}
	}
	if got := form.Word("new"); got != "new" {
		t.Errorf("an operator without a word is %q", got)
	}
}
