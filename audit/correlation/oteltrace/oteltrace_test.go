package oteltrace_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/correlation/oteltrace"
)

// A provider makes spans with ids, as an SDK would, and keeps them.
type provider struct {
	embedded.TracerProvider
	scope string
	spans []*span
}

func (p *provider) Tracer(scope string, _ ...trace.TracerOption) trace.Tracer {
	p.scope = scope
	return tracer{p: p}
}

type tracer struct {
	embedded.Tracer
	p *provider
}

func (t tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	cfg := trace.NewSpanStartConfig(options...)
	s := &span{name: name, parent: trace.SpanContextFromContext(ctx), attrs: cfg.Attributes()}
	own := trace.SpanContextConfig{TraceID: s.parent.TraceID(), TraceFlags: trace.FlagsSampled, TraceState: s.parent.TraceState()}
	if !s.parent.IsValid() {
		own.TraceID = trace.TraceID{15: 1}
	}
	own.SpanID = trace.SpanID{7: byte(len(t.p.spans) + 1)}
	s.own = trace.NewSpanContext(own)
	t.p.spans = append(t.p.spans, s)
	return trace.ContextWithSpan(ctx, s), s
}

type span struct {
	noop.Span
	name        string
	parent, own trace.SpanContext
	attrs       []attribute.KeyValue
	errs        []error
	status      codes.Code
	ended       int
}

func (s *span) SpanContext() trace.SpanContext                { return s.own }
func (s *span) SetAttributes(kv ...attribute.KeyValue)        { s.attrs = append(s.attrs, kv...) }
func (s *span) SetStatus(c codes.Code, _ string)              { s.status = c }
func (s *span) RecordError(err error, _ ...trace.EventOption) { s.errs = append(s.errs, err) }
func (s *span) End(...trace.SpanEndOption)                    { s.ended++ }

func TestSpansContinueTheStoredTrace(t *testing.T) {
	t.Parallel()
	p := &provider{}
	tracer := oteltrace.New(p)
	stored := correlation.New()
	stored.State = "vendor=1"
	ctx, outer := tracer.Start(correlation.With(t.Context(), stored), "delivery_attempt", slog.Int("attempt", 2))
	inner, http := tracer.Start(ctx, "http_attempt")
	http.End(nil)
	failure := errors.New("refused")
	outer.Set(slog.String("class", "network"), slog.Bool("last", true), slog.Float64("wait", 1.5), slog.Duration("took", time.Second), slog.Group("g", "a", 1))
	outer.End(failure)

	if len(p.spans) != 2 || p.scope != "github.com/lumelle/adminkit" {
		t.Fatalf("%d spans of scope %q", len(p.spans), p.scope)
	}
	first, second := p.spans[0], p.spans[1]
	if !first.parent.IsRemote() || first.parent.TraceID().String() != stored.TraceID || first.parent.SpanID().String() != stored.SpanID ||
		first.parent.TraceState().String() != "vendor=1" {
		t.Errorf("the outer span is below %+v, want the stored trace", first.parent)
	}
	if second.parent.SpanID() != first.own.SpanID() || second.parent.IsRemote() {
		t.Errorf("the inner span is below %+v, want the outer one", second.parent)
	}
	if got := correlation.From(inner); got.TraceID != stored.TraceID || got.SpanID != second.own.SpanID().String() || got.State != "vendor=1" {
		t.Errorf("inside the inner span work belongs to %+v", got)
	}
	var attrs []string
	for _, kv := range first.attrs {
		attrs = append(attrs, fmt.Sprintf("%s=%s:%s", kv.Key, kv.Value.Type(), kv.Value.Emit()))
	}
	want := []string{"attempt=INT64:2", "class=STRING:network", "last=BOOL:true", "wait=FLOAT64:1.5", "took=STRING:1s"}
	if !slices.Equal(attrs, want) {
		t.Errorf("attributes %q, want %q", attrs, want)
	}
	if first.status != codes.Error || len(first.errs) != 1 || first.ended != 1 {
		t.Errorf("the outer span ended %d times with status %v and errors %v", first.ended, first.status, first.errs)
	}
	if second.status != codes.Unset || len(second.errs) != 0 || second.ended != 1 {
		t.Errorf("the inner span ended %d times with status %v and errors %v", second.ended, second.status, second.errs)
	}
}

// A host's middleware began the span already: it is the parent.
func TestSpansContinueTheHostsSpan(t *testing.T) {
	t.Parallel()
	p := &provider{}
	tracer := oteltrace.New(p)
	ctx, _ := tracer.Start(t.Context(), "request")
	if got := correlation.From(ctx); got.SpanID != p.spans[0].own.SpanID().String() {
		t.Errorf("the first span works under %+v", got)
	}
	// The kit handed out a span id that telemetry does not know.
	ctx = correlation.With(ctx, correlation.From(ctx).Child())
	tracer.Start(ctx, "below")
	if p.spans[1].parent.SpanID() != p.spans[0].own.SpanID() {
		t.Errorf("the span is below %v, want the host's", p.spans[1].parent.SpanID())
	}
}

func TestWithoutTelemetryThereAreStillSpanIDs(t *testing.T) {
	t.Parallel()
	tracer := oteltrace.New(noop.NewTracerProvider())
	ctx, s := tracer.Start(t.Context(), "work")
	s.End(nil)
	outer := correlation.From(ctx)
	if !outer.Valid() {
		t.Error("a provider that records nothing leaves the work without a trace")
	}
	ctx, s = tracer.Start(ctx, "below")
	s.End(nil)
	if inner := correlation.From(ctx); inner.TraceID != outer.TraceID || inner.SpanID == outer.SpanID {
		t.Errorf("the span below works under %+v, above it is %+v", inner, outer)
	}
}

func ExampleNew() {
	tracer := oteltrace.New(noop.NewTracerProvider()) // a host passes its SDK's
	stored := correlation.Trace{TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", SpanID: "00f067aa0ba902b7"}
	ctx, span := tracer.Start(correlation.With(context.Background(), stored), "delivery_attempt")
	span.End(nil)
	fmt.Println(correlation.From(ctx).TraceID)
	// Output: 4bf92f3577b34da6a3ce929d0e0e4736
}
