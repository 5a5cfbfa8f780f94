// Package correlation carries the one trace id that leads from a decision over the
// approval and the change to each delivery attempt, and joins what was recorded
// under it.
//
// [Trace] is the W3C trace context; it rides in ctx ([With], [From]) and is stored
// beside whatever outlives the request. [Timeline] asks several [Source]s what they
// know of a trace and puts the answers in order. [Tracer] is the seam to telemetry.
//
// The package is a leaf: it imports the standard library only.
package correlation
