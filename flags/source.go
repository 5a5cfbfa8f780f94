package flags

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/lumelle/adminkit/flags/targeting"
)

// A source keeps what a provider knows of one tenant's definitions and brings it up to
// date. One goroutine uses it at a time.
type source struct {
	store       Store
	tenant      string
	environment string
	deps        deps
	// call runs one call of the store within the time that it may take.
	call func(ctx context.Context, fn func(ctx context.Context) error) error

	change    int64
	flags     map[string]*definition
	audiences map[string]*targeting.Audience
	// broken are the audiences whose newest version cannot be used.
	broken map[string]error
}

// A definition is the newest version of a flag and what became of it.
type definition struct {
	revision int64
	body     []byte
	// good is the newest version that compiled, nil where none did.
	good *compiled
	// err is why the newest version did not.
	err error
}

// pageOfChanges is how many versions are read at a time.
const pageOfChanges = 500

// errCorrupt reports what the store should never return.
var errCorrupt = errors.New("flags: the store returns what was never written")

// catchUp reads what changed and returns the slots that are different now, nil where
// nothing changed.
func (s *source) catchUp(ctx context.Context) (map[string]slot, error) {
	var head int64
	err := s.call(ctx, func(ctx context.Context) (err error) {
		head, err = s.store.Head(ctx, s.tenant)
		return err
	})
	if err != nil || head == s.change {
		return nil, err
	}
	// A store that was set back, by a restored backup, is read anew: what is gone is gone.
	after := s.change
	if head < after {
		after = 0
	}
	versions, err := s.read(ctx, after)
	if err != nil {
		return nil, err
	}
	var changed map[string]slot
	if head < s.change {
		changed = s.forget()
	}
	return s.apply(versions, changed), nil
}

// forget drops everything, so that all is read again.
func (s *source) forget() map[string]slot {
	gone := make(map[string]slot, len(s.flags))
	for key := range s.flags {
		gone[key] = slot{}
	}
	s.change, s.flags, s.audiences, s.broken = 0, nil, nil, nil
	return gone
}

// read returns the versions behind a change, and those that are made while it
// reads: together they are one state of the tenant.
func (s *source) read(ctx context.Context, after int64) ([]Version, error) {
	var all []Version
	for {
		var page []Version
		err := s.call(ctx, func(ctx context.Context) (err error) {
			page, err = s.store.Changes(ctx, s.tenant, after, pageOfChanges)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, v := range page {
			if v.Change <= after {
				return nil, fmt.Errorf("%w: change %d after %d", errCorrupt, v.Change, after)
			}
			after = v.Change
		}
		if all = append(all, page...); len(page) < pageOfChanges {
			return all, nil
		}
	}
}

// apply takes versions over and compiles what they touch.
func (s *source) apply(versions []Version, changed map[string]slot) map[string]slot {
	if s.flags == nil {
		s.flags, s.audiences, s.broken = map[string]*definition{}, map[string]*targeting.Audience{}, map[string]error{}
	}
	if changed == nil {
		changed = map[string]slot{}
	}
	touched, moved := map[string]bool{}, map[string]bool{}
	for i := range versions {
		v := &versions[i]
		s.change = max(s.change, v.Change)
		switch {
		case v.Kind == KindAudience:
			moved[v.Key] = true
			s.audience(v)
		case v.Kind != KindFlag:
		case v.Deleted:
			delete(s.flags, v.Key)
			delete(touched, v.Key)
			changed[v.Key] = slot{}
		default:
			d := s.flags[v.Key]
			if d == nil {
				d = &definition{}
				s.flags[v.Key] = d
			}
			d.revision, d.body, d.err = v.Revision, v.Body, intact(v)
			touched[v.Key] = true
		}
	}
	if len(moved) > 0 {
		s.rebuild(moved)
		for key, d := range s.flags {
			if d.err != nil || d.good != nil && slices.ContainsFunc(d.good.reads, func(a string) bool { return moved[a] }) {
				touched[key] = true
			}
		}
	}
	// In the order in which all flags are evaluated, so that they lie in memory in that
	// order too: this is worth more than anything else that EvaluateAll could do.
	for _, key := range sortedKeys(touched) {
		changed[key] = s.compile(key)
	}
	return changed
}

// intact reports whether a body is the one that was written.
func intact(v *Version) error {
	if sum := sha256.Sum256(v.Body); !bytes.Equal(sum[:], v.Hash) {
		return fmt.Errorf("%w: version %d of %s %q does not have its hash", errCorrupt, v.Revision, v.Kind, v.Key)
	}
	return nil
}

// audience takes over a version of an audience.
func (s *source) audience(v *Version) {
	delete(s.broken, v.Key)
	if v.Deleted {
		delete(s.audiences, v.Key)
		return
	}
	err := intact(v)
	var a targeting.Audience
	if err == nil {
		a, err = targeting.ParseAudience(v.Body)
	}
	if err == nil && a.Key != v.Key {
		err = fmt.Errorf("%w: audience %q is stored as %q", errCorrupt, a.Key, v.Key)
	}
	if err != nil {
		s.broken[v.Key] = err
		return
	}
	s.audiences[v.Key] = &a
}

// rebuild compiles the audiences. Where that fails the ones of before stay, and those
// that moved are broken.
func (s *source) rebuild(moved map[string]bool) {
	all := make([]targeting.Audience, 0, len(s.audiences))
	for _, a := range s.audiences {
		all = append(all, *a)
	}
	library, err := targeting.NewLibrary(all, targeting.Options{})
	if err != nil {
		for key := range moved {
			s.broken[key] = err
		}
		return
	}
	s.deps.library = library
}

// compile compiles the newest version of a flag. Where that fails the last one that did
// keeps answering, stale; where none did, the answer is an error.
func (s *source) compile(key string) slot {
	d := s.flags[key]
	deps := s.deps
	deps.revision = d.revision
	var flag Flag
	if d.err == nil || !errors.Is(d.err, errCorrupt) {
		d.err = json.Unmarshal(d.body, &flag)
		if d.err == nil && flag.Key != key {
			d.err = fmt.Errorf("%w: flag %q is stored as %q", errCorrupt, flag.Key, key)
		}
	}
	if d.err == nil {
		var c *compiled
		if c, d.err = compile(flag, s.environment, deps); d.err == nil {
			d.good = c
		}
	}
	if d.err == nil {
		for _, a := range d.good.reads {
			if err := s.broken[a]; err != nil {
				return slot{d.good, true}
			}
		}
		return slot{d.good, false}
	}
	if d.good == nil {
		return slot{unreadable(key, d.revision), false}
	}
	return slot{d.good, true}
}

// err reports the definitions that cannot be used, nil where all can.
func (s *source) err() error {
	var all []error
	for _, key := range sortedKeys(s.broken) {
		all = append(all, fmt.Errorf("flags: audience %q: %w", key, s.broken[key]))
	}
	for _, key := range sortedKeys(s.flags) {
		if err := s.flags[key].err; err != nil {
			all = append(all, fmt.Errorf("flags: flag %q: %w", key, err))
		}
		if len(all) >= targeting.MaxErrors {
			break
		}
	}
	return errors.Join(all...)
}

// unreadable answers for a flag none of whose versions could be read.
func unreadable(key string, revision int64) *compiled {
	a := answer{Evaluation: Evaluation{Reason: ReasonError, Version: revision,
		Err: &Error{Code: CodeParseError, Message: "the definition of the flag " + strconv.Quote(key) + " cannot be read"}}}
	return &compiled{key: key, settled: &a, fallback: a, broken: true}
}
