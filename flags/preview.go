package flags

import (
	"context"
	"iter"
	"slices"

	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// A Directory knows the subjects of a tenant: its merchants, stores or users, whatever
// the host's flags are about.
type Directory interface {
	// Subjects returns the subjects, each once, told apart by their keys and with the
	// attributes that rules ask for. An error ends the list.
	Subjects(ctx context.Context, tenant string) iter.Seq2[*Subject, error]
}

// An Impact says whom a draft changes something for. A subject is in where the flag
// serves it something else than being off: for a flag of truth values where it serves
// true, for any other where it serves a variant that is not the off variant of the
// state.
type Impact struct {
	// Subjects is how many were evaluated.
	Subjects int
	// Before and After count those who are in now, and who would be.
	Before, After int
	// Added and Removed are the keys of those who would come in and go out, Changed of
	// those who would stay in with another variant or value. Each is in order.
	Added, Removed, Changed []string
	// Truncated says that the directory has more subjects than [Config.MaxSubjects].
	Truncated bool
}

// Preview evaluates a flag as it is and as draft in one environment, for all subjects
// of the directory, and says who would notice. Nothing is changed or recorded. A draft
// of a flag that is not there yet is compared with no flag.
func (s *Service) Preview(ctx context.Context, tenant, key, environment string, draft Flag) (Impact, error) {
	if s.cfg.Directory == nil {
		return Impact{}, storage.Invalid("", "cannot be previewed: there is no directory of subjects")
	}
	before, after, err := s.sides(ctx, tenant, key, environment, draft)
	if err != nil {
		return Impact{}, err
	}
	var impact Impact
	for subject, err := range s.cfg.Directory.Subjects(ctx, tenant) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Impact{}, err
		}
		if impact.Subjects == s.cfg.MaxSubjects {
			impact.Truncated = true
			break
		}
		impact.add(subject.Key, before.served(subject, s), after.served(subject, s))
	}
	slices.Sort(impact.Added)
	slices.Sort(impact.Removed)
	slices.Sort(impact.Changed)
	return impact, nil
}

// add counts one subject.
func (i *Impact) add(key string, before, after service) {
	i.Subjects++
	if before.in {
		i.Before++
	}
	if after.in {
		i.After++
	}
	switch {
	case after.in && !before.in:
		i.Added = append(i.Added, key)
	case before.in && !after.in:
		i.Removed = append(i.Removed, key)
	case after.in && (before.variant != after.variant || !before.value.Equal(after.value)):
		i.Changed = append(i.Changed, key)
	}
}

// A side is a flag as a preview compares it.
type side struct {
	flag    *compiled // nil for no flag
	off     string
	boolean bool
}

// A service is what a subject is served on one side.
type service struct {
	in      bool
	variant string
	value   targeting.Value
}

func (d side) served(subject *Subject, s *Service) service {
	if d.flag == nil {
		return service{}
	}
	e := d.flag.evaluate(subject, s.cfg.Now, nil).Evaluation
	got := service{variant: e.Variant, value: e.Value}
	if d.boolean {
		got.in, _ = e.Value.AsBool()
	} else {
		got.in = e.Err == nil && e.Variant != "" && e.Variant != d.off
	}
	return got
}

// sides compiles what a preview compares.
func (s *Service) sides(ctx context.Context, tenant, key, environment string, draft Flag) (before, after side, err error) {
	if draft.Key != key {
		return before, after, storage.Invalid("/key", "is not that of the flag")
	}
	deps, err := s.deps(ctx, tenant)
	if err != nil {
		return before, after, err
	}
	if err := check(draft, deps); err != nil {
		return before, after, err
	}
	if after, err = s.side(draft, environment, deps); err != nil {
		return before, after, err
	}
	last, err := s.last(ctx, tenant, KindFlag, key)
	if err != nil || standing(last) == nil {
		return before, after, err
	}
	present, err := ReadFlag(*last)
	if err != nil {
		return before, after, err
	}
	before, err = s.side(present.Flag, environment, deps)
	return before, after, err
}

func (s *Service) side(f Flag, environment string, deps deps) (side, error) {
	if !slices.Contains(s.cfg.Environments, environment) {
		return side{}, storage.Invalid("/environment", "is not an environment")
	}
	c, err := compile(f, environment, deps)
	return side{flag: c, off: f.Environments[environment].OffVariant, boolean: f.ValueType == Bool}, err
}

// Evaluate answers what a flag is for a subject in one environment, and how it came to
// that, as a provider would once it has read the present definitions. With a draft it
// answers for that in place of what is stored. Nothing is recorded: no exposure, no use
// of an override.
func (s *Service) Evaluate(ctx context.Context, tenant, key, environment string, subject *Subject, draft *Flag) (Explanation, error) {
	if !slices.Contains(s.cfg.Environments, environment) {
		return Explanation{}, storage.Invalid("/environment", "is not an environment")
	}
	deps, err := s.deps(ctx, tenant)
	if err != nil {
		return Explanation{}, err
	}
	var f Flag
	if draft != nil {
		if f = *draft; f.Key != key {
			return Explanation{}, storage.Invalid("/draft/key", "is not that of the flag")
		}
		if err := check(f, deps); err != nil {
			var bad faults
			bad.include("/draft", err, "cannot be evaluated")
			return Explanation{}, bad.err()
		}
	} else {
		present, err := s.Get(ctx, tenant, key)
		if err != nil {
			return Explanation{}, err
		}
		f, deps.revision = present.Flag, present.Revision
	}
	c, err := compile(f, environment, deps)
	if err != nil {
		return Explanation{}, err
	}
	if subject == nil || subject.Tenant != tenant {
		return Explanation{}, storage.Invalid("/context/tenant", "is not the tenant of the flag")
	}
	return c.explain(subject, s.cfg.Now), nil
}
