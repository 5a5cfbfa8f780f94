package targeting

import (
	"strconv"
	"strings"
)

// equalTest compares values of one kind.
type equalTest struct {
	want Value
	fold bool
}

func compileEqual(_ *compiler, given Condition) (test, string) {
	switch given.Value.Kind() {
	case KindBool, KindNumber, KindString:
		want := given.Value
		want.text = intern(want.text)
		return &equalTest{want, given.FoldCase}, ""
	}
	return nil, "must be a truth value, a number or a text"
}

func (e *equalTest) test(v Value) outcome {
	switch {
	case v.Kind() != e.want.Kind():
		return unreadable
	case e.fold:
		return outcomeOf(strings.EqualFold(v.text, e.want.text))
	}
	return outcomeOf(v.shape == e.want.shape && v.bits == e.want.bits && v.text == e.want.text)
}

func outcomeOf(holds bool) outcome {
	if holds {
		return yes
	}
	return no
}

// A scalar is a bool, a number or a text as a map key.
type scalar struct {
	float bool
	bits  uint64
	text  string
}

// inTest looks a value up.
type inTest struct {
	kind   Kind
	fold   bool
	few    []string // instead of texts, where they are few or case does not count
	texts  map[string]struct{}
	others map[scalar]struct{}
}

// fewTexts is how many texts are faster to compare than to look up.
const fewTexts = 4

func compileIn(_ *compiler, given Condition) (test, string) {
	if given.Value.Kind() != KindList {
		return nil, "must be a list"
	}
	t := &inTest{kind: given.Value.element(0).Kind(), fold: given.FoldCase}
	switch {
	case t.kind == KindTime:
		return nil, "must be a list of truth values, numbers or texts"
	case given.FoldCase && given.Value.len() > MaxAlternatives:
		return nil, "must have at most " + strconv.Itoa(MaxAlternatives) + " texts where case does not count"
	case given.FoldCase, t.kind == KindString && given.Value.len() <= fewTexts:
		for i := range given.Value.len() {
			t.few = append(t.few, intern(given.Value.element(i).text))
		}
	case t.kind == KindString:
		t.texts = make(map[string]struct{}, given.Value.len())
		for i := range given.Value.len() {
			t.texts[given.Value.element(i).text] = struct{}{}
		}
	default:
		t.others = make(map[scalar]struct{}, given.Value.len())
		for i := range given.Value.len() {
			e := given.Value.element(i)
			t.others[scalar{float: e.isFloat(), bits: e.bits}] = struct{}{}
		}
	}
	return t, ""
}

func (t *inTest) test(v Value) outcome {
	if v.Kind() != t.kind {
		return unreadable
	}
	var ok bool
	switch {
	case t.texts != nil:
		_, ok = t.texts[v.text]
	case t.others != nil:
		_, ok = t.others[scalar{float: v.isFloat(), bits: v.bits}]
	default:
		for _, want := range t.few {
			if v.text == want || t.fold && strings.EqualFold(v.text, want) {
				return yes
			}
		}
	}
	return outcomeOf(ok)
}
