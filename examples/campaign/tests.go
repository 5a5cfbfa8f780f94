package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A suite is tests of the kit that this program runs for what they count.
type suite struct {
	pkg, tests string
	args       []string // behind the package
	count      string
	found      *regexp.Regexp // its groups are added up
}

var (
	runsFailed = regexp.MustCompile(`(\d+) runs, each with another call`)
	faultsHit  = regexp.MustCompile(`(\d+) faults`)
	answered   = regexp.MustCompile(`(\d+) operations were answered alike`)
)

// sweepFaults runs the sweeps of the kit. They are exhaustive and leave nothing to a seed:
// a further round tries the same calls again.
func sweepFaults(ctx context.Context, r *round) error {
	for _, s := range []suite{
		{".", "^TestAFaultLeaves", nil, "faults_in_refunds_and_approvals", runsFailed},
		{"./flags", "Fault", nil, "faults_in_changes_of_flags", runsFailed},
		{"./authz/casbinengine", "Fault", nil, "faults_in_decisions", faultsHit},
		{"./storage/sqlite", "^TestNoFaultLeaves", nil, "faults_under_sqlite", faultsHit},
		{"./storage/postgres", "Fault", nil, "faults_under_postgres", faultsHit},
		// The poisoned group, at every position of the member that meets it.
		{"./storage/sqlite", "^TestAFailedCommitIsTold|^TestAGroupThatSQLiteEnded", nil, "", nil},
	} {
		if err := r.test(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// checks are how many random sequences a property test tries in a round.
const checks = 300

// compareStores runs the models of the stores against memory, with the seed of the round.
func compareStores(ctx context.Context, r *round) error {
	seed := []string{fmt.Sprint("-rapid.checks=", checks), fmt.Sprint("-rapid.seed=", max(r.Seed, 1)), "-rapid.nofailfile"}
	for _, s := range []suite{
		{"./storage/storagetest", "^TestBackendsAnswerAsMemoryDoes$", seed, "operations", answered},
		{"./storage/jobs", "^TestStoresAnswerAsMemoryDoes$", seed, "operations_of_jobs", answered},
	} {
		if err := r.test(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// test runs a suite, and adds what it counts. A test that fails is a violation; one that
// is skipped or not there is an error.
func (r *round) test(ctx context.Context, s suite) error {
	root, err := output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/lumelle/adminkit")
	if err != nil {
		return fmt.Errorf("the kit's module is not found from here: %w: %s", err, root)
	}
	args := append([]string{"test", "-count=1", "-timeout=30m", "-v", "-run", s.tests, s.pkg}, s.args...)
	text, err := output(ctx, strings.TrimSpace(root), "go", args...)
	var exit *exec.ExitError
	if errors.As(err, &exit) && strings.Contains(text, "--- FAIL") {
		r.violated("go %s: %s", strings.Join(args, " "), end(text))
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, end(text))
	}
	if strings.Contains(text, "--- SKIP") || !strings.Contains(text, "--- PASS") {
		return fmt.Errorf("go %s: tests did not run: %s", strings.Join(args, " "), end(text))
	}
	r.count("tests", int64(strings.Count(text, "--- PASS")))
	if s.found == nil {
		return nil
	}
	all := s.found.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return fmt.Errorf("go %s: it counts nothing", strings.Join(args, " "))
	}
	for _, m := range all {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return err
		}
		r.count(s.count, n)
	}
	return nil
}

// end returns the last 4 KiB of a text.
func end(text string) string { return text[max(0, len(text)-4096):] }

// output runs a command and returns what it says.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = filepath.Clean(dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}
