package faults_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/storagetest/faults"
)

func TestASweepUnderTheNetworkFindsEveryRoundTrip(t *testing.T) {
	clean, err := pgx.Connect(t.Context(), pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	defer clean.Close(context.Background())
	if _, err := clean.Exec(t.Context(), `CREATE TABLE refund (id TEXT PRIMARY KEY); CREATE TABLE audit (id TEXT PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	count := func(table, id string) (n int) {
		t.Helper()
		if err := clean.QueryRow(t.Context(), `SELECT COUNT(*) FROM `+table+` WHERE id = $1`, id).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}

	unknown := map[faults.Mode]int{} // runs that failed and had committed
	fired := map[faults.Mode]int{}
	for p := range faults.Sweep() {
		change := func() error {
			cfg := clean.Config()
			cfg.DialFunc = pgconn.DialFunc(p.Dial(faults.DialFunc(cfg.DialFunc)))
			c, err := pgx.ConnectConfig(t.Context(), cfg)
			if err != nil {
				return err
			}
			defer c.Close(context.Background())
			return pgx.BeginFunc(t.Context(), c, func(tx pgx.Tx) error {
				for _, table := range []string{"refund", "audit"} {
					if _, err := tx.Exec(t.Context(), `INSERT INTO `+table+` VALUES ($1) ON CONFLICT DO NOTHING`, p.String()); err != nil {
						return err
					}
				}
				return nil
			})
		}
		p.Arm()
		err := change()
		p.Disarm()
		_, hit := p.Fired()
		if hit == (err == nil) {
			t.Errorf("%v: fired is %v and the change answers %v", p, hit, err)
		}
		if hit {
			fired[p.Mode()]++
		}
		refunds, audits := count("refund", p.String()), count("audit", p.String())
		if refunds != audits || err == nil && refunds == 0 {
			t.Errorf("%v: %d refunds and %d audits, error %v", p, refunds, audits, err)
		}
		if err != nil && refunds == 1 {
			unknown[p.Mode()]++
		}
		if err := change(); err != nil || count("refund", p.String()) != 1 || count("audit", p.String()) != 1 {
			t.Errorf("%v: the repetition did not complete the change: %v", p, err)
		}
	}
	for mode, n := range fired {
		if n < 5 { // connect, startup, begin, two inserts, commit; statements are prepared besides
			t.Errorf("%v: %d faults, want 5 at least", mode, n)
		}
		want := 0
		if mode == faults.After || mode == faults.LostAfter {
			want = 1
		}
		if unknown[mode] != want {
			t.Errorf("%v: %d commits were made and not told, want %d", mode, unknown[mode], want)
		}
	}
	t.Logf("faults by mode: %v", fired)
}

func TestAHalfSentRequestIsAnError(t *testing.T) {
	server, client := net.Pipe()
	defer server.Close()
	got := make(chan string, 1)
	go func() {
		b := make([]byte, 100)
		n, _ := server.Read(b)
		got <- string(b[:n])
	}()
	p := faults.New(faults.LostBefore, 2) // the connection is the first call
	p.Arm()
	c, err := p.Dial(func(context.Context, string, string) (net.Conn, error) { return client, nil })(t.Context(), "pipe", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("request!")); err == nil || !strings.Contains(err.Error(), faults.ErrInjected.Error()) {
		t.Errorf("Write = %v, want the injected fault", err)
	}
	if s := <-got; s != "requ" {
		t.Errorf("the server got %q, want half of the request", s)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a lost connection can be read")
	}
}
