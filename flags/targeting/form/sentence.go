package form

import (
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/flags/targeting"
)

// words are the operators as people say them.
var words = map[targeting.Op]string{
	targeting.Equal: "is", targeting.NotEqual: "is not", targeting.In: "is one of", targeting.NotIn: "is none of",
	targeting.Less: "is below", targeting.LessEqual: "is at most", targeting.Greater: "is above", targeting.GreaterEqual: "is at least",
	targeting.Contains: "contains", targeting.StartsWith: "starts with", targeting.EndsWith: "ends with", targeting.Matches: "matches",
	targeting.Before: "is before", targeting.After: "is after",
	targeting.SemverLess: "is a version below", targeting.SemverLessEqual: "is a version up to", targeting.SemverEqual: "is the version",
	targeting.SemverGreaterEqual: "is a version from", targeting.SemverGreater: "is a version above",
	targeting.InCIDR: "is an address in", targeting.Exists: "is there", Audience: "is in the audience",
}

// Word returns an operator as people say it: "is at least" for gte. One that is not
// known is returned as it is.
func Word(op targeting.Op) string {
	if word, ok := words[op]; ok {
		return word
	}
	return string(op)
}

// Sentence returns a condition as a sentence without its full stop: what stands behind
// "if". It says "always" where there is no condition. Attributes and values stand as
// they are, so whoever shows it escapes it.
func Sentence(c targeting.Condition) string {
	if c.IsZero() {
		return "always"
	}
	return sentence(c, false)
}

// sentence writes a node, a group in brackets where it stands within another.
func sentence(c targeting.Condition, within bool) string {
	list := func(members []targeting.Condition, word string) string {
		parts := make([]string, len(members))
		for i, m := range members {
			parts[i] = sentence(m, true)
		}
		s := strings.Join(parts, word)
		if within && len(members) > 1 {
			return "(" + s + ")"
		}
		return s
	}
	switch {
	case c.All != nil:
		return list(c.All, " and ")
	case c.Any != nil:
		return list(c.Any, " or ")
	case c.None != nil:
		within = true
		return "not " + list(c.None, " or ")
	case c.Audience != "":
		return "the subject is in the audience " + c.Audience
	case c.Bucket != nil:
		return bucket(*c.Bucket)
	}
	return clause(c)
}

func clause(c targeting.Condition) string {
	s := c.Path + " " + Word(c.Op)
	if exists, ok := c.Value.AsBool(); c.Op == targeting.Exists {
		if ok && !exists {
			s = c.Path + " is not there"
		}
	} else if values, ok := elements(c.Value); ok && values != nil {
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = said(v, readingOf(c.Op))
		}
		s += " " + strings.Join(texts, ", ")
	} else {
		s += " " + said(c.Value, readingOf(c.Op))
	}
	if c.FoldCase {
		s += ", whatever its case"
	}
	if c.OnMissing == targeting.MissingMatch {
		s += ", or is missing"
	}
	return s
}

// said is a value as people read it, which is how they type it.
func said(v targeting.Value, how reading) string {
	if text, ok := textOf(v, how); ok {
		return text
	}
	return v.String()
}

func bucket(b targeting.Bucket) string {
	percent := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	share := percent(b.To) + " %"
	if b.From != 0 {
		share = percent(b.From) + " to " + share
	}
	s := "the subject is in the first " + share
	if b.From != 0 {
		s = "the subject is within " + share
	}
	if len(b.By) > 0 {
		s += " by " + strings.Join(b.By, ", else ")
	}
	return s + " of " + b.Salt
}
