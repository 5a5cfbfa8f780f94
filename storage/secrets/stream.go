package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/hybrid"
	"github.com/tink-crypto/tink-go/v2/hybrid/hpke"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
	"github.com/lumelle/adminkit/storage/secrets/streamkey"
)

const (
	// StreamCredential is the name of the credential that keeps a tenant's stream keys. It
	// is reserved: no reference of a tenant opens it.
	StreamCredential = ".stream-keys"
	// StreamKind is its kind.
	StreamKind = "stream_keys"

	// maxStreamKeys is how many keys a tenant has at a time, so that a client that
	// rotates again and again cannot make every opening slow.
	maxStreamKeys = 20
)

// A Stream opens what clients sealed with a stream key: a secret that they send through
// others' hands. Each tenant has keys of its own, made when they are first asked for and
// kept as a credential, so that they are sealed at rest, governed and moved to new keys with
// the others. Package streamkey is the client's half and says what sealing gives.
type Stream struct{ creds *credentials.Service }

// NewStream makes a Stream that keeps its keys in a store of credentials, sealed by a
// sealer. cfg is that of the host's credentials, so that keys are governed alike.
func NewStream(store credentials.Store, sealer credentials.Sealer, cfg credentials.Config) (*Stream, error) {
	cfg.Reserved = true
	creds, err := credentials.New(store, sealer, cfg)
	if err != nil {
		return nil, err
	}
	return &Stream{creds}, nil
}

// PublicKey returns the key that clients of a tenant seal a secret with for one purpose. The
// purpose names what is changed, with the revision that it is changed from
// ("audit.stream/s1/4"), so that the sealed text serves once. It is no secret.
//
// Errors are those of credentials.Service.Use and Create, and storage.ErrInvalid for a
// tenant or purpose that is no identifier.
func (s *Stream) PublicKey(ctx context.Context, tenant, purpose string) (streamkey.PublicKey, error) {
	if err := checkStream(tenant, purpose); err != nil {
		return streamkey.PublicKey{}, err
	}
	var key streamkey.PublicKey
	read := func(_ context.Context, _ credentials.Credential, value []byte) error {
		handle, err := parseStream(value)
		if err != nil {
			return err
		}
		key, err = publicStream(handle, tenant, purpose)
		return err
	}
	err := s.use(ctx, tenant, read)
	if errors.Is(err, storage.ErrNotFound) {
		if err = s.make(ctx, tenant); err == nil || errors.Is(err, storage.ErrConflict) {
			err = s.use(ctx, tenant, read) // of several who made it at once, the first one's
		}
	}
	return key, err
}

// Open returns the secret in a text that was sealed for the tenant and purpose. It answers
// [ErrCannotOpen] for text that was changed, never sealed, or sealed for another tenant or
// purpose, and [ErrUnknownKey], as an [UnknownKeyError], for a key that was retired: the
// client then asks for the public key again.
func (s *Stream) Open(ctx context.Context, tenant, purpose, text string) ([]byte, error) {
	if err := checkStream(tenant, purpose); err != nil {
		return nil, err
	}
	id, body, err := streamkey.Split(text)
	if err != nil {
		return nil, ErrCannotOpen
	}
	var secret []byte
	err = s.use(ctx, tenant, func(_ context.Context, _ credentials.Credential, value []byte) error {
		handle, err := parseStream(value)
		if err != nil {
			return err
		}
		if _, ok := findStream(handle, id); !ok {
			return &UnknownKeyError{KeyID: id, Known: streamIDs(handle)}
		}
		opener, err := hybrid.NewHybridDecrypt(handle)
		if err != nil {
			return fmt.Errorf("secrets: stream keys: %w", err)
		}
		if secret, err = opener.Decrypt(body, streamkey.Info(id, tenant, purpose)); err != nil {
			return ErrCannotOpen // why helps only whoever forged it
		}
		return nil
	})
	if errors.Is(err, storage.ErrNotFound) {
		return nil, &UnknownKeyError{KeyID: id}
	}
	return secret, err
}

// Rotate gives a tenant a new key, which PublicKey returns from then on, and returns its
// id. What is sealed under the ones before still opens, until they are retired; at most 20
// are kept, more are storage.ErrConflict.
func (s *Stream) Rotate(ctx context.Context, tenant string) (keyID string, err error) {
	err = s.change(ctx, tenant, func(m *keyset.Manager, handle *keyset.Handle) error {
		if handle.Len() >= maxStreamKeys {
			return fmt.Errorf("secrets: the tenant has %d stream keys, retire one: %w", maxStreamKeys, storage.ErrConflict)
		}
		n, err := m.Add(streamTemplate())
		if err != nil {
			return err
		}
		keyID = formatID(n)
		return m.SetPrimary(n)
	})
	return keyID, err
}

// Retire removes a key of a tenant. Text that was sealed under it does not open any more.
// It is [ErrUnknownKey] for a key that there is not, and storage.ErrConflict for the one
// that PublicKey returns.
func (s *Stream) Retire(ctx context.Context, tenant, keyID string) error {
	return s.change(ctx, tenant, func(m *keyset.Manager, handle *keyset.Handle) error {
		n, ok := findStream(handle, keyID)
		switch {
		case !ok:
			return &UnknownKeyError{KeyID: keyID, Known: streamIDs(handle)}
		case n == handle.KeysetInfo().GetPrimaryKeyId():
			return fmt.Errorf("secrets: stream key %s is in use: %w", keyID, storage.ErrConflict)
		}
		return m.Delete(n)
	})
}

func (s *Stream) use(ctx context.Context, tenant string, fn func(context.Context, credentials.Credential, []byte) error) error {
	return s.creds.Use(ctx, tenant, credentials.Ref(StreamCredential), fn)
}

// make creates the keys of a tenant.
func (s *Stream) make(ctx context.Context, tenant string) error {
	handle, err := keyset.NewHandle(streamTemplate())
	if err != nil {
		return fmt.Errorf("secrets: make a stream key: %w", err)
	}
	text, err := streamText(handle)
	if err != nil {
		return err
	}
	_, err = s.creds.Create(ctx, tenant, credentials.Input{Name: StreamCredential, Kind: StreamKind}, text)
	return err
}

// change replaces the keys of a tenant by what fn makes of them, for the revision that it
// read.
func (s *Stream) change(ctx context.Context, tenant string, fn func(m *keyset.Manager, handle *keyset.Handle) error) error {
	var text []byte
	var revision int64
	err := s.use(ctx, tenant, func(_ context.Context, c credentials.Credential, value []byte) error {
		handle, err := parseStream(value)
		if err != nil {
			return err
		}
		m := keyset.NewManagerFromHandle(handle)
		if err := fn(m, handle); err != nil {
			return err
		}
		if handle, err = m.Handle(); err != nil {
			return fmt.Errorf("secrets: stream keys: %w", err)
		}
		revision = c.Revision
		text, err = streamText(handle)
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.creds.Rotate(ctx, tenant, StreamCredential, revision, text)
	return err
}

// streamTemplate is the suite of package streamkey, without the prefix of Tink, which other
// implementations of HPKE do not know.
var streamTemplate = hybrid.DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM_Raw_Key_Template

func streamText(handle *keyset.Handle) ([]byte, error) {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewBinaryWriter(&b)); err != nil {
		return nil, fmt.Errorf("secrets: write stream keys: %w", err)
	}
	return b.Bytes(), nil
}

func parseStream(text []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(text)))
	if err != nil {
		// The cause may quote what it could not read.
		return nil, errors.New("secrets: the stream keys are damaged")
	}
	return handle, nil
}

// publicStream returns the public half of the primary key.
func publicStream(handle *keyset.Handle, tenant, purpose string) (streamkey.PublicKey, error) {
	public, err := handle.Public()
	if err != nil {
		return streamkey.PublicKey{}, fmt.Errorf("secrets: stream keys: %w", err)
	}
	primary, err := public.Primary()
	if err != nil {
		return streamkey.PublicKey{}, fmt.Errorf("secrets: stream keys: %w", err)
	}
	key, ok := primary.Key().(*hpke.PublicKey)
	if !ok {
		return streamkey.PublicKey{}, errors.New("secrets: the stream keys are of another kind")
	}
	return streamkey.New(sealed.FormatKey(primary.KeyID()), key.PublicKeyBytes(), tenant, purpose), nil
}

func findStream(handle *keyset.Handle, id string) (uint32, bool) {
	for _, key := range handle.KeysetInfo().GetKeyInfo() {
		if formatID(key.GetKeyId()) == id {
			return key.GetKeyId(), true
		}
	}
	return 0, false
}

func streamIDs(handle *keyset.Handle) []string {
	var ids []string
	for _, key := range handle.KeysetInfo().GetKeyInfo() {
		ids = append(ids, formatID(key.GetKeyId()))
	}
	return ids
}

func checkStream(tenant, purpose string) error {
	if err := storage.CheckID("/tenant", tenant); err != nil {
		return err
	}
	return storage.CheckID("/purpose", purpose)
}
