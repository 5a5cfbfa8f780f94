package storagetest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
)

// The memory backend is the model of the others: whatever is done to them, they
// answer the same. Methods are found by reflection, as in TN-004, so that a new one
// is compared from its first day.
func TestBackendsAnswerAsMemoryDoes(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		if kind.Name == "memory" {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			model, b := eachtest.Memory(t), kind.Open(t)
			operations := 0
			rapid.Check(t, func(rt *rapid.T) {
				w := newWorld(rt, model, b)
				for range rapid.IntRange(1, 20).Draw(rt, "transactions") {
					operations += w.transaction(t.Context())
				}
			})
			t.Logf("%d operations were answered alike", operations)
		})
	}
}

// A world is two backends to which the same is done.
type world struct {
	rt       *rapid.T
	backends [2]Backend
	calls    [2][]call
	tenants  []string
}

func newWorld(rt *rapid.T, model, b Backend) *world {
	w := &world{rt: rt, backends: [2]Backend{model, b}, tenants: []string{"one-" + storage.NewID(), "two-" + storage.NewID()}}
	for i, b := range w.backends {
		for _, c := range calls(b) {
			// The ids of jobs are the backend's own; package jobstest compares them.
			if !strings.HasPrefix(c.name, "Jobs.") {
				w.calls[i] = append(w.calls[i], c)
			}
		}
	}
	return w
}

// A step is one call with its arguments.
type step struct {
	call int
	args []reflect.Value // but ctx
}

func (w *world) step() step {
	i := rapid.IntRange(0, len(w.calls[0])-1).Draw(w.rt, "call")
	t := w.calls[0][i].method.Type()
	args := []reflect.Value{reflect.ValueOf(rapid.SampledFrom(w.tenants).Draw(w.rt, "tenant"))}
	for p := 2; p < t.NumIn(); p++ {
		v := reflect.New(t.In(p)).Elem()
		w.draw(v, "")
		args = append(args, v)
	}
	if w.calls[0][i].name == "Webhooks.InsertMessage" { // a message goes to an endpoint once
		m, deliveries := args[1].Interface().(webhooks.Message), args[2].Interface().([]webhooks.Delivery)
		for i := range deliveries {
			deliveries[i].MessageID, deliveries[i].EndpointID = m.ID, ids[i]
		}
	}
	return step{i, args}
}

// transaction does the same steps in one transaction of each backend, each in a
// savepoint, and compares what they answered. It returns the number of steps.
func (w *world) transaction(ctx context.Context) int {
	steps := make([]step, rapid.IntRange(1, 6).Draw(w.rt, "steps"))
	for i := range steps {
		steps[i] = w.step()
	}
	undo := rapid.IntRange(0, 3).Draw(w.rt, "undo") == 0
	var answers [2][]string
	for side, b := range w.backends {
		err := b.InTx(ctx, func(ctx context.Context) error {
			for _, s := range steps {
				answers[side] = append(answers[side], w.do(ctx, side, s))
			}
			if undo {
				return errUndo
			}
			return nil
		})
		if undo != errors.Is(err, errUndo) {
			w.rt.Fatalf("the transaction answered %v", err)
		}
	}
	for i, s := range steps {
		w.compare(s, answers[0][i], answers[1][i])
	}
	return len(steps)
}

// do makes one call in a savepoint that is undone when the call fails, and returns
// the answer as text.
func (w *world) do(ctx context.Context, side int, s step) string {
	var results []reflect.Value
	err := w.backends[side].InTx(ctx, func(ctx context.Context) error {
		m := w.calls[side][s.call].method
		args := append([]reflect.Value{reflect.ValueOf(ctx)}, s.args...)
		if m.Type().IsVariadic() {
			results = m.CallSlice(args)
		} else {
			results = m.Call(args)
		}
		err, _ := results[len(results)-1].Interface().(error)
		return err
	})
	if err != nil {
		return class(err)
	}
	return show(results)
}

func (w *world) compare(s step, model, answer string) {
	if model != answer {
		w.rt.Fatalf("%s%s\nmemory answers %s\nthe other      %s", w.calls[0][s.call].name, show(s.args), model, answer)
	}
}

// class names the error of package storage that err is.
func class(err error) string {
	for _, known := range []error{
		storage.ErrNotFound, storage.ErrConflict, storage.ErrInvalid, storage.ErrLimit, storage.ErrBadCursor, storage.ErrNoTx,
		storage.ErrUnavailable, idempotency.ErrMismatch,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "an unknown error: " + err.Error()
}

// What the arguments of calls are made of: few values, so that calls meet.
var (
	ids      = []string{"a", "b", "B"}
	statuses = []string{webhooks.Enabled, webhooks.Disabled, webhooks.Pending, webhooks.Succeeded, webhooks.Failed}
	states   = []approvals.State{approvals.StateDraft, approvals.StateAwaitingApproval, approvals.StateApproved, approvals.StateApplied}
	tabs     = approvals.Tabs()
	times    = []time.Time{noon, noon.Add(time.Microsecond), noon.Add(time.Hour)}
	traces   = []correlation.Trace{{}, {TraceID: strings.Repeat("a1", 16), SpanID: strings.Repeat("b2", 8), Flags: 1, State: "k=v"}}
	// conditions are whole: one that is drawn field by field may have no end.
	conditions = []targeting.Condition{{Audience: "vip"}, {Path: "plan", Op: targeting.Equal, Value: targeting.String("pro")}}
	texts      = [][]byte{[]byte(`{"a":1}`), []byte(`{"b":2}`)}
)

func sample[T any](w *world, of []T) T { return rapid.SampledFrom(of).Draw(w.rt, "value") }

// draw fills v with something a caller may pass. name is that of the field that v is,
// for those that hold a known set of words.
func (w *world) draw(v reflect.Value, name string) {
	switch x := v.Addr().Interface().(type) {
	case *storage.Cursor:
		return
	case *time.Time:
		*x = sample(w, times)
		return
	case *json.RawMessage:
		*x = sample(w, texts)
		return
	case *approvals.State:
		*x = sample(w, states)
		return
	case *approvals.Tab:
		*x = sample(w, tabs)
		return
	case *correlation.Trace:
		*x = rapid.SampledFrom(traces).Draw(w.rt, "trace")
		return
	case *targeting.Condition:
		*x = sample(w, conditions)
		return
	case *[]string:
		*x = rapid.SampledFrom([][]string{nil, {"a"}, {"B", "a"}, {"B", "a", "b"}}).Draw(w.rt, "set")
		return
	case *audit.Query:
		w.fields(v)
		x.Limit = 1 + x.Limit
		if x.Since.IsZero() != x.Until.IsZero() || !x.Since.Before(x.Until) {
			x.Since, x.Until = time.Time{}, time.Time{} // a polled list waits for strangers
		}
		return
	case *audit.Record:
		w.fields(v)
		x.Leaf = sha256.Sum256(append([]byte{0}, x.Canonical...))
		return
	}
	switch v.Kind() {
	case reflect.String:
		switch {
		case name == "Status":
			v.SetString(sample(w, statuses))
		case v.Type() == reflect.TypeFor[string]():
			v.SetString(sample(w, ids))
		}
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(w.rt, "flag"))
	case reflect.Int, reflect.Int64:
		v.SetInt(sample(w, []int64{1, 2, 3, 200}))
	case reflect.Uint8:
		v.SetUint(sample(w, []uint64{1, 2}))
	case reflect.Array:
		w.draw(v.Index(0), "")
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(sample(w, texts))
			return
		}
		n := rapid.IntRange(0, 2).Draw(w.rt, "length")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			w.draw(v.Index(i), "")
			// Records that are given together have ids of their own.
			if id := field(v.Index(i), "ID"); id.IsValid() && id.Kind() == reflect.String {
				id.SetString(ids[i])
			}
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(w.rt, "given") {
			v.Set(reflect.New(v.Type().Elem()))
			w.draw(v.Elem(), "")
		}
	case reflect.Struct:
		w.fields(v)
	}
}

// field returns a field of a struct, the zero Value where there is none.
func field(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.FieldByName(name)
}

func (w *world) fields(v reflect.Value) {
	for i := range v.NumField() {
		if v.Field(i).CanSet() {
			w.draw(v.Field(i), v.Type().Field(i).Name)
		}
	}
}
