package importers

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// The formats that [Read] knows.
const (
	FormatOpenFeature = "openfeature-testkit"
	FormatUnleash     = "unleash"
)

// The limits of an import. What is beyond them is refused as a whole.
const (
	// MaxBytes is the longest document, in bytes.
	MaxBytes = 16 << 20
	// MaxFlags is how many flags a document may have.
	MaxFlags = 10_000
)

// Options adjust an import.
type Options struct {
	// Environments are those that the flags get their state in: at least one.
	Environments []string
	// Owner answers for the flags; empty for nobody yet.
	Owner string
	// Attributes renames attributes, such as "userId" to "targetingKey".
	Attributes map[string]string
}

// A Result is what an import made of a document.
type Result struct {
	// Flags are in order of their keys, Audiences those that they refer to, in order of
	// theirs.
	Flags     []flags.Flag         `json:"flags"`
	Audiences []targeting.Audience `json:"audiences"`
	// Lost is what could not be kept, in the order of the document.
	Lost []Loss `json:"lost"`
}

// A Loss is something that the document says and the result does not, or not quite.
type Loss struct {
	// Pointer is the JSON pointer of its place in the document.
	Pointer string `json:"pointer"`
	// Flag is the key of the flag that it is about, empty where it is about none.
	Flag string `json:"flag,omitempty"`
	// Reason says what became of it, for people.
	Reason string `json:"reason"`
}

// Read imports a document of a format. An unknown format, a document that cannot be read
// and one beyond the limits are a *storage.InvalidError; everything else is in the
// result.
func Read(format string, data []byte, opts Options) (Result, error) {
	switch format {
	case FormatOpenFeature:
		return OpenFeature(data, opts)
	case FormatUnleash:
		return Unleash(data, opts)
	}
	return Result{}, storage.Invalid("/format", "must be "+FormatOpenFeature+" or "+FormatUnleash)
}

// An importer collects a result.
type importer struct {
	opts   Options
	result Result
	flag   string // that is being imported
}

func newImporter(data []byte, opts Options) (*importer, error) {
	if len(data) > MaxBytes {
		return nil, storage.Invalid("", "must be at most 16 MiB long")
	}
	if len(opts.Environments) == 0 {
		return nil, storage.Invalid("/environments", "must name at least one environment")
	}
	return &importer{opts: opts, result: Result{Flags: []flags.Flag{}, Audiences: []targeting.Audience{}, Lost: []Loss{}}}, nil
}

// done returns the result in its order.
func (m *importer) done() Result {
	slices.SortFunc(m.result.Flags, func(a, b flags.Flag) int { return strings.Compare(a.Key, b.Key) })
	slices.SortFunc(m.result.Audiences, func(a, b targeting.Audience) int { return strings.Compare(a.Key, b.Key) })
	return m.result
}

func (m *importer) lose(pointer, reason string) {
	m.result.Lost = append(m.result.Lost, Loss{Pointer: pointer, Flag: m.flag, Reason: reason})
}

// read decodes an object into v, a pointer to a struct, and tells each member that v
// has no field for. It reports false, and tells, what is no such object.
func (m *importer) read(data []byte, pointer string, v any) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil || members == nil || json.Unmarshal(data, v) != nil {
		m.lose(pointer, "cannot be read and was left out")
		return false
	}
	t := reflect.TypeOf(v).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		delete(members, name)
	}
	var unknown []string
	for name, value := range members {
		if s := string(bytes.TrimSpace(value)); s != "null" && s != "[]" && s != "{}" && s != `""` && s != "false" {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		m.lose(join(pointer, name), "is not known and was left out")
	}
	return true
}

// state gives a flag its state in every environment.
func (m *importer) state(f *flags.Flag, state flags.State) {
	f.Environments = map[string]flags.State{}
	for _, environment := range m.opts.Environments {
		f.Environments[environment] = state
	}
	m.result.Flags = append(m.result.Flags, *f)
}

// attribute returns the name that an attribute has here.
func (m *importer) attribute(name string) string {
	if to := m.opts.Attributes[name]; to != "" {
		return to
	}
	return name
}

// fits reports whether a condition compiles, and what keeps it from that.
func fits(c targeting.Condition) (string, bool) {
	_, err := targeting.Compile(c, targeting.Options{})
	if err == nil {
		return "", true
	}
	if invalid, ok := err.(*targeting.InvalidError); ok && len(invalid.Fields) > 0 {
		return invalid.Fields[0].Message, false
	}
	return err.Error(), false
}

// never is the condition that nothing meets: an empty bucket.
func never() targeting.Condition {
	return targeting.Condition{Bucket: &targeting.Bucket{Salt: "never"}}
}

// all returns the condition that all of several hold; none of them is always.
func all(conditions []targeting.Condition) targeting.Condition {
	switch len(conditions) {
	case 0:
		return targeting.Condition{}
	case 1:
		return conditions[0]
	}
	return targeting.Condition{All: conditions}
}

// anyOf returns the condition that one of several holds, of which there is one at least.
func anyOf(conditions []targeting.Condition) targeting.Condition {
	if len(conditions) == 1 {
		return conditions[0]
	}
	return targeting.Condition{Any: conditions}
}

// when returns a condition as a rule has it.
func when(c targeting.Condition) *targeting.Condition {
	if c.IsZero() {
		return nil
	}
	return &c
}

func join(pointer, token string) string {
	if strings.ContainsAny(token, "~/") {
		token = strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	}
	return pointer + "/" + token
}

func at(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }

// texts returns a list of texts as a value.
func texts(list []string) targeting.Value {
	values := make([]targeting.Value, len(list))
	for i, s := range list {
		values[i] = targeting.String(s)
	}
	return targeting.List(values...)
}
