package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
)

// An Action is an entry of the catalogue: something that may be recorded.
type Action struct {
	// Name is dot-delimited, "<domain>.<verb>" or deeper: "orders.refund".
	Name string `json:"name"`
	// Type is the event's name outside. Empty is "<prefix>.audit.v1.<name>".
	Type        string   `json:"type"`
	Label       string   `json:"label"`
	Description string   `json:"description"`
	Category    Category `json:"category"`
	// ActorTypes and ResourceTypes bound who and what the action is about; empty is
	// anybody and anything.
	ActorTypes    []string `json:"actor_types,omitempty"`
	ResourceTypes []string `json:"resource_types,omitempty"`
	// Schema is the JSON Schema (draft 7) of the payload, nil for none. An event without
	// a payload is checked as null.
	Schema json.RawMessage `json:"schema,omitempty"`
}

// CatalogConfig configures a [Catalog].
type CatalogConfig struct {
	// Prefix begins the types of events; empty is "lumelle".
	Prefix string
	// Source is the source of events that name none; empty is "/adminkit".
	Source string
	// Open accepts actions that the catalogue does not list, as category Activity.
	// By default they are refused.
	Open bool
	// Compile makes the validator of a payload schema. Package audit/schema offers
	// one. It is required where an action has a schema.
	Compile func(schema []byte) (Validator, error)
	// Now and NewID default to the clock and [storage.NewID].
	Now   func() time.Time
	NewID func() string
}

// A Validator checks a payload. What is wrong comes back as a
// *storage.InvalidError with pointers below "/payload".
type Validator interface {
	Validate(payload []byte) error
}

// A Catalog lists the actions that may be recorded and completes events. It is
// immutable and safe for concurrent use.
type Catalog struct {
	cfg        CatalogConfig
	actions    map[string]Action
	validators map[string]Validator
}

// NewCatalog makes a catalogue. Duplicate or ill-formed names and schemas that do
// not compile are errors.
func NewCatalog(cfg CatalogConfig, actions ...Action) (*Catalog, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = "lumelle"
	}
	if cfg.Source == "" {
		cfg.Source = "/adminkit"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = storage.NewID
	}
	c := &Catalog{cfg: cfg, actions: make(map[string]Action, len(actions)), validators: map[string]Validator{}}
	for _, a := range actions {
		if err := c.add(a); err != nil {
			return nil, fmt.Errorf("audit: action %q: %w", a.Name, err)
		}
	}
	return c, nil
}

func (c *Catalog) add(a Action) error {
	if err := checkName(a.Name); err != nil {
		return err
	}
	if _, ok := c.actions[a.Name]; ok {
		return errors.New("is listed twice")
	}
	if a.Type == "" {
		a.Type = c.cfg.Prefix + ".audit.v1." + a.Name
	}
	if a.Category == "" {
		a.Category = Activity
	}
	if !slices.Contains(Categories(), a.Category) {
		return errors.New("has a category that is none")
	}
	if a.Schema != nil {
		if c.cfg.Compile == nil {
			return errors.New("has a schema and the catalogue has no Compile")
		}
		v, err := c.cfg.Compile(a.Schema)
		if err != nil {
			return fmt.Errorf("schema: %w", err)
		}
		c.validators[a.Name] = v
	}
	c.actions[a.Name] = a
	return nil
}

// checkName wants dot-delimited words of lower-case letters, digits and underscores.
func checkName(name string) error {
	if err := storage.CheckID("/action", name); err != nil {
		return err
	}
	for word := range strings.SplitSeq(name, ".") {
		if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return storage.Invalid("/action", "must be dot-delimited words of a-z, 0-9 and _")
		}
	}
	return nil
}

// Lookup returns the entry of an action.
func (c *Catalog) Lookup(name string) (Action, bool) {
	a, ok := c.actions[name]
	return a, ok
}

// Actions returns every entry, ordered by name.
func (c *Catalog) Actions() []Action {
	all := make([]Action, 0, len(c.actions))
	for _, a := range c.actions {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Action) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// NewID returns a fresh event id.
func (c *Catalog) NewID() string { return c.cfg.NewID() }

// Now returns the time of events made now, in UTC with microseconds.
func (c *Catalog) Now() time.Time { return c.cfg.Now().UTC().Truncate(time.Microsecond) }

// Complete fills what e leaves empty: id, source, time, actor, origin, trace and cause
// from ctx, type and category from the action's entry. Then it checks the event. A
// missing actor is [ErrNoActor]; anything else wrong is a *storage.InvalidError.
// Completing an event twice changes nothing.
func (c *Catalog) Complete(ctx context.Context, e *Event) error {
	a, ok := c.actions[e.Action]
	if !ok {
		if !c.cfg.Open {
			return storage.Invalid("/action", "is not in the catalogue")
		}
		if err := checkName(e.Action); err != nil {
			return err
		}
		a = Action{Name: e.Action, Type: c.cfg.Prefix + ".audit.v1." + e.Action, Category: Activity}
	}
	if e.ID == "" {
		e.ID = c.NewID()
	}
	if e.Source == "" {
		e.Source = c.cfg.Source
	}
	if e.Type == "" {
		e.Type = a.Type
	}
	if e.Category == "" {
		e.Category = a.Category
	}
	if e.Time.IsZero() {
		e.Time = c.Now()
	}
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	if e.Actor.ID == "" {
		e.Actor, _ = ActorFrom(ctx)
	}
	if e.Actor.ID == "" {
		return ErrNoActor
	}
	if e.Origin == (Origin{}) {
		e.Origin = OriginFrom(ctx)
	}
	if !e.Trace.Valid() {
		if e.Trace = correlation.From(ctx); !e.Trace.Valid() {
			e.Trace = correlation.New()
		}
	}
	if e.CausationID == "" && e.Hops == 0 {
		cause := CauseFrom(ctx)
		e.CausationID, e.Hops = cause.EventID, cause.Hops
	}
	if e.Outcome == "" {
		e.Outcome = Success
	}
	if err := e.check(); err != nil {
		return err
	}
	if len(a.ActorTypes) > 0 && !slices.Contains(a.ActorTypes, e.Actor.Type) {
		return storage.Invalid("/actor/type", "is not an actor of this action")
	}
	if len(a.ResourceTypes) > 0 && !slices.Contains(a.ResourceTypes, e.Resource.Type) {
		return storage.Invalid("/resource/type", "is not a resource of this action")
	}
	if v := c.validators[a.Name]; v != nil {
		payload := e.Payload
		if payload == nil {
			payload = json.RawMessage("null") // which says as much, and is held to the schema too
		}
		if err := v.Validate(payload); err != nil {
			return err
		}
		e.Schema = a.Type
	}
	return nil
}
