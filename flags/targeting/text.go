package targeting

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// textTest looks for texts in a text.
type textTest struct {
	op   Op
	want []string
	fold bool
}

func compileText(_ *compiler, given Condition) (test, string) {
	want, message := alternatives(given.Value)
	if message != "" {
		return nil, message
	}
	if given.FoldCase {
		for i := range want {
			want[i] = foldText(want[i])
		}
	}
	return &textTest{op: given.Op, want: want, fold: given.FoldCase}, ""
}

// alternatives returns a text, or the texts of a list.
func alternatives(v Value) ([]string, string) {
	switch {
	case v.isText():
		return []string{v.text}, ""
	case v.Kind() != KindList || !v.element(0).isText():
		return nil, "must be a text or a list of texts"
	case v.len() > MaxAlternatives:
		return nil, "must have at most " + strconv.Itoa(MaxAlternatives) + " texts"
	}
	texts := make([]string, v.len())
	for i := range texts {
		texts[i] = v.element(i).text
	}
	return texts, ""
}

func (t *textTest) test(v Value) outcome {
	if !v.isText() || t.op == Contains && len(v.text) > MaxInput {
		return unreadable
	}
	for _, want := range t.want {
		if t.one(v.text, want) {
			return yes
		}
	}
	return no
}

func (t textTest) one(text, want string) bool {
	switch {
	case t.fold && t.op == Contains:
		return foldContains(text, want)
	case t.fold && t.op == StartsWith:
		return foldPrefix(text, want)
	case t.fold:
		return foldSuffix(text, want)
	case t.op == Contains:
		return strings.Contains(text, want)
	case t.op == StartsWith:
		return strings.HasPrefix(text, want)
	}
	return strings.HasSuffix(text, want)
}

// patternTest matches a regular expression.
type patternTest struct{ re *regexp.Regexp }

func compilePattern(c *compiler, given Condition) (test, string) {
	if !given.Value.isText() {
		return nil, "must be a text"
	}
	if message := c.pattern(given.Value.text); message != "" {
		return nil, message
	}
	re, err := regexp.Compile(given.Value.text)
	if err != nil {
		return nil, "must be a regular expression (RE2)"
	}
	return &patternTest{re}, ""
}

func (p *patternTest) test(v Value) outcome {
	if !v.isText() || len(v.text) > MaxInput {
		return unreadable
	}
	return outcomeOf(p.re.MatchString(v.text))
}

// pattern counts a regular expression and returns what is wrong with it, if anything.
func (c *compiler) pattern(expression string) string {
	if len(expression) > MaxPattern {
		return "must be at most " + strconv.Itoa(MaxPattern) + " bytes long"
	}
	if c.patterns += len(expression); c.patterns > MaxPatterns {
		return "makes the expressions of the condition longer than " + strconv.Itoa(MaxPatterns) + " bytes"
	}
	if c.instructions > maxInstructions {
		return "is beside expressions that grow too large"
	}
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return "must be a regular expression (RE2)"
	}
	if c.instructions += instructions(re); c.instructions > maxInstructions {
		return "is an expression that grows too large"
	}
	return ""
}

// maxInstructions bounds what the regular expressions of a condition compile to.
const maxInstructions = 5000

// instructions estimates the size of a compiled expression: repetitions are written out.
func instructions(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n = min(n+instructions(sub), maxInstructions+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxInstructions+1)
}
