package tenants_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/process"
	"github.com/lumelle/adminkit/storage/tenants"
	"github.com/lumelle/adminkit/webhooks"
)

func TestMain(m *testing.M) {
	process.Main(process.Roles{"leaver": deleteAcme})
	goleak.VerifyTestMain(m)
}

// deleteAcme deletes a tenant in small batches and says so after each of them.
func deleteAcme(ctx context.Context, args []string) error {
	b, err := openAt(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	defer b.Close(context.WithoutCancel(ctx))
	_, err = serviceOver(said{b.Tenants()}).Delete(ctx, "acme", tenants.Deletion{Evidence: true, Batch: 3})
	return err
}

func openAt(ctx context.Context, kind, at string) (eachtest.Backend, error) {
	if kind == "postgres" {
		return postgres.Open(ctx, at, postgres.Config{})
	}
	return sqlite.Open(ctx, at, sqlite.Config{})
}

// said says when rows were deleted.
type said struct{ tenants.Store }

func (s said) DeleteRows(ctx context.Context, tenant, table string, limit int) (int, error) {
	n, err := s.Store.DeleteRows(ctx, tenant, table, limit)
	if n > 0 && err == nil {
		process.Say(table)
	}
	return n, err
}

// settle gives a tenant jobs, evidence, an endpoint and messages.
func settle(ctx context.Context, b eachtest.Backend, tenant string, each int) error {
	return b.InTx(ctx, func(ctx context.Context) error {
		endpoint := webhooks.Endpoint{ID: "e", URL: "https://example.com", EventTypes: []string{"*"}, Status: webhooks.Enabled, Revision: 1, CreatedAt: noon, UpdatedAt: noon}
		if err := b.Webhooks().InsertEndpoint(ctx, tenant, endpoint, webhooks.Secret{ID: "s", Sealed: []byte("sealed"), CreatedAt: noon}); err != nil {
			return err
		}
		for i := range each {
			id := fmt.Sprint(i)
			row := audit.Row{Source: "/orders", ID: id, Time: noon, Action: "orders.refund"}
			row.Canonical, row.RecordedAt = fmt.Appendf(nil, `{"id":%q}`, id), noon
			row.Leaf = sha256.Sum256(row.Canonical)
			if err := b.Audit().Insert(ctx, tenant, row); err != nil {
				return err
			}
			delivery := webhooks.Delivery{ID: id, MessageID: id, EndpointID: "e", Status: webhooks.Pending, CreatedAt: noon, UpdatedAt: noon}
			if _, err := b.Webhooks().InsertMessage(ctx, tenant, webhooks.Message{ID: id, EventID: id, Body: []byte(`{}`), CreatedAt: noon}, []webhooks.Delivery{delivery}); err != nil {
				return err
			}
			if err := b.Jobs().Enqueue(ctx, []jobs.Job{{Tenant: tenant, Lane: "lane-" + id, Kind: "k", Due: noon}}); err != nil {
				return err
			}
		}
		return nil
	})
}

// exportOf returns the export of a tenant.
func exportOf(t *testing.T, b eachtest.Backend, tenant string) (text string, total int64) {
	t.Helper()
	var out bytes.Buffer
	counts, err := serviceOver(b.Tenants()).Export(t.Context(), tenant, &out)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), counts.Total()
}

func TestADeletionThatIsKilledIsGoneOnWith(t *testing.T) {
	t.Parallel()
	for _, kind := range eachtest.Kinds(t) {
		if kind.Name == "memory" { // nothing of it outlives a process
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			at := filepath.Join(t.TempDir(), "tenants.db")
			if kind.Name == "postgres" {
				at = pgtest.DSN(t)
			}
			b, err := openAt(t.Context(), kind.Name, at)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close(context.Background()) })
			for _, tenant := range []string{"acme", "bloom"} {
				if err := settle(t.Context(), b, tenant, 30); err != nil {
					t.Fatal(err)
				}
			}
			neighbour, _ := exportOf(t, b, "bloom")
			_, left := exportOf(t, b, "acme")
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			kills := 0
			for !deleted(t, kind.Name, at, random.IntN(12)) {
				kills++
				_, now := exportOf(t, b, "acme")
				if now > left || kills == 200 { // each of them deleted at least one batch
					t.Fatalf("seed %d: after %d kills %d rows are left, and %d before", seed, kills, now, left)
				}
				left = now
			}
			if kills == 0 {
				t.Errorf("seed %d: nobody was killed", seed)
			}
			if text, n := exportOf(t, b, "acme"); n != 0 {
				t.Errorf("seed %d: after %d kills there is\n%s", seed, kills, text)
			}
			if text, _ := exportOf(t, b, "bloom"); text != neighbour {
				t.Errorf("seed %d: after %d kills the neighbour has\n%s\nand had\n%s", seed, kills, text, neighbour)
			}
			t.Logf("%d kills", kills)
		})
	}
}

// deleted has a child delete a tenant and kills it after so many batches and one. It
// reports whether the child was done before.
func deleted(t *testing.T, kind, at string, batches int) bool {
	t.Helper()
	p, err := process.Start(process.Config{Role: "leaver", Args: []string{kind, at}})
	if err != nil {
		t.Fatal(err)
	}
	for range batches + 1 {
		if _, err := p.Line(); errors.Is(err, io.EOF) {
			if err := p.Stop(); err != nil {
				t.Fatal(err)
			}
			return true
		}
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	return false
}
