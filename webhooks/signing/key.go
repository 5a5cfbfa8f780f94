package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
)

// The schemes of signatures.
const (
	// V1 is HMAC-SHA256 with a shared secret.
	V1 = "v1"
	// V1a is Ed25519 with a key pair.
	V1a = "v1a"
)

// The prefixes that tell serialised keys apart.
const (
	secretPrefix  = "whsec_"
	privatePrefix = "whsk_"
	publicPrefix  = "whpk_"
)

// The length of a shared secret in bytes.
const (
	minSecret = 24
	maxSecret = 64
	newSecret = 32
)

// ErrKey reports a serialised key that is none. It never quotes the text.
var ErrKey = errors.New("signing: not a key: want whsec_ with 24 to 64 bytes, whsk_ or whpk_ in padded base64")

// A Key signs or verifies. The zero Key does neither. It prints without its secret.
type Key struct {
	secret  []byte
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

// NewSecret returns a fresh shared secret in its serialised form: "whsec_" and 32
// random bytes in base64.
func NewSecret() string {
	b := make([]byte, newSecret)
	rand.Read(b) // never fails since Go 1.24
	return secretPrefix + base64.StdEncoding.EncodeToString(b)
}

// ParseKey reads a serialised key. Text without a prefix is read as a shared secret,
// as older receivers hold it. Everything ill-formed is [ErrKey]: wrong length, base64
// that is not padded or not standard, blanks around it, a public half that does not
// belong to its seed.
func ParseKey(s string) (Key, error) {
	switch {
	case strings.HasPrefix(s, privatePrefix):
		return parsePrivate(s[len(privatePrefix):])
	case strings.HasPrefix(s, publicPrefix):
		b, ok := decode(s[len(publicPrefix):])
		if !ok || len(b) != ed25519.PublicKeySize {
			return Key{}, ErrKey
		}
		return Key{public: b}, nil
	}
	b, ok := decode(strings.TrimPrefix(s, secretPrefix))
	if !ok || len(b) < minSecret || len(b) > maxSecret {
		return Key{}, ErrKey
	}
	return Key{secret: b}, nil
}

func parsePrivate(s string) (Key, error) {
	b, ok := decode(s)
	if !ok || len(b) != ed25519.SeedSize && len(b) != ed25519.PrivateKeySize {
		return Key{}, ErrKey
	}
	private := ed25519.NewKeyFromSeed(b[:ed25519.SeedSize])
	// A foreign public half would make every signature worthless, and some of them
	// reveal the private key.
	if len(b) == ed25519.PrivateKeySize && subtle.ConstantTimeCompare(private, b) == 0 {
		return Key{}, ErrKey
	}
	return Key{private: private, public: private.Public().(ed25519.PublicKey)}, nil
}

// decode reads standard padded base64 and nothing looser: the decoder of the standard
// library skips line ends.
func decode(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil
}

// Scheme returns the scheme of the key's signatures, empty for the zero Key.
func (k Key) Scheme() string {
	switch {
	case k.secret != nil:
		return V1
	case k.public != nil:
		return V1a
	}
	return ""
}

// CanSign reports whether the key can sign; a public key only verifies.
func (k Key) CanSign() bool { return k.secret != nil || k.private != nil }

// String names the kind of key and nothing of its content.
func (k Key) String() string { return "signing.Key(" + k.Scheme() + ")" }

// GoString is String, so that %#v reveals nothing either.
func (k Key) GoString() string { return k.String() }
