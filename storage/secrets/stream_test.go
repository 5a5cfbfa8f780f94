package secrets_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/secrets/streamkey"
)

const streamPurpose = "audit.stream/s1/4"

func newStream(t testing.TB) *secrets.Stream {
	t.Helper()
	b, err := memory.New(memory.Config{})
	must(t, err)
	s, err := secrets.NewStream(b.Credentials(), newVault(t, generate(t)), credentials.Config{})
	must(t, err)
	return s
}

// sealFor seals as a client does: with nothing but the published JSON.
func sealFor(t testing.TB, s *secrets.Stream, tenant, purpose string) (text, keyID string) {
	t.Helper()
	published, err := s.PublicKey(t.Context(), tenant, purpose)
	must(t, err)
	b, err := json.Marshal(published)
	must(t, err)
	var key streamkey.PublicKey
	must(t, json.Unmarshal(b, &key))
	text, err = key.Seal(secret)
	must(t, err)
	return text, key.ID
}

func TestASealedTextOpensForItsTenantAndPurposeOnly(t *testing.T) {
	s := newStream(t)
	text, _ := sealFor(t, s, "acme", streamPurpose)
	if _, err := s.PublicKey(t.Context(), "bloom", streamPurpose); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, string(secret)) {
		t.Error("the text shows the secret")
	}
	for _, c := range []struct {
		name, tenant, purpose string
		want                  error
	}{
		{"its own", "acme", streamPurpose, nil},
		{"the next revision", "acme", "audit.stream/s1/5", secrets.ErrCannotOpen},
		{"another object", "acme", "audit.stream/s2/4", secrets.ErrCannotOpen},
		{"another tenant with keys", "bloom", streamPurpose, secrets.ErrUnknownKey},
		{"another tenant without keys", "cobalt", streamPurpose, secrets.ErrUnknownKey},
		{"no tenant", "", streamPurpose, storage.ErrInvalid},
		{"no purpose", "acme", "", storage.ErrInvalid},
	} {
		got, err := s.Open(t.Context(), c.tenant, c.purpose, text)
		if !errors.Is(err, c.want) || (err == nil) != (string(got) == string(secret)) {
			t.Errorf("%s: got %q, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestChangedTextDoesNotOpen(t *testing.T) {
	s := newStream(t)
	text, _ := sealFor(t, s, "acme", streamPurpose)
	refused := func(name, text string) {
		t.Helper()
		got, err := s.Open(t.Context(), "acme", streamPurpose, text)
		if got != nil || !errors.Is(err, secrets.ErrCannotOpen) && !errors.Is(err, secrets.ErrUnknownKey) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for i := range text {
		b := []byte(text)
		if b[i] = 'A'; text[i] == 'A' {
			b[i] = 'B'
		}
		refused(fmt.Sprintf("letter %d", i), string(b))
		refused(fmt.Sprintf("cut to %d", i), text[:i])
	}
	refused("a letter more", text+"A")
	refused("a line break", text+"\n")
	refused("far too long", text+strings.Repeat("A", streamkey.MaxText))
}

func TestAnOldKeyOpensUntilItIsRetired(t *testing.T) {
	s := newStream(t)
	old, first := sealFor(t, s, "acme", streamPurpose)
	second, err := s.Rotate(t.Context(), "acme")
	must(t, err)
	fresh, keyID := sealFor(t, s, "acme", streamPurpose)
	if keyID != second || second == first {
		t.Errorf("after the rotation the key is %s, want %s", keyID, second)
	}
	for _, text := range []string{old, fresh} {
		if got, err := s.Open(t.Context(), "acme", streamPurpose, text); string(got) != string(secret) || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := s.Retire(t.Context(), "acme", second); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("the key in use: got %v, want ErrConflict", err)
	}
	must(t, s.Retire(t.Context(), "acme", first))
	if _, err := s.Open(t.Context(), "acme", streamPurpose, old); !errors.Is(err, secrets.ErrUnknownKey) {
		t.Errorf("under the retired key: got %v, want ErrUnknownKey", err)
	}
	if err := s.Retire(t.Context(), "acme", first); !errors.Is(err, secrets.ErrUnknownKey) {
		t.Errorf("retired again: got %v, want ErrUnknownKey", err)
	}
	for range 19 {
		_, err := s.Rotate(t.Context(), "acme")
		must(t, err)
	}
	if _, err := s.Rotate(t.Context(), "acme"); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("a key too many: got %v, want ErrConflict", err)
	}
}

func TestWhoeverAsksFirstMakesTheKeyForAll(t *testing.T) {
	s := newStream(t)
	var ids [8]string
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			key, err := s.PublicKey(context.WithoutCancel(t.Context()), "acme", streamPurpose)
			if err != nil {
				t.Error(err)
			}
			ids[i] = key.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("got the keys %v, want one", ids)
			break
		}
	}
}

func TestAClientRefusesAKeyOfAnotherForm(t *testing.T) {
	good, err := newStream(t).PublicKey(t.Context(), "acme", streamPurpose)
	must(t, err)
	for name, change := range map[string]func(k *streamkey.PublicKey){
		"another type":   func(k *streamkey.PublicKey) { k.Type = "EC" },
		"another curve":  func(k *streamkey.PublicKey) { k.Curve = "P-256" },
		"another suite":  func(k *streamkey.PublicKey) { k.AEAD = 3 },
		"no id":          func(k *streamkey.PublicKey) { k.ID = "" },
		"no info":        func(k *streamkey.PublicKey) { k.Info = "" },
		"no key":         func(k *streamkey.PublicKey) { k.X = "" },
		"a broken key":   func(k *streamkey.PublicKey) { k.X = "!" },
		"the zero point": func(k *streamkey.PublicKey) { k.X = base64.RawURLEncoding.EncodeToString(make([]byte, 32)) },
	} {
		k := good
		change(&k)
		if text, err := k.Seal(secret); err == nil {
			t.Errorf("%s: sealed %q", name, text)
		} else if strings.Contains(err.Error(), string(secret)) {
			t.Errorf("%s: the error quotes the secret", name)
		}
	}
	if _, err := good.Seal(make([]byte, streamkey.MaxSecret+1)); err == nil {
		t.Error("a secret that is too long was sealed")
	}
	longest := make([]byte, streamkey.MaxSecret)
	if text, err := good.Seal(longest); err != nil || len(text) > streamkey.MaxText {
		t.Errorf("the longest secret: %d bytes of text, %v, want at most %d", len(text), err, streamkey.MaxText)
	}
	if s, err := secrets.NewStream(nil, nil, credentials.Config{}); s != nil || err == nil {
		t.Errorf("a stream without credentials: got %v, %v", s, err)
	}
}

func FuzzOpenStream(f *testing.F) {
	s := newStream(f)
	text, _ := sealFor(f, s, "acme", streamPurpose)
	f.Add(text)
	f.Add("sk1.00000000.")
	f.Fuzz(func(t *testing.T, b string) {
		if _, err := s.Open(t.Context(), "acme", streamPurpose, b); (err == nil) != (b == text) {
			t.Errorf("%q: %v", b, err)
		}
	})
}

// A client seals with what the server published; nobody between them reads the token.
func ExampleStream() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := secrets.Generate()
	if err != nil {
		fmt.Println(err)
		return
	}
	vault, err := secrets.New(keys)
	if err != nil {
		fmt.Println(err)
		return
	}
	stream, err := secrets.NewStream(backend.Credentials(), vault, credentials.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}

	public, err := stream.PublicKey(ctx, "acme", "audit.stream/s1/4") // served as JSON
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := public.Seal([]byte("hec-token")) // by the client
	if err != nil {
		fmt.Println(err)
		return
	}
	secret, err := stream.Open(ctx, "acme", "audit.stream/s1/4", text)
	fmt.Printf("%s %v\n", secret, err)
	_, err = stream.Open(ctx, "acme", "audit.stream/s1/5", text) // the same text again, later
	fmt.Println(err)
	// Output:
	// hec-token <nil>
	// the sealed secret does not open here
}
