package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/lumelle/adminkit/storage/secrets/sealed"
)

// maxKeys bounds the text of keys in bytes. A key takes about 300.
const maxKeys = 1 << 20

// Keys are the keys that a [Vault] encrypts under: one primary for what is sealed
// from now on, and older ones that still open. They are immutable and safe for
// concurrent use. Printing them shows their ids only.
type Keys struct {
	handle *keyset.Handle
	wrap   tink.AEAD
}

// Generate returns fresh Keys with one key.
func Generate() (*Keys, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("generate keys: %w", err)
	}
	return newKeys(handle)
}

// Parse returns the Keys that text, made by [Keys.Text], describes. Its errors do
// not quote the text.
func Parse(text []byte) (*Keys, error) {
	if len(text) > maxKeys {
		return nil, errors.New("parse keys: the text is too long")
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		// The cause may quote what it could not read.
		return nil, errors.New("parse keys: not a JSON keyset")
	}
	return newKeys(handle)
}

func newKeys(handle *keyset.Handle) (*Keys, error) {
	if _, err := handle.Primary(); err != nil {
		return nil, errors.New("keys: no primary key")
	}
	wrap, err := aead.New(handle)
	if err != nil {
		return nil, errors.New("keys: not for authenticated encryption")
	}
	return &Keys{handle: handle, wrap: wrap}, nil
}

// Text returns the keys in clear, for the host's secret manager. Treat it as the
// most secret thing the host has.
func (k *Keys) Text() ([]byte, error) {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(k.handle, keyset.NewJSONWriter(&b)); err != nil {
		return nil, fmt.Errorf("write keys: %w", err)
	}
	return b.Bytes(), nil
}

// Primary returns the id of the key that secrets are sealed under.
func (k *Keys) Primary() string { return formatID(k.primary()) }

func (k *Keys) primary() uint32 {
	return k.handle.KeysetInfo().GetPrimaryKeyId()
}

// IDs returns the ids of all keys, in the order they were added.
func (k *Keys) IDs() []string {
	var ids []string
	for _, key := range k.handle.KeysetInfo().GetKeyInfo() {
		ids = append(ids, formatID(key.GetKeyId()))
	}
	return ids
}

// Add returns keys with one key more, and its id. It opens, but does not seal before
// it is promoted.
func (k *Keys) Add() (keys *Keys, id string, err error) {
	m := keyset.NewManagerFromHandle(k.handle)
	n, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, "", fmt.Errorf("add a key: %w", err)
	}
	keys, err = fromManager(m)
	return keys, formatID(n), err
}

// Promote returns keys whose primary is the key with that id.
func (k *Keys) Promote(id string) (*Keys, error) {
	n, err := k.find(id)
	if err != nil {
		return nil, err
	}
	m := keyset.NewManagerFromHandle(k.handle)
	if err := m.SetPrimary(n); err != nil {
		return nil, fmt.Errorf("promote key %s: %w", id, err)
	}
	return fromManager(m)
}

// Retire returns keys without the key with that id. What is still sealed under it
// does not open any more. The primary cannot be retired.
func (k *Keys) Retire(id string) (*Keys, error) {
	n, err := k.find(id)
	if err != nil {
		return nil, err
	}
	if n == k.primary() {
		return nil, fmt.Errorf("retire key %s: it is the primary", id)
	}
	m := keyset.NewManagerFromHandle(k.handle)
	if err := m.Delete(n); err != nil {
		return nil, fmt.Errorf("retire key %s: %w", id, err)
	}
	return fromManager(m)
}

// Rotate returns keys with a new primary: Add and Promote in one.
func (k *Keys) Rotate() (*Keys, error) {
	keys, id, err := k.Add()
	if err != nil {
		return nil, err
	}
	return keys.Promote(id)
}

func fromManager(m *keyset.Manager) (*Keys, error) {
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return newKeys(handle)
}

// find returns the number behind the id of one of the keys.
func (k *Keys) find(id string) (uint32, error) {
	for _, key := range k.handle.KeysetInfo().GetKeyInfo() {
		if formatID(key.GetKeyId()) == id {
			return key.GetKeyId(), nil
		}
	}
	return 0, fmt.Errorf("%w: %s", ErrUnknownKey, strconv.Quote(id))
}

func (k *Keys) has(n uint32) bool {
	_, err := k.find(formatID(n))
	return err == nil
}

func formatID(n uint32) string { return sealed.FormatKey(n) }

// String names the keys without showing them.
func (k *Keys) String() string {
	return fmt.Sprintf("keys %v, primary %s", k.IDs(), k.Primary())
}

// GoString is String, for %#v.
func (k *Keys) GoString() string { return k.String() }

// LogValue is String, for slog.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }
