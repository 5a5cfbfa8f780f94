package flags

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// A Provenance says where a version of a flag or an audience comes from.
type Provenance struct {
	// Revision counts the versions of a key from 1, through deletions too.
	Revision int64
	// Hash is the SHA-256 of the definition as canonical JSON, in hexadecimal.
	Hash string
	// Action is what was done, Comment why, EventID the audit event of it.
	Action, Comment, EventID string
	// Author is who did it.
	Author audit.Actor
	// CreatedAt is when the flag or audience was made, UpdatedAt when this version was.
	CreatedAt, UpdatedAt time.Time
	// Deleted marks the version that ended it; the definition is the last one.
	Deleted bool
}

func provenanceOf(v Version) Provenance {
	return Provenance{
		Revision: v.Revision, Hash: hex.EncodeToString(v.Hash), Action: v.Action, Comment: v.Comment, EventID: v.EventID,
		Author: v.Author, CreatedAt: v.CreatedAt, UpdatedAt: v.At, Deleted: v.Deleted,
	}
}

// A FlagVersion is a flag at one version.
type FlagVersion struct {
	Flag
	Provenance
}

// An AudienceVersion is an audience at one version.
type AudienceVersion struct {
	Audience targeting.Audience
	Provenance
}

// ReadFlag returns the flag that a version holds.
func ReadFlag(v Version) (FlagVersion, error) {
	f := FlagVersion{Provenance: provenanceOf(v)}
	if err := json.Unmarshal(v.Body, &f.Flag); err != nil {
		return f, fmt.Errorf("flags: read flag %q at revision %d: %w", v.Key, v.Revision, err)
	}
	return f, nil
}

// ReadAudience returns the audience that a version holds.
func ReadAudience(v Version) (AudienceVersion, error) {
	a := AudienceVersion{Provenance: provenanceOf(v)}
	if err := json.Unmarshal(v.Body, &a.Audience); err != nil {
		return a, fmt.Errorf("flags: read audience %q at revision %d: %w", v.Key, v.Revision, err)
	}
	return a, nil
}

// canonicalJSON returns the canonical JSON of a definition.
func canonicalJSON(v any) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, storage.Invalid("", "cannot be written as JSON")
	}
	c, err := jcs.Canonicalize(raw)
	if bad, ok := errors.AsType[*jcs.Error](err); ok {
		return nil, storage.Invalid(bad.Pointer, bad.Message)
	}
	return c, err
}

func hashOf(body []byte) []byte {
	h := sha256.Sum256(body)
	return h[:]
}

// A VersionQuery chooses versions of one flag.
type VersionQuery struct {
	After storage.Cursor
	Limit int
}

// Versions returns the versions of a flag, the newest first, those of a deleted flag
// too. A flag that never was is storage.ErrNotFound.
func (s *Service) Versions(ctx context.Context, tenant, key string, q VersionQuery) (storage.Page[FlagVersion], error) {
	return versions(ctx, s.store, tenant, KindFlag, key, q, ReadFlag)
}

// Version returns a flag at one of its revisions, storage.ErrNotFound where it has no
// such one.
func (s *Service) Version(ctx context.Context, tenant, key string, revision int64) (FlagVersion, error) {
	v, err := s.version(ctx, tenant, key, revision)
	if err != nil {
		return FlagVersion{}, err
	}
	return ReadFlag(v)
}

func (s *Service) version(ctx context.Context, tenant, key string, revision int64) (Version, error) {
	if revision < 1 || revision == 1<<63-1 {
		return Version{}, storage.ErrNotFound
	}
	found, err := s.store.Versions(ctx, tenant, KindFlag, key, revision+1, 1)
	if err != nil {
		return Version{}, err
	}
	if len(found) == 0 || found[0].Revision != revision {
		return Version{}, storage.ErrNotFound
	}
	return found[0], nil
}

// Diff lists what differs between two revisions of a flag, in order of the paths.
// A version that ended the flag holds nothing.
func (s *Service) Diff(ctx context.Context, tenant, key string, from, to int64) ([]jcs.Difference, error) {
	before, err := s.version(ctx, tenant, key, from)
	if err != nil {
		return nil, err
	}
	after, err := s.version(ctx, tenant, key, to)
	if err != nil {
		return nil, err
	}
	return jcs.Diff(content(before), content(after)), nil
}

// content is the definition that a version holds, nil where it ended it.
func content(v Version) json.RawMessage {
	if v.Deleted {
		return nil
	}
	return v.Body
}

func versions[T any](ctx context.Context, s Store, tenant string, kind Kind, key string, q VersionQuery, read func(Version) (T, error)) (storage.Page[T], error) {
	list := "flags.versions\x00" + tenant + "\x00" + string(kind) + "\x00" + key
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return storage.Page[T]{}, err
	}
	at, err := q.After.Key(list, 1)
	if err != nil {
		return storage.Page[T]{}, err
	}
	before := int64(0)
	if at != nil {
		if before, err = strconv.ParseInt(at[0], 10, 64); err != nil {
			return storage.Page[T]{}, storage.ErrBadCursor
		}
	}
	found, err := s.Versions(ctx, tenant, kind, key, before, limit+1)
	if err == nil && len(found) == 0 && at == nil {
		err = storage.ErrNotFound
	}
	if err != nil {
		return storage.Page[T]{}, err
	}
	return pageOf(found, limit, read, func(last Version) storage.Cursor {
		return storage.NewCursor(list, strconv.FormatInt(last.Revision, 10))
	})
}

// pageOf makes a page of at most limit out of what was found, which is one more where
// the list goes on.
func pageOf[T any](found []Version, limit int, read func(Version) (T, error), cursor func(last Version) storage.Cursor) (page storage.Page[T], err error) {
	if len(found) > limit {
		found = found[:limit]
		page.Next = cursor(found[limit-1])
	}
	page.Items = make([]T, len(found))
	for i, v := range found {
		if page.Items[i], err = read(v); err != nil {
			return storage.Page[T]{}, err
		}
	}
	return page, nil
}
