// Package schema checks payloads against JSON Schema, draft 7. It is what the
// catalogue of package audit compiles its schemas with:
//
//	catalog, err := audit.NewCatalog(audit.CatalogConfig{Compile: schema.Compile}, actions...)
//
// Validation itself is that of santhosh-tekuri/jsonschema; this package puts limits
// around it, because a schema written by a tenant is a program that runs in the host.
//
// # What is refused when a schema is compiled
//
//   - more than [MaxBytes], more than [MaxDepth] levels, more than [MaxSubschemas]
//     objects, more than [MaxRefs] references, lists of more than [MaxList] elements;
//   - patterns that expand to more than [MaxPattern] instructions in all;
//   - numbers of more than 400 digits or with an exponent beyond ±400;
//   - a key that stands twice, and a $schema other than draft 7;
//   - a $ref to anything but the schema itself, the meta-schema of draft 7 and the
//     documents named in [Config]. Nothing is ever loaded from a file or a network.
//
// # What ends a validation
//
// A schema may be small and yet ask for an exponential number of checks. Each check of
// a value against a subschema therefore takes from a budget of [MaxSteps], and a
// payload that runs out of it is refused. Steps are counted, not time, so that the
// same payload always gets the same answer.
//
// # Errors
//
// What is wrong with a payload is a *storage.InvalidError whose pointers begin with
// "/payload"; what is wrong with a schema is one whose pointers lead into the schema.
// Messages name what the schema wants and never quote the value they found.
package schema
