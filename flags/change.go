package flags

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

const (
	// MaxBytes is the longest definition of a flag or an audience as canonical JSON, in
	// bytes, not counting overrides for QA. The event of a change holds it whole, because
	// an approval is bound to it, and an event is at most 64 KiB long.
	MaxBytes = 32 << 10
	// maxShown is the longest definition that stands in an event as what was before and
	// after; a longer one is shown by its hash, and found among the versions.
	maxShown = 8 << 10
)

// checkLength refuses a definition that is longer than MaxBytes.
func checkLength(body json.RawMessage) error {
	if len(body) > MaxBytes {
		return storage.Invalid("", "is longer than "+strconv.Itoa(MaxBytes)+" bytes of JSON")
	}
	return nil
}

// A payload is what a change was asked to do: what its approval is bound to, and what
// conditions of policies see below /payload.
type payload struct {
	// Type is that of the flag.
	Type Type `json:"type,omitempty"`
	// Environments are those in which the change may make a difference, in order.
	Environments []string `json:"environments"`
	// Flag and Audience are whole definitions.
	Flag     *Flag               `json:"flag,omitempty"`
	Audience *targeting.Audience `json:"audience,omitempty"`
	// Override is set, OverrideID cleared.
	Override   *Override `json:"override,omitempty"`
	OverrideID string    `json:"override_id,omitempty"`
}

// A draft is what a change makes of a document.
type draft struct {
	// body is the definition, the last one of a document that is deleted.
	body    json.RawMessage
	deleted bool
	// audiences are those that the document uses.
	audiences []string
	// payload is what was asked for, completed.
	payload payload
	// job is work that the change asks for.
	job *jobs.Job
}

// An action says how a change of one kind is made.
type action struct {
	kind Kind
	// based binds the change to the revision that it was made for.
	based bool
	// next returns what follows before, which is nil where there is none or it was
	// deleted. It is asked for what the gate sees, and again with the tenant locked.
	next func(ctx context.Context, e *audit.Event, p payload, before *Version) (draft, error)
}

// actions are the changes that people make, by name.
func (s *Service) actions() map[string]action {
	return map[string]action{
		ActionCreate:         {KindFlag, false, s.created},
		ActionUpdate:         {KindFlag, true, s.updated},
		ActionDelete:         {KindFlag, true, s.deleted},
		ActionKill:           {KindFlag, false, s.killed},
		ActionRestore:        {KindFlag, true, s.restored},
		ActionSetOverride:    {KindFlag, false, s.overrideSet},
		ActionClearOverride:  {KindFlag, false, s.overrideCleared},
		ActionSaveAudience:   {KindAudience, true, s.audienceSaved},
		ActionDeleteAudience: {KindAudience, true, s.audienceDeleted},
	}
}

// Apply makes a change that was approved: e is the event of the request, whose payload
// the approval is bound to. A host registers it with the kit's approvals for each of
// the actions that ask for approval:
//
//	type flagApplier struct{ *flags.Service }
//
//	func (f flagApplier) Apply(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
//		return approvals.Result{}, f.Service.Apply(ctx, a.Event)
//	}
//
// A flag or audience that moved since, and a change that was made meanwhile, is
// storage.ErrConflict; a creation where the tenant has all it may by now is a
// *storage.LimitError; a payload that is no change of this package is a
// *storage.InvalidError.
func (s *Service) Apply(ctx context.Context, e audit.Event) (err error) {
	var p payload
	if e.Payload, p, err = readPayload(e.Payload); err != nil {
		return err
	}
	_, err = s.change(ctx, e, p)
	if errors.Is(err, errUnchanged) {
		return storage.ErrConflict
	}
	return err
}

// CheckPayload reports a payload that is no change of this package, as a
// *storage.InvalidError. With it the applier shown at [Service.Apply] refuses a revised
// request that could never be applied.
func (s *Service) CheckPayload(_ context.Context, payload json.RawMessage) error {
	_, _, err := readPayload(payload)
	return err
}

// readPayload reads a payload that says nothing but what this package reads of it, and
// returns it in canonical form.
func readPayload(raw json.RawMessage) (canonical json.RawMessage, p payload, err error) {
	unfit := storage.Invalid("/payload", "is no change of flags")
	if canonical, err = jcs.Canonicalize(raw); err != nil || json.Unmarshal(canonical, &p) != nil {
		return nil, p, unfit
	}
	if again, err := canonicalJSON(p); err != nil || !bytes.Equal(again, canonical) {
		return nil, p, unfit
	}
	return canonical, p, nil
}

// errUnchanged reports a change that makes no difference. It undoes what the gate wrote.
var errUnchanged = errors.New("nothing to change")

// change walks a change through the governor: e has its tenant, action, resource id,
// base revision and reason, and where it was asked for before its payload. Whoever may
// not make it is refused whether or not it would make a difference; where it makes
// none, the answer is the document as it is and errUnchanged.
func (s *Service) change(ctx context.Context, e audit.Event, p payload) (Version, error) {
	a, ok := s.actions()[e.Action]
	if !ok {
		return Version{}, storage.Invalid("/action", "is no change of flags")
	}
	if message := checkName(e.Resource.ID); message != "" {
		return Version{}, storage.Invalid("/key", message)
	}
	last, err := s.last(ctx, e.Tenant, a.kind, e.Resource.ID)
	if err != nil {
		return Version{}, err
	}
	if a.based && e.BaseRevision == "" {
		e.BaseRevision = revisionOf(last)
	}
	asked := e.Payload
	d, err := s.next(ctx, &e, a, p, last)
	if err != nil {
		return Version{}, err
	}
	if asked != nil && !bytes.Equal(asked, e.Payload) {
		// What the gates are asked about must be what would happen.
		return Version{}, storage.Invalid("/payload", "does not say what would change")
	}
	p = d.payload
	var saved Version
	_, err = s.governor.Change(ctx, e, func(ctx context.Context, e *audit.Event) (err error) {
		saved, err = s.save(ctx, e, a, p)
		return err
	})
	return saved, err
}

// next drafts a change on top of last and describes it in e.
func (s *Service) next(ctx context.Context, e *audit.Event, a action, p payload, last *Version) (draft, error) {
	if e.BaseRevision != "" && e.BaseRevision != revisionOf(last) {
		return draft{}, storage.ErrConflict
	}
	before := standing(last)
	d, err := a.next(ctx, e, p, before)
	if err != nil {
		return d, err
	}
	return d, describe(e, a.kind, d, before)
}

// save makes the change with the tenant locked, on what is current then.
func (s *Service) save(ctx context.Context, e *audit.Event, a action, p payload) (Version, error) {
	if _, err := s.store.Lock(ctx, e.Tenant); err != nil {
		return Version{}, err
	}
	last, err := s.last(ctx, e.Tenant, a.kind, e.Resource.ID)
	if err != nil {
		return Version{}, err
	}
	asked := e.Payload
	d, err := s.next(ctx, e, a, p, last)
	if err != nil {
		return Version{}, err
	}
	if before := standing(last); before != nil && !d.deleted && bytes.Equal(d.body, before.Body) {
		return *before, errUnchanged
	}
	if !bytes.Equal(asked, e.Payload) {
		return Version{}, storage.ErrConflict // it would change something else by now
	}
	v, err := s.append(ctx, *e, a.kind, last, d)
	if err == nil && standing(last) == nil {
		err = s.withinQuota(ctx, e.Tenant, a.kind)
	}
	if err != nil || d.job == nil {
		return v, err
	}
	d.job.Trace = e.Trace.Traceparent()
	return v, s.queue.Enqueue(ctx, *d.job)
}

// append saves a draft as the version that follows last, by e, and wakes readers.
func (s *Service) append(ctx context.Context, e audit.Event, kind Kind, last *Version, d draft) (Version, error) {
	v := Version{
		Kind: kind, Key: e.Resource.ID, Revision: 1, Deleted: d.deleted, Body: d.body, Hash: hashOf(d.body), Audiences: d.audiences,
		Action: e.Action, Comment: e.Reason, EventID: e.ID, Author: e.Subject(), At: e.Time, CreatedAt: e.Time,
	}
	if last != nil {
		v.Revision = last.Revision + 1
	}
	if before := standing(last); before != nil {
		v.CreatedAt = before.CreatedAt
	}
	var err error
	if v.Change, err = s.store.Save(ctx, e.Tenant, v); err != nil {
		return Version{}, err
	}
	if s.signals != nil {
		storage.AfterCommit(ctx, func() { s.signals.Signal(Topic, s, storage.Signal{Tenant: e.Tenant}) })
	}
	return v, nil
}

// last returns the newest version of a document, nil where there never was one.
func (s *Service) last(ctx context.Context, tenant string, kind Kind, key string) (*Version, error) {
	v, err := s.store.Get(ctx, tenant, kind, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	return &v, err
}

// standing returns last where the document is there, nil where it was deleted.
func standing(last *Version) *Version {
	if last == nil || last.Deleted {
		return nil
	}
	return last
}

// revisionOf is a revision as an event says it; it counts on through deletions.
func revisionOf(last *Version) string {
	if last == nil {
		return "0"
	}
	return strconv.FormatInt(last.Revision, 10)
}

// baseOf is the revision that a caller names: empty for whichever is current.
func baseOf(revision int64) string {
	if revision == 0 {
		return ""
	}
	return strconv.FormatInt(revision, 10)
}

// describe completes e with what is asked for, and what it changes into what.
func describe(e *audit.Event, kind Kind, d draft, before *Version) (err error) {
	if e.Resource.Type = ResourceFlag; kind == KindAudience {
		e.Resource.Type = ResourceAudience
	}
	if e.Payload, err = canonicalJSON(d.payload); err != nil {
		return err
	}
	if e.Metadata, err = canonicalJSON(struct {
		Type         Type     `json:"type,omitempty"`
		Environments []string `json:"environments"`
	}{d.payload.Type, d.payload.Environments}); err != nil {
		return err
	}
	e.Before, e.After = nil, nil
	if before != nil {
		e.Before = shown(before.Body)
	}
	if !d.deleted {
		e.After = shown(d.body)
	}
	return nil
}

// shown is what an event shows of a definition.
func shown(body json.RawMessage) json.RawMessage {
	if len(body) <= maxShown {
		return body
	}
	return json.RawMessage(`{"sha256":"` + hex.EncodeToString(hashOf(body)) + `"}`)
}

// touched returns the environments in which two definitions of a flag differ, in
// order: all that either has a state in where it differs in what they share. Nil is no
// flag.
func touched(before, after *Flag) ([]string, error) {
	names := []string{}
	states := func(f *Flag, name string) (State, bool) {
		if f == nil {
			return State{}, false
		}
		state, ok := f.Environments[name]
		return state, ok
	}
	for _, f := range []*Flag{before, after} {
		if f != nil {
			for name := range f.Environments {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if before != nil && after != nil {
		same, err := equal(common(*before), common(*after))
		if err != nil {
			return nil, err
		}
		if !same {
			return names, nil
		}
	}
	all := []string{}
	for _, name := range names {
		b, _ := states(before, name)
		a, _ := states(after, name)
		same, err := equal(b, a)
		if err != nil {
			return nil, err
		}
		if !same {
			all = append(all, name)
		}
	}
	return all, nil
}

// common is what a flag shows its readers in all environments.
func common(f Flag) Flag {
	f.Owner, f.Description, f.Tags, f.ExpiresAt, f.Environments = "", "", nil, nil, nil
	return f
}

func equal(a, b any) (bool, error) {
	rawA, err := canonicalJSON(a)
	if err != nil {
		return false, err
	}
	rawB, err := canonicalJSON(b)
	return bytes.Equal(rawA, rawB), err
}
