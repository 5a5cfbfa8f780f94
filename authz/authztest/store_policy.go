package authztest

import (
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

var policyRules = []storeRule{
	{"PS-015", "the policy that nobody wrote has the zero head and no rows", "it denies everything, and is no error", func(e *storeEnv) {
		e.same(e.head(), authz.Head{}, "the head")
		e.same(len(e.ids()), 0, "the number of rows")
	}},
	{"PS-016", "a change moves the head by one and names itself", "decisions name the policy they were made by", func(e *storeEnv) {
		for i, c := range []authz.Change{adding("c1", row("a")), removing("c2", "a"), adding("c3", row("a"))} {
			want := authz.Head{Sequence: int64(i + 1), ChangeID: c.ID, At: morning}
			e.same(e.change(c), want, "the head that is answered")
			e.same(e.head(), want, "the head")
		}
	}},
	{"PS-017", "the time of a change is kept to the microsecond in UTC, and answered so", "a head that differs by what a database cuts off is read again and again", func(e *storeEnv) {
		c := adding("c1", row("a"))
		c.At = morning.Add(789).In(time.FixedZone("", 3600))
		want := authz.Head{Sequence: 1, ChangeID: "c1", At: morning}
		e.same(e.change(c), want, "the head that is answered")
		e.same(e.head(), want, "the head")
	}},
	{"PS-018", "a change without rows moves the head", "whoever waits for a change by its id waits for ever otherwise", func(e *storeEnv) {
		e.change(adding("c1", row("a")))
		e.same(e.change(adding("c2")).Sequence, int64(2), "the sequence")
		e.same(e.ids(), []string{"a"}, "the rows")
	}},
	{"PS-019", "the change that the head names is made once", "a change that is repeated after a lost answer must not be refused, nor be made twice", func(e *storeEnv) {
		c := adding("c1", row("a"))
		c.Expected = 0
		want := e.change(c)
		e.unchanged("the repeated change", func() {
			e.same(e.change(c), want, "the head that is answered")
		})
	}},
	{"PS-020", "a change under the id of the head does nothing, whatever it says", "an id stands for one change", func(e *storeEnv) {
		want := e.change(adding("c1", row("a")))
		e.unchanged("the other change", func() {
			c := removing("c1", "nobody")
			c.Add, c.Expected, c.At = rowsOf("a", "b"), 7, morning.Add(time.Hour)
			e.same(e.change(c), want, "the head that is answered")
		})
	}},
	{"PS-021", "a change under the id of an earlier one is a change", "only the head is remembered: a store that says done has not done it", func(e *storeEnv) {
		e.change(adding("c1", row("a")))
		e.change(adding("c2", row("b")))
		e.same(e.change(adding("c1", row("c"))), authz.Head{Sequence: 3, ChangeID: "c1", At: morning}, "the head that is answered")
		e.same(e.ids(), []string{"a", "b", "c"}, "the rows")
	}},
	{"PS-022", "a change that was made for another sequence is a conflict", "the second of two who edit a policy has to see what the first one did", func(e *storeEnv) {
		e.change(adding("c1", row("a")))
		e.change(adding("c2", row("b")))
		for _, expected := range []int64{0, 1, 3} {
			c := adding("c3", row("c"))
			c.Expected = expected
			e.refused(c, storage.ErrConflict, fmt.Sprint("a change for sequence ", expected))
		}
	}},
	{"PS-023", "a change is made for the sequence that it expects, and for any", "the first change of a policy expects none", func(e *storeEnv) {
		for i, expected := range []int64{0, 1, authz.AnySequence, 3} {
			c := adding(fmt.Sprint("c", i), row(fmt.Sprint("r", i)))
			c.Expected = expected
			e.same(e.change(c).Sequence, int64(i+1), "the sequence")
		}
	}},
	{"PS-024", "a row whose id is taken is a conflict", "two rows under one id, and a revocation removes the wrong one", func(e *storeEnv) {
		e.change(adding("c1", rowsOf("a", "b")...))
		e.refused(adding("c2", row("c"), authz.Row{ID: "a", Kind: "p", Values: []string{"else"}}), storage.ErrConflict, "a row whose id is taken")
		e.refused(adding("c2", authz.Row{ID: "d", Kind: "p"}, authz.Row{ID: "d", Kind: "p", Values: []string{"else"}}), storage.ErrConflict, "two rows of one id")
	}},
	{"PS-025", "a row whose content is there is a conflict", "what is granted twice is still granted when it was revoked once", func(e *storeEnv) {
		e.change(adding("c1", rowsOf("a", "b")...))
		again, twice := row("a"), row("c")
		again.ID, twice.ID = "d", "e"
		e.refused(adding("c2", row("c"), again), storage.ErrConflict, "a row whose content is there")
		e.refused(adding("c2", row("c"), twice), storage.ErrConflict, "two rows of one content")
	}},
	{"PS-026", "rows differ by kind, and by where their values end", "a digest over what was put together takes ab, c for a, bc", func(e *storeEnv) {
		rows := []authz.Row{
			{ID: "1", Kind: "p", Values: []string{"ab", "c"}}, {ID: "2", Kind: "p", Values: []string{"a", "bc"}},
			{ID: "3", Kind: "p", Values: []string{"abc"}}, {ID: "4", Kind: "g", Values: []string{"ab", "c"}},
			{ID: "5", Kind: "p", Values: []string{"ab", "c", ""}}, {ID: "6", Kind: "p", Values: []string{"AB", "c"}},
			{ID: "7", Kind: "pab", Values: []string{"c"}},
		}
		e.change(adding("c1", rows...))
		e.same(e.rows(10, nil), rows, "the rows")
	}},
	{"PS-027", "removed rows are gone and the others stay", "what was revoked must not be read any more", func(e *storeEnv) {
		e.change(adding("c1", rowsOf("a", "b", "c", "d")...))
		e.change(removing("c2", "d", "b"))
		e.same(e.ids(), []string{"a", "c"}, "the rows")
	}},
	{"PS-028", "a row to remove that is not there is not found", "a revocation that hit nothing has to be told: somebody keeps what should be gone", func(e *storeEnv) {
		e.change(adding("c1", rowsOf("a", "b")...))
		c := removing("c2", "a", "nobody")
		c.Add = rowsOf("c")
		e.refused(c, storage.ErrNotFound, "a row that is not there")
		e.refused(removing("c2", "b", "b"), storage.ErrNotFound, "a row that is removed twice")
	}},
	{"PS-029", "rows are removed before others are added", "a row is changed by removing it and adding it in one change", func(e *storeEnv) {
		e.change(adding("c1", rowsOf("a", "b")...))
		c := removing("c2", "a", "b")
		c.Add = []authz.Row{{ID: "a", Kind: "p", Values: []string{"else"}}, {ID: "c", Kind: "p", Values: row("b").Values}}
		e.change(c)
		e.same(e.rows(10, nil), c.Add, "the rows")
	}},
	{"PS-030", "another tenant's row cannot be removed", "not found, never forbidden", func(e *storeEnv) {
		o := e.other()
		e.change(adding("c1", rowsOf("a")...))
		e.unchanged("the stranger's change", func() {
			o.refused(removing("c2", "a"), storage.ErrNotFound, "another tenant's row")
		})
	}},
	{"PS-031", "one change, one id and one content in two tenants are two", "tenants begin with the same roles", func(e *storeEnv) {
		o := e.other()
		e.same(e.change(adding("c1", row("a"))).Sequence, int64(1), "the first tenant's sequence")
		e.same(o.change(adding("c1", row("a"))).Sequence, int64(1), "the second tenant's sequence")
		o.change(removing("c2", "a"))
		e.same(e.ids(), []string{"a"}, "the first tenant's rows")
		e.same(e.head().ChangeID, "c1", "the first tenant's head")
	}},
	{"PS-032", "of many changes for one sequence exactly one happens", "a sequence that is compared first and written later is a race, also where there is no head to lock yet", func(e *storeEnv) {
		won := 0
		for _, err := range ruletest.Together(func(i int) error {
			c := adding(fmt.Sprint("c", i), row(fmt.Sprint("r", i)))
			c.Expected = 0
			_, err := e.store.Change(e.ctx, e.tenant, c)
			return err
		}) {
			if err == nil {
				won++
			} else {
				e.wantErr(err, storage.ErrConflict, "change")
			}
		}
		if n := len(e.ids()); won != 1 || n != 1 {
			e.Errorf("%d changes succeeded and left %d rows, want 1 and 1", won, n)
		}
	}},
	{"PS-033", "changes of any sequence all happen, one after the other", "grants that are made at once must not lose each other", func(e *storeEnv) {
		e.must(errors.Join(ruletest.Together(func(i int) error {
			_, err := e.store.Change(e.ctx, e.tenant, adding(fmt.Sprint("c", i), row(fmt.Sprint("r", i))))
			return err
		})...), "change")
		e.same(len(e.ids()), ruletest.Writers, "the number of rows")
		e.same(e.head().Sequence, int64(ruletest.Writers), "the sequence")
	}},
	{"PS-034", "a change that is made many times at once happens once", "a retry may overtake what it repeats", func(e *storeEnv) {
		e.must(errors.Join(ruletest.Together(func(int) error {
			_, err := e.store.Change(e.ctx, e.tenant, adding("c1", row("a")))
			return err
		})...), "change")
		e.same(e.head(), authz.Head{Sequence: 1, ChangeID: "c1", At: morning}, "the head")
		e.same(e.ids(), []string{"a"}, "the rows")
	}},
	{"PS-035", "a change of very many rows is one change", "a policy is imported whole or not at all", func(e *storeEnv) {
		ids := numbered(500)
		e.change(adding("c1", rowsOf(ids...)...))
		e.same(e.ids(), ids, "the rows")
		e.same(e.change(removing("c2", ids...)).Sequence, int64(2), "the sequence")
		e.same(len(e.ids()), 0, "the number of rows after all were removed")
	}},
	{"PS-036", "a change is rolled back with its transaction", "a grant whose record was not kept must not be there either", func(e *storeEnv) {
		e.change(adding("c1", rowsOf("a", "b")...))
		e.unchanged("the rollback", func() {
			e.undone(func(e *storeEnv) {
				c := removing("c2", "a")
				c.Add = rowsOf("c")
				e.change(c)
			})
		})
		e.same(e.change(adding("c3", row("d"))).Sequence, int64(2), "the sequence that was given back")
	}},
	{"PS-037", "a change is seen in its transaction", "a service reads what it wrote and goes on with it", func(e *storeEnv) {
		e.undone(func(e *storeEnv) {
			want := e.change(adding("c1", row("a")))
			e.same(e.head(), want, "the head")
			e.same(e.ids(), []string{"a"}, "the rows")
		})
	}},
	{"PS-038", "a transaction goes on without a change that it was refused", "a service that lost the race records that, in the same transaction; half of the refused change must not be committed with it", func(e *storeEnv) {
		e.change(adding("c1", rowsOf("a", "b")...))
		e.tx(func(e *storeEnv) {
			c := removing("c2", "a", "nobody")
			e.refused(c, storage.ErrNotFound, "a row that is not there")
			e.refused(adding("c2", row("c"), row("b")), storage.ErrConflict, "a row that is there")
			e.change(adding("c3", row("d")))
		})
		e.same(e.ids(), []string{"a", "b", "d"}, "the rows")
		e.same(e.head(), authz.Head{Sequence: 2, ChangeID: "c3", At: morning}, "the head")
	}},
	{"PS-039", "a savepoint that was rolled back takes its change and leaves those before and after", "a step that failed is undone, and the change goes on without it", func(e *storeEnv) {
		e.tx(func(e *storeEnv) {
			e.change(adding("c1", row("a")))
			e.unchanged("the savepoint", func() {
				e.undone(func(e *storeEnv) { e.change(adding("c2", row("b"))) })
			})
			e.change(adding("c3", row("c")))
		})
		e.same(e.ids(), []string{"a", "c"}, "the rows")
		e.same(e.head().Sequence, int64(2), "the sequence")
	}},
	{"PS-040", "no method works under a transaction that has ended", "a ctx that outlived its transaction must not write past it. storage.ErrTxDone", func(e *storeEnv) {
		var late *storeEnv
		e.undone(func(e *storeEnv) { late = e })
		for name, call := range calls {
			e.wantErr(call(late), storage.ErrTxDone, name)
		}
	}},
	{"PS-041", "no method works under another backend's transaction", "a write that is not in the transaction it was meant for is not undone with it. storage.ErrForeignTx", func(e *storeEnv) {
		foreign := e.in(storage.WithTx(e.ctx, foreignTx{}))
		e.unchanged("the calls", func() {
			for name, call := range calls {
				e.wantErr(call(foreign), storage.ErrForeignTx, name)
			}
		})
	}},
}

// A foreignTx is a transaction of no backend.
type foreignTx struct{}

func (foreignTx) Owner() any              { return foreignTx{} }
func (foreignTx) AfterCommit(func()) bool { return false }

var _ storage.Tx = foreignTx{}
