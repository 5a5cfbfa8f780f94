package form

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/flags/targeting"
)

// A reading says how an operator reads the text of a row.
type reading struct {
	// text: every value is a text, whatever it looks like.
	text bool
	// list: several values may stand there, with commas between.
	list bool
	// many: several values are a list also where there is one.
	many bool
}

func readingOf(op targeting.Op) reading {
	switch op {
	case targeting.In, targeting.NotIn:
		return reading{list: true, many: true}
	case targeting.Contains, targeting.StartsWith, targeting.EndsWith, targeting.InCIDR:
		return reading{text: true, list: true}
	case targeting.Matches, targeting.SemverLess, targeting.SemverLessEqual, targeting.SemverEqual,
		targeting.SemverGreaterEqual, targeting.SemverGreater, Audience:
		return reading{text: true}
	}
	return reading{}
}

// condition returns the clause of a row, or what is wrong with its value.
func (r Row) condition() (c targeting.Condition, message string) {
	if r.Op == Audience {
		return targeting.Condition{Audience: r.Value}, ""
	}
	c = targeting.Condition{Path: r.Path, Op: r.Op}
	how := readingOf(r.Op)
	if !how.list {
		c.Value = scalar(r.Value, how.text)
		return c, ""
	}
	texts, message := split(r.Value)
	values := make([]targeting.Value, len(texts))
	for i, text := range texts {
		values[i] = scalar(text, how.text)
		if how.text {
			values[i] = targeting.String(unquoted(text))
		}
	}
	if len(values) == 1 && !how.many {
		c.Value = values[0]
	} else {
		c.Value = targeting.List(values...)
	}
	return c, message
}

// scalar returns the value that a text stands for, none for an empty one.
func scalar(text string, plain bool) targeting.Value {
	if plain {
		return targeting.String(text)
	}
	var v targeting.Value
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return v
	}
	if trimmed != "null" && trimmed[0] != '[' && json.Unmarshal([]byte(trimmed), &v) == nil {
		return v
	}
	return targeting.String(trimmed)
}

// unquoted is a text without the quotes that it may stand in.
func unquoted(text string) string {
	var plain string
	if strings.HasPrefix(text, `"`) && json.Unmarshal([]byte(text), &plain) == nil {
		return plain
	}
	return text
}

// split returns the texts between commas; those in quotes keep them.
func split(s string) (texts []string, message string) {
	for {
		s = strings.TrimLeft(s, " \t")
		text := ""
		if strings.HasPrefix(s, `"`) {
			d := json.NewDecoder(strings.NewReader(s))
			if _, err := d.Token(); err != nil {
				return texts, "has a quote that does not end"
			}
			end := int(d.InputOffset())
			text, s = s[:end], strings.TrimLeft(s[end:], " \t")
			if s != "" && s[0] != ',' {
				return texts, "has something behind a quote that is no comma"
			}
		} else {
			end := strings.IndexByte(s, ',')
			if end < 0 {
				end = len(s)
			}
			text, s = strings.TrimSpace(s[:end]), s[end:]
		}
		if text == "" {
			return texts, "has nothing where a value should be"
		}
		texts = append(texts, text)
		if s == "" {
			return texts, ""
		}
		s = s[1:]
	}
}

// rowOf returns the row of a clause, and false where it has what a row has not.
func rowOf(group Group, c targeting.Condition) (Row, bool) {
	r := Row{Group: group, Path: c.Path, Op: c.Op}
	if c.Audience != "" {
		r.Op, r.Value = Audience, c.Audience
		return r, fits(c.Audience)
	}
	if c.Path == "" || c.FoldCase || c.OnMissing != "" || !slices.Contains(targeting.Ops(), c.Op) || !fits(c.Path) || strings.TrimSpace(c.Path) != c.Path {
		return r, false
	}
	how := readingOf(c.Op)
	values, ok := []targeting.Value{c.Value}, true
	if c.Value.Kind() == targeting.KindList {
		if values, ok = elements(c.Value); !ok || !how.list || len(values) == 0 {
			return r, false
		}
	} else if how.many {
		return r, false
	}
	texts := make([]string, len(values))
	for i, v := range values {
		if texts[i], ok = textOf(v, how); !ok {
			return r, false
		}
	}
	r.Value = strings.Join(texts, ", ")
	return r, true
}

// elements returns the elements of a list.
func elements(list targeting.Value) (values []targeting.Value, ok bool) {
	all, _ := list.Any().([]any)
	for _, element := range all {
		v, err := targeting.Of(element)
		if err != nil {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

// textOf writes a value so that it is read as it was.
func textOf(v targeting.Value, how reading) (string, bool) {
	switch v.Kind() {
	case targeting.KindNone:
		return "", !how.text && !how.list
	case targeting.KindBool, targeting.KindNumber:
		return v.String(), !how.text
	case targeting.KindString:
	default:
		return "", false
	}
	text, _ := v.AsString()
	if how.text && !how.list {
		return text, fits(text) && text != ""
	}
	back := scalar(text, false)
	plain := back.Equal(v) && text == strings.TrimSpace(text)
	if how.text {
		plain = text != "" && text == strings.TrimSpace(text)
	}
	if plain && fits(text) && text[0] != '"' && !(how.list && strings.ContainsRune(text, ',')) {
		return text, true
	}
	return quote(text), true
}

// fits reports whether a field of one line keeps a text.
func fits(text string) bool { return !strings.ContainsAny(text, "\r\n\x00") }

func quote(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(text) // into memory, of a text: cannot fail
	return strings.TrimSpace(b.String())
}
