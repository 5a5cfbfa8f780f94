package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/lumelle/adminkit/storage"
)

// A Backend is one that gives hosts its connection.
type Backend interface {
	storage.Transactor
	// Conn returns the connection of the transaction that ctx carries.
	Conn(ctx context.Context) (storage.Conn, error)
	// Reader returns the connection of the transaction that ctx carries, else one for
	// single reading statements.
	Reader(ctx context.Context) (storage.Conn, error)
}

// Create makes the table where it is not there yet.
func Create(ctx context.Context, b Backend) error {
	return b.InTx(ctx, func(ctx context.Context) error {
		return exec(ctx, b, `CREATE TABLE IF NOT EXISTS ledger (
			writer TEXT NOT NULL, seq BIGINT NOT NULL, part BIGINT NOT NULL, chain TEXT NOT NULL, body TEXT NOT NULL,
			PRIMARY KEY (writer, seq, part))`)
	})
}

func exec(ctx context.Context, b Backend, query string, args ...any) error {
	c, err := b.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, query, args...)
	return err
}

// A Writer makes the entries of one name. It is used from one goroutine.
type Writer struct {
	b     Backend
	name  string
	body  string
	seq   int64  // of the last acknowledged entry
	chain string // its chain
}

// NewWriter returns a Writer of a name that no other has had; it holds no space.
func NewWriter(b Backend, name string) *Writer { return &Writer{b: b, name: name} }

// Pad has each row carry so many bytes more, to fill a disk sooner.
func (w *Writer) Pad(bytes int) { w.body = strings.Repeat("x", bytes) }

// Write makes the next entry and returns the line that acknowledges it. After an error
// it makes the same entry, which is there once however often that takes.
func (w *Writer) Write(ctx context.Context) (line string, err error) {
	seq, chain := w.seq+1, link(w.chain, w.name, w.seq+1)
	err = w.b.InTx(ctx, func(ctx context.Context) error {
		if err := w.insert(ctx, seq, 1, chain); err != nil {
			return err
		}
		return w.b.InTx(ctx, func(ctx context.Context) error { return w.insert(ctx, seq, 2, chain) })
	})
	if err != nil {
		return "", err
	}
	w.seq, w.chain = seq, chain
	return acknowledgement(w.name, seq), nil
}

func acknowledgement(writer string, seq int64) string {
	return writer + " " + strconv.FormatInt(seq, 10)
}

func (w *Writer) insert(ctx context.Context, seq int64, part int, chain string) error {
	return exec(ctx, w.b, `INSERT INTO ledger (writer, seq, part, chain, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		w.name, seq, part, chain, w.body)
}

// link chains an entry to the one before it.
func link(before, writer string, seq int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", before, writer, seq))
	return hex.EncodeToString(sum[:16])
}

// Run has several new writers make entries at the same time, until ctx ends or one of
// them fails, and says the line of each entry once it is acknowledged.
func Run(ctx context.Context, b Backend, writers int, say func(line string)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range writers {
		w := NewWriter(b, storage.NewID())
		wg.Go(func() {
			for ctx.Err() == nil {
				line, err := w.Write(context.WithoutCancel(ctx)) // to its end, so that its answer is known
				if err != nil {
					cancel(err)
					return
				}
				say(line)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// A Count is what a Check found.
type Count struct {
	// Acknowledged and Stored are numbers of entries. Those that were stored and not
	// acknowledged belong to commits whose answer nobody heard.
	Acknowledged, Stored int
	// Lost are entries that were acknowledged and are not stored whole, Halved entries
	// of which a part is missing, Broken entries that follow a gap or do not fit the one
	// before. In a sound ledger all three are 0.
	Lost, Halved, Broken int
}

// Err returns an error where something is lost, halved or broken.
func (c Count) Err() error {
	if c.Lost == 0 && c.Halved == 0 && c.Broken == 0 {
		return nil
	}
	return fmt.Errorf("ledger: of %d acknowledged entries %d are lost; of %d stored ones %d are halved and %d broken",
		c.Acknowledged, c.Lost, c.Stored, c.Halved, c.Broken)
}

// Check compares what is stored with the acknowledgements. Its own error is that of the
// store; what is wrong with the ledger is in the Count, see [Count.Err].
func Check(ctx context.Context, b Backend, lines []string) (Count, error) {
	got := Count{Acknowledged: len(lines)}
	c, err := b.Reader(ctx)
	if err != nil {
		return got, err
	}
	// MIN and MAX because a halved entry must not hide the half that is there.
	rows, err := c.Query(ctx, `SELECT writer, seq, COUNT(*), MIN(chain), MAX(chain) FROM ledger GROUP BY writer, seq ORDER BY writer, seq`)
	if err != nil {
		return got, err
	}
	defer rows.Close()
	whole := map[string]bool{} // by the line that acknowledges it
	var writer, before string
	var last int64
	for rows.Next() {
		var name, low, high string
		var seq, parts int64
		if err := rows.Scan(&name, &seq, &parts, &low, &high); err != nil {
			return got, err
		}
		if name != writer {
			writer, before, last = name, "", 0
		}
		got.Stored++
		whole[acknowledgement(name, seq)] = parts == 2
		switch want := link(before, name, seq); {
		case parts != 2:
			got.Halved++
		case seq != last+1, low != want, high != want:
			got.Broken++
		}
		before, last = high, seq
	}
	if err := rows.Err(); err != nil {
		return got, err
	}
	for _, line := range lines {
		if !whole[line] {
			got.Lost++
		}
	}
	return got, nil
}
