package memory

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage/tenants"
)

// What package tenants does not know of stays when a tenant is deleted.
func TestEveryTableIsOneOfTenants(t *testing.T) {
	t.Parallel()
	without := map[string]string{
		"jobWorkerTable": "workers are of no tenant",
		"sequenceTable":  "numbers are given to all tenants in turn",
		"jobKeyTable":    "a key goes with its job",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	mapped, err := os.ReadFile("tenants.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^var (\w+) = table\[`).FindAllSubmatch(text, -1) {
			found++
			table := string(m[1])
			_, excused := without[table]
			if in := strings.Contains(string(mapped), "table: "+table+","); in == excused {
				t.Errorf("%s: in tenantTables: %t, excused: %t", table, in, excused)
			}
		}
	}
	if found < 20 {
		t.Errorf("the package has %d tables; the test would hold of nothing", found)
	}
	for _, table := range tenants.Tables() {
		if mapped := tenantTables[table.Name].rows != nil; mapped == table.Internal {
			t.Errorf("%s: in tenantTables: %t, internal: %t", table.Name, mapped, table.Internal)
		}
	}
}
