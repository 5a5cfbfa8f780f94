package importers

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/lumelle/adminkit/flags/targeting"
)

type unleashConstraint struct {
	ContextName     string   `json:"contextName"`
	Operator        string   `json:"operator"`
	Value           string   `json:"value"`
	Values          []string `json:"values"`
	Inverted        bool     `json:"inverted"`
	CaseInsensitive bool     `json:"caseInsensitive"`
}

// constraints reads constraints that have to hold together.
func (u *unleash) constraints(given []json.RawMessage, pointer string) []targeting.Condition {
	var conditions []targeting.Condition
	for i, data := range given {
		var c unleashConstraint
		if !u.read(data, at(pointer, i), &c) {
			conditions = append(conditions, never())
			continue
		}
		if c := u.constraint(c, at(pointer, i)); !c.IsZero() {
			conditions = append(conditions, c)
		}
	}
	return conditions
}

// orders are the operators of order and those that hold where they do not. So neither
// holds of what cannot be compared, as in Unleash.
var orders = map[string][2]targeting.Op{
	"NUM_GT": {targeting.Greater, targeting.LessEqual}, "NUM_GTE": {targeting.GreaterEqual, targeting.Less},
	"NUM_LT": {targeting.Less, targeting.GreaterEqual}, "NUM_LTE": {targeting.LessEqual, targeting.Greater},
	"SEMVER_GT": {targeting.SemverGreater, targeting.SemverLessEqual}, "SEMVER_GTE": {targeting.SemverGreaterEqual, targeting.SemverLess},
	"SEMVER_LT": {targeting.SemverLess, targeting.SemverGreaterEqual}, "SEMVER_LTE": {targeting.SemverLessEqual, targeting.SemverGreater},
}

// equals are the operators of equality among what has an order: both bounds hold, or
// inverted one of the strict ones.
var equals = map[string][2][2]targeting.Op{
	"NUM_EQ":    {{targeting.LessEqual, targeting.GreaterEqual}, {targeting.Less, targeting.Greater}},
	"SEMVER_EQ": {{targeting.SemverLessEqual, targeting.SemverGreaterEqual}, {targeting.SemverLess, targeting.SemverGreater}},
}

var textOperators = map[string]targeting.Op{
	"STR_STARTS_WITH": targeting.StartsWith, "STR_ENDS_WITH": targeting.EndsWith, "STR_CONTAINS": targeting.Contains,
}

// constraint returns the condition of a constraint, the zero one where it always holds.
func (u *unleash) constraint(given unleashConstraint, pointer string) targeting.Condition {
	path := u.attribute(given.ContextName)
	if given.ContextName == "currentTime" {
		u.lose(pointer+"/contextName", "is now where it is missing there; here the subject has to have it")
	}
	switch op := given.Operator; op {
	case "IN", "NOT_IN":
		return u.membership(given, path, pointer)
	case "STR_STARTS_WITH", "STR_ENDS_WITH", "STR_CONTAINS":
		list := listOf(given)
		if len(list) == 0 {
			return constant(given.Inverted)
		}
		var members []targeting.Condition
		for some := range slices.Chunk(list, targeting.MaxAlternatives) {
			members = append(members, targeting.Condition{Path: path, Op: textOperators[op], Value: texts(some), FoldCase: given.CaseInsensitive})
		}
		return u.fitting(inverted(anyOf(members), given.Inverted), pointer)
	case "NUM_EQ", "NUM_GT", "NUM_GTE", "NUM_LT", "NUM_LTE":
		n, err := strconv.ParseFloat(given.Value, 64)
		if err != nil {
			u.lose(pointer+"/value", "is not a number: the rule holds of nobody")
			return never()
		}
		return u.fitting(ordered(op, path, targeting.Number(n), given.Inverted), pointer)
	case "SEMVER_EQ", "SEMVER_GT", "SEMVER_GTE", "SEMVER_LT", "SEMVER_LTE":
		return u.fitting(ordered(op, path, targeting.String(given.Value), given.Inverted), pointer)
	case "DATE_AFTER", "DATE_BEFORE":
		c := targeting.Condition{Path: path, Op: targeting.After, Value: targeting.String(given.Value)}
		if op == "DATE_BEFORE" {
			c.Op = targeting.Before
		}
		if given.Inverted {
			c = targeting.Condition{All: []targeting.Condition{{Path: path, Op: targeting.Exists}, {None: []targeting.Condition{c}}}}
		}
		return u.fitting(c, pointer)
	case "REGEX":
		c := targeting.Condition{Path: path, Op: targeting.Matches, Value: targeting.String(given.Value)}
		if given.CaseInsensitive {
			c.Value = targeting.String("(?i)" + given.Value)
		}
		return u.fitting(inverted(c, given.Inverted), pointer)
	case "IN_CIDR":
		return inverted(u.listed(path, targeting.InCIDR, listOf(given), pointer+"/values"), given.Inverted)
	}
	u.lose(pointer+"/operator", "the operator "+strconv.Quote(given.Operator)+" is not known: the rule holds of nobody")
	return never()
}

// listOf returns the values of a constraint, of which some have one only.
func listOf(given unleashConstraint) []string {
	if len(given.Values) == 0 && given.Value != "" {
		return []string{given.Value}
	}
	return given.Values
}

// constant returns a condition that always or never holds.
func constant(holds bool) targeting.Condition {
	if holds {
		return targeting.Condition{}
	}
	return never()
}

func inverted(c targeting.Condition, not bool) targeting.Condition {
	if not {
		return targeting.Condition{None: []targeting.Condition{c}}
	}
	return c
}

// membership returns the condition of IN and NOT_IN, for which a missing attribute is
// the empty text.
func (u *unleash) membership(given unleashConstraint, path, pointer string) targeting.Condition {
	in := (given.Operator == "IN") != given.Inverted
	list := listOf(given)
	if len(list) == 0 {
		return constant(!in)
	}
	c := targeting.Condition{Path: path, Op: targeting.In, Value: texts(list)}
	if slices.Contains(list, "") {
		c.OnMissing = targeting.MissingMatch
	}
	return u.fitting(inverted(c, !in), pointer)
}

// ordered returns the condition of an operator that compares.
func ordered(op, path string, value targeting.Value, not bool) targeting.Condition {
	side := 0
	if not {
		side = 1
	}
	if pair, ok := orders[op]; ok {
		return targeting.Condition{Path: path, Op: pair[side], Value: value}
	}
	ops := equals[op][side]
	both := []targeting.Condition{{Path: path, Op: ops[0], Value: value}, {Path: path, Op: ops[1], Value: value}}
	if not {
		return targeting.Condition{Any: both}
	}
	return targeting.Condition{All: both}
}

// fitting returns a condition that compiles, or that of nobody.
func (u *unleash) fitting(c targeting.Condition, pointer string) targeting.Condition {
	if message, ok := fits(c); !ok {
		u.lose(pointer, message+": the rule holds of nobody")
		return never()
	}
	return c
}

// listed returns the condition of an attribute that is one of a list, without what does
// not belong into such a list.
func (u *unleash) listed(path string, op targeting.Op, list []string, pointer string) targeting.Condition {
	var kept []string
	for _, item := range list {
		c := targeting.Condition{Path: path, Op: op, Value: texts([]string{item})}
		if message, ok := fits(c); !ok {
			u.lose(pointer, strconv.Quote(item)+" "+message+" and was left out")
			continue
		}
		kept = append(kept, item)
	}
	if len(kept) == 0 {
		return never()
	}
	var members []targeting.Condition
	size := targeting.MaxAlternatives
	if op == targeting.In {
		size = len(kept)
	}
	for some := range slices.Chunk(kept, size) {
		members = append(members, targeting.Condition{Path: path, Op: op, Value: texts(some)})
	}
	return u.fitting(anyOf(members), pointer)
}
