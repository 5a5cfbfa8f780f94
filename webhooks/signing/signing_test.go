package signing_test

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/webhooks/signing"
)

//go:embed testdata/vectors.json
var vectors []byte

func parse(t testing.TB, s string) signing.Key {
	t.Helper()
	k, err := signing.ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestVectors(t *testing.T) {
	var all []struct{ Name, Key, Public, Body, Signature string }
	if err := json.Unmarshal(vectors, &all); err != nil {
		t.Fatal(err)
	}
	const id, timestamp = "msg_adminkit_0001", "1700000000"
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			got, err := signing.Sign([]signing.Key{parse(t, c.Key)}, id, time.Unix(1700000000, 999), []byte(c.Body))
			if err != nil || got != c.Signature {
				t.Fatalf("got %q, %v, want %q", got, err, c.Signature)
			}
			verifying := c.Key
			if c.Public != "" {
				verifying = c.Public
			}
			if !signing.Match([]signing.Key{parse(t, verifying)}, id, timestamp, []byte(c.Body), got) {
				t.Error("the signature does not match")
			}
			if signing.Match([]signing.Key{parse(t, verifying)}, id, timestamp, []byte(c.Body+"\n"), got) {
				t.Error("a changed body matches")
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	secret := parse(t, signing.NewSecret())
	public := parse(t, "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=")
	at := time.Unix(1700000000, 0)
	for _, c := range []struct {
		name string
		keys []signing.Key
		id   string
		at   time.Time
		want error
	}{
		{"an id with a full stop", []signing.Key{secret}, "msg.1", at, signing.ErrID},
		{"no id", []signing.Key{secret}, "", at, signing.ErrID},
		{"an id beyond ASCII", []signing.Key{secret}, "müller", at, signing.ErrID},
		{"an endless id", []signing.Key{secret}, strings.Repeat("x", 256), at, signing.ErrID},
		{"a time before 1970", []signing.Key{secret}, "msg_1", time.Unix(-1, 0), signing.ErrTime},
		{"no key", nil, "msg_1", at, signing.ErrNoKey},
		{"a public key", []signing.Key{secret, public}, "msg_1", at, signing.ErrNoKey},
		{"the zero key", []signing.Key{{}}, "msg_1", at, signing.ErrNoKey},
	} {
		if _, err := signing.Sign(c.keys, c.id, c.at, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestKeysPrintWithoutTheirSecret(t *testing.T) {
	k := parse(t, "whsec_c2Vjb25kLXNlY3JldC1mb3Itcm90YXRpb24tMDAwMDE=")
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(format, k); strings.Contains(got, "second") || !strings.Contains(got, "signing.Key(v1)") {
			t.Errorf("%s prints %s", format, got)
		}
	}
	if signing.NewSecret() == signing.NewSecret() {
		t.Error("two new secrets are the same")
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	f.Add("whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	f.Add("whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=")
	f.Add("whsec_")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := signing.ParseKey(s)
		if err != nil {
			if !errors.Is(err, signing.ErrKey) || k.Scheme() != "" {
				t.Fatalf("got %v and %v", err, k)
			}
			return
		}
		if !k.CanSign() {
			return
		}
		at := time.Unix(1700000000, 0)
		header, err := signing.Sign([]signing.Key{k}, "msg_1", at, []byte(s))
		if err != nil || !signing.Match([]signing.Key{k}, "msg_1", "1700000000", []byte(s), header) {
			t.Fatalf("%q signs what it does not verify: %q, %v", s, header, err)
		}
	})
}

func ExampleSign() {
	key, err := signing.ParseKey("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		panic(err)
	}
	header, err := signing.Sign([]signing.Key{key}, "msg_adminkit_0001", time.Unix(1700000000, 0), nil)
	fmt.Println(header, err)
	fmt.Println(signing.Match([]signing.Key{key}, "msg_adminkit_0001", "1700000000", nil, header))
	// Output:
	// v1,2hHRrr0hr72kvyyTzIMBVnIOoCp3NoFXeAk20KkwiMU= <nil>
	// true
}

func BenchmarkSign(b *testing.B) {
	body := make([]byte, 1024)
	for _, s := range []struct{ name, key string }{
		{"v1", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
		{"v1a", "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
	} {
		b.Run(s.name, func(b *testing.B) {
			keys := []signing.Key{parse(b, s.key)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := signing.Sign(keys, "msg_1", time.Unix(1700000000, 0), body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
