// The tests of the house itself: which room may import which, how much a light
// program links, and that the README says what the code does.
package adminkit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lumelle/adminkit/"

// A pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Name       string
	Imports    []string
	Deps       []string
	Standard   bool
	Module     *struct{ Path string }

	Dir                                string
	GoFiles, TestGoFiles, XTestGoFiles []string
}

// list runs go list over patterns.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Name,Imports,Deps,Standard,Module,Dir,GoFiles,TestGoFiles,XTestGoFiles"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

var domains = []string{"flags", "approvals", "authz", "webhooks", "automation"}

// room returns the path of a package below the module, empty for foreign ones.
func room(path string) string {
	r, ok := strings.CutPrefix(path, module)
	if !ok {
		return ""
	}
	return r
}

// in reports whether r is the room or lies below it.
func in(r string, rooms ...string) bool {
	return slices.ContainsFunc(rooms, func(room string) bool { return r == room || strings.HasPrefix(r, room+"/") })
}

// test reports whether a package is one for tests.
func test(path string) bool {
	return strings.HasSuffix(path, "test") || slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return strings.HasSuffix(part, "test") })
}

// rules say which import is refused and why. They see direct imports of non-test files.
var rules = []struct {
	why     string
	refuses func(from, to string) bool
}{
	{
		"storage holds words that everybody shares; it must link nothing but the standard library",
		func(from, to string) bool { return from == "storage" && strings.Contains(to, ".") },
	},
	{
		"audit/correlation and flags/targeting are leaves: whoever carries a trace or a condition must not pay for more",
		func(from, to string) bool {
			return (from == "audit/correlation" || from == "flags/targeting") && room(to) != ""
		},
	},
	{
		"the floor must not know the house: storage and its engines of work come before audit",
		func(from, to string) bool {
			floor := from == "storage" || in(from, "storage/jobs", "storage/secrets", "storage/idempotency")
			return floor && !test(from) && in(room(to), append([]string{"audit", "examples"}, domains...)...)
		},
	},
	{
		"audit is the ground of the domains and must not import them: a sink and a gate reach it as interfaces",
		func(from, to string) bool {
			return in(from, "audit") && !test(from) && in(room(to), append([]string{"examples"}, domains...)...)
		},
	},
	{
		"the domains meet in the host's main: gates and sinks are interfaces of audit, so no domain needs another",
		func(from, to string) bool {
			for _, d := range domains {
				if in(from, d) && !test(from) {
					other := room(to)
					return in(other, domains...) && !in(other, d, "flags/targeting")
				}
			}
			return false
		},
	},
	{
		"a domain declares its Store and the backends implement it: the arrow points from the backend",
		func(from, to string) bool {
			return in(from, append([]string{"audit"}, domains...)...) && !test(from) &&
				in(room(to), "storage/memory", "storage/sqlite", "storage/postgres", "storage/internal")
		},
	},
	{
		"examples are at the end of every arrow",
		func(from, to string) bool { return !in(from, "examples") && in(room(to), "examples") },
	},
	{
		"testing must not reach a production binary: only packages whose name ends in test import it",
		func(from, to string) bool { return to == "testing" && !test(from) },
	},
	{
		"the otel root package links four more modules than its API does; take a TracerProvider instead",
		func(_, to string) bool { return to == "go.opentelemetry.io/otel" },
	},
	{
		"log/slog is the one logger; a library must not force another on its host",
		func(_, to string) bool {
			return to == "log" || strings.HasPrefix(to, "go.uber.org/zap") || strings.HasPrefix(to, "github.com/sirupsen/logrus")
		},
	},
	{
		"the CloudEvents client links a logger and a protocol stack; the kit needs the event package only",
		func(_, to string) bool { return to == "github.com/cloudevents/sdk-go/v2/client" },
	},
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	packages := list(t, "./...")
	if len(packages) < 20 {
		t.Fatalf("go list found %d packages; the rules would hold of nothing", len(packages))
	}
	for _, p := range packages {
		from := room(p.ImportPath)
		if from == "" {
			continue
		}
		for _, to := range p.Imports {
			for _, rule := range rules {
				if rule.refuses(from, to) {
					t.Errorf("%s must not import %s: %s", from, to, rule.why)
				}
			}
		}
	}
}

// TestTheRulesRefuse keeps the rules from holding of everything: each planted
// import is refused by exactly the rules it breaks.
func TestTheRulesRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		want     int
	}{
		{"storage", "github.com/google/btree", 1},
		{"storage", "context", 0},
		{"storage/jobs", module + "audit", 1},
		{"audit", module + "webhooks", 1},
		{"webhooks", module + "authz/authzen", 1},
		{"webhooks", module + "webhooks/egress", 0},
		{"approvals", module + "flags/targeting", 0},
		{"webhooks", module + "storage/memory", 1},
		{"webhooks/webhookstest", module + "storage/memory", 0},
		{"storage/memory", module + "webhooks", 0},
		{"audit", "testing", 1},
		{"audit/audittest", "testing", 0},
		{"audit", "go.opentelemetry.io/otel", 1},
		{"audit", "go.opentelemetry.io/otel/trace", 0},
		{"storage/memory", "log", 1},
		{"audit/cloudevent", "github.com/cloudevents/sdk-go/v2/client", 1},
		{"audit", module + "examples/merchantadmin", 2},
	} {
		got := 0
		for _, rule := range rules {
			if rule.refuses(c.from, c.to) {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%s importing %s breaks %d rules, want %d", c.from, c.to, got, c.want)
		}
	}
}

// TestADomainWithMemoryIsLight holds the weight of a program with one domain and the
// memory backend: at most three modules of others are linked.
func TestADomainWithMemoryIsLight(t *testing.T) {
	t.Parallel()
	for _, domain := range []string{"audit", "authz", "approvals", "flags", "webhooks", "automation"} {
		outside := map[string]bool{}
		for _, p := range list(t, "-deps", "./"+domain, "./storage/memory", "./storage/jobs") {
			if p.Module != nil && !strings.HasPrefix(p.Module.Path+"/", module) {
				outside[p.Module.Path] = true
			}
		}
		if len(outside) > 3 {
			t.Errorf("%s with memory links %d outside modules, want at most 3: %v", domain, len(outside), outside)
		}
	}
}

// TestTheREADMEShowsTheExample holds the quick start equal to the program, which is
// compiled and whose output is checked, and short.
func TestTheREADMEShowsTheExample(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("examples/quickstart/main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(source), "func main() {\n")
	example, _, ok := strings.Cut(example, "}\n\n// roles")
	if !ok {
		t.Fatal("examples/quickstart has no recipe")
	}
	var want []string
	for line := range strings.Lines(example) {
		want = append(want, strings.TrimPrefix(line, "\t"))
	}
	if n := len(want); n > 30 {
		t.Errorf("the quick start has %d lines, want at most 30", n)
	}
	if block := "```go\n" + strings.Join(want, "") + "```\n"; !strings.Contains(string(readme), block) {
		t.Errorf("README.md does not show examples/quickstart; its quick start must be\n%s", block)
	}
	for _, command := range []string{"go run ./examples/merchantadmin", "go test ./..."} {
		if !strings.Contains(string(readme), command) {
			t.Errorf("README.md does not name %q", command)
		}
	}
}
