package receiver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/lumelle/adminkit/webhooks/receiver"
	"github.com/lumelle/adminkit/webhooks/signing"
)

const secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func key(t testing.TB, s string) signing.Key {
	t.Helper()
	k, err := signing.ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func verifier(t testing.TB, now time.Time, secrets ...string) *receiver.Verifier {
	t.Helper()
	v, err := receiver.NewVerifier(secrets, receiver.Config{Now: func() time.Time { return now }, MaxBody: 64})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPublicLibraryAcceptsWhatWeSignAndWeWhatItSigns(t *testing.T) {
	library, err := standard.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	body := []byte(`{"type":"lumelle.orders.v1.refunded"}`)
	ours, err := signing.Sign([]signing.Key{key(t, secret)}, "msg_1", now, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Verify(body, headers("msg_1", now, ours)); err != nil {
		t.Errorf("the library refuses our signature: %v", err)
	}
	theirs, err := library.Sign("msg_1", now, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier(t, now, secret).Verify(headers("msg_1", now, theirs), body); err != nil {
		t.Errorf("we refuse the signature of the library: %v", err)
	}
	rotated, err := signing.Sign([]signing.Key{key(t, signing.NewSecret()), key(t, secret)}, "msg_1", now, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Verify(body, headers("msg_1", now, rotated)); err != nil {
		t.Errorf("the library refuses the second of two signatures: %v", err)
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	now := time.Unix(1700000000, 0)
	body := []byte("{\"a\":1}")
	signature, err := signing.Sign([]signing.Key{key(t, secret)}, "msg_1", now, body)
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, now, secret)
	for i := range body {
		for bit := range 8 {
			changed := bytes.Clone(body)
			changed[i] ^= 1 << bit
			if err := v.Verify(headers("msg_1", now, signature), changed); !errors.Is(err, receiver.ErrSignature) {
				t.Fatalf("bit %d of byte %d: got %v", bit, i, err)
			}
		}
	}
}

func TestHeadersStandOnce(t *testing.T) {
	now := time.Unix(1700000000, 0)
	signature, err := signing.Sign([]signing.Key{key(t, secret)}, "msg_1", now, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		h := headers("msg_1", now, signature)
		h.Add(name, h.Get(name))
		if err := verifier(t, now, secret).Verify(h, nil); !errors.Is(err, receiver.ErrHeader) {
			t.Errorf("%s twice: got %v, want ErrHeader", name, err)
		}
	}
}

func TestHandlerAnswersWhatItRefuses(t *testing.T) {
	now := time.Unix(1700000000, 0)
	body := `{"a":1}`
	signature, err := signing.Sign([]signing.Key{key(t, secret)}, "msg_1", now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		method string
		header http.Header
		body   io.Reader
		want   int
	}{
		{"a verified message reaches the handler", "POST", headers("msg_1", now, signature), strings.NewReader(body), 204},
		{"a body that is not the signed one is 401", "POST", headers("msg_1", now, signature), strings.NewReader(body + "\n"), 401},
		{"a message of another time is 401", "POST", headers("msg_1", now.Add(time.Hour), signature), strings.NewReader(body), 401},
		{"a message without headers is 400", "POST", http.Header{}, strings.NewReader(body), 400},
		{"a body beyond the limit is 413", "POST", headers("msg_1", now, signature), strings.NewReader(strings.Repeat("x", 65)), 413},
		{"a GET is 405", "GET", http.Header{}, nil, 405},
		{"a body that breaks off is 400", "POST", headers("msg_1", now, signature), broken{}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := verifier(t, now, secret).Handler(func(w http.ResponseWriter, r *http.Request, m receiver.Message) {
				if m.ID != "msg_1" || !m.At.Equal(now) || string(m.Body) != body {
					t.Errorf("got %+v", m)
				}
				w.WriteHeader(204)
			})
			req := httptest.NewRequest(c.method, "/", c.body)
			req.Header = c.header
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code != c.want {
				t.Errorf("got %d, want %d", w.Code, c.want)
			}
		})
	}
}

func TestReplayedAttemptIsRefusedAndARetryIsNot(t *testing.T) {
	now := time.Unix(1700000000, 0)
	clock := func() time.Time { return now }
	v, err := receiver.NewVerifier([]string{secret}, receiver.Config{Now: clock, Memory: receiver.NewMemory(clock)})
	if err != nil {
		t.Fatal(err)
	}
	read := func(id string, at time.Time, body string) error {
		signature, err := signing.Sign([]signing.Key{key(t, secret)}, id, at, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header = headers(id, at, signature)
		_, err = v.Read(httptest.NewRecorder(), r)
		return err
	}
	for _, c := range []struct {
		name, id, body string
		at             time.Time
		want           error
	}{
		{"a forged one is not remembered", "msg_1", "[]", now, receiver.ErrSignature},
		{"the first comes in", "msg_1", "{}", now, nil},
		{"a copy does not", "msg_1", "{}", now, receiver.ErrReplayed},
		{"the sender's next attempt does", "msg_1", "{}", now.Add(5 * time.Second), nil},
		{"another message does", "msg_2", "{}", now, nil},
		{"one from ahead comes in", "msg_3", "{}", now.Add(300 * time.Second), nil},
	} {
		if err := read(c.id, c.at, c.body); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	ahead := now.Add(300 * time.Second)
	now = now.Add(600 * time.Second)
	if err := read("msg_3", ahead, "{}"); !errors.Is(err, receiver.ErrReplayed) {
		t.Errorf("a copy at the last moment its time is accepted: got %v", err)
	}
	now = now.Add(time.Second)
	if err := read("msg_3", ahead, "{}"); !errors.Is(err, receiver.ErrTimestamp) {
		t.Errorf("a copy after that: got %v", err)
	}
}

func TestMemoryForgetsWhatRanOut(t *testing.T) {
	now := time.Unix(1700000000, 0)
	m := receiver.NewMemory(func() time.Time { return now })
	for i := range 5000 {
		if first, err := m.First(t.Context(), strconv.Itoa(i), now.Add(time.Minute)); !first || err != nil {
			t.Fatalf("%d: got %t, %v", i, first, err)
		}
	}
	if first, _ := m.First(t.Context(), "7", now.Add(time.Minute)); first {
		t.Error("a key that lives is first again")
	}
	now = now.Add(time.Minute)
	if first, _ := m.First(t.Context(), "7", now.Add(time.Minute)); !first {
		t.Error("a key that ran out is remembered")
	}
}

func TestFailingMemoryAsksForTheMessageAgain(t *testing.T) {
	now := time.Unix(1700000000, 0)
	v, err := receiver.NewVerifier([]string{secret}, receiver.Config{Now: func() time.Time { return now }, Memory: failing{}})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signing.Sign([]signing.Key{key(t, secret)}, "msg_1", now, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/", nil)
	r.Header = headers("msg_1", now, signature)
	w := httptest.NewRecorder()
	v.Handler(func(http.ResponseWriter, *http.Request, receiver.Message) { t.Error("it was handled") }).ServeHTTP(w, r)
	if w.Code != 503 {
		t.Errorf("got %d, want 503", w.Code)
	}
}

type failing struct{}

func (failing) First(context.Context, string, time.Time) (bool, error) {
	return false, errors.New("no store")
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("reset") }

func TestVerifierNeedsItsParts(t *testing.T) {
	for name, make := range map[string]func() (*receiver.Verifier, error){
		"no secret": func() (*receiver.Verifier, error) { return receiver.NewVerifier(nil, receiver.Config{}) },
		"a bad secret": func() (*receiver.Verifier, error) {
			return receiver.NewVerifier([]string{"whsec_x"}, receiver.Config{})
		},
		"negative tolerance": func() (*receiver.Verifier, error) {
			return receiver.NewVerifier([]string{secret}, receiver.Config{Tolerance: -1})
		},
		"negative limit": func() (*receiver.Verifier, error) {
			return receiver.NewVerifier([]string{secret}, receiver.Config{MaxBody: -1})
		},
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "whsec_x") {
			t.Errorf("%s: the error quotes the secret: %v", name, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	now := time.Unix(1700000000, 0)
	v := verifier(f, now, secret, "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=")
	signed, err := signing.Sign([]signing.Key{key(f, secret)}, "msg_1", now, []byte("{}"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("msg_1", "1700000000", signed, []byte("{}"))
	f.Add("msg_1", "1700000000", "v1a,AAAA v1, ,v1 v1,"+strings.Repeat("A", 44), []byte{})
	f.Add("", "-1", " ", []byte("x"))
	f.Fuzz(func(t *testing.T, id, timestamp, signature string, body []byte) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature}}
		err := v.Verify(h, body)
		genuine := id == "msg_1" && timestamp == "1700000000" && string(body) == "{}" && strings.Contains(" "+signature+" ", " "+signed+" ")
		if (err == nil) != genuine {
			t.Errorf("%q %q %q %q: got %v, genuine %t", id, timestamp, signature, body, err, genuine)
		}
	})
}

func ExampleVerifier_Verify() {
	secret := "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	v, err := receiver.NewVerifier([]string{secret}, receiver.Config{
		Now: func() time.Time { return time.Unix(1700000030, 0) }, // leave it out: the clock is the default
	})
	if err != nil {
		panic(err)
	}
	body := []byte(`{"type":"order.refunded","timestamp":"2023-11-14T22:13:20Z","data":{"id":"ord_1"}}`)
	h := http.Header{}
	h.Set("webhook-id", "msg_adminkit_0001")
	h.Set("webhook-timestamp", "1700000000")
	h.Set("webhook-signature", "v1,mhF/8jIqsHXbxB2eHhTYk5Wcb8ORkohjv1RtRmVhp+Q=")

	fmt.Println(v.Verify(h, body))
	fmt.Println(v.Verify(h, append(body, '\n')))
	h.Set("webhook-timestamp", "1600000000")
	fmt.Println(v.Verify(h, body))
	// Output:
	// <nil>
	// receiver: no signature matches
	// receiver: the timestamp is not recent
}
