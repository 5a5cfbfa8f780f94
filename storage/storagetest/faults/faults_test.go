package faults_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	driversqlite "modernc.org/sqlite"

	"github.com/lumelle/adminkit/storage/storagetest/faults"
)

// A database opens connections to one SQLite file, with the faults of a plan or none.
type database string

func newDatabase(t *testing.T) database {
	t.Helper()
	d := database(filepath.Join(t.TempDir(), "test.db"))
	db := d.open(t, faults.New(faults.Before, 0))
	for _, table := range []string{"refund", "audit"} {
		if _, err := db.Exec(`CREATE TABLE ` + table + ` (id TEXT PRIMARY KEY)`); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d database) open(t *testing.T, p *faults.Plan) *sql.DB {
	t.Helper()
	c, err := driversqlite.NewConnector("file:" + string(d))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(p.Connector(c))
	t.Cleanup(func() { db.Close() })
	return db
}

func (d database) count(t *testing.T, table string) int {
	t.Helper()
	var n int
	if err := d.open(t, faults.New(faults.Before, 0)).QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// together writes both rows in one transaction.
func together(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, table := range []string{"refund", "audit"} {
		var known int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+table+` WHERE id = 'a'`).Scan(&known); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO `+table+` (id) VALUES ('a') ON CONFLICT DO NOTHING`); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// apart has a planted defect: the second row is written outside of the transaction.
func apart(ctx context.Context, db *sql.DB) error {
	for _, table := range []string{"refund", "audit"} {
		if _, err := db.ExecContext(ctx, `INSERT INTO `+table+` (id) VALUES ('a') ON CONFLICT DO NOTHING`); err != nil {
			return err
		}
	}
	return nil
}

// sweep runs change under every fault and returns how many there were, and which of
// them left one row without the other or no row after success.
func sweep(t *testing.T, change func(context.Context, *sql.DB) error) (fired int, ops map[faults.Op]int, broken []string) {
	ops = map[faults.Op]int{}
	for p := range faults.Sweep() {
		d := newDatabase(t)
		db := d.open(t, p)
		p.Arm()
		err := change(t.Context(), db)
		p.Disarm()
		call, ok := p.Fired()
		if ok {
			fired++
			ops[call.Op]++
		} else if err != nil {
			t.Errorf("%v: %v without a fault", p, err)
		}
		refunds, audits := d.count(t, "refund"), d.count(t, "audit")
		if refunds != audits || err == nil && refunds == 0 {
			broken = append(broken, fmt.Sprintf("%v: %v: %d refunds, %d audits, error %v", p, call, refunds, audits, err))
			continue
		}
		if err := change(t.Context(), db); err != nil {
			t.Errorf("%v: the repetition failed: %v", p, err)
		}
		if r, a := d.count(t, "refund"), d.count(t, "audit"); r != 1 || a != 1 {
			t.Errorf("%v: after the repetition %d refunds, %d audits", p, r, a)
		}
	}
	return fired, ops, broken
}

func TestASweepFindsAWriteOutsideOfTheTransaction(t *testing.T) {
	fired, _, broken := sweep(t, apart)
	if len(broken) == 0 {
		t.Errorf("none of %d faults showed the planted defect", fired)
	}
}

func TestACorrectChangeSurvivesTheSweep(t *testing.T) {
	fired, ops, broken := sweep(t, together)
	for _, b := range broken {
		t.Error(b)
	}
	// connect, begin, twice query with one row and one exec, commit: and all of them
	// in four modes, but for those that database/sql repeats by itself.
	for _, op := range []faults.Op{faults.Connect, faults.Begin, faults.Query, faults.Next, faults.Exec, faults.Commit} {
		if ops[op] < len(faults.Modes()) {
			t.Errorf("%d faults hit %s, want one in each mode at least", ops[op], op)
		}
	}
	t.Logf("%d faults: %v", fired, ops)
}

func TestAPreparedStatementFailsLikeAnother(t *testing.T) {
	for _, mode := range faults.Modes() {
		for n, op := range []faults.Op{faults.Prepare, faults.Exec, faults.Query, faults.Next} {
			d := newDatabase(t)
			p := faults.New(mode, n+1)
			db := d.open(t, p)
			c, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p.Arm()
			err = prepared(t.Context(), c)
			p.Disarm()
			c.Close()
			if err == nil {
				t.Errorf("%v: no error", p)
			}
			if call, _ := p.Fired(); call.Op != op {
				t.Errorf("%v failed %v, want %s", p, call, op)
			}
		}
	}
}

func prepared(ctx context.Context, c *sql.Conn) error {
	s, err := c.PrepareContext(ctx, `INSERT INTO refund (id) VALUES (?) RETURNING id`)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.ExecContext(ctx, "a"); err != nil {
		return err
	}
	var id string
	return s.QueryRowContext(ctx, "b").Scan(&id)
}

func TestAFailedCommitKeepsItsWord(t *testing.T) {
	for mode, stored := range map[faults.Mode]int{faults.Before: 0, faults.After: 1, faults.LostBefore: 0, faults.LostAfter: 1} {
		d := newDatabase(t)
		p := faults.New(mode, 4) // after connect, begin and exec
		db := d.open(t, p)
		p.Arm()
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(`INSERT INTO refund (id) VALUES ('a')`); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err == nil {
			t.Errorf("%v: the commit did not fail", mode)
		}
		if n := d.count(t, "refund"); n != stored {
			t.Errorf("%v: %d rows after the failed commit, want %d", mode, n, stored)
		}
	}
}

func TestASweepOverNothingIsRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a sweep in which no call is made passed for a proof")
		}
	}()
	for range faults.Sweep() {
	}
}

func TestAPlanFailsOneCallOnly(t *testing.T) {
	d := newDatabase(t)
	p := faults.New(faults.Before, 1)
	db := d.open(t, p)
	p.Arm()
	if _, err := db.Exec(`SELECT 1`); !errors.Is(err, faults.ErrInjected) {
		t.Errorf("the first call answers %v, want ErrInjected", err)
	}
	if _, err := db.Exec(`SELECT 1`); err != nil {
		t.Errorf("the second call answers %v", err)
	}
}
