package openfeature_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	messages "github.com/cucumber/messages/go/v34"
	sdk "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/openfeature"
)

// A world is what the sentences of one scenario share.
type world struct {
	t      testing.TB
	flags  flags.FlagProvider
	api    *sdk.EvaluationAPI
	client *sdk.Client

	kind, key string
	fallback  any
	context   map[string]any
	details   sdk.InterfaceEvaluationDetails
	hooks     []*hook
	options   []sdk.Option
	levels    []string
	merged    *capture
	ctx       context.Context
	added     map[string]map[string]any // attributes by level
}

func (w *world) end() {
	if w.api != nil {
		if err := w.api.Shutdown(w.t.Context()); err != nil {
			w.t.Error(err)
		}
	}
}

// run performs a sentence.
func (w *world) run(step *messages.PickleStep) error {
	var table [][]string
	if step.Argument != nil && step.Argument.DataTable != nil {
		for _, row := range step.Argument.DataTable.Rows {
			var cells []string
			for _, cell := range row.Cells {
				cells = append(cells, cell.Value)
			}
			table = append(table, cells)
		}
	}
	var bound []func() error
	for _, s := range sentences {
		if args := s.pattern.FindStringSubmatch(step.Text); args != nil {
			bound = append(bound, func() error { return s.do(w, args[1:], table) })
		}
	}
	if len(bound) != 1 {
		return fmt.Errorf("%d bindings", len(bound))
	}
	return bound[0]()
}

type sentence struct {
	pattern *regexp.Regexp
	do      func(w *world, args []string, table [][]string) error
}

func on(pattern string, do func(w *world, args []string, table [][]string) error) sentence {
	return sentence{regexp.MustCompile("^" + pattern + "$"), do}
}

const typed = `an? (?i:(boolean|string|integer|float|object))`

var sentences = []sentence{
	on(`a (stable|not ready|error|fatal|stale) provider`, func(w *world, args []string, _ [][]string) error { return w.provider(args[0]) }),
	on(`a stable provider with retrievable context is registered`, func(w *world, _ []string, _ [][]string) error {
		w.merged = &capture{FlagProvider: w.flags}
		w.flags = w.merged
		return w.provider("stable")
	}),
	on(`the provider status should be "(.*)"`, func(w *world, args []string, _ [][]string) error {
		return same("status", string(w.client.State()), args[0])
	}),

	// What is read.
	on(typed+`-flag with key "(.*)" and a fallback value "(.*)"`, func(w *world, args []string, _ [][]string) error {
		return w.read(args[0], args[1], args[2])
	}),
	on(typed+` flag with key "(.*)" is evaluated with (?:details and )?default value "?(.*?)"?`, func(w *world, args []string, _ [][]string) error {
		return w.readNow(args[0], args[1], args[2])
	}),
	on(`an object flag with key "(.*)" is evaluated with (?:details and )?a null default value`, func(w *world, args []string, _ [][]string) error {
		return w.readNow("object", args[0], "null")
	}),
	on(`a flag with key "(.*)" is evaluated with default value "(.*)"`, func(w *world, args []string, _ [][]string) error {
		return w.readNow("string", args[0], args[1])
	}),
	on(`a non-existent string flag with key "(.*)" is evaluated with details and a fallback value "(.*)"`, func(w *world, args []string, _ [][]string) error {
		return w.readNow("string", args[0], args[1])
	}),
	on(`a string flag with key "(.*)" is evaluated as an integer, with details and a fallback value (.*)`, func(w *world, args []string, _ [][]string) error {
		return w.readNow("integer", args[0], args[1])
	}),
	on(`(?:the|Some) flag was evaluated(?: with details)?(?: using the evaluation options)?`, func(w *world, _ []string, _ [][]string) error {
		w.evaluate()
		return nil
	}),
	on(`the flag was evaluated with details asynchronously`, func(w *world, _ []string, _ [][]string) error {
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.evaluate()
		}()
		<-done
		return nil
	}),
	on(`the evaluation should complete without blocking`, func(w *world, _ []string, _ [][]string) error {
		return same("key", w.details.FlagKey, w.key)
	}),

	// For whom.
	on(`a context containing a key "(.*)", with type "(.*)" and with value "(.*)"`, func(w *world, args []string, _ [][]string) error {
		v, err := parse(args[1], args[2])
		w.put(args[0], v)
		return err
	}),
	on(`a context containing a key "(.*)" with null value`, func(w *world, args []string, _ [][]string) error {
		w.put(args[0], nil)
		return nil
	}),
	on(`context contains keys "(.*)", "(.*)", "(.*)", "(.*)" with values "(.*)", "(.*)", (.*), "(.*)"`, func(w *world, args []string, _ [][]string) error {
		age, err := strconv.Atoi(args[6])
		w.put(args[0], args[4])
		w.put(args[1], args[5])
		w.put(args[2], age)
		w.put(args[3], args[7] == "true")
		return err
	}),
	on(`an evaluation context with modifiable data`, func(w *world, _ []string, _ [][]string) error {
		w.put("tags", []any{"a", map[string]any{"b": "c"}})
		return nil
	}),
	on(`the original evaluation context should remain unmodified`, func(w *world, _ []string, _ [][]string) error {
		return same("context", w.context, map[string]any{"tags": []any{"a", map[string]any{"b": "c"}}})
	}),
	on(`the evaluation details should be immutable`, func(w *world, _ []string, _ [][]string) error {
		before := w.details
		w.details.FlagMetadata["changed"] = true
		w.evaluate()
		delete(before.FlagMetadata, "changed")
		return same("details", w.details, before)
	}),
	on(`A context entry with key "(.*)" and value "(.*)" is added to the "(.*)" level`, func(w *world, args []string, _ [][]string) error {
		w.add(args[2], args[0], args[1])
		return nil
	}),
	on(`A table with levels of increasing precedence`, func(w *world, _ []string, table [][]string) error {
		for _, row := range table {
			w.levels = append(w.levels, row[0])
		}
		return nil
	}),
	on(`Context entries for each level from API level down to the "(.*)" level, with key "(.*)" and value "(.*)"`, func(w *world, args []string, _ [][]string) error {
		for _, level := range w.levels {
			w.add(level, args[1], level)
			if level == args[0] {
				return same("value", args[2], level)
			}
		}
		return errors.New("no such level")
	}),
	on(`The merged context contains an entry with key "(.*)" and value "(.*)"`, func(w *world, args []string, _ [][]string) error {
		v, _ := w.merged.last.Attribute(args[0])
		return same(args[0], v.Any(), any(args[1]))
	}),

	// What comes out.
	on(`the resolved details value should be "(.*)"`, func(w *world, args []string, _ [][]string) error { return w.resolved(args[0]) }),
	on(`the resolved (?:boolean|string|integer|float) (?:details )?value should be "?([^"]*)"?(?:, the variant should be "(.*)", and the reason should be "(.*)")?`, func(w *world, args []string, _ [][]string) error {
		return errors.Join(w.resolved(args[0]), w.optional(args[1], args[2]))
	}),
	on(`the resolved object (?:details )?value should be contain fields "(.*)", "(.*)", and "(.*)", with values "(.*)", "(.*)" and (.*), respectively`, func(w *world, args []string, _ [][]string) error {
		n, err := strconv.ParseFloat(args[5], 64)
		return errors.Join(err, same("value", w.details.Value, any(map[string]any{args[0]: args[3] == "true", args[1]: args[4], args[2]: n})))
	}),
	on(`the variant should be "(.*?)"(?:, and the reason should be "(.*)")?`, func(w *world, args []string, _ [][]string) error {
		return errors.Join(same("variant", w.details.Variant, args[0]), w.optional("", args[1]))
	}),
	on(`the resolved string response should be "(.*)"`, func(w *world, args []string, _ [][]string) error { return w.resolved(args[0]) }),
	on(`the resolved flag value is "(.*)" when the context is empty`, func(w *world, args []string, _ [][]string) error {
		w.context = nil
		w.evaluate()
		return w.resolved(args[0])
	}),
	on(`the default (?:string|integer) value should be returned`, func(w *world, _ []string, _ [][]string) error {
		return same("value", w.details.Value, w.fallback)
	}),
	on(`the reason should indicate an error and the error code should indicate a (?:missing flag|type mismatch) with "(.*)"`, func(w *world, args []string, _ [][]string) error {
		return errors.Join(w.optional("", "ERROR"), same("error code", string(w.details.ErrorCode), args[0]))
	}),
	on(`the reason should be "(.*)"`, func(w *world, args []string, _ [][]string) error { return w.optional("", args[0]) }),
	on(`the error-code should be "(.*)"`, func(w *world, args []string, _ [][]string) error {
		return same("error code", string(w.details.ErrorCode), args[0])
	}),
	on(`the flag key should be "(.*)"`, func(w *world, args []string, _ [][]string) error {
		return same("key", w.details.FlagKey, args[0])
	}),
	on(`the resolved metadata should contain`, func(w *world, _ []string, table [][]string) error {
		for _, row := range table[1:] {
			want, err := parse(row[1], row[2])
			if err := errors.Join(err, same(row[0], w.details.FlagMetadata[row[0]], want)); err != nil {
				return err
			}
		}
		return nil
	}),
	on(`the resolved metadata is empty`, func(w *world, _ []string, _ [][]string) error {
		return same("metadata", len(w.details.FlagMetadata), 0)
	}),

	// Hooks.
	on(`a client with added hook`, func(w *world, _ []string, _ [][]string) error {
		h := &hook{world: w, name: "client"}
		w.hooks = append(w.hooks, h)
		w.client.AddHooks(h)
		return nil
	}),
	on(`evaluation options containing specific hooks`, func(w *world, _ []string, _ [][]string) error {
		w.hooks = []*hook{{world: w, name: "first"}, {world: w, name: "second"}}
		w.options = append(w.options, sdk.WithHooks(w.hooks[0], w.hooks[1]))
		return nil
	}),
	on(`the specified hooks should execute during evaluation`, func(w *world, _ []string, _ [][]string) error {
		return same("stages", maps.Collect(func(yield func(string, bool) bool) {
			for _, stage := range []string{"before", "after", "finally"} {
				_, ok := w.hooks[1].told[stage]
				yield(stage, ok)
			}
		}), map[string]bool{"before": true, "after": true, "finally": true})
	}),
	on(`the hook order should be maintained`, func(w *world, _ []string, _ [][]string) error {
		return same("order", w.levels, []string{"first before", "second before", "second after", "first after", "second finally", "first finally"})
	}),
	on(`the "(.*)" hook should have been executed`, func(w *world, args []string, _ [][]string) error {
		_, ok := w.hooks[0].told[args[0]]
		return same(args[0], ok, true)
	}),
	on(`the "(.*)" hooks should be called with evaluation details`, func(w *world, args []string, table [][]string) error {
		for stage := range strings.SplitSeq(args[0], ", ") {
			d, ok := w.hooks[0].told[stage]
			if !ok {
				return errors.New(stage + " was not called")
			}
			got := map[string]any{"flag_key": d.FlagKey, "value": d.Value, "variant": d.Variant, "reason": string(d.Reason), "error_code": string(d.ErrorCode)}
			for _, row := range table[1:] {
				want, err := parse(row[0], row[2])
				if row[2] == "null" {
					want = ""
				}
				if err := errors.Join(err, same(stage+" "+row[1], got[row[1]], want)); err != nil {
					return err
				}
			}
		}
		return nil
	}),
}

// same reports a difference.
func same[T any](what string, got, want T) error {
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return fmt.Errorf("the %s is %#v, want %#v", what, got, want)
}

// parse reads a value of a feature file.
func parse(kind, text string) (any, error) {
	text = strings.ReplaceAll(text, `\"`, `"`)
	switch strings.ToLower(kind) {
	case "boolean":
		return strconv.ParseBool(text)
	case "integer":
		return strconv.ParseInt(text, 10, 64)
	case "float":
		return strconv.ParseFloat(text, 64)
	case "object":
		var v any
		return v, json.Unmarshal([]byte(text), &v)
	}
	return text, nil
}

// provider registers a provider of a status.
func (w *world) provider(status string) error {
	if w.api != nil {
		w.end()
	}
	statuses := map[string]flags.Status{"stable": flags.StatusReady, "not ready": flags.StatusNotReady,
		"error": flags.StatusError, "fatal": flags.StatusFatal, "stale": flags.StatusReady}
	behind := &scripted{FlagProvider: w.flags, status: flags.Change{Status: statuses[status]}}
	p, err := openfeature.New(behind, openfeature.Config{})
	if err != nil {
		return err
	}
	w.ctx = w.t.Context()
	w.api = isolated.NewAPI()
	w.client = w.api.NewClient()
	if status == "not ready" {
		return w.api.SetProvider(w.ctx, p)
	}
	if err := w.api.SetProviderAndWait(w.ctx, p); (err != nil) != (status == "error" || status == "fatal") {
		return fmt.Errorf("set a provider that is %s: %w", status, err)
	}
	if status != "stale" {
		return nil
	}
	told := make(chan struct{}, 1)
	callback := func(sdk.EventDetails) { told <- struct{}{} }
	w.client.AddHandler(sdk.ProviderStale, &callback)
	behind.change(flags.Change{Status: flags.StatusStale})
	select {
	case <-told:
		return nil
	case <-time.After(time.Minute):
		return errors.New("the provider became stale and nobody was told")
	}
}

func (w *world) put(name string, v any) {
	if w.context == nil {
		w.context = map[string]any{}
	}
	w.context[name] = v
}

// add puts an attribute into the context of a level.
func (w *world) add(level, name, value string) {
	if w.added == nil {
		w.added = map[string]map[string]any{}
	}
	if w.added[level] == nil {
		w.added[level] = map[string]any{}
	}
	w.added[level][name] = value
}

func (w *world) read(kind, key, fallback string) error {
	var err error
	w.kind, w.key = strings.ToLower(kind), key
	w.fallback, err = parse(kind, fallback)
	return err
}

func (w *world) readNow(kind, key, fallback string) error {
	err := w.read(kind, key, fallback)
	w.evaluate()
	return err
}

// evaluate reads the flag with everything that was added.
func (w *world) evaluate() {
	if w.kind == "" {
		w.kind, w.key, w.fallback = "boolean", "boolean-flag", false
	}
	ctx := w.ctx
	of := func(level string) sdk.EvaluationContext { return sdk.NewTargetlessEvaluationContext(w.added[level]) }
	w.api.SetEvaluationContext(of("API"))
	w.client.SetEvaluationContext(of("Client"))
	if w.added["Transaction"] != nil {
		ctx = sdk.WithTransactionContext(ctx, of("Transaction"))
	}
	options := slices.Clone(w.options)
	if w.added["Before Hooks"] != nil {
		options = append(options, sdk.WithHooks(&hook{world: w, name: "adding", adds: of("Before Hooks")}))
	}
	invocation := maps.Clone(w.added["Invocation"])
	if invocation == nil {
		invocation = map[string]any{}
	}
	maps.Copy(invocation, w.context)
	w.details = read(ctx, w.client, w.kind, w.key, w.fallback, sdk.NewTargetlessEvaluationContext(invocation), options)
}

// read asks by the type of a flag.
func read(ctx context.Context, c *sdk.Client, kind, key string, fallback any, e sdk.EvaluationContext, options []sdk.Option) sdk.InterfaceEvaluationDetails {
	// The error of a read is in its details too, where the sentences look for it.
	switch kind {
	case "boolean":
		d, _ := c.BooleanValueDetails(ctx, key, fallback.(bool), e, options...)
		return sdk.InterfaceEvaluationDetails{Value: d.Value, EvaluationDetails: d.EvaluationDetails}
	case "string":
		d, _ := c.StringValueDetails(ctx, key, fallback.(string), e, options...)
		return sdk.InterfaceEvaluationDetails{Value: d.Value, EvaluationDetails: d.EvaluationDetails}
	case "integer":
		d, _ := c.IntValueDetails(ctx, key, fallback.(int64), e, options...)
		return sdk.InterfaceEvaluationDetails{Value: d.Value, EvaluationDetails: d.EvaluationDetails}
	case "float":
		d, _ := c.FloatValueDetails(ctx, key, fallback.(float64), e, options...)
		return sdk.InterfaceEvaluationDetails{Value: d.Value, EvaluationDetails: d.EvaluationDetails}
	}
	d, _ := c.ObjectValueDetails(ctx, key, fallback, e, options...)
	return d
}

func (w *world) resolved(text string) error {
	want, err := parse(w.kind, text)
	return errors.Join(err, same("value", w.details.Value, want))
}

// optional compares the variant and the reason where they are asked for.
func (w *world) optional(variant, reason string) error {
	var err error
	if variant != "" {
		err = same("variant", w.details.Variant, variant)
	}
	if reason != "" {
		err = errors.Join(err, same("reason", string(w.details.Reason), reason))
	}
	return err
}

// A capture remembers who was asked about.
type capture struct {
	flags.FlagProvider
	last *flags.Subject
}

func (c *capture) Evaluate(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
	c.last = s
	return c.FlagProvider.Evaluate(ctx, key, s)
}

// A hook remembers what it was told at each stage.
type hook struct {
	world *world
	name  string
	adds  sdk.EvaluationContext
	told  map[string]sdk.InterfaceEvaluationDetails
}

func (h *hook) note(stage string, d sdk.InterfaceEvaluationDetails) {
	if h.told == nil {
		h.told = map[string]sdk.InterfaceEvaluationDetails{}
	}
	h.told[stage] = d
	h.world.levels = append(h.world.levels, h.name+" "+stage)
}

func (h *hook) Before(_ context.Context, _ sdk.HookContext, _ sdk.HookHints) (*sdk.EvaluationContext, error) {
	h.note("before", sdk.InterfaceEvaluationDetails{})
	return &h.adds, nil
}

func (h *hook) After(_ context.Context, _ sdk.HookContext, d sdk.InterfaceEvaluationDetails, _ sdk.HookHints) error {
	h.note("after", d)
	return nil
}

func (h *hook) Error(_ context.Context, _ sdk.HookContext, _ error, _ sdk.HookHints) {
	h.note("error", sdk.InterfaceEvaluationDetails{})
}

func (h *hook) Finally(_ context.Context, _ sdk.HookContext, d sdk.InterfaceEvaluationDetails, _ sdk.HookHints) {
	h.note("finally", d)
}
