package automation

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// A Program is a definition, checked and compiled. It is immutable and safe for
// concurrent use.
type Program struct {
	definition Definition
	eventTypes []string
	trigger    Trigger            // nil for "event"
	filter     *targeting.Matcher // nil where it always holds
	nodes      []node
	index      map[string]int
	// asks are the conditions that name audiences.
	asks []ask
	// first and onFailure are the nodes that the routes begin with, end where there is
	// none.
	first, onFailure int
}

// end stands for the node behind the last one of a route.
const end = -1

// A node is a step with the places that it leads to.
type node struct {
	path string
	// action is nil for an if and a switch, whose cases are tried in order.
	action   *catalogAction
	with     template
	retry    RetryPolicy
	timeout  TimeoutPolicy
	word     string // "if" or "switch"
	cases    []branch
	fallback branch
	// decline and expire are the routes for the ends of a wait that are not approval.
	// Where they are nil the step fails.
	decline, expire *branch
	// next is the node behind this one.
	next int
}

// A branch is a path with the name that a run shows it under. Its first node is end
// where it has no steps.
type branch struct {
	name  string
	when  *targeting.Matcher
	first int
}

// Definition returns what was compiled. It is shared and must not be changed.
func (p *Program) Definition() Definition { return p.definition }

// EventTypes returns the event types, or groups of them, that the rule listens to.
func (p *Program) EventTypes() []string { return slices.Clone(p.eventTypes) }

// Paths returns the paths of all steps in the order of the definition.
func (p *Program) Paths() []string {
	paths := make([]string, len(p.nodes))
	for i := range p.nodes {
		paths[i] = p.nodes[i].path
	}
	return paths
}

// word returns the name of what a node does.
func (n *node) what() string {
	if n.action != nil {
		return n.action.descriptor.Name
	}
	return n.word
}

// Resolve returns d with the policies that it names filled in from the catalogue. An
// unknown name is a *storage.InvalidError.
func (c *Catalog) Resolve(d Definition) (Definition, error) {
	var bad *storage.InvalidError
	d.Retry = c.resolveRetry(d.Retry, "/retry", &bad)
	d.Steps = c.resolveSteps(d.Steps, "/steps", &bad, 0)
	d.OnFailure = c.resolveSteps(d.OnFailure, "/on_failure", &bad, 0)
	return d, bad.Err()
}

func (c *Catalog) resolveSteps(steps []Step, pointer string, bad **storage.InvalidError, depth int) []Step {
	if depth > MaxNesting {
		return steps // Compile says so
	}
	steps = slices.Clone(steps)
	for i := range steps {
		s, at := &steps[i], pointer+"/"+strconv.Itoa(i)
		s.Retry = c.resolveRetry(s.Retry, at+"/retry", bad)
		s.Timeout = c.resolveTimeout(s.Timeout, at+"/timeout", bad)
		s.OnDecline = c.resolveSteps(s.OnDecline, at+"/on_decline", bad, depth+1)
		s.OnTimeout = c.resolveSteps(s.OnTimeout, at+"/on_timeout", bad, depth+1)
		s.Then = c.resolveSteps(s.Then, at+"/then", bad, depth+1)
		s.Else = c.resolveSteps(s.Else, at+"/else", bad, depth+1)
		s.Default = c.resolveSteps(s.Default, at+"/default", bad, depth+1)
		s.Switch = slices.Clone(s.Switch)
		for j := range s.Switch {
			s.Switch[j].Steps = c.resolveSteps(s.Switch[j].Steps, at+"/switch/"+strconv.Itoa(j)+"/steps", bad, depth+1)
		}
	}
	return steps
}

func (c *Catalog) resolveRetry(p *RetryPolicy, pointer string, bad **storage.InvalidError) *RetryPolicy {
	if p == nil || p.Policy == "" {
		return p
	}
	known, ok := c.retries[p.Policy]
	if !ok {
		*bad = (*bad).Add(pointer, "is no retry policy of the catalogue")
	}
	known.Policy = p.Policy
	return &known
}

func (c *Catalog) resolveTimeout(p *TimeoutPolicy, pointer string, bad **storage.InvalidError) *TimeoutPolicy {
	if p == nil || p.Policy == "" {
		return p
	}
	known, ok := c.timeouts[p.Policy]
	if !ok {
		*bad = (*bad).Add(pointer, "is no timeout policy of the catalogue")
	}
	known.Policy = p.Policy
	return &known
}

// Compile checks a definition and compiles it. Names of policies are not looked up: see
// [Catalog.Resolve]. Whether there are the audiences that conditions name is for the
// [Service] to say, which knows the tenant. The error is a *storage.InvalidError whose pointers lead into the
// definition.
func (c *Catalog) Compile(d Definition) (*Program, error) { return c.compile(d, false) }

// compile compiles a definition. Of one that was kept, no [InputChecker] is asked again: by
// now it may be stricter, and the steps that it would refuse may never be reached.
func (c *Catalog) compile(d Definition, kept bool) (*Program, error) {
	k := &compiler{catalog: c, program: &Program{definition: d, index: map[string]int{}}, kept: kept}
	k.head(d)
	k.names(d.Steps, "/steps", 0)
	k.names(d.OnFailure, "/on_failure", 0)
	if k.bad.Err() == nil {
		known := reach{sure: map[string]bool{}, maybe: map[string]bool{}}
		k.program.first, known = k.route(d.Steps, "/steps", end, known, false)
		// Whatever went wrong may have done so before or after any step.
		known.sure = map[string]bool{}
		k.program.onFailure, _ = k.route(d.OnFailure, "/on_failure", end, known, true)
	}
	if err := k.bad.Err(); err != nil {
		return nil, err
	}
	return k.program, nil
}

// A compiler builds a Program and collects what is wrong.
type compiler struct {
	catalog *Catalog
	program *Program
	kept    bool
	bad     *storage.InvalidError
}

// maxComplaints bounds the answer to a definition that is wrong all over.
const maxComplaints = 50

func (k *compiler) add(pointer, message string) {
	if k.bad == nil || len(k.bad.Fields) < maxComplaints {
		k.bad = k.bad.Add(pointer, message)
	}
}

// check adds what a check of package storage found.
func (k *compiler) check(err error) {
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		for _, f := range invalid.Fields {
			k.add(f.Pointer, f.Message)
		}
	}
}

// head checks all but the steps.
func (k *compiler) head(d Definition) {
	k.check(storage.CheckID("/name", d.Name))
	k.check(storage.CheckText("/description", d.Description, 4096))
	if !slices.Contains(k.catalog.environments, d.Environment) {
		k.add("/automation_environment", "must be one of "+strings.Join(k.catalog.environments, ", "))
	}
	p := k.program
	if known, ok := k.catalog.triggers[d.Trigger.Type]; ok {
		p.trigger, p.eventTypes = known.Trigger, known.descriptor.EventTypes
		if d.Trigger.EventType != "" {
			k.add("/trigger/event_type", `is for triggers of type "event"`)
		}
	} else if d.Trigger.Type == TypeEvent {
		p.eventTypes = []string{d.Trigger.EventType}
		if message := audit.CheckTypePattern(d.Trigger.EventType); message != "" {
			k.add("/trigger/event_type", message)
		}
	} else {
		k.add("/trigger/type", `must be "event" or a trigger of the catalogue`)
	}
	if !d.Conditions.IsZero() {
		p.filter = k.condition(d.Conditions, "/conditions", reach{}, false)
	}
	if d.Retry != nil {
		k.bad = d.Retry.check(k.bad, "/retry")
	}
	if d.Timeout < 0 || d.Timeout > maxSpan {
		k.add("/timeout", "must be between 0 and ten years")
	}
	if len(d.Steps) == 0 {
		k.add("/steps", "must have at least one step")
	}
}

// names gives every step its node, and so refuses what is too much before anything is
// done with it.
func (k *compiler) names(steps []Step, pointer string, depth int) {
	if depth > MaxNesting && len(steps) > 0 {
		k.add(pointer, "is nested too deep: the limit is "+strconv.Itoa(MaxNesting))
		return
	}
	for i := range steps {
		s, at := &steps[i], pointer+"/"+strconv.Itoa(i)
		if len(k.program.nodes) == MaxSteps {
			k.add(at, "is one step too many: the limit is "+strconv.Itoa(MaxSteps))
			return
		}
		if message := checkStepName(s.Name); message != "" {
			k.add(at+"/name", message)
		} else if _, twice := k.program.index[s.Name]; twice {
			k.add(at+"/name", "is the name of another step")
		}
		k.program.index[s.Name] = len(k.program.nodes)
		k.program.nodes = append(k.program.nodes, node{path: s.Name})
		for _, route := range []struct {
			field string
			steps []Step
		}{{"/on_decline", s.OnDecline}, {"/on_timeout", s.OnTimeout}, {"/then", s.Then}, {"/else", s.Else}, {"/default", s.Default}} {
			k.names(route.steps, at+route.field, depth+1)
		}
		if len(s.Switch) > MaxCases {
			k.add(at+"/switch", "has more than 20 cases")
			continue
		}
		for j := range s.Switch {
			k.names(s.Switch[j].Steps, at+"/switch/"+strconv.Itoa(j)+"/steps", depth+1)
		}
	}
}

func checkStepName(name string) string {
	if name == "" || len(name) > MaxName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return `must be 1 to 64 letters, digits, "_" and "-"`
	}
	return ""
}

// A reach says which steps have been done at some place of a definition: on every path
// that leads there, or on some.
type reach struct{ sure, maybe map[string]bool }

func (r reach) clone() reach { return reach{maps.Clone(r.sure), maps.Clone(r.maybe)} }

func (r reach) add(name string) {
	r.sure[name], r.maybe[name] = true, true
}

// join returns what is known where one of several paths was taken.
func join(paths []reach) reach {
	all := paths[0].clone()
	for _, p := range paths[1:] {
		maps.DeleteFunc(all.sure, func(name string, _ bool) bool { return !p.sure[name] })
		maps.Copy(all.maybe, p.maybe)
	}
	return all
}

// route compiles a sequence of steps that goes on at next, and returns its first node
// and what is known behind it.
func (k *compiler) route(steps []Step, pointer string, next int, known reach, failing bool) (first int, after reach) {
	first = next
	if len(steps) > 0 {
		first = k.program.index[steps[0].Name]
	}
	for i := range steps {
		follow := next
		if i+1 < len(steps) {
			follow = k.program.index[steps[i+1].Name]
		}
		known = k.step(&steps[i], pointer+"/"+strconv.Itoa(i), follow, known, failing)
	}
	return first, known
}

// step compiles one step and returns what is known behind it.
func (k *compiler) step(s *Step, at string, next int, known reach, failing bool) reach {
	n := &k.program.nodes[k.program.index[s.Name]]
	n.next = next
	k.form(s, at)
	switch {
	case s.Action != "":
		return k.action(n, s, at, known, failing)
	case s.If != nil:
		n.word = "if"
		yes, afterYes := k.branch(s.Then, "then", at+"/then", next, known, failing)
		no, afterNo := k.branch(s.Else, "else", at+"/else", next, known, failing)
		yes.when = k.condition(*s.If, at+"/if", known, failing)
		n.cases, n.fallback = []branch{yes}, no
		return join([]reach{afterYes, afterNo})
	}
	n.word = "switch"
	var after []reach
	for j := range s.Switch {
		pointer := at + "/switch/" + strconv.Itoa(j)
		b, known2 := k.branch(s.Switch[j].Steps, "case "+strconv.Itoa(j), pointer+"/steps", next, known, failing)
		b.when = k.condition(s.Switch[j].When, pointer+"/when", known, failing)
		n.cases, after = append(n.cases, b), append(after, known2)
	}
	other, known2 := k.branch(s.Default, "default", at+"/default", next, known, failing)
	n.fallback = other
	return join(append(after, known2))
}

func (k *compiler) branch(steps []Step, name, pointer string, next int, known reach, failing bool) (branch, reach) {
	first, after := k.route(steps, pointer, next, known.clone(), failing)
	return branch{name: name, first: first}, after
}

// form refuses steps of no form or several.
func (k *compiler) form(s *Step, at string) {
	forms := 0
	for _, has := range []bool{s.Action != "", s.If != nil, s.Switch != nil} {
		if has {
			forms++
		}
	}
	if forms != 1 {
		k.add(at, "must have one of action, if and switch")
		return
	}
	for _, part := range []struct {
		field string
		has   bool
		may   bool
	}{
		{"/with", s.With != nil, s.Action != ""}, {"/retry", s.Retry != nil, s.Action != ""}, {"/timeout", s.Timeout != nil, s.Action != ""},
		{"/on_decline", s.OnDecline != nil, s.Action != ""}, {"/on_timeout", s.OnTimeout != nil, s.Action != ""},
		{"/then", s.Then != nil, s.If != nil}, {"/else", s.Else != nil, s.If != nil}, {"/default", s.Default != nil, s.Switch != nil},
	} {
		if part.has && !part.may {
			k.add(at+part.field, "does not belong to a step of this form")
		}
	}
}

func (k *compiler) action(n *node, s *Step, at string, known reach, failing bool) reach {
	entry, ok := k.catalog.actions[s.Action]
	if !ok {
		k.add(at+"/action", "is no action of the catalogue")
		return known
	}
	n.action = &entry
	n.with = parseTemplate(s.With, func(pointer, message string) { k.add(at+"/with"+pointer, message) })
	count := 0
	n.with.references(func(r reference) {
		if count++; count == MaxReferences+1 {
			k.add(at+"/with", "has more than 200 references")
		}
		if checkPointer(r.pointer) != "" {
			return // told where it was read
		}
		if message := k.refers(r.pointer, r.fallback != nil, known, failing); message != "" {
			k.add(at+"/with", r.pointer+" "+message)
		}
	})
	if count == 0 && k.bad.Err() == nil {
		with, err := n.with.render(nil)
		if err != nil {
			k.add(at+"/with", err.Error())
		}
		k.check(rebase(entry.input.Validate(with), at+"/with"))
	}
	if !k.kept && k.bad.Err() == nil {
		k.literals(&entry, &n.with, at+"/with")
	}
	switch {
	case s.Retry != nil:
		n.retry = *s.Retry
		k.bad = s.Retry.check(k.bad, at+"/retry")
	case k.program.definition.Retry != nil:
		n.retry = *k.program.definition.Retry
	}
	if s.Timeout != nil {
		n.timeout = *s.Timeout
		k.bad = s.Timeout.check(k.bad, at+"/timeout")
		if s.Action == actionWait && s.Timeout.Step != 0 {
			k.add(at+"/timeout", "does not bound a wait; the timeout of the run does")
		}
	}
	known = known.clone()
	known.add(s.Name)
	after := known
	for _, route := range []struct {
		field, name string
		steps       []Step
		to          **branch
	}{{"/on_decline", "on_decline", s.OnDecline, &n.decline}, {"/on_timeout", "on_timeout", s.OnTimeout, &n.expire}} {
		if route.steps == nil {
			continue
		}
		if !entry.descriptor.Waits {
			k.add(at+route.field, "is for actions that wait for a decision")
			continue
		}
		b, ended := k.branch(route.steps, route.name, at+route.field, end, known, failing)
		*route.to = &b
		after = reach{after.sure, maps.Clone(after.maybe)}
		maps.Copy(after.maybe, ended.maybe)
	}
	return after
}

// literals asks an action about what the input of a step says without references.
func (k *compiler) literals(entry *catalogAction, with *template, at string) {
	literal := with.literal()
	if literal == nil {
		return
	}
	raw, err := literal.render(nil)
	if err == nil {
		err = entry.checkInput(raw)
	}
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		for _, f := range invalid.Fields {
			k.add(at+f.Pointer, f.Message)
		}
	} else if err != nil {
		k.add(at, "cannot be used by the action")
	}
}

// condition compiles a condition over what is known at some place.
func (k *compiler) condition(c targeting.Condition, pointer string, known reach, failing bool) *targeting.Matcher {
	reads := c.References()
	if len(reads.Audiences) > 0 {
		k.program.asks = append(k.program.asks, ask{pointer, c})
	}
	m, err := targeting.Compile(c, targeting.Options{Audiences: standIns(reads.Audiences)})
	if invalid, ok := errors.AsType[*targeting.InvalidError](err); ok {
		for _, f := range invalid.Fields {
			k.add(pointer+f.Pointer, f.Message)
		}
		return nil
	}
	if err != nil {
		k.add(pointer, "is not a condition")
		return nil
	}
	for _, path := range reads.Paths {
		// What is missing makes a clause false, so that any step of some path will do.
		if message := k.refers(path, true, known, failing); message != "" {
			k.add(pointer, path+" "+message)
		}
	}
	return m
}

// eventFields are the members of a CloudEvent that references lead into.
var eventFields = []string{"id", "source", "type", "subject", "time", "data", "dataschema", "datacontenttype", "specversion",
	"tenant", "action", "category", "outcome", "authtype", "authid", "traceparent", "tracestate", "decisionid", "approvalid", "causationid"}

// refers says what keeps a pointer from leading anywhere from some place of a
// definition.
func (k *compiler) refers(pointer string, optional bool, known reach, failing bool) string {
	if checkPointer(pointer) != "" {
		return "must be a JSON pointer, as /data/amount"
	}
	token, rest := nextToken(pointer)
	switch token {
	case "run":
		if rest != "/id" && rest != "/rule_id" && rest != "/environment" {
			return "must be /run/id, /run/rule_id or /run/environment"
		}
		return ""
	case "error":
		if !failing {
			return "is known on the on_failure route only"
		}
		return ""
	case "steps":
		return k.refersToStep(rest, optional, known)
	}
	if !slices.Contains(eventFields, token) {
		return "leads to nothing: it begins with /data or another member of the event, /steps, /run or /error"
	}
	return ""
}

func (k *compiler) refersToStep(pointer string, optional bool, known reach) string {
	if pointer == "" {
		return "names no step"
	}
	name, rest := nextToken(pointer)
	if field, ok := strings.CutPrefix(rest, "/output"); !ok || field != "" && field[0] != '/' {
		return "must be of the form /steps/<name>/output"
	}
	switch {
	case known.sure[name], optional && known.maybe[name]:
		return ""
	case known.maybe[name]:
		return "is not done on every path that leads here, and so needs a default"
	}
	if _, exists := k.program.index[name]; exists {
		return "is not done before this step"
	}
	return "is no step"
}

// deadline is when a step that began at some time has to end, zero for never.
func (n *node) deadline(began time.Time) time.Time {
	if n.timeout.Step == 0 {
		return time.Time{}
	}
	return began.Add(time.Duration(n.timeout.Step))
}

// isJSONObject reports whether value is an object.
func isJSONObject(value json.RawMessage) bool { return len(value) > 0 && value[0] == '{' }
