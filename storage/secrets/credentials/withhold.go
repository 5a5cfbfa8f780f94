package credentials

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// ErrWithheld stands in place of an error whose text holds the value of a credential.
var ErrWithheld = errors.New("credentials: the error of the use is withheld, because it holds the value")

// minWithheld is the shortest value that is looked for: shorter ones stand in any text.
const minWithheld = 4

// withhold returns err, or ErrWithheld where its text holds value: as it is, quoted, or in
// base64, hexadecimal or URL escapes.
func withhold(err error, value []byte) error {
	if err == nil || len(value) < minWithheld {
		return err
	}
	text, v := err.Error(), string(value)
	quoted := strconv.Quote(v)
	for _, form := range []string{
		v, quoted[1 : len(quoted)-1],
		base64.RawStdEncoding.EncodeToString(value), base64.RawURLEncoding.EncodeToString(value),
		url.QueryEscape(v), url.PathEscape(v),
	} {
		if strings.Contains(text, form) {
			return ErrWithheld
		}
	}
	if strings.Contains(strings.ToLower(text), hex.EncodeToString(value)) {
		return ErrWithheld
	}
	return err
}
