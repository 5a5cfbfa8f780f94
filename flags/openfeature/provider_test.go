package openfeature_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	sdk "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagstest"
	"github.com/lumelle/adminkit/flags/openfeature"
	"github.com/lumelle/adminkit/flags/targeting"
)

// An answer is a flag provider of one evaluation.
type answer flags.Evaluation

func (a answer) Evaluate(context.Context, string, *flags.Subject) flags.Evaluation {
	return flags.Evaluation(a)
}

func bridge(t testing.TB, p flags.FlagProvider, cfg openfeature.Config) *openfeature.Provider {
	t.Helper()
	b, err := openfeature.New(p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReasonsAreToldAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, reason := range []flags.Reason{flags.ReasonStatic, flags.ReasonDefault, flags.ReasonTargetingMatch, flags.ReasonSplit,
		flags.ReasonDisabled, flags.ReasonStale, flags.ReasonCached, flags.ReasonUnknown} {
		b := bridge(t, answer{Value: targeting.Bool(true), Variant: "on", Reason: reason}, openfeature.Config{})
		d := b.BooleanEvaluation(t.Context(), "f", false, nil)
		if !d.Value || d.Variant != "on" || string(d.Reason) != string(reason) || d.Error() != nil {
			t.Errorf("%s: %+v", reason, d)
		}
		back := openfeature.From(b).Evaluate(t.Context(), "f", &flags.Subject{})
		if v, _ := back.Value.AsBool(); !v || back.Variant != "on" || back.Reason != reason || back.Err != nil {
			t.Errorf("%s and back: %+v", reason, back)
		}
	}
}

func TestErrorCodesAreToldAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, code := range []flags.ErrorCode{flags.CodeNotReady, flags.CodeFatal, flags.CodeFlagNotFound, flags.CodeParseError,
		flags.CodeTargetingKeyMissing, flags.CodeInvalidContext, flags.CodeGeneral} {
		b := bridge(t, answer{Reason: flags.ReasonError, Err: &flags.Error{Code: code, Message: "why"}}, openfeature.Config{})
		d := b.IntEvaluation(t.Context(), "f", 7, nil)
		told := d.ResolutionDetail()
		if d.Value != 7 || d.Reason != sdk.ErrorReason || string(told.ErrorCode) != string(code) || told.ErrorMessage != "why" {
			t.Errorf("%s: %+v", code, told)
		}
		back := openfeature.From(b).Evaluate(t.Context(), "f", &flags.Subject{})
		if !back.Value.IsZero() || back.Reason != flags.ReasonError || back.Err == nil || *back.Err != (flags.Error{Code: code, Message: "why"}) {
			t.Errorf("%s and back: %+v", code, back)
		}
	}
}

func TestEachTypeReadsItsOwnAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	object := map[string]any{"a": []any{1.0}}
	of := func(v any) targeting.Value {
		value, err := targeting.Of(v)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	for _, c := range []struct {
		name                                  string
		value                                 targeting.Value
		boolean, text, integer, float, object bool
	}{
		{"a truth value", targeting.Bool(false), true, false, false, false, false},
		{"a text", targeting.String(""), false, true, false, false, false},
		{"an integer", targeting.Int(0), false, false, true, true, false},
		{"a fraction", targeting.Number(0.5), false, false, false, true, false},
		{"an object", of(object), false, false, false, false, true},
		{"a list", of([]any{"a"}), false, false, false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := bridge(t, answer{Value: c.value, Variant: "v", Reason: flags.ReasonStatic}, openfeature.Config{})
			ctx := t.Context()
			for _, read := range []struct {
				name   string
				detail sdk.ProviderResolutionDetail
				want   bool
			}{
				{"bool", b.BooleanEvaluation(ctx, "f", true, nil).ProviderResolutionDetail, c.boolean},
				{"string", b.StringEvaluation(ctx, "f", "x", nil).ProviderResolutionDetail, c.text},
				{"int", b.IntEvaluation(ctx, "f", 3, nil).ProviderResolutionDetail, c.integer},
				{"float", b.FloatEvaluation(ctx, "f", 3, nil).ProviderResolutionDetail, c.float},
				{"object", b.ObjectEvaluation(ctx, "f", nil, nil).ProviderResolutionDetail, c.object},
			} {
				code := read.detail.ResolutionDetail().ErrorCode
				if read.want && (code != "" || read.detail.Variant != "v") || !read.want && (code != sdk.TypeMismatchCode || read.detail.Reason != sdk.ErrorReason) {
					t.Errorf("read as %s: %+v", read.name, read.detail)
				}
			}
			back := openfeature.From(b).Evaluate(ctx, "f", &flags.Subject{})
			if back.Value.String() != c.value.String() || back.Value.Kind() != c.value.Kind() {
				t.Errorf("%v came back as %v", c.value, back.Value)
			}
		})
	}
}

func TestWithoutAVariantTheDefaultIsTheValue(t *testing.T) {
	t.Parallel()
	b := bridge(t, answer{Reason: flags.ReasonDisabled}, openfeature.Config{})
	if d := b.StringEvaluation(t.Context(), "f", "mine", nil); d.Value != "mine" || d.Variant != "" || d.Reason != sdk.DisabledReason || d.Error() != nil {
		t.Errorf("%+v", d)
	}
	if e := openfeature.From(b).Evaluate(t.Context(), "f", &flags.Subject{}); !e.Value.IsZero() || e.Reason != flags.ReasonDisabled {
		t.Errorf("and back: %+v", e)
	}
}

func TestTheSubject(t *testing.T) {
	t.Parallel()
	carried := &flags.Subject{Tenant: "acme", Key: "m-1", Attributes: targeting.Attributes{"plan": targeting.String("pro"), "age": targeting.Int(3)}}
	for _, c := range []struct {
		name       string
		ctx        *flags.Subject
		attributes sdk.FlattenedContext
		want       flags.Subject
	}{
		{"is empty without any", nil, nil, flags.Subject{}},
		{"is that of ctx", carried, nil, *carried},
		{"is the evaluation context", nil, sdk.FlattenedContext{"targetingKey": "m-2", "tenant": "bloom", "plan": "free"},
			flags.Subject{Tenant: "bloom", Key: "m-2", Attributes: targeting.Attributes{"plan": targeting.String("free")}}},
		{"is both, and the evaluation context wins", carried, sdk.FlattenedContext{"plan": "free"},
			flags.Subject{Tenant: "acme", Key: "m-1", Attributes: targeting.Attributes{"plan": targeting.String("free"), "age": targeting.Int(3)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen := &capture{FlagProvider: answer{Reason: flags.ReasonDefault}}
			ctx := t.Context()
			if c.ctx != nil {
				ctx = flags.WithSubject(ctx, c.ctx)
			}
			bridge(t, seen, openfeature.Config{}).BooleanEvaluation(ctx, "f", false, c.attributes)
			got := *seen.last
			if got.Tenant != c.want.Tenant || got.Key != c.want.Key || len(got.Attributes) != len(c.want.Attributes) {
				t.Fatalf("%+v, want %+v", got, c.want)
			}
			for name, v := range c.want.Attributes {
				if !got.Attributes[name].Equal(v) {
					t.Errorf("%s is %v, want %v", name, got.Attributes[name], v)
				}
			}
			if c.attributes == nil && c.ctx != nil && seen.last != c.ctx {
				t.Error("the subject of ctx was copied")
			}
		})
	}
}

func TestAContextOfAnotherKindIsInvalid(t *testing.T) {
	t.Parallel()
	b := bridge(t, answer{Value: targeting.Bool(true), Variant: "on"}, openfeature.Config{})
	for _, attributes := range []sdk.FlattenedContext{{"f": func() {}}, {"targetingKey": 7}, {"tenant": true}} {
		for _, d := range []sdk.ProviderResolutionDetail{
			b.BooleanEvaluation(t.Context(), "f", false, attributes).ProviderResolutionDetail,
			b.StringEvaluation(t.Context(), "f", "", attributes).ProviderResolutionDetail,
			b.FloatEvaluation(t.Context(), "f", 0, attributes).ProviderResolutionDetail,
			b.IntEvaluation(t.Context(), "f", 0, attributes).ProviderResolutionDetail,
			b.ObjectEvaluation(t.Context(), "f", nil, attributes).ProviderResolutionDetail,
		} {
			if d.Reason != sdk.ErrorReason || d.ResolutionDetail().ErrorCode != sdk.InvalidContextCode {
				t.Errorf("%+v", d)
			}
		}
	}
}

func TestDescribeAddsWhatDecided(t *testing.T) {
	t.Parallel()
	given := answer{Value: targeting.Bool(true), Variant: "on", Rule: "gb", Version: 3, Metadata: map[string]any{"team": "payments"}}
	d := bridge(t, given, openfeature.Config{Describe: true}).BooleanEvaluation(t.Context(), "f", false, nil)
	if d.FlagMetadata["version"] != int64(3) || d.FlagMetadata["ruleId"] != "gb" || d.FlagMetadata["team"] != "payments" || len(given.Metadata) != 1 {
		t.Errorf("%v, and the flag's own %v", d.FlagMetadata, given.Metadata)
	}
}

func TestTrackTellsTheHost(t *testing.T) {
	t.Parallel()
	var got []openfeature.Tracked
	b := bridge(t, answer{}, openfeature.Config{Track: func(_ context.Context, e openfeature.Tracked) { got = append(got, e) }})
	details := sdk.NewTrackingEventDetails(9.5).Add("currency", "EUR")
	b.Track(t.Context(), "bought", sdk.NewEvaluationContext("m-1", map[string]any{"tenant": "acme"}), details)
	b.Track(t.Context(), "bought", sdk.NewEvaluationContext("m-1", map[string]any{"f": func() {}}), details)
	if len(got) != 1 || got[0].Name != "bought" || got[0].Subject.Key != "m-1" || got[0].Subject.Tenant != "acme" || got[0].Value != 9.5 || got[0].Attributes["currency"] != "EUR" {
		t.Errorf("told %+v", got)
	}
	bridge(t, answer{}, openfeature.Config{}).Track(t.Context(), "bought", sdk.EvaluationContext{}, details)
}

// TestEvents drives a provider through its states without anybody reading events, and
// then reads what is left to tell.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind := &scripted{FlagProvider: answer{}, status: flags.Change{Status: flags.StatusNotReady}}
		b := bridge(t, behind, openfeature.Config{Name: "flags"})
		begun := make(chan error, 2)
		for range 2 { // as for two domains
			go func() { begun <- b.InitWithContext(t.Context(), sdk.EvaluationContext{}) }()
		}
		synctest.Wait()
		behind.change(flags.Change{Status: flags.StatusReady})
		if err := errors.Join(<-begun, <-begun); err != nil {
			t.Fatal(err)
		}
		for range 1000 { // nobody reads, and nobody is held up
			behind.change(flags.Change{Status: flags.StatusStale})
			behind.change(flags.Change{Status: flags.StatusReady, Keys: []string{"b"}})
		}
		behind.change(flags.Change{Status: flags.StatusError, Keys: []string{"a"}})
		synctest.Wait()
		first, second := <-b.EventChannel(), <-b.EventChannel()
		if first.EventType != sdk.ProviderError || first.ErrorCode != sdk.GeneralCode || first.ProviderName != "flags" {
			t.Errorf("told first %+v", first)
		}
		if second.EventType != sdk.ProviderConfigChange || !slices.Equal(second.FlagChanges, []string{"a", "b"}) {
			t.Errorf("told second %+v", second)
		}
		for _, c := range []struct {
			status flags.Status
			want   sdk.EventType
			code   sdk.ErrorCode
		}{{flags.StatusReady, sdk.ProviderReady, ""}, {flags.StatusStale, sdk.ProviderStale, ""}, {flags.StatusFatal, sdk.ProviderError, sdk.ProviderFatalCode}} {
			behind.change(flags.Change{Status: c.status})
			if e := <-b.EventChannel(); e.EventType != c.want || e.ErrorCode != c.code {
				t.Errorf("%s is told as %+v", c.status, e)
			}
		}
		if err := errors.Join(b.ShutdownWithContext(t.Context()), b.ShutdownWithContext(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func TestInitEndsWithItsContextAndCanBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind := &scripted{FlagProvider: answer{}, status: flags.Change{Status: flags.StatusNotReady}}
		b := bridge(t, behind, openfeature.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.InitWithContext(ctx, sdk.EvaluationContext{}); !errors.Is(err, context.Canceled) {
			t.Errorf("began with %v, want the error of ctx", err)
		}
		b.Shutdown()
		behind.change(flags.Change{Status: flags.StatusReady})
		if err := b.Init(sdk.EvaluationContext{}); err != nil {
			t.Error(err)
		}
		b.Shutdown()
	})
}

func toggle(state flags.State) flags.Flag {
	return flags.Flag{Key: "f", Type: flags.TypeRelease, ValueType: flags.Bool, Variants: map[string]any{"on": true, "off": false},
		Environments: map[string]flags.State{"prod": state}}
}

// TestAChangeReachesOpenFeature goes from a governed write to the application's handler.
func TestAChangeReachesOpenFeature(t *testing.T) {
	provider, service := newProvider(t, toggle(flags.State{}))
	w := &world{t: t, flags: provider, ctx: t.Context()}
	b := bridge(t, provider, openfeature.Config{})
	if err := w.provider("stable"); err != nil {
		t.Fatal(err)
	}
	defer w.end()
	changed := make(chan sdk.EventDetails, 1)
	callback := func(d sdk.EventDetails) { changed <- d }
	w.client.AddHandler(sdk.ProviderConfigChange, &callback)
	if err := w.api.SetProviderAndWait(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := service.Update(dana(t.Context()), tenant, toggle(flags.State{Enabled: true, DefaultVariant: "on"}), 0, "on"); err != nil {
		t.Fatal(err)
	}
	if d := <-changed; !slices.Equal(d.FlagChanges, []string{"f"}) {
		t.Errorf("told %+v", d)
	}
	if !w.client.Boolean(t.Context(), "f", false, sdk.NewEvaluationContext("m-1", nil)) {
		t.Error("the change is told and cannot be read")
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	behind := &scripted{FlagProvider: answer{}, status: flags.Change{Status: flags.StatusReady}}
	b := bridge(t, behind, openfeature.Config{})
	if err := b.Init(sdk.EvaluationContext{}); err != nil {
		t.Fatal(err)
	}
	b.Shutdown()
}

func TestNewWantsAProvider(t *testing.T) {
	t.Parallel()
	if _, err := openfeature.New(nil, openfeature.Config{}); err == nil {
		t.Error("made a provider of nothing")
	}
}

// TestTheWayBackIsAProvider holds a provider that went through OpenFeature and back to
// the rules of every other.
func TestTheWayBackIsAProvider(t *testing.T) {
	flagstest.Run(t, flagstest.Options{New: func(t testing.TB) flagstest.Harness {
		provider, service := newProviderOf(t, flagstest.Environment, flags.ProviderConfig{}, flagstest.Definitions())
		return flagstest.Harness{
			Provider: openfeature.From(bridge(t, provider, openfeature.Config{})),
			Publish: func(ctx context.Context, tenant string, f flags.Flag) error {
				_, err := service.Update(dana(ctx), tenant, f, 0, "published")
				return err
			},
		}
	}})
}

// TestAForeignProviderIsRead reads every type of OpenFeature's own provider in memory.
func TestAForeignProviderIsRead(t *testing.T) {
	t.Parallel()
	variants := map[string]any{"bool": false, "text": "", "int": int64(0), "float": 0.5, "object": map[string]any{"a": "b"}}
	all := map[string]memprovider.InMemoryFlag{}
	for kind, v := range variants {
		all[kind] = memprovider.InMemoryFlag{Key: kind, State: memprovider.Enabled, DefaultVariant: "v", Variants: map[string]any{"v": v}}
	}
	all["off"] = memprovider.InMemoryFlag{Key: "off", State: memprovider.Disabled, DefaultVariant: "v", Variants: map[string]any{"v": true}}
	foreign := memprovider.NewInMemoryProvider(all)
	p := openfeature.From(foreign)
	for kind, v := range variants {
		want, err := targeting.Of(v)
		if err != nil {
			t.Fatal(err)
		}
		if e := p.Evaluate(t.Context(), kind, &flags.Subject{Key: "m-1"}); e.Value.String() != want.String() || e.Variant != "v" || e.Reason != flags.ReasonStatic {
			t.Errorf("%s is %+v", kind, e)
		}
	}
	if e := p.Evaluate(t.Context(), "off", &flags.Subject{}); !e.Value.IsZero() || e.Reason != flags.ReasonDisabled {
		t.Errorf("off is %+v", e)
	}
	if e := p.Evaluate(t.Context(), "missing", &flags.Subject{}); e.Err == nil || e.Err.Code != flags.CodeFlagNotFound {
		t.Errorf("missing is %+v", e)
	}
	if e := openfeature.From(nil).Evaluate(t.Context(), "f", &flags.Subject{}); e.Err == nil || e.Err.Code != flags.CodeGeneral {
		t.Errorf("of nothing: %+v", e)
	}
}
