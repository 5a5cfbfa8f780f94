package secrets_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/secrets/streamkey"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

// A record is a place where canaries must not be: texts that many goroutines write.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.text.Bytes())
}

// Canaries are secrets that were used, by what they are.
type canaries map[string][]byte

// fresh makes one of the test's own.
func (c canaries) fresh(what string) []byte {
	value := []byte("canary-" + rand.Text())
	c[what] = value
	return value
}

// endpoint takes up the secret in an answer of the API.
func (c canaries) endpoint(t *testing.T, what, answer string) {
	t.Helper()
	var shown struct{ Secret string }
	must(t, json.Unmarshal([]byte(answer), &shown))
	text, ok := strings.CutPrefix(shown.Secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 {
		t.Fatalf("%s: the answer shows no secret", what)
	}
	c[what] = key // its text is its base64, which is looked for too
}

// found returns which canaries b holds, as they are or in a common form.
func (c canaries) found(b []byte) []string {
	var all []string
	for what, value := range c {
		for form, needle := range map[string][]byte{
			"plain": value, "base64": []byte(base64.RawStdEncoding.EncodeToString(value)),
			"base64url": []byte(base64.RawURLEncoding.EncodeToString(value)), "hex": []byte(hex.EncodeToString(value)),
		} {
			if bytes.Contains(b, needle) {
				all = append(all, what+" ("+form+")")
			}
		}
	}
	return all
}

// files returns the content of all files below dir, by name.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = b
		if errors.Is(err, os.ErrNotExist) { // a server removes files of its own
			err = nil
		}
		return err
	})
	must(t, err)
	return all
}

// exercise takes secrets along every path there is, and returns them.
func (w *world) exercise(t *testing.T, told *record) canaries {
	t.Helper()
	c := canaries{}
	fails := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		fmt.Fprintf(told, "%s: %v %+v\n", what, err, err)
		w.log.ErrorContext(w.ctx, what, "error", err)
	}
	w.deliver(t, c, fails)

	// A credential: made, used, failing in its action, rotated, used by others, refused.
	first := c.fresh("a credential")
	_, err := w.creds.Create(w.ctx, "acme", credentials.Input{Name: "shop/main", Kind: "api_key"}, first)
	must(t, err)
	ref := credentials.Ref("shop/main")
	must(t, w.creds.Use(w.ctx, "acme", ref, func(_ context.Context, _ credentials.Credential, value []byte) error {
		if !bytes.Equal(value, first) {
			t.Error("the use got another value")
		}
		return nil
	}))
	fails("an action that quotes its credential", w.creds.Use(w.ctx, "acme", ref, func(_ context.Context, _ credentials.Credential, value []byte) error {
		return fmt.Errorf("401 for key %s", value)
	}))
	second := c.fresh("a rotated credential")
	_, err = w.creds.Rotate(w.ctx, "acme", "shop/main", 1, second)
	must(t, err)
	_, err = w.creds.Rotate(w.ctx, "acme", "shop/main", 1, c.fresh("a rotation that came late"))
	fails("a rotation that came late", err)
	_, err = w.creds.Create(w.ctx, "acme", credentials.Input{Name: "shop/main", Kind: "api_key"}, c.fresh("a name that is taken"))
	fails("a name that is taken", err)
	_, err = w.creds.Create(w.ctx, "acme", credentials.Input{Name: "n", Kind: "k"}, bytes.Repeat(c.fresh("a value that is too long"), 10_000))
	fails("a value that is too long", err)
	fails("another tenant", w.creds.Use(w.ctx, "bloom", ref, nil))
	fails("a secret in place of a reference", w.creds.Use(w.ctx, "acme", string(c.fresh("a reference")), nil))

	// A secret that a client sealed, and the same text for another purpose.
	public, err := w.stream.PublicKey(w.ctx, "acme", "audit.stream/s1/1")
	must(t, err)
	text, err := public.Seal(c.fresh("a client's secret"))
	must(t, err)
	must(t, json.NewEncoder(told).Encode(text)) // it passes others' hands
	opened, err := w.stream.Open(w.ctx, "acme", "audit.stream/s1/1", text)
	must(t, err)
	_, err = w.creds.Create(w.ctx, "acme", credentials.Input{Name: "stream/s1", Kind: "token"}, opened)
	must(t, err)
	_, err = w.stream.Open(w.ctx, "acme", "audit.stream/s1/2", text)
	fails("a text for another purpose", err)
	_, err = public.Seal(bytes.Repeat(c.fresh("a client's secret that is too long"), streamkey.MaxSecret))
	fails("a client's secret that is too long", err)
	_, err = w.stream.Rotate(w.ctx, "acme")
	must(t, err)

	// A sealed row in another row, another tenant, and without its key.
	row, err := w.backend.Credentials().Get(w.ctx, "acme", "shop/main")
	must(t, err)
	fmt.Fprintf(told, "%v %+v %#v\n", row, w.vault.Keys(), w.vault.Keys())
	_, err = w.vault.Open(w.ctx, "bloom", "credentials", "shop/main", row.Sealed)
	fails("a row moved to another tenant", err)
	_, err = w.vault.Open(w.ctx, "acme", "credentials", "shop/other", row.Sealed)
	fails("a row moved to another row", err)
	_, err = newVault(t, generate(t)).Open(w.ctx, "acme", "credentials", "shop/main", row.Sealed)
	fails("keys of another database", err)

	// All of it under a new key.
	keys, err := w.vault.Keys().Rotate()
	must(t, err)
	must(t, w.vault.Use(keys))
	report, err := w.rotator(t, secrets.RotatorConfig{Settle: 1, Logger: w.log}, "acme").Run(w.ctx)
	must(t, err)
	if report.Values < 5 || report.Resealed != report.Values || report.Keys[keys.Primary()] != report.Values {
		t.Errorf("got %+v, want everything sealed again", report)
	}
	fmt.Fprintf(told, "%+v\n", report)
	w.log.InfoContext(w.ctx, "sealed again", "report", report)
	return c
}

// deliver takes the secrets of an endpoint from its making to a delivery, with the answers
// that show them repeated.
func (w *world) deliver(t *testing.T, c canaries, fails func(what string, err error)) {
	t.Helper()
	receiver := webhookstest.NewReceiver(t)
	receiver.Reply(webhookstest.Reply{Status: http.StatusInternalServerError})
	body := `{"url":"` + receiver.URL() + `","event_types":["lumelle.orders.v1.*"]}`
	status, first := w.post("acme", "/endpoints", "create", body)
	if status != http.StatusCreated {
		t.Fatalf("create: %d", status)
	}
	c.endpoint(t, "an endpoint's secret", first)
	if _, again := w.post("acme", "/endpoints", "create", body); again != first {
		t.Error("the answer is not given again")
	}
	var made struct{ ID string }
	must(t, json.Unmarshal([]byte(first), &made))
	_, rotated := w.post("acme", "/endpoints/"+made.ID+"/rotate-secret", "rotate", `{}`)
	c.endpoint(t, "an endpoint's rotated secret", rotated)

	must(t, w.worker.Start(w.ctx))
	_, err := w.governor.Change(w.ctx, audit.Event{
		Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1001"}, Payload: []byte(`{"amount":"12.50"}`),
	}, func(context.Context, *audit.Event) error { return nil })
	must(t, err)
	if _, err := receiver.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	must(t, w.worker.Close(context.WithoutCancel(w.ctx)))

	_, err = w.hooks.RotateSecret(w.ctx, "bloom", made.ID)
	fails("another tenant's endpoint", err)
	_, _, err = w.hooks.Create(w.ctx, "acme", webhooks.EndpointInput{URL: "http://me:" + string(c.fresh("a password in a URL")) + "@127.0.0.1/"})
	fails("a URL with a password", err)
}

// none fails the test for each canary in what stands under a name.
func (c canaries) none(t *testing.T, name string, b []byte) {
	t.Helper()
	if found := c.found(b); len(found) > 0 {
		t.Errorf("%s holds %q", name, found)
	}
}

// plant writes a canary where the kit keeps texts in clear, and returns it: a search that
// does not find it finds nothing.
func (w *world) plant(t *testing.T) canaries {
	t.Helper()
	c := canaries{}
	_, _, err := w.hooks.Create(w.ctx, "acme", webhooks.EndpointInput{
		URL: "http://127.0.0.1:9/in", EventTypes: []string{"lumelle.none"}, Description: string(c.fresh("planted")),
	})
	must(t, err)
	w.log.Debug("planted", "text", string(c["planted"]))
	return c
}

func TestNoSecretIsInASQLiteFileItsWALOrALog(t *testing.T) {
	dir := t.TempDir()
	b, err := sqlite.Open(t.Context(), filepath.Join(dir, "admin.db"), sqlite.Config{})
	must(t, err)
	var log, told record
	w := newWorld(t, b, generate(t), &log)
	all := w.exercise(t, &told)
	planted := w.plant(t)

	search := func(when string) (found, size int) {
		for name, content := range files(t, dir) {
			all.none(t, when+" "+filepath.Base(name), content)
			found, size = found+len(planted.found(content)), size+len(content)
		}
		return found, size
	}
	found, size := search("while it is open,")
	if wal := files(t, dir)[filepath.Join(dir, "admin.db-wal")]; found == 0 || len(wal) == 0 {
		t.Errorf("the planted text was found in %d of the files, with a WAL of %d bytes", found, len(wal))
	}
	must(t, b.Close(context.WithoutCancel(t.Context())))
	if found, _ := search("closed,"); found == 0 {
		t.Error("the planted text is not found in the closed file")
	}
	all.none(t, "the log", log.bytes())
	all.none(t, "the errors", told.bytes())
	if len(planted.found(log.bytes())) == 0 {
		t.Error("the planted text is not found in the log")
	}
	t.Logf("%d canaries in 4 forms: none in %d bytes of files, %d of logs, %d of errors", len(all), size, len(log.bytes()), len(told.bytes()))
}

func TestNoSecretIsInAPostgresDumpItsFilesOrALog(t *testing.T) {
	server := pgtest.NewServer(t)
	b, err := postgres.Open(t.Context(), server.DSN, postgres.Config{})
	must(t, err)
	t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
	var log, told record
	w := newWorld(t, b, generate(t), &log)
	all := w.exercise(t, &told)
	planted := w.plant(t)

	c, err := pgx.Connect(t.Context(), server.DSN)
	must(t, err)
	defer c.Close(context.WithoutCancel(t.Context()))
	var dump bytes.Buffer
	for _, table := range tables(t, c) {
		// In binary form bytes stand as they are.
		_, err := c.PgConn().CopyTo(t.Context(), &dump, "COPY "+pgx.Identifier{table}.Sanitize()+" TO STDOUT (FORMAT binary)")
		must(t, err)
	}
	all.none(t, "the dump", dump.Bytes())
	if len(planted.found(dump.Bytes())) == 0 {
		t.Error("the planted text is not found in the dump")
	}

	_, err = c.Exec(t.Context(), "CHECKPOINT")
	must(t, err)
	var data string
	must(t, c.QueryRow(t.Context(), "SHOW data_directory").Scan(&data))
	wal, heap, size := 0, 0, 0
	for name, content := range files(t, filepath.Dir(data)) { // with the server's own log
		all.none(t, name, content)
		size += len(content)
		switch n := len(planted.found(content)); {
		case strings.Contains(name, "pg_wal"):
			wal += n
		default:
			heap += n
		}
	}
	if wal == 0 || heap == 0 {
		t.Errorf("the planted text is found %d times in the WAL and %d times in files", wal, heap)
	}
	all.none(t, "the log", log.bytes())
	all.none(t, "the errors", told.bytes())
	t.Logf("%d canaries in 4 forms: none in %d bytes of dump, %d of files with the WAL, %d of logs, %d of errors",
		len(all), dump.Len(), size, len(log.bytes()), len(told.bytes()))
}

// tables returns the names of all tables of the schema public.
func tables(t *testing.T, c *pgx.Conn) []string {
	t.Helper()
	rows, err := c.Query(t.Context(), `SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`)
	must(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	if len(names) < 10 {
		t.Fatalf("the dump has the tables %q only", names)
	}
	return names
}
