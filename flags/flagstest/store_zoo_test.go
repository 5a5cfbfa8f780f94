package flagstest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A brokenStore is a store that is broken in one way. The methods that are set stand in
// front of those of a store that is right.
type brokenStore struct {
	storage.Transactor
	flags.Store
	lock     func(ctx context.Context, tenant string) (int64, error)
	save     func(ctx context.Context, tenant string, v flags.Version) (int64, error)
	get      func(ctx context.Context, tenant string, kind flags.Kind, key string) (flags.Version, error)
	list     func(ctx context.Context, tenant string, q flags.ListQuery) ([]flags.Version, error)
	count    func(ctx context.Context, tenant string, kind flags.Kind) (int64, error)
	versions func(ctx context.Context, tenant string, kind flags.Kind, key string, before int64, limit int) ([]flags.Version, error)
	users    func(ctx context.Context, tenant, audience string, limit int) ([]flags.Version, error)
	changes  func(ctx context.Context, tenant string, after int64, limit int) ([]flags.Version, error)
	head     func(ctx context.Context, tenant string) (int64, error)
	use      func(ctx context.Context, tenant string, u flags.OverrideUse) (bool, error)

	// mu guards what a store remembers, and late: what it does once a transaction or a
	// savepoint has ended, however that was.
	mu   sync.Mutex
	late []func(ctx context.Context) error
	// inside counts the calls that are crowded.
	inside atomic.Int32
}

func (s *brokenStore) Flags() flags.Store { return s }

func (s *brokenStore) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	err := s.Transactor.InTx(ctx, fn)
	var late []func(ctx context.Context) error
	s.remember(func() { late, s.late = s.late, nil })
	for _, write := range late {
		err = errors.Join(err, write(ctx))
	}
	return err
}

func (s *brokenStore) Lock(ctx context.Context, tenant string) (int64, error) {
	if s.lock != nil {
		return s.lock(ctx, tenant)
	}
	return s.Store.Lock(ctx, tenant)
}

func (s *brokenStore) Save(ctx context.Context, tenant string, v flags.Version) (int64, error) {
	if s.save != nil {
		return s.save(ctx, tenant, v)
	}
	return s.Store.Save(ctx, tenant, v)
}

func (s *brokenStore) Get(ctx context.Context, tenant string, kind flags.Kind, key string) (flags.Version, error) {
	if s.get != nil {
		return s.get(ctx, tenant, kind, key)
	}
	return s.Store.Get(ctx, tenant, kind, key)
}

func (s *brokenStore) List(ctx context.Context, tenant string, q flags.ListQuery) ([]flags.Version, error) {
	if s.list != nil {
		return s.list(ctx, tenant, q)
	}
	return s.Store.List(ctx, tenant, q)
}

func (s *brokenStore) Count(ctx context.Context, tenant string, kind flags.Kind) (int64, error) {
	if s.count != nil {
		return s.count(ctx, tenant, kind)
	}
	return s.Store.Count(ctx, tenant, kind)
}

func (s *brokenStore) Versions(ctx context.Context, tenant string, kind flags.Kind, key string, before int64, limit int) ([]flags.Version, error) {
	if s.versions != nil {
		return s.versions(ctx, tenant, kind, key, before, limit)
	}
	return s.Store.Versions(ctx, tenant, kind, key, before, limit)
}

func (s *brokenStore) Users(ctx context.Context, tenant, audience string, limit int) ([]flags.Version, error) {
	if s.users != nil {
		return s.users(ctx, tenant, audience, limit)
	}
	return s.Store.Users(ctx, tenant, audience, limit)
}

func (s *brokenStore) Changes(ctx context.Context, tenant string, after int64, limit int) ([]flags.Version, error) {
	if s.changes != nil {
		return s.changes(ctx, tenant, after, limit)
	}
	return s.Store.Changes(ctx, tenant, after, limit)
}

func (s *brokenStore) Head(ctx context.Context, tenant string) (int64, error) {
	if s.head != nil {
		return s.head(ctx, tenant)
	}
	return s.Store.Head(ctx, tenant)
}

func (s *brokenStore) Use(ctx context.Context, tenant string, u flags.OverrideUse) (bool, error) {
	if s.use != nil {
		return s.use(ctx, tenant, u)
	}
	return s.Store.Use(ctx, tenant, u)
}

// remember runs fn, which reads or writes what a store remembers, alone.
func (s *brokenStore) remember(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// crowd reports whether another call that asks so runs at this time, and returns what ends
// the call.
func (s *brokenStore) crowd() (crowd bool, leave func()) {
	s.inside.Add(1)
	for range 1000 {
		if crowd = s.inside.Load() > 1; crowd {
			break
		}
		runtime.Gosched()
	}
	return crowd, func() { s.inside.Add(-1) }
}

// inTx reports whether ctx carries a transaction.
func inTx(ctx context.Context) bool { return storage.Detach(ctx) != ctx }

// savedAs alters versions before they are saved.
func savedAs(alter func(v *flags.Version)) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.save = func(ctx context.Context, tenant string, v flags.Version) (int64, error) {
			s.remember(func() { alter(&v) })
			return s.Store.Save(ctx, tenant, v)
		}
	}
}

// gotAs alters versions that were read by their key.
func gotAs(alter func(v *flags.Version)) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.get = func(ctx context.Context, tenant string, kind flags.Kind, key string) (flags.Version, error) {
			v, err := s.Store.Get(ctx, tenant, kind, key)
			s.remember(func() { alter(&v) })
			return v, err
		}
	}
}

// numberedAs alters the number that a saved version is said to have.
func numberedAs(alter func(tenant string, v flags.Version, change int64) int64) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.save = func(ctx context.Context, tenant string, v flags.Version) (change int64, err error) {
			if change, err = s.Store.Save(ctx, tenant, v); err == nil {
				s.remember(func() { change = alter(tenant, v, change) })
			}
			return change, err
		}
	}
}

// listedAs alters lists of documents.
func listedAs(alter func(list []flags.Version) []flags.Version) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.list = func(ctx context.Context, tenant string, q flags.ListQuery) ([]flags.Version, error) {
			list, err := s.Store.List(ctx, tenant, q)
			s.remember(func() { list = alter(list) })
			return list, err
		}
	}
}

// recalledAs alters lists of versions.
func recalledAs(alter func(list []flags.Version) []flags.Version) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.versions = func(ctx context.Context, tenant string, kind flags.Kind, key string, before int64, limit int) ([]flags.Version, error) {
			list, err := s.Store.Versions(ctx, tenant, kind, key, before, limit)
			s.remember(func() { list = alter(list) })
			return list, err
		}
	}
}

// usedAs alters lists of users.
func usedAs(alter func(list []flags.Version) []flags.Version) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.users = func(ctx context.Context, tenant, audience string, limit int) ([]flags.Version, error) {
			list, err := s.Store.Users(ctx, tenant, audience, limit)
			s.remember(func() { list = alter(list) })
			return list, err
		}
	}
}

// followedAs alters lists of changes.
func followedAs(alter func(list []flags.Version) []flags.Version) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.changes = func(ctx context.Context, tenant string, after int64, limit int) ([]flags.Version, error) {
			list, err := s.Store.Changes(ctx, tenant, after, limit)
			s.remember(func() { list = alter(list) })
			return list, err
		}
	}
}

// firstAs has a store decide by what it remembers whether a use is the first.
func firstAs(key func(tenant string, u flags.OverrideUse) string) func(s *brokenStore) {
	return func(s *brokenStore) {
		seen := map[string]bool{}
		s.use = func(ctx context.Context, tenant string, u flags.OverrideUse) (bool, error) {
			_, err := s.Store.Use(ctx, tenant, u)
			first := false
			s.remember(func() {
				first = !seen[key(tenant, u)]
				seen[key(tenant, u)] = true
			})
			return first, err
		}
	}
}

// saveAfter saves once more without the transaction where that is refused.
func saveAfter(want error) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.save = func(ctx context.Context, tenant string, v flags.Version) (int64, error) {
			change, err := s.Store.Save(ctx, tenant, v)
			if errors.Is(err, want) {
				return s.Store.Save(storage.Detach(ctx), tenant, v)
			}
			return change, err
		}
	}
}

// retaken saves a version that is refused at the revision that fits, where may says so.
func retaken(may func(current flags.Version, v flags.Version) bool) func(s *brokenStore) {
	return func(s *brokenStore) {
		s.save = func(ctx context.Context, tenant string, v flags.Version) (int64, error) {
			change, err := s.Store.Save(ctx, tenant, v)
			if !errors.Is(err, storage.ErrConflict) {
				return change, err
			}
			current, missing := s.Store.Get(ctx, tenant, v.Kind, v.Key)
			if (missing == nil || errors.Is(missing, storage.ErrNotFound)) && may(current, v) {
				v.Revision = current.Revision + 1
				return s.Store.Save(ctx, tenant, v)
			}
			return change, err
		}
	}
}

var storeZoo = []struct {
	rule, name string
	breaks     func(s *brokenStore)
}{
	{"FS-001", "forgets how authors proved who they are", gotAs(func(v *flags.Version) { v.Author.Authn = nil })},
	{"FS-002", "answers an empty list where there is none", gotAs(func(v *flags.Version) {
		if v.Audiences == nil {
			v.Audiences = []string{}
		}
	})},
	{"FS-003", "writes JSON without its spaces", savedAs(func(v *flags.Version) {
		var b bytes.Buffer
		if json.Compact(&b, v.Body) == nil {
			v.Body = b.Bytes()
		}
	})},
	{"FS-004", "trims comments", savedAs(func(v *flags.Version) { v.Comment = strings.TrimSpace(v.Comment) })},
	{"FS-004", "folds the case of authors", savedAs(func(v *flags.Version) { v.Author.ID = strings.ToLower(v.Author.ID) })},
	{"FS-005", "answers times in a zone", gotAs(func(v *flags.Version) { v.At = v.At.In(time.FixedZone("", 3600)) })},
	{"FS-005", "rounds times", savedAs(func(v *flags.Version) { v.CreatedAt = v.CreatedAt.Round(time.Microsecond) })},
	{"FS-006", "cuts a body", savedAs(func(v *flags.Version) { v.Body = v.Body[:min(len(v.Body), 1<<16)] })},
	{"FS-006", "keeps 255 audiences", savedAs(func(v *flags.Version) { v.Audiences = v.Audiences[:min(len(v.Audiences), 255)] })},
	{"FS-007", "answers an empty flag for none", func(s *brokenStore) {
		s.get = func(ctx context.Context, tenant string, kind flags.Kind, key string) (flags.Version, error) {
			v, err := s.Store.Get(ctx, tenant, kind, key)
			if errors.Is(err, storage.ErrNotFound) {
				err = nil
			}
			return v, err
		}
	}},
	{"FS-008", "takes any first version", retaken(func(current, _ flags.Version) bool { return current.Revision == 0 })},
	{"FS-009", "takes any later version", retaken(func(current, _ flags.Version) bool { return current.Revision > 0 })},
	{"FS-010", "serves the first body", func(s *brokenStore) {
		first := map[string]json.RawMessage{}
		savedAs(func(v *flags.Version) {
			if v.Revision == 1 {
				first[v.Key] = v.Body
			}
			v.Body = first[v.Key]
		})(s)
	}},
	{"FS-011", "takes an audience for the flag of its key", func(s *brokenStore) {
		s.get = func(ctx context.Context, tenant string, kind flags.Kind, key string) (flags.Version, error) {
			if v, err := s.Store.Get(ctx, tenant, flags.KindFlag, key); err == nil {
				return v, nil
			}
			return s.Store.Get(ctx, tenant, kind, key)
		}
	}},
	{"FS-012", "folds the case of keys", func(s *brokenStore) {
		s.get = func(ctx context.Context, tenant string, kind flags.Kind, key string) (flags.Version, error) {
			return s.Store.Get(ctx, tenant, kind, strings.ToLower(key))
		}
	}},
	{"FS-013", "finds no deleted document", func(s *brokenStore) {
		s.get = func(ctx context.Context, tenant string, kind flags.Kind, key string) (flags.Version, error) {
			v, err := s.Store.Get(ctx, tenant, kind, key)
			if v.Deleted {
				return flags.Version{}, storage.ErrNotFound
			}
			return v, err
		}
	}},
	{"FS-014", "begins anew after a deletion", retaken(func(current, v flags.Version) bool { return current.Deleted && v.Revision == 1 })},
	{"FS-015", "looks for the key before it writes", func(s *brokenStore) {
		s.save = func(ctx context.Context, tenant string, v flags.Version) (int64, error) {
			crowd, leave := s.crowd()
			defer leave()
			change, err := s.Store.Save(ctx, tenant, v)
			if crowd && errors.Is(err, storage.ErrConflict) {
				err = nil
			}
			return change, err
		}
	}},

	{"FS-020", "answers the revision for the number", numberedAs(func(_ string, v flags.Version, _ int64) int64 { return v.Revision })},
	{"FS-021", "takes the number that a version says", numberedAs(func(_ string, v flags.Version, change int64) int64 { return cmp.Or(v.Change, change) })},
	{"FS-022", "numbers the changes of all tenants", func(s *brokenStore) {
		n := int64(0)
		numberedAs(func(string, flags.Version, int64) int64 {
			n++
			return n
		})(s)
	}},
	{"FS-023", "gives numbers to what is rolled back", func(s *brokenStore) {
		n := map[string]int64{}
		numberedAs(func(tenant string, _ flags.Version, _ int64) int64 {
			n[tenant]++
			return n[tenant]
		})(s)
	}},
	{"FS-024", "gives one number to changes that are made at once", func(s *brokenStore) {
		s.save = func(ctx context.Context, tenant string, v flags.Version) (int64, error) {
			crowd, leave := s.crowd()
			defer leave()
			change, err := s.Store.Save(ctx, tenant, v)
			if crowd && err == nil {
				change = 1
			}
			return change, err
		}
	}},
	{"FS-025", "keeps its head behind", func(s *brokenStore) {
		s.head = func(ctx context.Context, tenant string) (int64, error) {
			n, err := s.Store.Head(ctx, tenant)
			return max(0, n-1), err
		}
	}},
	{"FS-026", "finds no head to lock", func(s *brokenStore) {
		s.lock = func(ctx context.Context, tenant string) (int64, error) {
			n, err := s.Store.Lock(ctx, tenant)
			if err == nil && n == 0 {
				err = storage.ErrNotFound
			}
			return n, err
		}
	}},
	{"FS-027", "locks for the length of a call", func(s *brokenStore) { s.lock = s.Store.Head }},
	{"FS-028", "answers a lock with what it read before", func(s *brokenStore) {
		first := map[string]int64{}
		s.lock = func(ctx context.Context, tenant string) (int64, error) {
			n, err := s.Store.Lock(ctx, tenant)
			s.remember(func() {
				if old, ok := first[tenant]; ok {
					n = old
				}
				first[tenant] = n
			})
			return n, err
		}
	}},
	{"FS-029", "counts once", func(s *brokenStore) {
		first := map[string]int64{}
		s.count = func(ctx context.Context, tenant string, kind flags.Kind) (int64, error) {
			n, err := s.Store.Count(ctx, tenant, kind)
			s.remember(func() {
				if old, ok := first[tenant+string(kind)]; ok {
					n = old
				}
				first[tenant+string(kind)] = n
			})
			return n, err
		}
	}},

	{"FS-030", "orders keys as people do", listedAs(func(list []flags.Version) []flags.Version {
		slices.SortStableFunc(list, func(a, b flags.Version) int { return cmp.Compare(strings.ToLower(a.Key), strings.ToLower(b.Key)) })
		return list
	})},
	{"FS-031", "looks for the document that a page ended with", func(s *brokenStore) {
		s.list = func(ctx context.Context, tenant string, q flags.ListQuery) ([]flags.Version, error) {
			if v, err := s.Store.Get(ctx, tenant, q.Kind, q.After); err != nil || v.Deleted {
				q.After = ""
			}
			return s.Store.List(ctx, tenant, q)
		}
	}},
	{"FS-032", "counts what was deleted", func(s *brokenStore) {
		s.count = func(ctx context.Context, tenant string, kind flags.Kind) (n int64, err error) {
			list, err := s.Store.Changes(ctx, tenant, 0, 1000)
			for _, v := range list {
				if v.Kind == kind {
					n++
				}
			}
			return n, err
		}
	}},
	{"FS-032", "lists all kinds", func(s *brokenStore) {
		s.list = func(ctx context.Context, tenant string, q flags.ListQuery) ([]flags.Version, error) {
			list, err := s.Store.List(ctx, tenant, q)
			q.Kind = flags.KindAudience
			more, err2 := s.Store.List(ctx, tenant, q)
			return append(list, more...), errors.Join(err, err2)
		}
	}},
	{"FS-033", "hides for good what was deleted once", func(s *brokenStore) {
		s.list = func(ctx context.Context, tenant string, q flags.ListQuery) ([]flags.Version, error) {
			list, err := s.Store.List(ctx, tenant, q)
			return slices.DeleteFunc(list, func(v flags.Version) bool {
				all, _ := s.Store.Versions(ctx, tenant, v.Kind, v.Key, 0, 1000)
				return slices.ContainsFunc(all, func(v flags.Version) bool { return v.Deleted })
			}), err
		}
	}},
	{"FS-034", "lists without audiences", listedAs(func(list []flags.Version) []flags.Version {
		for i := range list {
			list[i].Audiences = nil
		}
		return list
	})},
	{"FS-035", "lists one more than was asked for", func(s *brokenStore) {
		s.list = func(ctx context.Context, tenant string, q flags.ListQuery) ([]flags.Version, error) {
			q.Limit++
			return s.Store.List(ctx, tenant, q)
		}
	}},
	{"FS-035", "answers changes without a limit", func(s *brokenStore) {
		s.changes = func(ctx context.Context, tenant string, after int64, _ int) ([]flags.Version, error) {
			return s.Store.Changes(ctx, tenant, after, 1000)
		}
	}},

	{"FS-040", "orders revisions as texts", recalledAs(func(list []flags.Version) []flags.Version {
		slices.SortFunc(list, func(a, b flags.Version) int { return cmp.Compare(fmt.Sprint(b.Revision), fmt.Sprint(a.Revision)) })
		return list
	})},
	{"FS-040", "leaves deletions out of a history", recalledAs(func(list []flags.Version) []flags.Version {
		return slices.DeleteFunc(list, func(v flags.Version) bool { return v.Deleted })
	})},
	{"FS-041", "goes on at a revision and not below it", func(s *brokenStore) {
		s.versions = func(ctx context.Context, tenant string, kind flags.Kind, key string, before int64, limit int) ([]flags.Version, error) {
			if before > 0 {
				before++
			}
			return s.Store.Versions(ctx, tenant, kind, key, before, limit)
		}
	}},
	{"FS-042", "answers the history of a flag for an audience's", func(s *brokenStore) {
		s.versions = func(ctx context.Context, tenant string, kind flags.Kind, key string, before int64, limit int) ([]flags.Version, error) {
			list, err := s.Store.Versions(ctx, tenant, kind, key, before, limit)
			more, err2 := s.Store.Versions(ctx, tenant, flags.KindAudience, key, before, limit)
			return append(list, more...), errors.Join(err, err2)
		}
	}},

	{"FS-050", "orders users by number", usedAs(func(list []flags.Version) []flags.Version {
		slices.SortFunc(list, func(a, b flags.Version) int { return cmp.Compare(a.Change, b.Change) })
		return list
	})},
	{"FS-050", "names a user once for each of its audiences", usedAs(func(list []flags.Version) (all []flags.Version) {
		for _, v := range list {
			for range v.Audiences {
				all = append(all, v)
			}
		}
		return all
	})},
	{"FS-051", "keeps the audiences of earlier versions", func(s *brokenStore) {
		s.users = func(ctx context.Context, tenant, audience string, limit int) (users []flags.Version, err error) {
			all, err := s.Store.List(ctx, tenant, flags.ListQuery{Kind: flags.KindFlag, Limit: 1000})
			for _, v := range all {
				history, _ := s.Store.Versions(ctx, tenant, v.Kind, v.Key, 0, 1000)
				if slices.ContainsFunc(history, func(v flags.Version) bool { return slices.Contains(v.Audiences, audience) }) && len(users) < limit {
					users = append(users, v)
				}
			}
			return users, err
		}
	}},
	{"FS-051", "keeps users that were deleted", func(s *brokenStore) {
		s.users = func(ctx context.Context, tenant, audience string, limit int) (users []flags.Version, err error) {
			users, err = s.Store.Users(ctx, tenant, audience, limit)
			all, err2 := s.Store.Changes(ctx, tenant, 0, 1000)
			for _, v := range all {
				if v.Deleted && slices.Contains(v.Audiences, audience) {
					users = append(users, v)
				}
			}
			return users, errors.Join(err, err2)
		}
	}},
	{"FS-052", "folds the case of audiences", func(s *brokenStore) {
		s.users = func(ctx context.Context, tenant, audience string, limit int) ([]flags.Version, error) {
			return s.Store.Users(ctx, tenant, strings.ToLower(audience), limit)
		}
	}},

	{"FS-060", "leaves deletions out of changes", followedAs(func(list []flags.Version) []flags.Version {
		return slices.DeleteFunc(list, func(v flags.Version) bool { return v.Deleted })
	})},
	{"FS-060", "orders changes by key", followedAs(func(list []flags.Version) []flags.Version {
		slices.SortFunc(list, func(a, b flags.Version) int { return cmp.Compare(a.Key, b.Key) })
		return list
	})},
	{"FS-061", "goes on by counting changes", func(s *brokenStore) {
		s.changes = func(ctx context.Context, tenant string, after int64, limit int) ([]flags.Version, error) {
			all, err := s.Store.Changes(ctx, tenant, 0, 1000)
			all = all[min(int(after), len(all)):]
			return all[:min(limit, len(all))], err
		}
	}},
	{"FS-062", "shows changes before those that come before them", func(s *brokenStore) {
		shown := map[int64]bool{}
		followedAs(func(list []flags.Version) []flags.Version {
			if len(list) > 1 && !shown[list[0].Change] {
				shown[list[0].Change] = true
				list = list[1:]
			}
			return list
		})(s)
	}},
	{"FS-063", "answers the changes of tenants that are named alike", func(s *brokenStore) {
		s.changes = func(ctx context.Context, tenant string, after int64, limit int) ([]flags.Version, error) {
			list, err := s.Store.Changes(ctx, tenant, after, limit)
			more, err2 := s.Store.Changes(ctx, tenant+"-other", after, limit)
			return append(list, more...), errors.Join(err, err2)
		}
	}},

	{"FS-070", "notes uses by subject", firstAs(func(tenant string, u flags.OverrideUse) string { return tenant + u.Subject })},
	{"FS-070", "notes the uses of all tenants", firstAs(func(_ string, u flags.OverrideUse) string { return fmt.Sprint(u) })},
	{"FS-071", "notes days as texts", firstAs(func(tenant string, u flags.OverrideUse) string { return fmt.Sprint(tenant, u) })},
	{"FS-072", "notes uses beside the transaction", firstAs(func(tenant string, u flags.OverrideUse) string {
		return tenant + u.Flag + u.Environment + u.Override + u.Subject + u.Day.UTC().String()
	})},
	{"FS-073", "looks for a use before it notes it", func(s *brokenStore) {
		s.use = func(ctx context.Context, tenant string, u flags.OverrideUse) (bool, error) {
			crowd, leave := s.crowd()
			defer leave()
			first, err := s.Store.Use(ctx, tenant, u)
			return first || crowd, err
		}
	}},

	{"FS-080", "reads users past its transaction", func(s *brokenStore) {
		s.users = func(ctx context.Context, tenant, audience string, limit int) ([]flags.Version, error) {
			return s.Store.Users(storage.Detach(ctx), tenant, audience, limit)
		}
	}},
	{"FS-081", "writes beside its savepoint", func(s *brokenStore) {
		s.save = func(ctx context.Context, tenant string, v flags.Version) (int64, error) {
			if v.Key == "b" && inTx(ctx) {
				s.remember(func() {
					s.late = append(s.late, func(ctx context.Context) error {
						_, err := s.Store.Save(ctx, tenant, v)
						return err
					})
				})
				return 0, nil
			}
			return s.Store.Save(ctx, tenant, v)
		}
	}},
	{"FS-082", "drops what comes after a conflict", func(s *brokenStore) {
		var poisoned atomic.Bool
		s.save = func(ctx context.Context, tenant string, v flags.Version) (int64, error) {
			if poisoned.Load() {
				return 0, nil
			}
			change, err := s.Store.Save(ctx, tenant, v)
			poisoned.Store(err != nil && inTx(ctx))
			return change, err
		}
	}},
	{"FS-083", "shows deletions to their transaction only", func(s *brokenStore) {
		s.changes = func(ctx context.Context, tenant string, after int64, limit int) ([]flags.Version, error) {
			list, err := s.Store.Changes(ctx, tenant, after, limit)
			if !inTx(ctx) {
				list = slices.DeleteFunc(list, func(v flags.Version) bool { return v.Deleted })
			}
			return list, err
		}
	}},
	{"FS-084", "keeps the body of the caller", func(s *brokenStore) {
		given := map[string]json.RawMessage{}
		savedAs(func(v *flags.Version) { given[v.Key] = v.Body })(s)
		gotAs(func(v *flags.Version) {
			if len(given[v.Key]) == len(v.Body) {
				v.Body = given[v.Key]
			}
		})(s)
	}},
	{"FS-085", "hands out the list that it keeps", func(s *brokenStore) {
		var kept []flags.Version
		listedAs(func(list []flags.Version) []flags.Version {
			if len(kept) != len(list) {
				kept = list
			}
			return kept
		})(s)
	}},
	{"FS-086", "writes with plain statements once the transaction has ended", saveAfter(storage.ErrTxDone)},
	{"FS-087", "writes in a transaction of its own beside another backend's", saveAfter(storage.ErrForeignTx)},
}

func TestEachBrokenStoreIsCaughtByItsRule(t *testing.T) {
	sound := func(t testing.TB) *brokenStore {
		b, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return &brokenStore{Transactor: b, Store: b.Flags()}
	}
	var mutants []ruletest.StoreMutant[StoreUnderTest]
	for _, m := range storeZoo {
		mutants = append(mutants, ruletest.StoreMutant[StoreUnderTest]{Rule: m.rule, Name: m.name, Make: func(t testing.TB) StoreUnderTest {
			s := sound(t)
			m.breaks(s)
			return s
		}})
	}
	ruletest.ProveStore(t, storeRules(), func(t testing.TB) StoreUnderTest { return sound(t) }, mutants, nil)
}
