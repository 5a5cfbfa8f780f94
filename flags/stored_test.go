package flags

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// A shelf is a Store that a provider can read, with faults on demand.
type shelf struct {
	Store // no other method is called

	mu       sync.Mutex
	versions map[string][]Version // by tenant, the current ones
	fail     error                // of every call
	blocked  chan struct{}        // while it is open no call returns, whatever ctx says
	reads    int
	listen   func([]storage.Signal)
}

func (s *shelf) wait() error {
	s.mu.Lock()
	blocked := s.blocked
	s.mu.Unlock()
	if blocked != nil {
		<-blocked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail
}

func (s *shelf) Head(_ context.Context, tenant string) (int64, error) {
	err := s.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	head := int64(0)
	for _, v := range s.versions[tenant] {
		head = max(head, v.Change)
	}
	return head, err
}

func (s *shelf) Changes(_ context.Context, tenant string, after int64, limit int) ([]Version, error) {
	err := s.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Version
	for _, v := range s.versions[tenant] {
		if v.Change > after && len(all) < limit {
			all = append(all, v)
		}
	}
	return all, err
}

func (s *shelf) Signal(string, any, ...storage.Signal) {}

func (s *shelf) Listen(_ string, _ any, fn func([]storage.Signal)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listen = fn
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.listen = nil
	}
}

func (s *shelf) set(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// put saves a document as the next change of its tenant and returns that.
func (s *shelf) put(tenant string, kind Kind, key string, doc any) Version {
	body, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return s.putRaw(tenant, kind, key, body, doc == nil)
}

func (s *shelf) putRaw(tenant string, kind Kind, key string, body []byte, deleted bool) Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.versions == nil {
		s.versions = map[string][]Version{}
	}
	sum := sha256.Sum256(body)
	v := Version{Kind: kind, Key: key, Revision: 1, Body: body, Hash: sum[:], Deleted: deleted, Change: 1}
	kept := s.versions[tenant][:0:0]
	for _, old := range s.versions[tenant] {
		v.Change = max(v.Change, old.Change+1)
		if old.Kind == kind && old.Key == key {
			v.Revision = old.Revision + 1
			continue
		}
		kept = append(kept, old)
	}
	s.versions[tenant] = append(kept, v)
	return v
}

func (s *shelf) flag(tenant string, f Flag) Version { return s.put(tenant, KindFlag, f.Key, f) }

// serving returns a flag of text that serves its one variant to everybody.
func serving(key, variant string) Flag {
	return Flag{Key: key, Type: TypeConfig, ValueType: String, Variants: map[string]any{variant: variant},
		Environments: map[string]State{"prod": {Enabled: true, DefaultVariant: variant}}}
}

func newProvider(t testing.TB, s Store, cfg ProviderConfig) *Provider {
	t.Helper()
	p, err := NewProvider(s, "prod", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a provider until the test, or the bubble of it, ends.
func run(t testing.TB, p *Provider) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func read(p FlagProvider, key string, s *Subject) string {
	e := p.Evaluate(context.Background(), key, s)
	if e.Err != nil {
		return string(e.Err.Code)
	}
	return e.Variant + " " + string(e.Reason)
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTwoTenantsSeeTheirOwnFlags(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	s.flag("acme", serving("theme", "dark"))
	s.flag("bloom", serving("theme", "light"))
	p := newProvider(t, s, ProviderConfig{})
	for subject, want := range map[*Subject]string{
		{Tenant: "acme", Key: "sam"}:    "dark STATIC",
		{Tenant: "bloom", Key: "nina"}:  "light STATIC",
		{Tenant: "cobalt", Key: "olga"}: "FLAG_NOT_FOUND",
		{Tenant: "a\x00b", Key: "sam"}:  "INVALID_CONTEXT",
		{Key: "sam"}:                    "INVALID_CONTEXT",
		{Tenant: "acme"}:                "TARGETING_KEY_MISSING",
		nil:                             "INVALID_CONTEXT",
	} {
		if got := read(p, "theme", subject); got != want {
			t.Errorf("%+v: got %q, want %q", subject, got, want)
		}
	}
}

func TestAHostWithOneTenantNeedsNoneInItsSubjects(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	s.flag("shop", serving("theme", "dark"))
	p := newProvider(t, s, ProviderConfig{Tenant: "shop"})
	if got := read(p, "theme", &Subject{}); got != "dark STATIC" {
		t.Errorf("got %q", got)
	}
}

func TestProvidersServeAsManyTenantsAsTheyMay(t *testing.T) {
	t.Parallel()
	p := newProvider(t, &shelf{}, ProviderConfig{MaxTenants: 2})
	for i, want := range []string{"FLAG_NOT_FOUND", "FLAG_NOT_FOUND", "GENERAL"} {
		if got := read(p, "x", &Subject{Tenant: fmt.Sprint(i), Key: "k"}); got != want {
			t.Errorf("tenant %d: got %q, want %q", i, got, want)
		}
	}
	if got := read(p, "x", &Subject{Tenant: "1", Key: "k"}); got != "FLAG_NOT_FOUND" {
		t.Errorf("a tenant that is known: got %q", got)
	}
}

// TestALostStoreIsAnsweredFromMemory kills and blocks the store below a provider that
// runs.
func TestALostStoreIsAnsweredFromMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		break_, mend func(*shelf)
	}{
		{"it fails", func(s *shelf) { s.fail = errors.New("connection refused") }, func(s *shelf) { s.fail = nil }},
		{"it blocks and does not heed ctx", func(s *shelf) { s.blocked = make(chan struct{}) }, func(s *shelf) { close(s.blocked); s.blocked = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{}
				s.flag("acme", serving("theme", "dark"))
				for i := range 20 {
					s.flag(fmt.Sprint("tenant-", i), serving("theme", "dark"))
				}
				p := newProvider(t, s, ProviderConfig{})
				sam := &Subject{Tenant: "acme", Key: "sam"}
				for i := range 20 {
					read(p, "theme", &Subject{Tenant: fmt.Sprint("tenant-", i), Key: "k"})
				}
				if got := read(p, "theme", sam); got != "dark STATIC" {
					t.Fatalf("before: got %q", got)
				}
				var told []Change
				ctx, cancel := context.WithCancel(t.Context())
				var watching sync.WaitGroup
				watching.Go(func() { p.Watch(ctx, func(c Change) { told = append(told, c) }) })
				run(t, p)
				time.Sleep(time.Second)

				s.set(func() { c.break_(s) })
				time.Sleep(5 * time.Second)
				synctest.Wait()
				for range 1000 {
					if got := read(p, "theme", sam); got != "dark STALE" {
						t.Fatalf("while the store is lost: got %q, want dark STALE", got)
					}
				}
				for i := range 20 {
					if got := read(p, "theme", &Subject{Tenant: fmt.Sprint("tenant-", i), Key: "k"}); got != "dark STALE" {
						t.Fatalf("tenant %d: got %q, want dark STALE", i, got)
					}
				}
				if got := p.Status(); got != StatusStale {
					t.Errorf("status: got %s, want STALE", got)
				}
				began := time.Now()
				if got := read(p, "theme", &Subject{Tenant: "never-loaded", Key: "k"}); got != "PROVIDER_NOT_READY" || time.Since(began) > 2*time.Second {
					t.Errorf("a tenant that was never loaded: got %q after %s", got, time.Since(began))
				}

				s.flag("acme", serving("theme", "light"))
				s.set(func() { c.mend(s) })
				time.Sleep(3 * time.Second)
				synctest.Wait()
				if got := read(p, "theme", sam); got != "light STATIC" {
					t.Errorf("after: got %q, want light STATIC", got)
				}
				if got := p.Status(); got != StatusReady {
					t.Errorf("status after: got %s, want READY", got)
				}
				cancel()
				watching.Wait()
				var statuses []Status
				for _, c := range told {
					if c.Status == StatusStale && c.Err == nil && c.Tenant == "acme" && c.Keys == nil {
						t.Errorf("a change to STALE without a reason: %+v", c)
					}
					if len(statuses) == 0 || statuses[len(statuses)-1] != c.Status {
						statuses = append(statuses, c.Status)
					}
				}
				if !slices.Equal(statuses, []Status{StatusReady, StatusStale, StatusReady}) {
					t.Errorf("told %v", statuses)
				}
			})
		})
	}
}

func TestADefinitionThatCannotBeReadKeepsItsLast(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*shelf){
		"it is no JSON":         func(s *shelf) { s.putRaw("acme", KindFlag, "theme", []byte("{"), false) },
		"it does not compile":   func(s *shelf) { f := serving("theme", "light"); f.ValueType = Number; s.flag("acme", f) },
		"it is another flag":    func(s *shelf) { s.put("acme", KindFlag, "theme", serving("other", "light")) },
		"its bytes have rotted": func(s *shelf) { v := s.flag("acme", serving("theme", "light")); v.Body[10] ^= 1 },
		"its audience is gone": func(s *shelf) {
			f := serving("theme", "light")
			f.Environments["prod"] = State{Enabled: true, Rules: []Rule{{Name: "vip", When: &targeting.Condition{Audience: "vip"}, Serve: &Serve{Variant: "light"}}}}
			s.flag("acme", f)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{}
			s.flag("acme", serving("theme", "dark"))
			s.flag("acme", serving("other", "blue"))
			p := newProvider(t, s, ProviderConfig{})
			sam := &Subject{Tenant: "acme", Key: "sam"}
			read(p, "theme", sam)
			before := p.Evaluate(t.Context(), "theme", sam)
			spoil(s)
			if err := p.Load(t.Context(), "acme"); err == nil {
				t.Error("load: no error")
			}
			if got := p.Evaluate(t.Context(), "theme", sam); got.Variant != "dark" || got.Reason != ReasonStale || got.Version != before.Version {
				t.Errorf("got %+v, want the version of before, STALE", got)
			}
			if got := read(p, "other", sam); got != "blue STATIC" {
				t.Errorf("another flag: got %q", got)
			}
			if p.Status() != StatusStale {
				t.Errorf("status: got %s", p.Status())
			}
			fresh := newProvider(t, s, ProviderConfig{})
			if got := read(fresh, "theme", sam); got != "PARSE_ERROR" {
				t.Errorf("without a last version: got %q, want PARSE_ERROR", got)
			}
			s.flag("acme", serving("theme", "mended"))
			if err := p.Load(t.Context(), "acme"); err != nil {
				t.Error(err)
			}
			if got := read(p, "theme", sam); got != "mended STATIC" || p.Status() != StatusReady {
				t.Errorf("after: got %q, %s", got, p.Status())
			}
		})
	}
}

func TestAChangedAudienceReachesTheFlagsThatUseIt(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	vip := targeting.Audience{Key: "vip", Include: []string{"acme"}}
	s.put("t", KindAudience, "vip", vip)
	s.put("t", KindAudience, "pilot", targeting.Audience{Key: "pilot", When: &targeting.Condition{Audience: "vip"}})
	f := inProd(State{Enabled: true, DefaultVariant: "off", Rules: []Rule{{Name: "pilots", When: &targeting.Condition{Audience: "pilot"}, Serve: &Serve{Variant: "on"}}}})
	s.flag("t", f)
	p := newProvider(t, s, ProviderConfig{})
	merchant := func(m string) *Subject {
		return &Subject{Tenant: "t", Key: "k", Attributes: targeting.Attributes{AttrMerchant: targeting.String(m)}}
	}
	if got := read(p, f.Key, merchant("bloom")); got != "off DEFAULT" {
		t.Fatalf("before: got %q", got)
	}
	vip.Include = append(vip.Include, "bloom")
	s.put("t", KindAudience, "vip", vip)
	if err := p.Load(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	if got := read(p, f.Key, merchant("bloom")); got != "on TARGETING_MATCH" {
		t.Errorf("after: got %q", got)
	}
	// An audience that goes round keeps the members that it had, and is told.
	s.put("t", KindAudience, "vip", targeting.Audience{Key: "vip", When: &targeting.Condition{Audience: "pilot"}})
	if err := p.Load(t.Context(), "t"); err == nil {
		t.Error("an audience that goes round: no error")
	}
	if got := read(p, f.Key, merchant("bloom")); got != "on STALE" {
		t.Errorf("while the audience goes round: got %q", got)
	}
	s.put("t", KindAudience, "vip", targeting.Audience{Key: "vip", Include: []string{"acme"}})
	if err := p.Load(t.Context(), "t"); err != nil {
		t.Error(err)
	}
	if got := read(p, f.Key, merchant("bloom")); got != "off DEFAULT" {
		t.Errorf("at the end: got %q", got)
	}
}

func TestAStoreThatWasSetBackIsReadAnew(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	s.flag("acme", serving("old", "a"))
	backup := slices.Clone(s.versions["acme"])
	s.flag("acme", serving("new", "a"))
	p := newProvider(t, s, ProviderConfig{})
	sam := &Subject{Tenant: "acme", Key: "sam"}
	read(p, "new", sam)
	s.versions["acme"] = backup
	if err := p.Load(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if got := read(p, "old", sam) + ", " + read(p, "new", sam); got != "a STATIC, FLAG_NOT_FOUND" {
		t.Errorf("got %q", got)
	}
}

func TestChangesAreSeenWithinAPollAndAtOnceBySignals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		s.flag("acme", serving("theme", "dark"))
		p := newProvider(t, s, ProviderConfig{Tenant: "acme"})
		sam := &Subject{Tenant: "acme", Key: "sam"}
		if got := p.Status(); got != StatusNotReady {
			t.Errorf("before the first load: got %s", got)
		}
		run(t, p)
		synctest.Wait()
		if got := p.Status(); got != StatusReady {
			t.Errorf("after the first load: got %s", got)
		}
		s.flag("acme", serving("theme", "light"))
		time.Sleep(250*time.Millisecond + 1)
		synctest.Wait()
		if got := read(p, "theme", sam); got != "light STATIC" {
			t.Errorf("after a poll: got %q", got)
		}
		s.flag("acme", serving("theme", "blue"))
		s.listen(nil)
		synctest.Wait()
		if got := read(p, "theme", sam); got != "blue STATIC" {
			t.Errorf("after a signal: got %q", got)
		}
	})
}

func TestWatchTellsTheKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		s.flag("acme", serving("a", "1"))
		p := newProvider(t, s, ProviderConfig{Tenant: "acme"})
		ctx, cancel := context.WithCancel(t.Context())
		var told []string
		busy := make(chan struct{})
		done := make(chan error)
		go func() {
			done <- p.Watch(ctx, func(c Change) {
				told = append(told, fmt.Sprint(c.Status, c.Keys))
				<-busy
			})
		}()
		synctest.Wait()
		run(t, p)
		time.Sleep(time.Second)
		synctest.Wait()
		for _, key := range []string{"c", "b", "c"} {
			s.flag("acme", serving(key, "2"))
			time.Sleep(time.Second)
			synctest.Wait()
		}
		s.putRaw("acme", KindFlag, "a", []byte("{}"), true)
		time.Sleep(time.Second)
		synctest.Wait()
		close(busy)
		synctest.Wait()
		s.flag("acme", serving("d", "2"))
		time.Sleep(time.Second)
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("watch returned %v", err)
		}
		if want := []string{"NOT_READY[]", "READY[a b c]", "READY[d]"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestUsesOfOverridesAreToldOnceADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(72 * time.Hour)
		f := inProd(State{Enabled: true, DefaultVariant: "off", Overrides: []Override{
			{ID: "q", Kind: OverrideQA, Attribute: AttrMerchant, Subject: "acme", Variant: "on", Until: &until, Reason: "test"}}})
		s := &shelf{}
		s.flag("acme", f)
		var told []string
		var up atomic.Bool
		p := newProvider(t, s, ProviderConfig{Poll: time.Hour, Used: func(_ context.Context, tenant string, u OverrideUse) error {
			if !up.Load() {
				return errors.New("down")
			}
			told = append(told, fmt.Sprintf("%s %s %s %s %s %s", tenant, u.Flag, u.Environment, u.Override, u.Subject, u.Day.Format(time.DateOnly)))
			return nil
		}})
		run(t, p)
		sam, kim := acme(), acme()
		kim.Key = "kim"
		for range 1000 {
			read(p, f.Key, sam)
			p.EvaluateAll(t.Context(), kim, func(string, Evaluation) bool { return true })
			p.Explain(t.Context(), f.Key, &Subject{Tenant: "acme", Key: "nobody", Attributes: sam.Attributes})
		}
		rest := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		rest(time.Hour)
		up.Store(true)
		rest(time.Hour)
		day := time.Now().UTC().Format(time.DateOnly)
		want := []string{"acme checkout-v2 prod q sam " + day, "acme checkout-v2 prod q kim " + day}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		rest(24 * time.Hour)
		read(p, f.Key, sam)
		rest(time.Hour)
		if len(told) != 3 {
			t.Errorf("on the next day: told %q", told)
		}
	})
}

// TestAUseThatCannotBeToldStandsBeforeNoOther reads an override for a caller whose key no
// record takes, and one that the host refuses for good.
func TestAUseThatCannotBeToldStandsBeforeNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(72 * time.Hour)
		f := inProd(State{Enabled: true, DefaultVariant: "off", Overrides: []Override{
			{ID: "q", Kind: OverrideQA, Attribute: AttrMerchant, Subject: "acme", Variant: "on", Until: &until, Reason: "test"}}})
		s := &shelf{}
		s.flag("acme", f)
		var told []string
		p := newProvider(t, s, ProviderConfig{Poll: time.Hour, Used: func(_ context.Context, _ string, u OverrideUse) error {
			if err := storage.CheckID("/subject", u.Subject); err != nil || u.Subject == "refused" {
				return storage.Invalid("/subject", "cannot be on record")
			}
			told = append(told, u.Subject)
			return nil
		}})
		run(t, p)
		for _, key := range []string{"a\x00b", strings.Repeat("x", storage.MaxID+1), "refused", "kim"} {
			who := acme()
			who.Key = key
			read(p, f.Key, who)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if want := []string{"acme", "kim"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestEvaluateAllEqualsEvaluateAndHasAVersion(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	end := noon.Add(time.Hour)
	now := noon
	for _, key := range []string{"b", "c", "a"} {
		s.flag("acme", serving(key, key))
	}
	f := inProd(State{Enabled: true, DefaultVariant: "off", Overrides: []Override{
		{ID: "q", Kind: OverrideQA, Attribute: AttrMerchant, Subject: "acme", Variant: "on", Until: &end, Reason: "test"}}})
	s.flag("acme", f)
	p := newProvider(t, s, ProviderConfig{Now: func() time.Time { return now }})
	all := func() (keys []string, version int64) {
		version, err := p.EvaluateAll(t.Context(), acme(), func(key string, e Evaluation) bool {
			if one := p.Evaluate(t.Context(), key, acme()); fmt.Sprint(one) != fmt.Sprint(e) {
				t.Errorf("%s: got %v in bulk, %v alone", key, e, one)
			}
			keys = append(keys, key)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return keys, version
	}
	keys, first := all()
	if !slices.Equal(keys, []string{"a", "b", "c", "checkout-v2"}) {
		t.Errorf("got %v", keys)
	}
	seen := map[int64]string{first: "at first"}
	differs := func(when string) {
		_, v := all()
		if before, ok := seen[v]; ok {
			t.Errorf("%s has the version of %s", when, before)
		}
		seen[v] = when
	}
	if _, again := all(); again != first {
		t.Error("the version changes by itself")
	}
	now = end
	differs("after an override ended")
	s.put("acme", KindFlag, "b", nil)
	s.flag("acme", serving("bb", "x"))
	p.Load(t.Context(), "acme")
	differs("after a change")
	if keys, _ := all(); !slices.Equal(keys, []string{"a", "bb", "c", "checkout-v2"}) {
		t.Errorf("after a change: got %v", keys)
	}
	s.fail = errors.New("down")
	p.Load(t.Context(), "acme")
	differs("while the store is down")
	s.fail = nil
	s.putRaw("acme", KindFlag, "a", []byte("{"), false)
	p.Load(t.Context(), "acme")
	differs("with a definition that cannot be read")
}

func TestPublishingWhileEvaluating(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	s.flag("acme", serving("theme", "v0"))
	p := newProvider(t, s, ProviderConfig{Poll: time.Millisecond})
	run(t, p)
	sam := &Subject{Tenant: "acme", Key: "sam"}
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			last := int64(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				e := p.Evaluate(context.Background(), "theme", sam)
				if text, _ := e.Value.AsString(); e.Err != nil || text != e.Variant || e.Version < last {
					t.Errorf("got %+v after version %d", e, last)
					return
				}
				last = e.Version
			}
		})
	}
	for i := range 200 {
		s.flag("acme", serving("theme", fmt.Sprint("v", i+1)))
		p.Load(t.Context(), "acme")
	}
	close(stop)
	readers.Wait()
}

func TestAFlagOfManyTenantsIsFoundAmongAll(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	const n = 300
	for i := range n {
		s.flag(fmt.Sprint(i), serving("me", fmt.Sprint(i)))
	}
	p := newProvider(t, s, ProviderConfig{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 3 {
				for i := range n {
					if got := read(p, "me", &Subject{Tenant: fmt.Sprint(i), Key: "k"}); got != fmt.Sprint(i, " STATIC") {
						t.Errorf("tenant %d: got %q", i, got)
					}
				}
			}
		})
	}
	readers.Wait()
}

func TestProvidersAreMadeOfWhatFits(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func() (*Provider, error){
		"no store":        func() (*Provider, error) { return NewProvider(nil, "prod", ProviderConfig{}) },
		"no environment":  func() (*Provider, error) { return NewProvider(&shelf{}, "", ProviderConfig{}) },
		"a negative poll": func() (*Provider, error) { return NewProvider(&shelf{}, "prod", ProviderConfig{Poll: -1}) },
		"a strategy with a taken name": func() (*Provider, error) {
			return NewProvider(&shelf{}, "prod", ProviderConfig{Strategies: []Strategy{alwaysOn{}}})
		},
		"a strategy that is nil": func() (*Provider, error) {
			return NewProvider(&shelf{}, "prod", ProviderConfig{Strategies: []Strategy{nil}})
		},
	} {
		if p, err := make(); err == nil || p != nil {
			t.Errorf("%s: got %v, %v", name, p, err)
		}
	}
}
