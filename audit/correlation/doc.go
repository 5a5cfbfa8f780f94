// Package correlation carries the one trace id that leads from a decision over the
// approval and the change to each delivery attempt, and joins what was recorded
// under it.
//
// # The trace
//
// [Trace] is the W3C trace context of one piece of work. It comes in with a request
// ([Extract]), rides in ctx ([With], [From]), is stored beside whatever outlives the
// request, and goes out with the next one ([Trace.Child], [Inject]):
//
//	trace := correlation.Extract(r.Header).Child()
//	ctx := correlation.With(r.Context(), trace)
//
// Headers are read as Level 1 and 2 of the specification ask for. An unusable
// traceparent begins a new trace; an unusable tracestate is dropped and the trace
// goes on. Nothing that was received is sent on unread, so that no header can be
// split.
//
// Work that waits keeps the trace it began under. Whoever acts on it later has a
// trace too, which is stored beside the first as a link; a timeline finds both.
//
// # The timeline
//
// [Timeline] asks each [Source] it is given what it knows of a trace, and puts the answers
// in order. Each domain of the kit has a source: its log or its Service.
//
// # Telemetry
//
// [Tracer] is the seam to telemetry, in the few words that the kit needs. [Untraced]
// records nothing and is what every Config defaults to; package oteltrace adapts an
// OpenTelemetry TracerProvider.
//
// The package is a leaf: it imports the standard library only.
package correlation
