package openfeature

import (
	"context"
	"fmt"
	"math"
	"slices"

	sdk "github.com/open-feature/go-sdk/openfeature"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// From makes a [flags.FlagProvider] of an OpenFeature provider. The host initialises
// and ends p itself; hooks, events and tracking are OpenFeature's and stay there.
//
// OpenFeature reads by type and the kit does not, so a flag is read as an object first
// and, where p says TYPE_MISMATCH, as the other types until one fits. The subject's
// tenant is the attribute "tenant" of the evaluation context. Versions and rules are
// unknown. A provider that panics is an error with code GENERAL.
func From(p sdk.FeatureProvider) flags.FlagProvider { return foreign{p} }

type foreign struct{ provider sdk.FeatureProvider }

// Evaluate implements flags.FlagProvider.
func (f foreign) Evaluate(ctx context.Context, key string, s *flags.Subject) (e flags.Evaluation) {
	defer func() {
		if cause := recover(); cause != nil {
			e = failed(flags.CodeGeneral, fmt.Sprintf("the provider panicked: %v", cause))
		}
	}()
	if s == nil {
		return failed(flags.CodeInvalidContext, "there is no subject")
	}
	attributes := flatten(s)
	for _, read := range reads {
		value, detail, own := read(ctx, f.provider, key, attributes)
		told := detail.ResolutionDetail()
		if told.ErrorCode == sdk.TypeMismatchCode {
			continue
		}
		return evaluation(value, told, own)
	}
	return failed(flags.CodeParseError, "the flag has none of the types that there are")
}

// evaluation tells what the provider said; own says that it had a value of its own.
func evaluation(value any, told sdk.ResolutionDetail, own bool) flags.Evaluation {
	if told.ErrorCode != "" {
		code := flags.ErrorCode(told.ErrorCode)
		if !slices.Contains(codes, code) {
			code = flags.CodeGeneral
		}
		return failed(code, told.ErrorMessage)
	}
	e := flags.Evaluation{Variant: told.Variant, Reason: flags.Reason(told.Reason)}
	if !slices.Contains(reasons, e.Reason) {
		e.Reason = flags.ReasonUnknown
	}
	if len(told.FlagMetadata) > 0 {
		e.Metadata = told.FlagMetadata
	}
	if !own {
		return e
	}
	v, err := targeting.Of(value)
	if err != nil {
		return failed(flags.CodeParseError, "the value of the flag is no JSON value")
	}
	e.Value = v
	return e
}

func failed(code flags.ErrorCode, message string) flags.Evaluation {
	return flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: code, Message: message}}
}

// reads ask for a flag by each type. own is false where the answer is the default that
// was given: there is no value then.
var reads = []func(ctx context.Context, p sdk.FeatureProvider, key string, attributes sdk.FlattenedContext) (value any, d sdk.ProviderResolutionDetail, own bool){
	func(ctx context.Context, p sdk.FeatureProvider, key string, attributes sdk.FlattenedContext) (any, sdk.ProviderResolutionDetail, bool) {
		r := p.ObjectEvaluation(ctx, key, nil, attributes)
		return r.Value, r.ProviderResolutionDetail, r.Value != nil
	},
	func(ctx context.Context, p sdk.FeatureProvider, key string, attributes sdk.FlattenedContext) (any, sdk.ProviderResolutionDetail, bool) {
		r := p.BooleanEvaluation(ctx, key, false, attributes)
		if r.Variant != "" || r.Value || r.Error() != nil {
			return r.Value, r.ProviderResolutionDetail, true
		}
		// No other default would tell false from no value.
		return false, r.ProviderResolutionDetail, !p.BooleanEvaluation(ctx, key, true, attributes).Value
	},
	func(ctx context.Context, p sdk.FeatureProvider, key string, attributes sdk.FlattenedContext) (any, sdk.ProviderResolutionDetail, bool) {
		const none = "\x00none"
		r := p.StringEvaluation(ctx, key, none, attributes)
		return r.Value, r.ProviderResolutionDetail, r.Value != none
	},
	func(ctx context.Context, p sdk.FeatureProvider, key string, attributes sdk.FlattenedContext) (any, sdk.ProviderResolutionDetail, bool) {
		r := p.IntEvaluation(ctx, key, math.MinInt64, attributes)
		return r.Value, r.ProviderResolutionDetail, r.Value != math.MinInt64
	},
	func(ctx context.Context, p sdk.FeatureProvider, key string, attributes sdk.FlattenedContext) (any, sdk.ProviderResolutionDetail, bool) {
		r := p.FloatEvaluation(ctx, key, math.NaN(), attributes)
		return r.Value, r.ProviderResolutionDetail, !math.IsNaN(r.Value)
	},
}

var (
	codes = []flags.ErrorCode{flags.CodeNotReady, flags.CodeFatal, flags.CodeFlagNotFound, flags.CodeParseError,
		flags.CodeTypeMismatch, flags.CodeTargetingKeyMissing, flags.CodeInvalidContext, flags.CodeGeneral}
	reasons = []flags.Reason{flags.ReasonStatic, flags.ReasonDefault, flags.ReasonTargetingMatch, flags.ReasonSplit,
		flags.ReasonDisabled, flags.ReasonStale, flags.ReasonCached, flags.ReasonUnknown}
)

// flatten returns the evaluation context of a subject.
func flatten(s *flags.Subject) sdk.FlattenedContext {
	all := make(sdk.FlattenedContext, len(s.Attributes)+2)
	for name, v := range s.Attributes {
		all[name] = v.Any()
	}
	if s.Key != "" {
		all[flags.AttrTargetingKey] = s.Key
	}
	if s.Tenant != "" {
		all[flags.AttrTenant] = s.Tenant
	}
	return all
}
