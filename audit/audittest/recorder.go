package audittest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// A Recorder is a sink that keeps what was committed, for the tests of hosts. It is
// safe for concurrent use.
//
// What is appended in a transaction is kept once that commits. A transaction that the
// host began itself and joined cannot tell when it commits; what is appended there is
// kept at once.
//
// A Recorder cannot tell what a running transaction holds and so is no audit.Recorded:
// whoever tests repeated changes puts it beside a log in an audit.Tee.
type Recorder struct {
	t      testing.TB
	mu     sync.Mutex
	known  map[[3]string]bool
	events []audit.Event
}

var _ audit.AuditSink = (*Recorder)(nil)

// NewRecorder returns an empty Recorder. Events that are not as [audit.RecordSchema]
// wants them fail t.
func NewRecorder(t testing.TB) *Recorder {
	return &Recorder{t: t, known: map[[3]string]bool{}}
}

// Append implements [audit.AuditSink].
func (r *Recorder) Append(ctx context.Context, events ...audit.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	copies := make([]audit.Event, len(events))
	for i, e := range events {
		CheckRecord(r.t, e)
		copies[i] = clone(e)
	}
	keep := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range copies {
			if key := [3]string{e.Tenant, e.Source, e.ID}; !r.known[key] {
				r.known[key] = true
				r.events = append(r.events, e)
			}
		}
	}
	if !storage.AfterCommit(ctx, keep) {
		keep()
	}
	return nil
}

// clone copies what e points at.
func clone(e audit.Event) audit.Event {
	for _, raw := range []*json.RawMessage{&e.Before, &e.After, &e.Payload, &e.Metadata} {
		*raw = slices.Clone(*raw)
	}
	actor := func(a audit.Actor) audit.Actor {
		if a.Authn != nil {
			authn := *a.Authn
			authn.AMR = slices.Clone(authn.AMR)
			a.Authn = &authn
		}
		return a
	}
	e.Actor = actor(e.Actor)
	if e.OnBehalfOf != nil {
		behalf := actor(*e.OnBehalfOf)
		e.OnBehalfOf = &behalf
	}
	e.ApprovedBy = slices.Clone(e.ApprovedBy)
	for i := range e.ApprovedBy {
		e.ApprovedBy[i] = actor(e.ApprovedBy[i])
	}
	return e
}

// Events returns what was committed, in the order of the commits.
func (r *Recorder) Events() []audit.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]audit.Event, len(r.events))
	for i, e := range r.events {
		all[i] = clone(e)
	}
	return all
}

// Find returns the events that look like want: every field that want sets is the
// same, JSON by its canonical form, actors and resources by the fields that are set.
func (r *Recorder) Find(want audit.Event) []audit.Event {
	var found []audit.Event
	for _, e := range r.Events() {
		if len(differences(want, e)) == 0 {
			found = append(found, e)
		}
	}
	return found
}

// Require returns the one event that looks like want, and fails the test where there
// is none or more than one.
func (r *Recorder) Require(t testing.TB, want audit.Event) audit.Event {
	t.Helper()
	found := r.Find(want)
	if len(found) == 1 {
		return found[0]
	}
	var b strings.Builder
	for _, e := range r.Events() {
		fmt.Fprintf(&b, "\n  %s", line(e))
		if d := differences(want, e); len(d) > 0 {
			fmt.Fprintf(&b, " (differs in %s)", strings.Join(d, ", "))
		}
	}
	t.Fatalf("%d events look like the one wanted; recorded are:%s", len(found), b.String())
	return audit.Event{}
}

// RequireNone fails the test where an event looks like unwanted.
func (r *Recorder) RequireNone(t testing.TB, unwanted audit.Event) {
	t.Helper()
	for _, e := range r.Find(unwanted) {
		t.Errorf("recorded is %s", line(e))
	}
}

// line tells an event in one line.
func line(e audit.Event) string {
	return fmt.Sprintf("%s of %s %s in %s by %s: %s", e.Action, e.Resource.Type, e.Resource.ID, e.Tenant, e.Actor.ID, e.Outcome)
}

// differences names the fields that want sets and e has otherwise.
func differences(want, e audit.Event) []string {
	var names []string
	text := func(name, want, have string) {
		if want != "" && want != have {
			names = append(names, name)
		}
	}
	document := func(name string, want, have json.RawMessage) {
		if want == nil {
			return
		}
		a, err1 := jcs.Canonicalize(want)
		b, err2 := jcs.Canonicalize(have)
		if err1 != nil || err2 != nil || string(a) != string(b) {
			names = append(names, name)
		}
	}
	actor := func(name string, want, have audit.Actor) {
		text(name+".Type", want.Type, have.Type)
		text(name+".ID", want.ID, have.ID)
		text(name+".ActingAs", want.ActingAs, have.ActingAs)
	}
	text("ID", want.ID, e.ID)
	text("Source", want.Source, e.Source)
	text("Type", want.Type, e.Type)
	text("Action", want.Action, e.Action)
	text("Category", string(want.Category), string(e.Category))
	text("Tenant", want.Tenant, e.Tenant)
	actor("Actor", want.Actor, e.Actor)
	if want.OnBehalfOf != nil {
		have := audit.Actor{}
		if e.OnBehalfOf != nil {
			have = *e.OnBehalfOf
		}
		actor("OnBehalfOf", *want.OnBehalfOf, have)
	}
	if len(want.ApprovedBy) > 0 && !slices.EqualFunc(want.ApprovedBy, e.ApprovedBy, audit.Actor.Same) {
		names = append(names, "ApprovedBy")
	}
	text("Resource.Type", want.Resource.Type, e.Resource.Type)
	text("Resource.ID", want.Resource.ID, e.Resource.ID)
	text("Outcome", string(want.Outcome), string(e.Outcome))
	text("Reason", want.Reason, e.Reason)
	text("Trace", want.Trace.TraceID, e.Trace.TraceID)
	text("Link", want.Link.TraceID, e.Link.TraceID)
	document("Before", want.Before, e.Before)
	document("After", want.After, e.After)
	document("Payload", want.Payload, e.Payload)
	document("Metadata", want.Metadata, e.Metadata)
	text("BaseRevision", want.BaseRevision, e.BaseRevision)
	text("DecisionID", want.DecisionID, e.DecisionID)
	text("ApprovalID", want.ApprovalID, e.ApprovalID)
	text("CausationID", want.CausationID, e.CausationID)
	return names
}
