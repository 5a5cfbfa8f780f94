package secrets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

// Whatever needs a secret says which key is missing, to operators and not to clients.
// Nothing is deleted: when the key is found again, everything goes on.
func TestLostKeysAreToldAndLoseNothingThatIsFoundAgain(t *testing.T) {
	keys := generate(t)
	w := newWorld(t, eachtest.Memory(t), keys, io.Discard)
	receiver := webhookstest.NewReceiver(t)
	body := `{"url":"` + receiver.URL() + `","event_types":["lumelle.orders.v1.*"]}`
	_, answer := w.post("acme", "/endpoints", "create", body)
	_, err := w.creds.Create(w.ctx, "acme", credentials.Input{Name: "a", Kind: "k"}, secret)
	must(t, err)
	public, err := w.stream.PublicKey(w.ctx, "acme", "p")
	must(t, err)
	text, err := public.Seal(secret)
	must(t, err)

	must(t, w.vault.Use(generate(t)))
	missing := func(what string, err error) {
		t.Helper()
		unknown, ok := errors.AsType[*secrets.UnknownKeyError](err)
		if !ok || unknown.KeyID != keys.Primary() {
			t.Errorf("%s: got %v, want that key %s is unknown", what, err, keys.Primary())
		}
	}
	use := func() error {
		return w.creds.Use(w.ctx, "acme", "secret://a", func(_ context.Context, _ credentials.Credential, value []byte) error {
			if !bytes.Equal(value, secret) {
				t.Errorf("the credential is %q", value)
			}
			return nil
		})
	}
	missing("a use", use())
	_, err = w.stream.PublicKey(w.ctx, "acme", "p")
	missing("a stream key", err)
	status, problem := w.post("acme", "/endpoints", "create", body)
	if status != http.StatusInternalServerError || strings.Contains(problem, keys.Primary()) {
		t.Errorf("a repeated request: got %d %s, want a 500 that tells no cause", status, problem)
	}
	report, err := w.rotator(t, secrets.RotatorConfig{Settle: 1}, "acme").Run(w.ctx)
	must(t, err)
	if report.Failed != 4 || report.Keys[keys.Primary()] != 4 || report.Resealed != 0 || len(report.Retirable) != 0 {
		t.Errorf("the rotator: got %+v", report)
	}
	for _, f := range report.Failures {
		missing(f.Purpose, f.Err)
	}

	must(t, w.worker.Start(w.ctx))
	defer w.worker.Close(context.WithoutCancel(t.Context()))
	_, err = w.governor.Change(w.ctx, audit.Event{
		Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1001"}, Payload: []byte(`{"amount":"12.50"}`),
	}, func(context.Context, *audit.Event) error { return nil })
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	tried := func() bool {
		attempts, err := w.backend.Jobs().Attempts(w.ctx, "acme", 1, 1) // of the first job there is
		must(t, err)
		return len(attempts) == 1 && strings.Contains(attempts[0].Reason, "webhooks: open the secret: unknown key "+keys.Primary())
	}
	for !tried() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("no attempt says which key the delivery lacks")
		}
	}
	if n := len(receiver.Requests()); n != 0 {
		t.Errorf("%d requests went out without a signature", n)
	}

	must(t, w.vault.Use(keys)) // found again
	must(t, use())
	if _, again := w.post("acme", "/endpoints", "create", body); again != answer {
		t.Error("the answer is another one")
	}
	if got, err := w.stream.Open(w.ctx, "acme", "p", text); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("got %q, %v", got, err)
	}
	got, err := receiver.Wait(ctx, 1)
	must(t, err)
	var shown struct{ Secret string }
	must(t, json.Unmarshal([]byte(answer), &shown))
	must(t, got[0].Verify(shown.Secret))
}
