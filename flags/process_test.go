package flags_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// readerEnv turns a run of TestReader into the second process: it names the store.
const readerEnv = "ADMINKIT_TEST_READER"

// openPlace opens a store by what readerEnv says of it.
func openPlace(t testing.TB, place string) eachtest.Backend {
	t.Helper()
	var b eachtest.Backend
	var err error
	if dsn, ok := strings.CutPrefix(place, "postgres "); ok {
		b, err = postgres.Open(t.Context(), dsn, postgres.Config{})
	} else {
		b, err = sqlite.Open(t.Context(), place, sqlite.Config{})
	}
	must(t, err)
	t.Cleanup(func() { must(t, b.Close(context.WithoutCancel(t.Context()))) })
	return b
}

// TestReader is the second process of TestAKillReachesAnotherProcess: a thousand times a
// second it evaluates the flag, and it tells each change of the answer with its time.
func TestReader(t *testing.T) {
	place := os.Getenv(readerEnv)
	if place == "" {
		return // this is the first process
	}
	p, err := flags.NewProvider(openPlace(t, place).Flags(), "prod", flags.ProviderConfig{})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	defer func() {
		cancel()
		must(t, <-done)
	}()
	ended := make(chan struct{}) // when the first process goes away
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	s, last, n := merchant("m1", "GB"), flags.Reason(""), 0
	for {
		e := p.Evaluate(ctx, "checkout", s)
		if n++; e.Reason != last {
			last = e.Reason
			fmt.Println("answer", last, time.Now().UnixNano(), n)
		}
		select {
		case <-tick.C:
		case <-ended:
			return
		}
	}
}

// TestAKillReachesAnotherProcess throws the kill switch in one process while another one
// evaluates the flag a thousand times a second. How long it takes to the first answer
// that is off is logged; ADMINKIT_LONG=1 makes thirty rounds of it and holds each to a
// second.
func TestAKillReachesAnotherProcess(t *testing.T) {
	rounds, bound := 3, 30*time.Second
	if os.Getenv("ADMINKIT_LONG") == "1" {
		rounds, bound = 30, time.Second
	}
	for _, kind := range eachtest.Kinds(t) {
		if kind.Name == "memory" {
			continue // is of one process
		}
		t.Run(kind.Name, func(t *testing.T) {
			place := filepath.Join(t.TempDir(), "flags.db")
			if kind.Name == "postgres" {
				place = "postgres " + eachtest.PostgresDSN(t)
			}
			k := newKit(t, openPlace(t, place), flags.Config{})
			must(t, k.create(checkout()))
			answers := reader(t, place)
			answers.until(t, flags.ReasonTargetingMatch)
			var took []time.Duration
			for range rounds {
				began := time.Now()
				_, err := k.service.Kill(k.ctx, "acme", "checkout", "prod", "a drill")
				must(t, err)
				took = append(took, answers.until(t, flags.ReasonDisabled).Sub(began))
				_, err = k.service.Restore(k.ctx, "acme", "checkout", "prod", "")
				must(t, err)
				answers.until(t, flags.ReasonTargetingMatch)
			}
			slices.Sort(took)
			t.Logf("from kill to the first answer that is off: p50 %s, max %s over %d rounds, at %.0f evaluations a second",
				took[len(took)/2], took[len(took)-1], rounds, answers.rate())
			if most := took[len(took)-1]; most > bound {
				t.Errorf("the kill took %s to the other process, want at most %s", most, bound)
			}
		})
	}
}

// answers are the changes of the flag as the other process tells them.
type answers struct {
	lines       *bufio.Scanner
	first, last time.Time
	n           int
}

// reader starts the second process; it ends with the test.
func reader(t *testing.T, place string) *answers {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestReader$", "-test.count=1")
	cmd.Env = append(os.Environ(), readerEnv+"="+place)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		rest, _ := io.ReadAll(out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other process: %v\n%s", err, rest)
		}
	})
	return &answers{lines: bufio.NewScanner(out)}
}

// until waits for an answer and returns when the other process had it.
func (a *answers) until(t *testing.T, want flags.Reason) time.Time {
	t.Helper()
	for a.lines.Scan() {
		var got string
		var at int64
		if n, _ := fmt.Sscanf(a.lines.Text(), "answer %s %d %d", &got, &at, &a.n); n != 3 {
			continue
		}
		a.last = time.Unix(0, at)
		if a.first.IsZero() {
			a.first = a.last
		}
		if flags.Reason(got) == want {
			return a.last
		}
	}
	t.Fatalf("the other process ended before it said %s: %v", want, a.lines.Err())
	return time.Time{}
}

// rate is how often a second the other process evaluated.
func (a *answers) rate() float64 { return float64(a.n) / a.last.Sub(a.first).Seconds() }
