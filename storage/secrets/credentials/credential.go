package credentials

import (
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// Limits of a credential.
const (
	// MaxName is the longest name in bytes.
	MaxName = 128
	// MaxValue is the longest value in bytes: a private key with its chain fits.
	MaxValue = 64 << 10
)

// A Credential is what the world sees of one: everything but its value.
type Credential struct {
	// Name is unique in the tenant and stays.
	Name   string `json:"name"`
	Tenant string `json:"-"`
	// Kind is the host's word for what it is: "api_key", "oauth_refresh_token".
	Kind string `json:"kind"`
	// KeyID is the id of the key that the value is sealed under.
	KeyID string `json:"key_id"`
	// Revision counts the values, from 1. A rotation names the one it was made for.
	Revision int64 `json:"revision"`
	// CreatedAt is the time of the first value, UpdatedAt that of the current one.
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// LastUsedAt is when the value was last opened for a use, exact to
	// [Config.TouchEvery]; zero for never.
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
}

// Ref returns the reference to the credential, which is what others keep.
func (c Credential) Ref() string { return Ref(c.Name) }

// scheme is what references start with.
const scheme = "secret://"

// Ref returns the reference to the credential with a name: "secret://" and the name.
func Ref(name string) string { return scheme + name }

// ParseRef returns the name in a reference, or a *storage.InvalidError at pointer for what
// is none. The error does not quote it: people put secrets where references belong.
func ParseRef(pointer, ref string) (string, error) {
	name, ok := strings.CutPrefix(ref, scheme)
	if !ok {
		return "", storage.Invalid(pointer, `must be a reference such as "secret://name"`)
	}
	return name, checkName(pointer, name)
}

// checkName reports what makes s unfit as a name: a reference has one spelling, in URLs
// and everywhere else.
func checkName(pointer, s string) error {
	switch {
	case s == "":
		return storage.Invalid(pointer, "must not be empty")
	case len(s) > MaxName:
		return storage.Invalid(pointer, "must be at most 128 bytes long")
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("._-/", c) >= 0) {
			return storage.Invalid(pointer, "must be of a-z, 0-9 and . _ - /")
		}
	}
	return nil
}

// Input is what a caller says of a new credential.
type Input struct {
	// Name is of a-z, 0-9 and . _ - /, at most [MaxName] bytes, and begins with no dot.
	Name string
	Kind string
}

// check reports what is wrong with the input and a value as a *storage.InvalidError.
func (in Input) check(value []byte) error {
	if err := checkName("/name", in.Name); err != nil {
		return err
	}
	if err := storage.CheckID("/kind", in.Kind); err != nil {
		return err
	}
	return checkValue(value)
}

func checkValue(value []byte) error {
	switch {
	case len(value) == 0:
		return storage.Invalid("/value", "must not be empty")
	case len(value) > MaxValue:
		return storage.Invalid("/value", "must be at most 64 KiB long")
	}
	return nil
}
