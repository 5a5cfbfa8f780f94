package schema_test

import (
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/schema"
)

func ExampleCompile() {
	v, err := schema.Compile([]byte(`{
		"type": "object",
		"required": ["amount"],
		"properties": {"amount": {"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$"}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Validate([]byte(`{"amount": "12.50"}`)))
	fmt.Println(v.Validate([]byte(`{"amount": 12.5}`)))

	_, err = schema.Compile([]byte(`{"$ref": "file:///etc/passwd"}`))
	fmt.Println(err)
	// Output:
	// <nil>
	// invalid input: /payload/amount: expected string
	// invalid input: refers to file:///etc/passwd, which is not among its documents
}

// A catalogue compiles the schemas of its actions.
func Example_catalog() {
	_, err := audit.NewCatalog(audit.CatalogConfig{Compile: schema.Compile}, audit.Action{
		Name:   "orders.refund",
		Type:   "lumelle.orders.v1.refunded",
		Schema: []byte(`{"properties": {"amount": {"type": "money"}}}`),
	})
	fmt.Println(err)
	// Output:
	// audit: action "orders.refund": schema: invalid input: /properties/amount/type: expected array; /properties/amount/type: value must be one of "array", "boolean", "integer", "null", "number", "object", "string"
}

func ExampleNew() {
	c, err := schema.New(schema.Config{Documents: map[string][]byte{
		"https://lumelle.example/money.json": []byte(`{"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$"}`),
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := c.Compile([]byte(`{"properties": {"amount": {"$ref": "https://lumelle.example/money.json"}}}`))
	fmt.Println(err)
	fmt.Println(v.Validate([]byte(`{"amount": "12.5"}`)))
	// Output:
	// <nil>
	// invalid input: /payload/amount: does not match pattern '^[0-9]+\\.[0-9]{2}$'
}
