package authz

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A Row is one line of a tenant's policy: a rule, or the assignment of a role. What
// its values mean is the engine's affair.
type Row struct {
	// ID names the row in decisions and removals. It is unique in the tenant.
	ID string `json:"id"`
	// Kind is the sort of row: casbin's "p", "g", "g2".
	Kind string `json:"kind"`
	// Values are the columns.
	Values []string `json:"values"`
}

// Digest returns what two rows of the same content have in common.
func (r Row) Digest() [sha256.Size]byte {
	b := appendField(nil, r.Kind)
	for _, v := range r.Values {
		b = appendField(b, v)
	}
	return sha256.Sum256(b)
}

func appendField(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// A Head is the position that a tenant's policy has reached. The zero Head is the
// policy that nobody wrote yet.
type Head struct {
	// Sequence counts the changes.
	Sequence int64
	// ChangeID and At are the id and the time of the last change.
	ChangeID string
	At       time.Time
}

// Same reports whether h and other are the same policy. It takes all of a head: where
// a transaction was rolled back its Sequence is taken again, and so is its ChangeID
// where the change is made anew, perhaps with other rows.
func (h Head) Same(other Head) bool {
	return h.Sequence == other.Sequence && h.ChangeID == other.ChangeID && h.At.Equal(other.At)
}

// AnySequence is the Expected of a change that replaces whatever there is.
const AnySequence = -1

// A Change adds and removes rows of one policy, all or none.
type Change struct {
	// ID makes the change repeatable: the change that the head names already is a
	// no-op.
	ID string
	At time.Time
	// Expected is the sequence that the change was made for, [AnySequence] for any.
	Expected int64
	// Remove are ids of rows; they are removed first.
	Remove []string
	Add    []Row
}

// A Store keeps the policies of all tenants. Authors of backends implement it.
//
// Every method reads and writes in the transaction of ctx; Change without one opens
// its own. Texts are kept as they are, times to the microsecond and in UTC. What is given
// and what is answered are copies. Package authztest has the rules of a Store.
type Store interface {
	// Head returns the position of the tenant's policy.
	Head(ctx context.Context, tenant string) (Head, error)

	// Rows lists the rows in the order of their addition: by the change that added
	// them, and within it as they stood in Change.Add. The limit is that of
	// storage.Limit. A cursor of another tenant's rows is storage.ErrBadCursor.
	Rows(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[Row], error)

	// Change applies c and moves the head by one in the same transaction. It returns
	// the new head, or the present one where that has c.ID already.
	//
	// Errors: storage.ErrConflict where the head is not at c.Expected, an id is
	// taken, or a row of the same content is there; storage.ErrNotFound where a row
	// to remove is not there. Then nothing changed, and a transaction of ctx goes on
	// without the change.
	Change(ctx context.Context, tenant string, c Change) (Head, error)
}

// rowList names the list of a tenant's rows in its cursors.
func rowList(tenant string) string { return "authz.rows\x00" + tenant }

// RowCursor continues the list of a tenant's rows behind the one at a position: the change
// that added it and its place in that change. Authors of backends use it.
func RowCursor(tenant string, sequence int64, position int) storage.Cursor {
	return storage.NewCursor(rowList(tenant), strconv.FormatInt(sequence, 10), strconv.Itoa(position))
}

// RowPosition opens a cursor that [RowCursor] made for the tenant; any other is
// storage.ErrBadCursor. The empty cursor is a position before all rows.
func RowPosition(tenant string, c storage.Cursor) (sequence int64, position int, err error) {
	key, err := c.Key(rowList(tenant), 2)
	if err != nil || key == nil {
		return 0, 0, err
	}
	sequence, err = strconv.ParseInt(key[0], 10, 64)
	if err == nil {
		position, err = strconv.Atoi(key[1])
	}
	if err != nil {
		return 0, 0, storage.ErrBadCursor
	}
	return sequence, position, nil
}
