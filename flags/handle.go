package flags

import "context"

// A Handle reads one flag: its key and default stand in one place of a program, and the
// compiler holds every read to its type. Make it with [NewBool], [NewString],
// [NewFloat], [NewInt] or [NewJSON]. It is safe for concurrent use.
type Handle[T any] struct {
	client   *Client
	key      string
	fallback T
	get      func(c *Client, ctx context.Context, key string, fallback T, s *Subject) T
	details  func(c *Client, ctx context.Context, key string, fallback T, s *Subject) Details[T]
}

// Key returns the key of the flag.
func (h Handle[T]) Key() string { return h.key }

// Get returns the value for s, that of ctx where s is nil, and the default where there
// is none.
func (h Handle[T]) Get(ctx context.Context, s *Subject) T {
	return h.get(h.client, ctx, h.key, h.fallback, s)
}

// Details returns the value for s, with details.
func (h Handle[T]) Details(ctx context.Context, s *Subject) Details[T] {
	return h.details(h.client, ctx, h.key, h.fallback, s)
}

// NewBool returns a Handle of a flag of type bool.
func NewBool(client *Client, key string, fallback bool) Handle[bool] {
	return Handle[bool]{client, key, fallback, (*Client).Bool, (*Client).BoolDetails}
}

// NewString returns a Handle of a flag of type string.
func NewString(client *Client, key, fallback string) Handle[string] {
	return Handle[string]{client, key, fallback, (*Client).String, (*Client).StringDetails}
}

// NewFloat returns a Handle of a flag of type number.
func NewFloat(client *Client, key string, fallback float64) Handle[float64] {
	return Handle[float64]{client, key, fallback, (*Client).Float, (*Client).FloatDetails}
}

// NewInt returns a Handle of a flag of type number that is an integer.
func NewInt(client *Client, key string, fallback int64) Handle[int64] {
	return Handle[int64]{client, key, fallback, (*Client).Int, (*Client).IntDetails}
}

// NewJSON returns a Handle of a flag of type json.
func NewJSON(client *Client, key string, fallback any) Handle[any] {
	return Handle[any]{client, key, fallback, (*Client).JSON, (*Client).JSONDetails}
}
