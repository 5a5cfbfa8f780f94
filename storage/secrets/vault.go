package secrets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"

	"github.com/lumelle/adminkit/storage"
)

// MaxSecret is the longest secret in bytes: an answer over HTTP that shows one is
// sealed as a whole.
const MaxSecret = 1 << 20

var (
	// ErrCannotOpen reports bytes that were changed, cut, never sealed here, or
	// sealed for another tenant, purpose or id.
	ErrCannotOpen = errors.New("the sealed secret does not open here")

	// ErrUnknownKey reports the id of a key that is not among the keys: it was
	// retired too early, or was not brought to this process yet.
	ErrUnknownKey = errors.New("unknown key")
)

// What Seal returns: one byte of version, the id of the key, then the envelope.
const (
	sealVersion = 1
	sealHeader  = 1 + 4
)

// A Vault seals and opens secrets. It is safe for concurrent use.
type Vault struct {
	keys atomic.Pointer[Keys]
}

// New returns a Vault that uses the given keys.
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
	header := binary.BigEndian.AppendUint32([]byte{sealVersion}, keys.primary())
	envelope, err := keys.envelope().Encrypt(secret, place(header, tenant, purpose, id))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return append(header, envelope...), nil
}

// Open decrypts what Seal returned for the same place. It answers [ErrUnknownKey]
// where the key is not among the vault's keys and [ErrCannotOpen] for everything else
// that does not open.
func (v *Vault) Open(ctx context.Context, tenant, purpose, id string, sealed []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkPlace(tenant, purpose, id); err != nil {
		return nil, err
	}
	key, err := keyOf(sealed)
	if err != nil {
		return nil, err
	}
	keys := v.keys.Load()
	if !keys.has(key) {
		return nil, fmt.Errorf("%w: %s", ErrUnknownKey, formatID(key))
	}
	header, envelope := sealed[:sealHeader], sealed[sealHeader:]
	secret, err := keys.envelope().Decrypt(envelope, place(header, tenant, purpose, id))
	if err != nil {
		// Why it does not open helps only whoever forged it.
		return nil, ErrCannotOpen
	}
	return secret, nil
}

// Reseal returns the secret sealed under the primary key, and whether that changed
// anything. What is under the primary already comes back as it is. Errors are those
// of Open.
func (v *Vault) Reseal(ctx context.Context, tenant, purpose, id string, sealed []byte) (resealed []byte, changed bool, err error) {
	secret, err := v.Open(ctx, tenant, purpose, id, sealed)
	if err != nil {
		return nil, false, err
	}
	if key, err := KeyID(sealed); err == nil && key == v.keys.Load().Primary() {
		return sealed, false, nil
	}
	resealed, err = v.Seal(ctx, tenant, purpose, id, secret)
	return resealed, err == nil, err
}

// KeyID returns the id of the key that a secret is sealed under, and [ErrCannotOpen]
// for bytes that Seal cannot have returned.
func KeyID(sealed []byte) (string, error) {
	n, err := keyOf(sealed)
	if err != nil {
		return "", err
	}
	return formatID(n), nil
}

func keyOf(sealed []byte) (uint32, error) {
	if len(sealed) <= sealHeader || sealed[0] != sealVersion {
		return 0, ErrCannotOpen
	}
	return binary.BigEndian.Uint32(sealed[1:]), nil
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
