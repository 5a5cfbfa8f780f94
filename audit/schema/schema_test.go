package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/storage"
)

func invalid(t *testing.T, err error) *storage.InvalidError {
	t.Helper()
	bad, ok := errors.AsType[*storage.InvalidError](err)
	if !ok {
		t.Fatalf("error = %v, want a *storage.InvalidError", err)
	}
	return bad
}

func TestPayloadErrorsPointIntoThePayload(t *testing.T) {
	t.Parallel()
	v, err := schema.Compile([]byte(`{
		"type": "object",
		"required": ["order_id", "amount"],
		"additionalProperties": false,
		"properties": {
			"order_id": {"type": "string", "minLength": 1},
			"amount": {"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$"},
			"a/b~c d": {"type": "integer", "minimum": 1, "multipleOf": 5},
			"mail": {"format": "email"},
			"kind": {"enum": ["full", "part"]},
			"version": {"const": 1},
			"lines": {"type": "array", "maxItems": 2, "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}
		}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Validate([]byte(`{"order_id":"1","amount":"150.00","lines":["a",null]}`)); err != nil {
		t.Fatalf("a good payload: %v", err)
	}
	for _, c := range []struct{ name, payload, want string }{
		{"a member is missing", `{"order_id":"1"}`, "/payload: missing properties: 'amount'"},
		{"a member is unknown", `{"order_id":"1","amount":"1.00","x":"SECRET"}`, "/payload: additionalProperties 'x' not allowed"},
		{"the type is wrong", `{"order_id":7,"amount":"1.00"}`, "/payload/order_id: expected string"},
		{"a pattern does not match", `{"order_id":"1","amount":"SECRET"}`, `/payload/amount: does not match pattern`},
		{"the pointer is escaped once", `{"order_id":"1","amount":"1.00","a/b~c d":0}`, "/payload/a~1b~0c d: must be >= 1"},
		{"a multiple", `{"order_id":"1","amount":"1.00","a/b~c d":7}`, "/payload/a~1b~0c d: not multipleOf 5"},
		{"a format", `{"order_id":"1","amount":"1.00","mail":"SECRET"}`, "/payload/mail: is not a valid email"},
		{"an enum", `{"order_id":"1","amount":"1.00","kind":"SECRET"}`, `/payload/kind: value must be one of "full", "part"`},
		{"a constant", `{"order_id":"1","amount":"1.00","version":2}`, "/payload/version: is not the value that the schema wants"},
		{"a list", `{"order_id":"1","amount":"1.00","lines":["a","b","SECRET"]}`, "/payload/lines: maximum 2 items required"},
		{"an alternative", `{"order_id":"1","amount":"1.00","lines":[1]}`, "/payload/lines/0: expected null; /payload/lines/0: expected string"},
		{"several at once, in order", `{"order_id":"","amount":1}`, "/payload/amount: expected string; /payload/order_id: length must be >= 1"},
		{"not JSON", `{`, "/payload: must be JSON"},
		{"two documents", `{}{}`, "/payload: must be one JSON document"},
		{"a deep one", strings.Repeat("[", 100) + strings.Repeat("]", 100), "/payload: is nested too deep"},
		{"a number that would be written out", `{"a/b~c d":1e999999999}`, "/payload: has a number with too many digits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := invalid(t, v.Validate([]byte(c.payload)))
			if got := bad.Error(); !strings.HasPrefix(got, "invalid input: "+c.want) {
				t.Errorf("error = %s\nwant    %s", got, c.want)
			}
			if strings.Contains(bad.Error(), "SECRET") {
				t.Errorf("the error quotes the value: %v", bad)
			}
		})
	}
}

func TestManyFaultsAreToldInPart(t *testing.T) {
	t.Parallel()
	v, err := schema.Compile([]byte(`{"items": {"type": "string"}}`))
	if err != nil {
		t.Fatal(err)
	}
	bad := invalid(t, v.Validate([]byte("["+strings.Repeat("1,", 999)+"1]")))
	if len(bad.Fields) != 20 {
		t.Errorf("%d fields, want 20", len(bad.Fields))
	}
}

func TestSchemasThatAreRefused(t *testing.T) {
	t.Parallel()
	list := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`"a",`, n), ",") + "]" }
	for _, c := range []struct{ name, schema, want string }{
		{"not JSON", `{"type":`, "must be JSON"},
		{"two documents", `{} {}`, "must be one JSON document"},
		{"no schema", `"string"`, "expected object or boolean"},
		{"too long", `{"description":"` + strings.Repeat("x", schema.MaxBytes) + `"}`, "at most 65536 bytes"},
		{"too deep", strings.Repeat(`{"not":`, 33) + "{}" + strings.Repeat("}", 33), "nested too deep"},
		{"too many subschemas", `{"allOf":[` + strings.Repeat("{},", 900) + `{}],"anyOf":[` + strings.Repeat("{},", 900) + `{}],"oneOf":[` + strings.Repeat("{},", 250) + `{}]}`, "too many"},
		{"too many references", `{"allOf":[` + strings.Repeat(`{"$ref":"#"},`, 256) + `{"$ref":"#"}]}`, "reference too many"},
		{"a long list", `{"enum":` + list(1001) + `}`, "/enum: has too many elements"},
		{"many lists", `{"a":` + list(800) + `,"b":` + list(800) + `}`, "/b: has too many elements"},
		{"a key twice", `{"properties":{"a":{},"b":{},"a":{}}}`, "/properties/a: stands twice"},
		{"another draft", `{"$schema":"http://json-schema.org/draft-04/schema#"}`, "/$schema: must be draft 7"},
		{"an unknown type", `{"properties":{"a":{"type":"money"}}}`, "/properties/a/type: "},
		{"a number that would be written out", `{"multipleOf":1e-999999999}`, "/multipleOf: is a number with too many digits"},
		{"a number with very many digits", `{"minimum":` + strings.Repeat("9", 401) + `}`, "/minimum: is a number with too many digits"},
		{"a pattern that grows", `{"pattern":"` + strings.Repeat("a{900}", 12) + `"}`, "/pattern: is an expression that grows too large"},
		{"a pattern of a property that grows", `{"patternProperties":{"` + strings.Repeat("(ab){450}", 12) + `":{}}}`, "grows too large"},
		{"a pattern that does not compile", `{"pattern":"("}`, "/pattern: is not a valid regex"},
		{"a pattern with a look-ahead", `{"pattern":"(?=a)"}`, "/pattern: is not a valid regex"},
		{"a reference to nowhere", `{"$ref":"#/definitions/none"}`, "leads nowhere"},
		{"a reference to itself", `{"$ref":"#"}`, "refers to itself"},
		{"a reference to a file", `{"$ref":"file:///etc/passwd"}`, "refers to file:///etc/passwd, which is not among its documents"},
		{"a reference to a host", `{"$ref":"http://127.0.0.1:1/"}`, "not among its documents"},
		{"a relative reference", `{"$ref":"other.json"}`, "invalid input"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := schema.Compile([]byte(c.schema))
			if got := invalid(t, err).Error(); !strings.Contains(got, c.want) {
				t.Errorf("error = %s\nwant it to say %q", got, c.want)
			}
		})
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	c, err := schema.New(schema.Config{Documents: map[string][]byte{
		"https://example.com/money.json": []byte(`{"definitions":{"amount":{"type":"string"}}}`),
	}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.Compile([]byte(`{"properties":{"a":{"$ref":"https://example.com/money.json#/definitions/amount"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Validate([]byte(`{"a":"1"}`)); err != nil {
		t.Error(err)
	}
	if got := invalid(t, v.Validate([]byte(`{"a":1}`))).Fields[0].Pointer; got != "/payload/a" {
		t.Errorf("pointer = %s", got)
	}
	for uri, doc := range map[string]string{"relative.json": `{}`, "https://example.com/#a": `{}`, "https://example.com/": `{`} {
		if _, err := schema.New(schema.Config{Documents: map[string][]byte{uri: []byte(doc)}}); err == nil {
			t.Errorf("New with document %q %s succeeds", uri, doc)
		}
	}
}

// distinct returns n numbers with commas between.
func distinct(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,", i+100)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// names returns n members with long names.
func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%s%d":1,`, strings.Repeat("a", 20), i)
	}
	return b.String()
}

// bombs are schemas of less than 64 KiB that would keep a validator busy.
func bombs() map[string]struct{ schema, payload string } {
	chain := func(keyword string, leaf string) string {
		var b strings.Builder
		b.WriteString(`{"$ref":"#/definitions/d0","definitions":{`)
		for i := range 30 {
			fmt.Fprintf(&b, `"d%d":{"%s":[{"$ref":"#/definitions/d%d"},{"$ref":"#/definitions/d%d"}]},`, i, keyword, i+1, i+1)
		}
		return b.String() + `"d30":` + leaf + `}}`
	}
	nested := strings.Repeat(`{"a":`, 30) + "1" + strings.Repeat("}", 30)
	numbers := "[" + strings.Repeat("1,", 9999) + "1]"
	return map[string]struct{ schema, payload string }{
		"a chain of anyOf":                   {chain("anyOf", `{"type":"string"}`), `1`},
		"a chain of anyOf that matches":      {chain("anyOf", `{"type":"number"}`), `1`},
		"a chain of oneOf":                   {chain("oneOf", `{"type":"string"}`), `1`},
		"a chain of allOf":                   {chain("allOf", `{"minimum":2}`), `1`},
		"a chain of allOf that ends in true": {chain("allOf", `true`), `1`},
		"recursion that doubles":             {`{"anyOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}},{"type":"string"}]}`, nested},
		"recursion by patterns":              {`{"patternProperties":{"a":{"$ref":"#"},"^a":{"$ref":"#"},"a$":{"$ref":"#"}}}`, nested},
		"lists by lists":                     {`{"allOf":[` + strings.Repeat(`{"items":{"type":"number"}},`, 900) + `{}]}`, numbers},
		"long enums":                         {`{"items":{"enum":[` + distinct(900) + `]}}`, numbers},
		"a large pattern over a long text":   {`{"pattern":"(.*a.*){8}b"}`, `"` + strings.Repeat("a", 60000) + `"`},
		"many patterns over a text":          {`{"allOf":[` + strings.Repeat(`{"pattern":"(.*a.*){8}b"},`, 120) + `{}]}`, `"` + strings.Repeat("a", 6000) + `"`},
		"many patterns over many names":      {`{"patternProperties":{"(.*a.*){8}b":true,"(.*a.*){9}b":true,"(.*a.*){7}b":true}}`, `{` + names(2000) + `"z":{}}`},
	}
}

func TestBombsRunOutOfSteps(t *testing.T) {
	for name, bomb := range bombs() {
		t.Run(name, func(t *testing.T) {
			v, err := schema.Compile([]byte(bomb.schema))
			if err != nil {
				t.Fatalf("Compile: %v", err)
			}
			start := time.Now()
			var bad *storage.InvalidError
			allocated := testing.AllocsPerRun(1, func() { bad = invalid(t, v.Validate([]byte(bomb.payload))) })
			t.Logf("%v in two runs, %.0f allocations", time.Since(start), allocated)
			if got := bad.Error(); !strings.Contains(got, "takes too many steps") {
				t.Errorf("error = %.200s, want the budget spent", got)
			}
		})
	}
}

func TestBudgetIsThatOfOnePayload(t *testing.T) {
	t.Parallel()
	v, err := schema.Compile([]byte(`{"items":{"type":"number"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := v.Validate([]byte("[" + distinct(5000) + "]")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMetaSchemaIsLeftAlone(t *testing.T) {
	t.Parallel()
	for range 2 {
		v, err := schema.Compile([]byte(`{"$ref":"http://json-schema.org/draft-07/schema#"}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Validate([]byte(`{"type":"object"}`)); err != nil {
			t.Error(err)
		}
		if v.Validate([]byte(`{"type":"money"}`)) == nil {
			t.Error("the meta-schema accepts an unknown type")
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, bomb := range bombs() {
		f.Add([]byte(bomb.schema), []byte(bomb.payload))
	}
	f.Add([]byte(`{"type":"object","required":["a"]}`), []byte(`{"a":1e3}`))
	f.Fuzz(func(t *testing.T, doc, payload []byte) {
		v, err := schema.Compile(doc)
		if err != nil {
			invalid(t, err)
			return
		}
		if !json.Valid(doc) {
			t.Errorf("compiled what is not JSON: %q", doc)
		}
		if err := v.Validate(payload); err != nil {
			for _, field := range invalid(t, err).Fields {
				if !strings.HasPrefix(field.Pointer, "/payload") {
					t.Errorf("pointer %q does not begin with /payload", field.Pointer)
				}
			}
		}
	})
}
