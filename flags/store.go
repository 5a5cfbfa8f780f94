package flags

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lumelle/adminkit/audit"
)

// A Kind is what kind of document a [Store] keeps.
type Kind string

// The kinds of documents.
const (
	KindFlag     Kind = "flag"
	KindAudience Kind = "audience"
)

// A Version is one immutable version of a document: a flag in all environments, or an
// audience. The newest version of a key is the current one.
type Version struct {
	Kind Kind
	Key  string
	// Revision counts the versions of a key from 1, through deletions too.
	Revision int64
	// Change is the place of the version among all changes of the tenant, counted from
	// 1 without gaps. The store gives it, in order of commit.
	Change int64
	// Deleted marks the version that ended the document; its Body is the last one.
	Deleted bool
	// Body is the document as canonical JSON (RFC 8785), and Hash its SHA-256.
	Body json.RawMessage
	Hash []byte
	// Audiences are the keys of the audiences that the document uses, sorted.
	Audiences []string
	// Action is what was done, Comment why, EventID the audit event of it.
	Action, Comment, EventID string
	// Author is who did it, At when.
	Author audit.Actor
	At     time.Time
	// CreatedAt is when the document was made, that is At of its first version, or of
	// the first one after it was deleted.
	CreatedAt time.Time
}

// A Store keeps flags and audiences with all their versions. Every method works in
// the transaction of ctx; a writing method opens one of its own where there is none.
// What another tenant owns is storage.ErrNotFound.
type Store interface {
	// Lock lets nobody else change documents of the tenant until the transaction of
	// ctx ends, and returns the tenant's last change, 0 where there was none.
	// Without a transaction it is storage.ErrNoTx.
	Lock(ctx context.Context, tenant string) (int64, error)
	// Save adds v as the current version of its key and returns its place among the
	// tenant's changes. storage.ErrConflict where v.Revision does not follow the
	// current one.
	Save(ctx context.Context, tenant string, v Version) (int64, error)
	// Get returns the current version of a key, storage.ErrNotFound where there never
	// was one. A deleted document is returned as such.
	Get(ctx context.Context, tenant string, kind Kind, key string) (Version, error)
	// List returns the current versions of what is not deleted, in order of key.
	List(ctx context.Context, tenant string, q ListQuery) ([]Version, error)
	// Count returns how many documents of a kind there are, not counting deleted ones.
	// After Lock nobody else changes that until the transaction of ctx ends.
	Count(ctx context.Context, tenant string, kind Kind) (int64, error)
	// Versions returns the versions of a key, the newest first, those with a revision
	// below before (0 for all), at most limit.
	Versions(ctx context.Context, tenant string, kind Kind, key string, before int64, limit int) ([]Version, error)
	// Users returns the current documents, not deleted, that use an audience, in order
	// of kind and key, at most limit.
	Users(ctx context.Context, tenant, audience string, limit int) ([]Version, error)
	// Changes returns the current version of each key that changed after a change, in
	// order of Change, deletions included, at most limit. It is how readers catch up:
	// a change that is visible is never preceded by one that becomes visible later.
	Changes(ctx context.Context, tenant string, after int64, limit int) ([]Version, error)
	// Head returns the tenant's last change, 0 where there was none. It is cheap.
	Head(ctx context.Context, tenant string) (int64, error)
	// Use notes that an override was used, and reports true for the first time of an
	// override, a subject and a day.
	Use(ctx context.Context, tenant string, u OverrideUse) (bool, error)
}

// A ListQuery selects documents.
type ListQuery struct {
	Kind Kind
	// After is the key behind which the list continues.
	After string
	// Limit is positive.
	Limit int
}

// An OverrideUse is the use of a QA override by a subject on a day.
type OverrideUse struct {
	Flag, Environment, Override string
	// Subject is the subject's targeting key.
	Subject string
	// Day is midnight UTC.
	Day time.Time
}

// Topic is the topic under which a change of flags is signalled to other processes.
const Topic = "flags"
