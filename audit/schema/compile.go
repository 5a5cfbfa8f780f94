package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/internal/text"
	"github.com/lumelle/adminkit/storage"
)

// Config configures a [Compiler]. Its zero value is ready for use.
type Config struct {
	// Documents are what a $ref may lead to beside the schema itself, by absolute
	// URI without a fragment. They are held to the limits of schemas.
	Documents map[string][]byte
}

// A Compiler compiles schemas that share documents. It is safe for concurrent use.
type Compiler struct{ documents map[string][]byte }

// New makes a Compiler. A document that breaks a limit is an error.
func New(cfg Config) (*Compiler, error) {
	c := &Compiler{documents: map[string][]byte{}}
	for uri, doc := range cfg.Documents {
		if u, err := url.Parse(uri); err != nil || !u.IsAbs() || u.Fragment != "" {
			return nil, fmt.Errorf("schema: document %q: not an absolute URI without fragment", uri)
		}
		if err := checkSchema(doc); err != nil {
			return nil, fmt.Errorf("schema: document %q: %w", uri, err)
		}
		c.documents[uri] = bytes.Clone(doc)
	}
	return c, nil
}

// Compile compiles a schema that refers to no other document.
func Compile(schema []byte) (audit.Validator, error) { return (&Compiler{}).Compile(schema) }

// base is the URI of the schema that is compiled, where it names none itself.
const base = "urn:adminkit:schema"

// Compile compiles a schema. The error is a *storage.InvalidError.
func (c *Compiler) Compile(schema []byte) (audit.Validator, error) {
	if err := checkSchema(schema); err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.Draft = jsonschema.Draft7
	compiler.Formats["uri"] = ofString(text.URI)
	compiler.Formats["uri-reference"] = ofString(func(s string) bool { return s == "" || text.URIReference(s) })
	var missing string
	compiler.LoadURL = func(uri string) (io.ReadCloser, error) {
		if doc, ok := c.documents[uri]; ok {
			return io.NopCloser(bytes.NewReader(doc)), nil
		}
		missing = uri
		return nil, errors.New("not among the documents")
	}
	if err := compiler.AddResource(base, bytes.NewReader(schema)); err != nil {
		return nil, storage.Invalid("", "must be a JSON Schema")
	}
	compiled, err := compiler.Compile(base)
	switch failed, ok := errors.AsType[*jsonschema.ValidationError](err); {
	case err == nil:
		return newValidator(compiled), nil
	case ok:
		return nil, invalid("", failed)
	case missing != "":
		return nil, storage.Invalid("", "refers to "+missing+", which is not among its documents")
	}
	if _, ok := errors.AsType[jsonschema.InfiniteLoopError](err); ok {
		return nil, storage.Invalid("", "refers to itself without end")
	}
	return nil, storage.Invalid("", "has a reference that leads nowhere or an expression that does not compile")
}

// ofString is a format for strings, which every other value meets. The library's own
// checks of URIs let characters through that may not stand in one.
func ofString(valid func(s string) bool) func(any) bool {
	return func(value any) bool {
		s, ok := value.(string)
		return !ok || valid(s)
	}
}

// invalid turns an error of the validator into fields below pointer. Only the leaves
// are told: what stands above them says that something below is wrong.
func invalid(pointer string, err *jsonschema.ValidationError) error {
	var bad *storage.InvalidError
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			walk(cause)
		}
		if len(e.Causes) == 0 && (bad == nil || len(bad.Fields) < maxFields) {
			location, err := url.PathUnescape(e.InstanceLocation)
			if err != nil {
				location = e.InstanceLocation
			}
			bad = bad.Add(pointer+location, message(e))
		}
	}
	walk(err)
	sortFields(bad.Fields)
	return bad.Err()
}

// maxFields is how many faults of one payload are told.
const maxFields = 20

// message tells what the schema wanted, without the value that was found.
func message(e *jsonschema.ValidationError) string {
	keyword := e.KeywordLocation[strings.LastIndexByte(e.KeywordLocation, '/')+1:]
	switch keyword {
	case "format":
		if i := strings.LastIndex(e.Message, "is not valid "); i >= 0 {
			return "is not a valid " + strings.Trim(e.Message[i+len("is not valid "):], "'")
		}
	case "const":
		return "is not the value that the schema wants"
	case "multipleOf":
		if i := strings.LastIndex(e.Message, "not multipleOf "); i >= 0 {
			return e.Message[i:]
		}
	}
	wanted := e.Message
	for _, found := range []string{", but got ", ", but found ", " but found "} {
		if i := strings.LastIndex(wanted, found); i >= 0 {
			wanted = wanted[:i]
		}
	}
	if wanted == "" {
		return "is not allowed"
	}
	return wanted
}
