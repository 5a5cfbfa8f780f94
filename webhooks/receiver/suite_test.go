package receiver_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
	"github.com/lumelle/adminkit/webhooks/receiver"
	"github.com/lumelle/adminkit/webhooks/signing"
)

// suite decodes a file of the suite standard-webhooks into v.
func suite(t *testing.T, name string, v any) {
	t.Helper()
	b := suitetest.Read(t, suitetest.Dir(t, "standard-webhooks"), name)
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

type signCase struct {
	ID, Scheme string
	Keys       []string
	PublicKey  string `json:"public_key"`
	MsgID      string `json:"msg_id"`
	Timestamp  int64
	Payload    []byte `json:"payload_base64"`
	Signature  string
}

func TestSuiteSign(t *testing.T) {
	var file struct {
		Cases  []signCase
		Refuse []signCase `json:"must_refuse"`
	}
	suite(t, "sign_cases.json", &file)
	if len(file.Cases) != 17 || len(file.Refuse) != 5 {
		t.Fatalf("got %d and %d cases, want 17 and 5", len(file.Cases), len(file.Refuse))
	}
	for _, c := range file.Cases {
		t.Run(c.ID, func(t *testing.T) {
			var keys []signing.Key
			secrets := c.Keys
			for _, s := range c.Keys {
				k, err := signing.ParseKey(s)
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, k)
			}
			got, err := signing.Sign(keys, c.MsgID, time.Unix(c.Timestamp, 0), c.Payload)
			if err != nil || got != c.Signature {
				t.Fatalf("got %q, %v, want %q", got, err, c.Signature)
			}
			if c.PublicKey != "" {
				secrets = []string{c.PublicKey}
			}
			at := func() time.Time { return time.Unix(c.Timestamp, 0) }
			v, err := receiver.NewVerifier(secrets, receiver.Config{Now: at})
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Verify(headers(c.MsgID, at(), got), c.Payload); err != nil {
				t.Errorf("our own verifier refuses it: %v", err)
			}
		})
	}
	key, err := signing.ParseKey(signing.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Refuse {
		t.Run(c.ID, func(t *testing.T) {
			if got, err := signing.Sign([]signing.Key{key}, c.MsgID, time.Unix(c.Timestamp, 0), c.Payload); err == nil {
				t.Errorf("signed as %q", got)
			}
		})
	}
}

func TestSuiteVerify(t *testing.T) {
	var file struct {
		Cases []struct {
			ID        string
			Secrets   []string
			Headers   map[string]string
			Payload   []byte `json:"payload_base64"`
			Now       int64
			Tolerance int64 `json:"tolerance_seconds"`
			Expect    string
			Reason    string
		}
	}
	suite(t, "verify_cases.json", &file)
	if len(file.Cases) != 90 {
		t.Fatalf("got %d cases, want 90", len(file.Cases))
	}
	reasons := map[string]error{"": nil, "header": receiver.ErrHeader, "timestamp": receiver.ErrTimestamp, "signature": receiver.ErrSignature}
	for _, c := range file.Cases {
		t.Run(c.ID, func(t *testing.T) {
			v, err := receiver.NewVerifier(c.Secrets, receiver.Config{
				Tolerance: time.Duration(c.Tolerance) * time.Second,
				Now:       func() time.Time { return time.Unix(c.Now, 0) },
			})
			if len(c.Secrets) == 0 {
				// Refused earlier than the case asks for: without a secret there is
				// no verifier.
				if err == nil || c.Expect != "fail" {
					t.Errorf("a verifier without a secret was made")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			h := http.Header{}
			for name, value := range c.Headers {
				h.Set(name, value)
			}
			if got := v.Verify(h, c.Payload); !errors.Is(got, reasons[c.Reason]) || (got == nil) != (c.Expect == "ok") {
				t.Errorf("got %v, want %s %s", got, c.Expect, c.Reason)
			}
		})
	}
}

func TestSuiteSecrets(t *testing.T) {
	var file struct {
		Cases []struct {
			ID, Secret, Expect, Kind string
		}
	}
	suite(t, "secret_cases.json", &file)
	if len(file.Cases) != 17 {
		t.Fatalf("got %d cases, want 17", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.ID, func(t *testing.T) {
			k, err := signing.ParseKey(c.Secret)
			if (err == nil) != (c.Expect == "ok") {
				t.Fatalf("got %v, want %s", err, c.Expect)
			}
			kinds := map[string]bool{"v1": k.Scheme() == signing.V1, "v1a_public": k.Scheme() == signing.V1a && !k.CanSign(), "v1a_secret": k.Scheme() == signing.V1a && k.CanSign()}
			if err == nil && !kinds[c.Kind] {
				t.Errorf("got %v, want %s", k, c.Kind)
			}
		})
	}
}

func headers(id string, at time.Time, signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", itoa(at.Unix()))
	h.Set("webhook-signature", signature)
	return h
}
