package flagstest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A StoreUnderTest is a flags.Store with the transactions it takes part in.
type StoreUnderTest interface {
	storage.Transactor
	Flags() flags.Store
}

// RunStore holds a flags.Store to its rules, each as a subtest named by its id. newStore
// returns a migrated backend. It is called once: the rules share what it returns and have a
// tenant of their own each. The test that asks leaves closing it to newStore.
func RunStore(t *testing.T, newStore func(t *testing.T) StoreUnderTest) {
	t.Helper()
	ruletest.RunStore(t, storeRules(), newStore)
}

// StoreRules returns the rules of [RunStore], in their order.
func StoreRules() []ruletest.Rule { return ruletest.About(storeRules()) }

func storeRules() []storeRule {
	return slices.Concat(saveRules, numberRules, listRules, versionRules, userRules, followRules, useRules, transactionRules)
}

// A storeRule is one thing a store has to keep.
type storeRule struct {
	id, name, explanation string
	run                   func(e *storeEnv)
}

// About implements ruletest.StoreRule.
func (r storeRule) About() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// Check implements ruletest.StoreRule.
func (r storeRule) Check(t testing.TB, b StoreUnderTest) {
	t.Helper()
	r.About().Check(t, ruletest.StorePatience, func(ctx context.Context) {
		r.run(&storeEnv{ruletest.NewStoreEnv(t, ctx, b, b.Flags())})
	})
}

// A storeEnv is what a rule of a store gets to work with.
type storeEnv struct {
	ruletest.StoreEnv[flags.Store]
}

// in is the env in a transaction.
func (e *storeEnv) in(ctx context.Context) *storeEnv {
	i := *e
	i.Ctx = ctx
	return &i
}

// of is the env of another tenant.
func (e *storeEnv) of(tenant string) *storeEnv {
	o := *e
	o.Tenant = tenant
	return &o
}

// noon is when documents are saved.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)

// version returns a version of a flag with every field set that the store does not give.
func version(key string, revision int64, audiences ...string) flags.Version {
	return flags.Version{
		Kind: flags.KindFlag, Key: key, Revision: revision, Body: json.RawMessage(`{"key": "` + strings.Trim(key, "\x01\n\"\\") + `"}`),
		Hash: []byte{0, 1, 0xff}, Audiences: audiences, Action: "flags.flag.update", Comment: "because", EventID: "event-" + key,
		Author: audit.Actor{Type: audit.User, ID: "dana", Name: "Dana", Authn: &audit.Authn{At: noon, ACR: "gold", AMR: []string{"otp"}}},
		At:     noon.Add(time.Duration(revision) * time.Microsecond), CreatedAt: noon,
	}
}

// audience returns a version of an audience.
func audience(key string, revision int64) flags.Version {
	v := version(key, revision)
	v.Kind = flags.KindAudience
	return v
}

// gone returns the version that deletes v, after it.
func gone(v flags.Version) flags.Version {
	v.Revision++
	v.Deleted = true
	return v
}

// save saves a version that must be taken, and returns it with its number.
func (e *storeEnv) save(v flags.Version) flags.Version {
	e.Helper()
	change, err := e.Store.Save(e.Ctx, e.Tenant, v)
	e.Must(err, "save "+v.Key)
	v.Change = change
	return v
}

// refused holds a version to be refused, and to change nothing.
func (e *storeEnv) refused(v flags.Version, what string) {
	e.Helper()
	before := e.look()
	_, err := e.Store.Save(e.Ctx, e.Tenant, v)
	e.WantErr(err, storage.ErrConflict, what)
	e.Same(e.look(), before, "what is there after "+what)
}

// A picture is what is there of a tenant.
type picture struct {
	head    int64
	changes []flags.Version
	counts  [2]int64
}

func (e *storeEnv) look() (p picture) {
	e.Helper()
	p.head, p.changes = e.head(), e.changes(0, 1000)
	p.counts = [2]int64{e.count(flags.KindFlag), e.count(flags.KindAudience)}
	return p
}

func (e *storeEnv) head() int64 {
	e.Helper()
	n, err := e.Store.Head(e.Ctx, e.Tenant)
	e.Must(err, "head")
	return n
}

func (e *storeEnv) count(kind flags.Kind) int64 {
	e.Helper()
	n, err := e.Store.Count(e.Ctx, e.Tenant, kind)
	e.Must(err, "count")
	return n
}

func (e *storeEnv) get(kind flags.Kind, key string) flags.Version {
	e.Helper()
	v, err := e.Store.Get(e.Ctx, e.Tenant, kind, key)
	e.Must(err, "get "+key)
	return v
}

func (e *storeEnv) list(kind flags.Kind, after string, limit int) []flags.Version {
	e.Helper()
	list, err := e.Store.List(e.Ctx, e.Tenant, flags.ListQuery{Kind: kind, After: after, Limit: limit})
	e.Must(err, "list")
	return list
}

func (e *storeEnv) versions(key string, before int64, limit int) []flags.Version {
	e.Helper()
	list, err := e.Store.Versions(e.Ctx, e.Tenant, flags.KindFlag, key, before, limit)
	e.Must(err, "versions")
	return list
}

func (e *storeEnv) users(audience string, limit int) []flags.Version {
	e.Helper()
	list, err := e.Store.Users(e.Ctx, e.Tenant, audience, limit)
	e.Must(err, "users")
	return list
}

func (e *storeEnv) changes(after int64, limit int) []flags.Version {
	e.Helper()
	list, err := e.Store.Changes(e.Ctx, e.Tenant, after, limit)
	e.Must(err, "changes")
	return list
}

// use notes a use, and reports whether it was the first.
func (e *storeEnv) use(u flags.OverrideUse) bool {
	e.Helper()
	first, err := e.Store.Use(e.Ctx, e.Tenant, u)
	e.Must(err, "use")
	return first
}

// keysOf returns the keys of versions.
func keysOf(list []flags.Version) []string {
	all := []string{}
	for _, v := range list {
		all = append(all, v.Key)
	}
	return all
}

// revisions returns the revisions of versions.
func revisions(list []flags.Version) []int64 {
	all := []int64{}
	for _, v := range list {
		all = append(all, v.Revision)
	}
	return all
}

// numbers returns the places of versions among the changes.
func numbers(list []flags.Version) []int64 {
	all := []int64{}
	for _, v := range list {
		all = append(all, v.Change)
	}
	return all
}

// calls are the methods of a store.
func (e *storeEnv) calls() map[string]func(ctx context.Context) error {
	answer := func(_ any, err error) error { return err }
	return map[string]func(ctx context.Context) error{
		"Lock":  func(ctx context.Context) error { return answer(e.Store.Lock(ctx, e.Tenant)) },
		"Save":  func(ctx context.Context) error { return answer(e.Store.Save(ctx, e.Tenant, version("late", 1))) },
		"Get":   func(ctx context.Context) error { return answer(e.Store.Get(ctx, e.Tenant, flags.KindFlag, "a")) },
		"Count": func(ctx context.Context) error { return answer(e.Store.Count(ctx, e.Tenant, flags.KindFlag)) },
		"List": func(ctx context.Context) error {
			return answer(e.Store.List(ctx, e.Tenant, flags.ListQuery{Kind: flags.KindFlag, Limit: 1}))
		},
		"Versions": func(ctx context.Context) error {
			return answer(e.Store.Versions(ctx, e.Tenant, flags.KindFlag, "a", 0, 1))
		},
		"Users":   func(ctx context.Context) error { return answer(e.Store.Users(ctx, e.Tenant, "vip", 1)) },
		"Changes": func(ctx context.Context) error { return answer(e.Store.Changes(ctx, e.Tenant, 0, 1)) },
		"Head":    func(ctx context.Context) error { return answer(e.Store.Head(ctx, e.Tenant)) },
		"Use":     func(ctx context.Context) error { return answer(e.Store.Use(ctx, e.Tenant, usage())) },
	}
}

// usage returns the use of an override.
func usage() flags.OverrideUse {
	return flags.OverrideUse{
		Flag: "checkout", Environment: "prod", Override: "o-1", Subject: "m-1", Day: noon.Truncate(24 * time.Hour),
	}
}
