package flagstest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

var saveRules = []storeRule{
	{"FS-001", "a version comes back as it was saved", "What was reviewed is what is served, and the history says who did it and why.", func(e *storeEnv) {
		want := e.save(version("a", 1, "beta", "vip"))
		e.Same(e.get(flags.KindFlag, "a"), want, "the version")
	}},
	{"FS-002", "what a version has not it has not afterwards", "A list without members and one that is missing must not differ from store to store.", func(e *storeEnv) {
		bare := flags.Version{Kind: flags.KindFlag, Key: "a", Revision: 1, Body: json.RawMessage(`{}`)}
		given := bare
		given.Audiences = []string{}
		bare.Change = e.save(given).Change
		e.Same(e.get(flags.KindFlag, "a"), bare, "the version")
	}},
	{"FS-003", "a body is kept byte for byte", "Its hash is in the audit record. A column that understands JSON changes it.", func(e *storeEnv) {
		for i, body := range []string{`{"b": 1, "a":  2.50}`, `{"n":123456789012345678901234567890,"e":1e2}`, `{"d":1,"d":2}`, `"\u00e9\u2028<&>"`, ` [ ] `} {
			v := version(fmt.Sprint("k", i), 1)
			v.Body = json.RawMessage(body)
			e.save(v)
			e.Same(string(e.get(flags.KindFlag, v.Key).Body), body, "the body")
		}
	}},
	{"FS-004", "texts are kept byte for byte", "Comments and names are evidence. A database that trims, folds or escapes them shows what nobody wrote.", func(e *storeEnv) {
		for i, text := range ruletest.Spellings() {
			v := version(fmt.Sprint("k", i), 1, text)
			v.Action, v.Comment, v.EventID, v.Author.ID, v.Author.Name = text, text, text, text, text
			want := e.save(v)
			e.Same(e.get(flags.KindFlag, v.Key), want, fmt.Sprintf("the version of %q", text))
		}
	}},
	{"FS-005", "times come back in UTC, cut to the microsecond", "Two stores that round differently order the same changes differently.", func(e *storeEnv) {
		exact := noon.Add(789)
		v := version("a", 1)
		v.At, v.CreatedAt = exact.In(time.FixedZone("", 3600)), exact.Add(time.Hour)
		e.save(v)
		got := e.get(flags.KindFlag, "a")
		e.Same([]time.Time{got.At, got.CreatedAt}, []time.Time{noon, noon.Add(time.Hour)}, "the times")
	}},
	{"FS-006", "a large body is kept whole", "A flag with hundreds of rules, or an audience of thousands of members.", func(e *storeEnv) {
		v := version("a", 1)
		v.Body = bytes.Repeat([]byte(`"0123456789abcde"`), 30_000)
		for i := range 300 {
			v.Audiences = append(v.Audiences, fmt.Sprintf("audience-%03d", i))
		}
		want := e.save(v)
		e.Same(e.get(flags.KindFlag, "a"), want, "the version")
	}},
	{"FS-007", "what was never there is not found", "storage.ErrNotFound: an empty flag would be served.", func(e *storeEnv) {
		e.save(version("a", 1))
		for _, c := range []struct {
			kind flags.Kind
			key  string
		}{{flags.KindFlag, "b"}, {flags.KindFlag, "A"}, {flags.KindFlag, ""}, {flags.KindAudience, "a"}} {
			_, err := e.Store.Get(e.Ctx, e.Tenant, c.kind, c.key)
			e.WantErr(err, storage.ErrNotFound, fmt.Sprintf("get %s %q", c.kind, c.key))
		}
	}},
	{"FS-008", "the first version of a key is 1", "Whoever writes version 2 has read version 1. storage.ErrConflict, and nothing changed.", func(e *storeEnv) {
		e.save(version("other", 1))
		for _, revision := range []int64{2, 3, 100} {
			e.refused(version("a", revision), fmt.Sprintf("version %d of nothing", revision))
		}
	}},
	{"FS-009", "a version follows the current one", "Of two people who edit the same flag the second must be told. storage.ErrConflict, and nothing changed.", func(e *storeEnv) {
		e.save(version("a", 1))
		e.save(version("a", 2))
		for _, revision := range []int64{1, 2, 4, 100} {
			e.refused(version("a", revision, "vip"), fmt.Sprintf("version %d over version 2", revision))
		}
		e.Same(e.users("vip", 10), []flags.Version(nil), "the users of a refused version's audience")
		e.save(version("a", 3))
	}},
	{"FS-010", "the newest version is the current one", "An edit that is not served is an outage that nobody sees.", func(e *storeEnv) {
		e.save(version("a", 1))
		v := version("a", 2, "vip")
		v.Body, v.Hash, v.Action, v.Comment, v.EventID, v.Author.ID = json.RawMessage(`[2]`), []byte{2}, "a2", "c2", "e2", "eve"
		want := e.save(v)
		e.Same(e.get(flags.KindFlag, "a"), want, "the current version")
	}},
	{"FS-011", "a flag and an audience of one key are two documents", "They are named by different people.", func(e *storeEnv) {
		f, a := e.save(version("a", 1)), e.save(audience("a", 1))
		a = e.save(audience("a", 2))
		e.Same(e.get(flags.KindFlag, "a"), f, "the flag")
		e.Same(e.get(flags.KindAudience, "a"), a, "the audience")
	}},
	{"FS-012", "keys are compared by their bytes", "Two keys that a database takes for each other are two flags, of which one is served for both.", func(e *storeEnv) {
		want := map[string]flags.Version{}
		for i, key := range ruletest.Spellings() {
			v := version(key, 1)
			v.Comment = fmt.Sprint("comment ", i)
			want[key] = e.save(v)
		}
		for key, v := range want {
			e.Same(e.get(flags.KindFlag, key), v, fmt.Sprintf("the flag %q", key))
		}
	}},
	{"FS-013", "a deletion is a version, and is answered as one", "Readers learn of it as of any other change, and the history ends with what there was.", func(e *storeEnv) {
		want := e.save(gone(e.save(version("a", 1))))
		e.Same(e.get(flags.KindFlag, "a"), want, "the deleted flag")
	}},
	{"FS-014", "a key that was deleted goes on counting", "Revision 1 of the new flag would be taken for that of the old one by whoever remembers it.", func(e *storeEnv) {
		e.save(gone(e.save(version("a", 1))))
		e.refused(version("a", 1), "version 1 over a deletion at 2")
		want := e.save(version("a", 3))
		e.Same(e.get(flags.KindFlag, "a"), want, "the flag that is there again")
	}},
	{"FS-015", "of many that make the same key at once one does", "The key decides, not a look before the write.", func(e *storeEnv) {
		e.OneOf(ruletest.Together(func(int) error {
			_, err := e.Store.Save(e.Ctx, e.Tenant, version("a", 1))
			return err
		}), "the first version")
		e.Same([]int64{e.head(), e.count(flags.KindFlag)}, []int64{1, 1}, "the head and the number of flags")
	}},
}

var numberRules = []storeRule{
	{"FS-020", "changes are numbered from 1 without gaps, over all documents of a tenant", "A reader knows by the number that it has everything before it.", func(e *storeEnv) {
		var got []int64
		for _, v := range []flags.Version{version("a", 1), audience("a", 1), version("b", 1), version("a", 2), gone(version("b", 1)), audience("b", 1)} {
			got = append(got, e.save(v).Change)
		}
		e.Same(got, []int64{1, 2, 3, 4, 5, 6}, "the numbers that were answered")
		e.Same(numbers(e.changes(0, 10)), []int64{2, 4, 5, 6}, "the numbers of the changes")
	}},
	{"FS-021", "the store gives the number, whatever the version says", "The caller cannot know it: others write as well.", func(e *storeEnv) {
		v := version("a", 1)
		v.Change = 77
		if got := e.save(v).Change; got != 1 || e.get(flags.KindFlag, "a").Change != 1 || e.head() != 1 {
			e.Errorf("the number is %d, stored as %d, and the head %d, want 1", got, e.get(flags.KindFlag, "a").Change, e.head())
		}
	}},
	{"FS-022", "tenants count for themselves", "A number that jumps tells a tenant how much others do.", func(e *storeEnv) {
		o := e.of(e.Tenant + "-other")
		for i := range 3 {
			o.save(version(fmt.Sprint("k", i), 1))
		}
		if got := e.save(version("a", 1)).Change; got != 1 || e.head() != 1 || o.head() != 3 {
			e.Errorf("got %d, heads %d and %d, want 1, 1 and 3", got, e.head(), o.head())
		}
	}},
	{"FS-023", "a version that is refused or rolled back takes no number", "A reader that waits for the missing one waits for ever.", func(e *storeEnv) {
		e.save(version("a", 1))
		e.refused(version("a", 1), "version 1 over version 1")
		e.Undone(func(ctx context.Context) error {
			if got := e.in(ctx).save(version("b", 1)).Change; got != 2 {
				e.Errorf("got %d in the transaction, want 2", got)
			}
			return nil
		})
		e.Tx(func(ctx context.Context) error {
			e.in(ctx).Undone(func(ctx context.Context) error {
				_, err := e.Store.Save(ctx, e.Tenant, version("c", 1))
				return err
			})
			if got := e.in(ctx).save(version("d", 1)).Change; got != 2 {
				e.Errorf("got %d behind a savepoint that was rolled back, want 2", got)
			}
			return nil
		})
		e.Same(e.head(), int64(2), "the head")
	}},
	{"FS-024", "changes made at once have a number each", "Two changes of one number are one to a reader.", func(e *storeEnv) {
		got := make([]int64, ruletest.Writers)
		for _, err := range ruletest.Together(func(i int) (err error) {
			got[i], err = e.Store.Save(e.Ctx, e.Tenant, version(fmt.Sprint("k", i), 1))
			return err
		}) {
			e.Must(err, "save")
		}
		slices.Sort(got)
		for i, n := range got {
			if n != int64(i+1) {
				e.Fatalf("got the numbers %v", got)
			}
		}
		e.Same(numbers(e.changes(0, 100)), got, "the numbers of the changes")
	}},
	{"FS-025", "the head is the last change, and 0 where there was none", "It is asked often, and tells whether there is anything to read.", func(e *storeEnv) {
		e.Same(e.head(), int64(0), "the head of nothing")
		e.save(version("a", 1))
		e.Same(e.head(), int64(1), "the head after a change")
		e.save(gone(version("a", 1)))
		e.Same(e.head(), int64(2), "the head after a deletion")
	}},
	{"FS-026", "a lock answers the last change, and 0 where there was none", "Who locks checks with it what the change was made for.", func(e *storeEnv) {
		for want := range int64(3) {
			e.Tx(func(ctx context.Context) error {
				got, err := e.Store.Lock(ctx, e.Tenant)
				e.Must(err, "lock")
				e.Same(got, want, "the last change")
				return nil
			})
			e.Same(e.head(), want, "the head after a lock")
			e.save(version("a", want+1))
		}
	}},
	{"FS-027", "a lock needs a transaction", "One that ends with the call protects nothing. storage.ErrNoTx.", func(e *storeEnv) {
		_, err := e.Store.Lock(e.Ctx, e.Tenant)
		e.WantErr(err, storage.ErrNoTx, "lock")
	}},
	{"FS-028", "who locks a tenant is alone, also where it has nothing yet", "A change is checked against what it is made for: audiences, quotas, revisions. Between the check and the write nobody else may change that.", func(e *storeEnv) {
		for _, err := range ruletest.Together(func(i int) error {
			return e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
				last, err := e.Store.Lock(ctx, e.Tenant)
				if err != nil {
					return err
				}
				change, err := e.Store.Save(ctx, e.Tenant, version(fmt.Sprint("k", i), 1))
				if err == nil && change != last+1 {
					e.Errorf("the change is %d, and was %d under the lock", change, last)
				}
				return err
			})
		}) {
			e.Must(err, "a change behind the lock")
		}
		e.Same(e.head(), int64(ruletest.Writers), "the head")
	}},
	{"FS-029", "creations that count behind the lock do not pass a limit together", "A quota holds when many flags are made at once only if each creation sees those before it.", func(e *storeEnv) {
		const most = 3
		for _, err := range ruletest.Together(func(i int) error {
			return e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
				if _, err := e.Store.Lock(ctx, e.Tenant); err != nil {
					return err
				}
				n, err := e.Store.Count(ctx, e.Tenant, flags.KindFlag)
				if err != nil || n >= most {
					return err
				}
				_, err = e.Store.Save(ctx, e.Tenant, version(fmt.Sprint("k", i), 1))
				return err
			})
		}) {
			e.Must(err, "a creation")
		}
		e.Same(e.count(flags.KindFlag), int64(most), "the number of flags")
	}},
}
