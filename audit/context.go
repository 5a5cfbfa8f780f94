package audit

import "context"

type actorKey struct{}
type originKey struct{}
type causeKey struct{}

// WithActor returns a ctx under which a acts. The edge of the application sets it
// once: a handler after authentication, a worker before it starts.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns who acts under ctx and reports whether anybody does.
func ActorFrom(ctx context.Context) (Actor, bool) {
	a, ok := ctx.Value(actorKey{}).(Actor)
	return a, ok
}

// WithOrigin returns a ctx whose work came from o.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginFrom returns where the work of ctx came from, the zero Origin where nobody
// said.
func OriginFrom(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// A Cause is the event that work is done for, as a webhook that arrives or a rule that
// fires does it.
type Cause struct {
	// EventID is the id of the event that led to the work.
	EventID string
	// Hops counts the steps of causation up to and with the work's own events. A chain
	// longer than [MaxHops] is refused.
	Hops int
}

// WithCause returns a ctx whose events are caused by c: the [Catalog] writes it into
// those that name no cause themselves. So a chain of rules that set each other off
// comes to an end, whatever services it goes through.
func WithCause(ctx context.Context, c Cause) context.Context {
	return context.WithValue(ctx, causeKey{}, c)
}

// CauseFrom returns what caused the work of ctx, the zero Cause where nobody said.
func CauseFrom(ctx context.Context) Cause {
	c, _ := ctx.Value(causeKey{}).(Cause)
	return c
}
