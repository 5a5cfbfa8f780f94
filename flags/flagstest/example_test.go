package flagstest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagstest"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// What a provider under test has to answer, for two of the suite's subjects.
func ExampleAnswers() {
	for _, a := range flagstest.Answers() {
		if a.Subject == "ann" || a.Subject == "dee" {
			fmt.Printf("%s  %-14s  %-10q  %s\n", a.Subject, a.Flag, a.Variant, a.Reason)
		}
	}
	// Output:
	// ann  banner          "old"       STATIC
	// ann  disabled        "off"       DISABLED
	// ann  disabled-unset  ""          DISABLED
	// ann  document        "list"      DEFAULT
	// ann  number          "fraction"  TARGETING_MATCH
	// ann  ordered         "a"         TARGETING_MATCH
	// ann  static          "on"        STATIC
	// ann  text            "number"    TARGETING_MATCH
	// ann  unset           ""          DEFAULT
	// dee  banner          "old"       STATIC
	// dee  disabled        "off"       DISABLED
	// dee  disabled-unset  ""          DISABLED
	// dee  document        "list"      DEFAULT
	// dee  number          "zero"      DEFAULT
	// dee  ordered         "c"         DEFAULT
	// dee  static          "on"        STATIC
	// dee  text            "empty"     DEFAULT
	// dee  unset           ""          DEFAULT
}

// A host's test sets the flags that its code reads.
func ExampleNewProvider() {
	failures := ruletest.Try(context.Background(), func(t testing.TB) { // in a test: t *testing.T
		p := flagstest.NewProvider(t, map[string]any{"instant-payouts": false})
		p.SetFor("m-7", "instant-payouts", true)
		for _, merchant := range []string{"m-1", "m-7"} {
			ev := p.Evaluate(t.Context(), "instant-payouts", &flags.Subject{Tenant: "acme", Key: merchant})
			fmt.Println(merchant, ev.Value, ev.Reason)
		}
		fmt.Println(len(p.Asked()), "evaluations")
	})
	fmt.Println(len(failures), "failures")
	// Output:
	// m-1 false STATIC
	// m-7 true TARGETING_MATCH
	// 2 evaluations
	// 0 failures
}

// An author holds a provider to the rules from a test of its own.
func ExampleRun() {
	_ = func(t *testing.T) { // TestProvider
		flagstest.Run(t, flagstest.Options{New: func(t testing.TB) flagstest.Harness {
			p := &provider{flags: flagstest.Definitions()}
			return flagstest.Harness{Provider: p, Publish: p.publish}
		}})
	}
	rules := flagstest.Rules()
	fmt.Println(rules[1])
	fmt.Println(rules[1].Explanation)
	// Output:
	// FP-002 a value comes back as it was written
	// The text 1.0 is no number, 9007199254740991 is not 9007199254740992, null in a document is not missing. And a value belongs to the variant that it stands beside.
}

// A provider by somebody else: it finds every flag and evaluates none yet.
type provider struct{ flags map[string][]flags.Flag }

func (p *provider) Evaluate(context.Context, string, *flags.Subject) flags.Evaluation {
	return flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: flags.CodeNotReady, Message: "not yet"}}
}

func (p *provider) publish(_ context.Context, tenant string, f flags.Flag) error {
	p.flags[tenant] = append(p.flags[tenant], f)
	return nil
}
