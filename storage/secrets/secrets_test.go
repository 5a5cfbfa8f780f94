package secrets_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets"
)

const purpose = "webhooks.endpoint"

var secret = []byte("whsec_canary-7f3a")

func generate(t testing.TB) *secrets.Keys {
	t.Helper()
	keys, err := secrets.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func newVault(t testing.TB, keys *secrets.Keys) *secrets.Vault {
	t.Helper()
	v, err := secrets.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func seal(t testing.TB, v *secrets.Vault, tenant, id string) []byte {
	t.Helper()
	sealed, err := v.Seal(t.Context(), tenant, purpose, id, secret)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealedSecretOpensInItsPlaceOnly(t *testing.T) {
	v := newVault(t, generate(t))
	sealed := seal(t, v, "acme", "e1")
	for _, tc := range []struct {
		name, tenant, purpose, id string
		want                      error
	}{
		{"its own place", "acme", purpose, "e1", nil},
		{"another tenant", "bloom", purpose, "e1", secrets.ErrCannotOpen},
		{"another row", "acme", purpose, "e2", secrets.ErrCannotOpen},
		{"another purpose", "acme", "webhooks.source", "e1", secrets.ErrCannotOpen},
		{"a place that runs together to the same text", "acmew", purpose[1:], "e1", secrets.ErrCannotOpen},
		{"no tenant", "", purpose, "e1", storage.ErrInvalid},
		{"no purpose", "acme", "", "e1", storage.ErrInvalid},
		{"no row", "acme", purpose, "", storage.ErrInvalid},
	} {
		got, err := v.Open(t.Context(), tc.tenant, tc.purpose, tc.id, sealed)
		if !errors.Is(err, tc.want) || (err == nil) != bytes.Equal(got, secret) {
			t.Errorf("%s: got %q, %v, want error %v", tc.name, got, err, tc.want)
		}
	}
}

func TestSealedBytesShowNothing(t *testing.T) {
	v := newVault(t, generate(t))
	one, two := seal(t, v, "acme", "e1"), seal(t, v, "acme", "e1")
	if bytes.Contains(one, secret) {
		t.Error("the sealed bytes contain the secret")
	}
	if bytes.Equal(one, two) {
		t.Error("sealing twice gave the same bytes, which tells equal secrets")
	}
}

func TestChangedBytesDoNotOpen(t *testing.T) {
	v := newVault(t, generate(t))
	sealed := seal(t, v, "acme", "e1")
	refused := func(name string, b []byte) {
		t.Helper()
		got, err := v.Open(t.Context(), "acme", purpose, "e1", b)
		if got != nil || !errors.Is(err, secrets.ErrCannotOpen) && !errors.Is(err, secrets.ErrUnknownKey) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), string(secret)) {
			t.Errorf("%s: the error quotes the secret", name)
		}
	}
	for i := range sealed {
		for bit := range 8 {
			b := bytes.Clone(sealed)
			b[i] ^= 1 << bit
			refused(fmt.Sprintf("bit %d of byte %d flipped", bit, i), b)
		}
		refused(fmt.Sprintf("cut to %d bytes", i), sealed[:i])
	}
	refused("a byte more", append(bytes.Clone(sealed), 0))
}

func TestUnfitSecretIsRefused(t *testing.T) {
	v := newVault(t, generate(t))
	if _, err := v.Seal(t.Context(), "acme", purpose, "e1", make([]byte, secrets.MaxSecret+1)); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("too long: got %v, want ErrInvalid", err)
	}
	if _, err := v.Seal(t.Context(), "", purpose, "e1", secret); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("no tenant: got %v, want ErrInvalid", err)
	}
	sealed, err := v.Seal(t.Context(), "acme", purpose, "e1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Open(t.Context(), "acme", purpose, "e1", sealed); len(got) != 0 || err != nil {
		t.Errorf("the empty secret: got %q, %v", got, err)
	}
}

func TestRotationKeepsOldSecretsOpenUntilTheirKeyIsRetired(t *testing.T) {
	first := generate(t)
	v := newVault(t, first)
	old := seal(t, v, "acme", "e1")

	added, id, err := first.Add()
	if err != nil {
		t.Fatal(err)
	}
	if added.Primary() != first.Primary() {
		t.Error("a key that was only added became the primary")
	}
	second, err := added.Promote(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Use(second); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Open(t.Context(), "acme", purpose, "e1", old); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("after the rotation: got %q, %v", got, err)
	}
	if got := keyID(t, seal(t, v, "acme", "e2")); got != id {
		t.Errorf("a new secret is under key %s, want %s", got, id)
	}

	fresh, changed, err := v.Reseal(t.Context(), "acme", purpose, "e1", old)
	if err != nil || !changed || keyID(t, fresh) != id {
		t.Errorf("Reseal: got key %s, %t, %v, want key %s", keyID(t, fresh), changed, err, id)
	}
	again, changed, err := v.Reseal(t.Context(), "acme", purpose, "e1", fresh)
	if err != nil || changed || !bytes.Equal(again, fresh) {
		t.Errorf("Reseal again: got changed %t, %v, want the same bytes", changed, err)
	}

	third, err := second.Retire(first.Primary())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Use(third); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Open(t.Context(), "acme", purpose, "e1", old); !errors.Is(err, secrets.ErrUnknownKey) {
		t.Errorf("under the retired key: got %v, want ErrUnknownKey", err)
	}
	if _, _, err := v.Reseal(t.Context(), "acme", purpose, "e1", old); !errors.Is(err, secrets.ErrUnknownKey) {
		t.Errorf("Reseal under the retired key: got %v, want ErrUnknownKey", err)
	}
	if got, err := v.Open(t.Context(), "acme", purpose, "e1", fresh); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("resealed: got %q, %v", got, err)
	}
}

func TestRotateInOneStep(t *testing.T) {
	first := generate(t)
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{first.Primary(), second.Primary()}; !slices.Equal(second.IDs(), want) || want[0] == want[1] {
		t.Errorf("got keys %v, want %v", second.IDs(), want)
	}
	if len(first.IDs()) != 1 {
		t.Error("rotating changed the keys it began with")
	}
}

func TestKeysRefuseWhatWouldLoseSecrets(t *testing.T) {
	keys := generate(t)
	if _, err := keys.Retire(keys.Primary()); err == nil {
		t.Error("the primary was retired")
	}
	if _, err := keys.Retire("nokey"); !errors.Is(err, secrets.ErrUnknownKey) {
		t.Errorf("Retire: got %v, want ErrUnknownKey", err)
	}
	if _, err := keys.Promote("nokey"); !errors.Is(err, secrets.ErrUnknownKey) {
		t.Errorf("Promote: got %v, want ErrUnknownKey", err)
	}
	if _, err := secrets.New(nil); err == nil {
		t.Error("a vault was made without keys")
	}
}

func TestKeysOfAnotherKitDoNotOpen(t *testing.T) {
	sealed := seal(t, newVault(t, generate(t)), "acme", "e1")
	if _, err := newVault(t, generate(t)).Open(t.Context(), "acme", purpose, "e1", sealed); !errors.Is(err, secrets.ErrUnknownKey) {
		t.Errorf("got %v, want ErrUnknownKey", err)
	}
}

func TestKeysTravelAsText(t *testing.T) {
	keys, err := generate(t).Rotate()
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal(t, newVault(t, keys), "acme", "e1")
	text, err := keys.Text()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := secrets.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(parsed.IDs(), keys.IDs()) || parsed.Primary() != keys.Primary() {
		t.Errorf("got %v, want %v", parsed, keys)
	}
	if got, err := newVault(t, parsed).Open(t.Context(), "acme", purpose, "e1", sealed); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestUnfitKeysAreRefusedWithoutQuotingThem(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":        "",
		"not JSON":       "hunter2",
		"not a keyset":   `{"secret":"hunter2"}`,
		"without keys":   `{"primaryKeyId":1,"key":[]}`,
		"a foreign type": `{"primaryKeyId":1,"key":[{"keyData":{"typeUrl":"hunter2","value":"aHVudGVyMg==","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":1,"outputPrefixType":"TINK"}]}`,
		"too long":       strings.Repeat(" ", 2<<20),
	} {
		_, err := secrets.Parse([]byte(text))
		if err == nil {
			t.Errorf("%s: parsed", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error quotes the text: %v", name, err)
		}
	}
}

func TestPrintingKeysShowsIDsOnly(t *testing.T) {
	keys := generate(t)
	text, err := keys.Text()
	if err != nil {
		t.Fatal(err)
	}
	material := string(text[bytes.Index(text, []byte(`"value":"`))+9:])
	material = material[:strings.IndexByte(material, '"')]
	raw, err := base64.StdEncoding.DecodeString(material)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("keys", "keys", keys)
	for _, printed := range []string{fmt.Sprint(keys), fmt.Sprintf("%+v", keys), fmt.Sprintf("%#v", keys), fmt.Sprintf("%x", keys), log.String()} {
		if strings.Contains(printed, material) || strings.Contains(printed, string(raw[2:])) {
			t.Errorf("%q shows the key", printed)
		}
	}
	if !strings.Contains(log.String(), keys.Primary()) {
		t.Errorf("the log %q does not name the key", log.String())
	}
}

func TestFileIsMadeOnceAndForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.keys")
	var mu sync.Mutex
	primaries := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			keys, err := secrets.OpenFile(path)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			primaries[keys.Primary()] = true
		})
	}
	wg.Wait()
	if len(primaries) != 1 {
		t.Errorf("eight openers got the keys %v, want the same", primaries)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %04o, want 0600", got)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v, want the file alone", left, err)
	}
}

func TestSavedFileReplacesTheOldOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.keys")
	keys, err := secrets.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = keys.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := keys.SaveFile(path); err != nil {
		t.Fatal(err)
	}
	got, err := secrets.OpenFile(path)
	if err != nil || !slices.Equal(got.IDs(), keys.IDs()) || got.Primary() != keys.Primary() {
		t.Errorf("got %v, %v, want %v", got, err, keys)
	}
}

func TestUnfitFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := generate(t).SaveFile(open); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"open to others":    open,
		"not keys":          broken,
		"a folder missing":  filepath.Join(dir, "none", "keys"),
		"the folder itself": dir,
	} {
		if _, err := secrets.OpenFile(path); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if text, err := os.ReadFile(broken); err != nil || string(text) != "{}" {
		t.Errorf("the broken file was overwritten: %q, %v", text, err)
	}
}

func keyID(t *testing.T, sealed []byte) string {
	t.Helper()
	id, err := secrets.KeyID(sealed)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func FuzzOpen(f *testing.F) {
	v := newVault(f, generate(f))
	sealed := seal(f, v, "acme", "e1")
	f.Add(sealed)
	f.Add([]byte{})
	f.Add(sealed[:len(sealed)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := v.Open(t.Context(), "acme", purpose, "e1", b)
		if (err == nil) != bytes.Equal(b, sealed) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	keys := generate(f)
	text, err := keys.Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"primaryKeyId":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := secrets.Parse(b)
		if err != nil {
			return
		}
		v := newVault(t, keys)
		got, err := v.Open(t.Context(), "acme", purpose, "e1", seal(t, v, "acme", "e1"))
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("keys that parse must work: got %q, %v", got, err)
		}
	})
}
