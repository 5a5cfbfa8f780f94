package credentials

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
)

// A Sealer encrypts values at rest. What it sealed opens only under the same tenant,
// purpose and id. A secrets.Vault is one.
type Sealer interface {
	// Seal returns plaintext encrypted.
	Seal(ctx context.Context, tenant, purpose, id string, plaintext []byte) ([]byte, error)
	// Open returns what Seal was given, and an error where sealed is anything else.
	Open(ctx context.Context, tenant, purpose, id string, sealed []byte) ([]byte, error)
}

// sealPurpose keeps credentials apart from whatever else a Sealer seals.
const sealPurpose = "credentials"

// The actions of a [Change].
const (
	ActionCreate = "credentials.created"
	ActionRotate = "credentials.rotated"
	ActionDelete = "credentials.deleted"
	ActionUse    = "credentials.used"
)

// A Change is what is about to happen to a credential. It holds no value and may be
// recorded whole.
type Change struct {
	// Action is one of the constants of the package.
	Action string
	Tenant string
	Name   string
	// Before and After are the credential as it was and as it will be, nil where there is
	// none. A use has no After.
	Before, After *Credential
}

// DefaultTouch is how exact LastUsedAt is by default.
const DefaultTouch = time.Minute

// Config adjusts a [Service]. Its zero value holds the defaults.
type Config struct {
	// Govern decides about a change and calls apply, once and in its own transaction, or
	// returns why not. It is asked about uses too; for those apply notes the time, and the
	// value is opened after Govern has returned. nil calls apply.
	Govern func(ctx context.Context, c Change, apply func(ctx context.Context) error) error
	// TouchEvery is how often LastUsedAt of a credential in use is written at most; zero is
	// [DefaultTouch].
	TouchEvery time.Duration
	// Quotas says how many objects a tenant may have; nil is the defaults for everybody.
	// It is asked when a credential is created.
	Quotas func(ctx context.Context, tenant string) (Quotas, error)
	// Reserved makes a Service for names that begin with a dot, and for no others. They are
	// for packages that keep keys of their own, as secrets.Stream does: the Service that
	// serves references of tenants lists them, and neither uses nor changes them.
	Reserved bool
	// Now defaults to the clock.
	Now func() time.Time
}

// A Service keeps the credentials of tenants. It is safe for concurrent use.
type Service struct {
	store  Store
	sealer Sealer
	cfg    Config
}

// New makes a Service.
func New(store Store, sealer Sealer, cfg Config) (*Service, error) {
	switch {
	case store == nil:
		return nil, errors.New("credentials: no store")
	case sealer == nil:
		return nil, errors.New("credentials: no sealer")
	case cfg.TouchEvery < 0:
		return nil, errors.New("credentials: TouchEvery must not be negative")
	}
	cfg.TouchEvery = cmp.Or(cfg.TouchEvery, DefaultTouch)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Govern == nil {
		cfg.Govern = func(ctx context.Context, _ Change, apply func(ctx context.Context) error) error { return apply(ctx) }
	}
	return &Service{store: store, sealer: sealer, cfg: cfg}, nil
}

// Create keeps a value under a new name and returns what is seen of it. The value is at
// most [MaxValue] bytes and stays the caller's.
//
// Errors: a *storage.InvalidError that names the field, storage.ErrConflict where the name
// is taken, a *storage.LimitError where the tenant has all it may, see [Quotas], and those of
// Govern. Repeat a creation whose commit was
// storage.ErrCommitUnknown: a conflict says that it had happened.
func (s *Service) Create(ctx context.Context, tenant string, in Input, value []byte) (Credential, error) {
	if err := storage.CheckID("/tenant", tenant); err != nil {
		return Credential{}, err
	}
	if err := in.check(value); err != nil {
		return Credential{}, err
	}
	if !s.serves(in.Name) {
		return Credential{}, storage.Invalid("/name", "must begin with a dot where it is reserved, and only there")
	}
	now := s.now()
	r, err := s.seal(ctx, Credential{Name: in.Name, Tenant: tenant, Kind: in.Kind, Revision: 1, CreatedAt: now, UpdatedAt: now}, value)
	if err != nil {
		return Credential{}, err
	}
	err = s.govern(ctx, ActionCreate, nil, &r.Credential, func(ctx context.Context) error {
		q, err := s.quota(ctx, tenant)
		if err != nil {
			return err
		}
		return s.store.Insert(ctx, tenant, r, q.Limit)
	})
	if err != nil {
		return Credential{}, err
	}
	return r.Credential, nil
}

// Get returns a credential. It is storage.ErrNotFound where the tenant has no such one.
func (s *Service) Get(ctx context.Context, tenant, name string) (Credential, error) {
	r, err := s.store.Get(ctx, tenant, name)
	return r.Credential, err
}

// List returns the tenant's credentials by name.
func (s *Service) List(ctx context.Context, tenant string, q Query) (page storage.Page[Credential], err error) {
	records, err := s.store.List(ctx, tenant, q)
	page.Next = records.Next
	for _, r := range records.Items {
		page.Items = append(page.Items, r.Credential)
	}
	return page, err
}

// Rotate replaces a value. revision is the one that the caller saw, zero for whichever is
// current; a later one is storage.ErrConflict. Other errors are those of Create, and
// storage.ErrNotFound.
func (s *Service) Rotate(ctx context.Context, tenant, name string, revision int64, value []byte) (Credential, error) {
	if err := checkValue(value); err != nil {
		return Credential{}, err
	}
	before, err := s.at(ctx, tenant, name, revision)
	if err != nil {
		return Credential{}, err
	}
	after := before
	after.Revision, after.UpdatedAt = before.Revision+1, s.now()
	r, err := s.seal(ctx, after, value)
	if err != nil {
		return Credential{}, err
	}
	err = s.govern(ctx, ActionRotate, &before, &r.Credential, func(ctx context.Context) error {
		return s.store.Update(ctx, tenant, r, before.Revision)
	})
	if err != nil {
		return Credential{}, err
	}
	return r.Credential, nil
}

// Delete removes a credential with its value. revision as in Rotate.
func (s *Service) Delete(ctx context.Context, tenant, name string, revision int64) error {
	before, err := s.at(ctx, tenant, name, revision)
	if err != nil {
		return err
	}
	return s.govern(ctx, ActionDelete, &before, nil, func(ctx context.Context) error {
		return s.store.Delete(ctx, tenant, name, before.Revision)
	})
}

// Use opens the credential that ref names and calls fn with it. The value is fn's until it
// returns, and is overwritten then; a string made of it is fn's own to forget.
//
// The error of fn is returned as it is, unless its text holds the value: then it is
// [ErrWithheld]. Errors of its own: a *storage.InvalidError at "/ref", storage.ErrNotFound,
// those of Govern, and those of the Sealer where the value does not open; fn is not called
// then.
func (s *Service) Use(ctx context.Context, tenant, ref string, fn func(ctx context.Context, c Credential, value []byte) error) error {
	name, err := ParseRef("/ref", ref)
	if err != nil {
		return err
	}
	if !s.serves(name) {
		return storage.ErrNotFound
	}
	r, err := s.store.Get(ctx, tenant, name)
	if err != nil {
		return err
	}
	now := s.now()
	err = s.govern(ctx, ActionUse, &r.Credential, nil, func(ctx context.Context) error {
		if now.Sub(r.LastUsedAt) < s.cfg.TouchEvery {
			return nil
		}
		return s.store.Touch(ctx, tenant, name, now)
	})
	if err != nil {
		return err
	}
	value, err := s.sealer.Open(ctx, tenant, sealPurpose, name, r.Sealed)
	if err != nil {
		return fmt.Errorf("credentials: open %s: %w", ref, err)
	}
	defer clear(value)
	return withhold(fn(ctx, r.Credential, value), value)
}

// at returns the credential of a name where it has the revision.
func (s *Service) at(ctx context.Context, tenant, name string, revision int64) (Credential, error) {
	if !s.serves(name) {
		return Credential{}, storage.ErrNotFound
	}
	r, err := s.store.Get(ctx, tenant, name)
	if err == nil && revision != 0 && r.Revision != revision {
		err = storage.ErrConflict
	}
	return r.Credential, err
}

// serves reports whether a name is one of those that the Service is for.
func (s *Service) serves(name string) bool { return strings.HasPrefix(name, ".") == s.cfg.Reserved }

func (s *Service) seal(ctx context.Context, c Credential, value []byte) (Record, error) {
	secret, err := s.sealer.Seal(ctx, c.Tenant, sealPurpose, c.Name, value)
	if err != nil {
		return Record{}, fmt.Errorf("credentials: seal the value: %w", err)
	}
	// Another Sealer than the kit's says nothing of its keys.
	c.KeyID, _ = sealed.KeyID(secret)
	return Record{Credential: c, Sealed: secret}, nil
}

func (s *Service) govern(ctx context.Context, action string, before, after *Credential, apply func(ctx context.Context) error) error {
	c := Change{Action: action, Before: before, After: after}
	of := cmp.Or(before, after)
	c.Tenant, c.Name = of.Tenant, of.Name
	return s.cfg.Govern(ctx, c, apply)
}

// now returns the time as it is stored.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }
