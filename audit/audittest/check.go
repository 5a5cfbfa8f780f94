package audittest

import (
	"regexp"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/schema"
)

// recordValidator compiles the schema of records once.
var recordValidator = sync.OnceValues(func() (audit.Validator, error) { return schema.Compile(audit.RecordSchema()) })

// CheckRecord fails the test where the record of e is not as [audit.RecordSchema]
// wants it: a field is missing, unknown or ill-formed.
func CheckRecord(t testing.TB, e audit.Event) {
	t.Helper()
	v, err := recordValidator()
	if err != nil {
		t.Fatalf("the schema of records: %v", err)
	}
	r, err := audit.NewRecord(e)
	if err == nil {
		err = v.Validate(r.Canonical)
	}
	if err != nil {
		t.Errorf("event %q of action %q: its record: %v", e.ID, e.Action, err)
	}
}

// eventType is "<prefix>.<domain>.v<major>.<what happened>".
var eventType = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\.v[1-9][0-9]*(\.[a-z][a-z0-9_]*)+$`)

// CheckCatalog fails the test for every action that people cannot choose from a list
// or subscribe to: it lacks a label or a description, or its type is not
// "<prefix>.<domain>.v<major>.<what happened>".
func CheckCatalog(t testing.TB, c *audit.Catalog) {
	t.Helper()
	for _, a := range c.Actions() {
		if a.Label == "" {
			t.Errorf("action %s has no label", a.Name)
		}
		if a.Description == "" {
			t.Errorf("action %s has no description", a.Name)
		}
		if !eventType.MatchString(a.Type) {
			t.Errorf("action %s: type %q is not <prefix>.<domain>.v<major>.<what happened>", a.Name, a.Type)
		}
	}
}
