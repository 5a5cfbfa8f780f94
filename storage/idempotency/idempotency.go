package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/lumelle/adminkit/storage"
)

// MaxBody is the longest answer that is kept, in bytes.
const MaxBody = 1 << 20

// ErrMismatch reports that the key was used before for a request with another
// fingerprint. Over HTTP that is 409, and the client has to choose a new key.
var ErrMismatch = errors.New("the idempotency key was used for another request")

// A Record is the answer of one request.
type Record struct {
	Tenant string
	Actor  string // who sent the request, as the host names people and programs
	Key    string // chosen by the client

	// Fingerprint tells what was asked; see [Fingerprint].
	Fingerprint [32]byte

	// Status, Header and Body are the answer as it was given. An empty header and an
	// empty body are nil.
	Status int
	Header map[string]string
	Body   []byte

	// CreatedAt is the time of the first request, in UTC and microseconds.
	CreatedAt time.Time
}

// A Store keeps records. All backends of the kit are one.
//
// Tenants, actors, keys, headers and bodies are kept byte for byte. What a method is given
// stays the caller's to change, and so does what it returns. What was written in a
// transaction, or in a savepoint, goes with it where that is rolled back.
type Store interface {
	// Begin claims the key in the transaction of ctx and returns nil, or returns the
	// record of the request that finished under it before. Where another transaction
	// holds the key, it waits for its end, at the longest until ctx is done.
	//
	// Errors of its own: [ErrMismatch], whether or not the other request finished;
	// storage.ErrNoTx where ctx carries no transaction; storage.ErrConflict where the key
	// was claimed and not finished, which takes a transaction that calls Begin twice or
	// commits without Finish; storage.ErrInvalid for a tenant, actor or key that is no
	// identifier.
	Begin(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*Record, error)

	// Finish stores the answer under a key that Begin claimed, in the same transaction or in
	// one that was committed without it. It answers storage.ErrNotFound where the key was not
	// claimed, storage.ErrConflict where it is finished, storage.ErrNoTx without a transaction
	// and storage.ErrInvalid for a status below 100 or above 599, a header that is not
	// UTF-8 and a body longer than [MaxBody].
	Finish(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error

	// Release frees a key that Begin claimed, as Finish finds it, so that the
	// transaction may commit what it recorded about a request that was refused while
	// the client repeats the request under its key. Its errors are those of Finish.
	Release(ctx context.Context, tenant, actor, key string) error

	// Delete removes up to limit records of a tenant that were created before a time, the
	// oldest first, and returns how many it removed; claims that were never finished are
	// among them. A limit of zero is storage.DefaultLimit, the highest is
	// storage.MaxLimit, and a negative one storage.ErrInvalid. It writes in the
	// transaction of ctx or in one of its own.
	Delete(ctx context.Context, tenant string, before time.Time, limit int) (int, error)

	// List returns the finished records of a tenant in the order of the bytes of actor
	// and key, for whoever seals their bodies again under another key. The limit is that
	// of Delete. A cursor that was changed, or made for another tenant, is
	// storage.ErrBadCursor. Inside a transaction it shows what that wrote.
	List(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[Record], error)

	// ReplaceBody stores fresh as the body of a finished record and reports true. Where
	// there is no such record, or its body is not old by now, it changes nothing and
	// reports false: of many who replace one body, one does. Both bodies are not empty. It
	// writes in the transaction of ctx or in one of its own. It answers storage.ErrInvalid
	// for a tenant, actor or key that is no identifier and where fresh is longer than
	// [MaxBody].
	ReplaceBody(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error)
}

// Next returns the cursor behind a record of [Store.List].
func (r Record) Next(tenant string) storage.Cursor {
	return storage.NewCursor(list(tenant), r.Actor, r.Key)
}

// Position returns the actor and the key that [Store.List] continues behind, both empty for
// its start, or storage.ErrBadCursor.
func Position(tenant string, after storage.Cursor) (actor, key string, err error) {
	k, err := after.Key(list(tenant), 2)
	if err != nil || k == nil {
		return "", "", err
	}
	return k[0], k[1], nil
}

func list(tenant string) string { return "idempotency.records\x00" + tenant }

// Fingerprint returns what distinguishes one request from another: its method, its
// target (path and query) and its body. Credentials and trace headers are left out
// on purpose, because a retry may carry new ones.
func Fingerprint(method, target string, body []byte) [32]byte {
	h := sha256.New()
	var n [8]byte
	// Lengths go first, so that no two requests run together to the same bytes.
	for _, part := range [][]byte{[]byte(method), []byte(target), body} {
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return [32]byte(h.Sum(nil))
}

// CheckKey reports what makes a tenant, an actor or a key unfit. Stores call it
// before they look for a record.
func CheckKey(tenant, actor, key string) error {
	if err := storage.CheckID("/tenant", tenant); err != nil {
		return err
	}
	if err := storage.CheckID("/actor", actor); err != nil {
		return err
	}
	return storage.CheckID("/key", key)
}

// CheckAnswer reports what makes an answer unfit to be kept. Stores call it before
// they write one.
func CheckAnswer(status int, header map[string]string, body []byte) error {
	switch {
	case status < 100 || status > 599:
		return storage.Invalid("/status", "must be between 100 and 599")
	case len(body) > MaxBody:
		return storage.Invalid("/body", "is too long to be kept")
	}
	for name, value := range header {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return storage.Invalid("/header", "must be UTF-8")
		}
	}
	return nil
}
