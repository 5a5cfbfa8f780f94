package flags

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// SetOverride forces a variant of a flag on the subjects that have one value of one
// attribute, in one environment. An override with the same id, or without one for the
// same subject, is replaced. One for QA, the default kind, says until when, within
// [MaxOverride], and why; it ends by itself then.
func (s *Service) SetOverride(ctx context.Context, tenant, key, environment string, o Override) (FlagVersion, error) {
	if o.Kind == "" {
		o.Kind = OverrideQA
	}
	if o.ID == "" {
		o.ID = overrideID(environment, o)
	}
	if o.Until != nil {
		until := o.Until.UTC().Truncate(time.Microsecond)
		o.Until = &until
	}
	o.By = ""
	return s.changeFlag(ctx, flagEvent(ActionSetOverride, tenant, key, 0, o.Reason), payload{Environments: []string{environment}, Override: &o})
}

// ClearOverride takes an override back. One that is not there is storage.ErrNotFound.
func (s *Service) ClearOverride(ctx context.Context, tenant, key, environment, id, reason string) (FlagVersion, error) {
	return s.changeFlag(ctx, flagEvent(ActionClearOverride, tenant, key, 0, reason), payload{Environments: []string{environment}, OverrideID: id})
}

// MaxOverride is how long an override for QA may last.
const MaxOverride = 90 * days

// overrideID is the same for the same subject, so that asking twice is asking for the
// same.
func overrideID(environment string, o Override) string {
	h := sha256.New()
	for _, part := range []string{environment, o.Kind, o.Attribute, o.Subject} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return o.Kind + "-" + hex.EncodeToString(h.Sum(nil)[:8])
}

func (s *Service) overrideSet(ctx context.Context, e *audit.Event, p payload, before *Version) (draft, error) {
	if p.Override == nil {
		return draft{}, storage.Invalid("/override", "is missing")
	}
	o := *p.Override
	if o.Kind == OverrideQA {
		now := s.now()
		switch {
		case o.Until == nil:
			return draft{}, storage.Invalid("/until", "must say when the override ends")
		case !o.Until.After(now):
			return draft{}, storage.Invalid("/until", "must lie ahead")
		case o.Until.After(now.Add(MaxOverride)):
			return draft{}, storage.Invalid("/until", "must be within 90 days")
		case o.Reason == "":
			return draft{}, storage.Invalid("/reason", "must say why")
		}
	}
	o.By = actorOf(ctx, e).ID
	d, err := s.changeState(ctx, e, payload{Environments: p.Environments, Override: p.Override}, before, func(state *State) error {
		state.Overrides = slices.Clone(state.Overrides)
		if i := slices.IndexFunc(state.Overrides, func(other Override) bool { return other.ID == o.ID }); i >= 0 {
			state.Overrides[i] = o
		} else {
			state.Overrides = append(state.Overrides, o)
		}
		return nil
	})
	if err == nil && o.Kind == OverrideQA {
		d.job, err = expiryJob(e.Tenant, expiry{Flag: e.Resource.ID, Environment: p.Environments[0], Override: o.ID}, *o.Until)
	}
	return d, err
}

func (s *Service) overrideCleared(ctx context.Context, e *audit.Event, p payload, before *Version) (draft, error) {
	return s.changeState(ctx, e, payload{Environments: p.Environments, OverrideID: p.OverrideID}, before, func(state *State) error {
		left := slices.DeleteFunc(slices.Clone(state.Overrides), func(o Override) bool { return o.ID == p.OverrideID })
		if len(left) == len(state.Overrides) {
			return storage.ErrNotFound
		}
		state.Overrides = left
		return nil
	})
}

// The kind of the job that ends an override for QA, and its lane.
const (
	kindExpire = "flags.expire"
	laneExpire = "flags.expire"
)

// An expiry is the payload of the job that ends an override.
type expiry struct {
	Flag        string `json:"flag"`
	Environment string `json:"environment"`
	Override    string `json:"override"`
}

func expiryJob(tenant string, x expiry, due time.Time) (*jobs.Job, error) {
	raw, err := json.Marshal(x)
	if err != nil {
		return nil, fmt.Errorf("flags: payload of a job: %w", err)
	}
	return &jobs.Job{Tenant: tenant, Lane: laneExpire, Kind: kindExpire, Due: due, Payload: raw}, nil
}

// Handlers returns the handlers of this package's jobs, for jobs.NewWorker. A queue that
// several services share needs one worker with the handlers of all of them: join the
// maps, whose keys differ.
func (s *Service) Handlers() map[string]jobs.Handler {
	return map[string]jobs.Handler{kindExpire: s.workExpiry}
}

// maxBackoff is how long an expiry waits at most after a failure of our own. It is not
// given up: an override that stays in the definition would be one that nobody ended.
const maxBackoff = 10 * time.Minute

func (s *Service) workExpiry(ctx context.Context, task *jobs.Task) error {
	var x expiry
	if err := json.Unmarshal(task.Job.Payload, &x); err != nil {
		return jobs.Bury(fmt.Errorf("flags: payload of job %q: %w", task.Job.Kind, err))
	}
	if trace, ok := correlation.Parse(task.Job.Trace); ok {
		ctx = correlation.With(ctx, trace.Child())
	}
	err := s.expire(audit.WithActor(ctx, worker), task, x)
	if err == nil || errors.Is(err, jobs.ErrFenced) {
		return err
	}
	return jobs.RetryAt(s.now().Add(min(time.Second<<min(task.Job.Attempt, 20), maxBackoff)), err)
}

// worker is who acts where no person does.
var worker = audit.Actor{Type: audit.SystemActor, ID: "flags"}

// expire ends an override whose time is over. One that was cleared meanwhile has nothing
// to end; one that was replaced ends at its new time.
func (s *Service) expire(ctx context.Context, task *jobs.Task, x expiry) error {
	tenant := task.Job.Tenant
	return s.governor.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.store.Lock(ctx, tenant); err != nil {
			return err
		}
		last, err := s.last(ctx, tenant, KindFlag, x.Flag)
		if err != nil {
			return err
		}
		before := standing(last)
		if before == nil {
			return task.Complete(ctx)
		}
		old, err := ReadFlag(*before)
		if err != nil {
			return err
		}
		now, state := s.now(), old.Environments[x.Environment]
		i := slices.IndexFunc(state.Overrides, func(o Override) bool { return o.ID == x.Override && forQA(o) && o.Until != nil })
		switch {
		case i < 0:
			return task.Complete(ctx)
		case state.Overrides[i].Until.After(now):
			return task.RetryAt(ctx, *state.Overrides[i].Until, "the override lasts longer")
		}
		state.Overrides = slices.Delete(slices.Clone(state.Overrides), i, i+1)
		old.Environments[x.Environment] = state
		if err := s.saveExpired(ctx, tenant, last, old.Flag, x, now); err != nil {
			return err
		}
		return task.Complete(ctx)
	})
}

// saveExpired saves a flag without an override, and records that by itself: what was
// agreed to when the override was set is that it ends.
func (s *Service) saveExpired(ctx context.Context, tenant string, last *Version, f Flag, x expiry, now time.Time) error {
	body, err := canonicalJSON(f)
	if err != nil {
		return err
	}
	e := flagEvent(ActionExpireOverride, tenant, x.Flag, last.Revision, "")
	d := draft{body: body, audiences: last.Audiences, payload: payload{
		Type: f.Type, Environments: []string{x.Environment}, OverrideID: x.Override,
	}}
	if err := describe(&e, KindFlag, d, last); err != nil {
		return err
	}
	e.Time = now
	if err := s.governor.Catalog().Complete(ctx, &e); err != nil {
		return err
	}
	if _, err := s.append(ctx, e, KindFlag, last, d); err != nil {
		return err
	}
	return s.governor.Record(ctx, e)
}

// RecordUse records that an override for QA was served, once for an override, a
// subject and a day; what is known already is nothing. A provider calls it, off the path
// of its evaluations.
func (s *Service) RecordUse(ctx context.Context, tenant string, u OverrideUse) error {
	u.Day = u.Day.UTC().Truncate(days)
	for _, id := range []struct{ pointer, value string }{
		{"/flag", u.Flag}, {"/environment", u.Environment}, {"/override", u.Override}, {"/subject", u.Subject},
	} {
		if err := storage.CheckID(id.pointer, id.value); err != nil {
			return err
		}
	}
	metadata, err := canonicalJSON(struct {
		Environments []string `json:"environments"`
		Override     string   `json:"override"`
		Subject      string   `json:"subject"`
		Day          string   `json:"day"`
	}{[]string{u.Environment}, u.Override, u.Subject, u.Day.Format(time.DateOnly)})
	if err != nil {
		return err
	}
	return s.governor.InTx(ctx, func(ctx context.Context) error {
		first, err := s.store.Use(ctx, tenant, u)
		if err != nil || !first {
			return err
		}
		e := flagEvent(ActionUseOverride, tenant, u.Flag, 0, "")
		e.Actor, e.Metadata = worker, metadata
		return s.governor.Record(ctx, e)
	})
}
