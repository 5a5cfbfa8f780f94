package main

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// The test binary is the admin when this variable is set: so its processes can be
// killed, and their exit codes read.
const actAsAdmin = "MERCHANTADMIN_TEST_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(actAsAdmin) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command returns the admin as a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	// The ctx of the test ends before its cleanups, which stop the process in order.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), actAsAdmin+"=1")
	cmd.Dir = t.TempDir()
	return cmd
}

func TestBadStartIsOneClearLine(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	directory := t.TempDir()
	garbage := filepath.Join(t.TempDir(), "garbage.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("not a database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"an unknown flag", []string{"-nope"}, "-nope"},
		{"a flag of another type", []string{"-demo=perhaps"}, "demo"},
		{"an argument", []string{"serve"}, "serve"},
		{"an address without a port", []string{"-addr", "localhost"}, "-addr"},
		{"a port that is no number", []string{"-addr", "127.0.0.1:http-alt-x"}, "http-alt-x"},
		{"a port that is taken", []string{"-addr", taken.Addr().String()}, "in use"},
		{"an empty database", []string{"-db", ""}, "-db"},
		{"a database in no directory", []string{"-db", filepath.Join(directory, "no", "such", "file.db")}, "file.db"},
		{"a database that is a directory", []string{"-db", directory}, directory},
		{"a file that is no database", []string{"-db", garbage}, "garbage.db"},
		{"a Postgres that is not there", []string{"-db", "postgres://127.0.0.1:1/none?connect_timeout=2"}, "127.0.0.1"},
		{"a DSN that cannot be read", []string{"-db", "postgres://127.0.0.1:port/none"}, "postgres"},
		{"an empty environment", []string{"-env", ""}, "-env"},
		{"a lease that is too short", []string{"-lease", "1ms"}, "-lease"},
		{"an egress prefix that is none", []string{"-egress-allow", "127.0.0.1"}, "-egress-allow"},
		{"keys that are none", []string{"-keys", garbage}, "-keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, append([]string{"-addr", "127.0.0.1:0"}, c.args...)...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if code := cmd.ProcessState.ExitCode(); err == nil || code < 1 || code > 2 {
				t.Errorf("it ended with %d (%v), want 1 or 2", code, err)
			}
			said := strings.TrimSuffix(stderr.String(), "\n")
			if !strings.HasPrefix(said, "merchantadmin: ") || strings.Contains(said, "\n") || !strings.Contains(said, c.says) {
				t.Errorf("it said %q, want one line with %q", said, c.says)
			}
			if stdout.Len() > 0 {
				t.Errorf("standard output has %q", stdout.String())
			}
		})
	}
}

func TestSignalsStopItCleanly(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			cmd := command(t, "-addr", "127.0.0.1:0")
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stdout)
			if !lines.Scan() || !strings.HasPrefix(lines.Text(), "merchant admin ready at http://127.0.0.1:") {
				t.Fatalf("the first line is %q", lines.Text())
			}
			began := time.Now()
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if lines.Scan() {
				t.Errorf("standard output goes on with %q", lines.Text())
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v to stop", took)
			}
			for _, made := range []string{"merchantadmin.db", "merchantadmin.db.keys"} {
				if _, err := os.Stat(filepath.Join(cmd.Dir, made)); err != nil {
					t.Errorf("the working directory lacks what it made: %v", err)
				}
			}
		})
	}
}

func TestDatabaseIsKeptUntilItIsReset(t *testing.T) {
	t.Parallel()
	onEachDurableDatabase(t, func(t *testing.T, db string) {
		keys := filepath.Join(t.TempDir(), "keys")
		first, stop := runAdmin(t, "-db", db, "-keys", keys)
		order := first.order(100_00).ID
		first.refund("sam", order, "5.00").want(http.StatusOK)
		cookie := first.signIn("sam").cookie
		stop()

		second, stop := runAdmin(t, "-db", db, "-keys", keys)
		if got := second.refunded(order); got != "5.00" {
			t.Errorf("after a restart %s is refunded, want 5.00", got)
		}
		second.send("GET", "/orders", "", "Cookie", cookie).want(http.StatusOK)
		stop()

		third, stop := runAdmin(t, "-db", db, "-keys", keys, "-reset")
		defer stop()
		if got := third.refunded(order); got != "0.00" {
			t.Errorf("after a reset %s is refunded, want 0.00", got)
		}
		var log struct{ Items []struct{ Action string } }
		third.as("audra", "GET", "/api/v1/audit/events?action=orders.refund", "").want(http.StatusOK).json(&log)
		if len(log.Items) != 0 {
			t.Errorf("after a reset %d refunds are recorded", len(log.Items))
		}
	})
}

func TestProcessesThatStartAtOnceShareOneDatabase(t *testing.T) {
	t.Parallel()
	onEachDurableDatabase(t, func(t *testing.T, db string) {
		keys := filepath.Join(t.TempDir(), "keys")
		var ready []*bufio.Scanner
		for range 3 {
			cmd := command(t, "-addr", "127.0.0.1:0", "-db", db, "-keys", keys)
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				cmd.Process.Signal(os.Interrupt)
				if err := cmd.Wait(); err != nil {
					t.Errorf("a process ended with %v:\n%s", err, stderr.String())
				}
			})
			ready = append(ready, bufio.NewScanner(stdout))
		}
		var all []*admin
		document, err := openAPI()
		if err != nil {
			t.Fatal(err)
		}
		for _, lines := range ready {
			lines.Scan()
			base, ok := strings.CutPrefix(lines.Text(), "merchant admin ready at ")
			if !ok {
				t.Fatalf("a process does not come up: %q", lines.Text())
			}
			all = append(all, &admin{t: t, base: base, document: httpapitest.Load(t, document)})
		}
		order := all[0].order(100_00).ID
		all[0].refund("sam", order, "5.00").want(http.StatusOK)
		if got := all[1].refunded(order); got != "5.00" {
			t.Errorf("another process sees %s refunded, want 5.00", got)
		}
		all[2].send("GET", "/orders", "", "Cookie", all[0].signIn("sam").cookie).want(http.StatusOK)
		var log struct{ Items []struct{ Action string } }
		all[1].as("audra", "GET", "/api/v1/audit/events?action=authz.policy.change", "").want(http.StatusOK).json(&log)
		if len(log.Items) != 1 {
			t.Errorf("the roles of acme were written %d times, want once", len(log.Items))
		}
	})
}

func TestOtherKeysDoNotOpenTheDatabase(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "admin.db")
	_, stop := runAdmin(t, "-db", db)
	stop()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-db", db, "-keys", filepath.Join(t.TempDir(), "keys")}, &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "-keys") {
		t.Errorf("it ended with %d and said %q", code, stderr.String())
	}
}

func TestWithoutDemoNobodyIsThere(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory, "-demo=false")
	a.as("olivia", "GET", "/api/v1/orders", "").want(http.StatusUnauthorized)
	if page := string(a.send("GET", "/login", "").want(http.StatusOK).body); !strings.Contains(page, "Nobody can sign in") || strings.Contains(page, "Olivia") {
		t.Errorf("the door is %s", page)
	}
	a.send("GET", "/readyz", "").want(http.StatusOK)
}

func TestReceiverThatHangsDoesNotHoldUpTheStop(t *testing.T) {
	t.Parallel()
	called, release := make(chan struct{}, 1), make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		called <- struct{}{}
		<-release
	}))
	defer receiver.Close()
	defer close(release)
	a, stop := runAdmin(t, "-db", sqlite.Memory, "-env", "staging")
	if page := string(a.send("GET", "/login", "").body); !strings.Contains(page, "staging") {
		t.Errorf("the page does not name the environment")
	}
	a.as("dana", "POST", "/api/v1/webhooks/endpoints", `{"url":"`+receiver.URL+`","event_types":["*"]}`).want(http.StatusCreated)
	a.refund("sam", a.order(100_00).ID, "5.00").want(http.StatusOK)
	<-called
	began := time.Now()
	stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

func TestHelpListsTheFlags(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"-h"}, &stdout, &stderr); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	for _, name := range []string{"-addr", "-db", "-demo", "-egress-allow", "-env", "-keys", "-lease", "-reset", "-workers"} {
		if !strings.Contains(stderr.String(), "  "+name) {
			t.Errorf("the help lacks %s:\n%s", name, stderr.String())
		}
	}
}

func TestTheAdminThatIsToldToStopBeforeItIsUpStopsCleanly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"-addr", "127.0.0.1:0", "-db", filepath.Join(t.TempDir(), "admin.db")}, &stdout, &stderr)
	if code != 0 || stdout.Len() > 0 || stderr.Len() > 0 {
		t.Errorf("it exits %d and says %q and %q, want 0 and nothing", code, &stdout, &stderr)
	}
}
