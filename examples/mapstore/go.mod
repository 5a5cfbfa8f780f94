module github.com/lumelle/adminkit/examples/mapstore

go 1.26.0

require github.com/lumelle/adminkit v0.0.0

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/santhosh-tekuri/jsonschema/v5 v5.3.1 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/lumelle/adminkit => ../..
