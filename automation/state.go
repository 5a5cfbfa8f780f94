package automation

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/flags/targeting"
)

// A State is a run with all that [Decide] needs to know of it: the steps that were
// reached, and the event that it was started by.
type State struct {
	Run Run
	// Steps are the steps that were reached, in order of Seq.
	Steps []StepRun

	event *document
	// values are the outputs of Steps, nil where there is none.
	values []*document
	// changed are the indices of the steps that the last decision wrote.
	changed []int
	// size is how long event and outputs are together, in bytes.
	size int
}

// A document is JSON that is decoded when something in it is asked for.
type document struct {
	raw     json.RawMessage
	decoded any
	done    bool
}

// value returns the document, decoded.
func (d *document) value() any {
	if !d.done {
		d.decoded, _ = decodeValue(d.raw) // it was valid when it came in
		d.done = true
	}
	return d.decoded
}

// NewState returns the state of a run from its rows: the run, its steps in order of Seq,
// and the body of its event. A state is used by one goroutine at a time.
func NewState(run Run, steps []StepRun, event []byte) (State, error) {
	s := State{Run: run, Steps: steps, size: len(event), values: make([]*document, len(steps))}
	if !json.Valid(event) {
		return s, errors.New("automation: the event of the run is not JSON")
	}
	s.event = &document{raw: event}
	for i := range steps {
		if len(steps[i].Output) == 0 {
			continue
		}
		if !json.Valid(steps[i].Output) {
			return s, errors.New("automation: the output of a step is not JSON")
		}
		s.values[i] = &document{raw: steps[i].Output}
		s.size += len(steps[i].Output)
	}
	return s, nil
}

// decodeValue decodes JSON, with numbers as they are written.
func decodeValue(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// Changed returns the steps that the last decision wrote.
func (s *State) Changed() []StepRun {
	all := make([]StepRun, len(s.changed))
	for i, at := range s.changed {
		all[i] = s.Steps[at]
	}
	return all
}

// step returns the index of the step of a path, -1 where it was not reached.
func (s *State) step(path string) int {
	for i := len(s.Steps) - 1; i >= 0; i-- {
		if s.Steps[i].Path == path {
			return i
		}
	}
	return -1
}

// Resolve answers what a JSON pointer leads to: into the event (/id, /type, /data ...),
// the output of a step (/steps/<name>/output), the run (/run/id, /run/rule_id,
// /run/environment), the tenant, the audiences of the run, and on the on_failure route
// into what went wrong (/error).
func (s *State) Resolve(pointer string) (any, bool) {
	if pointer == "" || pointer[0] != '/' {
		return nil, false
	}
	token, rest := nextToken(pointer)
	switch token {
	case "steps":
		return s.resolveStep(rest)
	case "run":
		return lookup(map[string]any{"id": s.Run.ID, "rule_id": s.Run.RuleID, "environment": s.Run.Environment}, rest)
	case "tenant":
		return lookup(s.Run.Tenant, rest)
	case "audiences":
		key, below := nextToken(rest)
		return true, below == "" && slices.Contains(s.Run.Audiences, key)
	case "error":
		if f := s.Run.Failure; f != nil {
			return lookup(map[string]any{
				"step": f.Step, "class": f.Class, "message": f.Message, "attempt": json.Number(strconv.Itoa(f.Attempt)),
			}, rest)
		}
		return nil, false
	}
	return lookup(s.event.value(), pointer)
}

func (s *State) resolveStep(pointer string) (any, bool) {
	if pointer == "" {
		return nil, false
	}
	name, rest := nextToken(pointer)
	at := s.step(name)
	field, ok := strings.CutPrefix(rest, "/output")
	if at < 0 || !ok || s.values[at] == nil || field != "" && field[0] != '/' {
		return nil, false
	}
	return lookup(s.values[at].value(), field)
}

var _ targeting.Subject = (*State)(nil)

// Attribute implements targeting.Subject: conditions read what references read.
func (s *State) Attribute(path string) (targeting.Value, bool) {
	found, ok := s.Resolve(path)
	if !ok {
		return targeting.Value{}, false
	}
	v, err := targeting.Of(found)
	return v, err == nil && !v.IsZero()
}
