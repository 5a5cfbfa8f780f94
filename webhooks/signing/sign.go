package signing

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed message.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// Errors of [Sign].
var (
	// ErrID reports a message id that cannot be signed: empty, with a full stop,
	// which would make the signed content ambiguous, or not visible ASCII, which no
	// header carries safely.
	ErrID = errors.New("signing: the message id must be visible ASCII without a full stop")
	// ErrTime reports a time before 1970.
	ErrTime = errors.New("signing: the time lies before 1970")
	// ErrNoKey reports that no key was given, or one that cannot sign.
	ErrNoKey = errors.New("signing: no key that can sign")
)

// maxID bounds message ids. Ours are 36 bytes long.
const maxID = 255

// Sign returns the value of the webhook-signature header of one attempt: one signature
// a key, in the order of keys, separated by one space. body is what is sent, byte for
// byte; at is the time of the attempt, cut to seconds.
//
// The errors are [ErrID], [ErrTime] and [ErrNoKey].
func Sign(keys []Key, id string, at time.Time, body []byte) (string, error) {
	if !validID(id) {
		return "", ErrID
	}
	if at.Unix() < 0 {
		return "", ErrTime
	}
	if len(keys) == 0 {
		return "", ErrNoKey
	}
	signed := content(id, strconv.FormatInt(at.Unix(), 10), body)
	var b strings.Builder
	for i, k := range keys {
		if !k.CanSign() {
			return "", ErrNoKey
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(k.Scheme())
		b.WriteByte(',')
		b.WriteString(base64.StdEncoding.EncodeToString(k.sign(signed)))
	}
	return b.String(), nil
}

// Match reports whether one of the signatures in header was made with one of keys over
// id, timestamp and body. Signatures of unknown schemes and entries that cannot be
// read are skipped. Comparisons take constant time.
//
// It checks the signature only: whether the timestamp is recent is the caller's
// question.
func Match(keys []Key, id, timestamp string, body []byte, header string) bool {
	signed := content(id, timestamp, body)
	for entry := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ' ' }) {
		scheme, text, ok := strings.Cut(entry, ",")
		if !ok || scheme != V1 && scheme != V1a {
			continue
		}
		signature, ok := decode(text)
		if !ok {
			continue
		}
		for _, k := range keys {
			if k.Scheme() == scheme && k.verify(signed, signature) {
				return true
			}
		}
	}
	return false
}

func (k Key) sign(signed []byte) []byte {
	if k.private != nil {
		return ed25519.Sign(k.private, signed)
	}
	return k.mac(signed)
}

func (k Key) verify(signed, signature []byte) bool {
	if k.public != nil {
		return ed25519.Verify(k.public, signed, signature)
	}
	return hmac.Equal(k.mac(signed), signature)
}

func (k Key) mac(signed []byte) []byte {
	m := hmac.New(sha256.New, k.secret)
	m.Write(signed)
	return m.Sum(nil)
}

// content returns the bytes that are signed.
func content(id, timestamp string, body []byte) []byte {
	b := make([]byte, 0, len(id)+len(timestamp)+len(body)+2)
	b = append(b, id...)
	b = append(b, '.')
	b = append(b, timestamp...)
	b = append(b, '.')
	return append(b, body...)
}

func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '.' {
			return false
		}
	}
	return true
}
