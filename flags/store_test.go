package flags_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

var day = time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)

func version(kind flags.Kind, key string, revision int64, audiences ...string) flags.Version {
	return flags.Version{
		Kind: kind, Key: key, Revision: revision, Body: json.RawMessage(fmt.Sprintf(`{"key":%q,"n":%d}`, key, revision)), Hash: []byte{1, byte(revision)},
		Audiences: audiences, Action: "flags.flag.updated", Comment: "because", EventID: fmt.Sprint(key, "-", revision), At: day, CreatedAt: day.Add(-time.Hour),
		Author: audit.Actor{Type: audit.User, ID: "dana", Name: "Dana", Authn: &audit.Authn{At: day.Add(-time.Minute), AMR: []string{"otp"}}},
	}
}

func ended(v flags.Version) flags.Version {
	v.Deleted = true
	return v
}

// save saves versions of a tenant in order and returns them as they are stored.
func save(t *testing.T, ctx context.Context, s flags.Store, tenant string, versions ...flags.Version) []flags.Version {
	t.Helper()
	for i, v := range versions {
		change, err := s.Save(ctx, tenant, v)
		must(t, err)
		versions[i].Change = change
	}
	return versions
}

var storeCases = []struct {
	name string
	run  func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store)
}{
	{"a version comes back as it went in", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		want := save(t, ctx, s, "acme", version(flags.KindFlag, "checkout", 1, "beta", "vip"))[0]
		same(t, want.Change, 1)
		got, err := s.Get(ctx, "acme", flags.KindFlag, "checkout")
		must(t, err)
		same(t, got, want)
	}},
	{"documents that are not deleted are counted by tenant and kind", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		save(t, ctx, s, "acme", version(flags.KindFlag, "a", 1), version(flags.KindFlag, "b", 1), version(flags.KindFlag, "b", 2),
			version(flags.KindFlag, "c", 1), ended(version(flags.KindFlag, "c", 2)), version(flags.KindAudience, "a", 1))
		save(t, ctx, s, "acme2", version(flags.KindFlag, "a", 1))
		for _, c := range []struct {
			tenant string
			kind   flags.Kind
			want   int64
		}{{"acme", flags.KindFlag, 2}, {"acme", flags.KindAudience, 1}, {"acme2", flags.KindFlag, 1}, {"bloom", flags.KindFlag, 0}} {
			got, err := s.Count(ctx, c.tenant, c.kind)
			must(t, err)
			same(t, got, c.want)
		}
	}},
	{"flags and audiences of one key are two documents", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		want := save(t, ctx, s, "acme", version(flags.KindFlag, "vip", 1), version(flags.KindAudience, "vip", 1))
		for _, w := range want {
			got, err := s.Get(ctx, "acme", w.Kind, "vip")
			must(t, err)
			same(t, got, w)
			listed, err := s.List(ctx, "acme", flags.ListQuery{Kind: w.Kind, Limit: 10})
			must(t, err)
			same(t, listed, []flags.Version{w})
		}
	}},
	{"a version must follow the current one", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		want := save(t, ctx, s, "acme", version(flags.KindFlag, "a", 1), version(flags.KindFlag, "a", 2))[1]
		for _, revision := range []int64{1, 2, 4} {
			_, err := s.Save(ctx, "acme", version(flags.KindFlag, "a", revision))
			wantErr(t, err, storage.ErrConflict)
		}
		_, err := s.Save(ctx, "acme", version(flags.KindFlag, "b", 2))
		wantErr(t, err, storage.ErrConflict)
		got, err := s.Get(ctx, "acme", flags.KindFlag, "a")
		must(t, err)
		same(t, got, want)
		head, err := s.Head(ctx, "acme")
		must(t, err)
		same(t, head, 2)
	}},
	{"a refused version leaves the transaction usable", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		must(t, b.InTx(ctx, func(ctx context.Context) error {
			save(t, ctx, s, "acme", version(flags.KindFlag, "a", 1))
			_, err := s.Save(ctx, "acme", version(flags.KindFlag, "a", 1))
			wantErr(t, err, storage.ErrConflict)
			same(t, save(t, ctx, s, "acme", version(flags.KindFlag, "b", 1))[0].Change, 2)
			return nil
		}))
	}},
	{"a deleted document is returned as such, leaves lists, and counts on when it comes back", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		v := save(t, ctx, s, "acme", version(flags.KindFlag, "a", 1, "vip"), ended(version(flags.KindFlag, "a", 2, "vip")))
		got, err := s.Get(ctx, "acme", flags.KindFlag, "a")
		must(t, err)
		same(t, got, v[1])
		listed, err := s.List(ctx, "acme", flags.ListQuery{Kind: flags.KindFlag, Limit: 10})
		must(t, err)
		same(t, len(listed), 0)
		users, err := s.Users(ctx, "acme", "vip", 10)
		must(t, err)
		same(t, len(users), 0)
		back := save(t, ctx, s, "acme", version(flags.KindFlag, "a", 3, "vip"))[0]
		users, err = s.Users(ctx, "acme", "vip", 10)
		must(t, err)
		same(t, users, []flags.Version{back})
	}},
	{"a list is in order of key and continues behind one", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		for _, key := range []string{"c", "a", "e", "b", "d", "a-b"} {
			save(t, ctx, s, "acme", version(flags.KindFlag, key, 1))
		}
		for limit := 1; limit < 8; limit++ {
			var keys []string
			for q := (flags.ListQuery{Kind: flags.KindFlag, Limit: limit}); ; {
				page, err := s.List(ctx, "acme", q)
				must(t, err)
				for _, v := range page {
					keys = append(keys, v.Key)
				}
				if len(page) < limit {
					break
				}
				q.After = page[limit-1].Key
			}
			same(t, keys, []string{"a", "a-b", "b", "c", "d", "e"})
		}
	}},
	{"versions are listed newest first and continue before one", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		var want []flags.Version
		for r := range int64(5) {
			want = append(want, save(t, ctx, s, "acme", version(flags.KindFlag, "a", r+1))...)
			save(t, ctx, s, "acme", version(flags.KindFlag, "b", r+1))
		}
		slices.Reverse(want)
		got, err := s.Versions(ctx, "acme", flags.KindFlag, "a", 0, 10)
		must(t, err)
		same(t, got, want)
		got, err = s.Versions(ctx, "acme", flags.KindFlag, "a", 4, 2)
		must(t, err)
		same(t, got, want[2:4])
		got, err = s.Versions(ctx, "acme", flags.KindFlag, "none", 0, 10)
		must(t, err)
		same(t, len(got), 0)
	}},
	{"the users of an audience are the current documents that use it", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		save(t, ctx, s, "acme",
			version(flags.KindFlag, "b", 1, "vip"), version(flags.KindFlag, "a", 1, "beta", "vip"), version(flags.KindAudience, "beta", 1, "vip"),
			version(flags.KindFlag, "c", 1, "vip"), version(flags.KindFlag, "c", 2, "beta"), version(flags.KindFlag, "d", 1, "vi"))
		var got []string
		users, err := s.Users(ctx, "acme", "vip", 10)
		must(t, err)
		for _, v := range users {
			got = append(got, string(v.Kind)+" "+v.Key)
		}
		same(t, got, []string{"audience beta", "flag a", "flag b"})
		users, err = s.Users(ctx, "acme", "vip", 2)
		must(t, err)
		same(t, len(users), 2)
	}},
	{"changes are what is current of each key, in the order it came about", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		v := save(t, ctx, s, "acme",
			version(flags.KindFlag, "a", 1), version(flags.KindFlag, "b", 1), version(flags.KindAudience, "vip", 1),
			version(flags.KindFlag, "a", 2), ended(version(flags.KindFlag, "b", 2)))
		for _, c := range []struct {
			after int64
			limit int
			want  []flags.Version
		}{
			{0, 10, v[2:]}, {0, 2, v[2:4]}, {2, 10, v[2:]}, {3, 10, v[3:]}, {4, 10, v[4:]}, {5, 10, nil},
		} {
			got, err := s.Changes(ctx, "acme", c.after, c.limit)
			must(t, err)
			same(t, got, c.want)
		}
	}},
	{"a lock needs a transaction and tells where the tenant stands", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		_, err := s.Lock(ctx, "acme")
		wantErr(t, err, storage.ErrNoTx)
		must(t, b.InTx(ctx, func(ctx context.Context) error {
			change, err := s.Lock(ctx, "acme")
			same(t, change, 0)
			must(t, err)
			save(t, ctx, s, "acme", version(flags.KindFlag, "a", 1))
			change, err = s.Lock(ctx, "acme")
			same(t, change, 1)
			return err
		}))
	}},
	{"an override's use is new once for a subject and a day", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		use := flags.OverrideUse{Flag: "a", Environment: "prod", Override: "o1", Subject: "sam", Day: day.Truncate(24 * time.Hour)}
		others := []flags.OverrideUse{use, use, use, use, use}
		others[0].Flag, others[1].Environment, others[2].Override, others[3].Subject = "b", "dev", "o2", "nina"
		others[4].Day = use.Day.Add(24 * time.Hour)
		for _, u := range append(others, use) {
			for _, want := range []bool{true, false} {
				got, err := s.Use(ctx, "acme", u)
				must(t, err)
				same(t, got, want)
			}
		}
		got, err := s.Use(ctx, "bloom", use)
		must(t, err)
		same(t, got, true)
	}},
	{"a rolled-back transaction leaves nothing", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		boom := errors.New("boom")
		use := flags.OverrideUse{Flag: "a", Environment: "prod", Override: "o1", Subject: "sam", Day: day.Truncate(24 * time.Hour)}
		save(t, ctx, s, "acme", version(flags.KindFlag, "a", 1))
		wantErr(t, b.InTx(ctx, func(ctx context.Context) error {
			save(t, ctx, s, "acme", version(flags.KindFlag, "a", 2, "vip"), version(flags.KindFlag, "b", 1, "vip"))
			_, err := s.Use(ctx, "acme", use)
			must(t, err)
			return boom
		}), boom)
		head, err := s.Head(ctx, "acme")
		must(t, err)
		same(t, head, 1)
		versions, err := s.Versions(ctx, "acme", flags.KindFlag, "a", 0, 10)
		must(t, err)
		same(t, len(versions), 1)
		users, err := s.Users(ctx, "acme", "vip", 10)
		must(t, err)
		same(t, len(users), 0)
		first, err := s.Use(ctx, "acme", use)
		must(t, err)
		same(t, first, true)
	}},
	{"what a caller holds is its own", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		given := version(flags.KindFlag, "a", 1, "vip")
		save(t, ctx, s, "acme", given)
		spoil := func(v flags.Version) {
			v.Body[0], v.Hash[0], v.Audiences[0], v.Author.Authn.AMR[0] = 'X', 9, "X", "X"
		}
		spoil(given)
		got, err := s.Get(ctx, "acme", flags.KindFlag, "a")
		must(t, err)
		spoil(got)
		got, err = s.Get(ctx, "acme", flags.KindFlag, "a")
		must(t, err)
		want := version(flags.KindFlag, "a", 1, "vip")
		want.Change = 1
		same(t, got, want)
	}},
	{"writers at once give every change its place, and readers who catch up miss none", func(t *testing.T, ctx context.Context, b eachtest.Backend, s flags.Store) {
		const writers, each = 4, 8
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for r := range int64(each) {
					if _, err := s.Save(ctx, "acme", version(flags.KindFlag, fmt.Sprint("w", w), r+1)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		// A reader that asks for what is new after what it saw last sees the newest
		// version of every key in the end.
		seen, last := map[string]int64{}, int64(0)
		for last < writers*each && !t.Failed() {
			changes, err := s.Changes(ctx, "acme", last, 3)
			must(t, err)
			for _, v := range changes {
				if v.Change <= last || v.Revision <= seen[v.Key] {
					t.Errorf("change %d of %s@%d after change %d and revision %d", v.Change, v.Key, v.Revision, last, seen[v.Key])
				}
				seen[v.Key], last = v.Revision, v.Change
			}
		}
		wg.Wait()
		for w := range writers {
			same(t, seen[fmt.Sprint("w", w)], each)
		}
	}},
}

func TestStore(t *testing.T) {
	for _, k := range eachtest.Kinds(t) {
		t.Run(k.Name, func(t *testing.T) {
			for _, c := range storeCases {
				t.Run(c.name, func(t *testing.T) {
					b := k.Open(t)
					c.run(t, t.Context(), b, b.Flags())
				})
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func same[T any](t testing.TB, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
