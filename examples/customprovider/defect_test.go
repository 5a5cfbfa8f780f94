package customprovider

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks"
)

// defectEnv makes the tests of this package run over a provider with a defect.
const defectEnv = "CUSTOMPROVIDER_DEFECT"

// planted reports whether the provider under test shall be broken.
func planted(t testing.TB) bool {
	t.Helper()
	return os.Getenv(defectEnv) != ""
}

// A rash sink takes every event for a complete one.
type rash struct{ *Table }

func (s rash) Append(ctx context.Context, events ...audit.Event) error {
	for _, e := range events {
		if e.ID[0] == ' ' {
			return storage.Invalid("/id", "begins with a blank")
		}
	}
	return s.Table.Append(ctx, events...)
}

// A forgetful deliverer begins a trace of its own with every attempt.
type forgetful struct{ *Partner }

func (d forgetful) Deliver(ctx context.Context, r webhooks.Request) webhooks.Result {
	return d.Partner.Deliver(correlation.With(ctx, correlation.New()), r)
}

// A helpful file of flags has a value for those who look past the error.
type helpful struct{ *FlagFile }

func (f helpful) Evaluate(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
	ev := f.FlagFile.Evaluate(ctx, key, s)
	if ev.Err != nil {
		ev.Value = targeting.Bool(false)
	}
	return ev
}

// TestOneDefectIsNamedByItsRule runs each suite once more over a provider with one
// planted defect: it fails, and the rule that it names is the one about the defect.
func TestOneDefectIsNamedByItsRule(t *testing.T) {
	for _, c := range []struct{ test, defect, rule string }{
		{"TestFlagFile", "serves a value with its errors", "FP-007"},
		{"TestPartner", "drops the trace", "WD-007"},
		{"TestTable", "panics over an event without an id", "AS-020"},
	} {
		t.Run(c.test+" "+c.defect, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+c.test+"$", "-test.v")
			cmd.Env = append(os.Environ(), defectEnv+"=1")
			out, err := cmd.CombinedOutput()
			if exit := new(exec.ExitError); !errors.As(err, &exit) {
				t.Fatalf("the suite of a broken provider ends with %v:\n%s", err, out)
			}
			var failed []string
			for _, m := range regexp.MustCompile(`--- FAIL: \w+/([A-Z]{2}-\d{3})`).FindAllSubmatch(out, -1) {
				failed = append(failed, string(m[1]))
			}
			if !slices.Equal(failed, []string{c.rule}) {
				t.Errorf("the suite names %q, want %s alone:\n%s", failed, c.rule, out)
			}
		})
	}
}
