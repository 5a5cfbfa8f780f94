package streamkey

import (
	"crypto/hpke"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxSecret is the longest secret in bytes.
	MaxSecret = 64 << 10
	// MaxText is the longest sealed text in bytes.
	MaxText = (MaxSecret+48+2)/3*4 + 64

	// prefix is what sealed text starts with: its version.
	prefix = "sk1."
)

// ErrMalformed reports text that [PublicKey.Seal] cannot have returned.
var ErrMalformed = errors.New("not a sealed text")

// The suite, by its numbers in the registry of RFC 9180.
const (
	KEM  = 0x0020 // DHKEM(X25519, HKDF-SHA256)
	KDF  = 0x0001 // HKDF-SHA256
	AEAD = 0x0002 // AES-256-GCM
)

// A PublicKey is a public key with what a secret is bound to, as a server publishes it for
// one tenant and purpose. It is no secret.
type PublicKey struct {
	Type  string `json:"kty"` // "OKP"
	Curve string `json:"crv"` // "X25519"
	Use   string `json:"use"` // "enc"
	// ID is the id of the key. The server finds the private half by it, also after it
	// rotated, until the key is retired.
	ID string `json:"kid"`
	// X is the key in base64url without padding.
	X string `json:"x"`
	// KEM, KDF and AEAD are the numbers of the suite.
	KEM  uint16 `json:"kem"`
	KDF  uint16 `json:"kdf"`
	AEAD uint16 `json:"aead"`
	// Info is what the secret is bound to, in base64url without padding; see [Info].
	Info string `json:"info"`
}

// New returns the public key of 32 bytes for a tenant and a purpose.
func New(id string, public []byte, tenant, purpose string) PublicKey {
	return PublicKey{
		Type: "OKP", Curve: "X25519", Use: "enc", ID: id, X: base64.RawURLEncoding.EncodeToString(public),
		KEM: KEM, KDF: KDF, AEAD: AEAD, Info: base64.RawURLEncoding.EncodeToString(Info(id, tenant, purpose)),
	}
}

// Info returns what a secret is bound to: the id of the key, the tenant and the purpose.
func Info(id, tenant, purpose string) []byte {
	b := []byte("adminkit stream key\x00")
	// Lengths go first: no two places run together to the same bytes.
	for _, s := range []string{id, tenant, purpose} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

// Seal returns a secret of at most [MaxSecret] bytes as text that only the owner of the
// private key opens. Sealing the same secret again answers other text. It is an error for
// a key of another form or suite; errors do not hold the secret.
func (k PublicKey) Seal(secret []byte) (string, error) {
	if len(secret) > MaxSecret {
		return "", errors.New("streamkey: the secret is too long")
	}
	if k.Type != "OKP" || k.Curve != "X25519" || k.KEM != KEM || k.KDF != KDF || k.AEAD != AEAD {
		return "", errors.New("streamkey: a key of another suite")
	}
	if !isID(k.ID) {
		return "", errors.New("streamkey: the key has no id")
	}
	x, err := base64.RawURLEncoding.DecodeString(k.X)
	if err != nil {
		return "", errors.New("streamkey: x is not base64url")
	}
	info, err := base64.RawURLEncoding.DecodeString(k.Info)
	if err != nil || len(info) == 0 {
		return "", errors.New("streamkey: info is missing or not base64url")
	}
	kem, err := hpke.NewKEM(KEM)
	if err != nil {
		return "", fmt.Errorf("streamkey: %w", err)
	}
	public, err := kem.NewPublicKey(x)
	if err != nil {
		return "", fmt.Errorf("streamkey: x is not a key: %w", err)
	}
	sealed, err := hpke.Seal(public, hpke.HKDFSHA256(), hpke.AES256GCM(), info, secret)
	if err != nil {
		return "", fmt.Errorf("streamkey: seal: %w", err)
	}
	return prefix + k.ID + "." + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Split returns the id of the key that a text is sealed under and its sealed bytes, or
// [ErrMalformed].
func Split(text string) (id string, sealed []byte, err error) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(text) > MaxText {
		return "", nil, ErrMalformed
	}
	id, body, ok := strings.Cut(rest, ".")
	if !ok || !isID(id) {
		return "", nil, ErrMalformed
	}
	sealed, err = base64.RawURLEncoding.Strict().DecodeString(body)
	// The decoder skips line breaks. A text has one spelling.
	if err != nil || base64.RawURLEncoding.EncodedLen(len(sealed)) != len(body) {
		return "", nil, ErrMalformed
	}
	return id, sealed, nil
}

// isID reports whether s is the id of a key: eight hexadecimal digits.
func isID(s string) bool {
	return len(s) == 8 && strings.Trim(s, "0123456789abcdef") == ""
}
