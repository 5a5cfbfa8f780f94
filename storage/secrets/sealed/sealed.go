package sealed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

// A Value is one sealed secret as it is stored.
type Value struct {
	// Purpose and ID are, with the tenant, the place it was sealed for.
	Purpose, ID string
	// Row is the key of the stored row below its tenant, for Replace.
	Row []string
	// Bytes are the sealed secret.
	Bytes []byte
}

// A Source shows the sealed values of a store, tenant by tenant, and replaces them.
type Source interface {
	// List returns a page of a tenant's values, in an order that stays: what is there
	// from the first page to the last is listed once. A limit of zero is
	// storage.DefaultLimit, the highest is storage.MaxLimit. It answers
	// storage.ErrBadCursor for a position of another list.
	List(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[Value], error)

	// Replace stores fresh in place of old.Bytes, and changes nothing else of the row:
	// not its revision and not its times, because the secret is the same. It reports
	// false, and changes nothing, where the row is gone or its bytes are others by now.
	// Comparing and writing are one step; it writes in the transaction of ctx or in one
	// of its own.
	Replace(ctx context.Context, tenant string, old Value, fresh []byte) (bool, error)
}

// ErrUnknown reports bytes that no Vault can have sealed.
var ErrUnknown = errors.New("not a sealed secret")

// Header is what a sealed secret starts with: one byte of version and the id of its key.
const Header = 1 + 4

const version = 1

// Head returns the header of a secret that is sealed under a key.
func Head(key uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{version}, key)
}

// Key returns the number of the key that a secret is sealed under, or [ErrUnknown].
func Key(sealed []byte) (uint32, error) {
	if len(sealed) <= Header || sealed[0] != version {
		return 0, ErrUnknown
	}
	return binary.BigEndian.Uint32(sealed[1:]), nil
}

// KeyID returns the id of the key that a secret is sealed under, or [ErrUnknown].
func KeyID(sealed []byte) (string, error) {
	n, err := Key(sealed)
	if err != nil {
		return "", err
	}
	return FormatKey(n), nil
}

// FormatKey returns the id of the key with a number: eight hexadecimal digits.
func FormatKey(n uint32) string { return fmt.Sprintf("%08x", n) }
