package flags

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// SaveAudience defines an audience or replaces it, for all flags that use it: they are
// compiled with it, and one that would break refuses the change. revision is the one it
// was made for, zero for whichever is current. A new one is a *storage.LimitError where the
// tenant has all it may, see [Quotas].
func (s *Service) SaveAudience(ctx context.Context, tenant string, a targeting.Audience, revision int64, reason string) (AudienceVersion, error) {
	return s.changeAudience(ctx, audienceEvent(ActionSaveAudience, tenant, a.Key, revision, reason), payload{Audience: &a})
}

// GetAudience returns an audience. It is storage.ErrNotFound where the tenant has no
// such one.
func (s *Service) GetAudience(ctx context.Context, tenant, key string) (AudienceVersion, error) {
	v, err := s.store.Get(ctx, tenant, KindAudience, key)
	if err == nil && v.Deleted {
		err = storage.ErrNotFound
	}
	if err != nil {
		return AudienceVersion{}, err
	}
	return ReadAudience(v)
}

// An AudienceQuery chooses audiences.
type AudienceQuery struct {
	After storage.Cursor
	Limit int
}

// ListAudiences returns the tenant's audiences in order of their keys.
func (s *Service) ListAudiences(ctx context.Context, tenant string, q AudienceQuery) (storage.Page[AudienceVersion], error) {
	return list(ctx, s.store, tenant, KindAudience, q.After, q.Limit, ReadAudience)
}

// AudienceVersions returns the versions of an audience, as [Service.Versions] does of a
// flag.
func (s *Service) AudienceVersions(ctx context.Context, tenant, key string, q VersionQuery) (storage.Page[AudienceVersion], error) {
	return versions(ctx, s.store, tenant, KindAudience, key, q, ReadAudience)
}

// DeleteAudience removes an audience that nobody uses; one that is used is an
// [InUseError]. Its versions stay. revision is as in [Service.SaveAudience].
func (s *Service) DeleteAudience(ctx context.Context, tenant, key string, revision int64, reason string) error {
	_, err := s.changeAudience(ctx, audienceEvent(ActionDeleteAudience, tenant, key, revision, reason), payload{})
	return err
}

// maxUsers is how many users of an audience are named.
const maxUsers = 100

// AudienceUsers names who uses an audience by itself, at most a hundred: "flag checkout",
// "audience beta", and what [Config.InUse] names.
func (s *Service) AudienceUsers(ctx context.Context, tenant, key string) ([]string, error) {
	found, err := s.store.Users(ctx, tenant, key, maxUsers)
	if err != nil {
		return nil, err
	}
	var users []string
	for _, v := range found {
		users = append(users, string(v.Kind)+" "+v.Key)
	}
	if s.cfg.InUse != nil {
		others, err := s.cfg.InUse(ctx, tenant, key)
		if err != nil {
			return nil, err
		}
		users = append(users, others...)
	}
	return users[:min(len(users), maxUsers)], nil
}

// AudienceLibrary returns the audiences of a tenant as they are now, compiled: for other
// packages whose conditions name them, such as automation.
func (s *Service) AudienceLibrary(ctx context.Context, tenant string) (*targeting.Library, error) {
	d, err := s.deps(ctx, tenant)
	return d.library, err
}

// changeAudience makes a change of an audience and returns it as it is afterwards.
func (s *Service) changeAudience(ctx context.Context, e audit.Event, p payload) (AudienceVersion, error) {
	v, err := s.change(ctx, e, p)
	if err != nil && !errors.Is(err, errUnchanged) {
		return AudienceVersion{}, s.absent(ctx, e, KindAudience, err)
	}
	return ReadAudience(v)
}

func audienceEvent(action, tenant, key string, revision int64, reason string) audit.Event {
	e := flagEvent(action, tenant, key, revision, reason)
	e.Resource.Type = ResourceAudience
	return e
}

func (s *Service) audienceSaved(ctx context.Context, e *audit.Event, p payload, _ *Version) (d draft, err error) {
	a, err := p.audience(e.Resource.ID)
	if err != nil {
		return d, err
	}
	if message := checkKey(a.Key); message != "" {
		return d, storage.Invalid("/key", message)
	}
	deps, err := s.depsWith(ctx, e.Tenant, &a)
	if err != nil {
		return d, err
	}
	present, err := s.deps(ctx, e.Tenant)
	if err != nil {
		return d, err
	}
	affected, err := s.affected(ctx, e.Tenant, a.Key)
	if err != nil {
		return d, err
	}
	d.payload = payload{Audience: &a}
	if d.payload.Environments, err = recheck(affected, present, deps); err != nil {
		return d, err
	}
	if a.When != nil {
		d.audiences = a.When.References().Audiences
	}
	if d.body, err = canonicalJSON(a); err != nil {
		return d, err
	}
	return d, checkLength(d.body)
}

func (s *Service) audienceDeleted(ctx context.Context, e *audit.Event, _ payload, before *Version) (draft, error) {
	if before == nil {
		return draft{}, storage.ErrNotFound
	}
	users, err := s.AudienceUsers(ctx, e.Tenant, e.Resource.ID)
	if err != nil {
		return draft{}, err
	}
	if len(users) > 0 {
		return draft{}, &InUseError{Audience: e.Resource.ID, Users: users}
	}
	return draft{body: before.Body, deleted: true, audiences: before.Audiences, payload: payload{Environments: []string{}}}, nil
}

// audience returns a copy of the audience of a payload as its JSON says it, for a key.
func (p payload) audience(key string) (a targeting.Audience, err error) {
	if p.Audience == nil {
		return a, storage.Invalid("/payload", "has no audience")
	}
	if p.Audience.Key != key {
		return a, storage.Invalid("/key", "is not that of the audience")
	}
	raw, err := canonicalJSON(p.Audience)
	if err != nil {
		return a, err
	}
	var bad faults
	bad.include("", json.Unmarshal(raw, &a), "cannot be read back from its JSON")
	return a, bad.err()
}

// affected returns the flags that use an audience, through other audiences too.
func (s *Service) affected(ctx context.Context, tenant, audience string) ([]Flag, error) {
	var flags []Flag
	seen, open := map[string]bool{}, []string{audience}
	for len(open) > 0 {
		users, err := s.store.Users(ctx, tenant, open[0], maxDocuments)
		if err != nil {
			return nil, err
		}
		open = open[1:]
		for _, v := range users {
			name := string(v.Kind) + " " + v.Key
			if seen[name] {
				continue
			}
			seen[name] = true
			if v.Kind == KindAudience {
				open = append(open, v.Key)
				continue
			}
			f, err := ReadFlag(v)
			if err != nil {
				return nil, err
			}
			flags = append(flags, f.Flag)
		}
	}
	slices.SortFunc(flags, func(a, b Flag) int { return strings.Compare(a.Key, b.Key) })
	return flags, nil
}

// maxDocuments bounds what one audience is used by: a tenant has no more flags.
const maxDocuments = 100_000

// recheck compiles flags with an audience that changes, and returns the environments in
// which they have rules, in order. What did not compile before is no fault of the change.
func recheck(affected []Flag, before, after deps) ([]string, error) {
	var bad faults
	environments := []string{}
	for _, f := range affected {
		for _, name := range slices.Sorted(maps.Keys(f.Environments)) {
			if len(f.Environments[name].Rules) > 0 {
				environments = append(environments, name)
			}
			_, err := compile(f, name, after)
			invalid, ok := errors.AsType[*storage.InvalidError](err)
			if !ok {
				continue
			}
			if _, err := compile(f, name, before); err == nil {
				first := invalid.Fields[0]
				bad.add("", "would break the flag "+strconv.Quote(f.Key)+" at "+first.Pointer+", which "+first.Message)
			}
		}
	}
	slices.Sort(environments)
	return slices.Compact(environments), bad.err()
}
