package automation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// CatalogConfig says what rules may use. Its zero value has the environments draft,
// staging and prod, the trigger "event", and the actions "wait" and "stop", which every
// catalogue has. "wait" takes {"duration": "24h"} or {"until": "2026-01-02T15:04:05Z"},
// "stop" takes {"status": "filtered", "reason": "..."}, where status is succeeded (the
// default), filtered or failed. [Catalog.Actions] tells the schema of each action's input.
type CatalogConfig struct {
	// Environments are those that a rule may be written for; empty is [Draft],
	// [Staging] and [Prod]. Rules of an environment "draft" cannot be enabled.
	Environments []string
	// Triggers and Actions are what the host offers.
	Triggers []Trigger
	Actions  []Action
	// Retries and Timeouts are policies that a definition may name. A version of a rule
	// keeps what they were when it was written.
	Retries  map[string]RetryPolicy
	Timeouts map[string]TimeoutPolicy
}

// A Catalog lists what rules are made of and compiles their definitions. It is immutable
// and safe for concurrent use.
type Catalog struct {
	environments []string
	triggers     map[string]catalogTrigger
	actions      map[string]catalogAction
	retries      map[string]RetryPolicy
	timeouts     map[string]TimeoutPolicy
}

type catalogTrigger struct {
	Trigger
	descriptor TriggerDescriptor
}

type catalogAction struct {
	Action
	descriptor Descriptor
	input      audit.Validator
	output     audit.Validator // nil where anything may come
}

// NewCatalog makes a catalogue. compile makes the validators of schemas; package
// audit/schema has one. Names that are ill-formed or taken, schemas that do not compile
// and samples that they refuse are errors.
func NewCatalog(compile func(schema []byte) (audit.Validator, error), cfg CatalogConfig) (*Catalog, error) {
	if compile == nil {
		return nil, errors.New("automation: a catalogue needs a compiler of schemas; audit/schema has one")
	}
	c := &Catalog{
		environments: slices.Clone(cfg.Environments),
		triggers:     map[string]catalogTrigger{}, actions: map[string]catalogAction{},
		retries: maps.Clone(cfg.Retries), timeouts: maps.Clone(cfg.Timeouts),
	}
	if len(c.environments) == 0 {
		c.environments = []string{Draft, Staging, Prod}
	}
	for _, e := range c.environments {
		if err := storage.CheckID("/environments", e); err != nil {
			return nil, fmt.Errorf("automation: %w", err)
		}
	}
	for _, a := range append([]Action{waitAction{}, stopAction{}}, cfg.Actions...) {
		if err := c.addAction(compile, a); err != nil {
			return nil, err
		}
	}
	for _, t := range cfg.Triggers {
		if err := c.addTrigger(compile, t); err != nil {
			return nil, err
		}
	}
	return c, c.checkPolicies()
}

func (c *Catalog) checkPolicies() error {
	var bad *storage.InvalidError
	for name, p := range c.retries {
		bad = p.check(bad, "/retries/"+escapeToken(name))
	}
	for name, p := range c.timeouts {
		bad = p.check(bad, "/timeouts/"+escapeToken(name))
	}
	if err := bad.Err(); err != nil {
		return fmt.Errorf("automation: a policy of the catalogue: %w", err)
	}
	return nil
}

// A checker is an action of this package that can be made wrongly.
type checker interface{ check() error }

func (c *Catalog) addAction(compile func(schema []byte) (audit.Validator, error), a Action) error {
	if a == nil {
		return errors.New("automation: an action of the catalogue is nil")
	}
	if c, ok := a.(checker); ok {
		if err := c.check(); err != nil {
			return fmt.Errorf("automation: an action of the catalogue: %w", err)
		}
	}
	d := a.Describe()
	entry := catalogAction{Action: a, descriptor: d}
	fail := func(err error) error { return fmt.Errorf("automation: action %q: %w", d.Name, err) }
	if _, ok := c.actions[d.Name]; ok {
		return fail(errors.New("is listed twice"))
	}
	if message := checkName(d.Name); message != "" {
		return fail(errors.New(message))
	}
	if !slices.Contains(Effects(), d.Effect) {
		return fail(errors.New("has an effect that is none"))
	}
	var err error
	if entry.input, err = compile(d.Input); err != nil {
		return fail(fmt.Errorf("input schema: %w", err))
	}
	if err := entry.input.Validate(d.SampleInput); err != nil {
		return fail(fmt.Errorf("sample input: %w", err))
	}
	if d.Output != nil {
		if entry.output, err = compile(d.Output); err != nil {
			return fail(fmt.Errorf("output schema: %w", err))
		}
	}
	if err := entry.checkOutput(d.Sample); err != nil {
		return fail(fmt.Errorf("sample: %w", err))
	}
	c.actions[d.Name] = entry
	return nil
}

// checkOutput reports what is wrong with an output of the action.
func (a *catalogAction) checkOutput(value json.RawMessage) error {
	if len(value) > MaxOutput {
		return storage.Invalid("/output", "is longer than 256 KiB")
	}
	if len(value) > 0 && !json.Valid(value) {
		return storage.Invalid("/output", "is not JSON")
	}
	if a.output == nil {
		return nil
	}
	if len(value) == 0 {
		value = json.RawMessage("null")
	}
	return rebase(a.output.Validate(value), "/output")
}

// rebase moves the pointers of a validator from /payload to another place.
func rebase(err error, pointer string) error {
	invalid, ok := errors.AsType[*storage.InvalidError](err)
	if !ok {
		return err
	}
	var bad *storage.InvalidError
	for _, f := range invalid.Fields {
		bad = bad.Add(pointer+strings.TrimPrefix(f.Pointer, "/payload"), f.Message)
	}
	return bad.Err()
}

func (c *Catalog) addTrigger(compile func(schema []byte) (audit.Validator, error), t Trigger) error {
	if t == nil {
		return errors.New("automation: a trigger of the catalogue is nil")
	}
	d := t.Describe()
	fail := func(err error) error { return fmt.Errorf("automation: trigger %q: %w", d.Name, err) }
	if _, ok := c.triggers[d.Name]; ok || d.Name == TypeEvent {
		return fail(errors.New("is listed twice"))
	}
	if message := checkName(d.Name); message != "" {
		return fail(errors.New(message))
	}
	if n := len(d.EventTypes); n == 0 || n > MaxEventTypes {
		return fail(errors.New("must name between 1 and 20 event types"))
	}
	for _, p := range d.EventTypes {
		if message := audit.CheckTypePattern(p); message != "" {
			return fail(fmt.Errorf("event type %q %s", p, message))
		}
	}
	event, err := decodeEvent(d.Sample)
	if err != nil {
		return fail(fmt.Errorf("sample: %w", err))
	}
	if d.Schema != nil {
		v, err := compile(d.Schema)
		if err != nil {
			return fail(fmt.Errorf("schema: %w", err))
		}
		if err := rebase(v.Validate(encodeValue(event["data"])), "/data"); err != nil {
			return fail(fmt.Errorf("sample: %w", err))
		}
	}
	sampleType, _ := event["type"].(string)
	if !listens(d.EventTypes, sampleType) || !t.Fires(event) {
		return fail(errors.New("does not fire on its own sample"))
	}
	c.triggers[d.Name] = catalogTrigger{t, d}
	return nil
}

// decodeEvent decodes a CloudEvent.
func decodeEvent(data []byte) (map[string]any, error) {
	v, err := decodeValue(data)
	event, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, storage.Invalid("", "must be a CloudEvent, a JSON object")
	}
	return event, nil
}

// listens reports whether one of patterns matches an event type.
func listens(patterns []string, eventType string) bool {
	for _, p := range audit.TypePatterns(eventType) {
		if slices.Contains(patterns, p) {
			return true
		}
	}
	return false
}

// checkName wants dot-delimited words of lower-case letters, digits and underscores.
func checkName(name string) string {
	if storage.CheckID("", name) != nil {
		return "has no name, or too long a one"
	}
	for word := range strings.SplitSeq(name, ".") {
		if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return "must be named by dot-delimited words of a-z, 0-9 and _"
		}
	}
	return ""
}

// Environments returns the environments that a rule may be written for.
func (c *Catalog) Environments() []string { return slices.Clone(c.environments) }

// Triggers returns the triggers, ordered by name, without "event".
func (c *Catalog) Triggers() []TriggerDescriptor {
	all := make([]TriggerDescriptor, 0, len(c.triggers))
	for _, name := range slices.Sorted(maps.Keys(c.triggers)) {
		all = append(all, c.triggers[name].descriptor)
	}
	return all
}

// Actions returns the actions, ordered by name.
func (c *Catalog) Actions() []Descriptor {
	all := make([]Descriptor, 0, len(c.actions))
	for _, name := range slices.Sorted(maps.Keys(c.actions)) {
		all = append(all, c.actions[name].descriptor)
	}
	return all
}

// Retries returns the retry policies that a definition may name.
func (c *Catalog) Retries() map[string]RetryPolicy { return maps.Clone(c.retries) }

// Timeouts returns the timeout policies that a definition may name.
func (c *Catalog) Timeouts() map[string]TimeoutPolicy { return maps.Clone(c.timeouts) }

// sample returns the sample of a trigger that listens to one of the event types of a
// rule, nil where the catalogue knows none.
func (c *Catalog) sample(t TriggerUse, eventTypes []string) json.RawMessage {
	if known, ok := c.triggers[t.Type]; ok {
		return known.descriptor.Sample
	}
	for _, name := range slices.Sorted(maps.Keys(c.triggers)) {
		d := c.triggers[name].descriptor
		event, err := decodeEvent(d.Sample)
		if sampleType, ok := event["type"].(string); err == nil && ok && listens(eventTypes, sampleType) {
			return d.Sample
		}
	}
	return nil
}

// call runs an action and contains its panic.
func (a *catalogAction) call(ctx context.Context, in Input) (out Output, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = Output{}, newPanic(p)
		}
	}()
	return a.Run(ctx, in)
}

// checkInput asks an action about the literals of a step and contains its panic.
func (a *catalogAction) checkInput(with json.RawMessage) (err error) {
	c, ok := a.Action.(InputChecker)
	if !ok {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = newPanic(p)
		}
	}()
	return c.CheckInput(with)
}
