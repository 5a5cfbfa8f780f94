package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// A session is what the cookie of a signed-in browser says. It is signed, not
// secret: there is nothing in it that its bearer may not know.
type session struct {
	Person string `json:"person"`
	Tenant string `json:"tenant"`
	// ProvedAt is when the person last proved who it is by a step-up; zero after the
	// plain sign-in of the demo, which proves nothing.
	ProvedAt time.Time `json:"proved_at,omitzero"`
	Expires  time.Time `json:"expires"`
}

const (
	sessionCookie = "merchantadmin"
	sessionLife   = 12 * time.Hour
)

// sessions signs and reads session cookies.
type sessions struct {
	key []byte
	now func() time.Time
}

func (s *sessions) sum(payload string) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(sessionCookie + "\x00" + payload))
	return mac.Sum(nil)
}

// write gives the browser a session that ends after sessionLife.
func (s *sessions) write(w http.ResponseWriter, v session) {
	v.Expires = s.now().Add(sessionLife)
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and times always marshal
	}
	payload := base64.RawURLEncoding.EncodeToString(b)
	setCookie(w, payload+"."+base64.RawURLEncoding.EncodeToString(s.sum(payload)), int(sessionLife.Seconds()))
}

// end takes the session away.
func (s *sessions) end(w http.ResponseWriter) { setCookie(w, "", -1) }

// read returns the session of a request and reports whether it has a valid one.
func (s *sessions) read(r *http.Request) (session, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, false
	}
	payload, sum, _ := strings.Cut(cookie.Value, ".")
	got, err := base64.RawURLEncoding.Strict().DecodeString(sum)
	if err != nil || !hmac.Equal(got, s.sum(payload)) {
		return session{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return session{}, false
	}
	var v session
	if err := json.Unmarshal(b, &v); err != nil || !s.now().Before(v.Expires) {
		return session{}, false
	}
	return v, true
}

func setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
