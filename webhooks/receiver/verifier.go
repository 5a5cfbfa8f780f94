package receiver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/webhooks/signing"
)

// Why a message was refused. Headers are looked at first, then the time, then the
// signature.
var (
	// ErrHeader reports a message without one of its three headers, or with one twice.
	ErrHeader = errors.New("receiver: a webhook header is missing or repeated")
	// ErrTimestamp reports a time that is no number, too old or too far ahead.
	ErrTimestamp = errors.New("receiver: the timestamp is not recent")
	// ErrSignature reports that no signature fits.
	ErrSignature = errors.New("receiver: no signature matches")
	// ErrTooLarge reports a body beyond [Config.MaxBody].
	ErrTooLarge = errors.New("receiver: the body is too large")
)

// errBody reports a body that could not be read.
var errBody = errors.New("receiver: the body could not be read")

const (
	// DefaultTolerance is how far the time of a message may lie from ours.
	DefaultTolerance = 5 * time.Minute
	// DefaultMaxBody is the longest body in bytes.
	DefaultMaxBody = 1 << 20
)

// Config adjusts a [Verifier]. Its zero value holds the defaults.
type Config struct {
	// Tolerance is how far the time of a message may lie from ours, in both
	// directions; a distance of exactly that is accepted. Zero is [DefaultTolerance].
	Tolerance time.Duration
	// MaxBody is the longest body that [Verifier.Read] takes, in bytes; zero is
	// [DefaultMaxBody].
	MaxBody int64
	// Memory has [Verifier.Read] refuse attempts that were seen before; nil accepts
	// them, and the handler is left to recognise the message by its id.
	Memory Memory
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// A Verifier checks messages against one or more secrets. It is immutable and safe for
// concurrent use.
type Verifier struct {
	keys []signing.Key
	cfg  Config
}

// NewVerifier makes a Verifier that accepts what was signed with any of secrets:
// "whsec_..." and "whpk_..." in any mix. One that cannot be read is signing.ErrKey, and
// no secret at all is an error: it would refuse everything.
func NewVerifier(secrets []string, cfg Config) (*Verifier, error) {
	if len(secrets) == 0 {
		return nil, errors.New("receiver: no secret")
	}
	if cfg.Tolerance < 0 || cfg.MaxBody < 0 {
		return nil, errors.New("receiver: a limit is negative")
	}
	if cfg.Tolerance == 0 {
		cfg.Tolerance = DefaultTolerance
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	v := &Verifier{cfg: cfg}
	for i, s := range secrets {
		key, err := signing.ParseKey(s)
		if err != nil {
			return nil, fmt.Errorf("receiver: secret %d: %w", i, err)
		}
		v.keys = append(v.keys, key)
	}
	return v, nil
}

// Verify checks the headers of a message against its body, byte for byte as it was
// received. The errors are [ErrHeader], [ErrTimestamp] and [ErrSignature].
func (v *Verifier) Verify(h http.Header, body []byte) error {
	id, ok1 := single(h, signing.HeaderID)
	timestamp, ok2 := single(h, signing.HeaderTimestamp)
	signature, ok3 := single(h, signing.HeaderSignature)
	if !ok1 || !ok2 || !ok3 || id == "" || signature == "" {
		return ErrHeader
	}
	at, ok := seconds(timestamp)
	if !ok {
		return ErrTimestamp
	}
	if distance := v.cfg.Now().Truncate(time.Second).Sub(time.Unix(at, 0)).Abs(); distance > v.cfg.Tolerance {
		return ErrTimestamp
	}
	if !signing.Match(v.keys, id, timestamp, body, signature) {
		return ErrSignature
	}
	return nil
}

// A Message is a verified one.
type Message struct {
	// ID is the same each time the message comes.
	ID string
	// At is when this attempt was made, in whole seconds.
	At time.Time
	// Body is what was signed.
	Body []byte
}

// Read reads and verifies the message of a request. Its errors are those of Verify,
// [ErrReplayed], [ErrTooLarge], and errors of reading and of the [Memory].
func (v *Verifier) Read(w http.ResponseWriter, r *http.Request) (Message, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, v.cfg.MaxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return Message{}, ErrTooLarge
		}
		return Message{}, fmt.Errorf("%w: %w", errBody, err)
	}
	if err := v.Verify(r.Header, body); err != nil {
		return Message{}, err
	}
	timestamp := r.Header.Get(signing.HeaderTimestamp)
	at, _ := seconds(timestamp) // Verify has read it
	m := Message{ID: r.Header.Get(signing.HeaderID), At: time.Unix(at, 0).UTC(), Body: body}
	if err := v.remember(r.Context(), m, timestamp); err != nil {
		return Message{}, err
	}
	return m, nil
}

// Handler returns a handler that hands verified messages to next and answers the
// others itself: 405 for another method, 413 for too large a body, 400 for headers
// that are missing or a body that breaks off, 401 for a wrong time or signature and
// for a replay, 503 where the [Memory] failed.
func (v *Verifier) Handler(next func(w http.ResponseWriter, r *http.Request, m Message)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		m, err := v.Read(w, r)
		switch {
		case err == nil:
			next(w, r, m)
		case errors.Is(err, ErrTooLarge):
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case errors.Is(err, ErrTimestamp), errors.Is(err, ErrSignature), errors.Is(err, ErrReplayed):
			w.WriteHeader(http.StatusUnauthorized)
		case errors.Is(err, ErrHeader), errors.Is(err, errBody):
			w.WriteHeader(http.StatusBadRequest)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}

// single returns a header that must stand exactly once.
func single(h http.Header, name string) (string, bool) {
	values := h.Values(name)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

// seconds reads a timestamp: decimal digits and nothing else.
func seconds(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
