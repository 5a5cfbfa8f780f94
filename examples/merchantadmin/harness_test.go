package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// onEachDatabase runs fn with a fresh database of every kind that -db takes.
// ADMINKIT_STORES chooses among them as everywhere.
func onEachDatabase(t *testing.T, fn func(t *testing.T, db string)) {
	t.Helper()
	for _, kind := range eachtest.Kinds(t) {
		switch kind.Name {
		case "memory":
			t.Run("sqlite in memory", func(t *testing.T) { t.Parallel(); fn(t, sqlite.Memory) })
		case "sqlite":
			t.Run("sqlite", func(t *testing.T) { t.Parallel(); fn(t, filepath.Join(t.TempDir(), "admin.db")) })
		case "postgres":
			t.Run("postgres", func(t *testing.T) { t.Parallel(); fn(t, eachtest.PostgresDSN(t)) })
		}
	}
}

// onEachDurableDatabase leaves out the one that ends with its process and cannot be
// looked into from outside.
func onEachDurableDatabase(t *testing.T, fn func(t *testing.T, db string)) {
	t.Helper()
	for _, kind := range eachtest.Kinds(t) {
		switch kind.Name {
		case "sqlite":
			t.Run("sqlite", func(t *testing.T) { t.Parallel(); fn(t, filepath.Join(t.TempDir(), "admin.db")) })
		case "postgres":
			t.Run("postgres", func(t *testing.T) { t.Parallel(); fn(t, eachtest.PostgresDSN(t)) })
		}
	}
}

// An admin is a running merchant admin, reached over HTTP only.
type admin struct {
	t    testing.TB
	base string
	// document is what the admin says of its API. Every answer is held against it.
	document *httpapitest.Document
}

// startAdmin runs the program until the test ends, and expects a clean stop then.
func startAdmin(t testing.TB, db string, flags ...string) *admin {
	t.Helper()
	a, stop := runAdmin(t, append([]string{"-db", db, "-keys", filepath.Join(t.TempDir(), "keys")}, flags...)...)
	t.Cleanup(stop)
	return a
}

// runAdmin runs the program until stop is called.
func runAdmin(t testing.TB, flags ...string) (a *admin, end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, stdout := io.Pipe()
	var stderr lockedBuffer
	code := make(chan int, 1)
	args := append([]string{"-addr", "127.0.0.1:0", "-egress-allow", "127.0.0.0/8"}, flags...)
	go func() {
		code <- run(ctx, args, stdout, &stderr)
		stdout.Close()
	}()
	end = func() {
		t.Helper()
		stop()
		if got := <-code; got != 0 {
			t.Errorf("the admin ended with %d:\n%s", got, stderr.String())
		}
	}
	line, err := bufio.NewReader(ready).ReadString('\n')
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "merchant admin ready at ")
	if err != nil || !ok {
		t.Fatalf("the first line is %q (%v), want the address; stderr:\n%s", line, err, stderr.String())
	}
	document, err := openAPI()
	if err != nil {
		t.Fatal(err)
	}
	return &admin{t: t, base: base, document: httpapitest.Load(t, document)}, end
}

// lockedBuffer takes what the program writes to stderr.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// An answer is a response that was read to its end.
type answer struct {
	t      testing.TB
	about  string
	status int
	header http.Header
	body   []byte
}

// as sends a request of a demo person at acme. header are pairs of names and values.
func (a *admin) as(person, method, path, body string, header ...string) answer {
	a.t.Helper()
	header = append([]string{"Authorization", "Bearer demo-" + person, "X-Tenant", "acme"}, header...)
	return a.send(method, path, body, header...)
}

// send sends a request with these headers; a later one replaces an earlier one, and
// an empty value removes it.
func (a *admin) send(method, path, body string, header ...string) answer {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for pair := range slices.Chunk(header, 2) {
		if pair[1] == "" {
			req.Header.Del(pair[0])
		} else {
			req.Header.Set(pair[0], pair[1])
		}
	}
	client := http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	resp, err := client.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	if governed := strings.HasPrefix(path, "/api/v1/") || strings.HasPrefix(path, "/access/"); governed && resp.StatusCode != http.StatusMethodNotAllowed {
		a.document.Check(a.t, method, req.URL.EscapedPath(), resp.StatusCode, resp.Header, b)
	}
	return answer{t: a.t, about: method + " " + path, status: resp.StatusCode, header: resp.Header, body: b}
}

// want fails the test unless the answer has the status.
func (r answer) want(status int) answer {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s answered %d, want %d: %s", r.about, r.status, status, r.body)
	}
	return r
}

// json decodes the body.
func (r answer) json(v any) {
	r.t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		r.t.Fatalf("%s answered what is not JSON: %v: %s", r.about, err, r.body)
	}
}

// text returns a member of the body's object, empty where it is absent.
func (r answer) text(name string) string {
	r.t.Helper()
	var object map[string]any
	r.json(&object)
	s, _ := object[name].(string)
	return s
}

// eventually calls fn until it reports true. It is for what a worker does; each call
// asks over HTTP, which paces it.
func eventually(t testing.TB, what string, fn func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !fn() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// order returns the first order of the list, from the newest, that has at least this
// much left, in cents.
func (a *admin) order(atLeast int64) listedOrder {
	a.t.Helper()
	var list struct{ Items []listedOrder }
	a.as("sam", "GET", "/api/v1/orders?limit=1000", "").want(http.StatusOK).json(&list)
	for _, o := range list.Items {
		if o.cents() >= atLeast && o.Refunded == "0.00" {
			return o
		}
	}
	a.t.Fatalf("no order of acme has %d cents", atLeast)
	return listedOrder{}
}

type listedOrder struct {
	ID       string `json:"id"`
	Total    string `json:"total"`
	Currency string `json:"currency"`
	Refunded string `json:"refunded"`
}

func (o listedOrder) cents() int64 {
	var n int64
	for _, c := range strings.ReplaceAll(o.Total, ".", "") {
		n = 10*n + int64(c-'0')
	}
	return n
}
