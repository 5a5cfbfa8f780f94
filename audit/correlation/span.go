package correlation

import (
	"context"
	"log/slog"
)

// A Tracer starts spans. The kit describes its spans in these few words so that no
// domain links a telemetry library; package oteltrace adapts an OpenTelemetry
// TracerProvider.
type Tracer interface {
	// Start begins a span below the trace of ctx. The ctx it returns works under the
	// new span.
	Start(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, Span)
}

// A Span is one timed piece of work.
type Span interface {
	// Set adds attributes.
	Set(attrs ...slog.Attr)
	// End finishes the span, as failed where err is not nil. It is called once.
	End(err error)
}

// Untraced is the Tracer that records nothing. It still hands out span ids, so that
// stored traces and outgoing headers are the same with and without telemetry.
var Untraced Tracer = untraced{}

type untraced struct{}

func (untraced) Start(ctx context.Context, _ string, _ ...slog.Attr) (context.Context, Span) {
	return With(ctx, From(ctx).Child()), untraced{}
}

func (untraced) Set(...slog.Attr) {}
func (untraced) End(error)        {}
