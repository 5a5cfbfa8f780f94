package secrets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
)

// MaxSecret is the longest secret in bytes: an answer over HTTP that shows one is
// sealed as a whole.
const MaxSecret = 1 << 20

var (
	// ErrCannotOpen reports bytes that were changed, cut, never sealed here, or
	// sealed for another tenant, purpose or id.
	ErrCannotOpen = errors.New("the sealed secret does not open here")

	// ErrUnknownKey reports a key that is not among the keys. [UnknownKeyError] says
	// which one.
	ErrUnknownKey = errors.New("unknown key")
)

// An UnknownKeyError names the key that a secret is sealed under and that the vault does
// not have. It was retired too early, was not brought to this process yet, is lost, or
// the database is another one than these keys were made for. It matches
// [ErrUnknownKey]. Without that key the secret cannot be opened by anybody.
type UnknownKeyError struct {
	KeyID string
	Known []string // the ids of the keys that the vault has
}

// Error implements error.
func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("unknown key %s: the keys here are %s; it was retired too early, is not in this process yet, is lost, or these keys belong to another database",
		e.KeyID, strings.Join(e.Known, ", "))
}

// Is reports whether target is [ErrUnknownKey].
func (e *UnknownKeyError) Is(target error) bool { return target == ErrUnknownKey }

// A Vault seals and opens secrets. It is safe for concurrent use.
type Vault struct {
	keys atomic.Pointer[Keys]

	// source is where keys come from, nil where the host gives them with Use.
	source KeySource
	// turn is held by who asks the source; asked is when that was, failed why it had no
	// keys to give.
	turn   chan struct{}
	asked  time.Time
	failed error
}

// New returns a Vault that uses the given keys. [Open] returns one that asks for them
// again.
func New(keys *Keys) (*Vault, error) {
	v := new(Vault)
	return v, v.Use(keys)
}

// Use makes the vault use other keys from now on. It answers an error for nil.
func (v *Vault) Use(keys *Keys) error {
	if keys == nil {
		return errors.New("secrets: no keys")
	}
	v.keys.Store(keys)
	return nil
}

// Keys returns the keys that the vault uses.
func (v *Vault) Keys() *Keys { return v.keys.Load() }

// Seal encrypts a secret for one place: the tenant that owns it, the purpose (the
// table, say "webhooks.endpoint") and the id of the row. Sealing the same secret
// again answers other bytes. It answers storage.ErrInvalid for a place that is no
// identifier and for a secret longer than [MaxSecret].
func (v *Vault) Seal(ctx context.Context, tenant, purpose, id string, secret []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkPlace(tenant, purpose, id); err != nil {
		return nil, err
	}
	if len(secret) > MaxSecret {
		return nil, storage.Invalid("/secret", "is too long")
	}
	keys := v.keys.Load()
	header := sealed.Head(keys.primary())
	envelope, err := keys.envelope().Encrypt(secret, place(header, tenant, purpose, id))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return append(header, envelope...), nil
}

// Open decrypts what Seal returned for the same place. It answers [ErrUnknownKey], as an
// [UnknownKeyError], where the key is not among the vault's keys and [ErrCannotOpen] for
// everything else that does not open. A vault with a [KeySource] asks it once more before
// it says that a key is unknown.
func (v *Vault) Open(ctx context.Context, tenant, purpose, id string, secret []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkPlace(tenant, purpose, id); err != nil {
		return nil, err
	}
	key, err := sealed.Key(secret)
	if err != nil {
		return nil, ErrCannotOpen
	}
	keys, err := v.with(ctx, key)
	if err != nil {
		return nil, err
	}
	header, envelope := secret[:sealed.Header], secret[sealed.Header:]
	plain, err := keys.envelope().Decrypt(envelope, place(header, tenant, purpose, id))
	if err != nil {
		// Why it does not open helps only whoever forged it.
		return nil, ErrCannotOpen
	}
	return plain, nil
}

// Reseal returns the secret sealed under the primary key, and whether that changed
// anything. What is under the primary already comes back as it is. Errors are those
// of Open.
func (v *Vault) Reseal(ctx context.Context, tenant, purpose, id string, secret []byte) (resealed []byte, changed bool, err error) {
	plain, err := v.Open(ctx, tenant, purpose, id, secret)
	if err != nil {
		return nil, false, err
	}
	defer clear(plain)
	if key, err := KeyID(secret); err == nil && key == v.keys.Load().Primary() {
		return secret, false, nil
	}
	resealed, err = v.Seal(ctx, tenant, purpose, id, plain)
	return resealed, err == nil, err
}

// KeyID returns the id of the key that a secret is sealed under, and [ErrCannotOpen]
// for bytes that Seal cannot have returned.
func KeyID(secret []byte) (string, error) {
	id, err := sealed.KeyID(secret)
	if err != nil {
		return "", ErrCannotOpen
	}
	return id, nil
}

// envelope encrypts under a fresh data key each time, and that key under k.
func (k *Keys) envelope() *aead.KMSEnvelopeAEAD {
	return aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), k.wrap)
}

// place is what is authenticated with a secret. The header is part of it, so that
// the key id of a sealed secret cannot be changed either. Lengths go first: no two
// places run together to the same bytes.
func place(header []byte, tenant, purpose, id string) []byte {
	b := append([]byte("adminkit secret\x00"), header...)
	for _, s := range []string{tenant, purpose, id} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

func checkPlace(tenant, purpose, id string) error {
	if err := storage.CheckID("/tenant", tenant); err != nil {
		return err
	}
	if err := storage.CheckID("/purpose", purpose); err != nil {
		return err
	}
	return storage.CheckID("/id", id)
}
