package flagstest

import (
	_ "embed"
	"encoding/json"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// The tenants whose flags the suite reads, and the environment it reads them in.
const (
	Acme        = "acme"
	Bloom       = "bloom"
	Environment = "test"
)

//go:embed definitions.json
var document []byte

// Document returns the definitions of the suite as JSON, by tenant: what
// [Definitions] returns, for authors who would rather translate a file.
func Document() []byte { return append([]byte(nil), document...) }

// Definitions returns the flags that a provider under test has to know, by tenant and
// in order of their keys. Each call returns fresh ones.
//
// They need little of a backend: a condition that compares one attribute with a text
// or with a list of texts, rules of which the first that holds decides, one split in
// halves, and flags that are off.
func Definitions() map[string][]flags.Flag {
	var all map[string][]flags.Flag
	if err := json.Unmarshal(document, &all); err != nil {
		panic("flagstest: definitions.json: " + err.Error()) // the package's own file
	}
	return all
}

// An Answer is what a flag of [Acme] has to be for a subject.
type Answer struct {
	Flag    string
	Subject string
	Variant string
	Rule    string
	Reason  flags.Reason
}

// subjects are those that [Answers] is about: of each plan one, and one of whom
// nothing is known but the key.
var subjects = []struct{ key, plan, merchant string }{
	{"ann", "free", "m-1"}, {"bob", "pro", "m-2"}, {"cyd", "enterprise", "m-3"}, {"dee", "", ""}, {"eve", "free", "m-4"},
}

// Subject returns one of the subjects of [Answers] by its key, of tenant [Acme].
func Subject(key string) *flags.Subject {
	s := &flags.Subject{Tenant: Acme, Key: key, Attributes: targeting.Attributes{}}
	for _, known := range subjects {
		if known.key == key && known.plan != "" {
			s.Attributes[flags.AttrPlan] = targeting.String(known.plan)
			s.Attributes[flags.AttrMerchant] = targeting.String(known.merchant)
		}
	}
	return s
}

// Answers returns what each flag of [Acme] has to be for each subject, but for the
// flag half, whose arms depend on how the provider divides.
func Answers() []Answer {
	var all []Answer
	for _, s := range subjects {
		everybody := func(flag, variant string, reason flags.Reason) {
			all = append(all, Answer{Flag: flag, Subject: s.key, Variant: variant, Reason: reason})
		}
		// by answers with the variant of the first rule, in order of its key, that holds.
		by := func(flag, fallback string, rules ...[2]string) {
			a := Answer{Flag: flag, Subject: s.key, Variant: fallback, Reason: flags.ReasonDefault}
			for _, r := range rules {
				listed := r[0] == "listed" && (s.merchant == "m-1" || s.merchant == "m-2")
				if listed || r[0] == s.plan {
					a.Variant, a.Rule, a.Reason = r[1], r[0], flags.ReasonTargetingMatch
					break
				}
			}
			all = append(all, a)
		}
		everybody("banner", "old", flags.ReasonStatic)
		everybody("disabled", "off", flags.ReasonDisabled)
		everybody("disabled-unset", "", flags.ReasonDisabled)
		by("document", "list", [2]string{"pro", "limits"})
		by("number", "zero", [2]string{"free", "fraction"}, [2]string{"pro", "exact"}, [2]string{"enterprise", "negative"})
		by("ordered", "c", [2]string{"listed", "a"}, [2]string{"free", "b"})
		everybody("static", "on", flags.ReasonStatic)
		by("text", "empty", [2]string{"free", "number"}, [2]string{"pro", "bool"}, [2]string{"enterprise", "null"})
		everybody("unset", "", flags.ReasonDefault)
	}
	return all
}
