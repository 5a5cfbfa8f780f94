package audittest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// alike are names that people and careless stores take for the same one.
var alike = []string{"name", "Name", "name ", " name", "näme", "na\u0308me", "name\t", "🔑", "n%me", "n_me", "0", "00"}

var insertRules = []storeRule{
	{"LS-001", "a record comes back as it was stored, its time in UTC and microseconds", "the leaf proves the bytes, and exports go by the time of recording", func(e *storeEnv) {
		r := row("a")
		e.insert(with(r, func(r *audit.Row) { r.RecordedAt = noon.Add(999).In(time.FixedZone("", 3600)) }))
		got := e.get("a")
		if !bytes.Equal(got.Canonical, r.Canonical) || got.Leaf != r.Leaf || !got.RecordedAt.Equal(noon) || got.RecordedAt.Location() != time.UTC {
			e.Errorf("got %+v, want %+v", got, r.Record)
		}
	}},
	{"LS-002", "canonical records are kept byte for byte", "a store that understands them writes them in another way, and the leaf is of no use", func(e *storeEnv) {
		for i, canonical := range []string{"{ \"b\":1,\t\"a\" : 1.0 }\n", `{"id":"\u00e4","<":"&"}`, `{"id":"ä"}`, `{"a":1,"a":2}`, `{"n":12345678901234567890.10}`} {
			id := fmt.Sprint(i)
			e.insert(rowOf(id, []byte(canonical)))
			if got := e.get(id); string(got.Canonical) != canonical {
				e.Errorf("got %q, want %q", got.Canonical, canonical)
			}
		}
	}},
	{"LS-003", "a record of audit.MaxRecord bytes is kept whole", "what was cut neither reads nor proves anything", func(e *storeEnv) {
		r := rowOf("a", append(append([]byte(`{"id":"`), bytes.Repeat([]byte("a"), audit.MaxRecord-9)...), `"}`...))
		e.insert(r)
		if got := e.get("a"); !bytes.Equal(got.Canonical, r.Canonical) {
			e.Errorf("got %d bytes, want the %d that were stored", len(got.Canonical), len(r.Canonical))
		}
	}},
	{"LS-004", "the same record again is skipped", "an append whose answer was lost is repeated", func(e *storeEnv) {
		e.insert(rows("a", "b")...)
		e.insert(row("a"))
		e.insert(rows("c", "b")...)
		e.lists(audit.Query{}, "a", "b", "c")
	}},
	{"LS-005", "a repeated record keeps the time of its first recording", "what was exported up to a time is not exported again", func(e *storeEnv) {
		e.insert(row("a"))
		e.insert(with(row("a"), func(r *audit.Row) { r.RecordedAt = noon.Add(time.Hour) }))
		if got := e.get("a"); !got.RecordedAt.Equal(noon) {
			e.Errorf("got %v, want %v", got.RecordedAt, noon)
		}
	}},
	{"LS-006", "another record under a taken source and id is a conflict, and the first stays", "history is not written over", func(e *storeEnv) {
		e.insert(row("a"))
		e.want(e.store.Insert(e.ctx, e.tenant, rowOf("a", []byte(`{"id":"a","more":1}`))), storage.ErrConflict, "insert")
		if got := e.get("a"); !bytes.Equal(got.Canonical, row("a").Canonical) {
			e.Errorf("got %q, want the first", got.Canonical)
		}
	}},
	{"LS-007", "a batch is inserted whole or not at all", "half of what happened reads like something else", func(e *storeEnv) {
		e.insert(row("taken"))
		err := e.store.Insert(e.ctx, e.tenant, row("a"), rowOf("taken", []byte(`{"id":"other"}`)), row("b"))
		e.want(err, storage.ErrConflict, "insert")
		e.absent("a")
		e.absent("b")
	}},
	{"LS-008", "a record that stands twice in a batch is inserted once", "two sinks may have put it there", func(e *storeEnv) {
		e.insert(row("a"), row("b"), row("a"))
		e.lists(audit.Query{}, "a", "b")
	}},
	{"LS-009", "two records under one id in a batch are a conflict", "one of them would be lost", func(e *storeEnv) {
		e.want(e.store.Insert(e.ctx, e.tenant, row("a"), rowOf("a", []byte(`{"id":"other"}`))), storage.ErrConflict, "insert")
		e.absent("a")
	}},
	{"LS-010", "a batch of none is inserted", "whoever appends what happened need not look whether anything did", func(e *storeEnv) {
		e.must(e.store.Insert(e.ctx, e.tenant), "insert nothing")
		e.lists(audit.Query{})
	}},
	{"LS-011", "a record goes with its transaction", "a change that did not happen leaves no trace", func(e *storeEnv) {
		e.undone(func(ctx context.Context) error { return e.store.Insert(ctx, e.tenant, rows("a", "b")...) })
		e.absent("a")
		e.absent("b")
	}},
	{"LS-012", "a savepoint that is rolled back takes its records along and no others", "a part that failed is tried again inside the same change", func(e *storeEnv) {
		e.must(e.b.InTx(e.ctx, func(ctx context.Context) error {
			if err := e.store.Insert(ctx, e.tenant, row("outer")); err != nil {
				return err
			}
			err := e.b.InTx(ctx, func(ctx context.Context) error {
				return errors.Join(e.store.Insert(ctx, e.tenant, row("inner")), errUndo)
			})
			if !errors.Is(err, errUndo) {
				return err
			}
			return e.store.Insert(ctx, e.tenant, row("after"))
		}), "the transaction")
		e.lists(audit.Query{}, "outer", "after")
	}},
	{"LS-013", "a conflict leaves its transaction usable", "the refusal is recorded, in the same transaction", func(e *storeEnv) {
		e.insert(row("a"))
		e.must(e.b.InTx(e.ctx, func(ctx context.Context) error {
			err := e.b.InTx(ctx, func(ctx context.Context) error {
				return e.store.Insert(ctx, e.tenant, rowOf("a", []byte(`{"id":"other"}`)))
			})
			e.want(err, storage.ErrConflict, "insert")
			return e.store.Insert(ctx, e.tenant, row("b"))
		}), "the transaction")
		e.lists(audit.Query{}, "a", "b")
	}},
	{"LS-014", "what the caller changes after Insert is not stored", "buffers are used again", func(e *storeEnv) {
		r := row("a")
		want := slices.Clone(r.Canonical)
		e.insert(r)
		r.Canonical[0] = 'x'
		if got := e.get("a"); !bytes.Equal(got.Canonical, want) {
			e.Errorf("got %q, want %q", got.Canonical, want)
		}
	}},
	{"LS-015", "a record that was read belongs to its reader", "who changes it must not change history", func(e *storeEnv) {
		e.insert(row("a"))
		want := slices.Clone(e.get("a").Canonical)
		e.get("a").Canonical[0] = 'x'
		page, err := e.store.List(e.ctx, e.tenant, audit.Query{Limit: 1})
		e.must(err, "list")
		for _, r := range page.Items {
			r.Canonical[1] = 'x'
		}
		if got := e.get("a"); !bytes.Equal(got.Canonical, want) {
			e.Errorf("got %q, want %q", got.Canonical, want)
		}
	}},
	{"LS-016", "of many who insert the same record at once none fails and one record is there", "retries overtake each other", func(e *storeEnv) {
		for round := range 8 {
			id := fmt.Sprint(round)
			e.together(6, func(int) error { return e.store.Insert(e.ctx, e.tenant, row(id)) })
		}
		e.lists(audit.Query{}, "0", "1", "2", "3", "4", "5", "6", "7")
	}},
	{"LS-017", "of many who insert different records under one id one succeeds", "whoever was told that all is well must find the own record", func(e *storeEnv) {
		for round := range 8 {
			id := fmt.Sprint(round)
			var won atomic.Int64
			e.together(6, func(i int) error {
				err := e.store.Insert(e.ctx, e.tenant, rowOf(id, fmt.Appendf(nil, `{"id":%q,"i":%d}`, id, i)))
				if err == nil {
					won.Add(1)
				}
				if errors.Is(err, storage.ErrConflict) {
					return nil
				}
				return err
			})
			if won.Load() != 1 {
				e.Errorf("%d succeeded, want 1", won.Load())
			}
		}
	}},
	{"LS-018", "records of many writers are all kept", "a busy minute must not have gaps", func(e *storeEnv) {
		const writers, rounds = 6, 8
		e.together(writers, func(i int) error {
			for round := range rounds {
				if err := e.store.Insert(e.ctx, e.tenant, row(fmt.Sprintf("%d-%d", i, round))); err != nil {
					return err
				}
			}
			return nil
		})
		if got := e.list(audit.Query{}); len(got) != writers*rounds {
			e.Errorf("got %d records, want %d", len(got), writers*rounds)
		}
	}},
	{"LS-019", "the rows of a batch are in its order", "what led to what is read from it", func(e *storeEnv) {
		e.insert(rows("c", "a", "b")...)
		e.lists(audit.Query{}, "c", "a", "b")
	}},
	{"LS-020", "ids are kept byte for byte", "they come from many sources, and two that look alike were made for two events", func(e *storeEnv) {
		e.insert(rows(alike...)...)
		for _, id := range alike {
			if got := e.ids([]audit.Record{e.get(id)}); got[0] != id {
				e.Errorf("under %q is %q", id, got[0])
			}
		}
	}},
	{"LS-021", "sources are kept byte for byte", "a source is a URI, and the case of a path counts", func(e *storeEnv) {
		for _, source := range alike {
			e.insert(with(row(source), func(r *audit.Row) { r.Source, r.ID = source, "a" }))
		}
		for _, source := range alike {
			r, err := e.store.Get(e.ctx, e.tenant, source, "a")
			e.must(err, "get")
			if got := e.ids([]audit.Record{r}); got[0] != source {
				e.Errorf("of %q is the record of %q", source, got[0])
			}
		}
	}},
	{"LS-022", "the same id of two tenants is two records", "one merchant's id must neither collide with another's nor tell of it", func(e *storeEnv) {
		e.insert(row("a"))
		e.must(e.store.Insert(e.ctx, e.tenant+"-other", rowOf("a", []byte(`{"id":"theirs"}`))), "insert for another tenant")
		if got := e.ids([]audit.Record{e.get("a")}); got[0] != "a" {
			e.Errorf("got %q, want the tenant's own", got)
		}
	}},
	{"LS-023", "a source and an id do not run together", "/a with bc is not /ab with c", func(e *storeEnv) {
		for _, k := range [][2]string{{"/a", "bc"}, {"/ab", "c"}} {
			e.insert(with(row(strings.Join(k[:], " ")), func(r *audit.Row) { r.Source, r.ID = k[0], k[1] }))
		}
		e.lists(audit.Query{}, "/a bc", "/ab c")
	}},
	{"LS-024", "what is not there is storage.ErrNotFound", "an empty record would be taken for one", func(e *storeEnv) {
		e.insert(row("a"))
		for _, k := range [][3]string{{e.tenant, "/orders", "b"}, {e.tenant, "/order", "a"}, {e.tenant, "a", "/orders"}, {e.tenant + "-other", "/orders", "a"}} {
			_, err := e.store.Get(e.ctx, k[0], k[1], k[2])
			e.want(err, storage.ErrNotFound, fmt.Sprintf("get %q", k))
		}
	}},
}

var recordedRules = []storeRule{
	{"LS-030", "Recorded tells whether there is a record", "a change that was made is not made again", func(e *storeEnv) {
		e.insert(row("a"))
		for k, want := range map[[3]string]bool{
			{e.tenant, "/orders", "a"}: true, {e.tenant, "/orders", "A"}: false, {e.tenant, "/order", "a"}: false,
		} {
			if known, err := e.store.Recorded(e.ctx, k[0], k[1], k[2]); known != want || err != nil {
				e.Errorf("%q: got %t, %v, want %t", k, known, err, want)
			}
		}
	}},
	{"LS-031", "Recorded keeps to its tenant", "it would tell of the changes of others, and keep one's own from being made", func(e *storeEnv) {
		e.insert(row("a"))
		if known, err := e.store.Recorded(e.ctx, e.tenant+"-other", "/orders", "a"); known || err != nil {
			e.Errorf("another tenant got %t, %v, want false", known, err)
		}
	}},
	{"LS-032", "Recorded sees what its own transaction wrote", "a change that is made of parts asks about the earlier ones", func(e *storeEnv) {
		e.undone(func(ctx context.Context) error {
			if err := e.store.Insert(ctx, e.tenant, row("a")); err != nil {
				return err
			}
			known, err := e.store.Recorded(ctx, e.tenant, "/orders", "a")
			if !known {
				e.Errorf("got false, want true")
			}
			return err
		})
	}},
	{"LS-033", "Recorded forgets what was rolled back", "the change did not happen, and is made now", func(e *storeEnv) {
		e.undone(func(ctx context.Context) error { return e.store.Insert(ctx, e.tenant, row("a")) })
		if known, err := e.store.Recorded(e.ctx, e.tenant, "/orders", "a"); known || err != nil {
			e.Errorf("got %t, %v, want false", known, err)
		}
	}},
	{"LS-034", "of equal changes made at once the later ones find the earlier", "who asks is about to make the change", func(e *storeEnv) {
		for round := range 6 {
			id := fmt.Sprint(round)
			var made atomic.Int64
			e.together(6, func(int) error {
				return e.b.InTx(e.ctx, func(ctx context.Context) error {
					known, err := e.store.Recorded(ctx, e.tenant, "/orders", id)
					if err != nil || known {
						return err
					}
					made.Add(1)
					return e.store.Insert(ctx, e.tenant, row(id))
				})
			})
			if made.Load() != 1 {
				e.Errorf("the change was made %d times, want once", made.Load())
			}
		}
	}},
	{"LS-035", "of equal changes made at once the next is made where the first was rolled back", "nobody may wait for ever, or take for made what was undone", func(e *storeEnv) {
		var tried atomic.Int64
		e.together(5, func(int) error {
			err := e.b.InTx(e.ctx, func(ctx context.Context) error {
				known, err := e.store.Recorded(ctx, e.tenant, "/orders", "a")
				if err != nil || known {
					return err
				}
				tried.Add(1)
				return errors.Join(e.store.Insert(ctx, e.tenant, row("a")), errUndo)
			})
			if errors.Is(err, errUndo) {
				return nil
			}
			return err
		})
		if tried.Load() != 5 {
			e.Errorf("the change was tried %d times, want 5", tried.Load())
		}
		e.absent("a")
	}},
}
