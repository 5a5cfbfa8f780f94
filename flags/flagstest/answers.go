package flagstest

import (
	"slices"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// answerRules are about what a flag is for whom.
var answerRules = []rule{
	{id: "FP-001", name: "a subject gets the variant that is meant for it", run: variants,
		explanation: "The first rule that holds decides, the default where none does, the off variant where the flag is off. Flagstest.Answers lists them all."},
	{id: "FP-002", name: "a value comes back as it was written", run: values,
		explanation: "The text 1.0 is no number, 9007199254740991 is not 9007199254740992, null in a document is not missing. And a value belongs to the variant that it stands beside."},
	{id: "FP-003", name: "the reason says why", run: reasons,
		explanation: "STATIC, DEFAULT, TARGETING_MATCH, SPLIT and DISABLED are told apart by whoever debugs a rollout and by experiments, which count SPLIT alone."},
	{id: "FP-004", name: "where no variant is served there is no value", run: unset,
		explanation: "Then the default in the reader's code holds. A zero value in its place would overrule it."},
	{id: "FP-005", name: "a rule that is named is the one that decided", run: named,
		explanation: "People look for the rule by its name. A provider that does not know may leave it empty."},
}

// compareRules are about how conditions read texts.
var compareRules = []rule{
	{id: "FP-032", name: "texts are compared whole and as they are written", run: exact,
		explanation: "A backend that folds case, trims or compares a beginning gives a flag to whoever was not meant: m-10 is not m-1."},
}

// errorRules are about what cannot be evaluated.
var errorRules = []rule{
	{id: "FP-006", name: "a flag that nobody defined is not found", run: notFound,
		explanation: "FLAG_NOT_FOUND tells a typo from a flag that is off. Keys are compared byte for byte."},
	{id: "FP-007", name: "an error comes alone", run: errorsAlone,
		explanation: "An evaluation with an Err has no value and no variant, reason ERROR, a code of OpenFeature's list and a message. Whoever reads the value first must not be misled."},
	{id: "FP-008", name: "any key gets an answer", run: anyKey,
		explanation: "Keys reach a provider from URLs. None of them may bring the host down."},
	{id: "FP-009", name: "any subject gets an answer", run: anySubject,
		explanation: "Attributes come from requests, tokens and other systems: of another kind than a rule expects, missing, or endless. None of them may bring the host down."},
	{id: "FP-010", name: "messages keep a subject's values to themselves", run: discreet,
		explanation: "Messages go into logs and to developers. They name flags and attributes; what a subject's attribute is may be personal."},
}

func variants(e *env) {
	for _, a := range Answers() {
		e.want(a.Flag, Subject(a.Subject), a.Variant)
	}
}

func values(e *env) {
	for _, a := range Answers() {
		got := e.ask(e.ctx, a.Flag, Subject(a.Subject))
		if declared, ok := e.flag(a.Flag).Variants[got.Variant]; ok && !same(got.Value, declared) {
			e.Errorf("%s for %s is %s, want the value %#v", a.Flag, a.Subject, told(got), declared)
		}
	}
}

func reasons(e *env) {
	for _, a := range Answers() {
		if got := e.ask(e.ctx, a.Flag, Subject(a.Subject)); got.Reason != a.Reason {
			e.Errorf("%s for %s is %s, want reason %s", a.Flag, a.Subject, told(got), a.Reason)
		}
	}
	if got := e.ask(e.ctx, "half", Subject("ann")); got.Reason != flags.ReasonSplit {
		e.Errorf("half for ann is %s, want reason SPLIT", told(got))
	}
}

func unset(e *env) {
	for _, a := range Answers() {
		if a.Variant != "" {
			continue
		}
		if got := e.ask(e.ctx, a.Flag, Subject(a.Subject)); !got.Value.IsZero() {
			e.Errorf("%s for %s is %s, want no value", a.Flag, a.Subject, told(got))
		}
	}
}

func named(e *env) {
	for _, a := range Answers() {
		if got := e.ask(e.ctx, a.Flag, Subject(a.Subject)); got.Rule != "" && got.Rule != a.Rule {
			e.Errorf("%s for %s names the rule %q, want %q", a.Flag, a.Subject, got.Rule, a.Rule)
		}
	}
}

// strangeKeys are keys that nobody defined, as strangers send them.
var strangeKeys = []string{
	"", " ", "static ", "STATIC", "stati", "static\x00", "static/", "../static", "zoë-😀", "ﬆatic", "sta\u200btic", "\xff\xfe", "%73tatic",
	"nil", "__proto__", "'; DROP TABLE flags; --", string(make([]byte, 1<<16)),
}

func notFound(e *env) {
	for _, key := range []string{"missing", "STATIC", "static ", "bloom-only"} {
		if got := e.ask(e.ctx, key, Subject("ann")); got.Err == nil || got.Err.Code != flags.CodeFlagNotFound {
			e.Errorf("%q is %s, want FLAG_NOT_FOUND", key, told(got))
		}
	}
}

// codes are the error codes of OpenFeature.
var codes = []flags.ErrorCode{
	flags.CodeNotReady, flags.CodeFatal, flags.CodeFlagNotFound, flags.CodeParseError, flags.CodeTypeMismatch,
	flags.CodeTargetingKeyMissing, flags.CodeInvalidContext, flags.CodeGeneral,
}

func errorsAlone(e *env) {
	for _, got := range []flags.Evaluation{
		e.ask(e.ctx, "missing", Subject("ann")),
		e.ask(e.ctx, "half", subject("", "")),
	} {
		switch {
		case got.Err == nil: // that it is one is for other rules
		case !got.Value.IsZero() || got.Variant != "" || got.Reason != flags.ReasonError:
			e.Errorf("the error %s comes with value %s, variant %q and reason %s", got.Err.Code, got.Value, got.Variant, got.Reason)
		case !slices.Contains(codes, got.Err.Code) || got.Err.Message == "":
			e.Errorf("the error has code %q and message %q", got.Err.Code, got.Err.Message)
		}
	}
}

func anyKey(e *env) {
	for _, key := range strangeKeys {
		if got := e.ask(e.ctx, key, Subject("ann")); got.Err == nil {
			e.Errorf("%.40q is %s, want an error", key, told(got))
		}
	}
}

func exact(e *env) {
	for flag, s := range map[string]struct {
		path, variant string
		texts         []string
	}{
		"text":    {flags.AttrPlan, "empty", []string{"PRO", "Free", "pr", "prox", "pro ", " pro", "p*", "fre\u0435", ""}},
		"ordered": {flags.AttrMerchant, "c", []string{"M-1", "m-10", "m-", "m-1 ", "m-1,m-2", ""}},
	} {
		for _, text := range s.texts {
			who := &flags.Subject{Tenant: Acme, Key: "zed", Attributes: targeting.Attributes{s.path: targeting.String(text)}}
			if got := e.ask(e.ctx, flag, who); got.Err != nil || got.Variant != s.variant {
				e.Errorf("%s for a subject whose %s is %q is %s, want variant %q", flag, s.path, text, told(got), s.variant)
			}
		}
	}
}
