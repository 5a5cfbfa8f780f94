package credentials

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
)

// A Record is a credential as it is stored: with its value, sealed.
type Record struct {
	Credential
	Sealed []byte
}

// A Store keeps credentials. All backends of the kit are one. Every method works in the
// transaction of ctx; a writing method opens one of its own where there is none. What
// another tenant owns is storage.ErrNotFound. Package credentialstest holds implementations
// to this.
type Store interface {
	// Insert adds a record. storage.ErrConflict where its name is taken; else a
	// *storage.LimitError where the tenant would have more than most records that Count
	// counts. The transaction of ctx stays usable. Insertions that are made at the same
	// time do not pass most together; storage.Unlimited leaves them alone.
	Insert(ctx context.Context, tenant string, r Record, most int64) error
	// Count returns how many records the tenant has whose names do not begin with a dot.
	Count(ctx context.Context, tenant string) (int64, error)
	// Update replaces the kind, the sealed value, KeyID, Revision and UpdatedAt of the
	// record with r.Name whose revision is revision. storage.ErrConflict where it has
	// another, storage.ErrNotFound where there is none.
	Update(ctx context.Context, tenant string, r Record, revision int64) error
	// Delete removes a record. Errors as Update.
	Delete(ctx context.Context, tenant, name string, revision int64) error
	// Get returns one record.
	Get(ctx context.Context, tenant, name string) (Record, error)
	// List returns records by name, in the order of bytes.
	List(ctx context.Context, tenant string, q Query) (storage.Page[Record], error)
	// Touch sets LastUsedAt to at where it is earlier, and leaves the revision alone. It
	// does nothing where the record is gone.
	Touch(ctx context.Context, tenant, name string, at time.Time) error
	// ReplaceSealed stores fresh and its key id in place of r.Sealed, leaves everything
	// else alone and reports true. Where the record is gone, or sealed otherwise by now,
	// it changes nothing and reports false.
	ReplaceSealed(ctx context.Context, tenant string, r Record, fresh []byte, keyID string) (bool, error)
}

// Query chooses credentials.
type Query struct {
	// Kind chooses those of one kind; empty chooses all.
	Kind  string
	After storage.Cursor
	Limit int
}

// Position returns the name behind which the list continues, empty for its start, or
// storage.ErrBadCursor.
func (q Query) Position(tenant string) (string, error) {
	key, err := q.After.Key(q.list(tenant), 1)
	if err != nil || key == nil {
		return "", err
	}
	return key[0], nil
}

// Next returns the cursor behind last.
func (q Query) Next(tenant string, last Record) storage.Cursor {
	return storage.NewCursor(q.list(tenant), last.Name)
}

func (q Query) list(tenant string) string { return "credentials\x00" + tenant + "\x00" + q.Kind }

// SealedValues shows the values of a store to whoever seals them again under another key.
func SealedValues(store Store) sealed.Source { return sealedValues{store} }

type sealedValues struct{ store Store }

func (s sealedValues) List(ctx context.Context, tenant string, after storage.Cursor, limit int) (page storage.Page[sealed.Value], err error) {
	records, err := s.store.List(ctx, tenant, Query{After: after, Limit: limit})
	page.Next = records.Next
	for _, r := range records.Items {
		page.Items = append(page.Items, sealed.Value{Purpose: sealPurpose, ID: r.Name, Row: []string{r.Name}, Bytes: r.Sealed})
	}
	return page, err
}

func (s sealedValues) Replace(ctx context.Context, tenant string, old sealed.Value, fresh []byte) (bool, error) {
	keyID, err := sealed.KeyID(fresh)
	if err != nil {
		return false, err
	}
	return s.store.ReplaceSealed(ctx, tenant, Record{
		Credential: Credential{Name: old.Row[0]}, Sealed: old.Bytes,
	}, fresh, keyID)
}
