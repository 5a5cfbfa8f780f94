package casbinengine

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a condition.
const (
	maxCondition = 1024
	maxTerms     = 16
	maxChoices   = 64
)

// A condition is a conjunction of terms. The empty one always holds.
//
//	condition = [ term *( "&&" term ) ]
//	term      = pointer operator literal
//	          | pointer "in" "[" literal *( "," literal ) "]"
//	operator  = "==" | "!=" | "<" | "<=" | ">" | ">="
//	literal   = decimal | JSON string | "true" | "false"
//
// Numbers compare exactly and match JSON numbers and decimal strings alike; order
// is for numbers only. An attribute that is missing, or of another type than its
// literal, is an error and never false: false could switch off a rule that denies.
type condition []term

type term struct {
	pointer  string
	operator string
	literals []literal
}

// A literal is a decimal, a string or a bool.
type literal struct {
	value  any
	number decimal
}

func parseCondition(text string) (condition, error) {
	if len(text) > maxCondition {
		return nil, fmt.Errorf("is longer than %d bytes", maxCondition)
	}
	s := &scanner{rest: text}
	var c condition
	if s.blank(); s.rest == "" {
		return c, nil
	}
	for {
		t, err := s.term()
		if err != nil {
			return nil, err
		}
		c = append(c, t)
		if s.blank(); s.rest == "" {
			return c, nil
		}
		if !s.take("&&") {
			return nil, fmt.Errorf("wants && before %s", s.near())
		}
		if len(c) == maxTerms {
			return nil, fmt.Errorf("has more than %d terms", maxTerms)
		}
	}
}

// holds evaluates the condition. The error is a *missingError.
func (c condition) holds(a Attributes) (bool, error) {
	all := true
	for _, t := range c {
		// Every term is read: whether an attribute is missing must not depend on the
		// order of the terms.
		ok, err := t.holds(a)
		if err != nil {
			return false, err
		}
		all = all && ok
	}
	return all, nil
}

func (t term) holds(a Attributes) (bool, error) {
	v, ok := a.Lookup(t.pointer)
	if !ok {
		return false, &missingError{t.pointer}
	}
	for _, l := range t.literals {
		c, ok := l.compare(v)
		if !ok {
			return false, &missingError{t.pointer}
		}
		switch t.operator {
		case "in":
			if c == 0 {
				return true, nil
			}
		case "==":
			return c == 0, nil
		case "!=":
			return c != 0, nil
		case "<":
			return c < 0, nil
		case "<=":
			return c <= 0, nil
		case ">":
			return c > 0, nil
		case ">=":
			return c >= 0, nil
		}
	}
	return false, nil
}

// compare orders v against the literal and reports whether they are of one type.
func (l literal) compare(v any) (int, bool) {
	switch want := l.value.(type) {
	case string:
		s, ok := v.(string)
		return strings.Compare(s, want), ok
	case bool:
		b, ok := v.(bool)
		if b == want {
			return 0, ok
		}
		return 1, ok
	}
	d, ok := decimalOf(v)
	return d.compare(l.number), ok
}

// String returns the canonical text of the condition.
func (c condition) String() string {
	terms := make([]string, len(c))
	for i, t := range c {
		words := make([]string, len(t.literals))
		for j, l := range t.literals {
			words[j] = l.String()
		}
		value := strings.Join(words, ", ")
		if t.operator == "in" {
			value = "[" + value + "]"
		}
		terms[i] = t.pointer + " " + t.operator + " " + value
	}
	return strings.Join(terms, " && ")
}

func (l literal) String() string {
	switch v := l.value.(type) {
	case string:
		b, _ := json.Marshal(v) // a string always marshals
		return string(b)
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	return l.number.String()
}

type scanner struct{ rest string }

func (s *scanner) blank() { s.rest = strings.TrimLeft(s.rest, " \t") }

func (s *scanner) take(word string) bool {
	rest, ok := strings.CutPrefix(s.rest, word)
	if ok {
		s.rest = rest
	}
	return ok
}

// near quotes where the scanner stands, for messages.
func (s *scanner) near() string {
	if s.rest == "" {
		return "its end"
	}
	return fmt.Sprintf("%.20q", s.rest)
}

func (s *scanner) term() (term, error) {
	s.blank()
	var t term
	end := strings.IndexAny(s.rest, " \t=!<>&\"[]")
	if end < 0 {
		end = len(s.rest)
	}
	t.pointer, s.rest = s.rest[:end], s.rest[end:]
	if !strings.HasPrefix(t.pointer, "/") {
		return t, fmt.Errorf("wants a pointer such as /payload/amount, not %.20q", t.pointer)
	}
	if err := checkPointer(t.pointer); err != nil {
		return t, fmt.Errorf("%.60s %w", t.pointer, err)
	}
	s.blank()
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if s.take(op) {
			t.operator = op
			break
		}
	}
	if t.operator == "" {
		return t, s.choices(&t)
	}
	l, err := s.literal()
	if err != nil {
		return t, err
	}
	if l.value != nil && t.operator != "==" && t.operator != "!=" {
		return t, fmt.Errorf("wants a number after %s %s", t.pointer, t.operator)
	}
	t.literals = []literal{l}
	return t, nil
}

// choices reads what follows a pointer that is tested for membership.
func (s *scanner) choices(t *term) error {
	if !s.take("in") {
		return fmt.Errorf("wants an operator before %s", s.near())
	}
	t.operator = "in"
	s.blank()
	if !s.take("[") {
		return fmt.Errorf("wants [ before %s", s.near())
	}
	for {
		l, err := s.literal()
		if err != nil {
			return err
		}
		if len(t.literals) > 0 && !sameType(t.literals[0], l) {
			return fmt.Errorf("compares %s with values of several types", t.pointer)
		}
		t.literals = append(t.literals, l)
		s.blank()
		switch {
		case s.take("]"):
			return nil
		case !s.take(","):
			return fmt.Errorf("wants , or ] before %s", s.near())
		case len(t.literals) == maxChoices:
			return fmt.Errorf("has more than %d choices", maxChoices)
		}
	}
}

func sameType(a, b literal) bool {
	return fmt.Sprintf("%T", a.value) == fmt.Sprintf("%T", b.value)
}

func (s *scanner) literal() (literal, error) {
	s.blank()
	if strings.HasPrefix(s.rest, `"`) {
		return s.quoted()
	}
	end := strings.IndexAny(s.rest, " \t,]&")
	if end < 0 {
		end = len(s.rest)
	}
	word := s.rest[:end]
	s.rest = s.rest[end:]
	if i := slices.Index([]string{"false", "true"}, word); i >= 0 {
		return literal{value: i == 1}, nil
	}
	d, ok := parseDecimal(word)
	if !ok {
		return literal{}, fmt.Errorf("wants a decimal, a quoted string, true or false, not %.20q", word)
	}
	return literal{number: d}, nil
}

var errUnquoted = errors.New("has a string without its closing quote, or with a bad escape")

func (s *scanner) quoted() (literal, error) {
	for i := 1; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			var value string
			if json.Unmarshal([]byte(s.rest[:i+1]), &value) != nil {
				return literal{}, errUnquoted
			}
			s.rest = s.rest[i+1:]
			return literal{value: value}, nil
		}
	}
	return literal{}, errUnquoted
}
