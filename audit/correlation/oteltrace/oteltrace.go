// Package oteltrace records the spans of the kit with OpenTelemetry.
//
//	tracer := oteltrace.New(provider)
//	service, err := webhooks.New(..., webhooks.Config{Tracer: tracer})
//
// Spans continue the trace that ctx carries ([correlation.From]), which is where a
// stored trace comes back after days, and the ids of each new span become the trace of
// the ctx it returns. So what is stored and sent names the spans that the host sees
// in its telemetry.
//
// The package needs the API modules of OpenTelemetry; which SDK stands behind the
// provider, and whether any does, is the host's choice.
package oteltrace

import (
	"context"
	"encoding/hex"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/lumelle/adminkit/audit/correlation"
)

// name is the instrumentation scope of the kit's spans.
const name = "github.com/lumelle/adminkit"

// A Tracer is a [correlation.Tracer] over OpenTelemetry.
type Tracer struct{ tracer trace.Tracer }

var _ correlation.Tracer = (*Tracer)(nil)

// New returns a Tracer that makes its spans with provider, which must not be nil.
func New(provider trace.TracerProvider) *Tracer { return &Tracer{provider.Tracer(name)} }

// Start implements [correlation.Tracer]. Where ctx carries a span of OpenTelemetry in
// the same trace, that is the parent; else the stored trace is, as a remote one.
func (t *Tracer) Start(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, correlation.Span) {
	parent := correlation.From(ctx)
	if current := trace.SpanContextFromContext(ctx); parent.Valid() && current.TraceID().String() != parent.TraceID {
		ctx = trace.ContextWithRemoteSpanContext(ctx, spanContext(parent))
	}
	ctx, s := t.tracer.Start(ctx, name, trace.WithAttributes(attributes(attrs)...))
	own := fromSpan(s.SpanContext())
	if !own.Valid() || own.SpanID == parent.SpanID {
		// A provider that records nothing makes no ids; what is stored still needs one.
		own = parent.Child()
	}
	return correlation.With(ctx, own), span{s}
}

// spanContext returns a stored trace as OpenTelemetry has it.
func spanContext(t correlation.Trace) trace.SpanContext {
	var c trace.SpanContextConfig
	// Both decode: t is valid.
	hex.Decode(c.TraceID[:], []byte(t.TraceID))
	hex.Decode(c.SpanID[:], []byte(t.SpanID))
	c.TraceFlags, c.Remote = trace.TraceFlags(t.Flags), true
	if state, err := trace.ParseTraceState(t.State); err == nil {
		c.TraceState = state
	}
	return trace.NewSpanContext(c)
}

func fromSpan(c trace.SpanContext) correlation.Trace {
	if !c.IsValid() {
		return correlation.Trace{}
	}
	return correlation.Trace{
		TraceID: c.TraceID().String(), SpanID: c.SpanID().String(),
		Flags: byte(c.TraceFlags()), State: c.TraceState().String(),
	}
}

type span struct{ trace.Span }

// Set implements [correlation.Span].
func (s span) Set(attrs ...slog.Attr) { s.SetAttributes(attributes(attrs)...) }

// End implements [correlation.Span].
func (s span) End(err error) {
	if err != nil {
		s.RecordError(err)
		s.SetStatus(codes.Error, "")
	}
	s.Span.End()
}

// attributes returns attributes of slog as those of OpenTelemetry. What has no type
// there is told as text; groups are left out.
func attributes(attrs []slog.Attr) []attribute.KeyValue {
	kvs := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		key := attribute.Key(a.Key)
		switch v := a.Value.Resolve(); v.Kind() {
		case slog.KindBool:
			kvs = append(kvs, key.Bool(v.Bool()))
		case slog.KindInt64:
			kvs = append(kvs, key.Int64(v.Int64()))
		case slog.KindFloat64:
			kvs = append(kvs, key.Float64(v.Float64()))
		case slog.KindGroup:
		default:
			kvs = append(kvs, key.String(v.String()))
		}
	}
	return kvs
}
