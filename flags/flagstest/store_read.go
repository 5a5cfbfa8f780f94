package flagstest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

var listRules = []storeRule{
	{"FS-030", "a list is in the order of the bytes of its keys", "A cursor that was made under one order is read under another where a replica has another locale.", func(e *storeEnv) {
		var want []string
		for _, key := range ruletest.Spellings() {
			e.save(version(key, 1))
			want = append(want, key)
		}
		slices.Sort(want)
		e.Same(keysOf(e.list(flags.KindFlag, "", 1000)), want, "the list")
		var paged []string
		for after := ""; len(paged) < len(want); after = paged[len(paged)-1] {
			page := keysOf(e.list(flags.KindFlag, after, 3))
			if len(page) == 0 || len(page) > 3 {
				e.Fatalf("a page of 3 behind %q has %q", after, page)
			}
			paged = append(paged, page...)
		}
		e.Same(paged, want, "the list in pages")
	}},
	{"FS-031", "a list goes on behind a key that is not there", "The flag that a page ended with may be deleted before the next page is read.", func(e *storeEnv) {
		for _, key := range []string{"a", "b", "c", "d"} {
			e.save(version(key, 1))
		}
		e.save(gone(version("b", 1)))
		for after, want := range map[string][]string{"b": {"c", "d"}, "bb": {"c", "d"}, "d": {}, "": {"a", "c", "d"}, "zzz": {}} {
			e.Same(keysOf(e.list(flags.KindFlag, after, 10)), want, fmt.Sprintf("the list behind %q", after))
		}
	}},
	{"FS-032", "a list and a count are of one kind and leave out what was deleted", "A deleted flag is not shown, and takes no room under a quota.", func(e *storeEnv) {
		o := e.of(e.Tenant + "-other")
		o.save(version("other", 1))
		e.save(version("a", 1))
		e.save(version("b", 1))
		e.save(audience("x", 1))
		e.save(gone(version("a", 1)))
		e.save(gone(audience("x", 1)))
		e.save(audience("y", 1))
		e.Same(keysOf(e.list(flags.KindFlag, "", 10)), []string{"b"}, "the flags")
		e.Same(keysOf(e.list(flags.KindAudience, "", 10)), []string{"y"}, "the audiences")
		e.Same([]int64{e.count(flags.KindFlag), e.count(flags.KindAudience), o.count(flags.KindAudience)}, []int64{1, 1, 0}, "the counts")
	}},
	{"FS-033", "what was deleted and made again is listed and counted again", "It is there.", func(e *storeEnv) {
		e.save(gone(e.save(version("a", 1))))
		want := e.save(version("a", 3))
		e.Same(e.list(flags.KindFlag, "", 10), []flags.Version{want}, "the list")
		e.Same(e.count(flags.KindFlag), int64(1), "the count")
	}},
	{"FS-034", "a list has current versions, whole", "It is what readers load.", func(e *storeEnv) {
		want := []flags.Version{e.save(version("a", 1, "vip")), e.save(version("b", 1))}
		want[1] = e.save(version("b", 2, "beta", "vip"))
		e.Same(e.list(flags.KindFlag, "", 10), want, "the list")
	}},
	{"FS-035", "a page has at most as many as were asked for", "Readers bound what they load at once.", func(e *storeEnv) {
		for i := range 7 {
			v := e.save(version("a", int64(i+1), "vip"))
			e.save(version(fmt.Sprint("k", i), 1, "vip"))
			e.Same(v.Revision, int64(i+1), "the revision")
		}
		for limit := 1; limit < 7; limit++ {
			got := []int{len(e.list(flags.KindFlag, "", limit)), len(e.versions("a", 0, limit)), len(e.users("vip", limit)), len(e.changes(0, limit))}
			e.Same(got, []int{limit, limit, limit, limit}, "the lengths of list, versions, users and changes")
		}
	}},
}

var versionRules = []storeRule{
	{"FS-040", "versions are read from the newest on, deletions included", "The history of a flag answers what was served at a time. Ten comes before nine.", func(e *storeEnv) {
		var want []flags.Version
		for n := range int64(12) {
			v := version("a", n+1, fmt.Sprint("audience-", n))
			v.Deleted = n == 4 || n == 11
			want = append(want, e.save(v))
		}
		slices.Reverse(want)
		e.Same(e.versions("a", 0, 100), want, "all versions")
	}},
	{"FS-041", "versions go on below a revision", "A history is read page by page, while others write.", func(e *storeEnv) {
		for n := range int64(11) {
			e.save(version("a", n+1))
		}
		var got []int64
		for before := int64(0); before != 1; before = got[len(got)-1] {
			page := revisions(e.versions("a", before, 4))
			if len(page) == 0 {
				e.Fatalf("there is nothing below %d", before)
			}
			got = append(got, page...)
		}
		e.Same(got, []int64{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, "the revisions")
		e.Same(revisions(e.versions("a", 1, 4)), []int64{}, "the revisions below the first")
		e.Same(revisions(e.versions("a", 100, 2)), []int64{11, 10}, "the revisions below one that is not there yet")
	}},
	{"FS-042", "versions are of one document", "A flag's history must not show another's, nor that of an audience or of another tenant.", func(e *storeEnv) {
		o := e.of(e.Tenant + "-other")
		o.save(version("a", 1))
		o.save(version("a", 2))
		want := e.save(version("a", 1))
		for _, v := range []flags.Version{version("A", 1), version("a ", 1), version("ab", 1), audience("a", 1), audience("a", 2)} {
			e.save(v)
		}
		e.Same(e.versions("a", 0, 10), []flags.Version{want}, "the versions of a")
		e.Same(e.versions("b", 0, 10), []flags.Version(nil), "the versions of what is not there")
	}},
}

var userRules = []storeRule{
	{"FS-050", "users of an audience come by kind and key, each once", "An audience that is in use is not deleted, and the answer says by what.", func(e *storeEnv) {
		uses := func(v flags.Version) flags.Version {
			v.Audiences = []string{"other", "vip"}
			return v
		}
		b, a := e.save(uses(version("b", 1))), e.save(uses(version("a", 1)))
		y, x := e.save(uses(audience("y", 1))), e.save(uses(audience("x", 1)))
		e.save(version("none", 1, "other"))
		e.Same(e.users("vip", 10), []flags.Version{x, y, a, b}, "the users")
	}},
	{"FS-051", "users are those whose current version uses the audience", "A flag that used it once does not hold it, and neither does one that was deleted.", func(e *storeEnv) {
		e.save(version("a", 1, "vip"))
		e.save(version("a", 2, "beta"))
		e.save(gone(e.save(version("b", 1, "vip"))))
		c := e.save(version("c", 1, "beta"))
		c = e.save(version("c", 2, "beta", "vip"))
		e.save(gone(e.save(version("d", 1, "vip"))))
		d := e.save(version("d", 3, "vip"))
		e.Same(e.users("vip", 10), []flags.Version{c, d}, "the users")
		e.Same(keysOf(e.users("beta", 10)), []string{"a", "c"}, "the users of the other")
		e.Same(e.users("nobody", 10), []flags.Version(nil), "the users of none")
	}},
	{"FS-052", "audiences are named by all their bytes, and are of the tenant", "The users of one that is named alike are not its own.", func(e *storeEnv) {
		e.of(e.Tenant + "-other").save(version("other", 1, "a"))
		for i, name := range ruletest.Spellings() {
			e.save(version(fmt.Sprintf("k%02d", i), 1, name))
		}
		for i, name := range ruletest.Spellings() {
			e.Same(keysOf(e.users(name, 10)), []string{fmt.Sprintf("k%02d", i)}, fmt.Sprintf("the users of %q", name))
		}
	}},
}

var followRules = []storeRule{
	{"FS-060", "changes have each key once, at its current version, in order of their numbers", "A reader that comes late needs what is, not all that was.", func(e *storeEnv) {
		e.save(version("b", 1))
		a := e.save(version("a", 1))
		x := e.save(audience("x", 1))
		b := e.save(version("b", 2))
		c := e.save(gone(e.save(version("c", 1))))
		e.Same(e.changes(0, 10), []flags.Version{a, x, b, c}, "all changes")
		e.Same(e.changes(a.Change, 10), []flags.Version{x, b, c}, "those after one")
		e.Same(e.changes(1, 10), []flags.Version{a, x, b, c}, "those after one that is no longer current")
		e.Same(e.changes(c.Change, 10), []flags.Version(nil), "those after the last")
		e.Same(e.changes(1000, 10), []flags.Version(nil), "those after what is not there yet")
	}},
	{"FS-061", "changes are read on page by page while others write", "A reader that asks behind the last number it has seen ends up with what is current.", func(e *storeEnv) {
		next := map[string]int64{}
		write := func(i int) {
			key := fmt.Sprint("k", i%5)
			next[key]++
			v := version(key, next[key])
			v.Deleted = i%7 == 6
			e.save(v)
		}
		for i := range 12 {
			write(i)
		}
		have := map[string]flags.Version{}
		after, i := int64(0), 12
		for after < e.head() {
			page := e.changes(after, 2)
			if len(page) == 0 {
				e.Fatalf("there is nothing behind %d, and the head is %d", after, e.head())
			}
			for _, v := range page {
				have[v.Key], after = v, v.Change
			}
			if i < 20 {
				write(i)
				i++
			}
		}
		for key, v := range have {
			e.Same(v, e.get(flags.KindFlag, key), "what the reader has of "+key)
		}
		e.Same(len(have), 5, "how many it has")
	}},
	{"FS-062", "a change that is visible is never preceded by one that becomes visible later", "Readers ask behind the last number they have seen. What appears before it is never read.", func(e *storeEnv) {
		const each = 6
		written := make(chan error, 1)
		go func() {
			var failed error
			for _, err := range ruletest.Together(func(g int) error {
				for i := range each {
					if _, err := e.Store.Save(e.Ctx, e.Tenant, version(fmt.Sprint(g, "-", i), 1)); err != nil {
						return err
					}
				}
				return nil
			}) {
				if err != nil {
					failed = err
				}
			}
			written <- failed
		}()
		var seen []int64
		follow := func() {
			after := int64(0)
			if len(seen) > 0 {
				after = seen[len(seen)-1]
			}
			seen = append(seen, numbers(e.changes(after, 5))...)
		}
		for done := false; !done; {
			select {
			case err := <-written:
				e.Must(err, "save")
				done = true
			default:
				follow()
			}
		}
		for range each * ruletest.Writers {
			follow()
		}
		if len(seen) != each*ruletest.Writers || seen[len(seen)-1] != int64(len(seen)) {
			e.Errorf("a reader that followed saw %d changes, %v, want %d", len(seen), seen, each*ruletest.Writers)
		}
	}},
	{"FS-063", "changes are of the tenant", "A reader of one tenant is told of nothing else.", func(e *storeEnv) {
		o := e.of(e.Tenant + "-other")
		o.save(version("a", 1))
		o.save(version("b", 1))
		want := e.save(version("a", 1))
		e.Same(e.changes(0, 10), []flags.Version{want}, "the changes")
	}},
}

var useRules = []storeRule{
	{"FS-070", "an override is used for the first time once for a subject and a day", "The use is recorded once a day, not at each read.", func(e *storeEnv) {
		for name, other := range map[string]func(u *flags.OverrideUse){
			"the use":             func(*flags.OverrideUse) {},
			"another flag":        func(u *flags.OverrideUse) { u.Flag = "Checkout" },
			"another environment": func(u *flags.OverrideUse) { u.Environment = "staging" },
			"another override":    func(u *flags.OverrideUse) { u.Override = "o-2" },
			"another subject":     func(u *flags.OverrideUse) { u.Subject = "m-1 " },
			"another day":         func(u *flags.OverrideUse) { u.Day = u.Day.Add(24 * time.Hour) },
		} {
			u := usage()
			other(&u)
			if !e.use(u) {
				e.Errorf("%s is not the first", name)
			}
			if e.use(u) {
				e.Errorf("%s is the first again", name)
			}
		}
		if !e.of(e.Tenant + "-other").use(usage()) {
			e.Errorf("the use of another tenant is not the first")
		}
	}},
	{"FS-071", "a day is an instant, in whatever zone it is given", "Two processes in two places note the same day.", func(e *storeEnv) {
		u := usage()
		e.use(u)
		u.Day = u.Day.In(time.FixedZone("", -5*3600))
		if e.use(u) {
			e.Errorf("the same day in another zone is the first again")
		}
	}},
	{"FS-072", "a use that was rolled back was none", "The record of it was rolled back as well, and is to be made the next time.", func(e *storeEnv) {
		e.Undone(func(ctx context.Context) error {
			if !e.in(ctx).use(usage()) {
				e.Errorf("the use in the transaction is not the first")
			}
			return nil
		})
		if !e.use(usage()) {
			e.Errorf("the use after the rollback is not the first")
		}
	}},
	{"FS-073", "of many uses at once one is the first", "Each that thinks so makes a record.", func(e *storeEnv) {
		first := make([]bool, ruletest.Writers)
		for _, err := range ruletest.Together(func(i int) (err error) {
			first[i], err = e.Store.Use(e.Ctx, e.Tenant, usage())
			return err
		}) {
			e.Must(err, "use")
		}
		if n := len(slices.DeleteFunc(first, func(first bool) bool { return !first })); n != 1 {
			e.Errorf("%d were the first, want 1", n)
		}
	}},
}

var transactionRules = []storeRule{
	{"FS-080", "every read sees what its transaction wrote", "A service reads what it wrote, and goes on with it.", func(e *storeEnv) {
		e.save(version("a", 1))
		before := e.look()
		e.Undone(func(ctx context.Context) error {
			e := e.in(ctx)
			v := e.save(version("a", 2, "vip"))
			e.Same(e.get(flags.KindFlag, "a"), v, "Get")
			e.Same(e.list(flags.KindFlag, "", 10), []flags.Version{v}, "List")
			e.Same(revisions(e.versions("a", 0, 10)), []int64{2, 1}, "Versions")
			e.Same(e.users("vip", 10), []flags.Version{v}, "Users")
			e.Same(e.changes(1, 10), []flags.Version{v}, "Changes")
			last, err := e.Store.Lock(e.Ctx, e.Tenant)
			e.Must(err, "lock")
			e.save(version("b", 1))
			e.Same([]int64{last, e.head(), e.count(flags.KindFlag)}, []int64{2, 3, 2}, "Lock, Head and Count")
			return nil
		})
		e.Same(e.look(), before, "what is there after the rollback")
		e.Same(e.users("vip", 10), []flags.Version(nil), "the users after the rollback")
		e.Same(revisions(e.versions("a", 0, 10)), []int64{1}, "the versions after the rollback")
	}},
	{"FS-081", "a savepoint that is rolled back takes its writes and leaves those around it", "A step that failed is undone, and the change goes on without it.", func(e *storeEnv) {
		e.Tx(func(ctx context.Context) error {
			e := e.in(ctx)
			e.save(version("a", 1, "vip"))
			e.Undone(func(ctx context.Context) error {
				e.in(ctx).save(version("a", 2))
				e.in(ctx).save(version("b", 1, "vip"))
				return nil
			})
			e.save(version("c", 1, "vip"))
			return nil
		})
		e.Same(keysOf(e.users("vip", 10)), []string{"a", "c"}, "the users")
		e.Same(numbers(e.changes(0, 10)), []int64{1, 2}, "the numbers")
		e.Same(revisions(e.versions("a", 0, 10)), []int64{1}, "the versions")
	}},
	{"FS-082", "a refused version leaves its transaction usable", "A service that lost the race records that, in the same transaction.", func(e *storeEnv) {
		e.save(version("a", 1))
		e.Tx(func(ctx context.Context) error {
			e := e.in(ctx)
			before := e.save(version("b", 1))
			e.refused(version("a", 1), "version 1 over version 1")
			e.refused(version("c", 2), "version 2 of nothing")
			after := e.save(version("d", 1))
			e.Same([]int64{before.Change, after.Change}, []int64{2, 3}, "the numbers around it")
			return nil
		})
		e.Same(keysOf(e.list(flags.KindFlag, "", 10)), []string{"a", "b", "d"}, "the list")
	}},
	{"FS-083", "what a transaction wrote is there after its commit as it was seen inside", "An answer of nil means that it is there.", func(e *storeEnv) {
		var inside picture
		e.Tx(func(ctx context.Context) error {
			e := e.in(ctx)
			e.save(version("a", 1, "vip"))
			e.save(gone(e.save(audience("x", 1))))
			e.save(version("a", 2))
			inside = e.look()
			return nil
		})
		e.Same(e.look(), inside, "what is there after the commit")
	}},
	{"FS-084", "what a version was saved from is the caller's own", "A buffer that is used again must not change what is served.", func(e *storeEnv) {
		v := version("a", 1, "vip")
		want := version("a", 1, "vip")
		want.Change = e.save(v).Change
		v.Body[0], v.Hash[0], v.Audiences[0], v.Author.Authn.ACR, v.Author.Authn.AMR[0] = 'X', 'X', "X", "X", "X"
		e.Same(e.get(flags.KindFlag, "a"), want, "the version after the caller changed what it gave")
	}},
	{"FS-085", "what is answered is the caller's own, however it was read", "A reader that compiles a definition in place must not change what others read.", func(e *storeEnv) {
		e.save(version("a", 1, "vip"))
		want := version("a", 1, "vip")
		want.Change = 1
		for range 2 {
			for name, list := range map[string][]flags.Version{
				"Get": {e.get(flags.KindFlag, "a")}, "List": e.list(flags.KindFlag, "", 1), "Versions": e.versions("a", 0, 1),
				"Users": e.users("vip", 1), "Changes": e.changes(0, 1),
			} {
				e.Same(list, []flags.Version{want}, name)
				if e.Failed() {
					return
				}
				v := list[0]
				v.Body[0], v.Hash[0], v.Audiences[0], v.Author.Authn.ACR, v.Author.Authn.AMR[0] = 'X', 'X', "X", "X", "X"
			}
		}
	}},
	{"FS-086", "no method works under a transaction that has ended", "A ctx that outlived its transaction must not write past it, nor read what was undone. storage.ErrTxDone.", func(e *storeEnv) {
		before := e.look()
		e.Refuses(e.Ended(), storage.ErrTxDone, e.calls())
		e.Same(e.look(), before, "what is there")
	}},
	{"FS-087", "no method works under another backend's transaction", "A write that is not in the transaction it was meant for is not undone with it. storage.ErrForeignTx.", func(e *storeEnv) {
		before := e.look()
		e.Refuses(e.Foreign(), storage.ErrForeignTx, e.calls())
		e.Same(e.look(), before, "what is there")
	}},
}
