package importers

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/flags/targeting"
)

// maxExpression is the longest expression that is read, in bytes; with that depth of
// parentheses nothing else has to be bounded.
const maxExpression = 4096

// A choice is one branch of an expression: the variant of those for whom it holds.
type choice struct {
	when    targeting.Condition // zero for everybody else
	variant string
}

// parseExpression reads a CEL expression that answers the name of a variant:
//
//	expression = or [ "?" text ":" expression ] | text
//	or         = and { "||" and }
//	and        = unary { "&&" unary }
//	unary      = "!" unary | "(" or ")" | comparison
//	comparison = name [ ("==" | "!=" | "<" | "<=" | ">" | ">=") literal | "in" list ]
//
// attribute names an attribute of the kit. What CEL answers with an error, such as a
// comparison of an attribute that is missing, holds of nobody here.
func parseExpression(source string, attribute func(string) string) ([]choice, error) {
	if len(source) > maxExpression {
		return nil, errors.New("is too long")
	}
	p := &expression{rest: source, attribute: attribute}
	p.next()
	choices := p.choices()
	if p.err == nil && p.token != "" {
		p.fail()
	}
	return choices, p.err
}

// An expression is read token by token. After a fault every method returns at once.
type expression struct {
	rest, token string
	text        bool // the token is a text literal, without its quotes
	depth       int
	err         error
	attribute   func(string) string
}

func (p *expression) fail() {
	if p.err == nil {
		p.err = errors.New("is an expression that has no counterpart, from " + strconv.Quote(p.token) + " on")
	}
	p.token, p.rest, p.text = "", "", false
}

var operators = []string{"==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "?", ":", "(", ")", "[", "]", ","}

// next reads the next token, empty at the end.
func (p *expression) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	p.text = false
	if p.rest == "" {
		p.token = ""
		return
	}
	if quote := p.rest[0]; quote == '\'' || quote == '"' {
		end := strings.IndexByte(p.rest[1:], quote)
		if end < 0 || strings.ContainsRune(p.rest[1:1+end], '\\') {
			p.fail()
			return
		}
		p.token, p.rest, p.text = p.rest[1:1+end], p.rest[2+end:], true
		return
	}
	for _, op := range operators {
		if strings.HasPrefix(p.rest, op) {
			p.token, p.rest = op, p.rest[len(op):]
			return
		}
	}
	n := strings.IndexFunc(p.rest, func(r rune) bool {
		return !(r == '_' || r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
	if n == 0 {
		p.fail()
		return
	}
	if n < 0 {
		n = len(p.rest)
	}
	p.token, p.rest = p.rest[:n], p.rest[n:]
}

func (p *expression) is(token string) bool { return !p.text && p.token == token }

// take reads a token that has to be there.
func (p *expression) take(token string) {
	if !p.is(token) {
		p.fail()
		return
	}
	p.next()
}

func (p *expression) literal() string {
	if !p.text {
		p.fail()
	}
	s := p.token
	p.next()
	return s
}

func (p *expression) choices() []choice {
	var all []choice
	for p.err == nil {
		if p.text {
			return append(all, choice{variant: p.literal()})
		}
		c := choice{when: p.or(false)}
		p.take("?")
		c.variant = p.literal()
		p.take(":")
		all = append(all, c)
	}
	return all
}

// or reads a disjunction, or with not what holds where it is false. Negations end in
// the operators, so that a missing attribute makes neither hold.
func (p *expression) or(not bool) targeting.Condition {
	members := []targeting.Condition{p.and(not)}
	for p.is("||") {
		p.next()
		members = append(members, p.and(not))
	}
	if not {
		return all(members)
	}
	return anyOf(members)
}

func (p *expression) and(not bool) targeting.Condition {
	members := []targeting.Condition{p.unary(not)}
	for p.is("&&") {
		p.next()
		members = append(members, p.unary(not))
	}
	if not {
		return anyOf(members)
	}
	return all(members)
}

func (p *expression) unary(not bool) targeting.Condition {
	if p.depth++; p.depth > targeting.MaxDepth {
		p.fail()
	}
	defer func() { p.depth-- }()
	switch {
	case p.err != nil:
		return never()
	case p.is("!"):
		p.next()
		return p.unary(!not)
	case p.is("("):
		p.next()
		c := p.or(not)
		p.take(")")
		return c
	}
	return p.comparison(not)
}

// comparisons are the operators and what holds where they do not.
var comparisons = map[string][2]targeting.Op{
	"==": {targeting.Equal, targeting.NotEqual}, "!=": {targeting.NotEqual, targeting.Equal},
	"<": {targeting.Less, targeting.GreaterEqual}, "<=": {targeting.LessEqual, targeting.Greater},
	">": {targeting.Greater, targeting.LessEqual}, ">=": {targeting.GreaterEqual, targeting.Less},
}

func (p *expression) comparison(not bool) targeting.Condition {
	first := p.token
	if p.text || first == "" || slices.Contains(operators, first) || first == "true" || first == "false" || first == "null" ||
		first[0] >= '0' && first[0] <= '9' || first[0] == '-' {
		p.fail()
		return never()
	}
	c := targeting.Condition{Path: p.attribute(first)}
	p.next()
	side := 0
	if not {
		side = 1
	}
	ops, ok := comparisons[p.token]
	switch {
	case !p.text && ok:
		p.next()
		c.Op, c.Value = ops[side], p.value()
	case p.is("in"):
		p.next()
		c.Op, c.Value = [2]targeting.Op{targeting.In, targeting.NotIn}[side], p.list()
	default:
		c.Op, c.Value = targeting.Equal, targeting.Bool(!not)
	}
	if message, ok := fits(c); !ok && p.err == nil {
		p.err = errors.New("compares " + first + " with a value that " + message)
	}
	return c
}

func (p *expression) value() targeting.Value {
	token, text := p.token, p.text
	p.next()
	switch n, err := strconv.ParseFloat(token, 64); {
	case text:
		return targeting.String(token)
	case token == "true" || token == "false":
		return targeting.Bool(token == "true")
	case err == nil:
		return targeting.Number(n)
	}
	p.fail()
	return targeting.Value{}
}

func (p *expression) list() targeting.Value {
	var values []targeting.Value
	p.take("[")
	for p.err == nil && !p.is("]") {
		if len(values) > 0 {
			p.take(",")
		}
		values = append(values, p.value())
	}
	p.take("]")
	return targeting.List(values...)
}
