package flags

import (
	"context"
	"errors"
	"fmt"
)

// A Client reads flags by type from any [FlagProvider]. A read always has a value: what
// goes wrong gives the caller's own default, and the details say what it was.
//
// Each read takes the key of the flag, the default, and the subject; a nil subject is
// that of ctx ([WithSubject]), and where ctx carries none one without a tenant, a key
// and attributes. A Client is safe for concurrent use.
type Client struct {
	provider FlagProvider
	// kit is the provider where it is the kit's own, whose answers need no copy.
	kit *Provider
}

// NewClient makes a Client.
func NewClient(provider FlagProvider) (*Client, error) {
	if provider == nil {
		return nil, errors.New("flags: a client needs a provider")
	}
	kit, _ := provider.(*Provider)
	return &Client{provider, kit}, nil
}

// Details are a value and how it came to be.
type Details[T any] struct {
	// Value is that of the flag, or the caller's default where there is none.
	Value T
	// Variant is the name of the value, empty for the default.
	Variant string
	// Reason says why.
	Reason Reason
	// Rule is the name of the rule, or the id of the override, that decided.
	Rule string
	// Version is the revision of the flag's definition.
	Version int64
	// Metadata is that of the flag. It is shared: only read it.
	Metadata map[string]any
	// Err is set where the value is the default because something went wrong; Reason is
	// then [ReasonError].
	Err *Error
}

// Bool reads a flag of type bool.
func (c *Client) Bool(ctx context.Context, key string, fallback bool, s *Subject) bool {
	return c.boolean(ctx, key, nil, fallback, s)
}

func (c *Client) boolean(ctx context.Context, key string, last *memo, fallback bool, s *Subject) bool {
	if c.kit == nil {
		return c.BoolDetails(ctx, key, fallback, s).Value
	}
	if s == nil {
		s = who(ctx, s)
	}
	found, _ := c.kit.find(ctx, key, last, s)
	if v, ok := found.Value.AsBool(); ok {
		return v
	}
	return fallback
}

// BoolDetails reads a flag of type bool, with details.
func (c *Client) BoolDetails(ctx context.Context, key string, fallback bool, s *Subject) (d Details[bool]) {
	var own Evaluation
	e := c.Read(ctx, key, s, &own)
	v, ok := e.Value.AsBool()
	if settle(&d, e, fallback, ok, errNoBool) {
		d.Value = v
	}
	return d
}

// String reads a flag of type string.
func (c *Client) String(ctx context.Context, key, fallback string, s *Subject) string {
	return c.text(ctx, key, nil, fallback, s)
}

func (c *Client) text(ctx context.Context, key string, last *memo, fallback string, s *Subject) string {
	if c.kit == nil {
		return c.StringDetails(ctx, key, fallback, s).Value
	}
	if s == nil {
		s = who(ctx, s)
	}
	found, _ := c.kit.find(ctx, key, last, s)
	if v, ok := found.Value.AsString(); ok {
		return v
	}
	return fallback
}

// StringDetails reads a flag of type string, with details.
func (c *Client) StringDetails(ctx context.Context, key, fallback string, s *Subject) (d Details[string]) {
	var own Evaluation
	e := c.Read(ctx, key, s, &own)
	v, ok := e.Value.AsString()
	if settle(&d, e, fallback, ok, errNoString) {
		d.Value = v
	}
	return d
}

// Float reads a flag of type number. An integer is widened.
func (c *Client) Float(ctx context.Context, key string, fallback float64, s *Subject) float64 {
	return c.number(ctx, key, nil, fallback, s)
}

func (c *Client) number(ctx context.Context, key string, last *memo, fallback float64, s *Subject) float64 {
	if c.kit == nil {
		return c.FloatDetails(ctx, key, fallback, s).Value
	}
	if s == nil {
		s = who(ctx, s)
	}
	found, _ := c.kit.find(ctx, key, last, s)
	if v, ok := found.Value.AsFloat(); ok {
		return v
	}
	return fallback
}

// FloatDetails reads a flag of type number, with details. An integer is widened.
func (c *Client) FloatDetails(ctx context.Context, key string, fallback float64, s *Subject) (d Details[float64]) {
	var own Evaluation
	e := c.Read(ctx, key, s, &own)
	v, ok := e.Value.AsFloat()
	if settle(&d, e, fallback, ok, errNoNumber) {
		d.Value = v
	}
	return d
}

// Int reads a flag of type number whose value is an integer of 64 bits. Any other
// number is not: nothing is rounded.
func (c *Client) Int(ctx context.Context, key string, fallback int64, s *Subject) int64 {
	return c.integer(ctx, key, nil, fallback, s)
}

func (c *Client) integer(ctx context.Context, key string, last *memo, fallback int64, s *Subject) int64 {
	if c.kit == nil {
		return c.IntDetails(ctx, key, fallback, s).Value
	}
	if s == nil {
		s = who(ctx, s)
	}
	found, _ := c.kit.find(ctx, key, last, s)
	if v, ok := found.Value.AsInt(); ok {
		return v
	}
	return fallback
}

// IntDetails reads a flag as [Client.Int] does, with details.
func (c *Client) IntDetails(ctx context.Context, key string, fallback int64, s *Subject) (d Details[int64]) {
	var own Evaluation
	e := c.Read(ctx, key, s, &own)
	v, ok := e.Value.AsInt()
	if settle(&d, e, fallback, ok, errNoInt) {
		d.Value = v
	}
	return d
}

// JSON reads a flag of type json, as encoding/json decodes: bool, float64, string,
// []any and map[string]any. Lists and objects are copies that the caller may change.
func (c *Client) JSON(ctx context.Context, key string, fallback any, s *Subject) any {
	return c.document(ctx, key, nil, fallback, s)
}

// document leaves the memo alone: what it saves is nothing beside the copy.
func (c *Client) document(ctx context.Context, key string, _ *memo, fallback any, s *Subject) any {
	return c.JSONDetails(ctx, key, fallback, s).Value
}

// JSONDetails reads a flag of type json, with details. A value of another type is
// JSON too.
func (c *Client) JSONDetails(ctx context.Context, key string, fallback any, s *Subject) (d Details[any]) {
	var own Evaluation
	e := c.Read(ctx, key, s, &own)
	if settle(&d, e, fallback, !e.Value.IsZero(), errNoJSON) {
		d.Value = e.JSON()
	}
	return d
}

// What a read of the wrong type is told. The errors are shared.
var (
	errNoBool   = &Error{Code: CodeTypeMismatch, Message: "the flag is not a truth value"}
	errNoString = &Error{Code: CodeTypeMismatch, Message: "the flag is not a text"}
	errNoNumber = &Error{Code: CodeTypeMismatch, Message: "the flag is not a number"}
	errNoInt    = &Error{Code: CodeTypeMismatch, Message: "the flag is not an integer of 64 bits"}
	errNoJSON   = &Error{Code: CodeTypeMismatch, Message: "the flag has a variant without a value"}
)

// settle fills in d, with the default as its value, and reports whether the value of e
// is to take its place. fits says whether that has the type that was asked for.
func settle[T any](d *Details[T], e *Evaluation, fallback T, fits bool, mismatch *Error) bool {
	d.Value, d.Variant, d.Reason, d.Rule, d.Version, d.Metadata, d.Err = fallback, e.Variant, e.Reason, e.Rule, e.Version, e.Metadata, e.Err
	ok, failure := e.Settle(fits, mismatch)
	if failure != nil {
		d.Variant, d.Reason, d.Err = "", ReasonError, failure
	}
	return ok
}

// nobody is whom flags are read for where nobody says for whom.
var nobody Subject

// evaluate asks the provider. What panics there is an error of the read.
func (c *Client) evaluate(ctx context.Context, key string, s *Subject, into *Evaluation) {
	defer func() {
		if cause := recover(); cause != nil {
			*into = Evaluation{Reason: ReasonError, Err: &Error{Code: CodeGeneral, Message: fmt.Sprintf("the provider panicked: %v", cause)}}
		}
	}()
	*into = c.provider.Evaluate(ctx, key, who(ctx, s))
}

// Read returns what a flag is, whatever its type, for adapters to other ways of reading.
// The kit's own provider answers with what all readers share, which must only be read;
// any other answer, and a stale one, is written to own and returned there.
func (c *Client) Read(ctx context.Context, key string, s *Subject, own *Evaluation) *Evaluation {
	if c.kit == nil {
		c.evaluate(ctx, key, s, own)
		return own
	}
	if s == nil {
		s = who(ctx, s)
	}
	found, stale := c.kit.find(ctx, key, nil, s)
	if !stale || found.Err != nil {
		return &found.Evaluation
	}
	*own = found.Evaluation
	own.Reason = ReasonStale
	return own
}

// who returns whom a flag is read for.
func who(ctx context.Context, s *Subject) *Subject {
	if s != nil {
		return s
	}
	if s = SubjectFrom(ctx); s == nil {
		return &nobody
	}
	return s
}
