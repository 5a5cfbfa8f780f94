package flags

import (
	"context"
	"maps"
	"slices"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// Kill throws the kill switch of a flag in one environment: from then on it serves its
// off variant there, whatever overrides and rules say, until [Service.Restore]. No other
// change takes it back. It binds to no revision, so that nobody's edit delays it; reason
// is required. Killing a killed flag does nothing, for those who may.
func (s *Service) Kill(ctx context.Context, tenant, key, environment, reason string) (FlagVersion, error) {
	return s.changeFlag(ctx, flagEvent(ActionKill, tenant, key, 0, reason), payload{Environments: []string{environment}})
}

// Restore takes the kill switch of a flag back. It binds to the present revision: what
// is agreed to is the flag as it will serve then. Restoring a flag that is not killed
// does nothing, for those who may.
func (s *Service) Restore(ctx context.Context, tenant, key, environment, reason string) (FlagVersion, error) {
	return s.changeFlag(ctx, flagEvent(ActionRestore, tenant, key, 0, reason), payload{Environments: []string{environment}})
}

func (s *Service) killed(ctx context.Context, e *audit.Event, p payload, before *Version) (draft, error) {
	if e.Reason == "" {
		return draft{}, storage.Invalid("/reason", "must say why")
	}
	// Nothing else is looked at: a flag whose rules have become bad is killed like any
	// other.
	old, f, err := s.withState(p, before, func(state *State) error {
		if state.Killed == nil {
			at := e.Time
			if at.IsZero() { // what the gate sees has no time of its own yet
				at = s.now()
			}
			state.Killed = &Kill{By: actorOf(ctx, e).ID, At: at, Reason: e.Reason}
		}
		return nil
	})
	if err != nil {
		return draft{}, err
	}
	d := draft{audiences: before.Audiences, payload: payload{Type: old.Type, Environments: p.Environments}}
	d.body, err = canonicalJSON(f)
	return d, err
}

func (s *Service) restored(ctx context.Context, e *audit.Event, p payload, before *Version) (draft, error) {
	return s.changeState(ctx, e, payload{Environments: p.Environments}, before, func(state *State) error {
		state.Killed = nil
		return nil
	})
}

// actorOf returns who answers for e, also before it is complete.
func actorOf(ctx context.Context, e *audit.Event) audit.Actor {
	who := e.Subject()
	if who.ID == "" {
		who, _ = audit.ActorFrom(ctx)
	}
	return who
}

// changeState drafts a change of a flag's state in the one environment of p.
func (s *Service) changeState(ctx context.Context, e *audit.Event, p payload, before *Version, set func(state *State) error) (draft, error) {
	old, f, err := s.withState(p, before, set)
	if err != nil {
		return draft{}, err
	}
	d, err := s.draftFlag(ctx, e.Tenant, &old, f, p)
	// The one that was named, also where it makes no difference there.
	d.payload.Environments = p.Environments
	return d, err
}

// withState returns the flag that a change is about, and what it is with another state
// in the one environment of p.
func (s *Service) withState(p payload, before *Version, set func(state *State) error) (old, f Flag, err error) {
	if old, err = flagBefore(before); err != nil {
		return old, f, err
	}
	if len(p.Environments) != 1 || !slices.Contains(s.cfg.Environments, p.Environments[0]) {
		return old, f, storage.Invalid("/environment", "is not an environment")
	}
	name := p.Environments[0]
	state := old.Environments[name]
	if err := set(&state); err != nil {
		return old, f, err
	}
	f = old
	if f.Environments = maps.Clone(old.Environments); f.Environments == nil {
		f.Environments = map[string]State{}
	}
	f.Environments[name] = state
	return old, f, nil
}
