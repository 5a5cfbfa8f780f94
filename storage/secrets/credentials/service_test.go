package credentials_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const value = "sk_live canary/7f3a+?"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

// A kit is a Service over memory whose clock a test moves.
type kit struct {
	*credentials.Service
	store credentials.Store
	vault *secrets.Vault
	now   time.Time
}

func newKit(t *testing.T, cfg credentials.Config) *kit {
	t.Helper()
	b, err := memory.New(memory.Config{})
	must(t, err)
	keys, err := secrets.Generate()
	must(t, err)
	k := &kit{store: b.Credentials(), now: noon}
	k.vault, err = secrets.New(keys)
	must(t, err)
	cfg.Now = func() time.Time { return k.now }
	k.Service, err = credentials.New(k.store, k.vault, cfg)
	must(t, err)
	return k
}

func (k *kit) create(t *testing.T, tenant, name string) credentials.Credential {
	t.Helper()
	c, err := k.Create(t.Context(), tenant, credentials.Input{Name: name, Kind: "api_key"}, []byte(value))
	must(t, err)
	return c
}

// opens returns what Use hands out.
func (k *kit) opens(t *testing.T, tenant, ref string) (string, error) {
	t.Helper()
	var got string
	err := k.Use(t.Context(), tenant, ref, func(_ context.Context, _ credentials.Credential, value []byte) error {
		got = string(value)
		return nil
	})
	return got, err
}

func TestAValueIsOpenedInsideOnly(t *testing.T) {
	k := newKit(t, credentials.Config{})
	c := k.create(t, "acme", "shop/main")
	if c.Ref() != "secret://shop/main" || c.Revision != 1 || c.KeyID != k.vault.Keys().Primary() || !c.CreatedAt.Equal(noon) {
		t.Errorf("got %+v", c)
	}
	if got, err := k.opens(t, "acme", c.Ref()); got != value || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	_, err := k.opens(t, "bloom", c.Ref())
	wantErr(t, err, storage.ErrNotFound)

	var held []byte
	must(t, k.Use(t.Context(), "acme", c.Ref(), func(_ context.Context, _ credentials.Credential, value []byte) error {
		held = value
		return nil
	}))
	if !bytes.Equal(held, make([]byte, len(value))) {
		t.Errorf("after the use the value is still there: %q", held)
	}
	r, err := k.store.Get(t.Context(), "acme", "shop/main")
	must(t, err)
	if bytes.Contains(r.Sealed, []byte(value)) {
		t.Error("the store holds the value")
	}
	page, err := k.List(t.Context(), "acme", credentials.Query{})
	must(t, err)
	shown, err := json.Marshal(page)
	must(t, err)
	if len(page.Items) != 1 || strings.Contains(string(shown), "canary") {
		t.Errorf("the list shows %s", shown)
	}
}

func TestSealedBytesOfAnotherRowOrTenantDoNotOpen(t *testing.T) {
	k := newKit(t, credentials.Config{})
	k.create(t, "acme", "a")
	r, err := k.store.Get(t.Context(), "acme", "a")
	must(t, err)
	moved := r
	moved.Name = "b"
	must(t, k.store.Insert(t.Context(), "acme", moved, storage.Unlimited))
	must(t, k.store.Insert(t.Context(), "bloom", r, storage.Unlimited))
	for tenant, ref := range map[string]string{"acme": "secret://b", "bloom": "secret://a"} {
		got, err := k.opens(t, tenant, ref)
		wantErr(t, err, secrets.ErrCannotOpen)
		if got != "" {
			t.Errorf("%s: the use got %q", tenant, got)
		}
	}
}

func TestRotateReplacesTheValueForTheRevisionThatWasSeen(t *testing.T) {
	k := newKit(t, credentials.Config{})
	first := k.create(t, "acme", "a")
	k.now = noon.Add(time.Hour)
	second, err := k.Rotate(t.Context(), "acme", "a", first.Revision, []byte("second"))
	must(t, err)
	if second.Revision != 2 || !second.CreatedAt.Equal(noon) || !second.UpdatedAt.Equal(k.now) {
		t.Errorf("got %+v", second)
	}
	_, err = k.Rotate(t.Context(), "acme", "a", first.Revision, []byte("late"))
	wantErr(t, err, storage.ErrConflict)
	if got, err := k.opens(t, "acme", "secret://a"); got != "second" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err = k.Rotate(t.Context(), "acme", "a", 0, []byte("third")); err != nil {
		t.Errorf("whichever is current: %v", err)
	}
	wantErr(t, k.Delete(t.Context(), "acme", "a", 2), storage.ErrConflict)
	wantErr(t, k.Delete(t.Context(), "bloom", "a", 0), storage.ErrNotFound)
	must(t, k.Delete(t.Context(), "acme", "a", 3))
	_, err = k.Get(t.Context(), "acme", "a")
	wantErr(t, err, storage.ErrNotFound)
}

func TestUsesAreNotedOnceAMinute(t *testing.T) {
	k := newKit(t, credentials.Config{})
	k.create(t, "acme", "a")
	for _, c := range []struct{ at, want time.Duration }{{0, 0}, {30 * time.Second, 0}, {61 * time.Second, 61 * time.Second}} {
		k.now = noon.Add(c.at)
		if _, err := k.opens(t, "acme", "secret://a"); err != nil {
			t.Fatal(err)
		}
		got, err := k.Get(t.Context(), "acme", "a")
		must(t, err)
		if !got.LastUsedAt.Equal(noon.Add(c.want)) || got.Revision != 1 {
			t.Errorf("after a use at %v: got %+v", c.at, got)
		}
	}
}

func TestGovernDecidesAndIsToldNoValue(t *testing.T) {
	var told []string
	denied := errors.New("denied")
	refuse := ""
	k := newKit(t, credentials.Config{Govern: func(ctx context.Context, c credentials.Change, apply func(ctx context.Context) error) error {
		told = append(told, fmt.Sprintf("%s %s/%s %t %t", c.Action, c.Tenant, c.Name, c.Before != nil, c.After != nil))
		if shown, err := json.Marshal(c); err != nil || strings.Contains(string(shown), "canary") {
			t.Errorf("the change shows %s, %v", shown, err)
		}
		if c.Action == refuse {
			return denied
		}
		return apply(ctx)
	}})
	ctx := t.Context()
	create := func() error {
		_, err := k.Create(ctx, "acme", credentials.Input{Name: "a", Kind: "api_key"}, []byte(value))
		return err
	}
	rotate := func() error {
		_, err := k.Rotate(ctx, "acme", "a", 0, []byte(value))
		return err
	}
	use := func() error {
		got, err := k.opens(t, "acme", "secret://a")
		if err != nil && got != "" {
			t.Error("a refused use got the value")
		}
		return err
	}
	remove := func() error { return k.Delete(ctx, "acme", "a", 0) }
	for _, step := range []struct {
		action string
		do     func() error
	}{{credentials.ActionCreate, create}, {credentials.ActionRotate, rotate}, {credentials.ActionUse, use}, {credentials.ActionDelete, remove}} {
		before, _ := k.Get(ctx, "acme", "a")
		refuse = step.action
		wantErr(t, step.do(), denied)
		if after, _ := k.Get(ctx, "acme", "a"); after != before {
			t.Errorf("%s was refused and changed %+v into %+v", step.action, before, after)
		}
		refuse = ""
		must(t, step.do())
	}
	want := []string{
		"credentials.created acme/a false true", "credentials.rotated acme/a true true",
		"credentials.used acme/a true false", "credentials.deleted acme/a true false",
	}
	if got := slices.Compact(told); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnErrorThatHoldsTheValueIsWithheld(t *testing.T) {
	k := newKit(t, credentials.Config{})
	k.create(t, "acme", "a")
	plain := errors.New("connection refused")
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"no error", nil, nil},
		{"an error without it", plain, plain},
		{"as it is", fmt.Errorf("401 for key %s", value), credentials.ErrWithheld},
		{"quoted", fmt.Errorf("401 for key %q", value), credentials.ErrWithheld},
		{"in a query", fmt.Errorf("get https://api.example.test/?key=%s", url.QueryEscape(value)), credentials.ErrWithheld},
		{"in a path", fmt.Errorf("get https://api.example.test/%s", url.PathEscape(value)), credentials.ErrWithheld},
		{"in base64", fmt.Errorf("header %s", base64.StdEncoding.EncodeToString([]byte(value))), credentials.ErrWithheld},
		{"in base64 for URLs", fmt.Errorf("header %s", base64.URLEncoding.EncodeToString([]byte(value))), credentials.ErrWithheld},
		{"in hexadecimal", fmt.Errorf("bytes %X", value), credentials.ErrWithheld},
	} {
		got := k.Use(t.Context(), "acme", "secret://a", func(context.Context, credentials.Credential, []byte) error { return c.err })
		if got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestUnfitInputNamesItsFieldAndQuotesNothing(t *testing.T) {
	k := newKit(t, credentials.Config{})
	k.create(t, "acme", "a")
	create := func(tenant, name, kind string, value []byte) error {
		_, err := k.Create(t.Context(), tenant, credentials.Input{Name: name, Kind: kind}, value)
		return err
	}
	use := func(ref string) error {
		_, err := k.opens(t, "acme", ref)
		return err
	}
	rotate := func(value []byte) error {
		_, err := k.Rotate(t.Context(), "acme", "a", 0, value)
		return err
	}
	for _, c := range []struct {
		name, pointer string
		err           error
	}{
		{"no tenant", "/tenant", create("", "n", "k", []byte("v"))},
		{"no name", "/name", create("acme", "", "k", []byte("v"))},
		{"a name of other letters", "/name", create("acme", "Canary", "k", []byte("v"))},
		{"a name that is too long", "/name", create("acme", strings.Repeat("n", credentials.MaxName+1), "k", []byte("v"))},
		{"no kind", "/kind", create("acme", "n", "", []byte("v"))},
		{"no value", "/value", create("acme", "n", "k", nil)},
		{"a value that is too long", "/value", create("acme", "n", "k", make([]byte, credentials.MaxValue+1))},
		{"a rotation to nothing", "/value", rotate(nil)},
		{"a secret in place of a reference", "/ref", use("sk_canary_123")},
		{"a reference to no name", "/ref", use("secret://")},
		{"a reference in another spelling", "/ref", use("secret://a?canary")},
	} {
		bad, ok := errors.AsType[*storage.InvalidError](c.err)
		if !ok || len(bad.Fields) != 1 || bad.Fields[0].Pointer != c.pointer {
			t.Errorf("%s: got %v, want one field %s", c.name, c.err, c.pointer)
		} else if strings.Contains(strings.ToLower(c.err.Error()), "canary") {
			t.Errorf("%s: the error quotes the input: %v", c.name, c.err)
		}
	}
	wantErr(t, create("acme", "a", "k", []byte("v")), storage.ErrConflict)
	wantErr(t, use("secret://none"), storage.ErrNotFound)
}

func TestALostKeyIsSaidAndTheActionIsNotCalled(t *testing.T) {
	k := newKit(t, credentials.Config{})
	c := k.create(t, "acme", "a")
	others, err := secrets.Generate()
	must(t, err)
	must(t, k.vault.Use(others))
	got, err := k.opens(t, "acme", "secret://a")
	unknown, ok := errors.AsType[*secrets.UnknownKeyError](err)
	if got != "" || !ok || unknown.KeyID != c.KeyID {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestReservedNamesAreForTheirOwnServiceOnly(t *testing.T) {
	k := newKit(t, credentials.Config{})
	own, err := credentials.New(k.store, k.vault, credentials.Config{Reserved: true})
	must(t, err)
	_, err = own.Create(t.Context(), "acme", credentials.Input{Name: ".keys", Kind: "k"}, []byte(value))
	must(t, err)
	must(t, own.Use(t.Context(), "acme", "secret://.keys", func(context.Context, credentials.Credential, []byte) error { return nil }))

	_, err = k.Create(t.Context(), "acme", credentials.Input{Name: ".other", Kind: "k"}, []byte(value))
	wantErr(t, err, storage.ErrInvalid)
	got, err := k.opens(t, "acme", "secret://.keys")
	wantErr(t, err, storage.ErrNotFound)
	_, rotated := k.Rotate(t.Context(), "acme", ".keys", 0, []byte(value))
	wantErr(t, rotated, storage.ErrNotFound)
	wantErr(t, k.Delete(t.Context(), "acme", ".keys", 0), storage.ErrNotFound)
	if got != "" {
		t.Errorf("the use got %q", got)
	}
	_, err = own.Create(t.Context(), "acme", credentials.Input{Name: "a", Kind: "k"}, []byte(value))
	wantErr(t, err, storage.ErrInvalid)
	if c, err := k.Get(t.Context(), "acme", ".keys"); c.Name != ".keys" || err != nil {
		t.Errorf("the inventory does not show it: %+v, %v", c, err)
	}
}

func TestAServiceIsMadeOfWhatItNeeds(t *testing.T) {
	k := newKit(t, credentials.Config{})
	for name, make := range map[string]func() (*credentials.Service, error){
		"no store":  func() (*credentials.Service, error) { return credentials.New(nil, k.vault, credentials.Config{}) },
		"no sealer": func() (*credentials.Service, error) { return credentials.New(k.store, nil, credentials.Config{}) },
		"a negative touch": func() (*credentials.Service, error) {
			return credentials.New(k.store, k.vault, credentials.Config{TouchEvery: -1})
		},
	} {
		if s, err := make(); s != nil || err == nil {
			t.Errorf("%s: got %v, %v", name, s, err)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("secret://shop/main")
	f.Add("secret://")
	f.Add("http://secret")
	f.Fuzz(func(t *testing.T, ref string) {
		name, err := credentials.ParseRef("/ref", ref)
		if err == nil && credentials.Ref(name) != ref {
			t.Errorf("%q is another spelling of %q", ref, credentials.Ref(name))
		}
	})
}

func TestATenantKeepsToItsQuota(t *testing.T) {
	k := newKit(t, credentials.Config{Quotas: func(_ context.Context, tenant string) (credentials.Quotas, error) {
		switch tenant {
		case "acme":
			return credentials.Quotas{Credentials: 1}, nil
		case "broken":
			return credentials.Quotas{Credentials: -1}, nil
		}
		return credentials.Quotas{}, nil
	}})
	create := func(tenant, name string) error {
		_, err := k.Create(t.Context(), tenant, credentials.Input{Name: name, Kind: "api_key"}, []byte(value))
		return err
	}
	reserved, err := credentials.New(k.store, k.vault, credentials.Config{Reserved: true})
	must(t, err)
	_, err = reserved.Create(t.Context(), "acme", credentials.Input{Name: ".kit", Kind: "key"}, []byte(value))
	must(t, err)
	must(t, create("acme", "one"))
	err = create("acme", "two")
	if full, ok := errors.AsType[*storage.LimitError](err); !ok || *full != (storage.LimitError{What: "credentials", Limit: 1}) {
		t.Errorf("got %v, want the limit and its value", err)
	}
	wantErr(t, create("acme", "one"), storage.ErrConflict)
	quotas, err := k.Quotas(t.Context(), "acme")
	if err != nil || len(quotas) != 1 || quotas[0] != (storage.Quota{What: "credentials", Limit: 1, Used: 1}) {
		t.Errorf("got %+v, %v", quotas, err)
	}
	must(t, k.Delete(t.Context(), "acme", "one", 0))
	must(t, create("acme", "two"))
	must(t, create("bloom", "one"))
	must(t, create("bloom", "two"))
	if err := create("broken", "one"); err == nil || errors.Is(err, storage.ErrLimit) {
		t.Errorf("got %v, want an error that is no limit", err)
	}
	if quotas, err := reserved.Quotas(t.Context(), "acme"); len(quotas) != 0 || err != nil {
		t.Errorf("reserved names: got %+v, %v", quotas, err)
	}
}
