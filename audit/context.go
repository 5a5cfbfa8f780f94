package audit

import "context"

type actorKey struct{}
type originKey struct{}

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
