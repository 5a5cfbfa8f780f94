package form

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// MaxRows is how many rows a form has at most; what is beyond is not read.
const MaxRows = 100

// A Group says how a row counts.
type Group string

// The groups.
const (
	// All rows of this group have to hold.
	All Group = "all"
	// Any: at least one row of this group has to hold.
	Any Group = "any"
	// None of the rows of this group may hold.
	None Group = "none"
)

// Groups returns the groups, in the order in which a condition has them.
func Groups() []Group { return []Group{All, Any, None} }

// Audience is the operator of a row that asks whether the subject is in the audience
// whose key is the value. Such a row has no path.
const Audience targeting.Op = "audience"

// Ops returns the operators of rows: those of clauses, and [Audience].
func Ops() []targeting.Op { return append(targeting.Ops(), Audience) }

// A Row is one clause as people edit it.
type Row struct {
	Group Group
	Path  string
	Op    targeting.Op
	Value string
}

// blank reports whether nobody has filled in the row.
func (r Row) blank() bool { return r.Path == "" && r.Value == "" }

// A Form is a condition as people edit it: rows, or JSON.
type Form struct {
	// Name begins the names of the form's fields.
	Name string
	Rows []Row
	// JSON is the condition in place of rows, empty where there are rows.
	JSON string
}

// Of returns the form of a condition: rows where it fits into rows, else JSON. No
// condition is a form without rows.
func Of(name string, c targeting.Condition) Form {
	f := Form{Name: name}
	if rows, ok := rowsOf(c); ok {
		f.Rows = rows
	} else {
		f.JSON = indented(c)
	}
	return f
}

// Read returns the form of this name that a browser sent, at most [MaxRows] long. A row
// without a group is one of [All].
func Read(values map[string][]string, name string) Form {
	at := func(field string, i int) string {
		if all := values[name+"."+field]; i < len(all) {
			return all[i]
		}
		return ""
	}
	f := Form{Name: name, JSON: at("json", 0)}
	for i := range min(len(values[name+".op"]), MaxRows) {
		f.Rows = append(f.Rows, Row{
			Group: Group(at("group", i)), Path: strings.TrimSpace(at("path", i)), Op: targeting.Op(at("op", i)), Value: at("value", i),
		})
		if f.Rows[i].Group == "" {
			f.Rows[i].Group = All
		}
	}
	return f
}

// Do returns the form after one of its buttons was pressed, and false where the button
// belongs to something else, or asks for what cannot be done: a row that is not there, or
// rows of what is no condition that fits into them.
func (f Form) Do(button string) (Form, bool) {
	command, ok := strings.CutPrefix(button, f.Name+".")
	if !ok {
		return f, false
	}
	switch command {
	case "add":
		if len(f.Rows) == MaxRows {
			return f, false
		}
		f.Rows = append(slices.Clone(f.Rows), Row{Group: All, Op: targeting.Equal})
		return f, true
	case "json":
		c, err := f.Condition()
		f.Rows, f.JSON = nil, indented(c)
		return f, err == nil
	case "rows":
		c, err := f.Condition()
		if rows, ok := rowsOf(c); err == nil && ok {
			return Form{Name: f.Name, Rows: rows}, true
		}
		return f, false
	}
	f.Rows, ok = Move(f.Rows, command)
	return f, ok
}

// Move returns items after a command: remove.N, up.N or down.N, where N counts from 0. It
// reports false for another command, or one that leads out of the list. Forms of other
// lists use it for the same buttons.
func Move[T any](items []T, command string) ([]T, bool) {
	verb, number, _ := strings.Cut(command, ".")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(items) {
		return items, false
	}
	moved, j := slices.Clone(items), i
	switch verb {
	case "remove":
		return slices.Delete(moved, i, i+1), true
	case "up":
		j = i - 1
	case "down":
		j = i + 1
	default:
		return items, false
	}
	if j < 0 || j >= len(items) {
		return items, false
	}
	moved[i], moved[j] = moved[j], moved[i]
	return moved, true
}

// Condition returns the condition of the form; rows that nobody filled in are passed
// over, and no rows are no condition. The error is a *storage.InvalidError whose
// pointers begin with /rows and the index of a row, or lead into the JSON. Whether the
// condition means something is for targeting.Compile to say.
func (f Form) Condition() (targeting.Condition, error) {
	if strings.TrimSpace(f.JSON) != "" {
		c, err := targeting.ParseCondition([]byte(f.JSON))
		var bad *storage.InvalidError
		if invalid, ok := errors.AsType[*targeting.InvalidError](err); ok {
			for _, field := range invalid.Fields {
				bad = bad.Add(field.Pointer, field.Message)
			}
		}
		return c, bad.Err()
	}
	var bad *storage.InvalidError
	members := map[Group][]targeting.Condition{}
	for i, r := range f.Rows {
		if r.blank() {
			continue
		}
		c, message := r.condition()
		switch {
		case message != "":
			bad = bad.Add("/rows/"+strconv.Itoa(i)+"/value", message)
		case !slices.Contains(Groups(), r.Group):
			bad = bad.Add("/rows/"+strconv.Itoa(i)+"/group", "must be all, any or none")
		}
		members[r.Group] = append(members[r.Group], c)
	}
	if err := bad.Err(); err != nil {
		return targeting.Condition{}, err
	}
	return joined(members[All], members[Any], members[None]), nil
}

// joined is the shortest condition of the three groups.
func joined(all, anyOf, none []targeting.Condition) targeting.Condition {
	if anyOf != nil {
		all = append(all, targeting.Condition{Any: anyOf})
	}
	if none != nil {
		all = append(all, targeting.Condition{None: none})
	}
	switch len(all) {
	case 0:
		return targeting.Condition{}
	case 1:
		return all[0]
	}
	return targeting.Condition{All: all}
}

// rowsOf returns the rows that a condition fits into.
func rowsOf(c targeting.Condition) (rows []Row, ok bool) {
	if c.IsZero() {
		return nil, true
	}
	members := c.All
	if members == nil {
		members = []targeting.Condition{c}
	}
	anyOf := 0
	for _, m := range members {
		leaves, group := []targeting.Condition{m}, All
		switch {
		case m.Any != nil:
			leaves, group = m.Any, Any
			anyOf++
		case m.None != nil:
			leaves, group = m.None, None
		}
		for _, leaf := range leaves {
			r, ok := rowOf(group, leaf)
			if !ok {
				return nil, false
			}
			rows = append(rows, r)
		}
	}
	return rows, anyOf <= 1 && len(rows) <= MaxRows
}

// indented is a condition in JSON for people.
func indented(c targeting.Condition) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if e.Encode(c) != nil { // a number that is none, which no reader lets in
		return ""
	}
	return strings.TrimSpace(b.String())
}
