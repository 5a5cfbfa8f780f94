package automationtest_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/automationtest"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// keys collects what an action brought about.
type keys struct {
	mu  sync.Mutex
	all []string
}

func (k *keys) add(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, key)
}

func (k *keys) list() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.all...)
}

func TestHTTPPost(t *testing.T) {
	t.Parallel()
	var got keys
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.add(r.Header.Get("Idempotency-Key"))
		_, _ = w.Write([]byte(`{"ok":true}`))
	}))
	t.Cleanup(server.Close)
	input, err := json.Marshal(map[string]string{"url": server.URL})
	if err != nil {
		t.Fatal(err)
	}
	automationtest.Run(t, automationtest.Options{
		Action:  func(testing.TB) automation.Action { return automation.HTTPPost(server.Client()) },
		Compile: schema.Compile, Input: input, Effects: got.list,
	})
}

func TestNotifyLog(t *testing.T) {
	t.Parallel()
	automationtest.Run(t, automationtest.Options{
		Action:  func(testing.TB) automation.Action { return automation.NotifyLog(slog.New(slog.DiscardHandler)) },
		Compile: schema.Compile,
	})
}

func TestPublishEvent(t *testing.T) {
	t.Parallel()
	b := eachtest.Memory(t)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, audit.Action{Name: "orders.flag", Category: audit.Domain})
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	governor, err := audit.NewGovernor(b, audit.Ungated, log, catalog)
	if err != nil {
		t.Fatal(err)
	}
	automationtest.Run(t, automationtest.Options{
		Action:  func(testing.TB) automation.Action { return automation.PublishEvent(governor, "orders.flag") },
		Compile: schema.Compile, Tx: b,
		Effects: func() (all []string) {
			page, err := log.Query(t.Context(), "acme", audit.Query{Limit: storage.MaxLimit})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Items {
				all = append(all, e.ID)
			}
			return all
		},
	})
}

func TestRequestApproval(t *testing.T) {
	t.Parallel()
	var got keys
	b := eachtest.Memory(t)
	automationtest.Run(t, automationtest.Options{
		Action: func(testing.TB) automation.Action {
			return automation.RequestApproval(func(ctx context.Context, key string, _ automation.ApprovalChange) (string, error) {
				return "request-" + key, b.InTx(ctx, func(ctx context.Context) error {
					storage.AfterCommit(ctx, func() { got.add(key) })
					return nil
				})
			})
		},
		Compile: schema.Compile, Tx: b, Effects: got.list,
	})
}

func TestEventTrigger(t *testing.T) {
	t.Parallel()
	automationtest.Run(t, automationtest.Options{
		Trigger: func(testing.TB) automation.Trigger { return automation.EventTrigger(refunded) },
		Compile: schema.Compile,
	})
}

var refunded = automation.TriggerDescriptor{
	Name: "orders.refunded", Label: "Order refunded", Description: "A refund of an order was made.",
	EventTypes: []string{"lumelle.orders.v1.refunded"},
	Schema:     json.RawMessage(`{"type":"object","required":["amount"]}`),
	Sample:     json.RawMessage(`{"specversion":"1.0","id":"1","source":"/orders","type":"lumelle.orders.v1.refunded","subject":"order/1001","data":{"amount":150}}`),
}
