package openfeature

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	sdk "github.com/open-feature/go-sdk/openfeature"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// DefaultName is the name of a provider that is given none.
const DefaultName = "adminkit"

// Config configures a [Provider]. The zero Config works.
type Config struct {
	// Name is what the provider calls itself, [DefaultName] when empty.
	Name string
	// Describe adds "version", the revision of the flag, and "ruleId", what decided, to
	// the metadata of each evaluation. It costs each read a map.
	Describe bool
	// Hooks run around every evaluation, behind those of the application.
	Hooks []sdk.Hook
	// Track is told what the application tracks; nil drops it. It is called while the
	// application waits.
	Track func(ctx context.Context, e Tracked)
}

// A Tracked is something that a subject did, as the application tells it.
type Tracked struct {
	// Name is that of the tracking event.
	Name string
	// Subject did it.
	Subject *flags.Subject
	// Value is a number that belongs to it, zero for none.
	Value float64
	// Attributes are what else is known.
	Attributes map[string]any
}

// A Provider is an OpenFeature provider over a [flags.FlagProvider]. It is safe for
// concurrent use, and may be bound to several domains.
type Provider struct {
	client *flags.Client
	watch  flags.WatchProvider // nil where the flag provider is none
	cfg    Config
	events chan sdk.Event

	mu      sync.Mutex
	running *watching // nil before Init and after Shutdown
}

var (
	_ sdk.FeatureProvider          = (*Provider)(nil)
	_ sdk.ContextAwareStateHandler = (*Provider)(nil)
	_ sdk.EventHandler             = (*Provider)(nil)
	_ sdk.Tracker                  = (*Provider)(nil)
)

// New makes a Provider of p. It starts nothing: Init does, which OpenFeature calls.
func New(p flags.FlagProvider, cfg Config) (*Provider, error) {
	client, err := flags.NewClient(p)
	if err != nil {
		return nil, errors.New("openfeature: no flag provider")
	}
	if cfg.Name == "" {
		cfg.Name = DefaultName
	}
	cfg.Hooks = slices.Clone(cfg.Hooks)
	watch, _ := p.(flags.WatchProvider)
	return &Provider{client: client, watch: watch, cfg: cfg, events: make(chan sdk.Event)}, nil
}

// Metadata implements sdk.FeatureProvider.
func (p *Provider) Metadata() sdk.Metadata { return sdk.Metadata{Name: p.cfg.Name} }

// Hooks implements sdk.FeatureProvider.
func (p *Provider) Hooks() []sdk.Hook { return p.cfg.Hooks }

// BooleanEvaluation implements sdk.FeatureProvider.
func (p *Provider) BooleanEvaluation(ctx context.Context, flag string, fallback bool, attributes sdk.FlattenedContext) (r sdk.BoolResolutionDetail) {
	var own flags.Evaluation
	e := p.read(ctx, flag, attributes, &own)
	v, fits := e.Value.AsBool()
	if r.Value = fallback; p.resolve(&r.ProviderResolutionDetail, e, fits, errNoBool) {
		r.Value = v
	}
	return r
}

// StringEvaluation implements sdk.FeatureProvider.
func (p *Provider) StringEvaluation(ctx context.Context, flag, fallback string, attributes sdk.FlattenedContext) (r sdk.StringResolutionDetail) {
	var own flags.Evaluation
	e := p.read(ctx, flag, attributes, &own)
	v, fits := e.Value.AsString()
	if r.Value = fallback; p.resolve(&r.ProviderResolutionDetail, e, fits, errNoString) {
		r.Value = v
	}
	return r
}

// FloatEvaluation implements sdk.FeatureProvider. An integer is widened.
func (p *Provider) FloatEvaluation(ctx context.Context, flag string, fallback float64, attributes sdk.FlattenedContext) (r sdk.FloatResolutionDetail) {
	var own flags.Evaluation
	e := p.read(ctx, flag, attributes, &own)
	v, fits := e.Value.AsFloat()
	if r.Value = fallback; p.resolve(&r.ProviderResolutionDetail, e, fits, errNoNumber) {
		r.Value = v
	}
	return r
}

// IntEvaluation implements sdk.FeatureProvider. A number that is no integer is a
// TYPE_MISMATCH: nothing is rounded.
func (p *Provider) IntEvaluation(ctx context.Context, flag string, fallback int64, attributes sdk.FlattenedContext) (r sdk.IntResolutionDetail) {
	var own flags.Evaluation
	e := p.read(ctx, flag, attributes, &own)
	v, fits := e.Value.AsInt()
	if r.Value = fallback; p.resolve(&r.ProviderResolutionDetail, e, fits, errNoInt) {
		r.Value = v
	}
	return r
}

// ObjectEvaluation implements sdk.FeatureProvider. It answers objects and lists, in
// copies that the caller may change; anything else is a TYPE_MISMATCH.
func (p *Provider) ObjectEvaluation(ctx context.Context, flag string, fallback any, attributes sdk.FlattenedContext) (r sdk.InterfaceResolutionDetail) {
	var own flags.Evaluation
	e := p.read(ctx, flag, attributes, &own)
	kind := e.Value.Kind()
	fits := kind == targeting.KindObject || kind == targeting.KindList
	if r.Value = fallback; p.resolve(&r.ProviderResolutionDetail, e, fits, errNoObject) {
		r.Value = e.JSON()
	}
	return r
}

// What a read of the wrong type is told. The errors are shared.
var (
	errNoBool   = mismatch("the flag is not a truth value")
	errNoString = mismatch("the flag is not a text")
	errNoNumber = mismatch("the flag is not a number")
	errNoInt    = mismatch("the flag is not an integer of 64 bits")
	errNoObject = mismatch("the flag is no object and no list")
)

func mismatch(message string) *flags.Error {
	return &flags.Error{Code: flags.CodeTypeMismatch, Message: message}
}

// Track implements sdk.Tracker.
func (p *Provider) Track(ctx context.Context, name string, evaluation sdk.EvaluationContext, details sdk.TrackingEventDetails) {
	if p.cfg.Track == nil {
		return
	}
	attributes := evaluation.Attributes()
	if key := evaluation.TargetingKey(); key != "" {
		attributes[sdk.TargetingKey] = key
	}
	s, err := subject(ctx, attributes)
	if err != nil {
		return // there is nobody to whom it could be told
	}
	p.cfg.Track(ctx, Tracked{Name: name, Subject: s, Value: details.Value(), Attributes: details.Attributes()})
}

// subject returns who is meant by the evaluation context, over the subject of ctx.
func subject(ctx context.Context, attributes sdk.FlattenedContext) (*flags.Subject, error) {
	base := flags.SubjectFrom(ctx)
	if len(attributes) == 0 && base != nil {
		return base, nil
	}
	s, err := flags.ReadSubject(attributes)
	if err != nil || base == nil {
		return s, err
	}
	if s.Tenant == "" {
		s.Tenant = base.Tenant
	}
	if s.Key == "" {
		s.Key = base.Key
	}
	merged := make(targeting.Attributes, len(base.Attributes)+len(s.Attributes))
	maps.Copy(merged, base.Attributes)
	maps.Copy(merged, s.Attributes)
	s.Attributes = merged
	return s, nil
}

// read asks for a flag. A context that cannot be read is an error of the read.
func (p *Provider) read(ctx context.Context, flag string, attributes sdk.FlattenedContext, own *flags.Evaluation) *flags.Evaluation {
	var s *flags.Subject // that of ctx
	if len(attributes) != 0 {
		var err error
		if s, err = subject(ctx, attributes); err != nil {
			*own = refused(err)
			return own
		}
	}
	return p.client.Read(ctx, flag, s, own)
}

// refused tells an evaluation context that is none.
func refused(err error) flags.Evaluation {
	failure := &flags.Error{Code: flags.CodeGeneral, Message: "the context could not be read"}
	errors.As(err, &failure)
	return flags.Evaluation{Reason: flags.ReasonError, Err: failure}
}

// resolve tells how a read came out, and reports whether the value serves.
func (p *Provider) resolve(r *sdk.ProviderResolutionDetail, e *flags.Evaluation, fits bool, mismatch *flags.Error) bool {
	ok, failure := e.Settle(fits, mismatch)
	if failure == nil {
		r.Reason, r.Variant = sdk.Reason(e.Reason), e.Variant
	} else {
		r.Reason, r.ResolutionError = sdk.ErrorReason, resolutionError(failure)
	}
	if r.FlagMetadata = e.Metadata; p.cfg.Describe {
		r.FlagMetadata = describe(e.Metadata, e.Version, e.Rule)
	}
	return ok
}

// describe adds what decided to the metadata of a flag.
func describe(metadata map[string]any, version int64, rule string) sdk.FlagMetadata {
	all := make(sdk.FlagMetadata, len(metadata)+2)
	maps.Copy(all, metadata)
	if version != 0 {
		all["version"] = version
	}
	if rule != "" {
		all["ruleId"] = rule
	}
	return all
}

// resolutionError returns the SDK's error of a code.
func resolutionError(e *flags.Error) sdk.ResolutionError {
	switch e.Code {
	case flags.CodeNotReady:
		return sdk.NewProviderNotReadyResolutionError(e.Message)
	case flags.CodeFatal:
		return sdk.NewProviderFatalResolutionError(e.Message)
	case flags.CodeFlagNotFound:
		return sdk.NewFlagNotFoundResolutionError(e.Message)
	case flags.CodeParseError:
		return sdk.NewParseErrorResolutionError(e.Message)
	case flags.CodeTypeMismatch:
		return sdk.NewTypeMismatchResolutionError(e.Message)
	case flags.CodeTargetingKeyMissing:
		return sdk.NewTargetingKeyMissingResolutionError(e.Message)
	case flags.CodeInvalidContext:
		return sdk.NewInvalidContextResolutionError(e.Message)
	}
	return sdk.NewGeneralResolutionError(e.Message)
}
