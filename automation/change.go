package automation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// What changes were asked to do, beside definitions: what their approvals are bound to,
// and what conditions of policies see below /payload.
type (
	// A turnPayload is that of enabling and disabling: of which version.
	turnPayload struct {
		Version int `json:"version"`
	}

	rerunPayload struct {
		RunID   string `json:"run_id"`
		RuleID  string `json:"rule_id"`
		Version int    `json:"version"`
	}
)

// Apply makes a change that was approved: e is the event of the request, whose payload
// the approval is bound to. A host registers it with the kit's approvals for each of
// the actions that ask for approval, of those that people take: [ActionCreate],
// [ActionUpdate], [ActionEnable], [ActionDisable], [ActionRerun] and [ActionCancel].
//
//	type ruleApplier struct{ *automation.Service }
//
//	func (r ruleApplier) Apply(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
//		return approvals.Result{}, r.Service.Apply(ctx, a.Event)
//	}
//
// A rule acts for whom e was asked for by, not for whoever approved or applied it. So
// it is written as it was asked for: a definition that was revised since, by whomever, is
// a *storage.InvalidError, as is a payload that is no change of this package or that
// means something else by now, because a policy that it names has changed. The pointers
// are those of e.
//
// A rule that moved since, a change that was made meanwhile, a run that has ended and an
// id that is taken are storage.ErrConflict; a creation where the tenant has all it may by
// now is a *storage.LimitError. Others are those of the method that the change was asked
// with.
func (s *Service) Apply(ctx context.Context, e audit.Event) (err error) {
	switch e.Action {
	case ActionCreate:
		err = s.applyCreate(ctx, e)
	case ActionUpdate:
		err = s.applyUpdate(ctx, e)
	case ActionEnable, ActionDisable:
		err = s.applyTurn(ctx, e)
	case ActionRerun:
		err = s.applyRerun(ctx, e)
	case ActionCancel:
		err = s.applyCancel(ctx, e)
	default:
		return storage.Invalid("/action", "is no change of rules or runs")
	}
	if errors.Is(err, errUnchanged) {
		return storage.ErrConflict
	}
	return err
}

// CheckPayload reports a payload that no request may be revised to, as a
// *storage.InvalidError: one that is no change of this package, and a definition, because
// its rule would act for somebody else than who wrote it. Whoever wants another one
// cancels the request and asks anew. With it the applier shown at [Service.Apply] refuses
// such a revision at once.
func (s *Service) CheckPayload(_ context.Context, payload json.RawMessage) error {
	if len(payload) == 0 || readPayload(payload, &turnPayload{}) == nil || readPayload(payload, &rerunPayload{}) == nil {
		return nil
	}
	if _, _, err := readRule(payload); err != nil {
		return err
	}
	return revised()
}

// revised reports a definition that is not the one that was asked for.
func revised() error {
	return storage.Invalid("/payload", "must stay as it was asked for: its rule acts for whoever did")
}

func (s *Service) applyCreate(ctx context.Context, e audit.Event) error {
	id, d, err := s.asked(ctx, e)
	if err != nil {
		return err
	}
	if orDefault(id, d.identity()) != e.Resource.ID {
		return storage.Invalid("/resource/id", "is not that of the rule")
	}
	_, err = s.create(ctx, e, id, d)
	return err
}

func (s *Service) applyUpdate(ctx context.Context, e audit.Event) error {
	id, d, err := s.asked(ctx, e)
	if err != nil {
		return err
	}
	if id != "" {
		return storage.Invalid("/payload/id", "is for new rules")
	}
	before, err := s.base(ctx, e)
	if err != nil {
		return err
	}
	_, err = s.update(ctx, e, before, d)
	return err
}

func (s *Service) applyTurn(ctx context.Context, e audit.Event) error {
	var p turnPayload
	if err := readPayload(e.Payload, &p); err != nil {
		return err
	}
	before, err := s.base(ctx, e)
	if err != nil {
		return err
	}
	if p.Version != before.Version {
		return storage.Invalid("/payload/version", "is not that of the rule")
	}
	_, err = s.turned(ctx, e, before)
	return err
}

func (s *Service) applyRerun(ctx context.Context, e audit.Event) error {
	var p rerunPayload
	if err := readPayload(e.Payload, &p); err != nil {
		return err
	}
	parent, err := s.store.GetRun(ctx, e.Tenant, e.Resource.ID, false)
	if err != nil {
		return err
	}
	if p.RunID != parent.ID {
		return storage.Invalid("/payload/run_id", "is not that of the run")
	}
	if p.RuleID != parent.RuleID {
		return storage.Invalid("/payload/rule_id", "is not that of the run")
	}
	_, err = s.rerun(ctx, e, parent, p.Version)
	return err
}

func (s *Service) applyCancel(ctx context.Context, e audit.Event) error {
	if len(e.Payload) > 0 {
		return storage.Invalid("/payload", "must be empty")
	}
	r, err := s.store.GetRun(ctx, e.Tenant, e.Resource.ID, false)
	if err != nil {
		return err
	}
	_, err = s.cancel(ctx, e, r)
	return err
}

// base returns the rule of a change that was approved, at the revision that it was asked
// for.
func (s *Service) base(ctx context.Context, e audit.Event) (Rule, error) {
	revision, err := strconv.ParseInt(e.BaseRevision, 10, 64)
	if err != nil || revision < 1 {
		return Rule{}, storage.Invalid("/base_revision", "is not that of a rule")
	}
	return s.current(ctx, e.Tenant, e.Resource.ID, revision)
}

// asked reads the definition that e asks for, with the id of a new rule where one was
// named, and makes sure that it is what would be written, and was written by whom it
// will act for.
func (s *Service) asked(ctx context.Context, e audit.Event) (id string, d draft, err error) {
	id, definition, err := readRule(e.Payload)
	if err != nil {
		return "", d, err
	}
	if d, err = s.draft(ctx, e.Tenant, definition); err != nil {
		return "", d, belowPayload(err)
	}
	payload, err := jcs.Canonicalize(e.Payload)
	if err != nil {
		return "", d, err
	}
	would, err := jcs.Canonicalize(d.payload(id))
	if err != nil {
		return "", d, err
	}
	if !bytes.Equal(payload, would) {
		return "", d, storage.Invalid("/payload", "does not say what would change")
	}
	var m ruleMetadata
	if err := json.Unmarshal(e.Metadata, &m); err != nil || m.Hash != d.hash {
		return "", d, revised()
	}
	return id, d, nil
}

// unfit reports a payload that is not what a change was asked to do.
func unfit() error { return storage.Invalid("/payload", "is no change of rules or runs") }

// readRule reads the payload of a change that writes a definition.
func readRule(payload json.RawMessage) (id string, d Definition, err error) {
	canonical, err := jcs.Canonicalize(payload)
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(canonical, &members) != nil || members == nil {
		return "", d, unfit()
	}
	if named, ok := members["id"]; ok {
		delete(members, "id")
		if json.Unmarshal(named, &id) != nil {
			return "", d, storage.Invalid("/payload/id", "must be text")
		}
		if err := storage.CheckID("/payload/id", id); err != nil {
			return "", d, err
		}
	}
	d, err = ParseDefinition(encode(members))
	return id, d, belowPayload(err)
}

// belowPayload moves the pointers of what is wrong with a definition to where it stands in
// an event.
func belowPayload(err error) error {
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		return below(nil, "/payload", invalid).Err()
	}
	return err
}

// readPayload reads a payload that says nothing but what there is in p, a pointer to one
// of this package's payloads.
func readPayload(payload json.RawMessage, p any) error {
	canonical, err := jcs.Canonicalize(payload)
	if err != nil || json.Unmarshal(canonical, p) != nil {
		return unfit()
	}
	again, err := jcs.Canonicalize(encode(p))
	if err != nil || !bytes.Equal(again, canonical) {
		return unfit()
	}
	return nil
}
