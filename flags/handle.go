package flags

import (
	"context"
	"sync/atomic"
)

// A Handle reads one flag: its key and default stand in one place of a program, and the
// compiler holds every read to its type. Make it with [NewBool], [NewString],
// [NewFloat], [NewInt] or [NewJSON]. It is safe for concurrent use.
type Handle[T any] struct {
	client   *Client
	key      string
	fallback T
	last     *memo
	get      func(c *Client, ctx context.Context, key string, last *memo, fallback T, s *Subject) T
	details  func(c *Client, ctx context.Context, key string, fallback T, s *Subject) Details[T]
}

// Key returns the key of the flag.
func (h Handle[T]) Key() string { return h.key }

// Get returns the value for s, that of ctx where s is nil, and the default where there
// is none.
func (h Handle[T]) Get(ctx context.Context, s *Subject) T {
	return h.get(h.client, ctx, h.key, h.last, h.fallback, s)
}

// Details returns the value for s, with details.
func (h Handle[T]) Details(ctx context.Context, s *Subject) Details[T] {
	return h.details(h.client, ctx, h.key, h.fallback, s)
}

// NewBool returns a Handle of a flag of type bool.
func NewBool(client *Client, key string, fallback bool) Handle[bool] {
	return Handle[bool]{client, key, fallback, new(memo), (*Client).boolean, (*Client).BoolDetails}
}

// NewString returns a Handle of a flag of type string.
func NewString(client *Client, key, fallback string) Handle[string] {
	return Handle[string]{client, key, fallback, new(memo), (*Client).text, (*Client).StringDetails}
}

// NewFloat returns a Handle of a flag of type number.
func NewFloat(client *Client, key string, fallback float64) Handle[float64] {
	return Handle[float64]{client, key, fallback, new(memo), (*Client).number, (*Client).FloatDetails}
}

// NewInt returns a Handle of a flag of type number that is an integer.
func NewInt(client *Client, key string, fallback int64) Handle[int64] {
	return Handle[int64]{client, key, fallback, new(memo), (*Client).integer, (*Client).IntDetails}
}

// NewJSON returns a Handle of a flag of type json.
func NewJSON(client *Client, key string, fallback any) Handle[any] {
	return Handle[any]{client, key, fallback, new(memo), (*Client).document, (*Client).JSONDetails}
}

// A memo is where the flag of a handle was found last.
type memo struct{ last atomic.Pointer[place] }

// A place is what a snapshot has of one flag.
type place struct {
	snapshot *snapshot
	slot     slot
}

// find returns the slot, and false where it was not found in this snapshot before.
func (m *memo) find(s *snapshot) (slot, bool) {
	if m == nil {
		return slot{}, false
	}
	if p := m.last.Load(); p != nil && p.snapshot == s {
		return p.slot, true
	}
	return slot{}, false
}

// keep takes down a slot that was found, if it is worth it: where a provider has one
// tenant, a place is good until the next change. Of several each would take the place of
// the other's.
func (m *memo) keep(s *snapshot, found slot, worth bool) {
	switch {
	case worth:
		m.last.Store(&place{s, found})
	case m.last.Load() != nil:
		m.last.Store(nil)
	}
}
