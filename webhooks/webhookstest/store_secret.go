package webhookstest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/webhooks"
)

// sealed names a secret with the bytes that it was read with.
func sealed(endpointID, id, bytes string) webhooks.EndpointSecret {
	return webhooks.EndpointSecret{EndpointID: endpointID, Secret: webhooks.Secret{ID: id, Sealed: []byte(bytes)}}
}

var secretRules = []storeRule{
	{"MS-035", "secrets of an endpoint are read newest first", "the newest one signs first, and the day after a rotation begins with its time", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		old, tie, late := secret("b"), secret("c"), secret("a")
		late.CreatedAt, old.ExpiresAt = morning.Add(time.Microsecond), morning.Add(24*time.Hour)
		e.must(e.store.SetSecrets(e.ctx, e.tenant, "e1", []webhooks.Secret{tie, late, old}), "set secrets")
		e.same(e.secrets("e1"), []webhooks.Secret{late, tie, old}, "the secrets")
	}},
	{"MS-036", "an endpoint that is not there has no secrets", "who asks for them looks at what it gets, and nothing is what there is", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		e.same(len(e.secrets("e2")), 0, "the secrets of none")
		e.same(len(e.other().secrets("e1")), 0, "the secrets of another tenant's")
	}},
	{"MS-037", "secrets are replaced as a whole", "one that stays behind signs for ever", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		want := []webhooks.Secret{secret("s3"), secret("s2")}
		e.must(e.store.SetSecrets(e.ctx, e.tenant, "e1", want), "set secrets")
		e.same(e.secrets("e1"), want, "the secrets")
		e.must(e.store.SetSecrets(e.ctx, e.tenant, "e1", nil), "set no secrets")
		e.same(len(e.secrets("e1")), 0, "after none were set")
	}},
	{"MS-038", "replacing secrets leaves those of other endpoints and tenants", "a DELETE that forgets half of its key revokes what others sign with", func(e *storeEnv) {
		o := e.other()
		e.add(e.endpoint("e1", "a.b"), e.endpoint("e2", "a.b"))
		o.add(o.endpoint("e1", "a.b"))
		e.must(e.store.SetSecrets(e.ctx, e.tenant, "e1", nil), "set no secrets")
		e.same(e.secrets("e2"), []webhooks.Secret{secret("first")}, "those of another endpoint")
		e.same(o.secrets("e1"), []webhooks.Secret{secret("first")}, "those of another tenant")
	}},
	{"MS-039", "two secrets of one id are a conflict, and the old ones stay", "an endpoint must not lose what it signs with to an error", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		e.wantErr(e.store.SetSecrets(e.ctx, e.tenant, "e1", []webhooks.Secret{secret("s1"), secret("s1")}), storage.ErrConflict, "set secrets")
		e.same(e.secrets("e1"), []webhooks.Secret{secret("first")}, "the secrets")
	}},
	{"MS-135", "secrets are set of an endpoint that is there", "storage.ErrNotFound. What was set of none is listed, sealed again and counted for ever, and would sign for the next endpoint of that id", func(e *storeEnv) {
		o := e.other()
		o.add(o.endpoint("e1", "a.b"))
		for name, all := range map[string][]webhooks.Secret{"secrets": {secret("s1")}, "no secrets": nil} {
			e.wantErr(e.store.SetSecrets(e.ctx, e.tenant, "e1", all), storage.ErrNotFound, "set "+name)
		}
		e.add(e.endpoint("e2", "a.b"))
		e.must(e.store.DeleteEndpoint(e.ctx, e.tenant, "e2", 1), "delete")
		e.wantErr(e.store.SetSecrets(e.ctx, e.tenant, "e2", []webhooks.Secret{secret("s1")}), storage.ErrNotFound, "set secrets of an endpoint that is gone")
		page, err := e.store.ListSecrets(e.ctx, e.tenant, webhooks.SecretQuery{})
		e.must(err, "list secrets")
		e.same(len(page.Items), 0, "how many secrets there are")
		e.same(o.secrets("e1"), []webhooks.Secret{secret("first")}, "those of another tenant")
	}},
	{"MS-040", "a secret keeps every byte and its times to the microsecond", "a sealed secret that lost a byte does not open", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		want := webhooks.Secret{ID: "S 1", CreatedAt: morning.Add(1789).In(time.FixedZone("", 3600)), ExpiresAt: morning.Add(time.Hour + 789)}
		for i := range 256 {
			want.Sealed = append(want.Sealed, byte(i))
		}
		e.must(e.store.SetSecrets(e.ctx, e.tenant, "e1", []webhooks.Secret{want}), "set secrets")
		want.CreatedAt, want.ExpiresAt = morning.Add(time.Microsecond), morning.Add(time.Hour)
		e.same(e.secrets("e1"), []webhooks.Secret{want}, "the secrets")
	}},
	{"MS-041", "the secrets of a tenant are listed by endpoint and id", "whoever seals them again walks all of them once", func(e *storeEnv) {
		e.vault()
		e.same(secretIDs(e.allSecrets(100, nil)), vaulted, "the list")
		page, err := e.store.ListSecrets(e.ctx, e.tenant, webhooks.SecretQuery{Limit: 1})
		e.must(err, "list")
		e.same(page.Items[0].Secret, secret("A"), "the first")
	}},
	{"MS-042", "pages of secrets put together are the list", "a secret that is passed over stays under a key that is about to go", func(e *storeEnv) {
		e.same(len(e.allSecrets(2, nil)), 0, "the length of the empty list")
		e.vault()
		for limit := 1; limit < 8; limit++ {
			e.same(secretIDs(e.allSecrets(limit, nil)), vaulted, fmt.Sprint("in pages of ", limit))
		}
	}},
	{"MS-043", "secrets that stay are listed once while others go", "endpoints are deleted while a rotation runs", func(e *storeEnv) {
		e.vault()
		got := e.allSecrets(2, func(page int) {
			if page == 0 {
				e.must(e.store.SetSecrets(e.ctx, e.tenant, "E2", nil), "set no secrets")
			}
		})
		e.same(secretIDs(got), vaulted, "the list")
	}},
	{"MS-044", "secrets of other tenants are not listed, and their cursors open nothing", "a list that runs on into the next tenant hands its secrets out", func(e *storeEnv) {
		e.vault()
		o := e.other()
		o.vault()
		e.same(secretIDs(e.allSecrets(4, nil)), vaulted, "the list")
		page, err := e.store.ListSecrets(e.ctx, e.tenant, webhooks.SecretQuery{Limit: 1})
		e.must(err, "list")
		for _, bad := range []storage.Cursor{page.Next, "hello"} {
			_, err = o.store.ListSecrets(e.ctx, o.tenant, webhooks.SecretQuery{After: bad})
			e.wantErr(err, storage.ErrBadCursor, "list")
		}
	}},
	{"MS-045", "a secret is sealed again in place of the bytes that were read", "the old key can go when nothing is left under it", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		ok, err := e.store.ReplaceSealed(e.ctx, e.tenant, sealed("e1", "first", "sealed first"), []byte("fresh"))
		e.must(err, "replace")
		e.same(ok, true, "what it reports")
		e.same(string(e.secrets("e1")[0].Sealed), "fresh", "what is stored")
	}},
	{"MS-046", "a secret that is sealed otherwise by now is left alone", "a rotation in between stored what nobody has a copy of", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the late replacement", func() {
			ok, err := e.store.ReplaceSealed(e.ctx, e.tenant, sealed("e1", "first", "sealed before"), []byte("fresh"))
			e.must(err, "replace")
			e.same(ok, false, "what it reports")
		})
	}},
	{"MS-047", "to seal again what is gone changes nothing", "an endpoint may be deleted while a rotation runs", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the replacements", func() {
			for _, s := range []webhooks.EndpointSecret{sealed("e1", "second", "sealed first"), sealed("e2", "first", "sealed first")} {
				ok, err := e.store.ReplaceSealed(e.ctx, e.tenant, s, []byte("fresh"))
				e.must(err, "replace")
				e.same(ok, false, "what it reports")
			}
		})
	}},
	{"MS-048", "another tenant's secret cannot be sealed again", "a stranger who could replace it could sign", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the stranger's replacement", func() {
			ok, err := e.store.ReplaceSealed(e.ctx, e.other().tenant, sealed("e1", "first", "sealed first"), []byte("fresh"))
			e.must(err, "replace")
			e.same(ok, false, "what it reports")
		})
	}},
	{"MS-049", "sealing again changes the bytes of one secret and nothing else", "a secret's time decides how long it signs, and a revision that moves makes the next update a conflict", func(e *storeEnv) {
		e.furnish()
		one, two := secret("s1"), secret("s2")
		one.ExpiresAt = morning.Add(time.Hour)
		e.must(e.store.SetSecrets(e.ctx, e.tenant, "e1", []webhooks.Secret{one, two}), "set secrets")
		before := e.picture()
		_, err := e.store.ReplaceSealed(e.ctx, e.tenant, sealed("e1", "s1", "sealed s1"), []byte("fresh"))
		e.must(err, "replace")
		before.Secrets[0].Sealed = []byte("fresh")
		e.same(e.picture(), before, "after it")
	}},
	{"MS-050", "of many who seal the same bytes again exactly one does", "two keys over one secret, and the later one may be the older", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		var won atomic.Int64
		errs := ruletest.Together(func(i int) error {
			ok, err := e.store.ReplaceSealed(e.ctx, e.tenant, sealed("e1", "first", "sealed first"), []byte{byte(i)})
			if ok {
				won.Add(1)
			}
			return err
		})
		e.must(errors.Join(errs...), "replace")
		e.same(won.Load(), int64(1), "how many report true")
	}},
}

// vaulted is the order of the secrets of vault.
var vaulted = []string{"E2/A", "E2/a", "e1/a", "e1/b", "e10/first", "e2/first"}

// vault gives the tenant secrets of four endpoints.
func (e *storeEnv) vault() {
	e.Helper()
	e.add(e.endpoint("e2", "a.b"), e.endpoint("e10", "a.b"), e.endpoint("e1", "a.b"), e.endpoint("E2", "a.b"))
	e.must(e.store.SetSecrets(e.ctx, e.tenant, "e1", []webhooks.Secret{secret("b"), secret("a")}), "set secrets")
	e.must(e.store.SetSecrets(e.ctx, e.tenant, "E2", []webhooks.Secret{secret("a"), secret("A")}), "set secrets")
}

var healthRules = []storeRule{
	{"MS-051", "health comes back as it was set", "when an endpoint is disabled, and when it is tried again, is told by it", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"))
		want := webhooks.Health{Failures: 1 << 31, FailingSince: morning.Add(789), QuietUntil: morning.Add(time.Minute)}
		e.must(e.store.SetHealth(e.ctx, e.tenant, "e1", want), "set health")
		want.FailingSince = morning
		_, got := e.get("e1")
		e.same(got, want, "the health")
	}},
	{"MS-052", "health is replaced as a whole", "after a success nothing is left of the failures", func(e *storeEnv) {
		e.furnish()
		want := webhooks.Health{QuietUntil: morning}
		e.must(e.store.SetHealth(e.ctx, e.tenant, "e1", want), "set health")
		_, got := e.get("e1")
		e.same(got, want, "the health")
		e.must(e.store.SetHealth(e.ctx, e.tenant, "e1", webhooks.Health{}), "set health")
		_, got = e.get("e1")
		e.same(got, webhooks.Health{}, "after none was set")
	}},
	{"MS-053", "health leaves the endpoint and its revision alone", "every failed attempt would make the owner's update a conflict", func(e *storeEnv) {
		e.furnish()
		before := e.picture()
		before.Health[0] = webhooks.Health{Failures: 9}
		e.must(e.store.SetHealth(e.ctx, e.tenant, "e1", before.Health[0]), "set health")
		e.same(e.picture(), before, "after it")
	}},
	{"MS-054", "health of what is gone or another tenant's changes nothing", "an attempt may end after its endpoint was deleted", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the health of others", func() {
			e.must(e.store.SetHealth(e.ctx, e.tenant, "e2", webhooks.Health{Failures: 9}), "of none")
			e.must(e.store.SetHealth(e.ctx, e.other().tenant, "e1", webhooks.Health{Failures: 9}), "of another tenant's")
		})
	}},
	{"MS-055", "health is that of one endpoint", "the failures of one receiver would disable all", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"), e.endpoint("e2", "a.b"))
		e.must(e.store.SetHealth(e.ctx, e.tenant, "e1", webhooks.Health{Failures: 9}), "set health")
		_, got := e.get("e2")
		e.same(got, webhooks.Health{}, "the health of another")
	}},
}

var subscriberRules = []storeRule{
	{"MS-056", "subscribers are those who named one of the patterns", "whoever is left out does not hear of it, and whoever is too much hears of what it did not ask for", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"), e.endpoint("e2", "a.*"), e.endpoint("e3", "a.c"), e.endpoint("e4", "*", "x"))
		e.same(e.subscribers("a.b", "a.*", "*"), []string{"e1", "e2", "e4"}, "of three patterns")
		e.same(e.subscribers("a.c"), []string{"e3"}, "of one pattern")
		e.same(len(e.subscribers("b")), 0, "of one that nobody named")
		e.same(len(e.subscribers()), 0, "of none")
	}},
	{"MS-057", "a subscriber is named once", "it would be sent the same message twice", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.*", "a.b", "*"))
		e.same(e.subscribers("a.b", "a.*", "*", "a.b"), []string{"e1"}, "the subscribers")
	}},
	{"MS-058", "subscribers come in the order of the bytes of their ids", "a fan-out that takes locks in another order waits for itself", func(e *storeEnv) {
		for _, id := range []string{"b", "B", "ä", "a", "aa", "_"} {
			e.add(e.endpoint(id, "a.b"))
		}
		e.same(e.subscribers("a.b"), []string{"B", "_", "a", "aa", "b", "ä"}, "the subscribers")
	}},
	{"MS-059", "patterns are compared as they are written", "a pattern is expanded by the caller; a database that reads it as LIKE finds more", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"), e.endpoint("e2", "a_b"), e.endpoint("e3", "A.B"), e.endpoint("e4", "*"))
		for pattern, want := range map[string][]string{"a.b": {"e1"}, "a_b": {"e2"}, "A.B": {"e3"}, "*": {"e4"}, "%": nil, "a.*": nil, "a.b ": nil} {
			e.same(e.subscribers(pattern), want, "the subscribers of "+pattern)
		}
	}},
	{"MS-060", "a disabled endpoint is no subscriber until it is enabled", "of what happens meanwhile it gets nothing", func(e *storeEnv) {
		p := e.endpoint("e1", "a.b")
		p.Status = webhooks.Disabled
		e.add(p)
		e.same(len(e.subscribers("a.b")), 0, "inserted as disabled")
		p.Status, p.Revision = webhooks.Enabled, 2
		e.must(e.store.UpdateEndpoint(e.ctx, e.tenant, p, 1), "enable")
		e.same(e.subscribers("a.b"), []string{"e1"}, "enabled")
		p.Status, p.Revision = webhooks.Disabled, 3
		e.must(e.store.UpdateEndpoint(e.ctx, e.tenant, p, 2), "disable")
		e.same(len(e.subscribers("a.b")), 0, "disabled")
	}},
	{"MS-061", "an update moves the subscriptions", "the owner said what it wants from now on", func(e *storeEnv) {
		p := e.endpoint("e1", "a.b", "a.c")
		e.add(p)
		p.EventTypes, p.Revision = []string{"a.c", "a.d"}, 2
		e.must(e.store.UpdateEndpoint(e.ctx, e.tenant, p, 1), "update")
		got := [][]string{e.subscribers("a.b"), e.subscribers("a.c"), e.subscribers("a.d")}
		e.same(got, [][]string{nil, {"e1"}, {"e1"}}, "the subscribers of a.b, a.c and a.d")
	}},
	{"MS-062", "a deleted endpoint is no subscriber", "its deliveries would wait for what does not come back", func(e *storeEnv) {
		e.add(e.endpoint("e1", "a.b"), e.endpoint("e2", "a.b"))
		e.must(e.store.DeleteEndpoint(e.ctx, e.tenant, "e1", 1), "delete")
		e.same(e.subscribers("a.b"), []string{"e2"}, "the subscribers")
	}},
	{"MS-063", "subscribers are those of the tenant", "what happens at one merchant is nobody else's business", func(e *storeEnv) {
		o := e.other()
		e.add(e.endpoint("e1", "a.b"))
		o.add(o.endpoint("e2", "a.b"))
		e.same(e.subscribers("a.b"), []string{"e1"}, "the subscribers")
		e.same(o.subscribers("a.b"), []string{"e2"}, "the subscribers of the other")
	}},
	{"MS-064", "many patterns find many subscribers", "a deep event type has many prefixes, and a limit on arguments must not show", func(e *storeEnv) {
		var patterns, want []string
		for i := range 40 {
			id := fmt.Sprintf("e%03d", i)
			pattern := fmt.Sprintf("a.%d", i)
			e.add(e.endpoint(id, pattern))
			patterns, want = append(patterns, pattern), append(want, id)
		}
		for i := range 400 {
			patterns = append(patterns, fmt.Sprintf("b.%d", i))
		}
		slices.Reverse(patterns)
		e.same(e.subscribers(patterns...), want, "the subscribers")
	}},
}
