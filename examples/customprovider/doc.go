// Package customprovider is what an author outside of the kit writes: three providers
// with the standard library and the kit's public API, and the proof of each.
//
//   - [FlagFile] is a flags.FlagProvider over a JSON file that an operator edits.
//   - [Table] is an audit.AuditSink over a table of the host's own database.
//   - [Partner] is a webhooks.Deliverer to the hosts that an operator listed.
//
// Each has one test that runs the suite of its interface: flagstest, audittest and
// webhookstest. What is worth copying is how little that takes: a harness that says how
// the provider is made, and how the world around it is moved.
//
// TestOneDefectIsNamedByItsRule runs the suites once more over providers with one thing
// wrong. Each suite then fails, and names the one rule that is about it:
//
//	CUSTOMPROVIDER_DEFECT=1 go test -run TestTable .
//
// The module is of its own, so nothing here can reach into the kit.
package customprovider
